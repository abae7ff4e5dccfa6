//! The guard: limits the requests of each source, and bans sources for a time. It judges by source address only and does not know trunks
//! or operators: the code that uses it decides which sources are exempt.
//!
//! The source of a datagram can be forged. So no ban is permanent, exempt addresses are never checked here, and datagrams that prove
//! nothing neither ban nor silence an address with a live registration.

mod guesses;
mod scanners;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::clock::{Deadlines, Instant, earliest};
use crate::limits::{GUARD_BANS_MAX, GUARD_SOURCES_MAX};

pub use self::guesses::{Guesses, Guessing, Standing};
pub use self::scanners::Scanners;

/// Multiple of the permitted rate above which a source is banned.
const FAR_OVER: u32 = 10;
/// Multiple of the permitted burst for the same limit.
const FAR_BURST: u32 = 5;
/// Wrong credentials are forgiven one by one, each after this time.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Multiple of the permitted wrong credentials for a network with a registered phone, because a whole office may share the address.
const RESIDENT_PATIENCE: u32 = 4;

/// The challenges of one network in a ban, as a multiple of its rate.
const CHALLENGES_TIMES: u32 = 10;

/// The limits of the guard.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// Requests per second from one source; 0: no limit.
    pub requests_per_second: u32,
    /// Maximum burst of requests from one source.
    pub burst: u32,
    /// Wrong credentials before a ban.
    pub failures: u32,
    /// The first ban of a source; each further one takes twice as long, up to `ban_longest`.
    pub ban_first: Duration,
    pub ban_longest: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            requests_per_second: 20,
            burst: 200,
            failures: 10,
            ban_first: Duration::from_secs(60),
            ban_longest: Duration::from_secs(3_600),
        }
    }
}

/// Why a message was dropped, or a source banned.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A known scanner's name.
    Scanner,
    /// More requests than the permitted rate.
    Rate,
    /// Banned.
    Banned,
    /// Wrong credentials.
    Credentials,
    /// The service is overloaded, and the request can be repeated.
    Overload,
    /// A request in a dialog, or a CANCEL, from a host outside the dialog.
    Foreign,
}

impl Reason {
    pub const ALL: [Self; 6] =
        [Self::Scanner, Self::Rate, Self::Banned, Self::Credentials, Self::Overload, Self::Foreign];

    /// The word in metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scanner => "scanner",
            Self::Rate => "rate",
            Self::Banned => "banned",
            Self::Credentials => "credentials",
            Self::Overload => "overload",
            Self::Foreign => "foreign",
        }
    }
}

/// Whether a phone is registered at a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resident {
    /// None.
    No,
    /// A phone at another port of the same network.
    Host,
    /// A phone at exactly this address and port.
    Phone,
}

/// The guard's decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Yes,
    /// No response, unless the request has the correct response to a challenge.
    OnlyProven(Reason),
    /// Like `OnlyProven`, but phones without credentials still get challenges (`may_challenge`).
    OnlyProvenOrNew(Reason),
}

/// A ban that runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Ban {
    /// An IPv4 address, or the first of a /64.
    #[schema(value_type = String)]
    pub address: IpAddr,
    pub reason: Reason,
    /// Seconds until the ban ends, rounded up.
    pub seconds: u64,
    /// The number of this ban for the source, from 1.
    pub nth: u32,
}

/// A leaky bucket: full when its time is a whole depth ahead of now, empty when the time is reached.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Bucket(Instant);

impl Bucket {
    /// Adds one drop, which leaks after `interval`. Returns false if it does not fit.
    fn take(&mut self, now: Instant, interval: Duration, depth: u32) -> bool {
        let next = self.0.max(now) + interval;
        let fits = next.since(now) <= interval * depth.max(1);
        if fits {
            self.0 = next;
        }
        fits
    }

    /// The number of drops in it, rounded up.
    fn level(self, now: Instant, interval: Duration) -> u32 {
        u32::try_from(self.0.since(now).as_nanos().div_ceil(interval.as_nanos().max(1))).unwrap_or(u32::MAX)
    }
}

