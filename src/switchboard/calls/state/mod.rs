//! The state of calls: data without the steps that change it.

pub(in crate::switchboard) mod abandoned;
pub(in crate::switchboard) mod call;
pub(in crate::switchboard) mod call_back;
pub(in crate::switchboard) mod callers;
pub(in crate::switchboard) mod last_call;
pub(in crate::switchboard) mod meanwhile;
pub(in crate::switchboard) mod participant;
pub(in crate::switchboard) mod past_invites;
pub(in crate::switchboard) mod placed;
pub(in crate::switchboard) mod service_call;
pub(in crate::switchboard) mod silent;
pub(in crate::switchboard) mod transfer;
pub(in crate::switchboard) mod unheard;
pub(in crate::switchboard) mod without_port;
