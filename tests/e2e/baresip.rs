//! baresip as an operator's phone: a tone for a microphone, what is heard goes to WAV files, driven over its control port.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::process::{Running, until};
use super::service::Service;
use super::three_callers::Phone;
use super::tone;

pub(crate) struct Baresip {
    name: String,
    hertz: u32,
    folder: PathBuf,
    control: TcpStream,
    /// Its output that was not read yet.
    told: Arc<Mutex<VecDeque<Value>>>,
    running: Running,
}

impl Baresip {
    /// Starts a phone that registers as `op<n>`.
    pub(crate) fn start(service: &Service, n: u8, hertz: u32) -> Self {
        Self::with(service, n, hertz, "", "", "")
    }

    /// Starts a phone that registers over a transport (`;transport=tcp`).
    pub(crate) fn start_over(service: &Service, n: u8, hertz: u32, transport: &str) -> Self {
        Self::with(service, n, hertz, transport, "", "")
    }

    /// Starts a phone with a transport, more parameters for the account and more lines for the configuration.
    pub(crate) fn with(service: &Service, n: u8, hertz: u32, transport: &str, parameters: &str, lines: &str) -> Self {
        Self::launch(service, n, hertz, transport, parameters, lines, "")
    }

    /// Starts a phone that watches colleagues.
    pub(crate) fn with_contacts(service: &Service, n: u8, hertz: u32, contacts: &str) -> Self {
        Self::launch(service, n, hertz, "", "", "module_app contact.so\nmodule_app presence.so\n", contacts)
    }

    /// Starts a phone that speaks IPv6 only, to the listener `udp6` of the service.
    pub(crate) fn over_ipv6(service: &Service, n: u8, hertz: u32) -> Self {
        let outbound = format!(";outbound=\"sip:{}\"", service.address_v6());
        Self::launch(service, n, hertz, "", &outbound, "net_interface ::1\n", "")
    }

    /// The same at another address, over a transport (`tcp`), towards one of the service's.
    pub(crate) fn over_ipv6_at(service: &Service, n: u8, hertz: u32, at: &str, towards: &str, transport: &str) -> Self {
        let outbound = format!(";outbound=\"sip:[{towards}]:5060;transport={transport}\"");
        Self::launch(service, n, hertz, "", &outbound, &format!("net_interface {at}\n"), "")
    }

    fn launch(
        service: &Service,
        n: u8,
        hertz: u32,
        transport: &str,
        parameters: &str,
        lines: &str,
        contacts: &str,
    ) -> Self {
        let (name, host, domain) = (format!("op{n}"), service.host(2 + n), &service.domain);
        let folder = service.path().join(&name);
        std::fs::create_dir(&folder).unwrap();
        let modules = until("baresip's modules are there", modules);
        // A phone that takes no TLS connections registers at the service's port for them.
        let port = if transport.ends_with("tls") { ":5061" } else { "" };
        let account = format!(
            "<sip:{name}@{domain}{port}{transport}>;auth_pass=pass-{name};regint=60;audio_codecs=PCMA{parameters}\n"
        );
        std::fs::write(folder.join("accounts"), account).unwrap();
        std::fs::write(folder.join("contacts"), contacts).unwrap();
        let shown = folder.display();
        // A flow has an identity of its phone's own.
        let uuid = if parameters.contains("sipnat=outbound") { "module_tmp uuid.so\n" } else { "" };
        let own = lines.lines().find_map(|line| line.strip_prefix("net_interface "));
        let at = own.map_or(host.clone(), |own| format!("[{own}]"));
        let config = format!(
            "poll_method epoll\nsip_listen {at}:5060\nmodule_path {modules}\nmodule g711.so\nmodule ausine.so\n\
             module aubridge.so\nmodule sndfile.so\n{uuid}module_tmp account.so\nmodule_app ctrl_tcp.so\nmodule_app menu.so\n\
             audio_source ausine,{hertz}\nausrc_srate 48000\nausrc_channels 2\naudio_player aubridge,{name}\n\
             audio_alert aubridge,{name}-bell\nsnd_path {shown}\nctrl_tcp_listen {host}:4444\nrtp_timeout 60\n\
             call_local_timeout 120\n{lines}"
        );
        std::fs::write(folder.join("config"), config).unwrap();
        let mut command = Command::new("baresip");
        // With what goes over its SIP connections among what it prints.
        command.arg("-s").arg("-f").arg(&folder).current_dir(&folder);
        let running = Running::start(&name, service.path(), &mut command);
        let control = until("baresip's control port", || TcpStream::connect(format!("{host}:4444")).ok());
        let told = Arc::new(Mutex::new(VecDeque::new()));
        let (stream, events) = (control.try_clone().unwrap(), Arc::clone(&told));
        std::thread::spawn(move || listen(stream, &events));
        service.wait_for_phone(&name);
        Self { name, hertz, folder, control, told, running }
    }

