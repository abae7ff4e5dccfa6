//! Calls, their queue, and the history of callers.

pub(in crate::switchboard) mod again;
pub(in crate::switchboard) mod answer;

pub(in crate::switchboard) mod call_back;
pub(in crate::switchboard) mod called;
pub(in crate::switchboard) mod caller;
pub(in crate::switchboard) mod callers;
pub(in crate::switchboard) mod cancel;
pub(in crate::switchboard) mod classes;
pub(in crate::switchboard) mod conference;
pub(in crate::switchboard) mod connections;
pub(in crate::switchboard) mod console;
pub(in crate::switchboard) mod desks;
pub(in crate::switchboard) mod dialogs;
pub(in crate::switchboard) mod digits;
pub(in crate::switchboard) mod direct;
pub(in crate::switchboard) mod disconnected;
pub(in crate::switchboard) mod end;
pub(in crate::switchboard) mod facts;
pub(in crate::switchboard) mod fallback;
pub(in crate::switchboard) mod guests;
pub(in crate::switchboard) mod hold;
pub(in crate::switchboard) mod internal;
pub(in crate::switchboard) mod join;
pub(in crate::switchboard) mod late;
pub(in crate::switchboard) mod leg;
pub(in crate::switchboard) mod legs;
pub(in crate::switchboard) mod long_call;
pub(in crate::switchboard) mod memory;
pub(in crate::switchboard) mod numbers;
pub(in crate::switchboard) mod offer;
pub(in crate::switchboard) mod orders;
pub(in crate::switchboard) mod outgoing;
pub(in crate::switchboard) mod outside;
pub(in crate::switchboard) mod own_phone;
pub(in crate::switchboard) mod phones;
pub(in crate::switchboard) mod pick_up;
pub(in crate::switchboard) mod posture;
pub(in crate::switchboard) mod refer;
pub(in crate::switchboard) mod register;
pub(in crate::switchboard) mod ring_outcome;
pub(in crate::switchboard) mod service_calls;
pub(in crate::switchboard) mod session_events;
pub(in crate::switchboard) mod silent;
pub(in crate::switchboard) mod sound;
pub(in crate::switchboard) mod state;
pub(in crate::switchboard) mod stations;
pub(in crate::switchboard) mod supervise;
pub(in crate::switchboard) mod suspect;
pub(in crate::switchboard) mod transfer;
pub(in crate::switchboard) mod trunks;
pub(in crate::switchboard) mod unheard;
pub(in crate::switchboard) mod waiting;
pub(in crate::switchboard) mod ways;
pub(in crate::switchboard) mod without_port;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::acd::Acd;
use crate::counted::{Map, Set};
use crate::ids::{CallId, OperatorId};
use crate::switchboard::calls::state::abandoned::CallBackList;
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::calls::state::call_back::Calling;
use crate::switchboard::calls::state::callers::CallerHistory;
use crate::switchboard::calls::state::last_call::LastCall;
use crate::switchboard::calls::state::meanwhile::ChangesSinceStart;
use crate::switchboard::calls::state::past_invites::PastInvites;
use crate::switchboard::calls::state::placed::PlacedCalls;
use crate::switchboard::calls::state::service_call::{ServiceCall, ServiceCalls};
use crate::switchboard::calls::state::unheard::Unheard;
use crate::switchboard::output::PortShortage;
use crate::switchboard::settings::Settings;

/// States of the whole service, some of which outputs have reported.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ServiceState {
    /// A drain has begun: no new call is accepted.
    pub(in crate::switchboard) draining: bool,
    pub(in crate::switchboard) drained: bool,
    pub(in crate::switchboard) unstaffed: bool,
    pub(in crate::switchboard) none_ready: bool,
    pub(in crate::switchboard) ports: PortShortage,
}

/// The history of callers' numbers, and the last call of each operator.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Numbers {
    /// Numbers that have a live emergency call.
    pub(in crate::switchboard) calling: Calling,
    pub(in crate::switchboard) callers: CallerHistory,
    pub(in crate::switchboard) abandoned: CallBackList,
    /// Changes since the start, until the records of earlier runs have been merged.
    pub(in crate::switchboard) meanwhile: Option<ChangesSinceStart>,
    /// The last emergency call of each operator.
    pub(in crate::switchboard) worked: BTreeMap<OperatorId, LastCall>,
}

impl Numbers {
    fn new() -> Self {
        Self {
            calling: Calling::default(),
            callers: CallerHistory::default(),
            abandoned: CallBackList::default(),
            meanwhile: Some(ChangesSinceStart::default()),
            worked: BTreeMap::new(),
        }
    }
}

/// Calls, their queue, and the history of callers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Calls {
    #[serde(skip, default = "crate::switchboard::settings::placeholder")]
    pub(in crate::switchboard) settings: Arc<Settings>,
    pub(in crate::switchboard) acd: Acd,
    pub(in crate::switchboard) calls: Map<CallId, Call>,
    /// The number of live calls. Ended calls that wait for their legs do not count towards any limit.
    pub(in crate::switchboard) live: usize,
    /// Feature-code and test calls: siaga itself is the called party.
    pub(in crate::switchboard) services: Map<u64, ServiceCall>,
    pub(in crate::switchboard) service_calls: ServiceCalls,
    /// Calls that operators have placed.
    pub(in crate::switchboard) placed: PlacedCalls,
    /// Live emergency calls from the centre's own phones, by account.
    pub(in crate::switchboard) internal: BTreeMap<OperatorId, BTreeSet<CallId>>,
    /// Ring attempts to which no phone has responded.
    pub(in crate::switchboard) unheard: Unheard,
    pub(in crate::switchboard) numbers: Numbers,
    /// Calls whose callers wait without a port, oldest first.
    pub(in crate::switchboard) without_port: Set<CallId>,
    /// Calls whose waiting callers may need an announcement at the end of the step.
    pub(in crate::switchboard) touched: Vec<CallId>,
    /// Calls in which a leg has stopped ringing, so that the caller's port may be returned.
    pub(in crate::switchboard) port_unused: Vec<CallId>,
    pub(in crate::switchboard) past_invites: PastInvites,
    pub(in crate::switchboard) service: ServiceState,
}

impl Calls {
    pub(in crate::switchboard) fn new(settings: Arc<Settings>, acd: Acd) -> Self {
        Self {
            settings,
            acd,
            calls: Map::new(),
            live: 0,
            services: Map::new(),
            service_calls: ServiceCalls::default(),
            placed: PlacedCalls::default(),
            internal: BTreeMap::new(),
            unheard: BTreeMap::new(),
            numbers: Numbers::new(),
            without_port: Set::new(),
            touched: Vec::new(),
            port_unused: Vec::new(),
            past_invites: PastInvites::default(),
            service: ServiceState::default(),
        }
    }
}
