//! Operators' phones that accept only SRTP, and a plain trunk: both sides hear each other, and are recorded.

use super::baresip::Baresip;
use super::pjsua::Pjsua;
use super::service::Service;
use super::three_callers::{Phone, of};
use super::tone::{assert_heard, channel};
use super::trunk::{Caller, Manner};

fn calls_over_srtp<P: Phone>(service: &Service, mut phone: P) {
    // 20 ms hold whole periods of both: a frame that a phone's jitter buffer skips or repeats, which pjsua2 does in its second
    // call with plain sound too, leaves the tone as it is. What came in is judged by the recording.
    let tones = [700, 1_000];
    let callers = [1, 2].map(|n| {
        let caller = Caller::calls(service, n, tones[usize::from(n) - 1], Manner::Stays);
        phone.rings_for(&caller.number);
        phone.answers();
        service.wait_for_call(&caller.number, "talking");
        service.sound_flows(2, 4);
        phone.hangs_up();
        let number = caller.number.clone();
        assert_heard("the caller", &caller.ends().samples, phone.hertz(), &tones);
        number
    });
    let heard = phone.heard();
    assert_eq!(heard.len(), 2);
    for (n, samples) in heard.iter().enumerate() {
        assert_heard("the operator", samples, tones[n], &[phone.hertz(), tones[1 - n]]);
    }
    let records = service.records(2, |record| !record["recordings"][0].is_null());
    for (n, number) in callers.iter().enumerate() {
        let file = of(&records, number)["recordings"][0]["file"].as_str().unwrap().to_owned();
        let file = service.path().join("data/recordings").join(file);
        assert_heard("the recording's left", &channel(&file, 0), tones[n], &[phone.hertz()]);
        assert_heard("the recording's right", &channel(&file, 1), phone.hertz(), &tones);
    }
}

/// SRTP for all phones.
fn service(net: u8) -> Service {
    Service::with_media(net, 1, "wrap_up_seconds = 0", "srtp = \"require\"")
}

#[test]
fn a_baresip_that_must_have_srtp_talks_with_a_plain_trunk() {
    let service = service(50);
    let phone = Baresip::with(&service, 1, 440, "", ";mediaenc=srtp-mand", "module srtp.so\n");
    calls_over_srtp(&service, phone);
}

#[test]
fn a_pjsua2_that_must_have_srtp_talks_with_a_plain_trunk() {
    let service = service(51);
    let phone = Pjsua::secret(&service, 1, 440);
    calls_over_srtp(&service, phone);
}

#[test]
fn a_phone_with_srtp_of_its_own_accord_is_answered_by_a_service_that_offers_none() {
    let service = Service::start(52, 1, "");
    let mut phone = Baresip::with(&service, 1, 440, "", ";mediaenc=srtp-mand", "module srtp.so\n");
    phone.dial(&format!("sip:*13@{}", service.host(1)));
    service.wait_for_state("op1", "break");
    phone.is_hung_up();
    let heard = phone.heard();
    assert!(heard[0].iter().any(|sample| sample.abs() > 500), "the confirmation is heard");
}

#[test]
fn a_phone_under_tls_is_offered_srtp_and_keeps_it_over_hold_and_resume() {
    let transports = ["udp", "tcp", "tls"];
    let service = Service::with(73, 1, "", &transports, "", "", "srtp = \"offer\"");
    // It takes nothing else.
    let mut phone = Baresip::with(&service, 1, 440, ";transport=tls", ";mediaenc=srtp-mand", "module srtp.so\n");
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 1);
    phone.holds();
    service.sound_flows(1, 2);
    phone.resumes();
    service.sound_flows(2, 4);
    phone.hangs_up();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller in the end", &heard[heard.len() - 16_000..], 440, &[700]);
    let records = service.records(1, |record| !record["recordings"][0].is_null());
    let record = of(&records, &number);
    assert!(record["hold_ms"].as_u64().unwrap() > 1_000, "{record:#}");
}
