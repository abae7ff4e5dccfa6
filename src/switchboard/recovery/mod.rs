pub(in crate::switchboard) mod memory;
pub(in crate::switchboard) mod presence;
