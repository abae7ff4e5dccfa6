//! One media thread: passes packets, commands and time to a `Relay`, and carries out its outputs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::Duration;

use crate::clock::Instant;
use crate::media::anchor::Anchor;
use crate::media::command::{Command, Event};
use crate::media::datagram::Datagram;
use crate::media::recording::RecordingId;
use crate::media::relay::{Channel, Departure, Effect, Fate, Out, Relay};
use crate::media::rtcp::REPORT_BYTES_MAX;

use super::clock::Clock;
use super::engine::{Engine, Post};
use super::ports::Ports;
use super::recorder::{Lost, RecorderOrder};

/// Interval at which prompts are sent.
const FRAME: Duration = Duration::from_millis(20);
/// Interval at which anchors are checked for silence.
const SILENCE_LOOK: Duration = Duration::from_secs(1);
/// Maximum RTCP reports that one turn sends in response to packets; further packets get none.
const ANSWERS_PER_TURN_MAX: usize = 64;

/// Orders from other threads.
pub(super) enum Order {
    Command(Command),
    /// Hand over the anchor of this slot.
    Give(u32, SyncSender<Option<Box<Anchor>>>),
    /// Take over the anchor of this slot.
    Adopt(u32, Receiver<Option<Box<Anchor>>>),
    End,
}

/// Counters of all threads.
#[derive(Debug, Default)]
pub(super) struct Figures {
    packets_in: AtomicU64,
    packets_out: AtomicU64,
    packets_foreign: AtomicU64,
    packets_ignored: AtomicU64,
    send_errors: AtomicU64,
    pub(super) commands_dropped: AtomicU64,
    recording_frames_dropped: AtomicU64,
    anchors_open: AtomicU64,
}

impl Figures {
    pub(super) fn read(&self) -> MediaCounters {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        MediaCounters {
            packets_in: read(&self.packets_in),
            packets_out: read(&self.packets_out),
            packets_foreign: read(&self.packets_foreign),
            packets_ignored: read(&self.packets_ignored),
            send_errors: read(&self.send_errors),
            commands_dropped: read(&self.commands_dropped),
            recording_frames_dropped: read(&self.recording_frames_dropped),
            anchors_open: read(&self.anchors_open),
            port_pairs_failed: 0,
        }
    }
}

/// Counters of one thread between two turns.
#[derive(Debug, Default)]
struct Tally {
    received: u64,
    sent: u64,
    foreign: u64,
    ignored: u64,
}

/// The parameters of a thread at its start.
pub(super) struct Setup<F> {
    pub(super) clock: Clock,
    pub(super) relay: Relay,
    pub(super) ports: Arc<Ports>,
    pub(super) orders: Receiver<Order>,
    /// True while a wake-up is pending, so that a burst of orders signals once.
    pub(super) waking: Arc<AtomicBool>,
    pub(super) recorder: Option<SyncSender<RecorderOrder>>,
    pub(super) events: F,
    pub(super) figures: Arc<Figures>,
}

/// A media thread's state.
pub(super) struct Worker<F> {
    setup: Setup<F>,
    out: Out,
    tally: Tally,
    /// RTCP reports to be sent after the turn.
    answers: Vec<(u32, SocketAddr, [u8; REPORT_BYTES_MAX], usize)>,
    /// Frames that did not fit into the recorder's queue, by recording.
    dropped: BTreeMap<RecordingId, Lost>,
    /// Orders for the recorder that must not be lost and did not fit into its queue.
    held_back: Vec<RecorderOrder>,
    next_frame: Instant,
    next_look: Instant,
    opened: u64,
}

impl<F: FnMut(Event)> Worker<F> {
    pub(super) fn new(setup: Setup<F>) -> Self {
        let now = setup.clock.now();
        Self {
            setup,
            out: Out::default(),
            tally: Tally::default(),
            answers: Vec::with_capacity(ANSWERS_PER_TURN_MAX),
            dropped: BTreeMap::new(),
            held_back: Vec::new(),
            next_frame: now,
            next_look: now + SILENCE_LOOK,
            opened: 0,
        }
    }

