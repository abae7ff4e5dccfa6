//! The signalling loop: owns the switchboard and the SIP sockets, reads the clock, and carries out outputs. It waits only for its inputs:
//! everything that can block is behind `OutputSink`.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

use crate::acd::OperatingMode;
use crate::cdr::fact::Fact;
use crate::cdr::past::Past;
use crate::cdr::personal::Number;
use crate::clock::{Instant, Now};
use crate::config::Certificates;
use crate::ids::{CallId, OperatorId};
use crate::limits::{DATAGRAMS_PER_TURN_MAX, MESSAGE_BYTES_MAX};
use crate::media::command::{Command, Event};
use crate::sip::flow::{Flow, Transmit};
use crate::sip::guard::Ban;
use crate::sip::locate::Target;
use crate::switchboard::{
    Account, AccountState, Actor, ConsoleCommand, ConsoleReply, Gauges, GuardFigures, Input, Output, PasswordGuess,
    PortShortage, Rejection, Restored, Settings, Switchboard, Trunk, TrunkHost,
};

use super::clock::Clock;
use super::connections::{Came, Caps, Connections, StreamListener};
use super::datagrams::{asked, receive_from, send_by};
use super::icmp;
use super::readable::readable;
use super::sockets::SipSockets;
use super::stream::Patience;
use super::tls::Tls;

pub use super::sockets::bind;

/// Maximum datagrams of other peers before datagrams of trunks are received again.
const OTHERS_IN_A_ROW: usize = 8;

/// Inputs of the loop from the rest of the service.
#[derive(Debug)]
pub enum Inbound {
    Media(Event),
    /// The reply is dropped if the client no longer waits for it.
    Console(Actor, ConsoleCommand, oneshot::Sender<ConsoleReply>),
    /// The current figures; an answer also shows that the loop runs.
    Figures(oneshot::Sender<Figures>),
    Accounts(Vec<Account>),
    /// The records of earlier runs about callers.
    Remember(Box<Past>),
    /// A number that was erased.
    Forget(Number),
    /// The registrations, flags and operating mode of an earlier run.
    Restore(Box<Restored>),
    Configure(Box<Settings>),
    /// The resolved servers of a trunk.
    Targets {
        trunk: String,
        targets: Vec<Target>,
    },
    /// A listener that could not be opened at the start.
    Listen(std::net::UdpSocket),
    ListenStreams(StreamListener),
    /// The servers of the host in a URI.
    Found {
        uri: Bytes,
        targets: Vec<Target>,
    },
    /// The certificates for future connections.
    Certificates(Box<Certificates>),
    Drain,
    HangUpAll,
    /// Ends the loop's work for calls at once.
    Stop,
    /// Media has stopped and sends no more events: the loop ends.
    MediaStopped,
}

/// Carries out the outputs other than datagrams and replies. No method may block.
pub trait OutputSink {
    /// Sends a command to media.
    fn media(&mut self, command: Command);
    /// Records a fact.
    fn fact(&mut self, fact: Fact);
    /// The part of an account's state that survives a restart has changed.
    fn account_state(&mut self, account_state: AccountState);
    /// A number was erased, and the copy for the next start must not have it.
    fn forget(&mut self, number: &Number);
    /// Looks up a name; `Inbound::Found` has the result.
    fn look_up(&mut self, uri: Bytes, host: TrunkHost);
    /// A trunk responds to keep-alives, or no longer does.
    fn trunk_health(&mut self, trunk: &str, up: bool);
    /// A telco has accepted our registration, or no longer does.
    fn trunk_registered(&mut self, trunk: &str, registered: bool);
    /// A trunk is no longer in the configuration.
    fn trunk_gone(&mut self, trunk: &str);
    /// An INVITE was rejected before it became a call.
    fn rejected(&mut self, now: Instant, rejection: &Rejection);
    /// A source was banned.
    fn banned(&mut self, now: Instant, ban: &Ban);
    /// A trunk's INVITE was accepted, and an optional part of it was ignored.
    fn ignored(&mut self, now: Instant, trunk: &str, what: &str);
    fn foreign_media(&mut self, now: Instant, trunk: Option<&str>, from: SocketAddr, expected: Option<SocketAddr>);
    /// Reports whether calls wait while the centre is unstaffed.
    fn unstaffed(&mut self, unstaffed: bool);
    fn none_ready(&mut self, none_ready: bool);
    /// The shortage of RTP ports has changed.
    fn ports(&mut self, shortage: PortShortage);
    /// The operating mode, and how long it has lasted. `reminder`: it is still not the normal mode.
    fn mode(&mut self, mode: OperatingMode, lasts_ms: u64, reminder: bool);
    /// An account's phone does not respond, or responds again.
    fn phone_reach(&mut self, account: &OperatorId, contact: &str, unreachable: bool);
    /// A call lasts unusually long, in milliseconds; `over`: such a call has ended.
    fn long_call(&mut self, call: CallId, lasts_ms: u64, over: bool);
    /// The password or PIN of an account is being guessed. None: the guessing has stopped.
    fn guessing(&mut self, account: &str, guess: Option<PasswordGuess>);
    /// All facts of one input were written, and none of its other outputs has been carried out yet.
    fn facts_over(&mut self) {}
    /// All outputs of one turn of the loop have been carried out.
    fn turn_over(&mut self);
    /// No call is left, and media gets no more commands. Returns true if `Inbound::MediaStopped` will follow: until then media still sends
    /// events.
    fn calls_over(&mut self) -> bool {
        false
    }
}

