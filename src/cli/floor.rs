//! The live calls and the operators' states of the running service.

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::ids::{CallId, OperatorId};
use crate::reports::period::local;

use super::console;
use super::output::print_line;

#[derive(Debug, Deserialize)]
struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
struct Call {
    call: CallId,
    received: Timestamp,
    number: Option<String>,
    state: String,
    operator: Option<OperatorId>,
    outside: Option<String>,
    position: Option<usize>,
    guests: Vec<Participant>,
}

#[derive(Debug, Deserialize)]
struct Participant {
    operator: Option<OperatorId>,
    number: Option<String>,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Operators {
    operators: Vec<Operator>,
    stations: Vec<Station>,
}

#[derive(Debug, Deserialize)]
struct Operator {
    operator: OperatorId,
    state: String,
    on_shift: bool,
    logged_in: bool,
    registered: bool,
    reachable: bool,
    paused: Option<String>,
    call: Option<CallId>,
}

#[derive(Debug, Deserialize)]
struct Station {
    station: OperatorId,
    operator: Option<OperatorId>,
    registered: bool,
}

/// Prints the live calls, one a line.
pub(super) fn calls(config: &Config) -> anyhow::Result<()> {
    let Calls { calls } = console::get(config, "/v1/calls")?;
    print_line!("{}", calls_text(config, &calls));
    Ok(())
}

fn calls_text(config: &Config, calls: &[Call]) -> String {
    let mut lines = vec![format!("{:<36}  {:<19}  {:<16}  {:<10}  {}", "call", "received", "number", "state", "with")];
    for call in calls {
        let with = with(config, call);
        let number: String = call.number.as_deref().unwrap_or("-").chars().filter(|c| !c.is_control()).collect();
        let received = local(&config.zone, call.received);
        let line = format!("{}  {received:<19}  {number:<16}  {:<10}  {with}", call.call, call.state);
        lines.push(line.trim_end().to_owned());
    }
    lines.push(format!("{} live calls", calls.len()));
    lines.join("\n")
}

/// The parties that have the caller, or ring for the caller; otherwise the position in the queue. An agency is named.
fn with(config: &Config, call: &Call) -> String {
    let party = |operator: &Option<OperatorId>, number: &Option<String>| match (operator, number) {
        (Some(operator), _) => Some(operator.to_string()),
        (None, Some(number)) => Some(named(config, number)),
        (None, None) => None,
    };
    let talking = call.guests.iter().filter(|guest| guest.state == "talking");
    let parties = party(&call.operator, &call.outside).into_iter();
    let all: Vec<String> = parties.chain(talking.filter_map(|guest| party(&guest.operator, &guest.number))).collect();
    match call.position {
        Some(position) if all.is_empty() => format!("position {position}"),
        Some(_) | None => all.join(", "),
    }
}

/// An agency's name and number, or what another outside number is for.
fn named(config: &Config, number: &str) -> String {
    let agency = config.agencies.iter().find(|agency| agency.number == number);
    match agency {
        Some(agency) => format!("{} {number}", agency.name),
        None if config.queue.fallback_number.as_deref() == Some(number) => format!("fallback {number}"),
        None => number.to_owned(),
    }
}

/// Prints the operators' states, one a line, and the stations.
pub(super) fn floor(config: &Config) -> anyhow::Result<()> {
    print_line!("{}", floor_text(&console::get(config, "/v1/operators")?));
    Ok(())
}

fn floor_text(floor: &Operators) -> String {
    let mut lines = vec![format!("{:<16}  {:<8}  {}", "operator", "state", "call or reason")];
    for operator in &floor.operators {
        let reasons = [
            (!operator.on_shift, "not on shift"),
            (!operator.logged_in, "not logged in"),
            (!operator.registered, "no phone registered"),
            (operator.registered && !operator.reachable, "phone does not respond"),
        ];
        let why = match (&operator.call, &operator.paused) {
            (Some(call), _) => call.to_string(),
            (None, Some(reason)) => reason.clone(),
            (None, None) => {
                reasons.iter().filter(|(is_so, _)| *is_so).map(|(_, why)| *why).collect::<Vec<_>>().join(", ")
            }
        };
        let line = format!("{:<16}  {:<8}  {why}", operator.operator.as_str(), operator.state);
        lines.push(line.trim_end().to_owned());
    }
    for station in &floor.stations {
        let who = station.operator.as_ref().map_or("no operator".to_owned(), ToString::to_string);
        let phone = if station.registered { "" } else { ", no phone registered" };
        lines.push(format!("{:<16}  {:<8}  {who}{phone}", station.station.as_str(), "station"));
    }
    let count = |state: &str| floor.operators.iter().filter(|operator| operator.state == state).count();
    let (ready, talking, all) = (count("ready"), count("talking"), floor.operators.len());
    lines.push(format!("{all} operators, {ready} ready, {talking} talking"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::parse("siaga.toml", "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n").unwrap()
    }

    #[test]
    fn live_calls_are_listed_in_local_time_with_their_operator_or_position() {
        let answer = serde_json::json!({"reply": "calls", "calls": [
            {"call": "019a3b2c-4d5e-7000-8000-000000000001", "received": 1_764_460_800_000_i64, "number": "+62811",
             "state": "talking", "operator": "budi", "position": null, "guests": []},
            {"call": "019a3b2c-4d5e-7000-8000-000000000002", "received": 1_764_460_801_000_i64, "number": null,
             "state": "queued", "operator": null, "outside": null, "position": 1, "guests": []},
        ]});
        let Calls { calls } = serde_json::from_value(answer).unwrap();
        let text = calls_text(&config(), &calls);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].ends_with("2025-11-30 07:00:00  +62811            talking     budi"), "{text}");
        assert!(lines[2].ends_with("-                 queued      position 1"), "{text}");
        assert_eq!(lines[3], "2 live calls");
    }

