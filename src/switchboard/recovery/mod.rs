pub(in crate::switchboard) mod presence;