/// Figures of the loop since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub datagrams_in: u64,
    pub datagrams_out: u64,
    /// Datagrams that the kernel did not accept. SIP retransmits them.
    pub datagrams_unsent: u64,
    /// ICMP errors about unreachable destinations.
    pub unreachable: u64,
    /// Streams that are open now.
    pub connections: usize,
}

/// The figures of the loop for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub gauges: Gauges,
    pub tally: Tally,
    pub guard: GuardFigures,
}

/// The loop and its state.
pub struct Signalling<H: OutputSink> {
    switchboard: Switchboard,
    clock: Clock,
    sockets: SipSockets,
    connections: Connections,
    inbox: mpsc::Receiver<Inbound>,
    sink: H,
    replies: BTreeMap<u64, oneshot::Sender<ConsoleReply>>,
    next_request: u64,
    out: Vec<Output>,
    /// Outputs of a step except its facts.
    rest: Vec<Output>,
    tally: Tally,
    drained: bool,
}

impl<H: OutputSink> Signalling<H> {
    /// Creates the loop; `run` starts it.
    pub fn new(
        switchboard: Switchboard,
        clock: Clock,
        sockets: Vec<UdpSocket>,
        inbox: mpsc::Receiver<Inbound>,
        sink: H,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            switchboard,
            clock,
            sockets: SipSockets::new(sockets)?,
            connections: Connections::new(Caps::default(), Patience::default(), Tls::default()),
            inbox,
            sink,
            replies: BTreeMap::new(),
            next_request: 0,
            out: Vec::new(),
            rest: Vec::new(),
            tally: Tally::default(),
            drained: false,
        })
    }

    /// Adds stream listeners, with a limit of connections per source. Must be called within the loop's runtime.
    pub fn with_streams(
        mut self,
        listeners: Vec<StreamListener>,
        patience: Patience,
        per_source: usize,
        certificates: Option<Certificates>,
        trunks: &[Trunk],
    ) -> io::Result<Self> {
        let tls = certificates.map(Tls::new).unwrap_or_default();
        self.connections = Connections::new(Caps { per_source, ..Caps::default() }, patience, tls);
        self.connections.set_trunks(trunks);
        self.sockets.set_trunks(trunks);
        for listener in listeners {
            self.connections.listen(listener)?;
        }
        Ok(self)
    }

    /// Runs until it is stopped or drained, or all senders are dropped.
    pub async fn run(self) -> Tally {
        self.run_out().await.0
    }

    /// Like `run`, and also returns the sink.
    pub(super) async fn run_out(mut self) -> (Tally, H) {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        // The socket that is served first if several are readable.
        let mut turn = 0;
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        // The time that the alarm is set to: most steps leave it as it is.
        let mut set_to = None;
        while !self.drained {
            let due = self.switchboard.poll_timeout();
            if let Some(at) = due.filter(|_| due != set_to) {
                alarm.as_mut().reset(self.clock.runtime_instant(at));
                set_to = due;
            }
            tokio::select! {
                biased;
                inbound = self.inbox.recv() => match inbound {
                    None | Some(Inbound::Stop) => break,
                    Some(inbound) => self.take(inbound),
                },
                (index, ready) = readable(self.sockets.all(), turn) => {
                    turn = index + 1;
                    if ready.is_error() {
                        self.take_errors(index);
                    }
                    self.receive(index, &mut buffer);
                    self.take_streams();
                }
                came = self.connections.next() => {
                    self.take_stream(came);
                    self.take_streams();
                }
                () = alarm.as_mut(), if due.is_some() => {
                    set_to = None;
                    self.step(Input::Tick);
                }
            }
            // Once for all datagrams that had arrived: this wakes other threads.
            self.sink.turn_over();
        }
        if self.sink.calls_over() {
            self.take_last().await;
        }
        self.connections.close().await;
        (self.tally, self.sink)
    }

    /// Handles the events that media sends while it stops and closes the recordings; their facts add the recordings to their calls.
    async fn take_last(&mut self) {
        while let Some(inbound) = self.inbox.recv().await {
            match inbound {
                Inbound::MediaStopped => break,
                Inbound::Media(_) | Inbound::Figures(_) => {
                    self.take(inbound);
                    self.sink.turn_over();
                }
                // No call is left for any of these. The sender of a console request detects that its reply channel is closed.
                Inbound::Console(..)
                | Inbound::Accounts(_)
                | Inbound::Restore(_)
                | Inbound::Listen(_)
                | Inbound::ListenStreams(_)
                | Inbound::Remember(_)
                | Inbound::Forget(_)
                | Inbound::Configure(_)
                | Inbound::Targets { .. }
                | Inbound::Found { .. }
                | Inbound::Certificates(_)
                | Inbound::Drain
                | Inbound::HangUpAll
                | Inbound::Stop => {}
            }
        }
    }

    fn take(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Media(event) => self.step(Input::Media(event)),
            Inbound::Console(by, command, reply) => {
                self.next_request += 1;
                self.replies.insert(self.next_request, reply);
                self.step(Input::Console { request: self.next_request, by, command });
            }
            Inbound::Figures(reply) => {
                let figures = Figures {
                    gauges: self.switchboard.gauges(),
                    tally: Tally { connections: self.connections.len(), ..self.tally },
                    guard: self.switchboard.guard_figures(),
                };
                if reply.send(figures).is_err() {
                    tracing::debug!("the request for figures has ended");
                }
            }
            Inbound::Accounts(accounts) => self.step(Input::Accounts(accounts)),
            Inbound::Remember(past) => self.step(Input::Remember(past)),
            Inbound::Forget(number) => {
                self.sink.forget(&number);
                self.step(Input::Forget(number));
            }
            Inbound::Restore(restored) => self.step(Input::Restore(restored)),
            Inbound::Configure(settings) => {
                self.connections.set_trunks(&settings.trunks);
                self.sockets.set_trunks(&settings.trunks);
                self.step(Input::Configure(settings));
            }
            Inbound::Targets { trunk, targets } => {
                self.connections.set_targets(&trunk, &targets);
                self.step(Input::Targets { trunk, targets });
            }
            Inbound::Listen(socket) => {
                if let Err(fault) = self.sockets.add(socket) {
                    tracing::error!(%fault, "a listener cannot be used");
                }
            }
            Inbound::ListenStreams(listener) => {
                if let Err(fault) = self.connections.listen(listener) {
                    tracing::error!(%fault, "a listener cannot be used");
                }
            }
            Inbound::Found { uri, targets } => self.step(Input::Found { uri, targets }),
            Inbound::Certificates(certificates) => self.connections.set_tls(Tls::new(*certificates)),
            Inbound::Drain => self.step(Input::Drain),
            Inbound::HangUpAll => self.step(Input::HangUpAll),
            Inbound::Stop | Inbound::MediaStopped => self.drained = true,
        }
    }

    /// Receives a limited number of datagrams from one socket, so that timers are not delayed. Datagrams of trunks come first.
    fn receive(&mut self, index: usize, buffer: &mut [u8]) {
        for n in 0..DATAGRAMS_PER_TURN_MAX {
            if n % OTHERS_IN_A_ROW == 0 {
                self.receive_of_trunks(index, buffer);
            }
            let Some((local, socket)) = self.sockets.get(index) else { return };
            match receive_from(*local, socket, buffer) {
                Ok((length, flow)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.tally.datagrams_in += 1;
                    self.step(Input::Received { flow, bytes });
                }
                // The socket is empty, or reports an ICMP error, about which the error queue has more details.
                Err(_) => return,
            }
        }
    }

    fn receive_of_trunks(&mut self, beside: usize, buffer: &mut [u8]) {
        for _ in 0..DATAGRAMS_PER_TURN_MAX {
            let Some((length, flow)) = self.sockets.receive_of_trunk(beside, buffer) else { return };
            self.tally.datagrams_in += 1;
            self.step(Input::Received { flow, bytes: buffer.get(..length).unwrap_or_default() });
        }
    }

    /// Receives a limited number of messages from the streams, so that timers and datagrams are not delayed.
    fn take_streams(&mut self) {
        for _ in 0..DATAGRAMS_PER_TURN_MAX {
            let Some(came) = self.connections.try_next() else { return };
            self.take_stream(came);
        }
    }

    fn take_stream(&mut self, came: Came) {
        match came {
            Came::Message { flow, bytes } => {
                self.tally.datagrams_in += 1;
                self.step(Input::Received { flow, bytes: &bytes });
            }
            Came::Proven { flow, names } => self.step(Input::Proven { flow, names }),
            Came::Lost(flow) => {
                self.tally.unreachable += 1;
                self.step(Input::Unreachable { flow });
            }
            Came::Nothing => {}
        }
    }

    /// Handles ICMP errors about datagrams that could not be delivered.
    fn take_errors(&mut self, index: usize) {
        for _ in 0..DATAGRAMS_PER_TURN_MAX {
            let Some((local, socket)) = self.sockets.get(index) else { return };
            let none_left = || io::Error::from(io::ErrorKind::WouldBlock);
            match socket.try_io(Interest::ERROR, || icmp::next_error(socket.as_fd()).ok_or_else(none_left)) {
                Ok(Some((remote, from))) => {
                    let flow = Flow::udp(asked(*local, from), remote);
                    self.tally.unreachable += 1;
                    self.step(Input::Unreachable { flow });
                }
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }

    /// Handles one input and carries out all its outputs.
    fn step(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        let (mut out, mut rest) = (std::mem::take(&mut self.out), std::mem::take(&mut self.rest));
        self.switchboard.handle(now, input, &mut out);
        // Facts first: every message that a peer has received is in the records, even if the process is killed at once.
        for output in out.drain(..) {
            if let Output::Fact(fact) = output {
                self.sink.fact(fact);
            } else {
                rest.push(output);
            }
        }
        self.sink.facts_over();
        for output in rest.drain(..) {
            self.carry_out(now, output);
        }
        (self.out, self.rest) = (out, rest);
    }

    fn carry_out(&mut self, now: Now, output: Output) {
        match output {
            Output::Send(transmit) => self.send(&transmit),
            Output::Media(command) => self.sink.media(command),
            Output::Fact(fact) => self.sink.fact(fact),
            Output::AccountState(account_state) => self.sink.account_state(*account_state),
            Output::Lookup { uri, host } => self.sink.look_up(uri, host),
            Output::Reply { request, reply } => {
                // The client may have disconnected.
                if let Some(Err(_unheard)) = self.replies.remove(&request).map(|asker| asker.send(reply)) {
                    tracing::debug!(request, "the console's asker has left");
                }
            }
            Output::TrunkHealth { trunk, up } => self.sink.trunk_health(&trunk, up),
            Output::TrunkRegistered { trunk, registered } => self.sink.trunk_registered(&trunk, registered),
            Output::TrunkGone { trunk } => self.sink.trunk_gone(&trunk),
            Output::Mode { mode, lasts_ms, reminder } => self.sink.mode(mode, lasts_ms, reminder),
            Output::PhoneReach { account, contact, unreachable } => {
                self.sink.phone_reach(&account, &contact, unreachable);
            }
            Output::LongCall { call, lasts_ms, over } => self.sink.long_call(call, lasts_ms, over),
            Output::Unstaffed(unstaffed) => self.sink.unstaffed(unstaffed),
            Output::NoneReady(none_ready) => self.sink.none_ready(none_ready),
            Output::Ports(shortage) => self.sink.ports(shortage),
            Output::Rejected(rejection) => self.sink.rejected(now.mono, &rejection),
            Output::Banned(ban) => self.sink.banned(now.mono, &ban),
            Output::Ignored { trunk, what } => self.sink.ignored(now.mono, &trunk, &what),
            Output::ForeignMedia { trunk, from, expected } => {
                self.sink.foreign_media(now.mono, trunk.as_deref(), from, expected)
            }
            Output::Authenticated(flow) => self.connections.trust(flow.connection),
            Output::Guessing { account, guess } => self.sink.guessing(&account, guess),
            Output::Drained => self.drained = true,
        }
    }

    fn send(&mut self, transmit: &Transmit) {
        let flow = transmit.flow;
        if flow.transport.is_reliable() {
            match self.connections.send(transmit) {
                true => self.tally.datagrams_out += 1,
                false => self.tally.datagrams_unsent += 1,
            }
            return;
        }
        // A send may fail because of the ICMP error of an earlier datagram, without having sent this one, so it is tried again.
        let sent = self.sockets.at(flow.local).is_some_and(|(local, socket)| {
            send_by(*local, socket, transmit).is_ok()
                || send_by(*local, socket, transmit).is_ok()
                || socket.try_send_to(&transmit.bytes, flow.remote).is_ok()
        });
        if sent {
            self.tally.datagrams_out += 1;
        } else {
            self.tally.datagrams_unsent += 1;
        }
    }
}
