//! pjsua2 as an operator's phone, by a small Python program.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::process::{Running, until};
use super::service::Service;
use super::three_callers::Phone;
use super::tone;

pub(crate) struct Pjsua {
    name: String,
    hertz: u32,
    folder: PathBuf,
    running: Running,
    /// Events that were waited for so far.
    seen: usize,
}

impl Pjsua {
    /// Starts a phone that takes no call without reliable provisional responses (RFC 3262) and session timers (RFC 4028).
    pub(crate) fn strict(service: &Service, n: u8, hertz: u32) -> Self {
        Self::start_as(service, n, hertz, "udp", "strict")
    }

    /// Starts a phone that takes and offers no plain sound.
    pub(crate) fn secret(service: &Service, n: u8, hertz: u32) -> Self {
        Self::start_as(service, n, hertz, "udp", "srtp")
    }

    /// The same, registered over TLS.
    pub(crate) fn secret_over_tls(service: &Service, n: u8, hertz: u32) -> Self {
        Self::start_as(service, n, hertz, "tls", "srtp")
    }

    fn start_as(service: &Service, n: u8, hertz: u32, transport: &str, manner: &str) -> Self {
        let phone = Self::launch(service, n, (&format!("op{n}"), &format!("pass-op{n}")), hertz, transport, manner);
        service.wait_for_phone(&phone.name);
        phone
    }

    /// Starts the phone of a station, with no operator's name.
    pub(crate) fn at_station(service: &Service, n: u8, name: &str, password: &str, hertz: u32) -> Self {
        let phone = Self::launch(service, n, (name, password), hertz, "udp", "plain");
        until(&format!("{name} has a phone"), || {
            let stations = service.get("/v1/operators")["stations"].clone();
            let registered = |one: &Value| one["station"] == name && one["registered"] == true;
            stations.as_array().is_some_and(|all| all.iter().any(registered)).then_some(())
        });
        phone
    }

    /// Starts a phone in a folder of its own.
    fn launch(
        service: &Service,
        n: u8,
        (name, password): (&str, &str),
        hertz: u32,
        transport: &str,
        manner: &str,
    ) -> Self {
        let (name, folder) = (name.to_owned(), service.path().join(format!("phone-{n}")));
        std::fs::create_dir(&folder).unwrap();
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/pjsua2/bin/python");
        assert!(std::path::Path::new(python).exists(), "pjsua2 is missing: scripts/setup test installs it");
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/phone.py"));
        command.args([&name, password, &service.host(1), &service.host(2 + n), &hertz.to_string()]);
        command.arg(&folder).args([transport, manner]).stdin(Stdio::piped());
        let running = Running::start("pjsua", &folder, &mut command);
        Self { name, hertz, folder, running, seen: 0 }
    }

    /// What it has heard, a file for each call.
    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "wav")).collect();
        files.sort();
        files
    }

    /// The number of its calls so far, and the number of samples that it has heard in the last one. It writes a quarter of a second at once.
    pub(crate) fn heard_so_far(&self) -> (usize, usize) {
        tone::written(&self.files())
    }

    fn order(&mut self, order: &str) {
        writeln!(self.running.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    /// Waits for the next event that begins so.
    pub(crate) fn event(&mut self, start: &str) -> String {
        let (seen, running) = (self.seen, &self.running);
        let (count, found) = until(&format!("{} tells {start}", self.name), || {
            let output = running.output();
            let events = output.lines().filter_map(|line| line.strip_prefix("EVENT "));
            let mut news = events.enumerate().skip(seen);
            news.find(|(_, event)| event.starts_with(start)).map(|(at, event)| (at + 1, event.to_owned()))
        });
        self.seen = count;
        found
    }
}

impl Pjsua {
    /// Watches a colleague's presence.
    pub(crate) fn watches(&mut self, name: &str) {
        self.order(&format!("watch {name}"));
    }

    /// Writes a text to a colleague; the status that came back.
    pub(crate) fn writes(&mut self, name: &str, text: &str) -> String {
        self.order(&format!("write {name} {text}"));
        self.event("written ").split_off("written ".len())
    }

    /// Calls a number.
    pub(crate) fn dial(&mut self, whom: &str) {
        self.order(&format!("dial {whom}"));
    }

    /// Calls a number to replace a dialog (RFC 3891).
    pub(crate) fn replaces(&mut self, whom: &str, dialog: &str) {
        self.order(&format!("replace {whom} {dialog}"));
    }

    /// Waits until the called party has answered.
    pub(crate) fn is_answered(&mut self) {
        self.event("established");
    }

    /// Passes its caller on.
    pub(crate) fn passes_on(&mut self, whom: &str) {
        self.order(&format!("transfer {whom}"));
    }

    /// Presses keys in its call.
    pub(crate) fn presses(&mut self, digits: &str) {
        self.order(&format!("digits {digits}"));
    }

    /// Joins its two calls.
    pub(crate) fn joins(&mut self) {
        self.order("join");
    }

    /// Its call is over.
    pub(crate) fn is_hung_up(&mut self) {
        self.event("closed");
    }

    /// Starts a phone that registers over a transport.
    pub(crate) fn start_over(service: &Service, n: u8, hertz: u32, transport: &str) -> Self {
        Self::start_as(service, n, hertz, transport, "plain")
    }

    /// Puts its call on hold (re-INVITE).
    pub(crate) fn holds(&mut self) {
        self.order("hold");
        self.event("media hold");
    }

    /// Takes it from hold (re-INVITE).
    pub(crate) fn resumes(&mut self) {
        self.order("resume");
        self.event("media active");
    }

    /// Goes over to mu-law (re-INVITE).
    pub(crate) fn speaks_mulaw(&mut self) {
        self.order("codec PCMU");
        self.event("media active PCMU");
    }

    /// Goes over to A-law (re-INVITE).
    pub(crate) fn speaks_alaw(&mut self) {
        self.order("codec PCMA");
        self.event("media active PCMA");
    }

    /// Negotiates the same once more (UPDATE).
    pub(crate) fn updates(&mut self) {
        self.order("update");
        self.event("updated");
    }
}

impl Phone for Pjsua {
    fn start(service: &Service, n: u8, hertz: u32) -> Self {
        Self::start_over(service, n, hertz, "udp")
    }

    fn hertz(&self) -> u32 {
        self.hertz
    }

    fn rings_for(&mut self, number: &str) {
        let event = self.event("incoming");
        assert!(event.contains(number), "{} rings for {event}, not for {number}", self.name);
    }

    fn answers(&mut self) {
        self.order("accept");
        self.event("established");
    }

    fn hangs_up(&mut self) {
        self.order("hangup");
        self.event("closed");
    }

    fn heard(&mut self) -> Vec<Vec<i16>> {
        // The recorder's files are whole when the program has ended.
        self.order("quit");
        self.running.wait();
        self.files().iter().map(|file| tone::channel(file, 0)).collect()
    }
}
