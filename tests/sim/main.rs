//! The switchboard in a world of its own: no sockets, no clock but the test's. Every invariant holds after every step.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod agenda;
mod caller;
mod city;
mod connections;
mod crowd;
mod endpoint;
mod floods;
mod forged;
mod guard;
mod judge;
mod meddle;
mod media;
mod notified;
mod outcomes;
mod phone;
mod races;
mod random;
mod restarts;
mod snapshots;
mod steps;
mod stories;
mod strangers;
mod streams;
mod telco;
mod terms;
mod text;
mod trunks;
mod watch;
mod world;
