//! The only module with clocks, sockets and threads: passes inputs to the state machines and carries out their outputs.

mod accounts;
pub mod accounts_copy;
mod by_source;
mod certificates;
mod clerk;
pub mod clock;
pub mod connections;
mod console_api;
mod console_asker;
mod console_callers;
mod console_calls;
mod console_connections;
mod console_errors;
mod console_health;
mod console_look_ups;
mod console_places;
mod console_posture;
mod console_roster;
mod console_stream;
mod crash_copy;
mod datagrams;
mod desk;
pub mod dns;
mod events;
mod finish;
mod hands;
mod icmp;
mod listeners;
mod local_keeper;
mod local_state;
pub mod media;
mod metrics;
mod named;
mod observe;
pub mod open_files;
mod pktinfo;
mod readable;
mod records;
mod rejections;
mod roster;
mod serve;
pub mod sharing;
pub mod signalling;
mod signals;
mod sockets;
pub mod stream;
mod tls;
mod tls_thread;
pub mod token;
pub mod trace;
pub mod users;

/// Time between two attempts to start a part that has failed.
const RETRY_EVERY: std::time::Duration = std::time::Duration::from_secs(10);

pub use serve::serve;
