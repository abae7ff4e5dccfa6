//! The media threads and the recorder: sockets, clocks and files around the state machines of `crate::media`.

mod clock;
mod engine;
mod health;
mod kernel;
mod ports;
mod recorder;
mod unregistered;
mod wav_file;
mod worker;

pub use unregistered::{DueMarker, Journaled, remarks};

use crate::server::media::clock::Clock;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tracing::{info, warn};

use crate::alarm::Alarms;
use crate::ids::Rng;
use crate::limits::MEDIA_COMMANDS_MAX;
use crate::media::command::{AnchorId, Command, Event, Party, Place, Prompt};
use crate::media::prompt::{Sound, Sounds};
use crate::media::relay::Relay;

use engine::{EpollEngine, RingEngine};
use kernel::Wake;
pub(super) use kernel::file_limit;
use ports::Ports;
pub use ports::own_addresses;
use recorder::Recorder;
pub use worker::MediaCounters;
use worker::{Figures, Order, Setup, Worker};

/// How packets are received and sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// `IoUring` if the kernel supports all required functions, otherwise `Epoll`.
    #[default]
    Auto,
    IoUring,
    Epoll,
}

/// Settings of media.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// The addresses on which ports are bound: one, or one of each family.
    pub listen: Vec<IpAddr>,
    /// RTP on the even ports, RTCP on the odd ones after them.
    pub ports: RangeInclusive<u16>,
    /// Time without a packet after which `Event::Silent` is sent; None: never.
    pub silence: Option<Duration>,
    /// Folder with the prompts of one language.
    pub prompts: PathBuf,
    /// Folder of the recordings; None: `Command::Record` fails.
    pub recordings: Option<PathBuf>,
    /// The site's time zone, which determines the day under which a recording is filed.
    pub zone: TimeZone,
    /// Receives the alarms about the recordings' disk.
    pub alarms: Alarms,
    /// The recordings whose facts are in the journal.
    pub journaled: Journaled,
    /// Media threads; 0 counts as 1.
    pub threads: usize,
    pub engine: Engine,
}

/// The running media threads. Dropping it stops them.
#[derive(Debug)]
pub struct Media {
    ports: Arc<Ports>,
    threads: Vec<Thread>,
    recorder: Option<Recorder>,
    figures: Arc<Figures>,
    /// The thread that owns each slot. Bridged anchors must have the same thread.
    homes: Vec<AtomicU16>,
    engine: Engine,
}

#[derive(Debug)]
struct Thread {
    orders: SyncSender<Order>,
    wake: Wake,
    waking: Arc<AtomicBool>,
    /// True if the thread has orders for which it was not woken yet.
    due: AtomicBool,
    join: Option<JoinHandle<()>>,
}

impl Thread {
    /// Wakes the thread if it has orders for which it was not woken yet.
    fn wake_if_due(&self) {
        if self.due.swap(false, Ordering::Relaxed) && !self.waking.swap(true, Ordering::SeqCst) {
            self.wake.wake();
        }
    }
}

