//! Connections to the console: how much memory they use, and how long they may stay idle.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::process::{PATIENCE, until};
use super::service::Service;

const CONNECTIONS: usize = 300;

/// Resident memory of the service in KiB.
fn resident(service: &mut Service) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.running().child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn idle_connections_to_the_console_are_cheap_and_are_closed() {
    let mut service = Service::start(35, 1, "");
    assert_eq!(service.get("/v1/operators")["operators"].as_array().unwrap().len(), 1);
    let before = resident(&mut service);
    let mut idle: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(service.console()).unwrap()).collect();
    // One sends half a request, and one waits after its first response.
    idle[0].write_all(b"GET /health/live HTT").unwrap();
    idle[1].write_all(b"GET /health/live HTTP/1.1\r\nHost: siaga\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle[1].read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // The last of the connections is served, so all are.
    assert_eq!(service.get("/v1/operators")["operators"].as_array().unwrap().len(), 1);
    let grown = resident(&mut service).saturating_sub(before);
    assert!(grown < 20 * CONNECTIONS, "{CONNECTIONS} connections cost {grown} KiB");
    for stream in &mut idle {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the service closes an idle connection");
    }
}

#[test]
fn a_request_whose_body_never_ends_is_given_up() {
    let service = Service::start(36, 1, "");
    let token = std::fs::read_to_string(service.path().join("data/console.token")).unwrap();
    let mut stream = TcpStream::connect(service.console()).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: siaga\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{",
        token.trim()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the service gives the request up");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    until("the service is ready", || (service.get("/v1/operators")["operators"].is_array()).then_some(()));
}

/// The status of a request with a token on a connection that stays open, or None if the connection is closed.
fn asks_on(stream: &mut TcpStream, token: &str) -> Option<String> {
    let request = format!("GET /v1/guard HTTP/1.1\r\nHost: siaga\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(char::from(byte[0]));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    head.lines().next().map(str::to_owned)
}

#[test]
fn more_idle_connections_than_the_console_takes_keep_no_one_out() {
    let service = Service::start(39, 1, "");
    let token = std::fs::read_to_string(service.path().join("data/console.token")).unwrap();
    let token = token.trim();
    let mut user = TcpStream::connect(service.console()).unwrap();
    assert_eq!(asks_on(&mut user, token).as_deref(), Some("HTTP/1.1 200 OK"));
    let mut idle: Vec<TcpStream> = (0..520).map(|_| TcpStream::connect(service.console()).unwrap()).collect();
    assert_eq!(service.get("/v1/operators")["operators"].as_array().map(Vec::len), Some(1), "a new connection");
    assert_eq!(asks_on(&mut user, token).as_deref(), Some("HTTP/1.1 200 OK"), "the one that has shown its token stays");
    // The oldest one has given way long before its idle time is over.
    let begun = std::time::Instant::now();
    idle[0].set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(idle[0].read(&mut [0]), Ok(0) | Err(_)));
    assert!(begun.elapsed().as_secs() < 10);
}
