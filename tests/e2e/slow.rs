//! Peers that hold connections and say nothing, half of something, or ever so slowly, and more of them than one address may have:
//! socat and OpenSSL. Calls over TCP are none the worse, and who pings by CRLF (RFC 5626 §3.5.1) stays.

use std::path::Path;
use std::process::Command;

use super::baresip::Baresip;
use super::process::{Running, until};
use super::service::Service;
use super::streams::one_call;

/// The service's own terms, short for a test.
const TERMS: &str = "connection_message_seconds = 15\nconnection_idle_seconds = 15\nconnections_per_address = 20\n\
                     keep_alive_seconds = 5";
const HALF: &str = "OPTIONS sip:siaga SIP/2.0\r\nVia: SIP/2.0/TCP ";

/// A connection of socat's from a host of its own. A shell script speaks into it; what the service says is what it prints. It ends when
/// the service closes.
pub(crate) fn speaks(service: &Service, name: &str, host: u8, script: &str) -> Running {
    let file = service.path().join(format!("{name}.sh"));
    std::fs::write(&file, format!("{script}\nexec cat >&2\n")).unwrap();
    let mut command = Command::new("socat");
    command.arg(format!("TCP:{},bind={}", service.address(), service.host(host)));
    command.arg(format!("SYSTEM:sh {name}.sh")).current_dir(service.path());
    Running::start(name, service.path(), &mut command)
}

/// A connection from the seventh host that says nothing.
fn says_nothing(service: &Service, name: &str, port: u16) -> Running {
    let mut command = Command::new("socat");
    command.args(["-u", &format!("TCP:{}:{port},bind={}", service.host(1), service.host(7)), "STDOUT"]);
    Running::start(name, service.path(), &mut command)
}

/// Writes what a script is to send.
fn keep(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn slow_idle_and_too_many_connections_are_closed_while_calls_over_tcp_go_on() {
    let service = Service::start_over(153, 1, "wrap_up_seconds = 0", &["udp", "tcp", "tls"], TERMS, "");
    let mut phone = Baresip::start_over(&service, 1, 440, ";transport=tcp");
    keep(service.path(), "half", HALF);
    let trunk = service.host(2);
    let options = format!(
        "OPTIONS sip:siaga SIP/2.0\r\nVia: SIP/2.0/TCP {trunk}:5099;branch=z9hG4bKping\r\nFrom: <sip:sbc@{trunk}>;tag=1\r\n\
         To: <sip:siaga>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    keep(service.path(), "options", &options);

    // The trunk's connections: one pings, the other has said what it had to say.
    let pings = "cat options; (while printf '\\r\\n\\r\\n'; do sleep 1; done) &";
    let mut pinging = speaks(&service, "pinging", 2, pings);
    let mut idle = speaks(&service, "idle", 2, "cat options");
    // Strangers: half a message, one that drips, no TLS where it is due, TLS and then nothing.
    let mut half = speaks(&service, "half", 6, "cat half");
    let mut drips = speaks(&service, "drips", 6, "cat half; (while printf x; do sleep 0.2; done) &");
    let mut no_tls = says_nothing(&service, "no-tls", 5061);
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &format!("{}:5061", service.host(1)), "-CAfile", "tls/ca.pem"]);
    let mut tls = Running::start("s_client", service.path(), command.current_dir(service.path()));
    until("OpenSSL has its connection", || tls.output().contains("verify return").then_some(()));
    // One address has twenty places, and one of them is taken.
    let mut many: Vec<Running> = (0..30).map(|n| says_nothing(&service, &format!("silent-{n}"), 5060)).collect();
    let mut closed = || many.iter_mut().filter_map(|one| one.has_ended().then_some(())).count();
    until("those over the cap are closed", || (closed() >= 10).then_some(()));
    assert!(closed() <= 11, "the others have their time: {} are closed", closed());

    one_call(&service, &mut phone, 1, "t1");
    for held in [&mut no_tls, &mut tls, &mut half, &mut drips, &mut idle].into_iter().chain(&mut many) {
        held.wait();
    }
    assert!(idle.output().contains("SIP/2.0 200"), "it was answered before: {}", idle.output());
    let pongs = pinging.output().len();
    until("the trunk hears its pings answered still", || (pinging.output().len() > pongs).then_some(()));
    assert!(!pinging.has_ended());
    one_call(&service, &mut phone, 2, "t1");
    // The phone's, the trunk's; SIPp has closed its own.
    until("nothing is left of them", || service.shows("siaga_sip_connections 2").then_some(()));
}
