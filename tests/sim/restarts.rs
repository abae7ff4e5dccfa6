//! The service is killed in the middle of a story, and a new run of it goes on with what the old run has left: facts, and the state of its
//! phones and operators as it was last saved, or as it was some seconds before. Calls that were open are closed as interrupted; phones are
//! rung without another REGISTER; operators are in the state in which they were; a request in a dialog of the old run gets 481 and
//! changes nothing.

mod rung;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use siaga::acd::{OperatingMode, State, View};
use siaga::cdr::Cdr;
use siaga::cdr::fact::{Fact, FactKind};
use siaga::cdr::interrupted::missing_end;
use siaga::cdr::past::{Past, PastCall};
use siaga::ids::{CallId, OperatorId, Rng};
use siaga::sip::flow::{ConnectionId, Flow};
use siaga::switchboard::{AccountState, ConsoleCommand, ConsoleReply, Input, Output, Restored, Switchboard};

use super::agenda::Event;
use super::city::{City, OPERATORS};
use super::connections::{CONNECTED, is_connected};
use super::endpoint::Heard;
use super::random::PAIRS;
use super::world::{TRUNK, admin};

/// A start reads its accounts within this time, and phones try again within the same.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The steps of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The state of phones and operators is saved as it is.
    Save,
    /// The service ends as after SIGKILL.
    Kill,
    /// A new one starts.
    Start,
    /// Its accounts are read.
    Accounts,
    /// It learns what earlier runs have recorded.
    Remember,
}

/// What restarts have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survived {
    pub(crate) restarts: u64,
    /// Of these, with a state that was saved some seconds before the end.
    pub(crate) older: u64,
    /// Of these, in the middle of a step.
    pub(crate) in_a_step: u64,
    /// Open calls that were closed.
    pub(crate) interrupted: u64,
    /// Addresses of phones that were rung before any REGISTER.
    pub(crate) rung: u64,
    /// Operators who were ready, on a break, logged out, and at a station before and after.
    pub(crate) ready: u64,
    pub(crate) paused: u64,
    pub(crate) logged_out: u64,
    pub(crate) at_station: u64,
    /// Requests in dialogs of an old run, or CANCELs of its INVITEs, that got 481; and responses to its requests that changed nothing.
    pub(crate) requests: u64,
    pub(crate) responses: u64,
    /// Connected phones that were not rung until they had authenticated a request, and were rung then.
    pub(crate) woken: u64,
    /// INVITEs that were repeated to the next run, and became calls there.
    pub(crate) again: u64,
    /// Bindings that were marked as unreachable before and after.
    pub(crate) marked: u64,
}

impl Survived {
    /// Each thing was seen often.
    pub(super) fn is_enough(&self) -> bool {
        let ways = self.restarts > 20 && self.older > 5 && self.in_a_step > 3 && self.interrupted > 20;
        let phones = self.rung > 20 && self.ready > 20 && self.woken > 3;
        let states = self.paused > 5 && self.logged_out > 5;
        ways && phones && states && self.requests > 50 && self.responses > 20
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.restarts += other.restarts;
        self.older += other.older;
        self.in_a_step += other.in_a_step;
        self.interrupted += other.interrupted;
        self.rung += other.rung;
        self.ready += other.ready;
        self.paused += other.paused;
        self.logged_out += other.logged_out;
        self.at_station += other.at_station;
        self.requests += other.requests;
        self.responses += other.responses;
        self.woken += other.woken;
        self.again += other.again;
        self.marked += other.marked;
    }
}

/// The saved state, and how operators stood then.
#[derive(Debug, Default)]
struct Saved {
    account_states: BTreeMap<OperatorId, AccountState>,
    views: Vec<View>,
    older: bool,
}

