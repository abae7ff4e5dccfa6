//! What is going to happen in a city, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use siaga::clock::Instant;
use siaga::sip::flow::Flow;

use super::floods::Attack;
use super::media::Later;
use super::phone;
use super::races::Deed;
use super::restarts::Moment;
use super::telco;

/// What happens at some point in time.
#[derive(Debug)]
pub(super) enum Event {
    ToService(SocketAddr, String),
    ToPeer(SocketAddr, bytes::Bytes),
    Unreachable(SocketAddr),
    /// A connection has ended, or cannot be made.
    Closed(Flow),
    Caller(u32, telco::Alarm),
    Phone(usize, phone::Alarm),
    Sound(Later),
    /// The next caller dials.
    Dial,
    /// A command at the console, or a change of the configuration.
    Meddle,
    /// Strangers try passwords, or just flood.
    Strangers,
    /// A stranger speaks in a dialog of others.
    Forge,
    /// An attacker forges network errors or requests, or floods the service.
    Attack(Attack),
    Drain,
    HangUpAll,
    /// One side of a race, at a phone.
    Race(usize, Deed),
    /// The service ends or starts in the middle of the story.
    Restart(Moment),
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    serial: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

/// All events to come.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    serial: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, event: Event) {
        self.serial += 1;
        self.entries.push(Reverse(Entry { at, serial: self.serial, event }));
    }

    /// How many events were added so far.
    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, Event)> {
        self.entries.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }

    /// Removes the events that do not satisfy `stays`.
    pub(super) fn retain(&mut self, stays: impl Fn(&Event) -> bool) {
        self.entries.retain(|Reverse(entry)| stays(&entry.event));
    }
}
