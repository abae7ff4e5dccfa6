//! The words between the switchboard and the media threads: commands down, events up, nobody waits.

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

/// One RTP port pair in use by one leg. `slot` indexes the pre-bound ports; `generation` tells its users apart, so
/// that a late event of the last one is not taken for the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnchorId {
    pub slot: u32,
    pub generation: u32,
}

/// Where and how an anchor sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The address in the peer's SDP. The latch sends to the source of the peer's packets. If it is the unspecified address, nothing is sent
    /// before a packet arrives.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// The sources from which its packets are accepted, besides `rtp` and its host.
    pub sources: Sources,
    pub codec: Codec,
    /// RTP payload type of `codec` in what we send and take.
    pub payload_type: u8,
    /// RTP payload type of telephone-event (RFC 4733) in what we send, when agreed.
    pub dtmf: Option<u8>,
    /// The same in what the peer sends, which may be another (RFC 3264 §6.1). Some peers send what we send: both are taken.
    pub dtmf_heard: Option<u8>,
    /// False while the peer has asked not to be sent to (hold).
    pub send: bool,
    /// Keys of SRTP; None: plain RTP.
    pub srtp: Option<Keys>,
}

/// The sounds that the service plays, one WAV each (8 kHz, mono, 16 bit) in `config/prompts/<language>/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// `queue.wav`: all operators are busy, please stay on the line.
    Queue,
    /// `hold-tone.wav`: ringback or a hold tone, looped.
    HoldTone,
    /// `confirm.wav`: a feature code was carried out.
    Confirm,
    /// `refused.wav`: a feature code was not carried out.
    Refused,
    /// `pin.wav`: whoever logs in at a station keys his PIN. Without the file: the hold tone.
    Pin,
    /// `silent.wav`: whoever cannot speak presses a digit (`[[silent_choice]]`).
    Silent,
    /// `music.wav`: soft tones for who waits, looped. Without the file: the hold tone.
    Music,
    /// The caller's place in the queue, then how long he may wait: two files, one after the other.
    Place(Place),
}

/// What a caller who waits is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// From 1. More than nine have one file.
    pub number: u8,
    /// Full minutes, 0: less than one. More than nine have one file. None: nothing is said of it.
    pub minutes: Option<u8>,
}

impl Place {
    /// `place-1.wav` to `place-9.wav`, and for all above `place-more.wav`.
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
    /// `wait-0.wav` (less than a minute) to `wait-9.wav`, and for all above `wait-more.wav`.
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
    /// Those that have one file each and are always wanted; `Music` and `Pin` are for who wants them, `Place` names the others.
    pub const ALL: [Self; 5] = [Self::Queue, Self::HoldTone, Self::Confirm, Self::Refused, Self::Silent];

    /// The file's name without folder; of a place, that of its number.
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

/// One of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    pub anchor: AnchorId,
    /// Whom he hears: bit i is the i-th party of the list (`limits::ROOM_PARTIES_MAX`).
    pub hears: u8,
    /// His voice belongs on the call's recording.
    pub taped: bool,
}

/// Down: from the switchboard to the media thread that owns the anchor. Each is idempotent; a command for a
/// generation that is not the slot's present one is ignored (only `Open` starts a generation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Takes the slot's ports into use.
    Open { anchor: AnchorId },
    /// Sets where and how it sends (after offer and answer, and after each re-negotiation).
    Aim { anchor: AnchorId, remote: Remote },
    /// Relays between two anchors, both ways, until `Unbridge` or `Close` of either. Ends `Play` on both.
    Bridge { a: AnchorId, b: AnchorId },
    /// Ends the relay of this anchor (and its partner's).
    Unbridge { anchor: AnchorId },
    /// Makes these parties a room: each hears the sum of those whom he may hear. Ends their bridges, and `Play` of those who
    /// come new; a party that a prompt is played to afterwards hears that instead. Said again it changes who is there and who hears
    /// whom. Ends with `Unmix`; `Close` and `Bridge` take a party out.
    Mix { room: CallId, parties: Vec<Party> },
    /// Nobody hears anybody in this room any more.
    Unmix { room: CallId },
    /// Plays `first` once, then `then` in a loop; without `then`, `Event::Played` follows when `first` is over. Who is bridged, or
    /// in a room, hears that instead of the others meanwhile; they hear him on.
    Play { anchor: AnchorId, first: Option<Prompt>, then: Option<Prompt> },
    /// Ends what plays.
    Stop { anchor: AnchorId },
    /// Presses a digit for the peer: telephone events take the place of what it hears for a tenth of a second. Without any in its
    /// description nothing happens.
    Press { anchor: AnchorId, digit: char },
    /// From now on the peer's voice is waited for: `Event::NoVoice` follows unless it is heard within `limit`.
    AwaitVoice { anchor: AnchorId, limit: Duration },
    /// Sets how long nothing may arrive before `Event::Silent`, even if this silence was reported before. None: the configured time-out
    /// again.
    LimitSilence { anchor: AnchorId, limit: Option<Duration> },
    /// Records a bridge in stereo: caller left, operator right; while the caller is in the room of that call, everybody right
    /// whose voice belongs on the tape. The file's name is made of the call, the leg and the time by the recorder.
    Record { call: CallId, leg: LegNo, caller: AnchorId, operator: AnchorId },
    /// Closes that recording. `Close` of either anchor does so too.
    StopRecord { call: CallId, leg: LegNo },
    /// Gives the ports back; `Event::Closed` follows.
    Close { anchor: AnchorId },
}

/// What an anchor saw in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    pub packets_in: u64,
    pub packets_out: u64,
    /// By sequence numbers (RFC 3550 §A.3).
    pub packets_lost: u64,
    /// Packets that are not the peer's, by their address or their SRTP tag: dropped.
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

/// Up: from the media threads and the recorder to the switchboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first RTP packet of the peer arrived, or the first after `Silent`.
    Heard { anchor: AnchorId },
    /// Nothing (RTP or RTCP) arrived for the configured silence time-out, since `Aim` or since the last packet. Told once per silence.
    Silent { anchor: AnchorId },
    /// The peer is not heard, and packets for it come from a host that is not accepted. Told once for each anchor.
    Foreign { anchor: AnchorId, from: SocketAddr, expected: Option<SocketAddr> },
    /// `AwaitVoice` was in vain: no sound came, or sound without a voice. Told once.
    NoVoice { anchor: AnchorId },
    /// `Play` without `then` is over.
    Played { anchor: AnchorId },
    /// A DTMF digit ended (RFC 4733): `0`-`9`, `*`, `#`, `A`-`D`.
    Digit { anchor: AnchorId, digit: char },
    /// The ports are free again.
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
    /// A recording could not be made or finished.
    RecordingFailed { call: CallId, leg: LegNo, why: String },
}