#[derive(Debug)]
pub(crate) struct Restarts {
    /// Of their own, so that stories without restarts go as they would go without them.
    rng: Rng,
    /// There are restarts in this story.
    enabled: bool,
    /// No service runs.
    pub(super) down: bool,
    /// The service has started, and its accounts come later.
    pub(super) awaits_accounts: bool,
    /// It is killed in its next step.
    pub(super) dying: bool,
    /// How many accounts there are.
    pub(super) accounts: u16,
    runs: u64,
    account_states: BTreeMap<OperatorId, AccountState>,
    /// The facts of the service itself that a later run needs.
    facts: Vec<Fact>,
    saved: Option<Saved>,
    /// The service's tags in this run, and in earlier ones.
    tags: BTreeSet<String>,
    old_tags: BTreeSet<String>,
    /// Call-IDs of INVITEs that this run has received.
    invited: BTreeSet<String>,
    /// Where phones were rung in this step.
    rung: BTreeSet<SocketAddr>,
    pub(super) connections: BTreeMap<SocketAddr, ConnectionId>,
    pub(super) last_connection: u64,
    /// The connected phone has not authenticated a request since the start.
    asleep: bool,
    woken: bool,
    /// The last message of a peer, while a test waits for it.
    pub(super) last_said: Option<String>,
    pub(super) interrupted: BTreeSet<CallId>,
    pub(super) survived: Survived,
}

impl Restarts {
    pub(super) fn new(seed: u64, enabled: bool) -> Self {
        Self {
            enabled,
            rng: Rng::from_number(seed.rotate_left(32) ^ 0x5eed),
            down: false,
            awaits_accounts: false,
            dying: false,
            accounts: OPERATORS,
            runs: 0,
            account_states: BTreeMap::new(),
            facts: Vec::new(),
            saved: None,
            tags: BTreeSet::new(),
            old_tags: BTreeSet::new(),
            invited: BTreeSet::new(),
            rung: BTreeSet::new(),
            connections: BTreeMap::new(),
            last_connection: 0,
            asleep: false,
            woken: false,
            last_said: None,
            interrupted: BTreeSet::new(),
            survived: Survived::default(),
        }
    }

    pub(super) fn keeps_presence(&mut self, account_state: AccountState) {
        self.account_states.insert(account_state.account.clone(), account_state);
    }

    pub(super) fn keeps(&mut self, fact: Fact) {
        let kept =
            matches!(fact.kind, FactKind::CallerMarked { .. } | FactKind::ModeSet { .. } | FactKind::Stationed { .. });
        if kept {
            self.facts.push(fact);
        }
    }

    /// The service sends a message.
    pub(super) fn service_says(&mut self, flow: Flow, heard: &Heard<'_>) {
        if !self.enabled {
            return;
        }
        let own = if heard.status().is_some() { heard.to } else { heard.from };
        // A response to a peer who speaks on in an old dialog has the old tag.
        self.tags.extend(tag(own).filter(|tag| !self.old_tags.contains(*tag)).map(str::to_owned));
        if heard.start.starts_with("INVITE ") && tag(heard.to).is_none() {
            self.rung.insert(flow.remote);
            if flow.transport.is_reliable() {
                assert!(
                    !self.asleep,
                    "a connected phone is rung before it has authenticated a request: {}",
                    heard.text
                );
                self.survived.woken += u64::from(std::mem::take(&mut self.woken));
            }
        }
    }

    /// The message belongs to a dialog or an INVITE of an earlier run.
    fn is_of_old_run(&self, heard: &Heard<'_>) -> bool {
        if self.runs == 0 {
            return false;
        }
        let own = if heard.status().is_some() { heard.from } else { heard.to };
        let old = tag(own).is_some_and(|tag| self.old_tags.contains(tag));
        let unknown_cancel = heard.start.starts_with("CANCEL ") && !self.invited.contains(heard.call_id);
        old || unknown_cancel
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.rng.below(to - from))
    }

    /// The state of an earlier run as a start reads it.
    fn restored(&self) -> Restored {
        let account_states = self.saved.iter().flat_map(|saved| saved.account_states.values().cloned()).collect();
        let mut flags: BTreeMap<&str, &Fact> = BTreeMap::new();
        let mut mode = None;
        for fact in &self.facts {
            match &fact.kind {
                FactKind::CallerMarked { number, .. } => {
                    flags.insert(number, fact);
                }
                FactKind::ModeSet { .. } => mode = Some(fact),
                _ => {}
            }
        }
        Restored { account_states, terms: flags.into_values().chain(mode).cloned().collect() }
    }
}

