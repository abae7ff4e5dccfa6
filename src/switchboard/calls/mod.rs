//! Calls, their queue, and the history of callers.

pub(in crate::switchboard) mod abandoned;
pub(in crate::switchboard) mod again;
pub(in crate::switchboard) mod aim;
pub(in crate::switchboard) mod answer;
pub(in crate::switchboard) mod call;
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
pub(in crate::switchboard) mod doubt;
pub(in crate::switchboard) mod end;
pub(in crate::switchboard) mod facts;
pub(in crate::switchboard) mod fallback;
pub(in crate::switchboard) mod formats;
pub(in crate::switchboard) mod guests;
pub(in crate::switchboard) mod info;
pub(in crate::switchboard) mod inquiry;
pub(in crate::switchboard) mod internal;
pub(in crate::switchboard) mod join;
pub(in crate::switchboard) mod late;
pub(in crate::switchboard) mod leg;
pub(in crate::switchboard) mod legs;
pub(in crate::switchboard) mod lookups;
pub(in crate::switchboard) mod memory;
pub(in crate::switchboard) mod numbers;
pub(in crate::switchboard) mod offer;
pub(in crate::switchboard) mod orders;
pub(in crate::switchboard) mod outgoing;
pub(in crate::switchboard) mod outside;
pub(in crate::switchboard) mod overtaken;
pub(in crate::switchboard) mod own_phone;
pub(in crate::switchboard) mod phones;
pub(in crate::switchboard) mod pick_up;
pub(in crate::switchboard) mod posture;
pub(in crate::switchboard) mod refer;
pub(in crate::switchboard) mod referral;
pub(in crate::switchboard) mod refresh;
pub(in crate::switchboard) mod register;
pub(in crate::switchboard) mod reinvite;
pub(in crate::switchboard) mod reliable;
pub(in crate::switchboard) mod ring_outcome;
pub(in crate::switchboard) mod service_calls;
pub(in crate::switchboard) mod silent;
pub(in crate::switchboard) mod sound;
pub(in crate::switchboard) mod stations;
pub(in crate::switchboard) mod supervise;
pub(in crate::switchboard) mod suspect;
pub(in crate::switchboard) mod transfer;
pub(in crate::switchboard) mod trunks;
pub(in crate::switchboard) mod unheard;
pub(in crate::switchboard) mod ways;
pub(in crate::switchboard) mod without_port;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::acd::Acd;
use crate::counted::{Map, Set};
use crate::ids::{CallId, OperatorId};
use crate::switchboard::calls::call::Call;
use crate::switchboard::calls::service_calls::PhoneCall;
use crate::switchboard::calls::without_port::PortShortage;
use crate::switchboard::settings::Settings;

/// States of the whole service, some of which outputs have reported.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct ServiceState {
    /// A drain has begun: no new call is accepted.
    pub(in crate::switchboard) draining: bool,
    pub(in crate::switchboard) drained: bool,
    pub(in crate::switchboard) unstaffed: bool,
    pub(in crate::switchboard) none_ready: bool,
    pub(in crate::switchboard) ports: PortShortage,
}

/// The history of callers' numbers, and the last call of each operator.
#[derive(Debug)]
pub(in crate::switchboard) struct Numbers {
    /// Numbers that have a live emergency call.
    pub(in crate::switchboard) calling: call_back::Calling,
    pub(in crate::switchboard) callers: callers::Callers,
    pub(in crate::switchboard) abandoned: abandoned::Abandoned,
    /// Changes since the start, until the records of earlier runs have been merged.
    pub(in crate::switchboard) meanwhile: Option<memory::Meanwhile>,
    /// The last emergency call of each operator.
    pub(in crate::switchboard) worked: BTreeMap<OperatorId, classes::Worked>,
}

impl Numbers {
    fn new() -> Self {
        Self {
            calling: call_back::Calling::default(),
            callers: callers::Callers::default(),
            abandoned: abandoned::Abandoned::default(),
            meanwhile: Some(memory::Meanwhile::default()),
            worked: BTreeMap::new(),
        }
    }
}

/// Calls, their queue, and the history of callers.
#[derive(Debug)]
pub(in crate::switchboard) struct Calls {
    pub(in crate::switchboard) settings: Arc<Settings>,
    pub(in crate::switchboard) acd: Acd,
    pub(in crate::switchboard) calls: Map<CallId, Call>,
    /// The number of live calls. Ended calls that wait for their legs do not count towards any limit.
    pub(in crate::switchboard) live: usize,
    /// Feature-code and test calls: siaga itself is the called party.
    pub(in crate::switchboard) services: Map<u64, PhoneCall>,
    pub(in crate::switchboard) service_calls: service_calls::ServiceCalls,
    /// Calls that operators have placed.
    pub(in crate::switchboard) placed: direct::PlacedCalls,
    /// Live emergency calls from the centre's own phones, by account.
    pub(in crate::switchboard) internal: BTreeMap<OperatorId, BTreeSet<CallId>>,
    /// Ring attempts to which no phone has responded.
    pub(in crate::switchboard) unheard: unheard::Unheard,
    pub(in crate::switchboard) numbers: Numbers,
    /// Calls whose callers wait without a port, oldest first.
    pub(in crate::switchboard) without_port: Set<CallId>,
    /// Calls whose waiting callers may need an announcement at the end of the step.
    pub(in crate::switchboard) touched: Vec<CallId>,
    /// Calls in which a leg has stopped ringing, so that the caller's port may be returned.
    pub(in crate::switchboard) port_unused: Vec<CallId>,
    pub(in crate::switchboard) past_invites: late::PastInvites,
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
            service_calls: service_calls::ServiceCalls::default(),
            placed: direct::PlacedCalls::default(),
            internal: BTreeMap::new(),
            unheard: unheard::Unheard::new(),
            numbers: Numbers::new(),
            without_port: Set::new(),
            touched: Vec::new(),
            port_unused: Vec::new(),
            past_invites: late::PastInvites::default(),
            service: ServiceState::default(),
        }
    }
}
