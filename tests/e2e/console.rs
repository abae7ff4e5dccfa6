//! The console over HTTP: who may do what, what is told as it happens, and the description of it all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::http;
use super::process::until;
use super::service::Service;

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

/// Makes a user; his token.
fn user(service: &Service, name: &str, role: &str) -> String {
    let told = service.siaga(&["user", "add", name, "--role", role, "--config", "siaga.toml"]);
    told.lines().find_map(|line| line.strip_prefix("token  ")).unwrap().to_owned()
}

#[test]
fn each_user_does_what_his_role_may_and_leaves_a_trail() {
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
    let manual = include_str!("../../docs/console.md");
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() >= 8, "{text}");
    for (path, requests) in paths {
        for (method, about) in requests.as_object().unwrap() {
            assert!(about["security"][0]["token"].is_array(), "{path} wants a token");
            assert!(about["responses"]["401"].is_object(), "{path} says what a wrong token gets");
            let status = http::ask(service.console(), &method.to_uppercase(), &path.replace(['{', '}'], ""), "", "");
            assert_eq!(status.unwrap().0, 401, "{method} {path} is there, and closed");
        }
        let plain = path.replace("{operator}", "NAME").replace("{address}", "ADDRESS").replace("{call}", "CALL");
        let plain = plain.replace("/{change}", "/");
        assert!(manual.contains(&plain), "docs/console.md has {plain}");
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