/// The tag of From or To.
fn tag(field: &str) -> Option<&str> {
    field.split(";tag=").nth(1)?.split(';').next()
}

impl City {
    pub(super) fn restart_happens(&mut self, moment: Moment) {
        match moment {
            Moment::Save => self.state_is_saved(),
            Moment::Kill if self.restarts.rng.below(3) == 0 => {
                self.restarts.survived.in_a_step += 1;
                self.restarts.dying = true;
            }
            Moment::Kill => self.is_killed(),
            Moment::Start => self.starts(),
            Moment::Accounts => self.reads_accounts(),
            Moment::Remember => self.remembers(),
        }
    }

    /// The state on which the next run will begin. The run ends at once, or some seconds later.
    fn state_is_saved(&mut self) {
        if self.is_closed() || self.drained_at.is_some() {
            return;
        }
        self.step(Input::Tick);
        let views = self.operators();
        let older = self.restarts.rng.below(2) == 0;
        let account_states = self.restarts.account_states.clone();
        self.restarts.saved = Some(Saved { account_states, views, older });
        if older {
            let after = self.restarts.millis(1, 20_000);
            self.schedule(after, Event::Restart(Moment::Kill));
        } else {
            self.is_killed();
        }
    }

    fn operators(&mut self) -> Vec<View> {
        self.step(Input::Console { request: 7, by: admin(), command: ConsoleCommand::Operators });
        match self.replied.take() {
            Some(ConsoleReply::Operators { operators, .. }) => operators,
            other => panic!("no operators: {other:?}"),
        }
    }

    /// All that is in memory is gone: calls, dialogs, transactions, media, connections.
    pub(super) fn is_killed(&mut self) {
        self.trace(|| "the service is killed".to_owned());
        self.restarts.down = true;
        self.restarts.awaits_accounts = false;
        let at = self.now.wall;
        for (call, facts) in &mut self.facts {
            let Some(end) = missing_end(*call, facts, |last| last.max(at)) else { continue };
            if matches!(end.kind, FactKind::Ended { .. }) {
                self.restarts.interrupted.insert(*call);
                self.restarts.survived.interrupted += 1;
            }
            facts.push(end);
        }
        for n in 0..u32::try_from(self.callers.len()).unwrap() {
            self.with_caller(n, |caller, io| caller.is_cut_off(io));
        }
        for index in 0..self.phones.len() {
            self.with_phones(index, |phones, io| phones[index].is_cut_off(io));
        }
        self.sound = super::media::Sound::default();
        self.restarts.connections.clear();
        let connected = |event: &Event| matches!(event, Event::ToService(from, _) if is_connected(*from));
        self.agenda.retain(|event| !matches!(event, Event::Sound(_) | Event::Closed(_)) && !connected(event));
        let outage = [300, 3_000, 20_000][usize::try_from(self.restarts.rng.below(3)).unwrap()];
        let outage = self.restarts.millis(100, outage);
        self.schedule(outage, Event::Restart(Moment::Start));
    }