    /// Runs until it receives the order to end.
    pub(super) fn run(mut self, engine: &mut impl Engine) {
        let mut running = true;
        while running {
            let timeout = self.timeout();
            let woken = engine.turn(timeout, &mut |socket, datagram| self.packet(socket, datagram));
            if woken {
                running = self.orders(engine);
            }
            self.timers(engine);
            for (socket, to, report, length) in self.answers.drain(..) {
                engine.send(socket, to, report.get(..length).unwrap_or_default());
                self.tally.sent += 1;
            }
            self.carry_out(engine);
            self.count(engine);
        }
        self.setup.relay.stop_recordings(&mut self.out);
        self.carry_out(engine);
        self.release(true);
    }

    fn timeout(&self) -> Duration {
        let next = if self.setup.relay.is_playing() { self.next_frame.min(self.next_look) } else { self.next_look };
        next.since(self.setup.clock.now())
    }

    fn packet(&mut self, socket: u32, datagram: Datagram<'_>) -> Option<Post> {
        let now = self.setup.clock.now();
        let (slot, channel) = (socket / 2, if socket.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp });
        self.tally.received += 1;
        let Datagram { from, room, length } = datagram;
        let datagram = Datagram { from, room: &mut *room, length };
        match self.setup.relay.receive(now, slot, channel, datagram, &mut self.out) {
            Fate::Passed(Departure { slot, channel, to, place }) => {
                self.tally.sent += 1;
                Some((number(slot, channel), to, place))
            }
            Fate::Taken => {
                if channel == Channel::Rtcp && self.answers.len() < ANSWERS_PER_TURN_MAX {
                    let mut report = [0; REPORT_BYTES_MAX];
                    if let Some((to, length)) = self.setup.relay.answer_report(slot, room, &mut report) {
                        self.answers.push((socket, to, report, length));
                    }
                }
                None
            }
            Fate::Foreign => {
                self.tally.foreign += 1;
                None
            }
            Fate::Ignored => {
                self.tally.ignored += 1;
                None
            }
        }
    }

    /// Carries out the waiting orders; returns false at the end.
    fn orders(&mut self, engine: &mut impl Engine) -> bool {
        self.setup.waking.store(false, Ordering::SeqCst);
        loop {
            let order = match self.setup.orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let now = self.setup.clock.now();
            match order {
                Order::Command(command) => self.setup.relay.command(now, command, &mut self.out),
                Order::Give(slot, to) => {
                    let anchor = self.setup.relay.give(slot, &mut self.out);
                    // This thread must stop receiving before the other thread starts.
                    self.carry_out(engine);
                    drop(to.send(anchor));
                }
                // This wait ends: the other thread was ordered to give before this one was ordered to take, and it never waits for a later
                // order.
                Order::Adopt(slot, from) => {
                    if let Ok(Some(anchor)) = from.recv() {
                        self.setup.relay.adopt(slot, anchor, &mut self.out);
                    }
                }
                Order::End => return false,
            }
            self.carry_out(engine);
        }
    }

    fn timers(&mut self, engine: &mut impl Engine) {
        let now = self.setup.clock.now();
        if self.setup.relay.is_playing() && now >= self.next_frame {
            let mut send = |slot, to, packet: &[u8]| engine.send(number(slot, Channel::Rtp), to, packet);
            self.tally.sent += self.setup.relay.play(now, &mut send, &mut self.out);
            // After a delay, playback continues from now and does not catch up.
            let due = self.next_frame + FRAME;
            self.next_frame = if due + FRAME * 5 < now { now + FRAME } else { due };
        }
        if now >= self.next_look {
            self.next_look = now + SILENCE_LOOK;
            self.setup.relay.look_for_silence(now, &mut self.out);
            self.release(false);
        }
    }

    fn carry_out(&mut self, engine: &mut impl Engine) {
        let mut effects = std::mem::take(&mut self.out.effects);
        self.pass_frames();
        for effect in effects.drain(..) {
            match effect {
                Effect::Listen(slot) => {
                    for channel in [Channel::Rtp, Channel::Rtcp] {
                        self.setup.ports.open(number(slot, channel));
                        engine.listen(number(slot, channel));
                    }
                }
                Effect::Deaf(slot) => {
                    for channel in [Channel::Rtp, Channel::Rtcp] {
                        engine.deaf(number(slot, channel));
                        self.setup.ports.close(number(slot, channel));
                    }
                }
                Effect::Report(event) => (self.setup.events)(event),
                Effect::StartRecording { recording, call, leg } => {
                    let at = self.setup.clock.now();
                    if self.setup.recorder.is_some() {
                        self.record(RecorderOrder::Start { recording, call, leg, at });
                    } else {
                        let why = "no folder for recordings is configured".to_owned();
                        (self.setup.events)(Event::RecordingFailed { call, leg, why });
                    }
                }
                Effect::StopRecording(recording) => {
                    let (at, lost) = (self.setup.clock.now(), self.dropped.remove(&recording).unwrap_or_default());
                    self.record(RecorderOrder::Stop { recording, at, lost });
                }
            }
        }
        // Keeps the allocated memory for the next turn.
        self.out.effects = effects;
    }

    /// Sends frames to the recorder. Frames that do not fit into its queue are missing in the recording; the call is not affected.
    fn pass_frames(&mut self) {
        let Some(recorder) = &self.setup.recorder else {
            self.out.frames.clear();
            return;
        };
        for frame in self.out.frames.drain(..) {
            let (recording, at) = (frame.recording, frame.at);
            if recorder.try_send(RecorderOrder::Frame(frame)).is_err() {
                self.dropped.entry(recording).or_default().add(at);
                self.setup.figures.recording_frames_dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn record(&mut self, order: RecorderOrder) {
        self.held_back.push(order);
        self.release(false);
    }

    /// Sends the orders that were held back, in order. At the end it waits until the queue accepts them.
    fn release(&mut self, wait: bool) {
        let Some(recorder) = &self.setup.recorder else {
            self.held_back.clear();
            return;
        };
        if wait {
            self.held_back.drain(..).for_each(|order| drop(recorder.send(order)));
            return;
        }
        let mut passed = 0;
        for order in &self.held_back {
            if recorder.try_send(order.clone()).is_err() {
                break;
            }
            passed += 1;
        }
        self.held_back.drain(..passed);
    }

    fn count(&mut self, engine: &mut impl Engine) {
        let figures = &self.setup.figures;
        let Tally { received, sent, foreign, ignored } = std::mem::take(&mut self.tally);
        for (figure, more) in [
            (&figures.packets_in, received),
            (&figures.packets_out, sent),
            (&figures.packets_foreign, foreign),
            (&figures.packets_ignored, ignored),
            (&figures.send_errors, engine.take_send_errors()),
        ] {
            if more > 0 {
                figure.fetch_add(more, Ordering::Relaxed);
            }
        }
        let open = u64::try_from(self.setup.relay.open_count()).unwrap_or(0);
        if open != self.opened {
            figures.anchors_open.fetch_add(open.wrapping_sub(self.opened), Ordering::Relaxed);
            self.opened = open;
        }
    }
}

fn number(slot: u32, channel: Channel) -> u32 {
    slot * 2 + u32::from(channel == Channel::Rtcp)
}

/// Figures for the metrics, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaCounters {
    pub packets_in: u64,
    pub packets_out: u64,
    /// Packets from an address that is not the peer's.
    pub packets_foreign: u64,
    /// Packets that are not the negotiated RTP or RTCP, or that have no destination.
    pub packets_ignored: u64,
    pub send_errors: u64,
    /// Commands that were dropped because the queue was full.
    pub commands_dropped: u64,
    pub recording_frames_dropped: u64,
    /// Anchors that are open now; not a total.
    pub anchors_open: u64,
    /// Port pairs that could not be bound.
    pub port_pairs_failed: u64,
}
