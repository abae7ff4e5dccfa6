//! A city: one switchboard, a telephone network full of callers, operators' phones, and weather on the lines between
//! them. One seed is one story.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use siaga::cdr::fact::{Fact, FactKind};
use siaga::clock::{Instant, Now, Timestamp};
use siaga::ids::{CallId, Rng};
use siaga::sip::flow::Flow;
use siaga::switchboard::{ConsoleReply, Input, Output, PortShortage, Settings, Switchboard};

use super::agenda::{Agenda, Event};
use super::connections::OVER_CONNECTION;
use super::endpoint::{Heard, Io};
use super::floods::{Attack, Attackers};
use super::media::{Later, Sound};
use super::outcomes::Outcomes;
use super::phone::{self, Phone};
use super::races::Races;
use super::restarts::{Moment, Restarts};
use super::snapshots;
use super::strangers::{self, Overheard};
use super::telco::{self, Caller};
use super::terms::{Story, plan, settings_of};
use super::trunks;
use super::world::{SERVER, TRUNK};

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
    /// The switchboard is written and read back at random steps.
    pub(crate) is_read_back: bool,
    /// So often callers began to wait without a port, and a ready operator to wait for one.
    pub(crate) shortages: (u64, u64),
    pub(crate) outcomes: Outcomes,
    pub(crate) races: Races,
    pub(crate) overheard: Overheard,
    pub(crate) drained_at: Option<Instant>,
    closed_at: Option<Instant>,
    pub(crate) restarts: Restarts,
    pub(crate) attackers: Attackers,
    pub(super) agenda: Agenda,
    pub(super) rng: Rng,
    voices: BTreeSet<SocketAddr>,
    out: Vec<Output>,
    later: Vec<(Duration, Later)>,
    pub(super) told: bool,
    pub(super) replied: Option<ConsoleReply>,
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
        let switchboard = Switchboard::new(now, settings.clone(), story.ports(), Rng::from_number(story.seed));
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
            is_read_back: true,
            shortages: (0, 0),
            outcomes: Outcomes::default(),
            races: Races::default(),
            overheard: Overheard::new(story.seed),
            drained_at: None,
            closed_at: None,
            restarts: Restarts::new(story.seed, story.restarts),
            attackers: Attackers::new(story.seed),
            agenda: Agenda::default(),
            rng,
            voices: BTreeSet::new(),
            out: Vec::new(),
            later: Vec::new(),
            told: false,
            replied: None,
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
        if story.attacks {
            city.schedule(Duration::from_secs(45), Event::Attack(Attack::Any));
        }
        if story.restarts {
            city.schedule(Duration::from_secs(120), Event::Restart(Moment::Save));
        }
        if story.drained {
            city.schedule(Duration::from_secs(60 + 4 * u64::from(story.calls)), Event::Drain);
        }
        city
    }

    /// Runs the story until nothing happens any more.
    pub(crate) fn run(&mut self) {
        loop {
            let runs = self.drained_at.is_none() && !self.restarts.down;
            let due = self.switchboard.poll_timeout().filter(|_| runs);
            let next = self.agenda.next();
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
            } else if let Some((at, event)) = self.agenda.pop() {
                self.advance(at);
                self.happens(event);
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
        self.agenda.add(self.now.mono + after, event);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::ToService(from, text) => {
                self.trace(|| format!("{from} -> {text}"));
                self.reaches_service(from, &text);
            }
            Event::ToPeer(to, bytes) => self.arrives(to, &bytes),
            Event::Unreachable(from) => {
                self.step(Input::Unreachable { flow: Flow::udp(SERVER.parse().unwrap(), from) });
            }
            Event::Closed(flow) => self.step(Input::Unreachable { flow }),
            Event::Caller(n, alarm) => self.with_caller(n, |caller, io| caller.wakes(alarm, io)),
            Event::Phone(index, alarm) => {
                if alarm == phone::Alarm::PowerCut {
                    self.connection_breaks(index);
                }
                self.with_phones(index, |phones, io| phones[index].wakes(alarm, io));
            }
            Event::Sound(later) => self.sounds(later),
            Event::Dial => self.dials(),
            Event::Meddle => self.meddles(),
            Event::Strangers => self.strangers_come(),
            Event::Forge => self.strangers_forge(),
            Event::Attack(attack) => self.is_attacked(attack),
            Event::Drain => {
                self.step(Input::Drain);
                self.schedule(Duration::from_secs(20), Event::HangUpAll);
            }
            Event::HangUpAll => self.step(Input::HangUpAll),
            Event::Race(index, deed) => self.race_happens(index, deed),
            Event::Restart(moment) => self.restart_happens(moment),
        }
    }

    fn dials(&mut self) {
        if self.is_closed() || self.drained_at.is_some() {
            self.closed_at = Some(self.now.mono);
            return self.phones.iter_mut().for_each(|phone| phone.closing = true);
        }
        let n = self.one_dials();
        // Rushes and quiet hours.
        let longest = if (n / 50).is_multiple_of(3) { 8_000 } else { 30_000 };
        let pause = Duration::from_millis(self.rng.below(longest));
        self.schedule(pause, Event::Dial);
    }

    /// Another caller sends an INVITE.
    pub(super) fn one_dials(&mut self) -> u32 {
        let n = u32::try_from(self.callers.len()).unwrap();
        let known = self.settings.trunks[0].terms.identity.is_some();
        self.with_io(
            TRUNK.parse().unwrap(),
            |alarm| Event::Caller(n, alarm),
            |city, io| city.callers.push(Caller::dials(n, known, io)),
        );
        n
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
                let is_down = self.restarts.down;
                self.with_caller(n.parse().unwrap(), |caller, io| {
                    let was_unanswered = caller.is_unanswered();
                    caller.hears(&heard, io);
                    // A response of the run that was killed: the next run does not know this call.
                    if is_down && was_unanswered && !caller.is_unanswered() {
                        caller.is_cut_off(io);
                    }
                });
            } else {
                self.trunk_hears(to, &heard);
            }
            return;
        }
        let (index, listens) = phone::phone_at(to.port(), heard.status().is_some());
        let is_there =
            listens && (self.phones[index].at == to || to == phone::source(self.phones[index].at, "REGISTER"));
        let reports = !self.has_connections(to);
        if !(is_there && self.phones[index].power) && reports && self.rng.below(2) == 0 {
            let after = Duration::from_millis(self.rng.below(50));
            self.schedule(after, Event::Unreachable(to));
        }
        if is_there {
            self.with_phones(index, |phones, io| phones[index].hears(&heard, io));
        }
    }

    /// The telephone network itself: answers keep-alives, wants our password, and does not answer at the fallback number.
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
        let (from, texts) = strangers::come(&mut self.rng, self.agenda.serial());
        let flow = Flow::udp(SERVER.parse().unwrap(), from);
        texts.iter().for_each(|text| self.step(Input::Received { flow, bytes: text.as_bytes() }));
    }

    fn sounds(&mut self, later: Later) {
        let mut more = std::mem::take(&mut self.later);
        let event = match later {
            Later::Event(event) => Some(event),
            Later::Listen(anchor, aim) => self.sound.listen((anchor, aim), &self.voices, &mut self.rng, &mut more),
            Later::Limit(anchor, limit) => self.sound.reaches_limit(anchor, limit, &self.voices),
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

    /// One input; every invariant is asked afterwards. After a drain or a kill there is no service.
    pub(super) fn step(&mut self, input: Input<'_>) {
        if self.drained_at.is_some() || self.restarts.down {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        self.switchboard.handle(self.now, input, &mut out);
        self.steps += 1;
        if let Err(broken) = self.switchboard.verify() {
            panic!("invariant broken: {broken}");
        }
        if self.is_read_back && snapshots::is_due_in_city(self.steps, self.story.seed) {
            self.switchboard = snapshots::read_back(&self.switchboard);
        }
        let mut sent = false;
        for output in out.drain(..) {
            match output {
                // The service is killed when the facts of this step are written, before its messages leave.
                Output::Send(_) | Output::Media(_) if self.restarts.dying => {}
                Output::Send(transmit) => {
                    sent = true;
                    self.send(transmit.flow, &transmit.bytes);
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
                    } else {
                        assert!(fact.kind != FactKind::Stopped || self.drained_at.is_none());
                        self.restarts.keeps(fact);
                    }
                }
                Output::Ports(shortage) => match shortage {
                    PortShortage::None => {}
                    PortShortage::Reserve => self.shortages.0 += 1,
                    PortShortage::Exhausted => self.shortages.1 += 1,
                },
                Output::Drained => self.drained_at = Some(self.now.mono),
                Output::Reply { request, reply } => {
                    self.told = request == 7;
                    self.replied = Some(reply);
                }
                Output::AccountState(account_state) => self.restarts.keeps_presence(*account_state),
                Output::TrunkHealth { .. }
                | Output::Banned(_)
                | Output::Authenticated(_)
                | Output::Guessing { .. }
                | Output::Rejected(_)
                | Output::Ignored { .. }
                | Output::ForeignMedia { .. }
                | Output::Lookup { .. }
                | Output::TrunkRegistered { .. }
                | Output::TrunkGone { .. }
                | Output::Mode { .. }
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
        if std::mem::take(&mut self.restarts.dying) {
            self.is_killed();
        }
    }

    pub(super) fn send(&mut self, flow: Flow, bytes: &bytes::Bytes) {
        let text = std::str::from_utf8(bytes).unwrap();
        self.outcomes.said(true, text);
        let heard = Heard::read(text);
        self.overheard.hear(&heard);
        self.restarts.service_says(flow, &heard);
        if flow.transport.is_reliable() {
            return self.sends_over_connection(flow, bytes);
        }
        for after in self.weather() {
            self.schedule(after, Event::ToPeer(flow.remote, bytes.clone()));
        }
    }

    fn carry(&mut self, from: SocketAddr, text: String) {
        self.outcomes.said(false, &text);
        if let Some(race) = self.story.race {
            self.begins_a_race(race, from, &text);
        }
        if let Some(last) = &mut self.restarts.last_said {
            last.clone_from(&text);
        }
        let from = if from.port() == 5080 { from } else { phone::source(from, &text) };
        if self.has_connections(from) {
            return self.schedule(OVER_CONNECTION, Event::ToService(from, text));
        }
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
            let span = match slow {
                true => self.rng.below(2_000),
                false => self.rng.below(40),
            };
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
        self.rng = rng;
        self.voices = voices;
        for text in sent {
            self.carry(at, text);
        }
        for (after, alarm) in alarms {
            self.schedule(after, event(alarm));
        }
    }

    pub(super) fn trace(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12.3} {}", self.now.mono.as_nanos() as f64 / 1e9, what());
        }
    }
}

/// Longer than any call, binding or transaction may last after the last caller has dialled.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// So long the world goes on after a drain, to see what was left behind.
const LINGER: Duration = Duration::from_secs(120);
