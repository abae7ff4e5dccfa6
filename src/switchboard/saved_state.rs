//! The state that one run stores for the next: registrations, log-ins, breaks.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::cdr::fact::Fact;
use crate::clock::{Now, Timestamp};
use crate::ids::OperatorId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::{Binding, Reach};

/// The state of one account that survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    pub account: OperatorId,
    /// The time of this state.
    pub at: Timestamp,
    pub bindings: Vec<SavedBinding>,
    pub logged_in: bool,
    /// The reason of the break.
    pub paused: Option<String>,
    /// The operator who is logged in at this station.
    #[serde(rename = "seated")]
    pub station_operator: Option<OperatorId>,
}

impl AccountState {
    /// True if it equals the state of an account that was never used.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty() && !self.logged_in && self.paused.is_none() && self.station_operator.is_none()
    }
}

/// One binding of the registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedBinding {
    pub uri: String,
    pub instance: Option<String>,
    pub reg_id: Option<u32>,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub q: u16,
    /// The remaining validity in milliseconds, counted from the time of the state.
    pub lasts_ms: u64,
    pub call_id: String,
    pub cseq: u32,
    pub user_agent: Option<String>,
    /// The phone counts as unreachable. States of earlier versions do not have it.
    #[serde(default)]
    pub unreachable: bool,
}

impl SavedBinding {
    /// Returns None if the binding has bytes that are not valid in a Contact.
    pub(in crate::switchboard) fn of(now: Now, binding: &Binding) -> Option<Self> {
        let text = |bytes: &Bytes| std::str::from_utf8(bytes).map(str::to_owned).ok();
        let left = binding.expires_at.since(now.mono);
        Some(Self {
            uri: text(&binding.uri)?,
            instance: binding.instance.as_ref().and_then(text),
            reg_id: binding.reg_id,
            transport: binding.flow.transport,
            local: binding.flow.local,
            remote: binding.flow.remote,
            q: binding.q,
            lasts_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            call_id: text(&binding.call_id)?,
            cseq: binding.cseq,
            user_agent: binding.user_agent.as_ref().and_then(text),
            unreachable: binding.reach.unreachable,
        })
    }

    pub(in crate::switchboard) fn binding(&self, now: Now, left: Duration) -> Binding {
        Binding {
            uri: Bytes::from(self.uri.clone()),
            instance: self.instance.clone().map(Bytes::from),
            reg_id: self.reg_id,
            flow: Flow::any(self.transport, self.local, self.remote),
            q: self.q,
            expires_at: now.mono + left,
            registered_at: now.mono,
            call_id: Bytes::from(self.call_id.clone()),
            cseq: self.cseq,
            user_agent: self.user_agent.clone().map(Bytes::from),
            reach: Reach::default(),
        }
    }
}

/// The state of an earlier run, for `Input::Restore`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restored {
    pub account_states: Vec<AccountState>,
    /// The last `CallerMarked` of each number and the last `ModeSet`, oldest first.
    pub terms: Vec<Fact>,
}
