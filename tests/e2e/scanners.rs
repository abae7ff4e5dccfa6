//! SIPVicious against the running service: as it is, and disguised. It finds no user and guesses no password.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use super::baresip::Baresip;
use super::process::{PATIENCE, Running, until};
use super::service::Service;
use super::streams::one_call;
use super::trunk::{Caller, Manner};

const INSTALLED: &str = "/usr/share/sipvicious/sipvicious";

/// A copy that does not say who it is.
fn disguised(folder: &Path) {
    let copied = Command::new("cp").args(["-r", INSTALLED]).arg(folder).status().unwrap();
    assert!(copied.success(), "sipvicious is not installed: scripts/setup test");
    for file in ["libs/svhelper.py", "svmap.py", "svwar.py", "svcrack.py"] {
        let path = folder.join("sipvicious").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("friendly-scanner", "Phone 1.0").replace("\"sipvicious\"", "\"phone\"");
        std::fs::write(path, text).unwrap();
    }
}

/// Where it scans from, whatever address it is told to bind.
const SCANNER: &str = "127.0.0.1";

/// Runs one tool; what it said.
fn run(service: &Service, library: &Path, tool: &str, arguments: &[&str]) -> String {
    let call = format!("import sys; sys.argv[0] = '{tool}'; from sipvicious.{tool} import main; main()");
    let mut command = Command::new("timeout");
    command.args(["60", "python3", "-c", &call, "-P", "5062"]).args(arguments);
    let done = command.env("PYTHONPATH", library).env("HOME", service.path()).current_dir(service.path());
    let done = done.output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    format!("{out}\n{errors}")
}

fn counted(service: &Service, reason: &str) -> f64 {
    service.metric(&format!("siaga_guard_total{{reason=\"{reason}\"}}"))
}

#[test]
fn sipvicious_finds_no_user_and_guesses_no_password() {
    let service = Service::start(71, 2, "");
    let library = service.path().join("disguised");
    std::fs::create_dir(&library).unwrap();
    disguised(&library);
    let (address, words) = (service.host(1), service.path().join("words.txt"));
    let names: Vec<String> = (0..30).map(|n| format!("op{n}")).collect();
    std::fs::write(service.path().join("names.txt"), names.join("\n")).unwrap();
    // The right one is the last.
    let guesses: Vec<String> = (0..60).map(|n| format!("guess{n}")).chain(["pass-op1".to_owned()]).collect();
    std::fs::write(&words, guesses.join("\n")).unwrap();

    let open = Path::new("/usr/share/sipvicious");
    let seen = run(&service, open, "svmap", &[&address]);
    assert!(!seen.contains("5060"), "it is seen: {seen}");
    let seen = run(&service, open, "svwar", &["--force", "--maximumtime", "3", "-d", "names.txt", &address]);
    assert!(!seen.contains("op1"), "a user is found: {seen}");
    assert!(counted(&service, "scanner") > 0.0);

    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let seen = run(&service, &library, "svwar", &["--force", "-m", method, "-d", "names.txt", &address]);
        let told = |name: &str| seen.lines().find(|line| line.contains(name)).map(|line| line.replace(name, "NAME"));
        assert_eq!(told(" op1 ").is_some(), told(" op29 ").is_some(), "{method} tells users apart: {seen}");
    }
    let seen = run(&service, &library, "svcrack", &["-u", "op1", "-d", "words.txt", &address]);
    assert!(!seen.contains("pass-op1"), "the password is found: {seen}");
    assert!(counted(&service, "credentials") > 0.0, "{seen}");

    // Callers notice nothing, and a ban is seen and lifted.
    Caller::calls(&service, 1, 700, Manner::CancelsAfter(200)).ends();
    let banned = service.siaga(&["guard", "list", "--config", "siaga.toml"]);
    assert!(banned.contains(SCANNER) && banned.contains("credentials"), "{banned}");
    service.siaga(&["guard", "lift", "--config", "siaga.toml", SCANNER]);
    let banned = service.siaga(&["guard", "list", "--config", "siaga.toml"]);
    assert!(!banned.contains(SCANNER), "{banned}");
}

