//! Messages between the switchboard and the media threads: commands to media, events from media. Neither side waits.

use std::net::SocketAddr;
use std::time::Duration;

use crate::ids::{CallId, LegNo};

use super::source::Sources;
use super::srtp::Keys;

/// The G.711 codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// A-law.
    Pcma,
    /// mu-law.
    Pcmu,
}

/// One RTP port pair in use by one leg. `slot` indexes the bound ports. `generation` distinguishes their successive users, so that a late
/// event of the last user is not attributed to the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct AnchorId {
    pub slot: u32,
    pub generation: u32,
}

/// Where and how an anchor sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The address in the peer's SDP. The latch sends to the source of the peer's packets. If it is the unspecified address, nothing is
    /// sent before a packet arrives.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// The sources from which its packets are accepted, besides `rtp` and its host.
    pub sources: Sources,
    pub codec: Codec,
    /// RTP payload type of `codec`, for both directions.
    pub payload_type: u8,
    /// RTP payload type of telephone-event (RFC 4733) that siaga sends, if negotiated.
    pub dtmf: Option<u8>,
    /// The payload type of telephone-event that the peer sends, which may differ (RFC 3264 §6.1). Some peers use the one that siaga sends,
    /// so both are accepted.
    pub dtmf_heard: Option<u8>,
    /// False while the peer has asked for no media (hold).
    pub send: bool,
    /// Keys of SRTP; None: plain RTP.
    pub srtp: Option<Keys>,
}

/// The prompts, one WAV file each (8 kHz, mono, 16 bit) in `config/prompts/<language>/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// `queue.wav`: all operators are busy, please stay on the line.
    Queue,
    /// `hold-tone.wav`: the waiting tone, looped.
    HoldTone,
    /// `confirm.wav`: a feature code was carried out.
    Confirm,
    /// `refused.wav`: a feature code was not carried out.
    Refused,
    /// `pin.wav`: asks for the PIN at a log-in at a station. Without the file: the waiting tone.
    Pin,
    /// `silent.wav`: asks a caller who cannot speak to press a digit (`[[silent_choice]]`).
    Silent,
    /// `music.wav`: music for waiting callers, looped. Without the file: the waiting tone.
    Music,
    /// The caller's position in the queue, then the estimated waiting time: two files, one after the other.
    Place(Place),
}

/// The position and waiting time that a caller hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// From 1. All positions above nine have one file.
    pub number: u8,
    /// Full minutes; 0: less than one. All times above nine have one file. None: the time is not announced.
    pub minutes: Option<u8>,
}

impl Place {
    /// `place-1.wav` to `place-9.wav`, and `place-more.wav` for all above.
    pub const NUMBERS: [&str; 10] = [
        "place-1.wav",
        "place-2.wav",
        "place-3.wav",
        "place-4.wav",
        "place-5.wav",
        "place-6.wav",
        "place-7.wav",
        "place-8.wav",
        "place-9.wav",
        "place-more.wav",
    ];
    /// `wait-0.wav` (less than a minute) to `wait-9.wav`, and `wait-more.wav` for all above.
    pub const MINUTES: [&str; 11] = [
        "wait-0.wav",
        "wait-1.wav",
        "wait-2.wav",
        "wait-3.wav",
        "wait-4.wav",
        "wait-5.wav",
        "wait-6.wav",
        "wait-7.wav",
        "wait-8.wav",
        "wait-9.wav",
        "wait-more.wav",
    ];
}

impl Prompt {
    /// The prompts with one required file each. `Music` and `Pin` are optional, and `Place` has several files.
    pub const ALL: [Self; 5] = [Self::Queue, Self::HoldTone, Self::Confirm, Self::Refused, Self::Silent];

    /// The file's name without folder; for a position, the file of its number.
    pub fn file(self) -> &'static str {
        match self {
            Self::Queue => "queue.wav",
            Self::HoldTone => "hold-tone.wav",
            Self::Confirm => "confirm.wav",
            Self::Refused => "refused.wav",
            Self::Pin => "pin.wav",
            Self::Silent => "silent.wav",
            Self::Music => "music.wav",
            Self::Place(place) => {
                let nth = usize::from(place.number.clamp(1, 10)) - 1;
                Place::NUMBERS.get(nth).copied().unwrap_or("place-more.wav")
            }
        }
    }
}

/// A party of a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    pub anchor: AnchorId,
    /// The parties that this party hears: bit i is the i-th party of the list (`limits::CONFERENCE_PARTIES_MAX`).
    pub hears: u8,
    /// The party's voice is part of the call's recording.
    pub recorded: bool,
}

