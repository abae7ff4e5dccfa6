//! The callers of the synthetic city, as far as it knows them: recent numbers call again, and a few numbers make most pranks.

use std::collections::VecDeque;

use crate::cdr::fact::Class;
use crate::ids::Rng;

use super::draw;

/// Numbers that call again.
const RECENT_MAX: usize = 64;
const PRANKSTERS: u64 = 40;
/// The time within which a number counts as calling again.
pub(super) const AGAIN_MINUTES: u32 = 60;

/// One caller.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// None: the trunk shows no number.
    pub(super) number: Option<String>,
    /// The number of its calls within `AGAIN_MINUTES`, with this one.
    pub(super) calls: u32,
    /// True if the number is known for pranks.
    pub(super) known_prank: bool,
}

/// The numbers of the last calls, with the times of their calls.
#[derive(Debug)]
pub(super) struct Callers {
    recent: VecDeque<(String, i64)>,
    pranksters: Vec<String>,
}

impl Callers {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let pranksters = (0..PRANKSTERS).map(|_| number(rng)).collect();
        Self { recent: VecDeque::new(), pranksters }
    }

    /// Who calls at this time.
    pub(super) fn next(&mut self, class: Class, at: i64, rng: &mut Rng) -> Caller {
        if draw::chance(rng, 3) {
            return Caller { number: None, calls: 1, known_prank: false };
        }
        let is_prank = class == Class::Prank;
        let known = if is_prank && draw::chance(rng, 70) {
            draw::one_of(rng, &self.pranksters).and_then(|no| self.pranksters.get(no)).cloned()
        } else if draw::chance(rng, 12) {
            let again = self.recent.get(usize::try_from(rng.below(RECENT_MAX as u64)).unwrap_or(0));
            again.map(|(number, _)| number.clone())
        } else {
            None
        };
        let number = known.unwrap_or_else(|| number(rng));
        let since = at - i64::from(AGAIN_MINUTES) * 60_000;
        self.recent.retain(|(_, called)| *called >= since);
        let before = self.recent.iter().filter(|(of, _)| *of == number).count();
        self.recent.push_back((number.clone(), at));
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        let calls = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        Caller { number: Some(number), calls, known_prank: is_prank && before >= 2 }
    }
}

/// A mobile number.
fn number(rng: &mut Rng) -> String {
    format!("+628{:02}{:07}", 11 + rng.below(48), rng.below(10_000_000))
}
