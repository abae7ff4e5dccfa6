//! A small world around the switchboard: a virtual clock, a trunk and phones that speak SIP in text, media that obeys.

use super::snapshots;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use siaga::acd;
use siaga::cdr::fact::{Class, ConsoleRole, Fact, FactKind};
use siaga::clock::{Instant, Now, Timestamp};
use siaga::ids::{OperatorId, Rng};
use siaga::media::command::{AnchorId, Command, Event, Quality};
use siaga::sip::digest::Ha1;
use siaga::sip::flow::{Flow, Transport};
use siaga::switchboard::{
    Account, AccountState, Actor, AnswerMode, CallSettings, ConsoleCommand, ConsoleReply, FallbackSettings,
    FeatureCodes, Input, Listener, MediaSettings, Network, NumberPlan, OperatorSettings, Output, PhoneSettings,
    PortShortage, Rejection, SessionSettings, Settings, Site, SupervisorCodes, Switchboard, Trunk, TrunkHost,
};

use super::endpoint::Said;
pub(crate) use super::text::{credentials, header, response, sdp};

pub(crate) const SERVER: &str = "127.0.0.1:5060";
pub(crate) const TRUNK: &str = "127.0.0.2:5080";

/// Everything that one test sees.
pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) switchboard: Switchboard,
    steps: u64,
    /// Which steps are followed by a write and a read of the switchboard.
    salt: u64,
    pub(crate) facts: Vec<Fact>,
    pub(crate) media: Vec<Command>,
    /// What was sent and not yet taken, in order: receiver and text.
    pub(crate) sent: Vec<(SocketAddr, String)>,
    /// Names that the switchboard has asked to look up.
    pub(crate) lookups: Vec<(Bytes, TrunkHost)>,
    pub(crate) drained: bool,
    /// What was told of trunks' health.
    pub(crate) trunks_up: Vec<bool>,
    /// What was told of registrations with telcos.
    pub(crate) registered: Vec<(String, bool)>,
    /// Who speaks over a connection, and which.
    pub(crate) streams: BTreeMap<SocketAddr, Flow>,
    /// The flow and first line of all that was ever sent.
    pub(crate) ways: Vec<(Flow, String)>,
    /// What was told of the mode, and whether as a reminder.
    pub(crate) modes: Vec<(acd::OperatingMode, bool)>,
    /// Calls with the alarm `long-call`, and whether it has ended.
    pub(crate) long_calls: Vec<(siaga::ids::CallId, bool)>,
    /// What the console was answered.
    pub(crate) replied: Vec<ConsoleReply>,
    /// The state that survives a restart, by account.
    pub(crate) account_states: BTreeMap<OperatorId, AccountState>,
    /// The last report on whether calls wait and no operator is staffed.
    pub(crate) unstaffed: Option<bool>,
    /// The outputs of the last step.
    pub(crate) last_step: Vec<Output>,
    /// The reports `unstaffed` and `none-ready`.
    pub(crate) alarms: Vec<(&'static str, bool)>,
    /// Accounts whose password is guessed, from then on or no longer.
    pub(crate) guessing: Vec<(String, bool)>,
    /// Phones that do not respond, or respond again: the Contact, and whether it is marked as unreachable.
    pub(crate) reach: Vec<(String, bool)>,
    /// What was reported of RTP ports.
    pub(crate) port_shortages: Vec<PortShortage>,
    /// INVITEs that were rejected before they became calls.
    pub(crate) rejections: Vec<Rejection>,
    /// What was ignored in INVITEs that were accepted.
    pub(crate) ignored: Vec<String>,
    /// Legs that are not heard: trunk, source of the media, expected source.
    pub(crate) foreign_media: Vec<(Option<String>, SocketAddr, Option<SocketAddr>)>,
    serial: u32,
}

/// What operators dial.
fn codes() -> FeatureCodes {
    FeatureCodes {
        log_in: "*11".to_owned(),
        log_out: "*12".to_owned(),
        station: "*17".to_owned(),
        pause: "*13".to_owned(),
        resume: "*14".to_owned(),
        classes: vec![
            ("*41".to_owned(), Class::Normal),
            ("*42".to_owned(), Class::Ghost),
            ("*43".to_owned(), Class::Prank),
        ],
        call_back: "*50".to_owned(),
        wrap_up: "*15".to_owned(),
        conference: "*30".to_owned(),
        silent_prompt: "*16".to_owned(),
        supervisors: SupervisorCodes {
            listen: "*21".to_owned(),
            whisper: "*22".to_owned(),
            barge: "*23".to_owned(),
            take_over: "*24".to_owned(),
            pick_up: "*25".to_owned(),
            modes: ["*60", "*61", "*62", "*63"].map(str::to_owned).into_iter().zip(acd::OperatingMode::ALL).collect(),
        },
    }
}