/// From the switchboard to the media thread that owns the anchor. Each command is idempotent. A command for a generation that is not the
/// slot's current one is ignored (only `Open` starts a generation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Opens the slot's ports.
    Open { anchor: AnchorId },
    /// Sets where and how it sends (after offer and answer, and after each re-negotiation).
    SetRemote { anchor: AnchorId, remote: Remote },
    /// Relays between two anchors, both ways, until `Unbridge` or `Close` of either. Ends `Play` on both.
    Bridge { a: AnchorId, b: AnchorId },
    /// Ends the relay of this anchor (and its partner's).
    Unbridge { anchor: AnchorId },
    /// Connects these parties in a conference: each hears the sum of the parties that it may hear. Ends their bridges, and `Play` of new
    /// parties; a party for which a prompt is played afterwards hears the prompt instead. A repeated command changes the parties and which
    /// parties each hears. Ends with `Unmix`; `Close` and `Bridge` remove a party.
    Mix { room: CallId, parties: Vec<Party> },
    /// Ends a conference.
    Unmix { room: CallId },
    /// Plays `first` once, then `then` in a loop; without `then`, `Event::Played` follows when `first` has ended. A party in a bridge or
    /// conference hears the prompt instead of the others, who still hear the party.
    Play { anchor: AnchorId, first: Option<Prompt>, then: Option<Prompt> },
    /// Ends the prompt.
    Stop { anchor: AnchorId },
    /// Sends a digit to the peer: telephone events replace its audio for a tenth of a second. Ignored if the peer has not negotiated them.
    Press { anchor: AnchorId, digit: char },
    /// Starts to wait for the peer's voice: `Event::NoVoice` follows unless it is detected within `limit`.
    AwaitVoice { anchor: AnchorId, limit: Duration },
    /// Sets the time without packets before `Event::Silent`, even if this silence was reported before. None: the configured time-out.
    LimitSilence { anchor: AnchorId, limit: Option<Duration> },
    /// Records a bridge in stereo: caller left, operator right. While the caller is in the conference of that call, all parties whose
    /// voices are recorded are right. The recorder forms the file's name from the call, the leg and the time.
    Record { call: CallId, leg: LegNo, caller: AnchorId, operator: AnchorId },
    /// Closes that recording. `Close` of either anchor does so too.
    StopRecord { call: CallId, leg: LegNo },
    /// Closes the ports; `Event::Closed` follows.
    Close { anchor: AnchorId },
}

/// Statistics of an anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    pub packets_in: u64,
    pub packets_out: u64,
    /// According to sequence numbers (RFC 3550 §A.3).
    pub packets_lost: u64,
    /// Dropped packets that are not the peer's, by their address or their SRTP tag.
    pub packets_foreign: u64,
    /// Interarrival jitter at the end, in microseconds (RFC 3550 §A.8).
    pub jitter_us: u32,
}

/// A part of a recording that is silent because it could not be written, in milliseconds since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gap {
    pub from_ms: u64,
    pub to_ms: u64,
}

/// From the media threads and the recorder to the switchboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first RTP packet of the peer arrived, or the first after `Silent`.
    Heard { anchor: AnchorId },
    /// No RTP or RTCP arrived for the silence time-out, since `SetRemote` or since the last packet. Reported once per silence. `limit`: the
    /// time set by `LimitSilence`; None: the configured time-out.
    Silent { anchor: AnchorId, limit: Option<Duration> },
    /// Nothing arrives from the peer, but packets arrive from a host that is not accepted. Reported once for each anchor.
    Foreign { anchor: AnchorId, from: SocketAddr, expected: Option<SocketAddr> },
    /// `AwaitVoice` has ended without a voice: no audio, or audio without a voice. Reported once.
    NoVoice { anchor: AnchorId },
    /// `Play` without `then` has ended.
    Played { anchor: AnchorId },
    /// A DTMF digit ended (RFC 4733): `0`-`9`, `*`, `#`, `A`-`D`.
    Digit { anchor: AnchorId, digit: char },
    /// The ports can be used again.
    Closed { anchor: AnchorId, quality: Quality },
    /// A recording is on disk. `repaired`: the end of an earlier run interrupted it.
    RecordingClosed {
        call: CallId,
        leg: LegNo,
        file: String,
        sha256: [u8; 32],
        duration_ms: u64,
        frames_dropped: u64,
        gaps: Vec<Gap>,
        repaired: bool,
    },
    /// A recording could not be created or completed.
    RecordingFailed { call: CallId, leg: LegNo, why: String },
}
