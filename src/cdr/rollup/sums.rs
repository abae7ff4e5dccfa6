//! The sums about calls.

use crate::cdr::fact::OfferOutcome;
use crate::cdr::{Cdr, Outcome};

use super::TargetHistory;

/// Declares a struct of sums that can be added, and the names of their columns.
macro_rules! sums {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct $name { $($(#[$doc])* pub $field: i64,)* }

        impl $name {
            /// The names of the sums, which are those of the columns.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// The sums in the order of `COLUMNS`.
            pub fn values(&self) -> Vec<i64> {
                vec![$(self.$field),*]
            }

            /// Sums from values in the order of `COLUMNS`; missing ones are zero.
            pub fn from_values(values: impl IntoIterator<Item = i64>) -> Self {
                let mut values = values.into_iter();
                let mut next = || values.next().unwrap_or(0);
                Self { $($field: next()),* }
            }

            /// Adds others; `times` may be -1.
            pub fn add(&mut self, other: &Self, times: i64) {
                $(self.$field = self.$field.saturating_add(other.$field.saturating_mul(times));)*
            }
        }
    };
}
pub(super) use sums;

sums! {
    /// Sums about calls. Times in milliseconds. T is the target time of the service level, S the limit of a short abandon, both as they
    /// were in force when the call arrived.
    CallSums {
        /// Calls that have ended, with any outcome.
        calls,
        answered,
        abandoned,
        failed,
        interrupted,
        /// Abandoned calls that waited less than S.
        short,
        /// Answered calls that waited at most T of `[report]`.
        within,
        /// Answered calls that waited at most T of their desk.
        desk_within,
        /// Abandoned calls that waited at most T of `[report]`.
        abandoned_within,
        /// Abandoned calls that waited at most T of their desk.
        desk_abandoned_within,
        answered_wait_ms,
        abandoned_wait_ms,
        other_wait_ms,
        talk_ms,
        /// The part of the talk in which one side had the other on hold.
        hold_ms,
        wrap_ms,
        /// Times that a caller returned to the queue.
        returned,
        /// Calls that waited while no operator was on shift.
        unstaffed,
        /// Unanswered calls whose number was called back.
        called_back,
        /// Those of them whose caller was reached.
        reached_back,
        /// Calls with at least one readable position.
        located,
        /// Calls whose number had called before within the time of `[callers]`.
        repeated,
        /// Calls that were transferred to another operator, an agency or the queue.
        transferred,
    }
}

impl CallSums {
    /// The sums of one call that has ended.
    pub(super) fn of(cdr: &Cdr, targets: &TargetHistory) -> Self {
        let targets = targets.at(cdr.received);
        let one = i64::from;
        let waited = signed(cdr.waited_ms);
        let of = |outcome| cdr.outcome == Some(outcome);
        let (answered, abandoned) = (of(Outcome::Answered), of(Outcome::Abandoned));
        let within = cdr.waited_ms <= targets.within_ms;
        let desk_within = cdr.waited_ms <= targets.of_desk(&cdr.desk).within_ms;
        let if_so = |so: bool, value: i64| if so { value } else { 0 };
        let reached = |outcome: OfferOutcome| outcome == OfferOutcome::Answered;
        Self {
            calls: 1,
            answered: one(answered),
            abandoned: one(abandoned),
            failed: one(of(Outcome::Failed)),
            interrupted: one(of(Outcome::Interrupted)),
            short: one(abandoned && cdr.waited_ms < targets.short_ms),
            within: one(answered && within),
            desk_within: one(answered && desk_within),
            abandoned_within: one(abandoned && within),
            desk_abandoned_within: one(abandoned && desk_within),
            answered_wait_ms: if_so(answered, waited),
            abandoned_wait_ms: if_so(abandoned, waited),
            other_wait_ms: if_so(!answered && !abandoned, waited),
            talk_ms: signed(cdr.talk_ms),
            hold_ms: signed(cdr.hold_ms),
            wrap_ms: cdr.wrap_ms.map_or(0, signed),
            returned: i64::from(cdr.returned),
            unstaffed: one(cdr.nobody_on_shift),
            called_back: one(!cdr.call_backs.is_empty()),
            reached_back: one(cdr.call_backs.iter().any(|back| reached(back.outcome))),
            located: one(cdr.position().is_some() || cdr.is_position_erased),
            repeated: one(cdr.calls_of_late > 1),
            transferred: one(cdr.transfers.iter().any(|of| of.outcome.is_some_and(reached))),
        }
    }
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
