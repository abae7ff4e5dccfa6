//! The switchboard: a back-to-back user agent with a queue in the middle. Pure: time and input in, outputs out.
//!
//! It owns every call and is the only one that decides; it must not know sockets, clocks, disks or threads.

mod abandoned;
mod again;
mod aim;
mod alias;
mod answer;
mod call;
mod call_back;
mod called;
mod caller;
mod callers;
mod cancel;
mod classes;
mod clients;
mod conference;
mod console;
mod desks;
mod dialog_source;
mod dialogs;
mod digits;
mod direct;
mod disconnected;
mod door;
mod doubt;
mod end;
mod facts;
mod fallback;
mod guard;
mod guests;
mod info;
mod input;
mod inquiry;
mod internal;
mod invariants;
mod join;
mod keep_alive;
mod late;
mod leg;
mod lend;
mod lookups;
mod memory;
mod notify;
mod offer;
mod orders;
mod outgoing;
mod output;
mod outside;
mod overtaken;
mod own_phone;
mod phone;
mod pick_up;
mod pin;
mod ports;
mod posture;
mod presence;
mod reach;
mod refer;
mod referral;
mod refresh;
mod register;
mod registration;
mod reinvite;
mod rejection;
mod reliable;
mod ring_outcome;
mod route;
mod seats;
mod settings;
mod silent;
mod sound;
mod stations;
mod subscription;
mod supervise;
mod targets;
mod texts;
mod timers;
mod transfer;
mod trunk;
mod unheard;
mod watch;
mod ways;
mod without_port;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;

use crate::acd::{Acd, Decision};
use crate::cdr::fact::{Fact, FactKind};
use crate::clock::{Deadlines, Instant, Now, earliest};
use crate::counted::{Map, Set};
use crate::ids::{CallId, OperatorId, Rng};
use crate::media::command::{AnchorId, Command};
use crate::sip::dialog::DialogKey;
use crate::sip::digest::Authenticator;
use crate::sip::flow::{ConnectionId, Transmit};
use crate::sip::guard::Guard;
use crate::sip::registrar::Registrar;
use crate::sip::transaction::{ClientId, Event, ServerId, Transactions};

use call::Call;
use clients::Purpose;
use leg::Who;
use phone::PhoneCall;
use ports::Ports;
use stations::Stations;
use timers::Alarm;

pub use called::is_prefix;
pub use callers::CallerTerms;
pub use guard::{GuardFigures, GuardSettings};
pub use input::{Account, Actor, ConsoleCommand, Input, Supervision};
pub use output::{CallBackView, CallView, ChoiceView, ConsoleReply, Gauges, GuestView, MarkView, Output, StationView};
pub use pin::Pin;
pub use posture::PostureTerms;
pub use presence::{KeptBinding, Presence, Restored};
pub use registration::Registration;
pub use rejection::{Rejected, Rejection};
pub use settings::{
    Agency, AnswerMode, Category, DeskCalls, FeatureCodes, Listener, Network, Settings, SilentTerms, SrtpOffer, Trunk,
    TrunkHost,
};
pub use stations::Badge;
pub use trunk::TrunkTerms;
pub use without_port::PortShortage;

/// The From tag, Call-ID and `CSeq` that tell a forked copy of an INVITE (RFC 3261 §8.2.2.2).
type MergeKey = (Bytes, Bytes, u32);

/// States of the whole service that outputs have reported.
#[derive(Debug, Default)]
struct Reported {
    drained: bool,
    unstaffed: bool,
    none_ready: bool,
    ports: PortShortage,
}

