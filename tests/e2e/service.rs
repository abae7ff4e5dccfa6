//! The service under test: the built program in a folder of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::http;
use super::process::{Running, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_siaga");

/// A service, its folder and its addresses: `127.7.N.1` is the service, `.2` the trunk, `.3` and on are phones.
pub(crate) struct Service {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) net: u8,
    /// The domain of its operators.
    pub(crate) domain: String,
    running: Option<Running>,
    starts: u32,
    /// How far its calendar clock is ahead of the machine's.
    ahead_seconds: u64,
}

impl Service {
    /// Starts with operators `op1` … and more lines for `[queue]`.
    pub(crate) fn start(net: u8, operators: usize, queue: &str) -> Self {
        Self::with(net, operators, queue, &["udp"], "", "", "")
    }

    /// The same with more lines for `[media]`.
    pub(crate) fn with_media(net: u8, operators: usize, queue: &str, media: &str) -> Self {
        Self::with(net, operators, queue, &["udp"], "", "", media)
    }

    /// Starts with several transports (`udp6` and `tcp6` at the IPv6 loopback address; TLS on port 5061, with certificates made for it), more lines for `[sip]` and for the trunk.
    pub(crate) fn start_over(
        net: u8,
        operators: usize,
        queue: &str,
        transports: &[&str],
        sip: &str,
        trunk_lines: &str,
    ) -> Self {
        Self::with(net, operators, queue, transports, sip, trunk_lines, "")
    }

    /// The same with more lines for `[media]`.
    pub(crate) fn with(
        net: u8,
        operators: usize,
        queue: &str,
        transports: &[&str],
        sip: &str,
        trunk_lines: &str,
        media: &str,
    ) -> Self {
        Self::prepared(net, queue, transports, sip, trunk_lines, media).begin(operators)
    }

    /// Starts with a calendar clock that is ahead of the machine's, and a roster.
    pub(crate) fn ahead(net: u8, operators: usize, queue: &str, ahead_seconds: u64, roster: &str) -> Self {
        let mut service = Self::prepared(net, queue, &["udp"], "", "", "");
        std::fs::write(service.path().join("roster.csv"), roster).unwrap();
        service.ahead_seconds = ahead_seconds;
        service.begin(operators)
    }

    /// Starts with signalling and sound over IPv6 alone, at one address, and with the trunk at another (see `six`).
    pub(crate) fn over_ipv6(net: u8, at: &str, trunk: &str, queue: &str, sip: &str, trunk_lines: &str) -> Self {
        let mut service = Self::prepared(net, queue, &["udp", "tcp"], sip, trunk_lines, "");
        let (host, file) = (service.host(1), service.path().join("siaga.toml"));
        service.domain = "siaga.example".to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text
            .replace(&format!("domain = \"{host}\""), "domain = \"siaga.example\"")
            .replace(&format!(":{host}:5060\""), &format!(":[{at}]:5060\""))
            .replace(&format!("\"{}/32\"", service.host(2)), &format!("\"{trunk}/128\""))
            .replace(&format!("[media]\nlisten = \"{host}\""), &format!("[media]\nlisten = \"{at}\""));
        std::fs::write(&file, text).unwrap();
        service.begin(1)
    }

    /// Makes the operators' accounts and starts it.
    fn begin(mut self, operators: usize) -> Self {
        let mut accounts = "operator,name,password\n".to_owned();
        for n in 1..=operators {
            accounts += &format!("op{n},Operator {n},pass-op{n}\n");
        }
        std::fs::write(self.path().join("operators.csv"), accounts).unwrap();
        self.siaga(&["operator", "import", "--config", "siaga.toml", "operators.csv"]);
        self.go();
        self
    }