/// The state of one source.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Source {
    requests: Bucket,
    far_over: Bucket,
    failures: Bucket,
    /// The time from which on nothing is counted against it.
    clean_at: Instant,
}

/// The unit for which requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
enum Key {
    /// All sources of one network (`source_network`).
    Network(IpAddr),
    /// A registered phone.
    Phone(SocketAddr),
    /// Challenges to one address and port.
    Challenged(SocketAddr),
    /// Challenges to one network.
    Challenges(IpAddr),
    /// A participant of dialogs.
    Participant(SocketAddr),
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct Banned {
    reason: Reason,
    nth: u32,
    /// The ban was caused by datagrams with a source that may be forged: a valid response from there ends it.
    forgeable: bool,
    /// Phones there still get challenges.
    challenges: bool,
    /// None once the ban has ended and only its number is stored.
    until: Option<Instant>,
    /// When this entry changes next.
    due: Instant,
}

/// All recent sources.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Guard {
    terms: Terms,
    sources: BTreeMap<Key, Source>,
    /// The sources by the time at which they are clean; at the limit the first one is removed.
    clean: BTreeSet<(Instant, Key)>,
    bans: BTreeMap<IpAddr, Banned>,
    deadlines: Deadlines<IpAddr>,
    banned: usize,
    counts: [u64; Reason::ALL.len()],
    guesses: Guesses,
}