impl Media {
    /// Binds the ports and starts the threads. `events` must not block.
    pub fn start(settings: MediaSettings, events: impl FnMut(Event) + Send + Clone + 'static) -> anyhow::Result<Self> {
        let MediaSettings { listen, ports, silence, prompts, recordings, zone, alarms, journaled, threads, engine } =
            settings;
        let engine = choose(engine);
        let ports = Arc::new(Ports::bind(&listen, &ports));
        if ports.len() == 0 {
            warn!(?listen, "no RTP port of the range could be bound");
        }
        let sounds = Arc::new(load(&prompts));
        let (clock, figures) = (Clock::start(), Arc::new(Figures::default()));
        let place = recordings.map(|folder| recorder::Place { folder, zone, alarms, journaled });
        let recorder = place.map(|place| Recorder::start(place, clock, events.clone())).transpose()?;
        let count = u16::try_from(threads.clamp(1, 64)).unwrap_or(1);
        let homes = (0..count).cycle().take(ports.len()).map(AtomicU16::new).collect();
        let mut media = Self { ports, threads: Vec::new(), recorder, figures, homes, engine };
        for index in 0..count {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).context("no randomness for RTP")?;
            let (rng, first_recording) = (Rng::from_seed(seed), u64::from(index) << 48);
            let relay = Relay::new(media.ports.len(), Arc::clone(&sounds), silence, first_recording, rng);
            media.start_thread(clock, relay, events.clone())?;
        }
        info!(?engine, threads = count, port_pairs = media.ports.len(), failed = media.ports.failed, "media is ready");
        Ok(media)
    }

    /// The bound even ports with their addresses. Slot i of an `AnchorId` is the entry i.
    pub fn rtp_ports(&self) -> Vec<SocketAddr> {
        self.ports.rtp_ports()
    }

    /// The engine in use; never `Auto`.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Sends a command to the thread that owns the anchor. Returns false if its queue is full, which is counted.
    pub fn command(&self, command: Command) -> bool {
        let taken = self.queue(command);
        self.flush();
        taken
    }

    /// Wakes the threads that have received commands by `queue`.
    pub fn flush(&self) {
        for thread in &self.threads {
            thread.wake_if_due();
        }
    }

    /// Like `command`, but the thread is woken only by `flush`.
    pub fn queue(&self, command: Command) -> bool {
        let taken = match &command {
            Command::Open { anchor }
            | Command::SetRemote { anchor, .. }
            | Command::Unbridge { anchor }
            | Command::Play { anchor, .. }
            | Command::Stop { anchor }
            | Command::Press { anchor, .. }
            | Command::AwaitVoice { anchor, .. }
            | Command::LimitSilence { anchor, .. }
            | Command::Close { anchor } => self.order(self.home(*anchor), Order::Command(command)),
            Command::Bridge { a, b } => {
                self.bring_together(*a, *b) && self.order(self.home(*a), Order::Command(command))
            }
            Command::Record { caller, operator, .. } => {
                self.bring_together(*caller, *operator) && self.order(self.home(*caller), Order::Command(command))
            }
            Command::Mix { parties, .. } => {
                let first = parties.first().map(|party| party.anchor);
                let together = |party: &Party| first.is_some_and(|first| self.bring_together(first, party.anchor));
                parties.iter().all(together)
                    && self.order(first.and_then(|first| self.home(first)), Order::Command(command))
            }
            // The thread that has this recording or conference ends it.
            Command::StopRecord { .. } | Command::Unmix { .. } => {
                let refused =
                    self.threads.iter().filter(|thread| !self.order(Some(thread), Order::Command(command.clone())));
                refused.count() == 0
            }
        };
        if !taken {
            self.figures.commands_dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Figures for the metrics.
    pub fn counters(&self) -> MediaCounters {
        let failed = u64::try_from(self.ports.failed).unwrap_or(0);
        MediaCounters { port_pairs_failed: failed, ..self.figures.read() }
    }

    /// Closes the recordings and ends the threads. Returns the markers to settle once the facts of all recordings are in the journal.
    pub fn stop(mut self) -> Vec<DueMarker> {
        self.end()
    }

    fn end(&mut self) -> Vec<DueMarker> {
        for thread in &mut self.threads {
            let Some(join) = thread.join.take() else { continue };
            drop(thread.orders.send(Order::End));
            thread.wake.wake();
            if join.join().is_err() {
                warn!("a media thread has panicked");
            }
        }
        self.recorder.take().map(|mut recorder| recorder.stop()).unwrap_or_default()
    }

    fn start_thread<F>(&mut self, clock: Clock, relay: Relay, events: F) -> anyhow::Result<()>
    where
        F: FnMut(Event) + Send + 'static,
    {
        let (orders, inbox) = sync_channel(MEDIA_COMMANDS_MAX);
        let (wake, waking) = (Wake::new()?, Arc::new(AtomicBool::new(false)));
        let setup = Setup {
            clock,
            relay,
            ports: Arc::clone(&self.ports),
            orders: inbox,
            waking: Arc::clone(&waking),
            recorder: self.recorder.as_ref().map(|recorder| recorder.orders.clone()),
            events,
            figures: Arc::clone(&self.figures),
        };
        let (ready, started) = sync_channel(1);
        let (engine, thread_wake) = (self.engine, wake.clone());
        let join = thread::Builder::new().name("media".into()).spawn(move || {
            let ports = Arc::clone(&setup.ports);
            let worker = Worker::new(setup);
            // A ring belongs to the thread that creates it.
            let made = match engine {
                Engine::IoUring => RingEngine::new(&ports, thread_wake).map(|mut engine| {
                    drop(ready.send(Ok(())));
                    worker.run(&mut engine);
                }),
                Engine::Epoll | Engine::Auto => EpollEngine::new(ports, thread_wake).map(|mut engine| {
                    drop(ready.send(Ok(())));
                    worker.run(&mut engine);
                }),
            };
            if let Err(error) = made {
                drop(ready.send(Err(error)));
            }
        })?;
        self.threads.push(Thread { orders, wake, waking, due: AtomicBool::new(false), join: Some(join) });
        started.recv().context("a media thread ended at its start")?.context("a media thread cannot start")
    }

    fn home(&self, anchor: AnchorId) -> Option<&Thread> {
        let home = self.homes.get(usize::try_from(anchor.slot).ok()?)?.load(Ordering::Relaxed);
        self.threads.get(usize::from(home))
    }

    /// Moves the second anchor to the thread of the first.
    fn bring_together(&self, first: AnchorId, second: AnchorId) -> bool {
        let home = |anchor: AnchorId| self.homes.get(usize::try_from(anchor.slot).ok()?);
        let (Some(to), Some(from)) = (home(first), home(second)) else { return false };
        let target = to.load(Ordering::Relaxed);
        if target == from.load(Ordering::Relaxed) {
            return true;
        }
        let (hand, taker) = sync_channel(1);
        let giver = self.home(second);
        let given = self.order(giver, Order::Give(second.slot, hand));
        // The adopting thread may take its order at once and then waits for the leg: the giving thread is woken now, not at the end of the
        // turn.
        giver.filter(|_| given).inspect(|giver| giver.wake_if_due());
        let moved = given && self.order(self.home(first), Order::Adopt(second.slot, taker));
        if moved {
            from.store(target, Ordering::Relaxed);
        }
        moved
    }

    fn order(&self, thread: Option<&Thread>, order: Order) -> bool {
        let Some(thread) = thread else { return false };
        let taken = thread.orders.try_send(order).is_ok();
        if taken {
            thread.due.store(true, Ordering::Relaxed);
        }
        taken
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.end();
    }
}

/// Chooses the engine.
fn choose(wanted: Engine) -> Engine {
    // On a separate thread, because a closed ring interrupts later system calls of the thread that created it.
    let probe = || thread::spawn(RingEngine::probe).join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    match (wanted, (wanted != Engine::Epoll).then(probe)) {
        (Engine::Epoll, _) | (_, None) => Engine::Epoll,
        (Engine::IoUring | Engine::Auto, Some(Ok(()))) => Engine::IoUring,
        (Engine::IoUring, Some(Err(error))) => {
            warn!(%error, "io_uring is configured but cannot be used here: epoll is used");
            Engine::Epoll
        }
        (Engine::Auto, Some(Err(error))) => {
            info!(%error, "io_uring cannot be used here");
            Engine::Epoll
        }
    }
}

/// Reads the prompts of a folder. A missing or invalid file affects only its own prompt.
fn load(folder: &Path) -> Sounds {
    let mut sounds = Sounds::default();
    for prompt in Prompt::ALL {
        let path = folder.join(prompt.file());
        match fs::read(&path).map_err(anyhow::Error::from).and_then(|bytes| Ok(Sound::from_wav(&bytes)?)) {
            Ok(sound) => sounds.set(prompt, sound),
            Err(error) => warn!(path = %path.display(), %error, "an announcement cannot be played"),
        }
    }
    // Music is needed only if it is configured, and the configuration warns if it is missing. Without the PIN prompt a tone is played.
    for prompt in [Prompt::Music, Prompt::Pin] {
        let sound = fs::read(folder.join(prompt.file())).ok().and_then(|bytes| Sound::from_wav(&bytes).ok());
        sound.into_iter().for_each(|sound| sounds.set(prompt, sound));
    }
    load_places(folder, &mut sounds);
    sounds
}

/// Reads the announcements of the queue position. A city's own folder may lack some or all of them; one log line reports it.
fn load_places(folder: &Path, sounds: &mut Sounds) {
    let read = |file: &str| -> anyhow::Result<Sound> { Ok(Sound::from_wav(&fs::read(folder.join(file))?)?) };
    let mut missing = Vec::new();
    for (number, file) in (1..).zip(Place::NUMBERS) {
        match read(file) {
            Ok(sound) => sounds.set(Prompt::Place(Place { number, minutes: None }), sound),
            Err(_) => missing.push(file),
        }
    }
    for (minutes, file) in (0..).zip(Place::MINUTES) {
        match read(file) {
            Ok(sound) => sounds.set_minutes(minutes, sound),
            Err(_) => missing.push(file),
        }
    }
    if !missing.is_empty() {
        let files = missing.join(" ");
        warn!(folder = %folder.display(), files, "these announcements of place and wait cannot be played");
    }
}
