//! The service as it is installed, with real peers: SIPp as the trunk, baresip and pjsua2 as operators' phones. Each test has
//! loopback addresses of its own, so that ports are never in another's way. Waits are on conditions, with a deadline.
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
mod door;
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
mod offers;
mod own_phone;
mod pjsua;
mod posture;
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
mod voice;
