//! Calls over TCP and TLS with real peers: who registers over a connection is called over it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::baresip::Baresip;
use super::names::{Names, Record};
use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::{Phone, of};
use super::tone::assert_heard;
use super::trunk::{Caller, Manner};

const ALL: &[&str] = &["udp", "tcp", "tls"];

/// One call from SIPp to one phone, with the sound looked at on both sides.
pub(crate) fn one_call(service: &Service, phone: &mut impl Phone, n: u16, trunk: &str) {
    let caller = Caller::calls_over(service, n, 700, Manner::Stays, trunk);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 4);
    phone.hangs_up();
    let number = caller.number.clone();
    assert_heard("the caller", &caller.ends().samples, phone.hertz(), &[700]);
    let heard = phone.heard();
    assert_heard("the operator", heard.last().unwrap(), 700, &[phone.hertz()]);
    let records = service.records(usize::from(n), |_| true);
    assert_eq!(of(&records, &number)["outcome"], "answered");
    assert_eq!(of(&records, &number)["ended_by"], "operator");
}

#[test]
fn a_call_from_a_tcp_trunk_reaches_a_phone_that_registered_over_tcp() {
    let service = Service::start_over(40, 1, "wrap_up_seconds = 0", ALL, "", "");
    let mut phone = Baresip::start_over(&service, 1, 440, ";transport=tcp");
    assert!(service.metric("siaga_sip_connections") >= 1.0);
    one_call(&service, &mut phone, 1, "t1");
}

#[test]
fn a_phone_without_a_certificate_is_called_over_its_tls_connection() {
    let service = Service::start_over(41, 1, "wrap_up_seconds = 0", ALL, "", "");
    let mut phone = Baresip::start_over(&service, 1, 440, ";transport=tls");
    one_call(&service, &mut phone, 1, "u1");
    // New certificates disturb no connected peer.
    service.make_certificates("another.example");
    until("the certificates are read again", || {
        service.log().contains("the certificates were read again").then_some(())
    });
    one_call(&service, &mut phone, 2, "t1");
    std::fs::write(service.path().join("tls/server.key"), "no key").unwrap();
    until("the broken key is told", || service.log().contains("the old certificates stay").then_some(()));
    one_call(&service, &mut phone, 3, "t1");
}

#[test]
fn pjsua2_is_called_over_the_tcp_connection_that_it_registered_on() {
    let service = Service::start_over(46, 1, "wrap_up_seconds = 0", ALL, "", "");
    let mut phone = Pjsua::start_over(&service, 1, 440, "tcp");
    one_call(&service, &mut phone, 1, "t1");
}

#[test]
fn pjsua2_is_called_over_the_tls_connection_that_it_registered_on() {
    let service = Service::start_over(47, 1, "wrap_up_seconds = 0", ALL, "", "");
    let mut phone = Pjsua::start_over(&service, 1, 440, "tls");
    one_call(&service, &mut phone, 1, "t1");
}

#[test]
fn a_baresip_that_keeps_its_flow_open_learns_that_it_may_and_is_called_over_it() {
    let service = Service::start_over(32, 1, "wrap_up_seconds = 0", ALL, "", "");
    let flow = format!(";sipnat=outbound;outbound=\"sip:{};transport=tcp\"", service.host(1));
    let mut phone = Baresip::with(&service, 1, 440, ";transport=tcp", &flow, "");
    phone.shows("Require: outbound");
    phone.shows("Flow-Timer: 120");
    one_call(&service, &mut phone, 1, "t1");
}

#[test]
fn a_phone_whose_connection_is_gone_is_offered_nothing() {
    let service = Service::start_over(42, 1, "", ALL, "", "");
    let mut phone = Baresip::start_over(&service, 1, 440, ";transport=tcp");
    phone.dies();
    service.wait_for_state("op1", "offline");
    until("its connection is forgotten", || (service.metric("siaga_sip_connections") == 0.0).then_some(()));
}

