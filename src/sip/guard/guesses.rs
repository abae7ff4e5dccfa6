//! Wrong passwords by account, whatever their source. After some of them, a source must wait before its next attempt at that account is
//! checked, longer each time. No account is ever locked: every source gets its attempts. A registered phone that responds to a challenge
//! at its own address does not wait, nor does one that registers with the Call-ID of an earlier registration.
//!
//! A network is one source until the account's password has been received from it, which shows that phones are there. From then on, each
//! address that has sent the password is a separate source. A connection or port that has not failed itself does not wait because of its
//! neighbours, as long as few such attempts fail: even where no phone has sent the password yet, a new phone may be next to a guesser.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Bucket, source_network};
use crate::clock::Instant;
use crate::limits::{GUESS_WAITS_MAX, PROVEN_SOURCES_MAX, UNKNOWN_ACCOUNTS_COUNTED};

/// Wrong passwords of one account before a source that has never authenticated must wait.
const FREE: u32 = 12;
/// The same limit for a network from which the account's password was received before: a phone with a wrong password may be there.
const FREE_PROVEN: u32 = 48;
/// Number of wrong passwords at which the alarm of an account ends.
const CALM: u32 = FREE / 2;
/// Maximum wrong passwords that are counted.
const COUNTED_MAX: u32 = 64;
/// Wrong passwords are forgiven one by one, each after this time.
const FORGIVEN_AFTER: Duration = Duration::from_secs(120);
/// The first wait; each further wrong password doubles it, up to `LONGEST_WAIT`.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Attempts of new connections and ports in a phone's network that may fail while others there must wait; each is forgiven after
/// `FRESH_FORGIVEN_AFTER`. Every such attempt is a guess.
const FRESH: u32 = 10;
const FRESH_FORGIVEN_AFTER: Duration = Duration::from_secs(2);
/// The same limit for all networks from which the password was never received.
const FRESH_ELSEWHERE: u32 = 4;
const FRESH_ELSEWHERE_FORGIVEN_AFTER: Duration = Duration::from_secs(10);

/// What is known about a source that sends a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The address could be forged. Its attempts delay only attempts of the same kind.
    Forgeable,
    /// A connection, or the nonce of its credentials was issued to its network.
    Reachable,
    /// A registered phone of this account that responds at its own address to a challenge that was sent there; or a REGISTER with a
    /// Call-ID of this account's phones.
    Phone,
}

/// An account, or the number of a count for names without an account: both are treated alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
enum Subject {
    Account(String),
    Unknown(usize),
}

/// An account whose password is being guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guessing {
    pub account: String,
    /// The source of the last wrong password.
    pub source: IpAddr,
    /// Wrong passwords that are not forgiven yet.
    pub failures: u32,
}

/// The counts of one account.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Count {
    failures: Bucket,
    /// Failed attempts of connections and ports that had not failed before, while their network had to wait: where the password was shown
    /// before, and elsewhere.
    fresh: Bucket,
    fresh_elsewhere: Bucket,
    /// Addresses from which the correct password was received, latest last.
    proven: VecDeque<IpAddr>,
    /// Hashed Call-IDs of REGISTERs with the correct password, latest last.
    registrations: VecDeque<u64>,
}

impl Count {
    /// True if the password was received from the network of this address.
    fn is_home(&self, address: IpAddr) -> bool {
        self.proven.iter().any(|proven| source_network(*proven) == source_network(address))
    }

    /// True if one more new connection or port may fail while others must wait.
    fn has_fresh(&self, now: Instant, address: IpAddr) -> bool {
        match self.is_home(address) {
            true => self.fresh.level(now, FRESH_FORGIVEN_AFTER) < FRESH,
            false => self.fresh_elsewhere.level(now, FRESH_ELSEWHERE_FORGIVEN_AFTER) < FRESH_ELSEWHERE,
        }
    }

    fn take_fresh(&mut self, now: Instant, address: IpAddr) {
        match self.is_home(address) {
            true => self.fresh.take(now, FRESH_FORGIVEN_AFTER, FRESH),
            false => self.fresh_elsewhere.take(now, FRESH_ELSEWHERE_FORGIVEN_AFTER, FRESH_ELSEWHERE),
        };
    }
}

/// The sources that wait together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
enum Place {
    Network(IpAddr),
    /// An address that has sent the password.
    Address(IpAddr),
    /// A connection or port.
    End(SocketAddr),
}

