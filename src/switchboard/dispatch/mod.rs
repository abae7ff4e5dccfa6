pub(in crate::switchboard) mod console;
pub(in crate::switchboard) mod in_dialog;
pub(in crate::switchboard) mod outgoing;
pub(in crate::switchboard) mod parts;
pub(in crate::switchboard) mod phones;
pub(in crate::switchboard) mod requests;
pub(in crate::switchboard) mod service;
pub(in crate::switchboard) mod timers;
