//! The counters of a call.

use crate::ids::LegNo;

/// The counters from which a call numbers its facts, legs and digits.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Counts {
    facts: u32,
    legs: u32,
    digits: u16,
}

impl Counts {
    /// The number of the next fact.
    pub(in crate::switchboard) fn next_fact(&mut self) -> u32 {
        self.facts += 1;
        self.facts
    }

    /// The number of a new leg.
    pub(in crate::switchboard) fn next_leg(&mut self) -> LegNo {
        self.legs = self.legs.saturating_add(1);
        LegNo(self.legs)
    }

    /// The number of the newest leg; 0 if there was none.
    pub(in crate::switchboard) fn last_leg(&self) -> u32 {
        self.legs
    }

    /// Counts a digit. Returns false if the call already has `max` digits.
    pub(in crate::switchboard) fn count_digit(&mut self, max: u16) -> bool {
        let counts = self.digits < max;
        self.digits += u16::from(counts);
        counts
    }
}