    /// Has a folder and a configuration, and does not run yet.
    fn prepared(net: u8, queue: &str, transports: &[&str], sip: &str, trunk_lines: &str, media: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let domain = format!("127.7.{net}.1");
        let service = Self { folder, net, domain, running: None, starts: 0, ahead_seconds: 0 };
        let (host, trunk) = (service.host(1), service.host(2));
        let port = |transport: &str| if transport == "tls" { 5061 } else { 5060 };
        let place = |transport: &&str| match transport.strip_suffix('6') {
            Some(transport) => format!("\"{transport}:{}\"", service.address_v6()),
            None => format!("\"{transport}:{host}:{}\"", port(transport)),
        };
        let listen: Vec<_> = transports.iter().map(place).collect();
        let listen = listen.join(", ");
        let mut sip = sip.to_owned();
        if transports.contains(&"tls") {
            service.make_certificates(&host);
            sip += "\n[sip.tls]\ncertificate = \"tls/server.pem\"\nkey = \"tls/server.key\"\nca = \"tls/ca.pem\"";
            if trunk_lines.contains("tls_name") {
                sip += "\nclient_ca = \"tls/ca.pem\"";
            }
        }
        // Media of both families if phones use both. Tests share the IPv6 address: each has ports of its own there.
        let both = transports.iter().any(|transport| transport.ends_with('6'));
        let (sound, first, last) = match both {
            true => (format!("[\"{host}\", \"::1\"]"), 12_000 + 80 * u16::from(net), 12_079 + 80 * u16::from(net)),
            false => (format!("\"{host}\""), 20_000, 20_399),
        };
        let prompts = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prompts");
        let config = format!(
            "[sip]\ndomain = \"{host}\"\nlisten = [{listen}]\n{sip}\n[[trunk]]\nname = \"telco\"\n\
             peers = [\"{trunk}/32\"]\n{trunk_lines}\n[media]\nlisten = {sound}\nports = [{first}, {last}]\nphones = [\"127.0.0.1\", \"fd00:112::/64\"]\n{media}\n[queue]\n{queue}\n\
             [console]\nlisten = \"{host}:8112\"\n[prompts]\ndir = \"{prompts}\"\n[log]\nlevel = \"debug\"\n"
        );
        std::fs::write(service.path().join("siaga.toml"), config).unwrap();
        service
    }

    /// Makes a certificate for a name, in place of the one that is there.
    pub(crate) fn make_certificates(&self, name: &str) {
        make_certificates(&self.path().join("tls"), name);
    }

