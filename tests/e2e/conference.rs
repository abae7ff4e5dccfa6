//! Conferences with real phones: which parties hear each other, also when a supervisor listens, whispers, barges in or takes
//! over. Each party sends its own tone until the caller hangs up; the test checks the end of what each has heard.

use std::time::Duration;

use serde_json::{Value, json};

use super::pjsua::Pjsua;
use super::service::Service;
use super::three_callers::Phone;
use super::tone::{assert_mixed, channel};
use super::trunk::{Caller, Manner};

// 10 ms hold whole periods of each tone: a frame that a jitter buffer skips leaves it as it is.
const CALLER: u32 = 700;
const OPERATOR: u32 = 400;
const GUEST: u32 = 600;
const ALL: [u32; 3] = [CALLER, OPERATOR, GUEST];

/// The operator's phone, a second one, and a caller who talks with the operator.
fn talking(net: u8) -> (Service, Pjsua, Pjsua, Caller) {
    let service = Service::start(net, 2, "wrap_up_seconds = 1\n[operators]\nsupervisors = [\"op2\"]");
    let mut operator = Pjsua::start(&service, 1, OPERATOR);
    let caller = Caller::calls(&service, 1, CALLER, Manner::HangsUpAfter(12_000));
    operator.rings_for(&caller.number);
    operator.answers();
    service.wait_for_call(&caller.number, "talking");
    let guest = Pjsua::start(&service, 2, GUEST);
    (service, operator, guest, caller)
}

/// A supervisor dials a code, and joins the call when the phone reports it.
fn supervises(service: &Service, supervisor: &mut Pjsua, code: &str) {
    supervisor.dial(&format!("sip:{code}op1@{}", service.host(1)));
    supervisor.is_answered();
    service.wait_for_state("op2", "talking");
}

/// The caller hangs up: each has heard these at the end, and nothing else. Returns the record.
fn ends(service: &Service, (mut operator, mut guest): (Pjsua, Pjsua), caller: Caller, hears: [&[u32]; 3]) -> Value {
    let heard = caller.ends().samples;
    let [of_operator, of_guest] = [operator.heard(), guest.heard()].map(|calls| calls.last().unwrap().clone());
    for ((who, heard), tones) in [("caller", heard), ("operator", of_operator), ("guest", of_guest)].iter().zip(hears) {
        let others: Vec<u32> = ALL.into_iter().filter(|tone| !tones.contains(tone)).collect();
        assert_mixed(who, heard, tones, &others);
    }
    let sealed = |record: &Value| record["outcome"] == "answered" && record["recordings"][0].is_object();
    service.records(1, sealed).remove(0)
}

/// The two sides of the recording.
fn taped(service: &Service, record: &Value, right: &[u32]) {
    let file = service.path().join("data/recordings").join(record["recordings"][0]["file"].as_str().unwrap());
    assert_mixed("the recording's left", &channel(&file, 0), &[CALLER], &[OPERATOR, GUEST]);
    let others: Vec<u32> = ALL.into_iter().filter(|tone| !right.contains(tone)).collect();
    assert_mixed("the recording's right", &channel(&file, 1), right, &others);
}

/// The operators who talked, and whether as a participant.
fn talks(record: &Value) -> Vec<(&str, bool)> {
    let talks = record["talks"].as_array().unwrap().iter();
    talks.map(|talk| (talk["with"]["operator"].as_str().unwrap(), talk["guest"] == true)).collect()
}

fn role(record: &Value) -> (&str, &str) {
    let guest = &record["guests"][0];
    (guest["who"]["operator"].as_str().unwrap(), guest["role"].as_str().unwrap())
}

#[test]
fn a_colleague_is_asked_in_and_all_three_hear_each_other() {
    let (service, mut operator, mut guest, caller) = talking(110);
    operator.passes_on(&format!("sip:*30op2@{}", service.host(1)));
    guest.rings_for(&caller.number);
    assert_eq!(service.call(&caller.number).unwrap()["state"], "talking", "the two talk on");
    guest.answers();
    let hears: [&[u32]; 3] = [&[OPERATOR, GUEST], &[CALLER, GUEST], &[CALLER, OPERATOR]];
    let record = ends(&service, (operator, guest), caller, hears);
    taped(&service, &record, &[OPERATOR, GUEST]);
    assert_eq!(talks(&record), [("op2", true), ("op1", false)], "{record:#}");
    assert_eq!(role(&record), ("op2", "guest"));
    let own = &record["talks"][1];
    assert_eq!(record["talk_ms"].as_i64().unwrap(), own["to"].as_i64().unwrap() - own["from"].as_i64().unwrap());
}