/// Attempts that wait together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
struct Attempt {
    subject: Subject,
    place: Place,
    forgeable: bool,
}

/// The wrong passwords of all accounts.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Guesses {
    counts: BTreeMap<Subject, Count>,
    /// The time from which on the next attempt of a network at an account is checked.
    waits: BTreeMap<Attempt, Instant>,
    waits_by_end: BTreeSet<(Instant, Attempt)>,
    /// Accounts with an alarm, and the time at which its cause ends.
    guessed: BTreeMap<String, Instant>,
    guessed_by_end: BTreeSet<(Instant, String)>,
}

impl Guesses {
    /// How long a source must wait until an attempt at an account is checked. None: it is checked now.
    pub fn wait(
        &self,
        now: Instant,
        account: Option<&str>,
        name: &str,
        source: SocketAddr,
        standing: Standing,
    ) -> Option<Duration> {
        if standing == Standing::Phone {
            return None;
        }
        let (attempt, own) = self.attempts(subject(account, name), source, standing);
        let until = |attempt: &Attempt| Some(self.waits.get(attempt)?.since(now)).filter(|wait| !wait.is_zero());
        let own = match own {
            None => return until(&attempt),
            Some(own) => until(&own),
        };
        let count = self.counts.get(&attempt.subject);
        let has_fresh = count.is_none_or(|count| count.has_fresh(now, source.ip().to_canonical()));
        own.or_else(|| until(&attempt).filter(|_| !has_fresh))
    }

    /// Counts a wrong password of a source for `name`; `account` is the name of the account, if there is one. Returns the alarm that
    /// begins with it.
    pub fn failed(
        &mut self,
        now: Instant,
        account: Option<&str>,
        name: &str,
        source: SocketAddr,
        standing: Standing,
    ) -> Option<Guessing> {
        let (attempt, own) = self.attempts(subject(account, name), source, standing);
        let waits = |attempt: &Attempt| self.waits.get(attempt).is_some_and(|until| *until > now);
        let is_fresh = own.as_ref().is_some_and(|own| waits(&attempt) && !waits(own));
        let address = source.ip().to_canonical();
        let count = self.counts.entry(attempt.subject.clone()).or_default();
        count.failures.take(now, FORGIVEN_AFTER, COUNTED_MAX);
        if is_fresh {
            count.take_fresh(now, address);
        }
        let free = if own.is_some() && count.is_home(address) { FREE_PROVEN } else { FREE };
        let failures = count.failures.level(now, FORGIVEN_AFTER);
        if let Some(doublings) = failures.saturating_sub(free).checked_sub(1) {
            let doubled = FIRST_WAIT.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
            let until = now + doubled.min(LONGEST_WAIT);
            for attempt in own.into_iter().chain([attempt]) {
                self.set_wait(now, attempt, until);
            }
        }
        let account = account.filter(|_| failures > FREE)?;
        let calm_at = now + FORGIVEN_AFTER * (failures - CALM);
        let guessing = Guessing { account: account.to_owned(), source: source.ip(), failures };
        self.raise(account, calm_at).then_some(guessing)
    }

    /// Raises the alarm of an account, at least until `calm_at`. Returns true if it is new.
    pub fn raise(&mut self, account: &str, calm_at: Instant) -> bool {
        let before = self.guessed.get(account).copied();
        let calm_at = before.map_or(calm_at, |before| before.max(calm_at));
        self.guessed.insert(account.to_owned(), calm_at);
        if let Some(before) = before {
            self.guessed_by_end.remove(&(before, account.to_owned()));
        }
        self.guessed_by_end.insert((calm_at, account.to_owned()));
        before.is_none()
    }

    /// The next account whose password is no longer being guessed.
    pub fn pop_calm(&mut self, now: Instant) -> Option<String> {
        self.guessed_by_end.first().filter(|(at, _)| *at <= now)?;
        let (_, account) = self.guessed_by_end.pop_first()?;
        self.guessed.remove(&account);
        Some(account)
    }

