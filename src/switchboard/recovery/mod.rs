pub(in crate::switchboard) mod account_states;
