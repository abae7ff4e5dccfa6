//! The state of a session: data without the steps that change it.

pub(in crate::switchboard) mod closing;
pub(in crate::switchboard) mod digits;
pub(in crate::switchboard) mod early;
pub(in crate::switchboard) mod held_bye;
pub(in crate::switchboard) mod incoming;
pub(in crate::switchboard) mod presence;
pub(in crate::switchboard) mod refers;
pub(in crate::switchboard) mod reliable;
pub(in crate::switchboard) mod repeats;
pub(in crate::switchboard) mod requests;
pub(in crate::switchboard) mod route;
pub(in crate::switchboard) mod timer;
pub(in crate::switchboard) mod unacked;
