//! An unanswered caller is called back by pjsua2, over a telco that checks the header fields (RFC 7090, RFC 7135); and
//! a call that is classed by phone.

use std::net::UdpSocket;
use std::process::Command;

use super::pjsua::Pjsua;
use super::process::{PATIENCE, Running, until};
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

/// A telco whose subscriber is busy; the INVITE that it got.
pub(crate) fn busy(telco: &UdpSocket) -> String {
    let mut buffer = [0; 4_096];
    let (length, from) = telco.recv_from(&mut buffer).unwrap();
    let invite = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(invite.starts_with("INVITE "), "{invite}");
    let line = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let kept = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "].map(|name| match name {
        "To: " => format!("{};tag=busy", line(name)),
        _ => line(name),
    });
    let refusal = format!("SIP/2.0 486 Busy Here\r\n{}\r\nContent-Length: 0\r\n\r\n", kept.join("\r\n"));
    loop {
        telco.send_to(refusal.as_bytes(), from).unwrap();
        let (length, _) = telco.recv_from(&mut buffer).unwrap();
        // A repetition of the INVITE has crossed the answer.
        if buffer[..length].starts_with(b"ACK ") {
            return invite;
        }
    }
}

#[test]
fn pjsua2_calls_back_over_a_telco_and_classes_a_call() {
    let host = "127.7.116.9";
    let more = format!(
        "wrap_up_seconds = 1\n[[trunk]]\nname = \"outwards\"\npeers = [\"{host}\"]\nuri = \"sip:{host}:5060\"\n\
         keep_alive_seconds = 0\ncountry = \"62\"\nnumber_format = \"0\"\n[[category]]\ncode = \"1\"\n\
         name = \"kebakaran\"\nagency = \"Damkar\""
    );
    let service = Service::start(116, 1, &more);
    let mut phone = Pjsua::start(&service, 1, 440);
    let gives_up = Caller::calls(&service, 1, 700, Manner::CancelsAfter(300));
    let number = gives_up.number.clone();
    gives_up.ends();
    let list = || service.get("/v1/call-backs")["call_backs"].as_array().cloned().unwrap_or_default();
    until("he is on the list", || (list().len() == 1).then_some(()));
    phone.is_hung_up();
    service.wait_for_state("op1", "ready");
    let code = |code: &str| format!("sip:{code}@{}", service.host(1));

    let telco = UdpSocket::bind((host, 5060)).unwrap();
    telco.set_read_timeout(Some(PATIENCE)).unwrap();
    phone.dial(&code("*50"));
    let invite = busy(&telco);
    drop(telco);
    assert!(invite.starts_with(&format!("INVITE sip:{number}@{host}:5060 SIP/2.0\r\n")), "{invite}");
    let has = |line: &str| assert!(invite.contains(&format!("\r\n{line}")), "{line} is missing: {invite}");
    has("Priority: psap-callback\r\n");
    has("Resource-Priority: esnet.0\r\n");
    has(&format!("P-Asserted-Identity: <sip:112@{}>\r\n", service.host(1)));
    has(&format!("From: \"112\" <sip:112@{}>;tag=", service.host(1)));
    phone.is_hung_up();
    until("the try is counted", || (list()[0]["tries"] == 1).then_some(()));
    assert!(service.siaga(&["callback", "list", "--config", "siaga.toml"]).contains(&number));
    let given = service.siaga(&["callback", "call", &number, "op1", "--config", "siaga.toml"]);
    assert!(given.contains("*50"), "{given}");

    let mut command = Command::new("sipp");
    command.args(["-i", host, "-p", "5060", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]);
    command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/called_back.xml")]);
    command.current_dir(service.path());
    let mut telco = Running::start("called-back", service.path(), &mut command);
    until("the telco listens", || UdpSocket::bind((host, 5060)).is_err().then_some(()));
    phone.dial(&code("*50"));
    phone.is_answered();
    service.wait_for_state("op1", "talking");
    assert!(list().is_empty(), "who was reached leaves the list");
    phone.hangs_up();
    assert!(telco.wait().success(), "the header fields were as RFC 7090 wants them: {}", telco.output());
    service.wait_for_state("op1", "ready");
    let reached = service.records(1, |record| record["call_backs"][1]["outcome"] == "answered");
    assert_eq!(reached[0]["call_backs"][0]["outcome"], "busy", "{:#}", reached[0]);
    let report = service.siaga(&["report", "abandoned", "--config", "siaga.toml", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["reached"], &report["numbers"][0]["call_backs"]), (&1.into(), &2.into()), "{report:#}");

    let caller = Caller::calls(&service, 2, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    phone.hangs_up();
    caller.ends();
    phone.dial(&code("*411"));
    phone.is_answered();
    let classed =
        |record: &serde_json::Value| record["disposition"]["class"] == "normal" || record["answered"].is_null();
    let records = service.records(2, classed);
    let disposition = &records[1]["disposition"];
    assert_eq!((&disposition["category"], &disposition["agency"]), (&"kebakaran".into(), &"Damkar".into()));
    let facts = service.siaga(&["report", "call", records[1]["call"].as_str().unwrap(), "--config", "siaga.toml"]);
    assert!(facts.contains("disposed") && facts.contains("kebakaran"), "{facts}");
}
