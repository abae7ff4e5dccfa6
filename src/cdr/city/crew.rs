//! The operators of the synthetic city: three crews in three shifts a day. An operator has one call at a time, then a wrap-up.

use crate::cdr::fact::FactKind;
use crate::clock::Timestamp;
use crate::ids::{OperatorId, Rng};

use super::draw;
use super::words::OPERATORS;

const MINUTE: i64 = 60_000;
/// The hours at which a crew takes over.
const SHIFTS: [u8; 3] = [7, 14, 21];
const CREWS: usize = 3;
/// Calls of a day for each operator of a crew.
const CALLS_PER_OPERATOR: u32 = 320;

/// One operator.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) operator: OperatorId,
    on_shift: bool,
    free_at: i64,
}

/// All operators, and the changes of their states that were not taken yet.
#[derive(Debug)]
pub(super) struct Crew {
    posts: Vec<Post>,
    shift: Option<usize>,
    changes: Vec<(i64, FactKind)>,
}

impl Crew {
    /// As many operators as the calls of a day need.
    pub(super) fn new(calls_per_day: u32) -> Self {
        let size = usize::try_from(calls_per_day / CALLS_PER_OPERATOR).unwrap_or(0).clamp(2, 60);
        let name = |no: usize| match OPERATORS.get(no % OPERATORS.len()) {
            Some(name) if no < OPERATORS.len() => (*name).to_owned(),
            Some(name) => format!("{name}.{}", no / OPERATORS.len() + 1),
            None => format!("operator.{no}"),
        };
        let operators = (0..size * CREWS).filter_map(|no| OperatorId::parse(&name(no)).ok());
        let posts = operators.map(|operator| Post { operator, on_shift: false, free_at: 0 }).collect();
        Self { posts, shift: None, changes: Vec::new() }
    }

    /// Changes the crew if a shift begins with this hour, and begins breaks.
    pub(super) fn begin_hour(&mut self, start: i64, hour: u8, rng: &mut Rng) {
        if self.shift.is_none() || SHIFTS.contains(&hour) {
            let shift = self.shift.map_or(0, |shift| shift + 1);
            self.shift = Some(shift);
            // A crew has the same hours for a week.
            let crew = (shift + shift / (7 * SHIFTS.len())) % CREWS;
            self.change_crew(start, crew);
        }
        for index in 0..self.posts.len() {
            let goes = self.posts.get(index).is_some_and(|post| post.on_shift) && draw::chance(rng, 12);
            if goes {
                self.take_a_break(index, start, rng);
            }
        }
    }

    fn change_crew(&mut self, start: i64, crew: usize) {
        for (no, post) in self.posts.iter_mut().enumerate() {
            let on_shift = no % CREWS == crew;
            if post.on_shift == on_shift {
                continue;
            }
            post.on_shift = on_shift;
            // Who has a call goes home after it.
            post.free_at = post.free_at.max(start);
            let (operator, state) = (post.operator.clone(), if on_shift { "ready" } else { "offline" }.to_owned());
            self.changes.push((post.free_at, FactKind::OperatorState { operator, state, reason: None }));
        }
    }

    fn take_a_break(&mut self, index: usize, start: i64, rng: &mut Rng) {
        let reason = if draw::chance(rng, 40) { "makan" } else { "sholat" };
        let Some(from) = self.posts.get(index).map(|post| post.free_at.max(start)) else { return };
        let until = from + draw::between(rng, 8 * MINUTE, 25 * MINUTE);
        self.change(index, from, "break", Some(reason));
        self.change(index, until, "ready", None);
        self.busy_until(index, until);
    }

    /// The operator on shift who has been free longest, or who is free first.
    pub(super) fn next(&self) -> Option<(usize, i64)> {
        let on_shift = self.posts.iter().enumerate().filter(|(_, post)| post.on_shift);
        on_shift.min_by_key(|(no, post)| (post.free_at, *no)).map(|(no, post)| (no, post.free_at))
    }

    pub(super) fn operator(&self, index: usize) -> Option<OperatorId> {
        self.posts.get(index).map(|post| post.operator.clone())
    }

    /// Notes a change of the operator's state.
    pub(super) fn change(&mut self, index: usize, at: i64, state: &str, reason: Option<&str>) {
        if let Some(operator) = self.operator(index) {
            let (state, reason) = (state.to_owned(), reason.map(str::to_owned));
            self.changes.push((at, FactKind::OperatorState { operator, state, reason }));
        }
    }

    pub(super) fn busy_until(&mut self, index: usize, at: i64) {
        if let Some(post) = self.posts.get_mut(index) {
            post.free_at = at;
        }
    }

    /// The changes of states since the last time.
    pub(super) fn take_changes(&mut self) -> Vec<(Timestamp, FactKind)> {
        let mut changes: Vec<_> = self.changes.drain(..).map(|(at, kind)| (Timestamp::from_millis(at), kind)).collect();
        changes.sort_by_key(|(at, _)| *at);
        changes
    }
}
