//! Calls, their queue, and the history of callers.

pub(in crate::switchboard) mod answer;
pub(in crate::switchboard) mod request_retry;

pub(in crate::switchboard) mod call_back;
pub(in crate::switchboard) mod call_commands;
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
pub(in crate::switchboard) mod disconnected;
pub(in crate::switchboard) mod end;
pub(in crate::switchboard) mod facts;
pub(in crate::switchboard) mod fallback;
pub(in crate::switchboard) mod history;
pub(in crate::switchboard) mod hold;
pub(in crate::switchboard) mod internal;
pub(in crate::switchboard) mod join;
pub(in crate::switchboard) mod late_answers;
pub(in crate::switchboard) mod leg;
pub(in crate::switchboard) mod legs;
pub(in crate::switchboard) mod long_call;
pub(in crate::switchboard) mod media_events;
pub(in crate::switchboard) mod no_response;
pub(in crate::switchboard) mod numbers;
pub(in crate::switchboard) mod offer;
pub(in crate::switchboard) mod operating_mode;
pub(in crate::switchboard) mod outside;
pub(in crate::switchboard) mod own_phone;
pub(in crate::switchboard) mod participants;
pub(in crate::switchboard) mod peer_probe;
pub(in crate::switchboard) mod phones;
pub(in crate::switchboard) mod pick_up;
pub(in crate::switchboard) mod placed_calls;
pub(in crate::switchboard) mod refer;
pub(in crate::switchboard) mod register;
pub(in crate::switchboard) mod ring_outcome;
pub(in crate::switchboard) mod second_address;
pub(in crate::switchboard) mod service_calls;
pub(in crate::switchboard) mod session_events;
pub(in crate::switchboard) mod silent;
pub(in crate::switchboard) mod state;
pub(in crate::switchboard) mod stations;
pub(in crate::switchboard) mod supervise;
pub(in crate::switchboard) mod transfer;
pub(in crate::switchboard) mod trunks;
pub(in crate::switchboard) mod waiting;
pub(in crate::switchboard) mod without_port;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::acd::Acd;
use crate::acd::desk::DeskNo;
use crate::counted::{BoxedMap, Map, Set};
use crate::ids::{CallId, OperatorId};
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::calls::state::call_back::NumbersInCall;
use crate::switchboard::calls::state::call_back_list::CallBackList;
use crate::switchboard::calls::state::callers::CallerHistory;
use crate::switchboard::calls::state::changes_since_start::ChangesSinceStart;
use crate::switchboard::calls::state::last_call::LastCall;
use crate::switchboard::calls::state::no_response::OpenInvites;
use crate::switchboard::calls::state::past_invites::PastInvites;
use crate::switchboard::calls::state::placed::PlacedCalls;
use crate::switchboard::calls::state::service_call::{ServiceCall, ServiceCallIndex};
use crate::switchboard::feature_codes::FeatureCodes;
use crate::switchboard::output::PortShortage;
use crate::switchboard::settings::{
    CallSettings, CallerSettings, FallbackSettings, MediaSettings, ModeSettings, NumberPlan, OperatorSettings,
    SessionSettings, Settings, Site, Trunk,
};

/// The state of the whole service. Some fields are the values that outputs have reported last.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ServiceState {
    /// A drain has begun: no new call is accepted.
    pub(in crate::switchboard) draining: bool,
    pub(in crate::switchboard) drained: bool,
    pub(in crate::switchboard) unstaffed: bool,
    pub(in crate::switchboard) none_ready: bool,
    pub(in crate::switchboard) ports: PortShortage,
}

/// The settings of this part.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct CallsConfig {
    pub(in crate::switchboard) site: Site,
    pub(in crate::switchboard) trunks: Vec<Trunk>,
    pub(in crate::switchboard) media: MediaSettings,
    pub(in crate::switchboard) session: SessionSettings,
    pub(in crate::switchboard) numbers: NumberPlan,
    pub(in crate::switchboard) calls: CallSettings,
    pub(in crate::switchboard) fallback: FallbackSettings,
    pub(in crate::switchboard) callers: CallerSettings,
    pub(in crate::switchboard) operators: OperatorSettings,
    pub(in crate::switchboard) mode: ModeSettings,
    pub(in crate::switchboard) feature_codes: FeatureCodes,
    pub(in crate::switchboard) desk_names: Vec<String>,
    pub(in crate::switchboard) fallback_retry: Duration,
}

