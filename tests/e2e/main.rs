//! The service as it is installed, with real peers: SIPp as the trunk, baresip and pjsua2 as operators' phones. Waits are on conditions,
//! with a deadline.
//!
//! Tests run side by side. Each has a folder and loopback addresses of its own, `127.7.N.0/24`, and `nets` checks that no two have the
//! same. Three kinds of peers do not bind where they are told to, and need care: Linphone listens on every address, so one test has it;
//! SIPVicious scans from 127.0.0.1:5062, so one test has it; IPv6 loopback has one address, so tests with `udp6` or `tcp6` have ports of
//! their own there, and those of `six` a network of their own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits on the real clock"
)]

mod agency;
mod baresip;
mod callback;
mod certificates;
mod conference;
mod console;
mod console_connections;
mod crowded;
mod digits;
mod early;
mod endings;
mod events;
mod failover;
mod faulty_start;
mod floor;
mod forks;
mod glare;
mod http;
mod kamailio;
mod kill;
mod linphone;
mod loops;
mod memory;
mod names;
mod nets;
mod offers;
mod operating_mode;
mod own_phone;
mod page_tls;
mod pjsua;
mod privacy;
mod process;
mod raw;
mod recordings;
mod redirection;
mod replay;
mod routes;
mod sbc;
mod scanners;
mod scenario;
mod secret_sound;
mod service;
mod sessions;
mod silent;
mod six;
mod slow;
mod sos;
mod stations;
mod streams;
mod telco;
mod terms;
mod three_callers;
mod tls_trunk;
mod tone;
mod torture;
mod transfer;
mod trunk;
mod trunks;
mod unknown_sources;
mod voice;
