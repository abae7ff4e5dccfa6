//! A registration that an attacker has overheard, and sends again in its true owner's name: socat between a baresip and siaga hears it,
//! socat and sipsak send it. Digest (RFC 7616 §5.12) proves neither Contact nor Via, so nothing but the nonce's count stands in the way.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::baresip::Baresip;
use super::process::{Running, until};
use super::service::Service;
use super::slow::speaks;
use super::streams::one_call;

/// A phone registers for ten seconds at a time.
const BRIEF: &str = "expires_min_seconds = 10\nexpires_default_seconds = 10\nexpires_max_seconds = 10";

/// A line in the middle, and what went over it in each direction.
struct Tap {
    up: PathBuf,
    down: PathBuf,
    _relay: Running,
}

impl Tap {
    fn start(service: &Service, host: u8) -> Self {
        let (up, down, at) = (service.path().join("up"), service.path().join("down"), service.host(host));
        let mut command = Command::new("socat");
        command.args(["-d", "-d", "-r"]).arg(&up).arg("-R").arg(&down);
        command.arg(format!("TCP-LISTEN:5060,bind={at},reuseaddr,fork"));
        command.arg(format!("TCP:{},bind={at}", service.address()));
        let relay = Running::start("tap", service.path(), &mut command);
        until("the tap listens", || relay.output().contains("listening on").then_some(()));
        Self { up, down, _relay: relay }
    }

    /// The registrations that went up with credentials.
    fn registrations(&self) -> Vec<String> {
        let with_credentials = |message: &String| message.contains("\r\nAuthorization: ");
        messages(&self.up, "REGISTER sip:").into_iter().filter(with_credentials).collect()
    }

    /// What they were answered with.
    fn answers(&self) -> Vec<String> {
        let of_register = |message: &String| message.contains(" REGISTER\r\n");
        messages(&self.down, "SIP/2.0 200 ").into_iter().filter(of_register).collect()
    }
}

/// The messages in a file that begin so and have no body.
fn messages(file: &Path, start: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
    let whole = |(at, _): (usize, &str)| text[at..].find("\r\n\r\n").map(|end| text[at..at + end + 4].to_owned());
    text.match_indices(start).filter_map(whole).collect()
}

/// The value behind `name` in a message, up to the next quote.
fn quoted(message: &str, name: &str) -> String {
    message.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// A refusal with a nonce of its own, which says that the old one has been used.
fn is_stale(answer: &str, overheard: &str) {
    assert!(answer.contains("SIP/2.0 401 ") && answer.contains("stale=true"), "{answer}");
    assert_ne!(quoted(answer, "nonce"), quoted(overheard, "nonce"));
}

#[test]
fn a_registration_that_was_overheard_and_is_sent_again_binds_nothing() {
    let service = Service::start_over(155, 1, "wrap_up_seconds = 0", &["udp", "tcp"], BRIEF, "");
    let tap = Tap::start(&service, 9);
    let towards = format!(";outbound=\"sip:{};transport=tcp\"", service.host(9));
    let mut phone = Baresip::with(&service, 1, 440, ";transport=tcp", &towards, "");
    let overheard = tap.registrations().first().unwrap().clone();
    let (own, thief) = (format!("@{}:", service.host(3)), format!("@{}:", service.host(66)));
    assert!(overheard.contains(&own), "the phone names its own place: {overheard}");

    // Byte for byte but for the transaction; then with a Contact of the thief's own, as the phone's next one.
    let again = overheard.replace("branch=z9hG4bK", "branch=z9hG4bKagain");
    let line = overheard.lines().find(|line| line.starts_with("CSeq: ")).unwrap();
    let moved = again.replace(&own, &thief).replace("z9hG4bKagain", "z9hG4bKmoved").replace(line, "CSeq: 99 REGISTER");
    for (name, text) in [("again", &again), ("moved", &moved)] {
        std::fs::write(service.path().join(name), text).unwrap();
        let sender = speaks(&service, &format!("sends-{name}"), 66, &format!("cat {name}"));
        until(&format!("{name} is answered"), || sender.output().contains("\r\n\r\n").then_some(()));
        is_stale(&sender.output(), &overheard);
    }
    // sipsak puts a Via of its own in the place of the phone's.
    let lines = moved.lines().filter(|line| !line.starts_with("Via: "));
    std::fs::write(service.path().join("sipsak.txt"), lines.map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let mut command = Command::new("sipsak");
    command.args(["-f", "sipsak.txt", "-s", &format!("sip:{}", service.host(1)), "-H", &service.host(66), "-vv"]);
    let done = command.current_dir(service.path()).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    is_stale(&String::from_utf8_lossy(&said), &overheard);
    assert!(service.shows("siaga_guard_total{reason=\"credentials\"} 0"), "its owner is no guesser");

    // The phone goes on as ever, and its binding is the only one.
    let before = tap.answers().len();
    let answer = until("the phone registers again", || tap.answers().get(before).cloned());
    assert_eq!(answer.matches("Contact: ").count(), 1, "{answer}");
    assert!(answer.contains(&own) && !answer.contains(&thief), "{answer}");
    assert!(tap.registrations().len() > 1);
    one_call(&service, &mut phone, 1, "u1");
}
