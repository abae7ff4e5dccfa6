//! Shifts by time of day: who is on shift when. The caller supplies the time zone as data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::roster::{Roster, RosterFault};
use super::section::{SectionFault, ShiftSection};
use crate::clock::Timestamp;
use crate::ids::OperatorId;

/// Days around today whose shifts are examined: a shift lasts at most one day, and one begins on each day.
const DAYS_AROUND: [i32; 4] = [-1, 0, 1, 2];

/// A shift that takes place every day, in local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftTimes {
    /// The name by which the roster refers to the shift.
    pub name: String,
    pub start: Time,
    /// If it is not later than `start`, the shift ends on the next day.
    pub end: Time,
}

impl ShiftTimes {
    /// Reads a section; returns all of its errors at once.
    pub fn parse(section: &ShiftSection) -> Result<Self, Vec<SectionFault>> {
        let mut faults = Vec::new();
        let mut fault = |key, found: &str, expected| {
            faults.push(SectionFault { key, found: found.to_owned(), expected });
        };
        let name = section.name.trim();
        if name.is_empty() {
            fault("name", &section.name, "a name");
        }
        let start = clock_time(&section.start);
        if start.is_none() {
            fault("start", &section.start, "a local time from 00:00 to 23:59");
        }
        let end = if section.end.trim() == "24:00" { Some(Time::midnight()) } else { clock_time(&section.end) };
        if end.is_none() {
            fault("end", &section.end, "a local time from 00:00 to 24:00");
        }
        match (start, end, faults.is_empty()) {
            (Some(start), Some(end), true) => Ok(Self { name: name.to_owned(), start, end }),
            (_, _, _) => Err(faults),
        }
    }

    /// The time span of the shift that starts on `date`. A local time that a clock change skips is moved forward by the length of the gap;
    /// of a local time that occurs twice, the first is used. None if nothing of the shift remains.
    fn span(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let last = if self.end <= self.start { date.tomorrow().ok()? } else { date };
        let start = zone.to_timestamp(date.to_datetime(self.start)).ok()?.as_millisecond();
        let end = zone.to_timestamp(last.to_datetime(self.end)).ok()?.as_millisecond();
        (start < end).then_some((Timestamp::from_millis(start), Timestamp::from_millis(end)))
    }
}

/// Shifts without a roster: all operators have every shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    shifts: Vec<ShiftTimes>,
    zone: TimeZone,
}

/// Whether an operator is on shift at some time, and until when this holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShiftStatus {
    pub on_shift: bool,
    /// When to check again; None: never.
    pub until: Option<Timestamp>,
}

/// The shift plan, as time spans. Empty: all operators are always on shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// False: no shifts are configured, and all operators are always on shift.
    pub rostered: bool,
    /// Sorted time spans of each operator, which do not overlap: on shift from the first time (inclusive) to the second (exclusive).
    pub spans: BTreeMap<OperatorId, BTreeSet<(Timestamp, Timestamp)>>,
    /// Replaces the spans if there are shifts but no roster.
    pub everybody: Option<Daily>,
    /// When operators are appointed by decrees. An operator without an entry has no limit.
    pub validity: BTreeMap<OperatorId, BTreeSet<(Timestamp, Timestamp)>>,
}

/// A time in which fewer operators are on shift than the minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    /// The lowest number of operators on shift in this time.
    pub fewest: usize,
}

impl Plan {
    /// Builds the plan. Without shifts, all operators are always on shift. With shifts but no roster, all operators have every shift. With
    /// a roster, only the operators in it are on shift. Errors are roster entries whose shift does not exist.
    pub fn build(shifts: &[ShiftTimes], roster: Option<&Roster>, zone: &TimeZone) -> Result<Self, Vec<RosterFault>> {
        match roster {
            Some(roster) => Self::rostered(shifts, roster, zone),
            None if shifts.is_empty() => Ok(Self::default()),
            None => {
                let daily = Daily { shifts: shifts.to_vec(), zone: zone.clone() };
                Ok(Self { rostered: true, everybody: Some(daily), ..Self::default() })
            }
        }
    }