pub(crate) fn settings() -> Settings {
    let seconds = Duration::from_secs;
    Settings {
        site: Site {
            domain: "127.0.0.1".to_owned(),
            listeners: vec![Listener {
                transport: Transport::Udp,
                local: SERVER.parse().unwrap(),
                advertised: SERVER.to_owned(),
            }],
            server_header: None,
        },
        trunks: vec![Trunk {
            name: "telco".to_owned(),
            peers: vec![Network::parse("127.0.0.2/32").unwrap()],
            target: None,
            host: None,
            transport: Transport::Udp,
            tls_name: None,
            tcp_when_large: false,
            keep_alive: None,
            terms: siaga::switchboard::TrunkSettings::default(),
        }],
        guard: siaga::switchboard::GuardSettings::default(),
        phones: PhoneSettings {
            expires_min: seconds(60),
            expires_default: seconds(600),
            expires_max: seconds(3600),
            keep_alive: None,
            digest: vec![siaga::sip::digest::Algorithm::Md5, siaga::sip::digest::Algorithm::Sha256],
            nonce_life: seconds(300),
        },
        media: MediaSettings { addresses: vec!["127.0.0.1".parse().unwrap()], ..MediaSettings::default() },
        session: SessionSettings { silence_ends_call: true, reliable_when_supported: false, seconds: None },
        numbers: NumberPlan { emergency: "112".to_owned(), ..NumberPlan::default() },
        calls: CallSettings {
            max: siaga::limits::CALLS_MAX,
            answer: AnswerMode::Operator,
            ring: seconds(15),
            announce_each: None,
            silent: siaga::switchboard::SilentSettings::default(),
            requeue_on_operator_lost: true,
            long_call: seconds(6 * 3600),
            record: true,
        },
        fallback: FallbackSettings { number: None, ring: seconds(20) },
        callers: siaga::switchboard::CallerSettings::default(),
        operators: OperatorSettings { wrap_up_extension: seconds(60), ..OperatorSettings::default() },
        mode: siaga::switchboard::ModeSettings { hours: 0, incident_text: "kembali".to_owned() },
        feature_codes: codes(),
        acd: acd::Settings {
            wrap_up: seconds(10),
            incident_wrap_up: seconds(3),
            rest: seconds(5),
            fallback_retry: seconds(10),
            none_ready: seconds(15),
            login_on_register: true,
            unanswered_max: 0,
            plan: acd::shift::Plan::default(),
            desks: Vec::new(),
        },
    }
}

/// These settings with a change.
pub(crate) fn changed(mut settings: Settings, change: impl FnOnce(&mut Settings)) -> Settings {
    change(&mut settings);
    settings
}

impl World {
    pub(crate) fn new(settings: Settings, operators: &[&str]) -> Self {
        Self::with_ports(settings, operators, 200)
    }

    /// A world with so many pairs of RTP ports for each media address.
    pub(crate) fn with_ports(settings: Settings, operators: &[&str], ports: u16) -> Self {
        let mut world = Self::unready_with(settings, ports);
        let accounts = operators.iter().map(|name| account(name)).collect();
        world.step(Input::Accounts(accounts));
        world
    }

    /// A service without accounts.
    pub(crate) fn unready(settings: Settings) -> Self {
        Self::unready_with(settings, 200)
    }