#[test]
fn a_trunk_over_tcp_is_asked_for_signs_of_life_and_called_as_the_last_resort() {
    let host = "127.7.43.2";
    let listener = TcpListener::bind((host, 5060)).unwrap();
    let queue = "fallback_number = \"0725\"\nfallback_ring_seconds = 20";
    let trunk = format!("uri = \"sip:{host}\"\ntransport = \"tcp\"\nkeep_alive_seconds = 3600");
    let service = Service::start_over(43, 1, queue, ALL, "", &trunk);
    let (mut sbc, _) = listener.accept().unwrap();
    let options = message(&mut sbc);
    assert!(
        options.starts_with(&format!("OPTIONS sip:{host}:5060;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP ")),
        "{options}"
    );
    answer(&mut sbc, &options, "200 OK", "");
    until("the trunk is up", || service.shows("siaga_trunk_up{trunk=\"telco\"} 1").then_some(()));
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    let invite = message(&mut sbc);
    assert!(invite.starts_with(&format!("INVITE sip:0725@{host}:5060;transport=tcp SIP/2.0")), "{invite}");
    assert!(invite.contains(&format!("Contact: <sip:siaga@{};transport=tcp>", service.address())), "{invite}");
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 26000 RTP/AVP 8\r\n");
    answer(&mut sbc, &invite, "200 OK", &sdp);
    assert!(message(&mut sbc).starts_with("ACK "));
    let call = service.wait_for_call(&caller.number, "talking");
    assert!(call["operator"].is_null());
    let field = |name: &str| invite.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let bye = format!(
        "BYE sip:siaga@{} SIP/2.0\r\nVia: SIP/2.0/TCP {host};branch=z9hG4bKbye\r\nFrom:{};tag=sbc\r\nTo:{}\r\n\
         Call-ID:{}\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        service.address(),
        field("To:"),
        field("From:"),
        field("Call-ID:")
    );
    sbc.write_all(bye.as_bytes()).unwrap();
    assert!(message(&mut sbc).starts_with("SIP/2.0 200"));
    caller.ends();
    // A trunk that is gone is told, and the next call finds a new connection.
    drop((sbc, listener));
    let again = TcpListener::bind((host, 5060)).unwrap();
    let second = Caller::calls(&service, 2, 700, Manner::CancelsAfter(1_000));
    let (mut sbc, _) = again.accept().unwrap();
    let invite = message(&mut sbc);
    answer(&mut sbc, &invite, "180 Ringing", "");
    let cancel = message(&mut sbc);
    assert!(cancel.starts_with("CANCEL "), "{cancel}");
    answer(&mut sbc, &cancel, "200 OK", "");
    answer(&mut sbc, &invite, "487 Request Terminated", "");
    assert!(message(&mut sbc).starts_with("ACK "));
    second.ends();
}

#[test]
fn a_trunk_with_a_name_is_reached_over_the_transport_and_at_the_server_that_answers() {
    let host = "127.7.44.2";
    let srv = |priority, host| Record::Srv { name: "_sip._tcp.sbc.example", priority, port: 5060, host };
    let naptr = |order, service, replacement| Record::Naptr { name: "sbc.example", order, service, replacement };
    // TLS first, where no server listens; then TCP.
    let tls = Record::Srv { name: "_sips._tcp.sbc.example", priority: 1, port: 5061, host: "dead.sbc.example" };
    let records = vec![
        naptr(20, "SIP+D2T", "_sip._tcp.sbc.example"),
        naptr(10, "SIPS+D2T", "_sips._tcp.sbc.example"),
        tls,
        srv(10, "dead.sbc.example"),
        srv(20, "alive.sbc.example"),
        Record::A("dead.sbc.example", [127, 7, 44, 7].into()),
        Record::A("alive.sbc.example", [127, 7, 44, 2].into()),
    ];
    let names = Names::serve("127.7.44.9:5353", &records);
    let listener = TcpListener::bind((host, 5060)).unwrap();
    let queue = "fallback_number = \"0725\"\nfallback_ring_seconds = 20";
    let trunk = "uri = \"sip:sbc.example\"\nkeep_alive_seconds = 3600";
    let service = Service::start_over(44, 1, queue, ALL, &format!("name_servers = [\"{}\"]", names.at), trunk);
    let (mut sbc, _) = listener.accept().unwrap();
    let options = message(&mut sbc);
    assert!(options.starts_with(&format!("OPTIONS sip:{host}:5060;transport=tcp ")), "{options}");
    answer(&mut sbc, &options, "200 OK", "");
    until("the trunk is up", || service.shows("siaga_trunk_up{trunk=\"telco\"} 1").then_some(()));
    // It refuses a call: the other server is tried, then there is none left and the caller waits on.
    let caller = Caller::calls(&service, 1, 700, Manner::CancelsAfter(3_000));
    let invite = message(&mut sbc);
    answer(&mut sbc, &invite, "503 Service Unavailable", "");
    assert!(message(&mut sbc).starts_with("ACK "));
    let number = caller.number.clone();
    caller.ends();
    let records = service.records(1, |_| true);
    let offers = of(&records, &number)["offers"].as_array().unwrap();
    let outcomes: Vec<_> = offers.iter().map(|offer| offer["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes[..2], ["unreachable", "unreachable"], "{offers:?}");
}

/// The next message of a stream.
fn message(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(super::process::PATIENCE)).unwrap();
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn answer(stream: &mut TcpStream, request: &str, status: &str, body: &str) {
    let line = |name: &str| request.lines().find(|line| line.starts_with(name)).unwrap();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let text = format!(
        "SIP/2.0 {status}\r\n{}\r\n{}\r\n{};tag=sbc\r\n{}\r\n{}\r\nContact: <sip:{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        line("Via:"),
        line("From:"),
        line("To:"),
        line("Call-ID:"),
        line("CSeq:"),
        stream.local_addr().unwrap(),
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
}