    /// Whether `operator` is on shift at `at`. O(log n).
    pub fn standing(&self, operator: &OperatorId, at: Timestamp) -> ShiftStatus {
        let by_shift = self.standing_by_shift(operator, at);
        let Some(spans) = self.validity.get(operator) else { return by_shift };
        let by_decree = standing(spans, at);
        let until = match (by_shift.until, by_decree.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        ShiftStatus {
            on_shift: by_shift.on_shift && by_decree.on_shift,
            until: until.filter(|until| until.as_millis() < i64::MAX),
        }
    }

    /// False if all operators are always on shift.
    pub fn changes(&self) -> bool {
        self.rostered || !self.validity.is_empty()
    }

    /// Extends each shift of the roster by `overlap`, until the next operators have taken over.
    #[must_use]
    pub fn with_overlap(mut self, overlap: Duration) -> Self {
        let millis = i64::try_from(overlap.as_millis()).unwrap_or(0);
        let later = |at: Timestamp| Timestamp::from_millis(at.as_millis().saturating_add(millis));
        for own in self.spans.values_mut() {
            *own = merged(&own.iter().map(|(start, end)| (*start, later(*end))).collect());
        }
        self
    }

    /// Times from `from` to `to` in which fewer than `minimum` operators are on shift, in order. Without a roster, every shift counts as
    /// sufficiently staffed.
    pub fn gaps(&self, from: Timestamp, to: Timestamp, minimum: usize) -> Vec<Gap> {
        if !self.rostered || minimum == 0 {
            return Vec::new();
        }
        // How many operators start and end at each time.
        let mut edges: BTreeMap<Timestamp, (usize, usize)> = BTreeMap::new();
        for (start, end, count) in self.manned(from, to, minimum) {
            let (start, end) = (start.max(from), end.min(to));
            if start < end {
                edges.entry(start).or_default().0 += count;
                edges.entry(end).or_default().1 += count;
            }
        }
        edges.entry(to).or_default();
        let (mut gaps, mut since, mut on_shift) = (Vec::<Gap>::new(), from, 0_usize);
        for (at, (come, go)) in edges {
            if since < at && on_shift < minimum {
                match gaps.last_mut().filter(|gap| gap.to == since) {
                    Some(gap) => (gap.to, gap.fewest) = (at, gap.fewest.min(on_shift)),
                    None => gaps.push(Gap { from: since, to: at, fewest: on_shift }),
                }
            }
            on_shift = (on_shift + come).saturating_sub(go);
            since = at;
        }
        gaps
    }

    /// The operators on shift between `from` and `to`, with their times, according to roster and decrees; by name, then time. Operators in
    /// no roster are not listed.
    pub fn on_shift(&self, from: Timestamp, to: Timestamp) -> Vec<(OperatorId, Timestamp, Timestamp)> {
        let always = BTreeSet::from([(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX))]);
        let mut all = Vec::new();
        for (operator, own) in &self.spans {
            let valid = self.validity.get(operator).unwrap_or(&always);
            for (start, end) in own.iter().filter(|(start, end)| *start < to && from < *end) {
                let cut = valid.iter().map(|(first, last)| (from.max(*start).max(*first), to.min(*end).min(*last)));
                all.extend(cut.filter(|(start, end)| start < end).map(|(start, end)| (operator.clone(), start, end)));
            }
        }
        all
    }

    /// Time spans in which operators are on shift, with their number.
    fn manned(&self, from: Timestamp, to: Timestamp, minimum: usize) -> Vec<(Timestamp, Timestamp, usize)> {
        if let Some(daily) = &self.everybody {
            return daily.between(from, to).into_iter().map(|(start, end)| (start, end, minimum)).collect();
        }
        let mut spans = Vec::new();
        for (operator, own) in &self.spans {
            for &(start, end) in own.iter().filter(|(start, end)| *start < to && from < *end) {
                match self.validity.get(operator) {
                    None => spans.push((start, end, 1)),
                    Some(valid) => {
                        spans.extend(valid.iter().map(|(first, last)| (start.max(*first), end.min(*last), 1)));
                    }
                }
            }
        }
        spans
    }

