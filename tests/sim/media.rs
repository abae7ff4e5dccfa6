//! The media threads, played: ports in use, who is heard on them, what is recorded. Checks that every command makes sense.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use siaga::clock::Instant;
use siaga::ids::{CallId, LegNo, Rng};
use siaga::media::command::{AnchorId, Command, Event, Party, Prompt, Quality, Remote};
use siaga::media::latch::{Latch, Verdict};

/// Of every operator.
pub(crate) const PIN: &str = "2580";

/// What happens in media after a while.
#[derive(Clone, Debug)]
pub(crate) enum Later {
    Event(Event),
    /// It is looked whether the peer is heard; the second number tells which aim set this off.
    Listen(AnchorId, u32),
    Played(AnchorId, u32),
    /// The silence limit of an anchor may be reached.
    Limit(AnchorId, Duration),
}

/// The packets of one peer, which may come from another source at any time, and the latch that judges them.
#[derive(Debug)]
struct Packets {
    signalled: SocketAddr,
    host: Option<std::net::IpAddr>,
    from: SocketAddr,
    latch: Latch,
    now: Instant,
    sequence: u16,
}

impl Packets {
    fn new(remote: &Remote) -> Self {
        let latch = Latch::new(remote.rtp, remote.sources.clone());
        let (signalled, host) = (remote.rtp, remote.sources.host);
        Self { signalled, host, from: signalled, latch, now: Instant::from_nanos(0), sequence: 0 }
    }

    fn aim(&mut self, remote: &Remote) {
        self.latch.aim(self.now, remote.rtp, remote.sources.clone());
        if (self.signalled, self.host) != (remote.rtp, remote.sources.host) {
            (self.signalled, self.host, self.from) = (remote.rtp, remote.sources.host, remote.rtp);
        }
    }

    /// Some packets arrive, often from a new allowed source: they are accepted, and media is sent to their source.
    fn come(&mut self, rng: &mut Rng) {
        let host = self.host.unwrap_or(self.signalled.ip());
        let port = 1_024 + 2 * u16::try_from(rng.below(30_000)).unwrap();
        match rng.below(10) {
            0 => self.from = self.signalled,
            1 => self.from.set_port(port),
            2 => self.from = SocketAddr::new(host, port),
            _ => {}
        }
        let stranger: SocketAddr = "203.0.113.250:4000".parse().unwrap();
        let mut heard = false;
        for _ in 0..60 {
            self.now = self.now + Duration::from_millis(20);
            self.sequence = self.sequence.wrapping_add(1);
            heard |= self.latch.judge(self.now, self.from, 7, self.sequence) == Verdict::Peer;
            assert_eq!(self.latch.judge(self.now, stranger, 7, self.sequence), Verdict::Foreign);
        }
        assert!(heard, "media from {} is not heard; {} is signalled", self.from, self.signalled);
        assert_eq!(self.latch.target(self.now), Some(self.from));
    }
}

#[derive(Debug, Default)]
struct Anchor {
    generation: u32,
    remote: Option<SocketAddr>,
    packets: Option<Packets>,
    aims: u32,
    heard: bool,
    /// Number of checks without audio.
    in_vain: u32,
    plays: u32,
    bridged: Option<AnchorId>,
    room: Option<CallId>,
    recording: Option<(CallId, LegNo)>,
}

/// All ports that are open.
#[derive(Debug, Default)]
pub(crate) struct Sound {
    open: BTreeMap<u32, Anchor>,
    pub(crate) recordings_open: BTreeSet<(CallId, LegNo)>,
    pub(crate) bridges: u64,
    pub(crate) rooms: u64,
}

impl Sound {
    pub(crate) fn is_silent(&self) -> bool {
        self.open.is_empty() && self.recordings_open.is_empty()
    }

