//! The parts of the switchboard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::acd::Acd;
use crate::clock::{Instant, Now};
use crate::counted::{Map, Set};
use crate::ids::{CallId, OperatorId};
use crate::media::command::AnchorId;
use crate::sip::dialog::DialogKey;
use crate::sip::digest::Authenticator;
use crate::sip::flow::ConnectionId;
use crate::sip::guard::Guard;
use crate::sip::registrar::Registrar;
use crate::sip::stateless::StatelessTags;
use crate::sip::transaction::{ClientId, Event, ServerId, Transactions};

use super::call::Call;
use super::input::Account;
use super::leg::Who;
use super::phone::PhoneCall;
use super::ports::Ports;
use super::settings::Settings;
use super::stations::Stations;
use super::without_port::PortShortage;
use super::{
    abandoned, again, call_back, callers, classes, clients, direct, disconnected, keep_alive, late, lookups, memory,
    phone, pick_up, posture, presence, route, seats, subscription, targets, texts, trunk, unheard,
};

/// The From tag, Call-ID and `CSeq` that tell a forked copy of an INVITE (RFC 3261 §8.2.2.2).
pub(super) type MergeKey = (Bytes, Bytes, u32);

/// The parts by which calls reach the world, lowest first. None of them knows a call.
#[derive(Debug)]
pub(super) struct NetworkParts {
    pub(super) facts: Facts,
    pub(super) wire: Wire,
    pub(super) phones: Phones,
    pub(super) trunks: Trunks,
    pub(super) admission: Admission,
    pub(super) media: MediaPorts,
}

/// The numbering of facts in this run.
#[derive(Debug)]
pub(super) struct Facts {
    /// The stream of facts that belong to no call.
    pub(super) run: CallId,
    /// When the run began, on both clocks.
    pub(super) began: Now,
    pub(super) seq: u32,
}

impl Facts {
    pub(super) fn new(began: Now, run: CallId) -> Self {
        Self { run, began, seq: 0 }
    }
}

/// SIP transactions, and what of them belongs to which leg.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) settings: Arc<Settings>,
    pub(super) transactions: Transactions,
    pub(super) clients: clients::Clients,
    pub(super) dialogs: Map<DialogKey, Who>,
    /// Dialogs that are over, for those who would replace them.
    pub(super) past: pick_up::Past,
    pub(super) past_invites: late::PastInvites,
    /// INVITEs that have no final response yet.
    pub(super) invites: Map<ServerId, Who>,
    pub(super) merged: Map<MergeKey, CallId>,
    /// Callers' legs by the connection that they go over.
    pub(super) streams: Map<ConnectionId, BTreeSet<CallId>>,
    pub(super) ways_back: disconnected::WaysBack,
    pub(super) closed: route::Closed,
    /// Requests whose final response may ask for another try.
    pub(super) retries: Map<ClientId, again::Asked>,
    pub(super) lookups: lookups::Lookups,
    pub(super) events: Vec<Event>,
}

impl Wire {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            transactions: Transactions::default(),
            clients: clients::Clients::default(),
            dialogs: Map::new(),
            past: pick_up::Past::default(),
            past_invites: late::PastInvites::default(),
            invites: Map::new(),
            merged: Map::new(),
            streams: Map::new(),
            ways_back: BTreeMap::new(),
            closed: route::Closed::default(),
            retries: Map::new(),
            lookups: lookups::Lookups::default(),
            events: Vec::new(),
        }
    }
}

/// Accounts, registered phones and stations.
#[derive(Debug)]
pub(super) struct Phones {
    pub(super) settings: Arc<Settings>,
    pub(super) accounts: BTreeMap<OperatorId, Account>,
    /// False until the accounts were read for the first time in this run.
    pub(super) accounts_known: bool,
    pub(super) registrar: Registrar,
    pub(super) stations: Stations,
    pub(super) pings: keep_alive::Pings,
    pub(super) recovered: presence::Recovered,
    pub(super) started: Instant,
}

impl Phones {
    pub(super) fn new(started: Instant, settings: Arc<Settings>) -> Self {
        let registrar = Registrar::new(settings.expires_min, settings.expires_default, settings.expires_max);
        Self {
            settings,
            accounts: BTreeMap::new(),
            accounts_known: false,
            registrar,
            stations: Stations::default(),
            pings: keep_alive::Pings::default(),
            recovered: presence::Recovered::default(),
            started,
        }
    }
}

/// Trunks: the state of each, its servers, its channels, and who has proven to be its peer.
#[derive(Debug)]
pub(super) struct Trunks {
    pub(super) settings: Arc<Settings>,
    /// Beside `settings.trunks`, in the same order.
    pub(super) states: Vec<trunk::TrunkState>,
    /// By the trunk's name.
    pub(super) targets: BTreeMap<String, targets::Targets>,
    pub(super) channels: seats::Seats,
    /// The names of trunks that the peers of connections have proven.
    pub(super) proven: BTreeMap<ConnectionId, Vec<String>>,
}