    fn standing_by_shift(&self, operator: &OperatorId, at: Timestamp) -> ShiftStatus {
        if !self.rostered {
            return ShiftStatus { on_shift: true, until: None };
        }
        match &self.everybody {
            Some(daily) => daily.standing(at),
            None => self
                .spans
                .get(operator)
                .map_or(ShiftStatus { on_shift: false, until: None }, |spans| standing(spans, at)),
        }
    }

    fn rostered(shifts: &[ShiftTimes], roster: &Roster, zone: &TimeZone) -> Result<Self, Vec<RosterFault>> {
        let mut faults = Vec::new();
        let mut known: BTreeMap<(Date, &str), Option<(Timestamp, Timestamp)>> = BTreeMap::new();
        let mut spans: BTreeMap<OperatorId, BTreeSet<(Timestamp, Timestamp)>> = BTreeMap::new();
        for entry in roster.entries() {
            let Some(shift) = shifts.iter().find(|shift| shift.name == entry.shift) else {
                let names: Vec<&str> = shifts.iter().map(|shift| shift.name.as_str()).collect();
                faults.push(RosterFault::unknown_shift(entry, &names));
                continue;
            };
            let span = known.entry((entry.date, shift.name.as_str())).or_insert_with(|| shift.span(entry.date, zone));
            spans.entry(entry.operator.clone()).or_default().extend(*span);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        for own in spans.values_mut() {
            *own = merged(own);
        }
        Ok(Self { rostered: true, spans, ..Self::default() })
    }
}

impl Daily {
    /// The shifts from the day before `from` to the day of `to`; adjacent shifts are merged.
    fn between(&self, from: Timestamp, to: Timestamp) -> BTreeSet<(Timestamp, Timestamp)> {
        let day = |at: Timestamp| {
            let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
            self.zone.to_datetime(at).date()
        };
        let (mut date, last) = (day(from).yesterday().unwrap_or(Date::MIN), day(to));
        let mut spans = BTreeSet::new();
        while date <= last {
            spans.extend(self.shifts.iter().filter_map(|shift| shift.span(date, &self.zone)));
            match date.tomorrow() {
                Ok(next) => date = next,
                Err(_) => break,
            }
        }
        merged(&spans)
    }

    fn standing(&self, at: Timestamp) -> ShiftStatus {
        let day = jiff::Timestamp::from_millisecond(at.as_millis()).map(|at| self.zone.to_datetime(at).date());
        let day = day.unwrap_or_default();
        let dates = DAYS_AROUND.iter().filter_map(|days| day.checked_add(jiff::Span::new().days(*days)).ok());
        let spans = dates.flat_map(|date| self.shifts.iter().filter_map(move |shift| shift.span(date, &self.zone)));
        standing(&merged(&spans.collect()), at)
    }
}

/// Merges spans that overlap or are adjacent.
pub(super) fn merged(spans: &BTreeSet<(Timestamp, Timestamp)>) -> BTreeSet<(Timestamp, Timestamp)> {
    let mut joined = BTreeSet::new();
    let mut open: Option<(Timestamp, Timestamp)> = None;
    for &(start, end) in spans {
        open = match open {
            Some((first, last)) if start <= last => Some((first, last.max(end))),
            Some(done) => {
                joined.insert(done);
                Some((start, end))
            }
            None => Some((start, end)),
        };
    }
    joined.extend(open);
    joined
}

fn standing(spans: &BTreeSet<(Timestamp, Timestamp)>, at: Timestamp) -> ShiftStatus {
    let here = (at, Timestamp::from_millis(i64::MAX));
    let current = spans.range(..=here).next_back().filter(|(_, end)| at < *end);
    match current {
        Some((_, end)) => ShiftStatus { on_shift: true, until: Some(*end) },
        None => ShiftStatus { on_shift: false, until: spans.range(here..).next().map(|(start, _)| *start) },
    }
}

/// Reads `HH:MM`.
fn clock_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits =
        |text: &str| (text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?;
    if minute.len() != 2 {
        return None;
    }
    Time::new(digits(hour)?, digits(minute)?, 0, 0).ok()
}
