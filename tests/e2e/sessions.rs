//! What happens inside a session, with real peers: hold and resume of both sides, reliable responses, session timers.

use serde_json::Value;

use super::baresip::Baresip;
use super::linphone::Linphone;
use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::{Phone, of};
use super::tone::{assert_heard, share};
use super::trunk::{Caller, Manner};

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

#[test]
fn an_operator_holds_and_resumes_and_both_hear_each_other_again() {
    let service = Service::start(60, 1, "");
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 1);
    phone.holds();
    // The caller hears the tone, the phone nothing.
    service.sound_flows(1, 3);
    phone.resumes();
    service.sound_flows(2, 4);
    phone.hangs_up();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller in the end", &heard[heard.len() - LAST..], 440, &[700]);
    // baresip stops its own recording at the hold: what it was sent afterwards is counted instead.
    let records = service.records(1, |record| record["sound"].as_array().is_some_and(|legs| legs.len() == 2));
    let record = of(&records, &number);
    assert!(record["hold_ms"].as_u64().unwrap() > 2_000, "{record:#}");
    let legs = record["sound"].as_array().unwrap();
    let sent = legs.iter().find(|leg| leg["leg"] == 1).unwrap()["packets_out"].as_u64().unwrap();
    // One second before the hold, four seconds after it, and nothing meanwhile.
    assert!((200..320).contains(&sent), "{record:#}");
}

/// The record of a call that its caller ends; caller and operator have heard each other to the end.
fn record_of(service: &Service, manner: Manner) -> Value {
    let mut phone = Baresip::start(service, 1, 440);
    let caller = Caller::calls(service, 1, 700, manner);
    phone.rings_for(&caller.number);
    phone.answers();
    phone.is_hung_up();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller in the end", &heard[heard.len() - LAST..], 440, &[700]);
    let heard = phone.heard();
    let heard = heard.last().unwrap();
    assert_heard("the operator in the end", &heard[heard.len() - LAST..], 700, &[440]);
    let records = service.records(1, |_| true);
    let record = of(&records, &number).clone();
    assert_eq!((&record["outcome"], &record["ended_by"]), (&"answered".into(), &"caller".into()));
    record
}

#[test]
fn a_caller_with_reliable_responses_updates_holds_and_resumes() {
    let service = Service::start(61, 1, "");
    let record = record_of(&service, Manner::HoldsFor(3_000));
    assert!(record["hold_ms"].as_u64().unwrap() > 2_000, "{record:#}");
}

#[test]
fn a_phone_that_requires_reliable_responses_and_timers_takes_a_call() {
    let service = Service::start(62, 1, "");
    let mut phone = Pjsua::strict(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(4_000));
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 440, &[700]);
    let [ref heard] = phone.heard()[..] else { panic!("it had one call") };
    assert_heard("the operator", &heard[heard.len() - LAST..], 700, &[440]);
    let records = service.records(1, |_| true);
    assert_eq!(of(&records, &number)["outcome"], "answered");
}

#[test]
fn a_caller_from_a_core_network_without_an_offer_and_with_more_than_sound_is_served() {
    let service = Service::start(63, 1, "");
    let record = record_of(&service, Manner::FromCore(3_000));
    let text = record.to_string();
    for kept in ["History-Info: <sip:0725110@core.example>;index=1", "Diversion: <sip:0725110@core.example>"] {
        assert!(text.contains(kept), "{kept} in {record:#}");
    }
    assert_eq!(record["digits"][0][1], "5", "{record:#}");
}

/// A part of a call between two negotiations, in seconds and in samples.
const PART: (u32, usize) = (3, 24_000);

/// One call whose operator negotiates anew by each of the orders; the first puts it on hold, the second takes it back. After each
/// that is looked at what either side hears.
pub(crate) fn negotiates<P: Phone>(service: &Service, mut phone: P, orders: &[fn(&mut P)]) {
    let caller = Caller::calls(service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    // Returns where the part begins in what the caller hears.
    let part_with = |streams: u32| {
        let begin = caller.heard_so_far();
        service.sound_flows(streams, PART.0);
        until("the caller has heard the part", || (caller.heard_so_far() >= begin + PART.1).then_some(()));
        begin
    };
    let mut parts = vec![part_with(2)];
    for (nth, order) in orders.iter().enumerate() {
        order(&mut phone);
        // On hold only the caller hears something.
        parts.push(part_with(if nth == 0 { 1 } else { 2 }));
    }
    phone.hangs_up();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    let part = |samples: &[i16], from_end: usize| {
        let end = samples.len() - from_end * PART.1;
        samples[end.saturating_sub(PART.1)..end].to_vec()
    };
    // A second of it, then four of silence.
    let is_tone = |half: &[i16]| share(half, 425) > 0.7;
    assert!(heard.chunks(4_000).any(is_tone), "on hold the caller hears the tone");
    for (nth, begin) in parts.into_iter().enumerate() {
        let heard = &heard[begin..begin + PART.1];
        if nth == 1 {
            // The tone began before this part and lasts for a second. A cut end of the tone would look like the operator's 440 Hz.
            let silence = &heard[12_000..20_000];
            assert!(share(silence, 440) < 0.05, "on hold the caller does not hear the operator");
        } else {
            assert_heard(&format!("the caller in part {nth}"), heard, 440, &[700]);
        }
    }
    let [ref heard] = phone.heard()[..] else { panic!("it had one call") };
    for from_end in 0..orders.len() - 1 {
        assert_heard(&format!("the operator, {from_end} from the end"), &part(heard, from_end), 700, &[440]);
    }
    let records = service.records(1, |_| true);
    let record = of(&records, &number);
    assert_eq!((&record["outcome"], &record["ended_by"]), (&"answered".into(), &"operator".into()));
    assert!(record["hold_ms"].as_u64().unwrap() > 2_000, "{record:#}");
}

#[test]
fn pjsua2_holds_resumes_and_updates_and_both_are_heard_after_each() {
    let service = Service::start(93, 1, "");
    let phone = <Pjsua as Phone>::start(&service, 1, 440);
    negotiates(&service, phone, &[Pjsua::holds, Pjsua::resumes, Pjsua::updates]);
}

#[test]
fn linphone_holds_and_resumes_and_both_are_heard_after_each() {
    let service = Service::start(99, 1, "");
    let phone = <Linphone as Phone>::start(&service, 1, 440);
    negotiates(&service, phone, &[Linphone::holds, Linphone::resumes]);
}
