//! The floor with real phones: callers who are passed on to an agency on the trunk or speak with it in a conference, an operator who
//! logs out during a call, and a shift that ends at midnight.

use std::net::UdpSocket;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::agency::{self, Agency};
use super::baresip::Baresip;
use super::callback::busy;
use super::pjsua::Pjsua;
use super::process::{PATIENCE, until};
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::{assert_heard, assert_mixed};
use super::trunk::{Caller, Manner};

// 10 ms hold whole periods of each tone: a frame that pjsua2's jitter buffer skips leaves it as it is.
const CALLER: u32 = 700;
const OPERATOR: u32 = 400;
const AGENCY: u32 = 600;

/// The operator's phone, and its connected caller; calls to `damkar` go out over a trunk.
fn talking(net: u8) -> (Service, Pjsua, Caller) {
    let service = Service::start(net, 1, &format!("wrap_up_seconds = 1\n{}", agency::lines(net)));
    let mut phone = Pjsua::start(&service, 1, OPERATOR);
    let caller = Caller::calls(&service, 1, CALLER, Manner::HangsUpAfter(15_000));
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    (service, phone, caller)
}

fn last(samples: &[i16]) -> &[i16] {
    &samples[samples.len() - 20_000..]
}

/// Who talked with a caller and for how long, one after the other, from the answer to the end; the sum is the call's.
fn talks(record: &Value) -> Vec<(&str, i64)> {
    assert_eq!(record["talks"][0]["from"], record["answered"], "{record:#}");
    let mut at = record["answered"].as_i64();
    let mut told = Vec::new();
    for talk in record["talks"].as_array().unwrap() {
        let (from, to) = (talk["from"].as_i64().unwrap(), talk["to"].as_i64().unwrap());
        assert!(at.replace(to) <= Some(from), "{record:#}");
        let who = talk["with"].get("operator").or(talk["with"].get("number"));
        told.push((who.unwrap().as_str().unwrap(), to - from));
    }
    assert_eq!(at, record["ended"].as_i64(), "{record:#}");
    assert_eq!(told.iter().map(|(_, millis)| millis).sum::<i64>(), record["talk_ms"].as_i64().unwrap(), "{record:#}");
    told
}

