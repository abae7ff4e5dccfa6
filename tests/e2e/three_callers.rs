//! Three callers, two operators: the order of ringing, the audio of each, and the records.

use serde_json::Value;

use super::baresip::Baresip;
use super::pjsua::Pjsua;
use super::service::Service;
use super::tone::{assert_heard, channel};
use super::trunk::{Caller, Manner};

/// An operator's phone.
pub(crate) trait Phone {
    /// Registers as `op<n>` and speaks with a tone.
    fn start(service: &Service, n: u8, hertz: u32) -> Self;
    fn hertz(&self) -> u32;
    /// Waits until it rings; returns the caller.
    fn rings_for(&mut self, number: &str);
    fn answers(&mut self);
    fn hangs_up(&mut self);
    /// What was heard in each of its calls.
    fn heard(&mut self) -> Vec<Vec<i16>>;
}

/// The record of a number.
pub(crate) fn of<'r>(records: &'r [Value], number: &str) -> &'r Value {
    let mut his = records.iter().filter(|record| record["asserted"] == number);
    let found = his.next().unwrap_or_else(|| panic!("no record of {number}: {records:#?}"));
    assert!(his.next().is_none(), "two records of {number}");
    found
}

/// The outcomes of a record's offers, as `operator:outcome`.
fn offers(record: &Value) -> Vec<String> {
    let one =
        |offer: &Value| format!("{}:{}", offer["to"]["operator"].as_str().unwrap(), offer["outcome"].as_str().unwrap());
    record["offers"].as_array().unwrap().iter().map(one).collect()
}

fn millis(record: &Value, key: &str) -> i64 {
    record[key].as_i64().unwrap_or_else(|| panic!("{key} of {record:#}"))
}

fn three_callers_and_two_operators<P: Phone>(net: u8) {
    let service = Service::start(net, 2, "wrap_up_seconds = 2\nring_seconds = 20");
    let mut first = P::start(&service, 1, 440);
    let mut second = P::start(&service, 2, 550);

    // The one who has been free longest is rung first.
    let a = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(5_000));
    first.rings_for(&a.number);
    assert_eq!(service.state("op2"), "ready");
    first.answers();
    service.wait_for_call(&a.number, "talking");
    let b = Caller::calls(&service, 2, 830, Manner::Stays);
    second.rings_for(&b.number);
    second.answers();
    service.wait_for_call(&b.number, "talking");

    // The third waits, hears the queue, and is served after the first operator's wrap-up.
    let c = Caller::calls(&service, 3, 1_010, Manner::Stays);
    let waiting = service.wait_for_call(&c.number, "queued");
    assert_eq!(waiting["position"], 1);
    service.wait_for_state("op1", "wrap-up");
    assert_eq!(service.call(&c.number).unwrap()["state"], "queued", "nobody is rung in his wrap-up");
    first.rings_for(&c.number);
    first.answers();
    service.wait_for_call(&c.number, "talking");
    service.sound_flows(4, 4);
    second.hangs_up();
    first.hangs_up();

    let numbers = [a.number.clone(), b.number.clone(), c.number.clone()];
    let tones = [a.hertz, b.hertz, c.hertz];
    let [heard_a, heard_b, heard_c] = [a, b, c].map(|caller| caller.ends().samples);
    assert_heard("caller a", &heard_a, first.hertz(), &[second.hertz(), tones[0], tones[1]]);
    assert_heard("caller b", &heard_b, second.hertz(), &[first.hertz(), tones[0], tones[1]]);
    // This caller heard the queue first: only the second half is checked.
    assert_heard("caller c", &heard_c[heard_c.len() - 24_000..], first.hertz(), &[second.hertz(), tones[2]]);
    let [ref with_a, ref with_c] = first.heard()[..] else { panic!("the first operator had two calls") };
    let [ref with_b] = second.heard()[..] else { panic!("the second operator had one call") };
    assert_heard("operator 1 with a", with_a, tones[0], &[tones[1], tones[2], first.hertz()]);
    assert_heard("operator 2 with b", with_b, tones[1], &[tones[0], tones[2], second.hertz()]);
    assert_heard("operator 1 with c", with_c, tones[2], &[tones[0], tones[1], first.hertz()]);

    let sealed = |record: &Value| {
        record["recordings"].as_array().is_some_and(|all| !all.is_empty()) && !record["wrap_ms"].is_null()
    };
    let records = service.records(3, sealed);
    assert_eq!(records.len(), 3);
    let wanted = [("op1", "caller"), ("op2", "operator"), ("op1", "operator")];
    for ((number, tone), (operator, ended_by)) in numbers.iter().zip(tones).zip(wanted) {
        let record = of(&records, number);
        assert_eq!(record["outcome"], "answered", "{record:#}");
        assert_eq!((&record["operator"], &record["ended_by"]), (&operator.into(), &ended_by.into()));
        assert_eq!(
            (&record["trunk"], &record["called"], &record["cause"]),
            (&"telco".into(), &"112".into(), &"normal".into())
        );
        assert_eq!(offers(record), [format!("{operator}:answered")]);
        let (received, answered, ended) =
            (millis(record, "received"), millis(record, "answered"), millis(record, "ended"));
        assert_eq!(millis(record, "waited_ms"), answered - received);
        assert_eq!(millis(record, "talk_ms"), ended - answered);
        assert!((2_000..4_000).contains(&millis(record, "wrap_ms")), "{record:#}");
        let recording = &record["recordings"][0];
        let file = service.path().join("data/recordings").join(recording["file"].as_str().unwrap());
        assert_heard("the recording's left", &channel(&file, 0), tone, &[440, 550]);
        let operators = if operator == "op1" { 440 } else { 550 };
        assert_heard("the recording's right", &channel(&file, 1), operators, &tones);
        assert_eq!(recording["sha256"], sha256(&file));
    }
    let waited = |number: &str| millis(of(&records, number), "waited_ms");
    assert!(waited(&numbers[2]) > 2_000, "the third waited through a wrap-up");
    assert!(of(&records, &numbers[2])["announced"].is_i64(), "the third heard the queue");
}

/// By the system's own tool.
fn sha256(file: &std::path::Path) -> String {
    let done = std::process::Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(done.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn three_callers_reach_two_operators_with_baresip() {
    three_callers_and_two_operators::<Baresip>(1);
}

#[test]
fn three_callers_reach_two_operators_with_pjsua2() {
    three_callers_and_two_operators::<Pjsua>(2);
}