impl CallsConfig {
    fn of(settings: &Settings) -> Self {
        Self {
            site: settings.site.clone(),
            trunks: settings.trunks.clone(),
            media: settings.media.clone(),
            numbers: settings.numbers.clone(),
            calls: settings.calls.clone(),
            fallback: settings.fallback.clone(),
            callers: settings.callers.clone(),
            operators: settings.operators.clone(),
            mode: settings.mode.clone(),
            feature_codes: settings.feature_codes.clone(),
            session: settings.session,
            desk_names: settings.acd.desks.iter().map(|desk| desk.name.clone()).collect(),
            fallback_retry: settings.acd.fallback_retry,
        }
    }
}

/// The history of callers' numbers, and the last call of each operator.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct CallerRecords {
    /// Numbers that have a live emergency call.
    pub(in crate::switchboard) numbers_in_call: NumbersInCall,
    pub(in crate::switchboard) callers: CallerHistory,
    pub(in crate::switchboard) call_backs: CallBackList,
    /// Changes since the start, until the records of earlier runs have been merged.
    pub(in crate::switchboard) changes_since_start: Option<ChangesSinceStart>,
    /// The last emergency call of each operator.
    pub(in crate::switchboard) last_calls: BTreeMap<OperatorId, LastCall>,
}

impl CallerRecords {
    fn new() -> Self {
        Self {
            numbers_in_call: NumbersInCall::default(),
            callers: CallerHistory::default(),
            call_backs: CallBackList::default(),
            changes_since_start: Some(ChangesSinceStart::default()),
            last_calls: BTreeMap::new(),
        }
    }
}

/// Calls, their queue, and the history of callers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Calls {
    #[serde(skip)]
    pub(in crate::switchboard) settings: CallsConfig,
    pub(in crate::switchboard) acd: Acd,
    pub(in crate::switchboard) calls: BoxedMap<CallId, Call>,
    /// The number of live calls. Ended calls that wait for their legs do not count towards any limit.
    pub(in crate::switchboard) live_calls: usize,
    /// Feature-code and test calls: siaga itself is the called party.
    pub(in crate::switchboard) service_calls: Map<u64, ServiceCall>,
    pub(in crate::switchboard) service_call_index: ServiceCallIndex,
    /// Calls that operators have placed.
    pub(in crate::switchboard) placed: PlacedCalls,
    /// Live emergency calls from the centre's own phones, by account.
    pub(in crate::switchboard) internal: BTreeMap<OperatorId, BTreeSet<CallId>>,
    /// Ring attempts to which no phone has responded.
    pub(in crate::switchboard) open_invites: OpenInvites,
    pub(in crate::switchboard) numbers: CallerRecords,
    /// Calls whose callers wait without a port, oldest first.
    pub(in crate::switchboard) without_port: Set<CallId>,
    /// Calls whose waiting callers may need an announcement at the end of the step.
    pub(in crate::switchboard) announcements_due: Vec<CallId>,
    /// Calls in which a leg has stopped ringing, so that the caller's port may be returned.
    pub(in crate::switchboard) ports_to_take_back: Vec<CallId>,
    pub(in crate::switchboard) past_invites: PastInvites,
    pub(in crate::switchboard) service_state: ServiceState,
}

impl Calls {
    /// Applies new settings. Calls stay at the desk with the name of theirs, and otherwise go to the first desk, as in the ACD.
    pub(in crate::switchboard) fn reconfigure(&mut self, settings: &Settings) {
        let former = std::mem::replace(&mut self.settings, CallsConfig::of(settings)).desk_names;
        let named = |name: &String| self.settings.desk_names.iter().position(|other| other == name);
        let present = |desk: DeskNo| named(former.get(usize::from(desk.0))?).and_then(|at| u8::try_from(at).ok());
        for call in self.calls.values_mut() {
            call.waiting.renumber_desk(|desk| DeskNo(present(desk).unwrap_or_default()));
        }
    }

    /// Adds the settings to a state that was read.
    pub(in crate::switchboard) fn use_settings(&mut self, settings: &Settings) {
        self.settings = CallsConfig::of(settings);
    }

    pub(in crate::switchboard) fn new(settings: &Settings, acd: Acd) -> Self {
        Self {
            settings: CallsConfig::of(settings),
            acd,
            calls: BoxedMap::new(),
            live_calls: 0,
            service_calls: Map::new(),
            service_call_index: ServiceCallIndex::default(),
            placed: PlacedCalls::default(),
            internal: BTreeMap::new(),
            open_invites: BTreeMap::new(),
            numbers: CallerRecords::new(),
            without_port: Set::new(),
            announcements_due: Vec::new(),
            ports_to_take_back: Vec::new(),
            past_invites: PastInvites::default(),
            service_state: ServiceState::default(),
        }
    }
}
