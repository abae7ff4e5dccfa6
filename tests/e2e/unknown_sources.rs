//! What a stranger is told at the door: sipsak asks, with what it is given word for word.

use std::process::Command;

use super::service::Service;

/// What sipsak hears to a request with such fields. It puts a Via of its own before them.
fn told(service: &Service, method: &str, fields: &str) -> String {
    let host = service.host(1);
    let text = format!(
        "{method} sip:siaga@{host} SIP/2.0\nFrom: <sip:somebody@{host}>;tag=1\nTo: <sip:siaga@{host}>\nCall-ID: door-{}\n\
         CSeq: 1 {method}\nContact: <sip:somebody@{host}>\nMax-Forwards: 70\n{fields}Content-Length: 0\n\n",
        fields.len()
    );
    std::fs::write(service.path().join("asked.txt"), text).unwrap();
    let mut command = Command::new("sipsak");
    command.args(["-f", "asked.txt", "-s", &format!("sip:siaga@{host}"), "-H", &service.host(8), "-vv"]);
    let done = command.current_dir(service.path()).output().unwrap();
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

#[test]
fn an_unknown_source_gets_a_short_response_and_reaches_no_phone() {
    let service = Service::start_over(168, 1, "", &["udp"], "server_header = \"siaga/test\"", "");
    let host = service.host(1);
    let ours = format!("Route: <sip:{host};lr>\n");
    let elsewhere = format!("Route: <sip:{host};lr>, <sip:192.0.2.66;lr>\n");
    let cases: [(&str, &str, &[&str]); 5] = [
        // The address and the port that it was seen at (RFC 3581).
        ("OPTIONS", "", &["SIP/2.0 200 OK", ";received=127.0.0.1", ";rport="]),
        ("OPTIONS", "Require: teleport, timer\n", &["SIP/2.0 420 ", "Unsupported: teleport\r"]),
        ("OPTIONS", &ours, &["SIP/2.0 200 OK"]),
        ("OPTIONS", &elsewhere, &["SIP/2.0 403 "]),
        ("PUBLISH", "", &["SIP/2.0 403 "]),
    ];
    for (method, fields, wanted) in cases {
        let told = told(&service, method, fields);
        wanted.iter().for_each(|part| assert!(told.contains(part), "{part:?} to {method} {fields:?}: {told}"));
        // A forged source is not hit by more than its forger sends: strangers get neither lists nor the server's name.
        assert!(!told.contains("Allow") && !told.contains("Server: "), "{told}");
    }
}