impl Trunks {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            states: Vec::new(),
            targets: BTreeMap::new(),
            channels: seats::Seats::default(),
            proven: BTreeMap::new(),
        }
    }
}

/// Which messages are let in.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) settings: Arc<Settings>,
    pub(super) guard: Guard,
    pub(super) authenticator: Authenticator,
    pub(super) stateless_tags: StatelessTags,
}

impl Admission {
    pub(super) fn new(settings: Arc<Settings>, authenticator: Authenticator, stateless_tags: StatelessTags) -> Self {
        let guard = Guard::new(settings.guard.terms.clone());
        Self { settings, guard, authenticator, stateless_tags }
    }
}

/// RTP ports, and the anchors that they are lent to.
#[derive(Debug)]
pub(super) struct MediaPorts {
    pub(super) settings: Arc<Settings>,
    pub(super) ports: Ports,
    pub(super) anchors: Map<AnchorId, Who>,
    /// Anchors that are closed but have not told what they saw; at most one for each port.
    pub(super) closing: Map<u32, (AnchorId, Who)>,
}

impl MediaPorts {
    pub(super) fn new(settings: Arc<Settings>, rtp_ports: Vec<SocketAddr>) -> Self {
        Self { settings, ports: Ports::new(rtp_ports), anchors: Map::new(), closing: Map::new() }
    }
}

/// States of the whole service that outputs have reported.
#[derive(Debug, Default)]
pub(super) struct Reported {
    pub(super) drained: bool,
    pub(super) unstaffed: bool,
    pub(super) none_ready: bool,
    pub(super) ports: PortShortage,
}

/// Calls, their queue, and what is known of callers.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) settings: Arc<Settings>,
    pub(super) acd: Acd,
    pub(super) calls: Map<CallId, Call>,
    /// How many of them are not over. Those that are over wait for their legs, and do not count towards any limit of live calls.
    pub(super) live: usize,
    /// Feature codes and test calls: sessions that end with the service itself.
    pub(super) services: Map<u64, PhoneCall>,
    pub(super) service_calls: phone::ServiceCalls,
    /// Calls that operators have placed.
    pub(super) placed: direct::PlacedCalls,
    /// The numbers whose emergency calls live.
    pub(super) calling: call_back::Calling,
    /// Live emergency calls from the centre's own phones, by account.
    pub(super) internal: BTreeMap<OperatorId, BTreeSet<CallId>>,
    /// Ring attempts to which no phone has responded.
    pub(super) unheard: unheard::Unheard,
    pub(super) callers: callers::Callers,
    pub(super) abandoned: abandoned::Abandoned,
    /// What happens before it is known what earlier runs knew.
    pub(super) meanwhile: Option<memory::Meanwhile>,
    /// The last emergency call of each operator.
    pub(super) worked: BTreeMap<OperatorId, classes::Worked>,
    /// Calls whose callers wait without a port, those who came first first.
    pub(super) without_port: Set<CallId>,
    /// Calls whose waiting callers may need an announcement at the end of the step.
    pub(super) touched: Vec<CallId>,
    /// Calls in which a leg has stopped ringing: the port that its caller has for it may be taken back.
    pub(super) port_unused: Vec<CallId>,
    pub(super) draining: bool,
    pub(super) reported: Reported,
}

impl Calls {
    pub(super) fn new(settings: Arc<Settings>, acd: Acd) -> Self {
        Self {
            settings,
            acd,
            calls: Map::new(),
            live: 0,
            services: Map::new(),
            service_calls: phone::ServiceCalls::default(),
            placed: direct::PlacedCalls::default(),
            calling: call_back::Calling::default(),
            internal: BTreeMap::new(),
            unheard: unheard::Unheard::new(),
            callers: callers::Callers::default(),
            abandoned: abandoned::Abandoned::default(),
            meanwhile: Some(memory::Meanwhile::default()),
            worked: BTreeMap::new(),
            without_port: Set::new(),
            touched: Vec::new(),
            port_unused: Vec::new(),
            draining: false,
            reported: Reported::default(),
        }
    }
}

/// Who watches which operator (RFC 6665).
#[derive(Debug)]
pub(super) struct Subscriptions {
    pub(super) settings: Arc<Settings>,
    pub(super) table: subscription::Subscriptions,
}

impl Subscriptions {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, table: subscription::Subscriptions::default() }
    }
}

/// Texts between phones, callers and the centre (RFC 3428).
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) settings: Arc<Settings>,
    pub(super) texts: texts::Texts,
}

impl Messages {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, texts: texts::Texts::default() }
    }
}

/// The operating mode.
#[derive(Debug)]
pub(super) struct Mode {
    pub(super) settings: Arc<Settings>,
    pub(super) stance: posture::Stance,
    /// Both clocks at the last step, to detect a step of the wall clock.
    pub(super) last_step: Now,
}

impl Mode {
    pub(super) fn new(settings: Arc<Settings>, now: Now) -> Self {
        Self { settings, stance: posture::Stance::default(), last_step: now }
    }
}