/// The one state machine of the service.
#[derive(Debug)]
pub struct Switchboard {
    settings: Settings,
    rng: Rng,
    transactions: Transactions,
    stateless_tags: crate::sip::stateless::StatelessTags,
    registrar: Registrar,
    authenticator: Authenticator,
    guard: Guard,
    accounts: BTreeMap<OperatorId, Account>,
    /// False until the accounts were read for the first time in this run.
    accounts_known: bool,
    started: Instant,
    recovered: presence::Recovered,
    /// Both clocks at the last step, to detect a step of the wall clock.
    last_step: Now,
    stations: Stations,
    acd: Acd,
    calls: Map<CallId, Call>,
    /// How many of them are not over. Those that are over wait for their legs, and do not count towards any limit of live calls.
    live_calls: usize,
    /// Feature codes and test calls: sessions that end with the service itself.
    phones: Map<u64, PhoneCall>,
    service_calls: phone::ServiceCalls,
    ports: Ports,
    dialogs: Map<DialogKey, Who>,
    /// Dialogs that are over, for those who would replace them.
    past: pick_up::Past,
    past_invites: late::PastInvites,
    /// Calls that operators have placed.
    placed: direct::PlacedCalls,
    /// The numbers whose emergency calls live.
    calling: call_back::Calling,
    /// INVITEs that have no final response yet.
    invites: Map<ServerId, Who>,
    merged: Map<MergeKey, CallId>,
    clients: clients::Clients,
    /// Callers' legs by the connection that they go over.
    streams: Map<ConnectionId, BTreeSet<CallId>>,
    ways_back: disconnected::WaysBack,
    closed: route::Closed,
    /// Live emergency calls from the centre's own phones, by account.
    internal_calls: BTreeMap<OperatorId, BTreeSet<CallId>>,
    /// The names of trunks that the peers of connections have proven.
    proven: BTreeMap<ConnectionId, Vec<String>>,
    /// By the trunk's name.
    targets: BTreeMap<String, targets::Targets>,
    lookups: lookups::Lookups,
    anchors: Map<AnchorId, Who>,
    /// Anchors that are closed but have not told what they saw; at most one for each port.
    closing: Map<u32, (AnchorId, Who)>,
    alarms: Deadlines<Alarm>,
    pings: keep_alive::Pings,
    /// Ring attempts to which no phone has responded.
    unheard: unheard::Unheard,
    subscriptions: subscription::Subscriptions,
    /// Watched operators whose legs have changed in this step.
    stirred: BTreeSet<OperatorId>,
    texts: texts::Texts,
    callers: callers::Callers,
    abandoned: abandoned::Abandoned,
    /// What happens before it is known what earlier runs knew.
    meanwhile: Option<memory::Meanwhile>,
    stance: posture::Stance,
    /// The last emergency call of each operator.
    worked: BTreeMap<OperatorId, classes::Worked>,
    /// Beside `settings.trunks`, in the same order.
    trunks: Vec<trunk::TrunkState>,
    seats: seats::Seats,
    /// Requests whose final response may ask for another try.
    asked: Map<ClientId, again::Asked>,
    /// The stream of facts that belong to no call.
    run: CallId,
    /// When the run began, on both clocks.
    began: Now,
    run_seq: u32,
    draining: bool,
    reported: Reported,
    /// Calls whose callers wait without a port, those who came first first.
    without_port: Set<CallId>,
    /// Calls whose waiting callers may need an announcement at the end of the step.
    touched: Vec<CallId>,
    /// Calls in which a leg has stopped ringing: the port that its caller has for it may be taken back.
    port_unused: Vec<CallId>,
    // The outputs of one step, in order.
    facts: Vec<Fact>,
    media: Vec<Command>,
    transmits: Vec<Transmit>,
    others: Vec<Output>,
    /// Texts to the phones of operators, sent at the end of the step.
    notices: Vec<(OperatorId, String)>,
    events: Vec<Event>,
}