    /// Carries out one command; `later` gets what follows from it.
    pub(crate) fn obeys(&mut self, command: Command, rng: &mut Rng, later: &mut Vec<(Duration, Later)>) {
        let soon = Duration::from_millis(1 + rng.below(40));
        match command {
            Command::Open { anchor } => {
                let fresh = Anchor { generation: anchor.generation, ..Anchor::default() };
                assert!(self.open.insert(anchor.slot, fresh).is_none(), "{anchor:?} is opened twice");
            }
            Command::SetRemote { anchor, remote } => {
                let open = self.anchor(anchor);
                open.remote = Some(remote.rtp);
                open.packets.get_or_insert_with(|| Packets::new(&remote)).aim(&remote);
                open.aims += 1;
                open.in_vain = 0;
                later.push((soon * 4, Later::Listen(anchor, open.aims)));
            }
            Command::Bridge { a, b } => self.bridge(a, b),
            Command::Unbridge { anchor } => self.unbridge(anchor),
            Command::Mix { room, parties } => self.mix(room, &parties),
            Command::Unmix { room } => self.leave(room),
            Command::AwaitVoice { anchor, limit } => {
                self.anchor(anchor);
                later.push((limit, Later::Event(Event::NoVoice { anchor })));
            }
            Command::LimitSilence { anchor, limit } => {
                self.anchor(anchor);
                later.extend(limit.map(|limit| (limit, Later::Limit(anchor, limit))));
            }
            Command::Play { anchor, first, then } => {
                let open = self.anchor(anchor);
                let short = matches!((first, then), (Some(Prompt::Silent | Prompt::Confirm), None));
                assert!(open.bridged.is_none() || short, "a prompt would break into a talk");
                open.plays += 1;
                if first == Some(Prompt::Pin) {
                    let wrong = if rng.below(4) == 0 { "0" } else { "" };
                    for (nth, digit) in (0..).zip(format!("{wrong}{PIN}#").chars()) {
                        let digit = Event::Digit { anchor, digit };
                        later.push((Duration::from_millis(500 * nth) + soon, Later::Event(digit)));
                    }
                }
                if then.is_none() {
                    later.push((Duration::from_millis(1_500), Later::Played(anchor, open.plays)));
                }
            }
            Command::Stop { anchor } => self.anchor(anchor).plays += 1,
            Command::Press { anchor, .. } => assert!(self.anchor(anchor).bridged.is_some(), "a digit is for who talks"),
            Command::Record { call, leg, caller, operator } => {
                let rooms = [caller, operator].map(|anchor| self.anchor(anchor).room);
                let together = rooms[0].is_some() && rooms[0] == rooms[1];
                assert!(together || self.anchor(caller).bridged == Some(operator), "what is recorded is bridged");
                self.anchor(caller).recording = Some((call, leg));
                self.anchor(operator).recording = Some((call, leg));
                assert!(self.recordings_open.insert((call, leg)), "recorded twice");
            }
            Command::StopRecord { call, leg } => self.stop_recording(call, leg, soon, later),
            Command::Close { anchor } => {
                self.anchor(anchor);
                self.unbridge(anchor);
                let closed = self.open.remove(&anchor.slot).unwrap();
                if let Some((call, leg)) = closed.recording {
                    self.stop_recording(call, leg, soon * 2, later);
                }
                let quality = Quality { packets_in: 1, packets_out: 1, ..Quality::default() };
                later.push((soon, Later::Event(Event::Closed { anchor, quality })));
            }
        }
    }

    fn bridge(&mut self, a: AnchorId, b: AnchorId) {
        for (one, other) in [(a, b), (b, a)] {
            let open = self.anchor(one);
            assert_eq!(open.bridged.replace(other), None, "{one:?} is bridged twice");
            assert_eq!(open.room, None, "{one:?} is bridged out of a room");
            open.plays += 1;
            assert!(open.remote.is_some() || other == b, "the operator's side of a bridge is aimed");
        }
        self.bridges += 1;
    }