    /// The next time at which `pop_calm` returns an account.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.guessed_by_end.first().map(|(at, _)| *at)
    }

    /// Records that the correct password of an account was received from a source.
    pub fn succeeded(&mut self, account: &str, source: SocketAddr, standing: Standing) {
        let subject = Subject::Account(account.to_owned());
        let (attempt, own) = self.attempts(subject.clone(), source, standing);
        for attempt in own.into_iter().chain([attempt]) {
            if let Some(until) = self.waits.remove(&attempt) {
                self.waits_by_end.remove(&(until, attempt));
            }
        }
        let address = source.ip().to_canonical();
        keep_latest(&mut self.counts.entry(subject).or_default().proven, address);
    }

    /// Records a registration of the account from before the start of the service, with its address and Call-ID.
    pub fn restored(&mut self, account: &str, address: IpAddr, call_id: &[u8]) {
        let count = self.counts.entry(Subject::Account(account.to_owned())).or_default();
        keep_latest(&mut count.proven, address.to_canonical());
        self.registered(account, call_id);
    }

    /// Records the Call-ID of a REGISTER with the correct password. A phone uses it again (RFC 3261 §10.2.4), and no one else knows it.
    pub fn registered(&mut self, account: &str, call_id: &[u8]) {
        let count = self.counts.entry(Subject::Account(account.to_owned())).or_default();
        keep_latest(&mut count.registrations, hash(call_id));
    }

    /// True if a phone of the account has registered with this Call-ID.
    pub fn has_registered(&self, account: &str, call_id: &[u8]) -> bool {
        let count = self.counts.get(&Subject::Account(account.to_owned()));
        count.is_some_and(|count| count.registrations.contains(&hash(call_id)))
    }

    /// Removes accounts that no longer exist, with their delays; their alarms end.
    pub fn keep_accounts(&mut self, exists: impl Fn(&str) -> bool) {
        let stays = |subject: &Subject| match subject {
            Subject::Account(name) => exists(name),
            Subject::Unknown(_) => true,
        };
        self.counts.retain(|subject, _| stays(subject));
        self.waits.retain(|attempt, _| stays(&attempt.subject));
        self.waits_by_end.retain(|(_, attempt)| stays(&attempt.subject));
        let gone: Vec<String> = self.guessed.keys().filter(|name| !exists(name)).cloned().collect();
        for account in gone {
            let at_once = Instant::from_nanos(0);
            if let Some(before) = self.guessed.insert(account.clone(), at_once) {
                self.guessed_by_end.remove(&(before, account.clone()));
            }
            self.guessed_by_end.insert((at_once, account));
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        assert_eq!(self.waits.len(), self.waits_by_end.len());
        self.waits.len()
    }

    /// The group with which an attempt waits, and, if its source cannot be forged, its own entry.
    fn attempts(&self, subject: Subject, source: SocketAddr, standing: Standing) -> (Attempt, Option<Attempt>) {
        let (address, forgeable) = (source.ip().to_canonical(), standing == Standing::Forgeable);
        let count = self.counts.get(&subject).filter(|_| !forgeable);
        let has_proven = count.is_some_and(|count| count.proven.contains(&address));
        let place = if has_proven { Place::Address(address) } else { Place::Network(source_network(address)) };
        let own = Place::End(SocketAddr::new(address, source.port()));
        let own = (!forgeable).then_some(own);
        let attempt = |place| Attempt { subject: subject.clone(), place, forgeable };
        (attempt(place), own.map(attempt))
    }

    fn set_wait(&mut self, now: Instant, attempt: Attempt, until: Instant) {
        while let Some((end, _)) = self.waits_by_end.first()
            && (*end <= now || self.waits.len() >= GUESS_WAITS_MAX)
            && let Some((_, attempt)) = self.waits_by_end.pop_first()
        {
            self.waits.remove(&attempt);
        }
        if let Some(old) = self.waits.insert(attempt.clone(), until) {
            self.waits_by_end.remove(&(old, attempt.clone()));
        }
        self.waits_by_end.insert((until, attempt));
    }
}

/// Appends a value; at the limit the oldest one is removed.
fn keep_latest<T: PartialEq>(known: &mut VecDeque<T>, value: T) {
    known.retain(|other| *other != value);
    if known.len() >= PROVEN_SOURCES_MAX {
        known.pop_front();
    }
    known.push_back(value);
}

fn hash(text: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::digest(text).into();
    hash.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// Names without an account share a fixed number of counts, so that the effort for them does not reveal which accounts exist.
fn subject(account: Option<&str>, name: &str) -> Subject {
    if let Some(account) = account {
        return Subject::Account(account.to_owned());
    }
    Subject::Unknown(usize::try_from(hash(name.as_bytes())).unwrap_or(0) % UNKNOWN_ACCOUNTS_COUNTED)
}
