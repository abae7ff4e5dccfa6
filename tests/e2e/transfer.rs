//! Transfers by baresip and by pjsua2: which parties hear each other afterwards, and who is credited for which seconds.

use serde_json::Value;

use super::baresip::Baresip;
use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone;
use super::tone::assert_heard;
use super::trunk::{Caller, Manner};

/// A phone that can pass its caller on.
trait PassesOn: Phone {
    fn passes_on(&mut self, whom: &str);
    fn is_hung_up(&mut self);
    /// Its calls so far, and the samples that it has heard in the last one.
    fn heard_so_far(&self) -> (usize, usize);
    /// It is notified that the transfer target rings.
    fn hears_that_it_rings(&mut self);
    /// Its transfer has failed: it has its caller again.
    fn is_back(&mut self, number: &str);
}

impl PassesOn for Baresip {
    /// This one hangs up by itself then, and the caller is offered to it again.
    fn is_back(&mut self, number: &str) {
        self.rings_for(number);
        self.answers();
    }

    fn passes_on(&mut self, whom: &str) {
        Self::passes_on(self, whom);
    }

    fn is_hung_up(&mut self) {
        Self::is_hung_up(self);
    }

    fn heard_so_far(&self) -> (usize, usize) {
        Self::heard_so_far(self)
    }

    /// It does not report this.
    fn hears_that_it_rings(&mut self) {}
}

impl PassesOn for Pjsua {
    fn hears_that_it_rings(&mut self) {
        self.event("transfer 180");
    }

    fn is_back(&mut self, _: &str) {}

    fn passes_on(&mut self, whom: &str) {
        Self::passes_on(self, whom);
    }

    fn is_hung_up(&mut self) {
        Self::is_hung_up(self);
    }

    fn heard_so_far(&self) -> (usize, usize) {
        Self::heard_so_far(self)
    }
}

/// The operators who talked, and whether they transferred the caller.
fn talks(record: &Value) -> Vec<(&str, bool)> {
    let talks = record["talks"].as_array().unwrap().iter();
    talks.map(|talk| (talk["with"]["operator"].as_str().unwrap(), talk["transferred"] == true)).collect()
}

/// Samples of three seconds.
const PART: usize = 24_000;

/// Waits until streams have flowed for three seconds and a phone has heard as much of them; where that begins in its last call.
fn hears_a_part(service: &Service, streams: u32, phone: &impl PassesOn) -> usize {
    let (calls, before) = phone.heard_so_far();
    service.sound_flows(streams, 3);
    until("the phone has heard the part", || {
        let (now, heard) = phone.heard_so_far();
        let begin = if now > calls { 0 } else { before };
        (heard >= begin + PART).then_some(begin)
    })
}

fn last(samples: &[i16]) -> &[i16] {
    &samples[samples.len() - 20_000..]
}

fn passed_on_blindly<P: PassesOn>(net: u8) {
    let service = Service::start(net, 2, "wrap_up_seconds = 1");
    let mut first = P::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    first.rings_for(&caller.number);
    first.answers();
    service.wait_for_call(&caller.number, "talking");
    let mut second = P::start(&service, 2, 550);
    // The colleague declines: the two continue to talk.
    let whom = format!("sip:op2@{}", service.host(1));
    first.passes_on(&whom);
    second.rings_for(&caller.number);
    assert_eq!(service.call(&caller.number).unwrap()["state"], "transfer");
    second.hangs_up();
    first.is_back(&caller.number);
    service.wait_for_call(&caller.number, "talking");
    let begin = hears_a_part(&service, 2, &first);
    service.wait_for_state("op2", "ready");
    // Now the colleague accepts.
    first.passes_on(&whom);
    second.rings_for(&caller.number);
    first.hears_that_it_rings();
    second.answers();
    first.is_hung_up();
    service.wait_for_state("op2", "talking");
    service.sound_flows(2, 4);
    second.hangs_up();
    let heard = caller.ends().samples;
    assert_heard("the caller, at the end", last(&heard), 550, &[440, 700]);
    let with_first = first.heard();
    let later = with_first.last().unwrap();
    assert_heard("the first operator, after the failure", &later[begin..begin + PART], 700, &[440, 550]);
    assert_heard("the second operator", second.heard().last().unwrap(), 700, &[440, 550]);
    let records = service.records(1, |record| !record["recordings"][1].is_null());
    let talks = talks(&records[0]);
    let (last, before) = talks.split_last().unwrap();
    assert!(*last == ("op2", false) && before.iter().all(|talk| *talk == ("op1", true)), "{:#}", records[0]);
    assert_eq!((&records[0]["operator"], &records[0]["outcome"]), (&"op2".into(), &"answered".into()));
    assert_eq!(records[0]["transfers"][1]["outcome"], "answered");
    assert!(service.shows("siaga_transfers_total{outcome=\"done\"} 1"));
    assert!(service.shows("siaga_transfers_total{outcome=\"failed\"} 1"));
}