    /// Checks whether the peer sends, from any source. Returns the event that media then sends.
    pub(crate) fn listen(
        &mut self,
        (anchor, aim): (AnchorId, u32),
        voices: &BTreeSet<SocketAddr>,
        rng: &mut Rng,
        later: &mut Vec<(Duration, Later)>,
    ) -> Option<Event> {
        let open = self.open.get_mut(&anchor.slot).filter(|open| open.generation == anchor.generation)?;
        if open.aims != aim {
            return None;
        }
        later.push((Duration::from_secs(if open.heard { 10 } else { 4 }), Later::Listen(anchor, aim)));
        if open.remote.is_some_and(|remote| voices.contains(&remote)) {
            open.in_vain = 0;
            open.packets.as_mut().unwrap().come(rng);
            return (!std::mem::replace(&mut open.heard, true)).then_some(Event::Heard { anchor });
        }
        open.in_vain += 1;
        if open.in_vain == 5 {
            open.heard = false;
            return Some(Event::Silent { anchor, limit: None });
        }
        None
    }

    /// Returns the event if the peer's silence has reached a limit.
    pub(crate) fn reaches_limit(
        &self,
        anchor: AnchorId,
        limit: Duration,
        voices: &BTreeSet<SocketAddr>,
    ) -> Option<Event> {
        let open = self.open.get(&anchor.slot).filter(|open| open.generation == anchor.generation)?;
        let heard = open.remote.is_some_and(|remote| voices.contains(&remote));
        (!heard).then_some(Event::Silent { anchor, limit: Some(limit) })
    }

    /// A prompt may be over.
    pub(crate) fn played(&self, anchor: AnchorId, play: u32) -> Option<Event> {
        let open = self.open.get(&anchor.slot).filter(|open| open.generation == anchor.generation)?;
        (open.plays == play).then_some(Event::Played { anchor })
    }

    /// Some port that is open.
    pub(crate) fn any(&self, rng: &mut Rng) -> Option<AnchorId> {
        let nth = usize::try_from(rng.below(self.open.len() as u64)).ok()?;
        let (slot, open) = self.open.iter().nth(nth)?;
        Some(AnchorId { slot: *slot, generation: open.generation })
    }

    fn anchor(&mut self, anchor: AnchorId) -> &mut Anchor {
        let open = self.open.get_mut(&anchor.slot).unwrap_or_else(|| panic!("{anchor:?} is not open"));
        assert_eq!(open.generation, anchor.generation, "a command for a port's former user");
        open
    }

    fn unbridge(&mut self, anchor: AnchorId) {
        let other = self.anchor(anchor).bridged.take();
        if let Some(other) = other {
            self.anchor(other).bridged = None;
        }
    }

    /// Exactly the parties of the list are in the conference: at least three, or it would be a bridge.
    fn mix(&mut self, room: CallId, parties: &[Party]) {
        assert!((3..=8).contains(&parties.len()), "{} are no room", parties.len());
        self.leave(room);
        for (place, party) in parties.iter().enumerate() {
            assert_eq!(party.hears & (1 << place), 0, "{party:?} hears himself");
            assert_eq!(u32::from(party.hears) >> parties.len(), 0, "{party:?} hears nobody who is there");
            self.unbridge(party.anchor);
            let open = self.anchor(party.anchor);
            // The caller may not have sent the SDP yet.
            assert!(open.remote.is_some() || place == 0, "{party:?} is not aimed");
            assert_eq!(open.room.replace(room), None, "{party:?} is in two rooms");
            open.plays += 1;
        }
        self.rooms += 1;
    }

    fn leave(&mut self, room: CallId) {
        for open in self.open.values_mut().filter(|open| open.room == Some(room)) {
            open.room = None;
        }
    }

    fn stop_recording(&mut self, call: CallId, leg: LegNo, soon: Duration, later: &mut Vec<(Duration, Later)>) {
        if !self.recordings_open.remove(&(call, leg)) {
            return;
        }
        for open in self.open.values_mut().filter(|open| open.recording == Some((call, leg))) {
            open.recording = None;
        }
        let file = format!("{call}-{}.wav", leg.0);
        let done = Event::RecordingClosed {
            call,
            leg,
            file,
            sha256: [0; 32],
            duration_ms: 1,
            frames_dropped: 0,
            gaps: Vec::new(),
            repaired: false,
        };
        later.push((soon, Later::Event(done)));
    }
}
