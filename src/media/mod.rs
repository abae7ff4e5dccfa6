//! Media: commands and events of the media threads, and the state machines that they run. Does not depend on SIP.

pub mod anchor;
pub mod command;
pub mod datagram;
pub mod dtmf;
pub mod g711;
pub mod keys;
pub mod latch;
pub mod mixer;
pub mod prompt;
pub mod quality;
pub mod recording;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod section;
mod silence;
pub mod source;
pub mod srtp;
pub mod stream;
pub mod voice;
pub mod wav;