    #[test]
    fn an_agency_a_fallback_number_and_participants_are_named_as_the_callers_party() {
        let text = "[queue]\nfallback_number = \"08001234\"\n[[agency]]\nname = \"pmi\"\nnumber = \"0215551234\"\n\
            [[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n";
        let config = Config::parse("siaga.toml", text).unwrap();
        let guest = |operator: Option<&str>, number: Option<&str>, state: &str| serde_json::json!({"leg": 2, "operator": operator, "number": number, "role": "guest", "state": state});
        let with = |operator: Option<&str>, outside: Option<&str>, guests: &[serde_json::Value]| {
            let call = serde_json::json!({"call": "019a3b2c-4d5e-7000-8000-000000000001",
                "received": 1_764_460_800_000_i64, "number": "+62811", "state": "talking", "operator": operator,
                "outside": outside, "position": null, "guests": guests});
            super::with(&config, &serde_json::from_value(call).unwrap())
        };
        assert_eq!(with(None, Some("0215551234"), &[]), "pmi 0215551234");
        assert_eq!(with(None, Some("08001234"), &[]), "fallback 08001234");
        assert_eq!(with(None, Some("08009999"), &[]), "08009999", "of an escalation");
        let guests = [guest(None, Some("0215551234"), "talking"), guest(Some("ani"), None, "ringing")];
        assert_eq!(with(Some("budi"), None, &guests), "budi, pmi 0215551234");
    }

    #[test]
    fn operators_are_listed_with_their_state_and_why_they_get_no_call() {
        let operator = |name: &str, state: &str, registered: bool, call: Option<&str>, paused: Option<&str>| {
            serde_json::json!({"operator": name, "state": state, "on_shift": true, "logged_in": true, "resting": false,
                "registered": registered, "reachable": true, "paused": paused, "call": call})
        };
        let answer = serde_json::json!({"reply": "operators", "operators": [
            operator("ani", "talking", true, Some("019a3b2c-4d5e-7000-8000-000000000001"), None),
            operator("budi", "break", true, None, Some("meal")),
            operator("sari", "offline", false, None, None),
        ], "stations": [{"station": "meja1", "operator": null, "registered": false}]});
        let text = floor_text(&serde_json::from_value(answer).unwrap());
        for line in [
            "ani               talking   019a3b2c-4d5e-7000-8000-000000000001",
            "budi              break     meal",
            "sari              offline   no phone registered",
            "meja1             station   no operator, no phone registered",
            "3 operators, 0 ready, 1 talking",
        ] {
            assert!(text.lines().any(|one| one == line), "{line:?} is not in\n{text}");
        }
    }
}
