//! Calls through an SBC that records its route and hides what is behind it: kamailio between SIPp and siaga.

use super::baresip::Baresip;
use super::kamailio::Kamailio;
use super::process::{Running, until};
use super::service::Service;
use super::three_callers::{Phone, of};
use super::tone::assert_heard;
use super::trunk::{Caller, Manner};
use std::process::Command;

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

/// Three calls: one that the caller ends, one that the operator ends, one that the caller holds and resumes and ends. All hear each
/// other in the end, and the records know nothing of what is behind the SBC.
pub(crate) fn calls_through(service: &Service, kamailio: &Kamailio, mut phone: impl Phone) {
    let manners = [Manner::HangsUpAfter(3_000), Manner::Stays, Manner::HoldsFor(1_500)];
    let tones = [700, 1_000, 1_300];
    let mut numbers = Vec::new();
    for (n, (manner, tone)) in manners.into_iter().zip(tones).enumerate() {
        let n = u16::try_from(n).unwrap();
        let caller = Caller::calls_through(service, &kamailio.address(), n, tone, manner);
        phone.rings_for(&caller.number);
        phone.answers();
        service.wait_for_call(&caller.number, "talking");
        if matches!(manner, Manner::Stays) {
            service.sound_flows(2, 3);
            phone.hangs_up();
        }
        numbers.push(caller.number.clone());
        let heard = caller.ends().samples;
        assert_heard(&format!("caller {n}"), &heard[heard.len() - LAST..], phone.hertz(), &tones);
        service.wait_for_state("op1", "ready");
    }
    let heard = phone.heard();
    for (samples, tone) in [(&heard[0], tones[0]), (&heard[1], tones[1]), (heard.last().unwrap(), tones[2])] {
        assert_heard("the operator", &samples[samples.len() - LAST..], tone, &[phone.hertz()]);
    }
    let records = service.records(3, |record| !record["ended"].is_null());
    for (number, ended_by) in numbers.iter().zip(["caller", "operator", "caller"]) {
        let record = of(&records, number);
        assert_eq!((&record["outcome"], &record["ended_by"]), (&"answered".into(), &ended_by.into()), "{record:#}");
        let call = record["sip_call_id"].as_str().unwrap();
        assert!(!call.contains(&service.host(8)), "{call} should be hidden");
    }
    assert!(of(&records, &numbers[2])["hold_ms"].as_u64().unwrap() > 1_000);
}

#[test]
fn calls_through_an_sbc_over_udp_with_baresip() {
    let service = Service::start(94, 1, "wrap_up_seconds = 0");
    let kamailio = Kamailio::start(&service);
    let phone = Baresip::start(&service, 1, 440);
    calls_through(&service, &kamailio, phone);
}

/// Who is behind the SBC answers one call and waits for its end.
pub(crate) fn answering(service: &Service) -> Running {
    let mut command = Command::new("sipp");
    command.args(["-i", &service.host(8), "-p", "5060", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]);
    command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/phones.xml")]).current_dir(service.path());
    let telco = Running::start("telco", service.path(), &mut command);
    let listens = || std::net::UdpSocket::bind((service.host(8).as_str(), 5060)).is_err().then_some(());
    until("the telco listens", listens);
    telco
}

/// A call to an unstaffed centre that goes out again through the SBC, and ends with its caller.
pub(crate) fn fallback_call(service: &Service, kamailio: &Kamailio) {
    let mut telco = answering(service);
    let caller = Caller::calls_through(service, &kamailio.address(), 9, 700, Manner::HangsUpAfter(1_000));
    service.wait_for_call(&caller.number, "talking");
    let number = caller.number.clone();
    caller.ends();
    assert!(telco.wait().success(), "the call out was answered and hung up");
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(of(&records, &number)["offers"][0]["to"]["number"], "0725112233", "{:#}", records[0]);
}

#[test]
fn an_sbc_that_asks_for_a_password_as_a_proxy_gets_the_right_answer() {
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "rahasia\n").unwrap();
    let trunk = format!(
        "uri = \"sip:127.7.96.2:5060\"\nkeep_alive_seconds = 0\nusername = \"siaga\"\npassword_file = \"{}\"",
        password.path().display()
    );
    let queue = "fallback_number = \"0725112233\"\nfallback_ring_seconds = 20";
    let service = Service::start_over(96, 1, queue, &["udp"], "", &trunk);
    let kamailio = Kamailio::asking(&service);
    fallback_call(&service, &kamailio);
}