impl Guard {
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            sources: BTreeMap::new(),
            clean: BTreeSet::new(),
            bans: BTreeMap::new(),
            deadlines: Deadlines::default(),
            banned: 0,
            counts: [0; Reason::ALL.len()],
            guesses: Guesses::default(),
        }
    }

    /// Applies new terms; counts and bans stay.
    pub fn configure(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Checks a request of a source. `resident` is only called if it matters. `is_datagram`: the source could be forged. `Err` contains a
    /// ban that has just begun.
    pub fn ask(
        &mut self,
        now: Instant,
        source: SocketAddr,
        is_datagram: bool,
        resident: impl FnOnce() -> Resident,
    ) -> Result<Pass, Ban> {
        let network = source_network(source.ip());
        if let Some(challenges) = self.bans.get(&network).filter(|ban| ban.until.is_some()).map(|ban| ban.challenges) {
            // The neighbours of a phone with a wrong password share its address.
            if resident() == Resident::Phone && self.fits(now, Key::Phone(source)) {
                return Ok(Pass::Yes);
            }
            let pass = if challenges { Pass::OnlyProvenOrNew } else { Pass::OnlyProven };
            return Ok(pass(Reason::Banned));
        }
        let Terms { requests_per_second: rate, burst, .. } = self.terms;
        if rate == 0 {
            return Ok(Pass::Yes);
        }
        let interval = Duration::from_secs(1) / rate;
        let mut state = self.sources.get(&Key::Network(network)).copied().unwrap_or_default();
        let fits = state.requests.take(now, interval, burst);
        let bearable = fits || state.far_over.take(now, interval / FAR_OVER, burst.saturating_mul(FAR_BURST));
        self.remember(Key::Network(network), state);
        if fits {
            return Ok(Pass::Yes);
        }
        match resident() {
            Resident::Phone if self.fits(now, Key::Phone(source)) => Ok(Pass::Yes),
            Resident::Phone | Resident::Host if bearable => Ok(Pass::Yes),
            Resident::No if !bearable => {
                self.count(Reason::Rate);
                state.far_over = Bucket::default();
                self.remember(Key::Network(network), state);
                Err(self.ban(now, network, Reason::Rate, is_datagram, is_datagram))
            }
            Resident::Phone | Resident::Host => Ok(Pass::OnlyProvenOrNew(Reason::Rate)),
            Resident::No => Ok(Pass::OnlyProven(Reason::Rate)),
        }
    }

    /// True if a source whose request belongs to a dialog is within its rate. This rate is separate; other sources cannot use it up
    /// without the tags of a dialog.
    pub fn lets_participant_in(&mut self, now: Instant, source: SocketAddr) -> bool {
        self.fits(now, Key::Participant(source))
    }

    /// True if a phone without credentials gets a challenge in a ban, or above the rate. Each address and port has the usual rate, so that
    /// a flood in the name of one port takes nothing from others; all of a network have `CHALLENGES_TIMES` the rate, because ports can be
    /// forged too.
    pub fn may_challenge(&mut self, now: Instant, source: SocketAddr) -> bool {
        let rate = self.terms.requests_per_second;
        let Some(interval) = Duration::from_secs(1).checked_div(rate) else { return true };
        let all = Key::Challenges(source_network(source.ip()));
        self.takes(now, Key::Challenged(source), interval, rate)
            && self.takes(now, all, interval / CHALLENGES_TIMES, rate.saturating_mul(CHALLENGES_TIMES))
    }

    /// Counts wrong credentials of a source. Returns the ban that follows. `proven`: the source cannot be forged, because it is a
    /// connection or responds to a challenge that was sent there.
    pub fn failed(
        &mut self,
        now: Instant,
        source: IpAddr,
        proven: bool,
        is_resident: impl FnOnce() -> bool,
    ) -> Option<Ban> {
        self.count(Reason::Credentials);
        let network = source_network(source);
        if self.bans.get(&network).is_some_and(|ban| ban.until.is_some()) {
            return None;
        }
        let resident = is_resident();
        if resident && !proven {
            return None;
        }
        let key = Key::Network(network);
        let mut state = self.sources.get(&key).copied().unwrap_or_default();
        let patience = if resident { RESIDENT_PATIENCE } else { 1 };
        if state.failures.take(now, FORGIVEN_AFTER, self.terms.failures.saturating_mul(patience)) {
            self.remember(key, state);
            return None;
        }
        state.failures = Bucket::default();
        self.remember(key, state);
        Some(self.ban(now, network, Reason::Credentials, !proven, resident || !proven))
    }

    /// A source has sent the correct response to a challenge: a ban that a forger could have caused ends.
    pub fn proven(&mut self, source: IpAddr) {
        let network = source_network(source);
        if self.bans.get(&network).is_some_and(|ban| ban.forgeable && ban.until.is_some()) {
            self.lift(network);
        }
    }

    /// Wrong passwords by account.
    pub fn guesses(&mut self) -> &mut Guesses {
        &mut self.guesses
    }

    /// Counts a dropped or rejected request.
    pub fn count(&mut self, reason: Reason) {
        if let Some(count) = self.counts.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Ends a ban and resets its cause. Returns false if the address has none.
    pub fn lift(&mut self, address: IpAddr) -> bool {
        let network = source_network(address);
        let was = self.forget_ban(network).is_some_and(|ban| ban.until.is_some());
        for key in [Key::Network(network), Key::Challenges(network)] {
            if let Some(state) = self.sources.remove(&key) {
                self.clean.remove(&(state.clean_at, key));
            }
        }
        was
    }

    /// Ends bans, and removes sources that are clean.
    pub fn expire(&mut self, now: Instant) {
        while let Some((_, key)) = self.deadlines.pop_due(now) {
            let Some(ban) = self.bans.get_mut(&key) else { continue };
            if ban.until.take().is_some() {
                self.banned = self.banned.saturating_sub(1);
                ban.due = ban.due + self.terms.ban_longest;
                self.deadlines.insert(ban.due, key);
            } else {
                self.bans.remove(&key);
            }
        }
        while let Some(&(at, key)) = self.clean.first().filter(|(at, _)| *at <= now) {
            self.clean.remove(&(at, key));
            self.sources.remove(&key);
        }
    }

    /// The next time at which `expire` must run.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.guesses.poll_timeout(), earliest(self.deadlines.next(), self.clean.first().map(|(at, _)| *at)))
    }

    /// The current bans, in order of addresses.
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        let running = |(address, ban): (&IpAddr, &Banned)| {
            let seconds = whole_seconds(ban.until?.since(now));
            Some(Ban { address: *address, reason: ban.reason, seconds, nth: ban.nth })
        };
        self.bans.iter().filter_map(running).collect()
    }

    /// The number of current bans.
    pub fn banned(&self) -> usize {
        self.banned
    }

    /// Numbers of dropped or rejected requests since the start, by reason.
    pub fn counts(&self) -> [(Reason, u64); Reason::ALL.len()] {
        let mut counts = Reason::ALL.map(|reason| (reason, 0));
        for ((_, count), total) in counts.iter_mut().zip(self.counts) {
            *count = total;
        }
        counts
    }

    /// Checks that the tables are consistent.
    pub fn verify(&self) -> Result<(), String> {
        let running = self.bans.values().filter(|ban| ban.until.is_some()).count();
        if running != self.banned || self.deadlines.len() != self.bans.len() {
            return Err(format!("{} bans run, {} are counted, {} timed", running, self.banned, self.deadlines.len()));
        }
        if self.clean.len() != self.sources.len() || self.sources.len() > GUARD_SOURCES_MAX {
            return Err("a source is not on its way to be forgotten".to_owned());
        }
        Ok(())
    }

    /// True if one more request is within the rate.
    fn fits(&mut self, now: Instant, key: Key) -> bool {
        let Some(interval) = Duration::from_secs(1).checked_div(self.terms.requests_per_second) else { return true };
        self.takes(now, key, interval, self.terms.burst)
    }

    fn takes(&mut self, now: Instant, key: Key, interval: Duration, depth: u32) -> bool {
        let mut state = self.sources.get(&key).copied().unwrap_or_default();
        let fits = state.requests.take(now, interval, depth);
        self.remember(key, state);
        fits
    }

    fn remember(&mut self, key: Key, mut state: Source) {
        if let Some(old) = self.sources.get(&key) {
            self.clean.remove(&(old.clean_at, key));
        } else if self.sources.len() >= GUARD_SOURCES_MAX
            && let Some((_, other)) = self.clean.pop_first()
        {
            self.sources.remove(&other);
        }
        state.clean_at = state.requests.0.max(state.far_over.0).max(state.failures.0);
        self.clean.insert((state.clean_at, key));
        self.sources.insert(key, state);
    }

    fn ban(&mut self, now: Instant, key: IpAddr, reason: Reason, forgeable: bool, challenges: bool) -> Ban {
        let before = self.forget_ban(key).map_or(0, |ban| ban.nth);
        // The bucket starts full, so that the ban does not begin with a burst of challenges.
        let full = Source { requests: Bucket(now + Duration::from_secs(1)), ..Source::default() };
        self.remember(Key::Challenges(key), full);
        if self.bans.len() >= GUARD_BANS_MAX
            && let Some((_, other)) = self.deadlines.pop_due(Instant::from_nanos(u64::MAX))
            && self.bans.remove(&other).is_some_and(|ban| ban.until.is_some())
        {
            self.banned = self.banned.saturating_sub(1);
        }
        let doubled = self.terms.ban_first.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX));
        let span = doubled.min(self.terms.ban_longest);
        let (until, nth) = (now + span, before.saturating_add(1));
        self.bans.insert(key, Banned { reason, nth, forgeable, challenges, until: Some(until), due: until });
        self.deadlines.insert(until, key);
        self.banned += 1;
        Ban { address: key, reason, seconds: whole_seconds(span), nth }
    }

    fn forget_ban(&mut self, key: IpAddr) -> Option<Banned> {
        let ban = self.bans.remove(&key)?;
        self.deadlines.remove(ban.due, key);
        if ban.until.is_some() {
            self.banned = self.banned.saturating_sub(1);
        }
        Some(ban)
    }
}

/// The network that counts as one source: an IPv4 address, or the /64 of an IPv6 address, which usually belongs to one customer.
pub fn source_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
