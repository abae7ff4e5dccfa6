//! A city: one switchboard, a telephone network full of callers, operators' phones, and weather on the lines between
//! them. One seed is one story.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use siaga::cdr::fact::{Fact, FactKind};
use siaga::clock::{Instant, Now, Timestamp};
use siaga::ids::{CallId, Rng};
use siaga::sip::flow::Flow;
use siaga::switchboard::{Account, Badge, Input, Output, Pin, PortShortage, Settings, Switchboard};

use super::endpoint::{Heard, Io};
use super::outcomes::Outcomes;
use super::phone::{self, Phone};
use super::races::{Deed, Race, Races};
use super::sound::{self, Later, Sound};
use super::strangers::{self, Overheard};
use super::telco::{self, Caller};
use super::terms::{plan, settings_of};
use super::trunks;
use super::world::{SERVER, TRUNK, account};

/// What one story is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) calls: u32,
    pub(crate) loss_percent: u64,
    /// The service is drained in the middle, and hangs up on whoever is left then.
    pub(crate) drained: bool,
    /// RTP port pairs of the service.
    pub(crate) pairs: u16,
    /// What happens, on purpose, about when a phone answers.
    pub(crate) race: Option<Race>,
}

/// What happens at some point in time.
#[derive(Debug)]
pub(super) enum Event {
    ToService(SocketAddr, String),
    ToPeer(SocketAddr, bytes::Bytes),
    Unreachable(SocketAddr),
    Caller(u32, telco::Alarm),
    Phone(usize, phone::Alarm),
    Sound(Later),
    /// The next caller dials.
    Dial,
    /// Somebody does something at the console, or the configuration changes.
    Meddle,
    /// Strangers try passwords, or just flood.
    Strangers,
    /// A stranger speaks in a dialog of others.
    Forge,
    Drain,
    HangUpAll,
    /// One side of a race, at a phone.
    Race(usize, Deed),
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    serial: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

pub(crate) const OPERATORS: u16 = 6;

/// The whole of it.
pub(crate) struct City {
    pub(crate) story: Story,
    pub(crate) now: Now,
    pub(crate) settings: Settings,
    pub(crate) switchboard: Switchboard,
    pub(crate) facts: BTreeMap<CallId, Vec<Fact>>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) sound: Sound,
    pub(crate) steps: u64,
    /// So often callers began to wait without a port, and a ready operator to wait for one.
    pub(crate) shortages: (u64, u64),
    pub(crate) outcomes: Outcomes,
    pub(crate) races: Races,
    pub(crate) overheard: Overheard,
    pub(crate) drained_at: Option<Instant>,
    closed_at: Option<Instant>,
    agenda: BinaryHeap<Reverse<Entry>>,
    serial: u64,
    pub(super) rng: Rng,
    voices: BTreeSet<SocketAddr>,
    out: Vec<Output>,
    later: Vec<(Duration, Later)>,
    pub(super) told: bool,
    trace: bool,
}

