pub(in crate::switchboard) mod phone;
