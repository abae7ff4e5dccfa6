//! The state of calls: data without the steps that change it.

pub(in crate::switchboard) mod audio;
pub(in crate::switchboard) mod call;
pub(in crate::switchboard) mod call_back;
pub(in crate::switchboard) mod call_back_list;
pub(in crate::switchboard) mod callers;
pub(in crate::switchboard) mod changes_since_start;
pub(in crate::switchboard) mod counts;
pub(in crate::switchboard) mod dialling;
pub(in crate::switchboard) mod history;
pub(in crate::switchboard) mod kind;
pub(in crate::switchboard) mod last_call;
pub(in crate::switchboard) mod no_response;
pub(in crate::switchboard) mod participant;
pub(in crate::switchboard) mod past_invites;
pub(in crate::switchboard) mod placed;
pub(in crate::switchboard) mod service_call;
pub(in crate::switchboard) mod silent;
pub(in crate::switchboard) mod times;
pub(in crate::switchboard) mod transfer;
pub(in crate::switchboard) mod waiting;
pub(in crate::switchboard) mod without_port;
