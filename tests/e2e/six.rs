//! Signalling and sound over IPv6 alone: SIPp as the trunk, baresip as the phone, dnsmasq with AAAA records. Loopback has one IPv6
//! address, so each test runs once more in a network of its own (unshare, a user namespace), where it has several.

use std::process::Command;

use super::baresip::Baresip;
use super::names::{Names, Record};
use super::process::{Running, until};
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::voice::Voice;

const OURS: &str = "fd00:112::1";
const TRUNK: &str = "fd00:112::2";
const PHONE: &str = "fd00:112::3";
const NAMES: &str = "[fd00:112::9]:5353";

/// Runs a test of this file in a network of its own, with the addresses above.
fn apart(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "SIAGA_NETWORK_OF_ITS_OWN";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let script =
        "ip link set lo up && for n in 1 2 3 9; do ip -6 addr add fd00:112::$n/64 dev lo nodad; done && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("six::{test}"), "--nocapture"]).env(INSIDE, "1");
    let done = command.output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}\n{errors}");
}

/// One side of SIPp's, over a transport in its words.
fn sipp(service: &Service, scenario: &str, port: &str, transport: &str) -> Command {
    let mut command = Command::new("sipp");
    command.args(["-m", "1", "-nostdin", "-timeout", "60", "-timeout_error", "-t", transport]);
    command.arg("-sf").arg(format!("{}/tests/sipp/{scenario}", env!("CARGO_MANIFEST_DIR")));
    command.args(["-i", TRUNK, "-mi", TRUNK, "-p", port]).current_dir(service.path());
    command
}

/// A caller who hangs up after five seconds.
fn calls(service: &Service, n: u16, transport: &str) -> (String, Running, Voice) {
    let (number, voice_port) = (format!("08120000{n:04}"), 25_000 + 2 * n);
    let voice = Voice::start(&format!("[{TRUNK}]:{voice_port}"), 700);
    let mut command = sipp(service, "caller_hangs_up.xml", &(15_000 + n).to_string(), transport);
    command.arg(format!("[{OURS}]:5060")).args(["-s", "112", "-d", "5000", "-key", "number", &number]);
    command.args(["-key", "voice_port", &voice_port.to_string()]);
    let sipp = Running::start(&format!("sipp-{n}"), service.path(), &mut command);
    (number, sipp, voice)
}

/// A call over each transport of the trunk, to a phone that registered over one.
fn each_is_heard(net: u8, phones: &str) {
    let service = Service::over_ipv6(net, OURS, TRUNK, "wrap_up_seconds = 0", "", "");
    let mut phone = Baresip::over_ipv6_at(&service, 1, 440, PHONE, OURS, phones);
    let mut numbers = Vec::new();
    for (n, transport) in [(1, "u1"), (2, "t1")] {
        let (number, mut sipp, voice) = calls(&service, n, transport);
        phone.rings_for(&number);
        phone.answers();
        phone.is_hung_up();
        assert!(sipp.wait().success(), "{}", sipp.output());
        assert_heard("the caller", &voice.stop().samples, 440, &[700]);
        assert_heard("the operator", phone.heard().last().unwrap(), 700, &[440]);
        numbers.push(number);
    }
    let records = service.records(2, |record| record["outcome"] == "answered");
    numbers.iter().for_each(|number| assert_eq!(of(&records, number)["ended_by"], "caller"));
}

#[test]
fn calls_of_a_trunk_over_ipv6_reach_a_phone_over_udp_and_both_are_heard() {
    apart("calls_of_a_trunk_over_ipv6_reach_a_phone_over_udp_and_both_are_heard", || each_is_heard(161, "udp"));
}

#[test]
fn calls_of_a_trunk_over_ipv6_reach_a_phone_over_tcp_and_both_are_heard() {
    apart("calls_of_a_trunk_over_ipv6_reach_a_phone_over_tcp_and_both_are_heard", || each_is_heard(162, "tcp"));
}

#[test]
fn a_trunk_whose_name_has_an_ipv6_address_alone_is_called_there() {
    apart("a_trunk_whose_name_has_an_ipv6_address_alone_is_called_there", || {
        for (n, transport) in [(1, "u1"), (2, "t1")] {
            let names = Names::serve(NAMES, &[Record::A("sbc.telco.example", TRUNK.parse().unwrap())]);
            let over = if transport == "u1" { "udp" } else { "tcp" };
            let trunk = format!("uri = \"sip:sbc.telco.example:5060\"\ntransport = \"{over}\"\nkeep_alive_seconds = 0");
            let queue = "fallback_number = \"0725112233\"\nfallback_ring_seconds = 20";
            let service_names = format!("name_servers = [\"{}\"]", names.at);
            let service = Service::over_ipv6(162 + n, OURS, TRUNK, queue, &service_names, &trunk);
            let voice = Voice::start(&format!("[{TRUNK}]:26000"), 900);
            let mut command = sipp(&service, "agency.xml", "5060", transport);
            command.args(["-d", "500", "-key", "voice_port", "26000"]);
            let mut called = Running::start("called", service.path(), &mut command);
            let there = format!("[{TRUNK}]:5060");
            until("the trunk listens", || match transport {
                "u1" => std::net::UdpSocket::bind(&there).is_err().then_some(()),
                _ => std::net::TcpListener::bind(&there).is_err().then_some(()),
            });
            let n = u16::from(n);
            let (number, mut caller, callers_voice) = calls(&service, n, "u1");
            assert!(caller.wait().success(), "{}", caller.output());
            assert!(called.wait().success(), "{}", called.output());
            assert_heard("the caller", &callers_voice.stop().samples, 900, &[700]);
            assert_heard("the number outside", &voice.stop().samples, 700, &[900]);
            let records = service.records(1, |record| record["outcome"] == "answered");
            assert_eq!(of(&records, &number)["offers"][0]["to"]["number"], "0725112233", "{records:#?}");
        }
    });
}
