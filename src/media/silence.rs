//! Whether packets of a leg's peer arrive, and what was reported of that.

use std::time::Duration;

use crate::clock::Instant;

/// Number of packets from a host that is not accepted after which they are reported.
const FOREIGN_PACKETS: u8 = 5;

/// The time without packets of the peer.
#[derive(Debug)]
pub(super) struct Silence {
    last_packet: Instant,
    /// The current silence was reported. After `restart` or a new limit it can be reported again.
    reported: bool,
    /// Silence longer than this is reported, whatever the configuration says.
    limit: Option<Duration>,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Self {
        Self { last_packet: now, reported: false, limit: None }
    }

    /// A packet has arrived, or the peer's address is new.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.last_packet, self.reported) = (now, false);
    }

    /// Sets the limit; None: as configured.
    pub(super) fn set_limit(&mut self, limit: Option<Duration>) {
        self.reported &= limit.is_none();
        self.limit = limit;
    }

    /// The own limit, unless `configured` is shorter.
    pub(super) fn own_limit(&self, configured: Option<Duration>) -> Option<Duration> {
        self.limit.filter(|own| configured.is_none_or(|configured| *own <= configured))
    }

    /// True once for each silence that is longer than `configured` or the own limit.
    pub(super) fn begins(&mut self, now: Instant, configured: Option<Duration>) -> bool {
        let Some(limit) = self.limit.into_iter().chain(configured).min() else { return false };
        let begins = !self.reported && now.since(self.last_packet) >= limit;
        self.reported |= begins;
        begins
    }
}

/// Which arrivals of packets were reported.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Audio of the peer has arrived.
    heard: bool,
    /// `Event::Heard` is due with the next packet: it was never reported, or silence has been reported since.
    heard_owed: bool,
    /// Packets from hosts that are not accepted while nothing arrived from the peer; counted up to `FOREIGN_PACKETS`.
    missed: u8,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { heard: false, heard_owed: true, missed: 0 }
    }
}

impl Arrivals {
    /// Audio of the peer has arrived.
    pub(super) fn hear(&mut self) {
        self.heard = true;
    }

    /// Silence was reported.
    pub(super) fn fall_silent(&mut self) {
        self.heard_owed = true;
    }

    /// True once, when audio has arrived for the first time or after a reported silence.
    pub(super) fn take_heard(&mut self) -> bool {
        self.heard && std::mem::take(&mut self.heard_owed)
    }

    /// True if packets from hosts that are not accepted are still counted.
    pub(super) fn counts_foreign(&self) -> bool {
        self.missed < FOREIGN_PACKETS
    }

    /// Counts a packet from a host that is not accepted. True once, when some have arrived.
    pub(super) fn count_foreign(&mut self) -> bool {
        self.missed = self.missed.saturating_add(1);
        self.missed == FOREIGN_PACKETS
    }
}