impl Switchboard {
    /// Starts empty. `rtp_ports` are the even ports that media has bound (RTCP stands on the next); slot i is the i-th.
    pub fn new(now: Now, settings: Settings, rtp_ports: Vec<SocketAddr>, mut rng: Rng) -> Self {
        let authenticator =
            Authenticator::new(&settings.domain, settings.digest.clone(), settings.nonce_life, &mut rng);
        let registrar = Registrar::new(settings.expires_min, settings.expires_default, settings.expires_max);
        let acd = Acd::new(now, settings.acd.clone(), Rng::from_number(rng.next_u64()));
        let run = CallId::new(now.wall, &mut rng);
        let mut switchboard = Self {
            transactions: Transactions::with_max(settings.guard.transactions_max),
            stateless_tags: crate::sip::stateless::StatelessTags::new(&mut rng),
            registrar,
            authenticator,
            guard: Guard::new(settings.guard.terms.clone()),
            accounts: BTreeMap::new(),
            accounts_known: false,
            started: now.mono,
            recovered: presence::Recovered::default(),
            last_step: now,
            stations: Stations::default(),
            acd,
            calls: Map::new(),
            live_calls: 0,
            phones: Map::new(),
            service_calls: phone::ServiceCalls::default(),
            ports: Ports::new(rtp_ports),
            dialogs: Map::new(),
            past: pick_up::Past::default(),
            past_invites: late::PastInvites::default(),
            placed: direct::PlacedCalls::default(),
            calling: call_back::Calling::default(),
            invites: Map::new(),
            merged: Map::new(),
            clients: clients::Clients::default(),
            streams: Map::new(),
            ways_back: BTreeMap::new(),
            proven: BTreeMap::new(),
            targets: BTreeMap::new(),
            lookups: lookups::Lookups::default(),
            closed: route::Closed::default(),
            internal_calls: BTreeMap::new(),
            anchors: Map::new(),
            closing: Map::new(),
            alarms: Deadlines::default(),
            pings: keep_alive::Pings::default(),
            unheard: unheard::Unheard::new(),
            subscriptions: subscription::Subscriptions::default(),
            stirred: BTreeSet::new(),
            texts: texts::Texts::default(),
            callers: callers::Callers::default(),
            abandoned: abandoned::Abandoned::default(),
            meanwhile: Some(memory::Meanwhile::default()),
            stance: posture::Stance::default(),
            worked: BTreeMap::new(),
            trunks: Vec::new(),
            seats: seats::Seats::default(),
            asked: Map::new(),
            run,
            began: now,
            run_seq: 0,
            draining: false,
            reported: Reported::default(),
            without_port: Set::new(),
            touched: Vec::new(),
            port_unused: Vec::new(),
            facts: Vec::new(),
            media: Vec::new(),
            transmits: Vec::new(),
            others: Vec::new(),
            notices: Vec::new(),
            events: Vec::new(),
            settings,
            rng,
        };
        switchboard.service_fact(now, FactKind::Started { version: env!("CARGO_PKG_VERSION").to_owned() });
        switchboard.align_trunks(now.mono, &[]);
        switchboard.ping_trunks_from(now.mono);
        switchboard
    }