    /// What it has heard, a file for each call.
    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let decoded = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        let mut files: Vec<PathBuf> = files.filter(decoded).collect();
        files.sort();
        files
    }

    /// The number of its calls so far, and the number of samples that it has heard in the last one.
    pub(crate) fn heard_so_far(&self) -> (usize, usize) {
        tone::written(&self.files())
    }

    fn order(&mut self, command: &str, parameters: &str) {
        let json = serde_json::json!({ "command": command, "params": parameters, "token": "t" }).to_string();
        self.control.write_all(format!("{}:{json},", json.len()).as_bytes()).unwrap();
    }

    /// Waits for an event of a type, drops what came before it.
    fn event(&self, kind: &str) -> Value {
        until(&format!("{} tells {kind}", self.name), || {
            let mut told = self.told.lock().unwrap();
            while let Some(event) = told.pop_front() {
                if event["type"] == kind {
                    return Some(event);
                }
            }
            None
        })
    }

    /// Dials, as an operator does for a feature code.
    pub(crate) fn dial(&mut self, what: &str) {
        self.order("dial", what);
    }

    /// Waits until its screen has shown a text, whatever its colour.
    pub(crate) fn shows(&self, text: &str) {
        let plain = || {
            ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[;m"]
                .iter()
                .fold(self.running.output(), |all, colour| all.replace(colour, ""))
        };
        until(&format!("{} shows {text:?}", self.name), || plain().contains(text).then_some(()));
    }

    /// The dialog of the call that it has answered last, as a Replaces field names it at the service.
    pub(crate) fn dialog(&self) -> String {
        let traced = self.running.output();
        let messages = traced.match_indices("SIP/2.0 200 ").map(|(at, _)| &traced[at..]);
        let heads = messages.filter_map(|message| message.split("\r\n\r\n").next());
        let answer = heads.filter(|head| head.contains(" INVITE\r\n")).last().unwrap();
        let line = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let tag = |name: &str| line(name).split(";tag=").nth(1).unwrap().to_owned();
        format!("{};to-tag={};from-tag={}", line("Call-ID:"), tag("From:"), tag("To:"))
    }

    /// Puts its call on hold.
    pub(crate) fn holds(&mut self) {
        self.order("hold", "");
    }

    pub(crate) fn resumes(&mut self) {
        self.order("resume", "");
    }

    /// Passes its caller on.
    pub(crate) fn passes_on(&mut self, whom: &str) {
        self.order("transfer", whom);
    }

    /// Ends without unregistering, as if its power had gone.
    pub(crate) fn dies(&mut self) {
        self.running.signal(9);
        self.running.wait();
    }

    /// Its call is over.
    pub(crate) fn is_hung_up(&mut self) {
        self.event("CALL_CLOSED");
    }
}

impl Phone for Baresip {
    fn start(service: &Service, n: u8, hertz: u32) -> Self {
        Self::start(service, n, hertz)
    }

    fn hertz(&self) -> u32 {
        self.hertz
    }

    fn rings_for(&mut self, number: &str) {
        let event = self.event("CALL_INCOMING");
        let peer = event["peeruri"].as_str().unwrap_or_default();
        assert!(peer.contains(number), "{} rings for {peer}, not for {number}", self.name);
    }

    fn answers(&mut self) {
        self.order("accept", "");
        self.event("CALL_ESTABLISHED");
    }

    fn hangs_up(&mut self) {
        self.order("hangup", "");
        self.is_hung_up();
    }

    /// What the phone has heard in its calls, one after the other.
    fn heard(&mut self) -> Vec<Vec<i16>> {
        self.files().iter().map(|file| tone::channel(file, 0)).filter(|samples| !samples.is_empty()).collect()
    }
}

fn modules() -> Option<String> {
    let places = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
    places.iter().find(|place| std::path::Path::new(place).join("g711.so").exists()).map(|place| (*place).to_owned())
}

/// Reads netstrings until the phone is gone.
fn listen(mut stream: TcpStream, events: &Mutex<VecDeque<Value>>) {
    let (mut text, mut buffer) = (Vec::new(), [0; 4_096]);
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        text.extend(&buffer[..length]);
        while let Some(colon) = text.iter().position(|byte| *byte == b':') {
            let size: usize = std::str::from_utf8(&text[..colon]).unwrap().parse().unwrap();
            if text.len() < colon + size + 2 {
                break;
            }
            if let Ok(event) = serde_json::from_slice(&text[colon + 1..=colon + size]) {
                events.lock().unwrap().push_back(event);
            }
            text.drain(..colon + size + 2);
        }
    }
}