/// What the summary of today credits each operator with: name, calls answered, milliseconds of talk.
pub(crate) fn credited(service: &Service) -> Vec<(String, i64, i64)> {
    let text = service.siaga(&["report", "summary", "--config", "siaga.toml", "--format", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let rows = report["operators"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let number = |row: &Value, key: &str| row[key].as_i64().unwrap_or_else(|| panic!("{key} of {row:#}"));
    let one =
        |row: &Value| (row["operator"].as_str().unwrap().to_owned(), number(row, "answered"), number(row, "talk_ms"));
    rows.iter().map(one).collect()
}

fn at_domain(service: &Service, user: &str) -> String {
    format!("sip:{user}@{}", service.host(1))
}

#[test]
fn an_agency_on_the_trunk_is_asked_first_and_then_has_the_caller() {
    let (service, mut phone, caller) = talking(20);
    let agency = Agency::takes_a_call(&service, AGENCY, 500);
    phone.dial(&at_domain(&service, "damkar"));
    phone.is_answered();
    // The operator's call with the agency, and the tone for the caller.
    service.sound_flows(3, 3);
    phone.joins();
    phone.is_hung_up();
    phone.is_hung_up();
    service.wait_for_state("op1", "ready");
    let heard = caller.ends().samples;
    assert_heard("the caller, at the end", last(&heard), AGENCY, &[OPERATOR, CALLER]);
    let of_agency = agency.ends().samples;
    assert_heard("the agency, before", &of_agency[..20_000], OPERATOR, &[CALLER, AGENCY]);
    assert_heard("the agency, at the end", last(&of_agency), CALLER, &[OPERATOR, AGENCY]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    let [(first, own), (second, _)] = talks(&records[0])[..] else { panic!("{:#}", records[0]) };
    assert_eq!((first, second), ("op1", "0725113"), "{:#}", records[0]);
    assert!(records[0]["transfers"][0]["consulted"].is_string(), "{:#}", records[0]);
    assert_eq!(credited(&service), [("op1".to_owned(), 1, own)], "the agency's seconds are not the operator's");
}

#[test]
fn a_busy_agency_leaves_the_caller_with_the_operator() {
    let (service, mut phone, caller) = talking(21);
    let telco = UdpSocket::bind((agency::host(21), 5060)).unwrap();
    telco.set_read_timeout(Some(PATIENCE)).unwrap();
    phone.passes_on(&at_domain(&service, "damkar"));
    let invite = busy(&telco);
    assert!(invite.starts_with("INVITE sip:0725113@"), "{invite}");
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 4);
    let heard = caller.ends().samples;
    assert_heard("the caller, at the end", last(&heard), OPERATOR, &[CALLER]);
    assert_heard("the operator, at the end", last(phone.heard().last().unwrap()), CALLER, &[OPERATOR]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(records[0]["transfers"][0]["outcome"], "busy", "{:#}", records[0]);
    assert!(talks(&records[0]).iter().all(|(who, _)| *who == "op1"));
}

#[test]
fn an_agency_is_asked_in_and_all_three_hear_each_other() {
    let (service, mut phone, caller) = talking(22);
    let agency = Agency::takes_a_call(&service, AGENCY, 500);
    phone.passes_on(&at_domain(&service, "*30damkar"));
    service.sound_flows(3, 4);
    let heard = caller.ends().samples;
    assert_mixed("the caller", &heard, &[OPERATOR, AGENCY], &[CALLER]);
    assert_mixed("the agency", &agency.ends().samples, &[OPERATOR, CALLER], &[AGENCY]);
    assert_mixed("the operator", phone.heard().last().unwrap(), &[CALLER, AGENCY], &[OPERATOR]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    let guest = &records[0]["guests"][0];
    assert_eq!((&guest["who"]["number"], &guest["role"]), (&"0725113".into(), &"guest".into()), "{:#}", records[0]);
}

#[test]
fn a_supervisor_takes_the_first_caller_out_of_the_queue() {
    let service = Service::start(25, 1, "wrap_up_seconds = 1\n[operators]\nsupervisors = [\"op1\"]");
    let mut phone = Pjsua::start(&service, 1, OPERATOR);
    service.siaga(&["operator", "pause", "op1", "--reason", "floor", "--config", "siaga.toml"]);
    let caller = Caller::calls(&service, 1, CALLER, Manner::HangsUpAfter(5_000));
    service.wait_for_call(&caller.number, "queued");
    phone.dial(&at_domain(&service, "*25"));
    phone.is_answered();
    service.wait_for_call(&caller.number, "talking");
    phone.is_hung_up();
    let heard = caller.ends().samples;
    assert_heard("the caller, at the end", last(&heard), OPERATOR, &[CALLER]);
    assert_heard("the supervisor, at the end", last(phone.heard().last().unwrap()), CALLER, &[OPERATOR]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(records[0]["offers"][0]["why"], "picked up from the queue by op1", "{:#}", records[0]);
    assert_eq!(talks(&records[0]).first().unwrap().0, "op1");
}

#[test]
fn an_operator_who_logs_out_during_a_call_finishes_it_and_gets_no_other() {
    let service = Service::start(23, 2, "wrap_up_seconds = 1");
    let mut first = Pjsua::start(&service, 1, OPERATOR);
    let caller = Caller::calls(&service, 1, CALLER, Manner::Stays);
    first.rings_for(&caller.number);
    first.answers();
    service.wait_for_call(&caller.number, "talking");
    first.dial(&at_domain(&service, "*12"));
    first.is_answered();
    first.is_hung_up();
    let his = service.operator("op1");
    assert_eq!((&his["logged_in"], &his["state"]), (&false.into(), &"talking".into()), "{his:#}");
    // A second operator comes, for the next caller.
    let mut second = Baresip::start(&service, 2, 550);
    service.sound_flows(2, 3);
    first.hangs_up();
    service.wait_for_state("op1", "offline");
    let heard = caller.ends().samples;
    assert_heard("the caller, at the end", last(&heard), OPERATOR, &[CALLER]);
    let next = Caller::calls(&service, 2, 830, Manner::Stays);
    second.rings_for(&next.number);
    second.answers();
    let third = Caller::calls(&service, 3, 900, Manner::CancelsAfter(500));
    let number = third.number.clone();
    third.ends();
    second.hangs_up();
    next.ends();
    let records = service.records(3, |record| record["ended"].is_i64());
    assert_eq!(of(&records, &number)["offers"], Value::Array(vec![]), "nobody was there for the third");
    let own = talks(records.iter().find(|record| record["operator"] == "op1").unwrap())[0].1;
    assert_eq!(credited(&service)[0], ("op1".to_owned(), 1, own));
}

/// Seconds to the next midnight in Jakarta, and the day that ends with it.
fn midnight() -> (u64, jiff::civil::Date) {
    let zone = jiff::tz::TimeZone::get("Asia/Jakarta").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = jiff::Timestamp::from_second(i64::try_from(now).unwrap()).unwrap();
    let today = zone.to_datetime(now).date();
    let next = zone.to_timestamp(today.tomorrow().unwrap().at(0, 0, 0, 0)).unwrap();
    (u64::try_from(next.as_second() - now.as_second()).unwrap(), today)
}

#[test]
fn at_the_end_of_a_shift_operators_keep_their_callers_and_the_next_shift_gets_new_calls() {
    const BEFORE: u64 = 20;
    let queue = "wrap_up_seconds = 1\n[operators]\nroster = \"roster.csv\"\n[[shift]]\nname = \"malam\"\nstart = \"16:00\"\n\
                 end = \"24:00\"\n[[shift]]\nname = \"dini\"\nstart = \"00:00\"\nend = \"08:00\"";
    // The next midnight but one when that is too near.
    let (to_midnight, today) = midnight();
    let (ahead, today) = match to_midnight.checked_sub(BEFORE) {
        Some(ahead) => (ahead, today),
        None => (to_midnight + 86_400 - BEFORE, today.tomorrow().unwrap()),
    };
    let [today, tomorrow] = [today, today.tomorrow().unwrap()].map(|day| day.to_string());
    let roster = format!("operator,date,shift\nop1,{today},malam\nop2,{tomorrow},dini\n");
    let service = Service::ahead(24, 2, queue, ahead, &roster);
    let mut first = Baresip::start(&service, 1, OPERATOR);
    let mut second = Baresip::start(&service, 2, 550);
    let shifts = || ["op1", "op2"].map(|operator| service.operator(operator)["on_shift"] == true);
    assert_eq!(shifts(), [true, false], "before midnight");
    let late = Caller::calls(&service, 1, CALLER, Manner::Stays);
    first.rings_for(&late.number);
    first.answers();
    service.wait_for_call(&late.number, "talking");
    until("it is midnight", || (shifts() == [false, true]).then_some(()));
    assert_eq!(service.state("op1"), "talking", "he finishes his call");
    let early = Caller::calls(&service, 2, 830, Manner::Stays);
    second.rings_for(&early.number);
    second.answers();
    service.wait_for_call(&early.number, "talking");
    service.sound_flows(4, 3);
    first.hangs_up();
    service.wait_for_state("op1", "offline");
    // The first operator is off shift, the second talks: a new caller waits for the second.
    let next = Caller::calls(&service, 3, 900, Manner::Stays);
    service.wait_for_call(&next.number, "queued");
    second.hangs_up();
    second.rings_for(&next.number);
    second.answers();
    service.wait_for_call(&next.number, "talking");
    second.hangs_up();
    let numbers = [&late, &early, &next].map(|caller| caller.number.clone());
    let [heard, of_early, _] = [late, early, next].map(|caller| caller.ends().samples);
    assert_heard("who called before midnight", last(&heard), OPERATOR, &[550, 830]);
    assert_heard("who called after it", last(&of_early), 550, &[OPERATOR, CALLER]);
    let of_day = |day: &str, count: usize| -> Vec<Value> {
        let asked = ["report", "calls", "--from", day, "--to", day, "--config", "siaga.toml", "--format", "json"];
        until("the records of a day", || {
            serde_json::from_str(&service.siaga(&asked)).ok().filter(|records: &Vec<Value>| records.len() == count)
        })
    };
    let records = [of_day(&today, 1), of_day(&tomorrow, 2)];
    assert_eq!(of(&records[0], &numbers[0])["operator"], "op1", "the call belongs to the day on which it came");
    for number in &numbers[1..] {
        let record = of(&records[1], number);
        assert_eq!((&record["operator"], record["offers"].as_array().unwrap().len()), (&"op2".into(), 1), "{record:#}");
    }
}
