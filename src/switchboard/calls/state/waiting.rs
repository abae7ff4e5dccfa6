//! The data of a call for the queue: its desk and place, its announcements, and the outside numbers that are tried
//! while it waits.

use crate::acd::desk::DeskNo;
use crate::clock::Instant;

/// The data of a call for the queue.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Waiting {
    desk: DeskNo,
    /// The number that is added to the priority of the call's desk. Lower priorities are served first.
    penalty: u8,
    /// Its number in the order of arrival, kept while an outside number has the call.
    arrival: Option<u64>,
    /// The caller hears the announcement or the waiting tone.
    announced: bool,
    /// The time at which the position in the queue is announced next.
    position_at: Option<Instant>,
    /// The centre was unstaffed when a fallback of this call began.
    unstaffed: bool,
    pub(in crate::switchboard) outside: OutsideNumbers,
}

impl Waiting {
    /// Assigns a new call to its desk.
    pub(in crate::switchboard) fn assign(&mut self, desk: DeskNo, penalty: u8) {
        (self.desk, self.penalty) = (desk, penalty);
    }

    /// The desks have new numbers.
    pub(in crate::switchboard) fn renumber_desk(&mut self, present: impl Fn(DeskNo) -> DeskNo) {
        self.desk = present(self.desk);
    }

    /// The desk to which the call belongs.
    pub(in crate::switchboard) fn desk(&self) -> DeskNo {
        self.desk
    }

    /// The call's priority: that of its desk plus the penalty.
    pub(in crate::switchboard) fn priority_at(&self, desk: u8) -> u8 {
        desk.saturating_add(self.penalty)
    }

    pub(in crate::switchboard) fn arrival(&self) -> Option<u64> {
        self.arrival
    }

    /// Keeps the place of a call that leaves the queue. None: the call does not wait now, and has its earlier place.
    pub(in crate::switchboard) fn keep_arrival(&mut self, arrival: Option<u64>) {
        self.arrival = arrival.or(self.arrival);
    }

    pub(in crate::switchboard) fn is_announced(&self) -> bool {
        self.announced
    }

    /// The caller hears the announcement from now on.
    pub(in crate::switchboard) fn begin_announcements(&mut self) {
        self.announced = true;
    }

    /// The caller is connected. Returns the time of the next announcement of the position.
    pub(in crate::switchboard) fn end_announcements(&mut self) -> Option<Instant> {
        self.announced = false;
        self.take_position_at()
    }

    pub(in crate::switchboard) fn position_at(&self) -> Option<Instant> {
        self.position_at
    }

    pub(in crate::switchboard) fn announce_position_at(&mut self, at: Instant) {
        self.position_at = Some(at);
    }

    pub(in crate::switchboard) fn take_position_at(&mut self) -> Option<Instant> {
        self.position_at.take()
    }

    /// Notes that a fallback of this call has begun while the centre was unstaffed. Returns true the first time.
    pub(in crate::switchboard) fn note_unstaffed(&mut self) -> bool {
        !std::mem::replace(&mut self.unstaffed, true)
    }
}

/// The outside numbers that are tried while a call waits, each with its time. The next one is last.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct OutsideNumbers(Vec<(Instant, String)>);

impl OutsideNumbers {
    /// Plans all numbers of a call's desk, the last one first.
    pub(in crate::switchboard) fn plan(&mut self, steps: impl Iterator<Item = (Instant, String)>) {
        self.0 = steps.collect();
    }

    pub(in crate::switchboard) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time of the next number.
    pub(in crate::switchboard) fn next_at(&self) -> Option<Instant> {
        self.0.last().map(|(at, _)| *at)
    }

    pub(in crate::switchboard) fn take_next(&mut self) -> Option<String> {
        self.0.pop().map(|(_, number)| number)
    }

    /// Puts a number before all others.
    pub(in crate::switchboard) fn put_first(&mut self, at: Instant, number: String) {
        self.0.push((at, number));
    }

    /// Removes all numbers. Returns the time of the next one.
    pub(in crate::switchboard) fn clear(&mut self) -> Option<Instant> {
        let at = self.next_at();
        self.0 = Vec::new();
        at
    }
}