impl City {
    pub(crate) fn new(story: Story) -> Self {
        let mut rng = Rng::from_number(story.seed);
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_764_000_000_000) };
        let mut settings = settings_of(&mut rng);
        if let Some(race) = story.race {
            race.needs(&mut settings);
        }
        if rng.below(3) == 0 {
            settings.acd.plan = plan(&mut rng, now.wall);
        }
        let ports = (0..story.pairs).map(|i| SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * i))).collect();
        let switchboard = Switchboard::new(now, settings.clone(), ports, Rng::from_number(story.seed));
        let mut city = Self {
            story,
            now,
            settings,
            switchboard,
            facts: BTreeMap::new(),
            callers: Vec::new(),
            phones: Vec::new(),
            sound: Sound::default(),
            steps: 0,
            shortages: (0, 0),
            outcomes: Outcomes::default(),
            races: Races::default(),
            overheard: Overheard::new(story.seed),
            drained_at: None,
            closed_at: None,
            agenda: BinaryHeap::new(),
            serial: 0,
            rng,
            voices: BTreeSet::new(),
            out: Vec::new(),
            later: Vec::new(),
            told: false,
            trace: std::env::var_os("SIM_TRACE").is_some(),
        };
        city.step(Input::Accounts(story.accounts(OPERATORS)));
        for index in 0..OPERATORS {
            city.with_phones(usize::from(index), |phones, io| phones.push(Phone::new(index, io)));
            if story.station() == Some(index) {
                city.phones[usize::from(index)].stands_in_the_room();
            }
        }
        city.schedule(Duration::from_secs(30), Event::Dial);
        city.schedule(Duration::from_secs(60), Event::Meddle);
        city.schedule(Duration::from_secs(90), Event::Strangers);
        city.schedule(Duration::from_secs(40), Event::Forge);
        if story.drained {
            city.schedule(Duration::from_secs(60 + 4 * u64::from(story.calls)), Event::Drain);
        }
        city
    }

    /// Runs the story until nothing happens any more.
    pub(crate) fn run(&mut self) {
        loop {
            let due = self.switchboard.poll_timeout().filter(|_| self.drained_at.is_none());
            let next = self.agenda.peek().map(|Reverse(entry)| entry.at);
            // Keep-alives to the trunk go on for ever: what is not over by now hangs.
            if self.closed_at.is_some_and(|at| at + PATIENCE <= self.now.mono) {
                break;
            }
            if due.is_none() && next.is_none() || self.drained_at.is_some_and(|at| at + LINGER <= self.now.mono) {
                break;
            }
            if due.is_some_and(|due| next.is_none_or(|next| due <= next)) {
                let due = due.unwrap();
                if self.is_closed() && self.switchboard.is_idle() && next.is_none() {
                    break;
                }
                self.advance(due);
                self.step(Input::Tick);
                let then = self.switchboard.poll_timeout();
                assert!(then.is_none_or(|then| then > self.now.mono), "time does not get on at {:?}", self.now.mono);
            } else if let Some(Reverse(entry)) = self.agenda.pop() {
                self.advance(entry.at);
                self.happens(entry.event);
            }
        }
    }

    /// The last caller has dialled.
    pub(super) fn is_closed(&self) -> bool {
        self.callers.len() >= usize::try_from(self.story.calls).unwrap()
    }

    fn advance(&mut self, to: Instant) {
        self.now = self.now.after(to.since(self.now.mono));
    }

    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
        self.serial += 1;
        self.agenda.push(Reverse(Entry { at: self.now.mono + after, serial: self.serial, event }));
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::ToService(from, text) => {
                self.trace(|| format!("{from} -> {text}"));
                let (flow, now) = (Flow::udp(SERVER.parse().unwrap(), from), self.now.mono);
                if text.starts_with("SIP/2.0")
                    && let Some(phone) = self.phones.iter_mut().find(|phone| phone.at == from)
                {
                    phone.is_heard_of(&text, now);
                }
                self.step(Input::Received { flow, bytes: text.as_bytes() });
            }
            Event::ToPeer(to, bytes) => self.arrives(to, &bytes),
            Event::Unreachable(from) => {
                self.step(Input::Unreachable { flow: Flow::udp(SERVER.parse().unwrap(), from) });
            }
            Event::Caller(n, alarm) => self.with_caller(n, |caller, io| caller.wakes(alarm, io)),
            Event::Phone(index, alarm) => self.with_phones(index, |phones, io| phones[index].wakes(alarm, io)),
            Event::Sound(later) => self.sounds(later),
            Event::Dial => self.dials(),
            Event::Meddle => self.meddles(),
            Event::Strangers => self.strangers_come(),
            Event::Forge => self.strangers_forge(),
            Event::Drain => {
                self.step(Input::Drain);
                self.schedule(Duration::from_secs(20), Event::HangUpAll);
            }
            Event::HangUpAll => self.step(Input::HangUpAll),
            Event::Race(index, deed) => self.race_happens(index, deed),
        }
    }

    fn dials(&mut self) {
        if self.is_closed() || self.drained_at.is_some() {
            self.closed_at = Some(self.now.mono);
            return self.phones.iter_mut().for_each(|phone| phone.closing = true);
        }
        let n = u32::try_from(self.callers.len()).unwrap();
        let known = self.settings.trunks[0].terms.identity.is_some();
        self.with_io(
            TRUNK.parse().unwrap(),
            |alarm| Event::Caller(n, alarm),
            |city, io| city.callers.push(Caller::dials(n, known, io)),
        );
        // Rushes and quiet hours.
        let longest = if n / 50 % 3 == 0 { 8_000 } else { 30_000 };
        let pause = Duration::from_millis(self.rng.below(longest));
        self.schedule(pause, Event::Dial);
    }

    fn arrives(&mut self, to: SocketAddr, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        self.trace(|| format!("{to} <- {text}"));
        let heard = Heard::read(text);
        if to.port() == strangers::PORT {
            return;
        }
        if to.port() == 5080 {
            let first = to == TRUNK.parse().unwrap();
            if let Some(n) = heard.call_id.strip_prefix("call-").filter(|_| first) {
                self.with_caller(n.parse().unwrap(), |caller, io| caller.hears(&heard, io));
            } else {
                self.trunk_hears(to, &heard);
            }
            return;
        }
        let (index, listens) = phone::phone_at(to.port(), heard.status().is_some());
        let is_there =
            listens && (self.phones[index].at == to || to == phone::source(self.phones[index].at, "REGISTER"));
        if !(is_there && self.phones[index].power) && self.rng.below(2) == 0 {
            let after = Duration::from_millis(self.rng.below(50));
            self.schedule(after, Event::Unreachable(to));
        }
        if is_there {
            self.with_phones(index, |phones, io| phones[index].hears(&heard, io));
        }
    }

    /// The telephone network itself: answers keep-alives, wants our password, and has nobody at the fallback number.
    fn trunk_hears(&mut self, at: SocketAddr, heard: &Heard<'_>) {
        if let Some(text) = trunks::hears(self.now.mono, at, heard) {
            self.voices.insert(trunks::VOICE.parse().unwrap());
            self.carry(at, text);
        }
    }

    fn strangers_come(&mut self) {
        if !self.is_closed() {
            let after = Duration::from_millis(30_000 + self.rng.below(600_000));
            self.schedule(after, Event::Strangers);
        }
        let (from, texts) = strangers::come(&mut self.rng, self.serial);
        let flow = Flow::udp(SERVER.parse().unwrap(), from);
        texts.iter().for_each(|text| self.step(Input::Received { flow, bytes: text.as_bytes() }));
    }

    fn sounds(&mut self, later: Later) {
        let mut more = std::mem::take(&mut self.later);
        let event = match later {
            Later::Event(event) => Some(event),
            Later::Listen(anchor, aim) => self.sound.listen((anchor, aim), &self.voices, &mut self.rng, &mut more),
            Later::Limit(anchor) => self.sound.reaches_limit(anchor, &self.voices),
            Later::Played(anchor, play) => self.sound.played(anchor, play),
        };
        for (after, later) in more.drain(..) {
            self.schedule(after, Event::Sound(later));
        }
        self.later = more;
        if let Some(event) = event {
            self.trace(|| format!("media: {event:?}"));
            self.step(Input::Media(event));
        }
    }

    /// One input; every invariant is asked afterwards. After a drain there is no service any more.
    pub(super) fn step(&mut self, input: Input<'_>) {
        if self.drained_at.is_some() {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        self.switchboard.handle(self.now, input, &mut out);
        self.steps += 1;
        if let Err(broken) = self.switchboard.verify() {
            panic!("invariant broken: {broken}");
        }
        let mut sent = false;
        for output in out.drain(..) {
            match output {
                Output::Send(transmit) => {
                    sent = true;
                    self.send(transmit.flow.remote, &transmit.bytes);
                }
                Output::Media(command) => {
                    self.trace(|| format!("media <- {command:?}"));
                    self.sound.obeys(command, &mut self.rng, &mut self.later);
                }
                Output::Fact(fact) => {
                    assert!(!sent, "facts leave a step before the messages");
                    self.trace(|| format!("fact {fact:?}"));
                    self.outcomes.fact(fact.call, &fact.kind);
                    if let Some(call) = fact.call {
                        self.facts.entry(call).or_default().push(fact);
                    } else if fact.kind == FactKind::Stopped {
                        assert_eq!(self.drained_at, None);
                    }
                }
                Output::Ports(shortage) => match shortage {
                    PortShortage::None => {}
                    PortShortage::Reserve => self.shortages.0 += 1,
                    PortShortage::Exhausted => self.shortages.1 += 1,
                },
                Output::Drained => self.drained_at = Some(self.now.mono),
                Output::Reply { request, .. } => self.told = request == 7,
                Output::TrunkHealth { .. }
                | Output::Presence(_)
                | Output::Banned(_)
                | Output::Authenticated(_)
                | Output::Guessing { .. }
                | Output::Rejected(_)
                | Output::Ignored { .. }
                | Output::ForeignMedia { .. }
                | Output::Lookup { .. }
                | Output::TrunkRegistered { .. }
                | Output::TrunkGone { .. }
                | Output::Posture { .. }
                | Output::LongCall { .. }
                | Output::PhoneReach { .. }
                | Output::Unstaffed(_)
                | Output::NoneReady(_) => {}
            }
        }
        self.out = out;
        for (after, later) in std::mem::take(&mut self.later) {
            self.schedule(after, Event::Sound(later));
        }
    }

    fn send(&mut self, to: SocketAddr, bytes: &bytes::Bytes) {
        let text = std::str::from_utf8(bytes).unwrap();
        self.outcomes.said(true, text);
        self.overheard.hear(text);
        for after in self.weather() {
            self.schedule(after, Event::ToPeer(to, bytes.clone()));
        }
    }

    fn carry(&mut self, from: SocketAddr, text: String) {
        self.outcomes.said(false, &text);
        if let Some(race) = self.story.race {
            self.begins_a_race(race, from, &text);
        }
        let from = if from.port() == 5080 { from } else { phone::source(from, &text) };
        for after in self.weather() {
            self.schedule(after, Event::ToService(from, text.clone()));
        }
    }

    /// When the copies of one datagram arrive: mostly one, soon; sometimes none, two, or late.
    fn weather(&mut self) -> impl Iterator<Item = Duration> + use<> {
        let mut dice = || self.rng.below(100);
        let copies = if dice() < self.story.loss_percent { 0 } else { 1 + usize::from(dice() < 2) };
        let slow = dice() < 3;
        let mut delays = [Duration::ZERO; 2];
        for delay in &mut delays {
            let span = if slow { self.rng.below(2_000) } else { self.rng.below(40) };
            *delay = Duration::from_millis(1 + span);
        }
        delays.into_iter().take(copies)
    }

    pub(super) fn with_caller(&mut self, n: u32, act: impl FnOnce(&mut Caller, &mut Io<'_, telco::Alarm>)) {
        let index = usize::try_from(n).unwrap();
        self.with_io(
            TRUNK.parse().unwrap(),
            |alarm| Event::Caller(n, alarm),
            |city, io| act(&mut city.callers[index], io),
        );
    }

    pub(super) fn with_phones(&mut self, index: usize, act: impl FnOnce(&mut Vec<Phone>, &mut Io<'_, phone::Alarm>)) {
        // A new one begins at its first place.
        let first = SocketAddr::new("127.0.0.3".parse().unwrap(), 5_100 + u16::try_from(index).unwrap());
        let at = self.phones.get(index).map_or(first, |phone| phone.at);
        self.with_io(at, |alarm| Event::Phone(index, alarm), |city, io| act(&mut city.phones, io));
    }

    fn with_io<A>(&mut self, at: SocketAddr, event: impl Fn(A) -> Event, act: impl FnOnce(&mut Self, &mut Io<'_, A>)) {
        let (mut rng, mut voices) = (self.rng.clone(), std::mem::take(&mut self.voices));
        let mut io =
            Io { now: self.now.mono, rng: &mut rng, sent: Vec::new(), alarms: Vec::new(), voices: &mut voices };
        act(self, &mut io);
        let (sent, alarms) = (io.sent, io.alarms);
        (self.rng, self.voices) = (rng, voices);
        for text in sent {
            self.carry(at, text);
        }
        for (after, alarm) in alarms {
            self.schedule(after, event(alarm));
        }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12.3} {}", self.now.mono.as_nanos() as f64 / 1e9, what());
        }
    }
}

/// Longer than any call, binding or transaction may last after the last caller has dialled.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// So long the world goes on after a drain, to see what was left behind.
const LINGER: Duration = Duration::from_secs(120);

impl Story {
    /// The phone at which operators take turns, if there is one.
    fn station(self) -> Option<u16> {
        (self.seed % 5 == 4).then_some(OPERATORS - 1)
    }

    pub(super) fn accounts(self, count: u16) -> Vec<Account> {
        let made = |index: u16| {
            let station = self.station() == Some(index);
            let badge = Badge::new(&index.to_string(), Pin::new([1; 16], sound::PIN).unwrap());
            Account { station, badge: badge.filter(|_| !station), ..account(&format!("op{index}")) }
        };
        (0..count).map(made).collect()
    }
}
