//! The console over HTTP: who may do what, what is told as it happens, and the description of it all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::http;
use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

/// A listener to the events of a service.
struct Listener {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Listener {
    fn start(service: &Service, token: &str) -> Self {
        let mut stream = TcpStream::connect(service.console()).unwrap();
        let request = format!("GET /v1/events HTTP/1.1\r\nHost: siaga\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut listener = Self { stream, heard: Vec::new() };
        until("the events are begun", || listener.text().contains("text/event-stream").then_some(()));
        listener
    }

    /// All that has come so far.
    fn text(&mut self) -> String {
        let mut bytes = [0; 4_096];
        while let Ok(length @ 1..) = self.stream.read(&mut bytes) {
            self.heard.extend_from_slice(&bytes[..length]);
        }
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    fn facts(&mut self) -> Vec<Value> {
        let text = self.text();
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
    }

    /// The first fact of that kind that is good.
    fn hears(&mut self, kind: &str, good: impl Fn(&Value) -> bool) -> Value {
        until(kind, || self.facts().into_iter().find(|fact| fact["kind"] == kind && good(fact)))
    }
}

/// Creates a user and returns the token.
fn user(service: &Service, name: &str, role: &str) -> String {
    let told = service.siaga(&["user", "add", name, "--role", role, "--config", "siaga.toml"]);
    told.lines().find_map(|line| line.strip_prefix("token  ")).unwrap().to_owned()
}

#[test]
fn each_user_may_use_the_commands_of_the_role_and_each_is_logged() {
    let service = Service::start(100, 2, "");
    let users = [("op1", "operator"), ("ani", "supervisor"), ("adi", "admin"), ("eko", "auditor")];
    let tokens = users.map(|(name, role)| user(&service, name, role));
    let ask = |token: &str, method: &str, path: &str, body: &str| {
        http::ask(service.console(), method, path, token, body).unwrap().0
    };
    until("the users are read", || (ask(&tokens[3], "GET", "/v1/operators", "") == 200).then_some(()));
    let mut listener = Listener::start(&service, &tokens[3]);
    for (path, body, expected) in [
        ("/v1/operators/op1/pause", r#"{"reason":"meal"}"#, [200, 200, 200, 403]),
        ("/v1/operators/op2/resume", "", [403, 200, 200, 403]),
        ("/v1/operators/nobody/resume", "", [403, 404, 404, 403]),
        ("/v1/guard/192.0.2.9/lift", "", [403, 403, 404, 403]),
        ("/v1/messages", r#"{"text":"rapat"}"#, [403, 200, 200, 403]),
    ] {
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(ask(token, "POST", path, body), expected, "{path}");
        }
        assert_eq!(ask("", "POST", path, body), 401);
        assert_eq!(ask(&"0".repeat(64), "POST", path, body), 401);
    }
    for path in ["/v1/operators", "/v1/calls", "/v1/guard"] {
        assert_eq!([0, 1, 2, 3].map(|n| ask(&tokens[n], "GET", path, "")), [200; 4], "{path}");
        assert_eq!(ask("wrong", "GET", path, ""), 401, "{path}");
    }
    let trail = listener.hears("commanded", |fact| fact["by"] == "op1");
    assert_eq!((&trail["role"], &trail["command"]), (&"operator".into(), &"pause".into()));
    assert_eq!((&trail["of"], &trail["done"]), (&"op1 meal".into(), &true.into()));
    let vain = listener.hears("commanded", |fact| fact["of"] == "nobody");
    assert_eq!((&vain["by"], &vain["done"]), (&"ani".into(), &false.into()));
    listener.hears("commanded", |fact| fact["by"] == "adi" && fact["command"] == "message");
    let refused = |fact: &Value| fact["kind"] == "commanded" && fact["by"] == "eko";
    assert!(!listener.facts().iter().any(refused), "what was refused was not done");
    // Who is removed is out at once, as far as the service looks.
    service.siaga(&["user", "remove", "adi", "--config", "siaga.toml"]);
    until("he is out", || (ask(&tokens[2], "GET", "/v1/calls", "") == 401).then_some(()));
    assert_eq!(
        service.siaga(&["user", "list", "--config", "siaga.toml"]),
        "ani\tsupervisor\neko\tauditor\nop1\toperator\n"
    );
}

#[test]
fn every_request_is_described() {
    let service = Service::start(101, 1, "");
    let (status, text) = http::ask(service.console(), "GET", "/v1/openapi.json", "", "").unwrap();
    let described: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &described["openapi"].as_str().unwrap()[..2]), (200, "3."));
    let manual = include_str!("../../docs/use/console.md");
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() >= 8, "{text}");
    let (_, open) = manual.split_once("## Requests without a token").unwrap();
    let open = open.split_once("\n## ").unwrap().0;
    for path in ["/metrics", "/health/live", "/health/ready", "/v1/openapi.json"] {
        assert!(open.contains(&format!("`GET {path}`")), "{path} needs no token");
        let (status, _) = http::ask(service.console(), "GET", path, "", "").unwrap();
        assert!(![401, 404].contains(&status), "{path}: {status}");
    }
    for (path, requests) in paths {
        for (method, about) in requests.as_object().unwrap() {
            assert!(about["security"][0]["token"].is_array(), "{path} wants a token");
            assert!(about["responses"]["401"].is_object(), "{path} says what a wrong token gets");
            let status = http::ask(service.console(), &method.to_uppercase(), &path.replace(['{', '}'], ""), "", "");
            assert_eq!(status.unwrap().0, 401, "{method} {path} is there, and closed");
        }
        let plain = path
            .replace("{operator}", "NAME")
            .replace("{address}", "ADDRESS")
            .replace("{call}", "CALL")
            .replace("{leg}", "LEG");
        let plain = plain.replace("/{change}", "/");
        assert!(manual.contains(&plain), "docs/use/console.md has {plain}");
    }
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(described.pointer(reference).is_some(), "{reference} is described");
    }
    // What the service says is what is described.
    let view = &service.get("/v1/operators")["operators"][0];
    let keys: Vec<&String> =
        described["components"]["schemas"]["View"]["properties"].as_object().unwrap().keys().collect();
    let mut said: Vec<&String> = view.as_object().unwrap().keys().collect();
    said.sort();
    let mut keys = keys;
    keys.sort();
    assert_eq!(said, keys);
}