#[test]
fn a_listening_supervisor_is_not_heard() {
    let (service, operator, mut supervisor, caller) = talking(111);
    supervises(&service, &mut supervisor, "*21");
    let record = ends(&service, (operator, supervisor), caller, [&[OPERATOR], &[CALLER], &[CALLER, OPERATOR]]);
    taped(&service, &record, &[OPERATOR]);
    assert_eq!((talks(&record), role(&record)), (vec![("op1", false)], ("op2", "listener")), "{record:#}");
}

#[test]
fn a_supervisor_whispers_by_a_key_and_only_the_operator_hears_it() {
    let (service, operator, mut supervisor, caller) = talking(112);
    supervises(&service, &mut supervisor, "*21");
    supervisor.presses("2");
    let record = ends(&service, (operator, supervisor), caller, [&[OPERATOR], &[CALLER, GUEST], &[CALLER, OPERATOR]]);
    taped(&service, &record, &[OPERATOR]);
    assert_eq!(talks(&record), [("op1", false)], "{record:#}");
    let roles: Vec<&str> =
        record["guests"].as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["listener", "whisperer"]);
}

#[test]
fn all_parties_hear_a_supervisor_who_barges_in() {
    let (service, operator, mut supervisor, caller) = talking(113);
    supervises(&service, &mut supervisor, "*23");
    let hears: [&[u32]; 3] = [&[OPERATOR, GUEST], &[CALLER, GUEST], &[CALLER, OPERATOR]];
    let record = ends(&service, (operator, supervisor), caller, hears);
    taped(&service, &record, &[OPERATOR, GUEST]);
    assert_eq!((talks(&record), role(&record)), (vec![("op2", true), ("op1", false)], ("op2", "barger")), "{record:#}");
}

#[test]
fn a_supervisor_takes_over_and_the_operator_is_out() {
    let (service, mut operator, mut supervisor, caller) = talking(114);
    let started = std::time::Instant::now();
    supervises(&service, &mut supervisor, "*24");
    operator.is_hung_up();
    assert!(started.elapsed() < Duration::from_secs(10), "well before the caller hangs up");
    let heard = caller.ends().samples;
    assert_mixed("caller", &heard, &[GUEST], &[CALLER, OPERATOR]);
    let of_supervisor = supervisor.heard().remove(0);
    assert_mixed("supervisor", &of_supervisor, &[CALLER], &[OPERATOR, GUEST]);
    let records = service.records(1, |record| record["outcome"] == "answered" && record["recordings"][1].is_object());
    assert_eq!((&records[0]["operator"], &records[0]["ended_by"]), (&"op2".into(), &"caller".into()));
    assert_eq!(talks(&records[0]), [("op1", false), ("op2", false)]);
}

/// The console rings a supervisor's phone for a call, and the supervisor answers.
fn is_ordered_in(service: &Service, supervisor: &mut Pjsua, caller: &Caller, mode: &str) -> String {
    let call = service.call(&caller.number).unwrap()["call"].as_str().unwrap().to_owned();
    service.siaga(&["call", "supervise", &call, mode, "op2", "--config", "siaga.toml"]);
    supervisor.rings_for(&caller.number);
    supervisor.answers();
    service.wait_for_state("op2", "talking");
    call
}

#[test]
fn a_supervisor_rung_by_the_console_listens_and_then_whispers() {
    let (service, operator, mut supervisor, caller) = talking(140);
    let call = is_ordered_in(&service, &mut supervisor, &caller, "listen");
    let whispers = json!({ "mode": "whisper", "by": "op2" });
    assert_eq!(service.post(&format!("/v1/calls/{call}/supervision"), &whispers).0, 200);
    assert_eq!(service.call(&caller.number).unwrap()["guests"][0]["role"], "whisperer");
    let record = ends(&service, (operator, supervisor), caller, [&[OPERATOR], &[CALLER, GUEST], &[CALLER, OPERATOR]]);
    taped(&service, &record, &[OPERATOR]);
    assert_eq!(talks(&record), [("op1", false)], "{record:#}");
    let roles: Vec<&str> =
        record["guests"].as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["listener", "whisperer"]);
}

#[test]
fn a_supervisor_rung_by_the_console_to_take_over_has_the_caller_after_the_answer() {
    let (service, mut operator, mut supervisor, caller) = talking(141);
    is_ordered_in(&service, &mut supervisor, &caller, "take-over");
    operator.is_hung_up();
    let heard = caller.ends().samples;
    assert_mixed("caller", &heard, &[GUEST], &[CALLER, OPERATOR]);
    assert_mixed("supervisor", &supervisor.heard().remove(0), &[CALLER], &[OPERATOR, GUEST]);
    let records = service.records(1, |record| record["outcome"] == "answered" && record["recordings"][1].is_object());
    assert_eq!(talks(&records[0]), [("op1", false), ("op2", false)]);
}