#[test]
fn baresip_passes_its_caller_on() {
    passed_on_blindly::<Baresip>(80);
}

#[test]
fn pjsua2_passes_its_caller_on() {
    passed_on_blindly::<Pjsua>(81);
}

#[test]
fn pjsua2_takes_the_place_of_a_colleague_who_talks() {
    let service = Service::start(26, 2, "wrap_up_seconds = 1\n[operators]\nsupervisors = [\"op2\"]");
    let mut first = Baresip::start(&service, 1, 400);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    first.rings_for(&caller.number);
    first.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 3);
    let mut second = Pjsua::start(&service, 2, 600);
    second.replaces(&format!("sip:op1@{}", service.host(1)), &first.dialog());
    second.is_answered();
    first.is_hung_up();
    service.sound_flows(2, 4);
    second.hangs_up();
    assert_heard("the caller, at the end", last(&caller.ends().samples), 600, &[400, 700]);
    assert_heard("who has taken him", last(second.heard().last().unwrap()), 700, &[400, 600]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    let who: Vec<_> = talks(&records[0]).into_iter().map(|(who, _)| who).collect();
    assert_eq!((who, &records[0]["operator"]), (vec!["op1", "op2"], &"op2".into()), "{:#}", records[0]);
}

#[test]
fn pjsua2_consults_a_colleague_and_transfers_the_caller() {
    let service = Service::start(82, 2, "wrap_up_seconds = 1");
    // 10 ms hold whole periods of each tone: a frame that pjsua2's jitter buffer skips leaves it as it is.
    let mut first = Pjsua::start(&service, 1, 400);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    first.rings_for(&caller.number);
    first.answers();
    service.wait_for_call(&caller.number, "talking");
    let mut second = Pjsua::start(&service, 2, 600);
    first.dial(&format!("sip:op2@{}", service.host(1)));
    second.rings_for("op1");
    second.answers();
    first.is_answered();
    // The colleague's call, and the tone for the caller.
    let begin = hears_a_part(&service, 3, &second);
    first.joins();
    // The phone rang for the colleague.
    let told = second.event("told ");
    assert!(told.contains(&caller.number), "{told}");
    first.is_hung_up();
    first.is_hung_up();
    service.sound_flows(2, 4);
    second.hangs_up();
    assert_heard("the caller, at the end", last(&caller.ends().samples), 600, &[400, 700]);
    // The second phone heard in one call: first the colleague, then the caller.
    let hers = second.heard();
    assert_eq!(hers.len(), 1);
    assert_heard("the second operator, before", &hers[0][begin..begin + PART], 400, &[600, 700]);
    assert_heard("the second operator, at the end", last(&hers[0]), 700, &[400, 600]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(talks(&records[0]), [("op1", true), ("op2", false)], "{:#}", records[0]);
    assert!(records[0]["transfers"][0]["consulted"].is_string());
}

#[test]
fn baresip_keeps_its_caller_when_its_transfer_is_rejected() {
    let service = Service::start(117, 1, "wrap_up_seconds = 1");
    let mut first = Baresip::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    first.rings_for(&caller.number);
    first.answers();
    // Unknown, not allowed, and no participant: the phone hangs up by itself each time, and rings again for the same caller.
    for user in ["nobody", "08119999", "*30nobody"] {
        service.wait_for_call(&caller.number, "talking");
        first.passes_on(&format!("sip:{user}@{}", service.host(1)));
        first.is_back(&caller.number);
    }
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 3);
    first.hangs_up();
    assert_heard("the caller, at the end", last(&caller.ends().samples), 440, &[700]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!((&records[0]["returned"], &records[0]["cause"]), (&3.into(), &"normal".into()), "{:#}", records[0]);
}
