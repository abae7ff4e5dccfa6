//! SIP as data (RFC 3261 and friends): reads, builds and times messages. Pure: no sockets, no clocks, no queue.

pub mod caller_number;
pub mod certificate;
pub mod dialog;
pub mod digest;
pub mod event;
pub mod flow;
pub mod framing;
pub mod guard;
pub mod header;
pub mod locate;
pub mod location;
pub mod message;
pub mod number;
pub mod offer_answer;
pub mod option_tag;
pub mod overload;
pub mod refer;
pub mod registrar;
pub mod reliable;
pub mod replaces;
pub mod sdes;
pub mod sdp;
pub mod session_timer;
pub mod transaction;
pub mod uri;
pub mod wire;
