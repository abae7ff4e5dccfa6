//! A station with a real phone: one operator after the other logs in there by number and PIN, gets the callers, and
//! is credited for them; after the service was killed who sat there sits there still.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use super::floor::credited;
use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::trunk::{Caller, Manner};

const STATION: u32 = 400;
const CALLER: u32 = 700;
/// Told by nothing else in a log.
const PIN: &str = "314159265358";

/// The password of a new station.
fn station(service: &Service, name: &str) -> String {
    let told = service.siaga(&["station", "add", name, "--name", "Meja 1", "--config", "siaga.toml"]);
    let line = told.lines().find_map(|line| line.strip_prefix("password")).unwrap_or_else(|| panic!("{told}"));
    until("the service knows the station", || {
        (service.get("/v1/operators")["stations"][0]["station"] == name).then_some(())
    });
    line.trim().to_owned()
}

/// Gives an operator a number, and a chosen or generated PIN; returns the PIN.
fn pin(service: &Service, operator: &str, number: &str, own: Option<&str>) -> String {
    let mut command = service.program();
    command.args(["operator", "pin", operator, "--number", number, "--config", "siaga.toml"]);
    command.args(own.map(|_| "--own")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().unwrap();
    writeln!(running.stdin.take().unwrap(), "{}", own.unwrap_or_default()).unwrap();
    let done = running.wait_with_output().unwrap();
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{told}");
    let generated = told.lines().find_map(|line| line.strip_prefix("pin")).map(|line| line.trim().to_owned());
    assert_eq!(generated.is_some(), own.is_none(), "{told}");
    generated.or_else(|| own.map(str::to_owned)).unwrap()
}

/// Who sits at the only station.
fn seated(service: &Service) -> Value {
    service.get("/v1/operators")["stations"][0]["operator"].clone()
}

fn sits(service: &Service, operator: &str) {
    until(&format!("{operator} sits there"), || (seated(service) == operator).then_some(()));
    service.wait_for_state(operator, "ready");
}

fn logs_in(service: &Service, phone: &mut Pjsua, number: &str, pin: &str) {
    phone.dial(&format!("sip:*17{number}@{}", service.host(1)));
    phone.is_answered();
    phone.presses(&format!("{pin}#"));
    phone.is_hung_up();
}

/// A caller, until some seconds after the answer at the station.
fn talks(service: &Service, phone: &mut Pjsua, n: u16) -> String {
    let caller = Caller::calls(service, n, CALLER, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 4);
    phone.hangs_up();
    let number = caller.number.clone();
    let ended = caller.ends();
    assert_heard("the caller", &ended.samples[ended.samples.len() / 2..], STATION, &[CALLER]);
    number
}

#[test]
fn operators_take_turns_at_a_station_and_each_is_credited_for_own_callers() {
    let mut service = Service::start(174, 2, "wrap_up_seconds = 1");
    assert_eq!(pin(&service, "op1", "101", Some(PIN)), PIN);
    let theirs = pin(&service, "op2", "102", None);
    let password = station(&service, "meja1");
    let mut phone = Pjsua::at_station(&service, 3, "meja1", &password, STATION);
    assert_eq!(seated(&service), Value::Null);

    logs_in(&service, &mut phone, "101", "271828182845");
    assert_eq!(seated(&service), Value::Null, "that is not his PIN");
    logs_in(&service, &mut phone, "101", PIN);
    sits(&service, "op1");
    let first = talks(&service, &mut phone, 1);
    service.wait_for_state("op1", "ready");

    // The next shift.
    logs_in(&service, &mut phone, "102", &theirs);
    sits(&service, "op2");
    assert_eq!(service.state("op1"), "offline");
    let second = talks(&service, &mut phone, 2);
    let heard = phone.heard();
    let talked = heard.iter().rev().find(|samples| samples.len() > 16_000).unwrap();
    assert_heard("the operator at the station", &talked[talked.len() / 2..], CALLER, &[STATION]);
    service.records(2, |record| record["outcome"] == "answered");
    drop(phone);

    service.kill();
    service.go();
    let mut phone = Pjsua::at_station(&service, 4, "meja1", &password, STATION);
    sits(&service, "op2");
    let third = talks(&service, &mut phone, 3);
    let records = service.records(3, |record| record["outcome"] == "answered");
    for (number, operator) in [(&first, "op1"), (&second, "op2"), (&third, "op2")] {
        let talks = of(&records, number)["talks"].as_array().unwrap();
        assert_eq!((talks.len(), &talks[0]["with"]["operator"]), (1, &operator.into()), "{talks:?}");
    }
    let sums = |operator: &str| {
        let his = records.iter().filter(|record| record["talks"][0]["with"]["operator"] == operator);
        let talks = his.map(|record| record["talk_ms"].as_i64().unwrap()).collect::<Vec<_>>();
        (operator.to_owned(), i64::try_from(talks.len()).unwrap(), talks.iter().sum())
    };
    let mut told = credited(&service);
    told.retain(|(operator, _, _)| operator != "op3");
    assert_eq!(told, [sums("op1"), sums("op2")]);
    let facts = service.siaga(&["report", "calls", "--config", "siaga.toml", "--format", "json"]);
    assert!(!service.log().contains(PIN) && !facts.contains(PIN), "a PIN is written nowhere");
}
