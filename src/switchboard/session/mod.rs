pub(in crate::switchboard) mod leg;