#[test]
fn a_flood_of_registrations_is_banned_and_a_call_beside_it_is_heard() {
    let service = Service::start(166, 1, "wrap_up_seconds = 0");
    let mut phone = Baresip::start(&service, 1, 440);
    let mut command = Command::new("sipp");
    command.arg(service.address()).args(["-i", &service.host(7), "-p", "5070", "-nostdin", "-r", "500", "-m", "30000"]);
    command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/flood.xml")]).current_dir(service.path());
    let mut flood = Running::start("flood", service.path(), &mut command);
    let banned = || service.siaga(&["guard", "list", "--config", "siaga.toml"]);
    until("the flood is banned", || banned().contains(&service.host(7)).then_some(()));
    one_call(&service, &mut phone, 1, "u1");
    assert!(!flood.has_ended(), "it went on all the while");
    assert!(counted(&service, "banned") > 500.0);
    assert!(!banned().contains(&service.host(3)), "the phone is another");
}

/// A REGISTER with credentials that were made up, each of another account: no account has so many wrong passwords that its sources wait.
/// `from` is the source.
fn guess(from: &str, n: u32) -> String {
    let zeros = "0".repeat(32);
    format!(
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{n};rport\r\nFrom: <sip:op1@h>;tag=a\r\nTo: <sip:op1@h>\r\n\
         Call-ID: {n}@{from}\r\nCSeq: {n} REGISTER\r\nContact: <sip:op1@{from}>\r\nMax-Forwards: 70\r\nAuthorization: Digest username=\"x{n}{from}\", \
         realm=\"h\", nonce=\"{zeros}\", uri=\"sip:h\", response=\"{zeros}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn many_banned_addresses_do_not_fill_the_log() {
    let service = Service::start(64, 1, "");
    for n in 10..60 {
        let socket = UdpSocket::bind((service.host(n).as_str(), 0)).unwrap();
        let from = socket.local_addr().unwrap().to_string();
        for attempt in 1..=11 {
            let text = guess(&from, attempt).replace("=\"h\"", &format!("=\"{}\"", service.host(1)));
            socket.send_to(text.as_bytes(), service.address()).unwrap();
        }
    }
    until("all are banned", || (service.metric("siaga_guard_banned") >= 50.0).then_some(()));
    let lines = service.log().lines().filter(|line| line.contains("banned")).count();
    assert!((1..=10).contains(&lines), "five lines in ten seconds, and at most one more window: {}", service.log());
}

#[test]
fn what_strangers_and_callers_write_starts_no_line_of_the_log_and_sends_no_terminal_sequence() {
    let service = Service::start(65, 1, "");
    // Raw, where a parser passes it on; and escaped, where siaga decodes it.
    let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}2J%1b%0d%0aERROR%20forged";
    let escaped = "%1b%5b2J%9b2J%07%0d%0aERROR%20forged";
    for host in [7, 2] {
        let socket = UdpSocket::bind((service.host(host).as_str(), 5060)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let from = socket.local_addr().unwrap().to_string();
        let body =
            format!("v=0\r\no=- 1 1 IN IP4 {from}\r\ns=-\r\nc=IN IP4 {from}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n")
                .replace(":5060", "");
        let invite = |called: &str| {
            format!(
                "INVITE sip:{called}@h SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{host}{length};rport\r\nFrom: \"{escaped}\" \
                 <sip:{escaped}@h>;tag={host}\r\nTo: <sip:{called}@h>\r\nCall-ID: {escaped}{host}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{from}>\r\n\
                 User-Agent: {evil}\r\nRequire: x{evil}\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
                 P-Asserted-Identity: \"{evil}\" <sip:{escaped}@h>\r\nContent-Length: {size}\r\n\r\n{body}",
                length = called.len(),
                size = body.len(),
            )
        };
        for called in ["112", "9%0d%0aERROR%20forged%1b[2J"] {
            socket.send_to(invite(called).as_bytes(), service.address()).unwrap();
            let mut buffer = [0; 2_000];
            socket.recv_from(&mut buffer).unwrap();
        }
    }
    until("the call waits", || (service.metric("siaga_calls_waiting") >= 1.0).then_some(()));
    let seen = [service.log(), service.siaga(&["calls", "--config", "siaga.toml"])];
    for text in seen {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("ERROR")), "{text}");
    }
}