    fn starts(&mut self) {
        self.trace(|| "the service starts".to_owned());
        let restarts = &mut self.restarts;
        restarts.survived.restarts += 1;
        restarts.survived.older += u64::from(restarts.saved.as_ref().is_some_and(|saved| saved.older));
        restarts.runs += 1;
        let tags = std::mem::take(&mut restarts.tags);
        restarts.old_tags.extend(tags);
        restarts.invited.clear();
        restarts.down = false;
        restarts.account_states = restarts.saved.as_ref().map(|saved| saved.account_states.clone()).unwrap_or_default();
        let rng = Rng::from_number(self.story.seed ^ (restarts.runs << 40));
        let connected = OperatorId::parse(&format!("op{CONNECTED}")).unwrap();
        let saved = restarts.saved.as_ref().and_then(|saved| saved.account_states.get(&connected));
        restarts.asleep = saved.is_some_and(|saved| saved.bindings.iter().any(|one| one.transport.is_reliable()));
        restarts.woken = false;
        let (restored, late) = (Box::new(restarts.restored()), restarts.rng.below(4) == 0);
        self.switchboard = Switchboard::new(self.now, self.settings.clone(), self.story.ports(), rng);
        // The saved state may arrive before the accounts or after them, which may come late.
        if late {
            let until = self.now.mono + STARTS_WITHIN;
            self.phones.iter_mut().for_each(|phone| phone.unready_until = Some(until));
            self.restarts.awaits_accounts = true;
            self.step(Input::Restore(restored));
            let after = self.restarts.millis(10, 20_000);
            self.schedule(after, Event::Restart(Moment::Accounts));
        } else {
            let accounts = Input::Accounts(self.story.accounts(self.restarts.accounts));
            let inputs = [Input::Restore(restored), accounts];
            if self.restarts.rng.below(2) == 0 {
                inputs.into_iter().for_each(|input| self.step(input));
            } else {
                inputs.into_iter().rev().for_each(|input| self.step(input));
            }
            self.is_restored();
        }
        if self.restarts.rng.below(4) > 0 {
            let after = self.restarts.millis(1, 60_000);
            self.schedule(after, Event::Restart(Moment::Remember));
        }
        let after = self.restarts.millis(60_000, 2_000_000);
        self.schedule(after, Event::Restart(Moment::Save));
    }

    /// The accounts are read: the first time after a start, the state of before is restored.
    pub(super) fn reads_accounts(&mut self) {
        if self.restarts.down {
            return;
        }
        self.step(Input::Accounts(self.story.accounts(self.restarts.accounts)));
        // A kill in this step comes before the restored state can be seen.
        if std::mem::take(&mut self.restarts.awaits_accounts) && !self.restarts.down {
            self.is_restored();
        }
    }

    fn remembers(&mut self) {
        let calls = self.facts.values().filter_map(|facts| PastCall::of(&Cdr::fold(facts)?)).collect();
        let facts = self.restarts.facts.clone();
        self.step(Input::Remember(Box::new(Past { calls, facts })));
    }

    /// The accounts are known: operators are in the state of before, and their phones are rung.
    fn is_restored(&mut self) {
        let Some(saved) = self.restarts.saved.take() else { return };
        let now = self.now.wall;
        let mut phones: BTreeMap<&OperatorId, Vec<SocketAddr>> = BTreeMap::new();
        let (mut at_station, mut marked) = (BTreeSet::new(), BTreeSet::new());
        let mut reachable = BTreeSet::new();
        // What was saved may be older than the last change of the accounts: a removed account is not restored.
        let accounts = self.story.accounts(self.restarts.accounts);
        let exists =
            |account_state: &&AccountState| accounts.iter().any(|account| account.operator == account_state.account);
        for account_state in saved.account_states.values().filter(exists) {
            let user = account_state.station_operator.as_ref().unwrap_or(&account_state.account);
            let away = now.millis_since(account_state.at);
            let live = account_state.bindings.iter().filter(|one| one.lasts_ms > away && !one.transport.is_reliable());
            let dead = live.clone().filter(|one| one.unreachable).map(|one| one.uri.split('@').nth(1).unwrap());
            marked.extend(dead.map(|address| address.parse::<SocketAddr>().unwrap()));
            reachable.extend(live.clone().any(|one| !one.unreachable).then_some(user));
            let addresses = live.map(|one| one.uri.split('@').nth(1).unwrap().parse::<SocketAddr>().unwrap());
            phones.entry(user).or_default().extend(addresses);
            at_station.extend(account_state.station_operator.as_ref().filter(|_| !account_state.bindings.is_empty()));
        }
        self.marks_are_restored(saved.account_states.values().filter(exists));
        let views = self.operators();
        for view in &views {
            let Some(old) = saved.views.iter().find(|old| old.operator == view.operator) else { continue };
            let Some(kept) = saved.account_states.get(&view.operator) else { continue };
            let rung = phones.get(&view.operator).map_or(0, Vec::len);
            let good = |good: bool, what: &str| assert!(good, "{what}: {old:#?}\n{view:#?}\n{kept:#?} at {now:?}");
            good(view.paused == old.paused, "a break survives");
            self.restarts.survived.paused += u64::from(view.paused.is_some());
            // A station, or a phone that has registered before its accounts were restored, may change the rest.
            good(view.registered == (rung > 0), "a phone over UDP is registered, one over a connection is not");
            let connected = kept.bindings.iter().any(|one| one.transport.is_reliable());
            if rung == 0 || connected {
                continue;
            }
            good(view.logged_in == old.logged_in, "a log-in and a log-out survive");
            let was_reachable = reachable.contains(&view.operator);
            good(view.reachable || !was_reachable, "an operator with a phone that was reachable is reachable");
            let expected = match () {
                () if !view.logged_in || !view.on_shift || !view.reachable => State::Offline,
                () if view.paused.is_some() => State::Break,
                () => State::Ready,
            };
            // Accounts may be read 20 s after the phones were restored.
            let serves = [State::Offered, State::Talking, State::WrapUp].contains(&view.state);
            let rings = expected == State::Ready && serves;
            good(view.state == expected || rings, "the operator's state survives");
            let survived = &mut self.restarts.survived;
            survived.ready += u64::from(expected == State::Ready);
            survived.logged_out += u64::from(!view.logged_in);
            survived.at_station += u64::from(at_station.contains(&view.operator));
        }
        let ready = views.iter().filter(|view| view.state == State::Ready).map(|view| &view.operator);
        let phones = ready.flat_map(|operator| phones.get(operator)).flatten().copied();
        // A phone that was unreachable before is rung later than others.
        let rung: Vec<SocketAddr> = phones.filter(|phone| !marked.contains(phone)).collect();
        self.all_are_rung(&rung);
    }