/// An operator's own calls, and those of others.
#[test]
fn a_wrong_pause_is_rejected_with_the_reasons_that_are_expected() {
    let service = Service::with_media(189, 1, "", "[operators]\nbreak_reasons = [\"meal\", \"prayer\"]");
    let path = "/v1/operators/op1/pause";
    for body in [serde_json::json!({}), serde_json::json!({ "reason": 7 })] {
        let (status, fault) = service.post(path, &body);
        let text = fault["fault"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{fault}");
        assert!(text.ends_with("; expected: {\"reason\": …}, one of meal, prayer, or no body"), "{text}");
    }
    assert_eq!(service.post(path, &serde_json::json!({ "reason": "meal" })).0, 200);
}

#[test]
fn an_operator_commands_only_own_calls_present_and_past() {
    let mut service = Service::start(172, 3, "wrap_up_seconds = 1");
    let tokens = ["op1", "op2"].map(|name| user(&service, name, "operator"));
    let mut phones = [(1, 440), (2, 550), (3, 660)].map(|(n, hertz)| Pjsua::start(&service, n, hertz));
    let ask = |service: &Service, token: &str, method: &str, path: &str, body: &str| {
        http::ask(service.console(), method, path, token, body).unwrap()
    };
    until("the users are read", || (ask(&service, &tokens[1], "GET", "/v1/calls", "").0 == 200).then_some(()));
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phones[0].rings_for(&caller.number);
    phones[0].answers();
    let call = service.wait_for_call(&caller.number, "talking");
    let path = |what: &str| format!("/v1/calls/{}/{what}", call["call"].as_str().unwrap());
    let class = |by: &str| format!("{{\"class\":\"normal\",\"category\":null,\"note\":null,\"by\":\"{by}\"}}");
    let status = |service: &Service, token: &str, method: &str, what: &str, body: &str| {
        ask(service, token, method, &path(what), body).0
    };
    // The colleague has no part in it.
    for (method, what, body) in [
        ("POST", "disposition", class("op2").as_str()),
        ("POST", "guests", "{\"whom\":\"op3\"}"),
        ("POST", "transfer", "{\"to\":\"op3\"}"),
        ("DELETE", "guests/2", ""),
    ] {
        assert_eq!(status(&service, &tokens[1], method, what, body), 403, "{what}");
    }
    assert_eq!(status(&service, &tokens[0], "POST", "disposition", &class("op1")), 200);
    for (whom, expected) in [("nobody", 404), ("op1", 409), ("112", 409), ("", 400), ("op2", 200), ("op3", 409)] {
        let body = format!("{{\"whom\":\"{whom}\"}}");
        assert_eq!(status(&service, &tokens[0], "POST", "guests", &body), expected, "{whom}");
    }
    phones[1].rings_for(&caller.number);
    let guest = |service: &Service| service.call(&caller.number).unwrap()["guests"][0].clone();
    assert_eq!((&guest(&service)["operator"], &guest(&service)["state"]), (&"op2".into(), &"ringing".into()));
    phones[1].answers();
    until("he is in", || (guest(&service)["state"] == "talking").then_some(()));
    assert_eq!(guest(&service)["role"], "guest");
    assert_eq!(status(&service, &tokens[0], "POST", "transfer", "{\"to\":\"op3\"}"), 409, "guests are there");
    assert_eq!(status(&service, &tokens[0], "DELETE", "guests/77", ""), 404);
    let leg = format!("guests/{}", guest(&service)["leg"]);
    assert_eq!(status(&service, &tokens[0], "DELETE", &leg, ""), 200);
    phones[1].is_hung_up();
    assert!(guest(&service).is_null());
    assert_eq!(status(&service, &tokens[0], "POST", "transfer", "{\"to\":\"op3\"}"), 200);
    phones[2].rings_for(&caller.number);
    phones[2].answers();
    phones[0].is_hung_up();
    phones[2].hangs_up();
    caller.ends();
    // The records tell whose it was when the service no longer does.
    let record = &service.records(1, |_| true)[0];
    assert_eq!(record["transfers"][0]["outcome"], "answered", "{record:#}");
    service.end();
    service.go();
    until("the users are read", || (ask(&service, &tokens[1], "GET", "/v1/calls", "").0 == 200).then_some(()));
    assert_eq!(status(&service, &tokens[0], "POST", "disposition", &class("op1")), 200);
    assert_eq!(status(&service, &tokens[1], "POST", "disposition", &class("op2")), 403, "a guest has not had it");
    // The admin, for a stored call, an unknown call and an unknown name.
    let admin = service.token();
    let unknown = "/v1/calls/019e0000-0000-7000-8000-000000000000/disposition";
    assert_eq!(status(&service, &admin, "POST", "disposition", &class("op1")), 200);
    assert_eq!(status(&service, &admin, "POST", "disposition", &class("ghost")), 400);
    assert_eq!(ask(&service, &admin, "POST", unknown, &class("op1")).0, 404);
    let text = service.siaga(&["report", "summary", "--config", "siaga.toml", "--format", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let of = |n: usize| [&report["operators"][n]["answered"], &report["operators"][n]["joined"]].map(Value::as_u64);
    assert_eq!([of(0), of(1), of(2)], [[Some(1), Some(0)], [Some(0), Some(1)], [Some(1), Some(0)]], "{text}");
}

/// Operators on shift, and unstaffed times; the file is changed, and read again.
#[test]
fn the_roster_is_told_as_it_was_read_last() {
    let shift = "[[shift]]\nname = \"pagi\"\nstart = \"07:00\"\nend = \"19:00\"";
    let mut service = Service::start(173, 2, shift);
    let path = "/v1/roster?from=2026-11-25&to=2026-11-26";
    // In Jakarta, 7 hours ahead of UTC.
    let hours = |hours: i64| 1_795_539_600_000 + hours * 3_600_000;
    let told = service.get(path);
    let gaps = |told: &Value| -> Vec<(i64, i64, i64)> {
        let gap = |gap: &Value| ["from", "to", "on_shift"].map(|key| gap[key].as_i64().unwrap()).into();
        told["gaps"].as_array().unwrap_or_else(|| panic!("{told}")).iter().map(gap).collect()
    };
    assert_eq!(gaps(&told), [(hours(0), hours(7), 0), (hours(19), hours(31), 0), (hours(43), hours(48), 0)]);
    assert_eq!((&told["rostered"], &told["duties"]), (&true.into(), &Value::Array(Vec::new())));
    for wrong in ["from=2026-11-26&to=2026-11-25", "from=tomorrow", "from=2026-01-01&to=2027-06-01"] {
        let fault = service.get(&format!("/v1/roster?{wrong}"))["fault"].clone();
        assert!(fault.as_str().is_some_and(|fault| fault.contains("YYYY-MM-DD")), "{wrong}: {fault}");
    }
    let roster = "operator,date,shift\nop1,2026-11-24,pagi\nop2,2026-11-25,pagi\nop1,2026-11-26,pagi\n";
    std::fs::write(service.path().join("roster.csv"), roster).unwrap();
    let config = std::fs::read_to_string(service.path().join("siaga.toml")).unwrap();
    let config = format!("{config}[operators]\nroster = \"roster.csv\"\nminimum_on_shift = 2\noverlap_minutes = 60\n");
    std::fs::write(service.path().join("siaga.toml"), config).unwrap();
    service.running().signal(1);
    let told = until("the roster is read", || Some(service.get(path)).filter(|told| told["minimum"] == 2));
    let duty = |n: usize| ["operator", "date", "shift"].map(|key| told["duties"][n][key].as_str().unwrap());
    assert_eq!(told["duties"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!([duty(0), duty(1)], [["op2", "2026-11-25", "pagi"], ["op1", "2026-11-26", "pagi"]]);
    let span = |n: usize| ["from", "to"].map(|key| told["on_shift"][n][key].as_i64().unwrap());
    assert_eq!((&told["on_shift"][0]["operator"], span(0)), (&"op1".into(), [hours(31), hours(44)]));
    assert_eq!((&told["on_shift"][1]["operator"], span(1)), (&"op2".into(), [hours(7), hours(20)]));
    assert_eq!(gaps(&told), [(hours(0), hours(48), 0)]);
}

#[test]
fn a_waiting_caller_can_be_offered_to_an_operator_on_a_break() {
    let service = Service::start(142, 2, "wrap_up_seconds = 1");
    let mut phones = [(1, 440), (2, 550)].map(|(n, hertz)| Pjsua::start(&service, n, hertz));
    for name in ["op1", "op2"] {
        service.siaga(&["operator", "pause", name, "--reason", "meal", "--config", "siaga.toml"]);
    }
    let first = Caller::calls(&service, 1, 700, Manner::Stays);
    service.wait_for_call(&first.number, "queued");
    let second = Caller::calls(&service, 2, 830, Manner::Stays);
    let call = service.wait_for_call(&second.number, "queued");
    let told = service.siaga(&["call", "offer", call["call"].as_str().unwrap(), "op2", "--config", "siaga.toml"]);
    assert!(told.contains("the phones of op2 ring"), "{told}");
    phones[1].rings_for(&second.number);
    assert_eq!(service.call(&first.number).unwrap()["position"], 1, "he is the first still");
    phones[1].answers();
    service.wait_for_call(&second.number, "talking");
    service.siaga(&["operator", "resume", "op1", "--config", "siaga.toml"]);
    phones[0].rings_for(&first.number);
    phones[0].answers();
    service.wait_for_call(&first.number, "talking");
    for (phone, caller) in phones.iter_mut().zip([first, second]) {
        phone.hangs_up();
        caller.ends();
    }
    let records = service.records(2, |record| record["outcome"] == "answered");
    let why = |n: usize| records[n]["offers"][0]["why"].as_str().unwrap_or_default().to_owned();
    assert_eq!(why(1), "out of turn by console: 1 waited before it", "{:#}", records[1]);
}