    /// Takes one input and pushes what it leads to.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        self.follow_calendar(now);
        match input {
            Input::Received { flow, bytes } => self.receive(now, flow, bytes),
            Input::Unreachable { flow } => self.unreachable(now, flow),
            Input::Proven { flow, names } => self.proven(flow, names),
            Input::Targets { trunk, targets } => self.set_targets(now, trunk, targets),
            Input::Found { uri, targets } => self.found(&uri, &targets),
            Input::Media(event) => self.media_event(now, event),
            Input::Console { request, by, command } => self.console(now, request, by, command),
            Input::Accounts(accounts) => self.set_accounts(now, accounts),
            Input::Remember(past) => self.remember(now, *past),
            Input::Restore(restored) => self.restore(now, *restored),
            Input::Configure(settings) => self.configure(now, *settings),
            Input::Drain => {
                if !std::mem::replace(&mut self.draining, true) {
                    self.leave_trunks(now);
                }
            }
            Input::HangUpAll => self.hang_up_all(now),
            Input::Tick => {}
        }
        self.expire(now);
        self.settle(now);
        self.emit_presences(now, out);
        out.extend(self.facts.drain(..).map(Output::Fact));
        out.extend(self.media.drain(..).map(Output::Media));
        self.finish_transmits(now);
        out.extend(self.transmits.drain(..).map(Output::Send));
        out.append(&mut self.others);
    }

    /// When `Input::Tick` is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let machines = earliest(self.transactions.poll_timeout(), self.registrar.poll_timeout());
        earliest(earliest(machines, self.guard.poll_timeout()), earliest(self.acd.poll_timeout(), self.alarms.next()))
    }

    /// Figures for the metrics.
    pub fn gauges(&self) -> Gauges {
        let (waiting, operators) = self.acd.counts();
        Gauges {
            calls: self.live_calls,
            waiting,
            operators,
            transactions: self.transactions.len(),
            subscriptions: self.subscriptions.len(),
            anchors: self.ports.lent(),
            ports: self.ports.len(),
            without_port: self.without_port.len(),
            phones: self.registrar.len(),
            bindings_unreachable: self.registrar.unreachable(),
            accounts_known: self.accounts_known,
        }
    }

    /// True when no call, transaction, binding or subscription is left.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.phones.is_empty()
            && self.transactions.is_empty()
            && self.registrar.is_empty()
            && self.streams.is_empty()
            && self.subscriptions.is_empty()
            && self.texts.is_empty()
            && self.lookups.is_empty()
    }

    /// Nobody waits any more for the answer to a request of ours.
    fn forget(&mut self, client: ClientId) {
        self.clients.remove(&client);
        self.transactions.forget(client);
    }

    /// Takes new settings. What is under way goes on under the terms that it began with.
    fn configure(&mut self, now: Now, settings: Settings) {
        self.acd.configure(now, settings.acd.clone());
        self.guard.configure(settings.guard.terms.clone());
        self.leave_old_trunks(now, &settings.trunks);
        let old = std::mem::replace(&mut self.settings, settings).trunks;
        self.align_trunks(now.mono, &old);
        self.prune_targets(&old);
        self.prune_call_backs();
        self.ping_trunks_from(now.mono);
    }

    /// Brings the step to its end: who is free gets who waits; who waits hears it; states that changed are written down.
    fn settle(&mut self, now: Now) {
        self.look_at_freed(now);
        self.watch_bindings(now);
        while let Some(decision) = self.next_decision(now) {
            match decision {
                Decision::Offer { call, operator, why } => self.offer(now, call, operator, why),
                Decision::Fallback { call, operators } => self.fall_back(now, call, operators),
                Decision::Withdraw { call, operator } => self.withdraw(now, call, &operator),
            }
            self.look_at_freed(now);
        }
        self.lend_beyond_reserve(now);
        self.acd.set_free_pairs(self.ports.free());
        for (operator, text) in std::mem::take(&mut self.notices) {
            self.announce_text(now, Some(operator), &text);
        }
        while let Some(call) = self.touched.pop() {
            self.announce(now, call);
        }
        for change in self.acd.take_changes() {
            self.tell_watchers(now, &change.operator);
            if let Some(call) = change.wrapped_up {
                self.late_fact(now, call, FactKind::WrappedUp { operator: change.operator.clone() });
            }
            let (operator, state) = (change.operator, facts::state_word(change.state).to_owned());
            if self.is_station(&operator) {
                continue;
            }
            self.service_fact(now, FactKind::OperatorState { operator, state, reason: change.reason });
        }
        while let Some(operator) = self.stirred.pop_first() {
            self.tell_watchers(now, &operator);
        }
        self.report_staffing();
        self.report_ports();
        if self.draining
            && !self.reported.drained
            && self.calls.is_empty()
            && self.phones.is_empty()
            && self.has_said_goodbye()
        {
            self.reported.drained = true;
            self.leave_watches(now);
            self.end_wrap_ups(now);
            self.service_fact(now, FactKind::Stopped);
            self.others.push(Output::Drained);
        }
    }

    /// Nobody waits for a BYE or a refusal that may have been lost. What serves no call does not count; of telcos that are told that
    /// we leave an answer is awaited for a short time.
    fn has_said_goodbye(&self) -> bool {
        self.transactions.is_settled(|client| match self.clients.get(&client) {
            Some(
                Purpose::TrunkPing(..)
                | Purpose::PhonePing(..)
                | Purpose::TrunkRegister(..)
                | Purpose::Notify(_)
                | Purpose::Text(_),
            ) => true,
            Some(Purpose::Leaving { awaited }) => !awaited,
            Some(
                Purpose::Offer(_)
                | Purpose::Refresh(_)
                | Purpose::Prack(..)
                | Purpose::Referral(_)
                | Purpose::Digit(_)
                | Purpose::Inquiry(_)
                | Purpose::Farewell,
            )
            | None => false,
        })
    }
}