    /// Creates a certificate of the same CA for another subject; returns its folder.
    pub(crate) fn make_certificates_for(&self, name: &str) -> std::path::PathBuf {
        let folder = self.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["ca.pem", "ca.key"] {
            std::fs::copy(self.path().join("tls").join(file), folder.join(file)).unwrap();
        }
        make_certificates(&folder, name);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn host(&self, n: u8) -> String {
        format!("127.7.{}.{n}", self.net)
    }

    pub(crate) fn address(&self) -> String {
        format!("{}:5060", self.host(1))
    }

    /// Where `udp6` and `tcp6` listen.
    pub(crate) fn address_v6(&self) -> String {
        format!("[::1]:{}", 5_000 + u16::from(self.net))
    }

    /// The program, in its folder and with its clock.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.path());
        if self.ahead_seconds > 0 {
            command.env("LD_PRELOAD", until("libfaketime is there", faketime));
            command.env("FAKETIME", format!("+{}s", self.ahead_seconds)).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    /// Runs one command of the program; its output. Panics when it fails.
    pub(crate) fn siaga(&self, arguments: &[&str]) -> String {
        let done = self.program().args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "siaga {arguments:?}: {errors}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Starts it, also again after `kill` or `end`.
    pub(crate) fn spawn(&mut self) {
        self.starts += 1;
        let mut command = self.program();
        command.args(["serve", "--config", "siaga.toml"]);
        self.running = Some(Running::start(&format!("siaga-{}", self.starts), self.path(), &mut command));
    }

    /// Starts it like `spawn`, and waits until it is ready and has its accounts.
    pub(crate) fn go(&mut self) {
        self.spawn();
        until("the service is ready", || {
            http::ask(self.console(), "GET", "/health/ready", "", "").filter(|(status, _)| *status == 200)
        });
        until("the operators are read", || self.get("/v1/operators")["operators"].get(0).map(|_| ()));
    }

    pub(crate) fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.running.as_ref().unwrap().output()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.running().signal(9);
        self.running().wait();
    }

    /// SIGTERM, and a good end.
    pub(crate) fn end(&mut self) {
        self.running().signal(15);
        assert!(self.running().wait().success());
    }

    pub(crate) fn console(&self) -> SocketAddr {
        format!("{}:8112", self.host(1)).parse().unwrap()
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.path().join("data/console.token")).unwrap_or_default().trim().to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = http::ask(self.console(), "GET", path, &self.token(), "");
        answer.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or_default()
    }

    /// Orders something at the console; the status of the answer, and its body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = http::ask(self.console(), "POST", path, &self.token(), &body.to_string()).unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// An operator as the console shows them.
    pub(crate) fn operator(&self, operator: &str) -> Value {
        let all = self.get("/v1/operators");
        let his = all["operators"].as_array().and_then(|all| all.iter().find(|one| one["operator"] == operator));
        his.cloned().unwrap_or_default()
    }

    pub(crate) fn state(&self, operator: &str) -> String {
        self.operator(operator)["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an operator has a phone, on shift or not.
    pub(crate) fn wait_for_phone(&self, operator: &str) {
        until(&format!("{operator} has a phone"), || (self.operator(operator)["registered"] == true).then_some(()));
    }

    pub(crate) fn wait_for_state(&self, operator: &str, state: &str) {
        until(&format!("{operator} is {state}"), || (self.state(operator) == state).then_some(()));
    }

    /// The live call of a number.
    pub(crate) fn call(&self, number: &str) -> Option<Value> {
        self.get("/v1/calls")["calls"].as_array()?.iter().find(|call| call["number"] == number).cloned()
    }

    pub(crate) fn wait_for_call(&self, number: &str, state: &str) -> Value {
        until(&format!("{number} is {state}"), || self.call(number).filter(|call| call["state"] == state))
    }

    /// A counter or gauge of the metrics.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = http::ask(self.console(), "GET", "/metrics", "", "").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no metric {name}"))
    }

    /// Waits until so many streams of sound (a call that talks has two) have passed the service for so long.
    pub(crate) fn sound_flows(&self, streams: u32, seconds: u32) {
        let passed = || self.metric("siaga_media_total{kind=\"packets-out\"}");
        let wanted = passed() + f64::from(streams * seconds * 50);
        until(&format!("{streams} streams flow for {seconds} s"), || (passed() >= wanted).then_some(()));
    }

    /// True when the metrics have that line.
    pub(crate) fn shows(&self, line: &str) -> bool {
        let text = http::ask(self.console(), "GET", "/metrics", "", "").map(|(_, text)| text).unwrap_or_default();
        text.lines().any(|one| one == line)
    }

    /// Today's records, once there are `count` of them that satisfy `good`.
    pub(crate) fn records(&self, count: usize, good: impl Fn(&Value) -> bool) -> Vec<Value> {
        until(&format!("{count} records"), || {
            let text = self.siaga(&["report", "calls", "--config", "siaga.toml", "--format", "json"]);
            let records: Vec<Value> = serde_json::from_str(&text).unwrap();
            (records.len() >= count && records.iter().all(&good)).then_some(records)
        })
    }
}

pub(crate) fn make_certificates(folder: &Path, name: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/make-certificates");
    let done = Command::new(script).arg(folder).arg(name).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Where Debian has the library that shifts a program's clock.
fn faketime() -> Option<std::path::PathBuf> {
    let mut machines = std::fs::read_dir("/usr/lib").ok()?;
    machines.find_map(|machine| {
        let library = machine.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    })
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test may end with a kill, and no later start would remove the facts in memory.
        self.running = None;
        if let Ok(files) = siaga::store::crash_log::Files::of(&self.path().join("data/journal")) {
            files.remove_all();
        }
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what the test left: {}", self.folder.path().display());
        }
    }
}