    /// A message arrives at the service, or where it was.
    pub(super) fn reaches_service(&mut self, from: SocketAddr, text: &str) {
        if self.restarts.down {
            return;
        }
        let (flow, now) = (self.flow_from(from), self.now.mono);
        if text.starts_with("SIP/2.0")
            && let Some(phone) = self.phones.iter_mut().find(|phone| phone.at == from)
        {
            phone.is_heard_of(text, now);
        }
        if self.story.restarts {
            let heard = Heard::read(text);
            if self.restarts.is_of_old_run(&heard) {
                return self.old_run_is_spoken_to(flow, &heard);
            }
            if heard.start.starts_with("INVITE ") {
                self.restarts.invited.insert(heard.call_id.to_owned());
            }
            if flow.is_connection() && self.restarts.asleep && text.contains("\r\nAuthorization: ") {
                (self.restarts.asleep, self.restarts.woken) = (false, true);
            }
        }
        self.step(Input::Received { flow, bytes: text.as_bytes() });
    }

    /// A peer speaks on in a dialog of an old run: it gets 481, its responses and ACKs get nothing, and nothing else happens
    /// (RFC 3261 §12.2.2).
    fn old_run_is_spoken_to(&mut self, flow: Flow, heard: &Heard<'_>) {
        // What is due by now is not caused by the message.
        self.step(Input::Tick);
        let (before, guarded, mut out) = (self.switchboard.gauges(), self.switchboard.guard_figures(), Vec::new());
        self.switchboard.handle(self.now, Input::Received { flow, bytes: heard.text.as_bytes() }, &mut out);
        if let Err(broken) = self.switchboard.verify() {
            panic!("invariant broken: {broken}");
        }
        let silent = heard.status().is_some() || heard.method == "ACK";
        let text = heard.text;
        match out.as_slice() {
            // In a flood in its name, a phone that speaks in no dialog waits.
            [] => assert!(silent || guarded != self.switchboard.guard_figures(), "no response to {text}"),
            [Output::Send(transmit)] => {
                let said = std::str::from_utf8(&transmit.bytes).unwrap();
                let rejected = Heard::read(said).status() == Some(481);
                assert!(!silent && rejected && transmit.flow == flow, "{text}\ngets {said}");
                self.send(transmit.flow, &transmit.bytes);
            }
            other => panic!("{text}\nleads to {other:?}"),
        }
        assert_eq!(self.switchboard.gauges(), before, "{text}");
        self.restarts.survived.requests += u64::from(!silent);
        self.restarts.survived.responses += u64::from(silent);
    }
}
