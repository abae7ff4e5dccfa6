//! What kind of call a call is: emergency calls from a trunk or from a phone of the centre, and placed calls.

use crate::ids::OperatorId;
use crate::switchboard::calls::state::call_back::CallBack;

/// The phone of the centre from which an emergency call comes.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Internal {
    pub(in crate::switchboard) account: OperatorId,
    /// The operator at that phone. None: no operator is logged in at the station.
    pub(in crate::switchboard) operator: Option<OperatorId>,
}

/// The data that only a placed call has.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct PlacedCall {
    /// The operator who placed the call.
    by: OperatorId,
    /// When the two calls become one, the called party joins the operator's emergency call.
    confers: bool,
    /// The call-back for which the call was placed.
    back: Option<CallBack>,
}

/// The kind of a call.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum CallKind {
    /// An emergency call from a trunk.
    #[default]
    Emergency,
    /// An emergency call from a phone of the centre.
    Internal(Box<Internal>),
    Placed(Box<PlacedCall>),
}

impl CallKind {
    pub(in crate::switchboard) fn placed(by: OperatorId, confers: bool, back: Option<CallBack>) -> Self {
        Self::Placed(Box::new(PlacedCall { by, confers, back }))
    }

    pub(in crate::switchboard) fn internal(account: OperatorId, operator: Option<OperatorId>) -> Self {
        Self::Internal(Box::new(Internal { account, operator }))
    }

    pub(in crate::switchboard) fn is_placed(&self) -> bool {
        self.as_placed().is_some()
    }

    /// The operator who placed the call. None: an emergency call.
    pub(in crate::switchboard) fn placed_by(&self) -> Option<&OperatorId> {
        self.as_placed().map(|placed| &placed.by)
    }

    /// True if the called party joins the operator's emergency call when the two calls become one.
    pub(in crate::switchboard) fn joins_the_call(&self) -> bool {
        self.as_placed().is_some_and(|placed| placed.confers)
    }

    /// The call-back for which the call was placed.
    pub(in crate::switchboard) fn call_back(&self) -> Option<&CallBack> {
        self.as_placed()?.back.as_ref()
    }

    pub(in crate::switchboard) fn call_back_mut(&mut self) -> Option<&mut CallBack> {
        match self {
            Self::Placed(placed) => placed.back.as_mut(),
            Self::Emergency | Self::Internal(_) => None,
        }
    }

    /// The phone of the centre from which the emergency call comes.
    pub(in crate::switchboard) fn as_internal(&self) -> Option<&Internal> {
        match self {
            Self::Internal(internal) => Some(internal),
            Self::Emergency | Self::Placed(_) => None,
        }
    }

    fn as_placed(&self) -> Option<&PlacedCall> {
        match self {
            Self::Placed(placed) => Some(placed),
            Self::Emergency | Self::Internal(_) => None,
        }
    }
}