    fn unready_with(settings: Settings, count: u16) -> Self {
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_764_000_000_000) };
        let ports_of = |ip: &std::net::IpAddr| {
            let ip = *ip;
            (0..count).map(move |i| SocketAddr::new(ip, 20_000 + 2 * i))
        };
        let ports = settings.media.addresses.iter().flat_map(ports_of).collect();
        let switchboard = Switchboard::new(now, settings, ports, Rng::from_number(112));
        let (facts, media, sent) = (Vec::new(), Vec::new(), Vec::new());
        let (streams, ways, trunks_up, registered) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let (drained, serial, modes) = (false, 0, Vec::new());
        Self {
            now,
            switchboard,
            steps: 0,
            salt: snapshots::salt(),
            facts,
            media,
            sent,
            drained,
            trunks_up,
            registered,
            streams,
            ways,
            modes,
            long_calls: Vec::new(),
            replied: Vec::new(),
            account_states: BTreeMap::new(),
            unstaffed: None,
            last_step: Vec::new(),
            alarms: Vec::new(),
            guessing: Vec::new(),
            reach: Vec::new(),
            port_shortages: Vec::new(),
            rejections: Vec::new(),
            ignored: Vec::new(),
            foreign_media: Vec::new(),
            lookups: Vec::new(),
            serial,
        }
    }

    /// One input; every invariant is asked afterwards. Media gives ports back at once.
    pub(crate) fn step(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        self.switchboard.handle(self.now, input, &mut out);
        if let Err(broken) = self.switchboard.verify() {
            panic!("invariant broken: {broken}");
        }
        self.steps += 1;
        if snapshots::is_due_in_story(self.steps, self.salt, &self.switchboard) {
            self.switchboard = snapshots::read_back(&self.switchboard);
        }
        self.last_step.clone_from(&out);
        let mut closed: Vec<AnchorId> = Vec::new();
        for output in out {
            match output {
                Output::Send(transmit) => {
                    let text = String::from_utf8(transmit.bytes.to_vec()).unwrap();
                    self.ways.push((transmit.flow, text.lines().next().unwrap().to_owned()));
                    self.sent.push((transmit.flow.remote, text));
                }
                Output::Media(command) => {
                    if let Command::Close { anchor } = &command {
                        closed.push(*anchor);
                    }
                    self.media.push(command);
                }
                Output::Fact(fact) => self.facts.push(fact),
                Output::Drained => self.drained = true,
                Output::TrunkHealth { up, .. } => self.trunks_up.push(up),
                Output::TrunkRegistered { trunk, registered } => self.registered.push((trunk, registered)),
                Output::Reply { reply, .. } => self.replied.push(reply),
                Output::AccountState(account_state) => {
                    self.account_states.insert(account_state.account.clone(), *account_state);
                }
                Output::Lookup { uri, host } => self.lookups.push((uri, host)),
                Output::Banned(_) | Output::TrunkGone { .. } | Output::Authenticated(_) => {}
                Output::Guessing { account, guess } => self.guessing.push((account, guess.is_some())),
                Output::PhoneReach { contact, unreachable, .. } => self.reach.push((contact, unreachable)),
                Output::LongCall { call, over, .. } => self.long_calls.push((call, over)),
                Output::Unstaffed(unstaffed) => {
                    self.unstaffed = Some(unstaffed);
                    self.alarms.push(("unstaffed", unstaffed));
                }
                Output::Ports(shortage) => self.port_shortages.push(shortage),
                Output::NoneReady(none_ready) => self.alarms.push(("none-ready", none_ready)),
                Output::Rejected(rejection) => self.rejections.push(rejection),
                Output::Ignored { what, .. } => self.ignored.push(what),
                Output::ForeignMedia { trunk, from, expected } => self.foreign_media.push((trunk, from, expected)),
                Output::Mode { mode, reminder, .. } => self.modes.push((mode, reminder)),
            }
        }
        for anchor in closed {
            self.step(Input::Media(Event::Closed { anchor, quality: Quality::default() }));
        }
    }

    /// An admin orders something at the console.
    pub(crate) fn orders(&mut self, command: ConsoleCommand) -> ConsoleReply {
        self.step(Input::Console { request: 9, by: admin(), command });
        self.replied.pop().unwrap()
    }

    pub(crate) fn receive(&mut self, from: &str, text: &str) {
        let from = from.parse().unwrap();
        let flow = self.streams.get(&from).copied().unwrap_or_else(|| Flow::udp(SERVER.parse().unwrap(), from));
        self.step(Input::Received { flow, bytes: text.as_bytes() });
    }

    /// The network reports this address as unreachable, and no response arrives.
    pub(crate) fn is_unreachable(&mut self, at: &str) {
        self.icmp(at);
        self.pass(Duration::from_secs(1));
        let at: SocketAddr = at.parse().unwrap();
        self.sent.retain(|(to, _)| *to != at);
    }

    /// The network reports this address as unreachable.
    pub(crate) fn icmp(&mut self, at: &str) {
        self.step(Input::Unreachable { flow: Flow::udp(SERVER.parse().unwrap(), at.parse().unwrap()) });
    }

    /// Lets time pass, stopping at every deadline.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(at) = self.switchboard.poll_timeout().filter(|at| *at <= end) {
            let wait = at.since(self.now.mono);
            self.now = self.now.after(wait);
            self.step(Input::Tick);
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    /// Takes the first message to `to` that starts with `start`.
    pub(crate) fn take(&mut self, to: &str, start: &str) -> String {
        let to: SocketAddr = to.parse().unwrap();
        let found = self.sent.iter().position(|(remote, text)| *remote == to && text.starts_with(start));
        match found {
            Some(i) => self.sent.remove(i).1,
            None => panic!("no {start:?} to {to}; sent: {:#?}", self.sent),
        }
    }

    pub(crate) fn has(&self, to: &str, start: &str) -> bool {
        let to: SocketAddr = to.parse().unwrap();
        self.sent.iter().any(|(remote, text)| *remote == to && text.starts_with(start))
    }

    /// Registers a phone, through the challenge.
    pub(crate) fn register(&mut self, operator: &str, at: &str) {
        self.register_for(operator, at, 600);
    }

    pub(crate) fn register_for(&mut self, operator: &str, at: &str, expires: u32) {
        self.register_with(operator, at, expires, "", "");
    }

    /// The same with parameters for Contact, and header fields (each with its line's end); gives the 200.
    pub(crate) fn register_with(
        &mut self,
        operator: &str,
        at: &str,
        expires: u32,
        contact: &str,
        more: &str,
    ) -> String {
        self.register_as(operator, at, &format!("<sip:{operator}@{at}>{contact}"), expires, more)
    }

    /// Like `register`, with a Contact that may differ from the source address.
    pub(crate) fn register_as(&mut self, operator: &str, at: &str, contact: &str, expires: u32, more: &str) -> String {
        self.register_in(operator, at, (contact, expires), more, &format!("reg-{operator}"))
    }

    /// A phone registers with another Call-ID, as after a reboot; `contact`: parameters for Contact.
    pub(crate) fn registers_anew(&mut self, operator: &str, at: &str, contact: &str, call_id: &str) {
        self.register_in(operator, at, (&format!("<sip:{operator}@{at}>{contact}"), 600), "", call_id);
    }

    fn register_in(
        &mut self,
        operator: &str,
        at: &str,
        (contact, expires): (&str, u32),
        more: &str,
        call_id: &str,
    ) -> String {
        let request = |branch: u32, cseq: u32, authorization: &str| {
            format!(
                "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{branch};rport\r\n\
                 From: <sip:{operator}@127.0.0.1>;tag=r\r\nTo: <sip:{operator}@127.0.0.1>\r\n\
                 Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nContact: {contact}\r\n\
                 Max-Forwards: 70\r\nExpires: {expires}\r\n{more}{authorization}Content-Length: 0\r\n\r\n"
            )
        };
        let serial = self.next_serial();
        self.receive(at, &request(serial, serial, ""));
        let challenge = self.take(at, "SIP/2.0 401");
        let authorization = credentials(&challenge, operator, "REGISTER", "sip:127.0.0.1");
        let serial = self.next_serial();
        self.receive(at, &request(serial, serial, &authorization));
        self.take(at, "SIP/2.0 200")
    }

    /// A request of a peer in the dialog of a message that it has got from us: an INVITE, which it has answered (see `response`),
    /// or a response to an INVITE of its own. `more`: header fields, each with its line's end.
    pub(crate) fn asks(&mut self, at: &str, got: &str, method: &str, cseq: u32, more: &str, body: &str) {
        let (to, from) = (header(got, "To"), header(got, "From"));
        let answered = format!("{to};tag=phone");
        let (from, to) = if got.starts_with("SIP/2.0") { (from, to) } else { (answered.as_str(), from) };
        let (uri, call_id) = ("sip:siaga@127.0.0.1:5060", header(got, "Call-ID"));
        let branch = format!("z9hG4bKa{}", self.next_serial());
        let said = Said { method, uri, at, branch: &branch, from, to, call_id, cseq, more, body };
        self.receive(at, &said.text());
    }

    pub(crate) fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// How many facts satisfy `wanted`.
    pub(crate) fn count(&self, wanted: impl Fn(&FactKind) -> bool) -> usize {
        self.facts.iter().filter(|fact| wanted(&fact.kind)).count()
    }

    /// All bindings expire and all transactions end: nothing may be left.
    pub(crate) fn assert_empty_in_the_end(&mut self) {
        self.pass(Duration::from_secs(4000));
        let gauges = self.switchboard.gauges();
        assert!(self.switchboard.is_idle(), "{gauges:?}");
        assert_eq!((gauges.calls, gauges.transactions, gauges.anchors), (0, 0, 0));
    }
}

/// Who commands in the stories.
pub(crate) fn admin() -> Actor {
    Actor { name: "ani".to_owned(), role: ConsoleRole::Admin }
}

/// The account of an operator.
pub(crate) fn account(name: &str) -> Account {
    Account {
        operator: OperatorId::parse(name).unwrap(),
        name: name.to_owned(),
        ha1: Ha1::new(name, "127.0.0.1", &format!("pw-{name}")),
        station: false,
        station_login: None,
    }
}

/// A description under SRTP, with the peer's tag.
pub(crate) fn secret(sdp: &str) -> String {
    let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    format!("{}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n", sdp.replace("RTP/AVP", "RTP/SAVP"))
}
