//! The sums about operators, the fallback number and agencies. Drills and tests do not count.

use std::collections::BTreeMap;

use crate::cdr::Cdr;
use crate::cdr::fact::{Callee, OfferOutcome};

use super::sums::{signed, sums};

/// The parties that sums are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    Operator,
    /// The fallback number; and all outside numbers as participants.
    Fallback,
    /// Agencies that took over callers from operators.
    Agency,
}

impl Party {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Fallback, Self::Agency];

    /// Its number in the database.
    pub const fn number(self) -> i16 {
        match self {
            Self::Operator => 0,
            Self::Fallback => 1,
            Self::Agency => 2,
        }
    }
}

sums! {
    /// Sums about one operator. Times in milliseconds. All count in the period in which the call arrived.
    OperatorSums {
        /// Ring attempts.
        offered,
        /// Ring attempts without an answer in `ring_seconds`.
        not_answered,
        /// Ring attempts that the phone rejected or to which it was busy.
        declined,
        /// Ring attempts that ended otherwise without an answer: the caller left, another operator answered first, the phone was not
        /// reachable, or siaga stopped the ringing.
        withdrawn,
        /// The time from the start to the end of ring attempts.
        ring_ms,
        /// Callers that the operator answered or took over.
        answered,
        talk_ms,
        wrap_ms,
        /// Participations in calls of others.
        joined,
        joined_ms,
        /// Transfers that the operator started, and that succeeded.
        transferred,
    }
}

impl OperatorSums {
    /// What one record counts for each party.
    pub fn of(cdr: &Cdr) -> BTreeMap<(Party, String), Self> {
        let mut all: BTreeMap<(Party, String), Self> = BTreeMap::new();
        if cdr.is_exercise() {
            return all;
        }
        for offer in &cdr.offers {
            let Callee::Operator(operator) = &offer.to else { continue };
            let sums = all.entry((Party::Operator, operator.to_string())).or_default();
            sums.offered += 1;
            sums.ring_ms += offer.ended.map_or(0, |ended| signed(ended.millis_since(offer.offered)));
            match offer.outcome {
                Some(OfferOutcome::NoAnswer) => sums.not_answered += 1,
                Some(OfferOutcome::Busy | OfferOutcome::Rejected) => sums.declined += 1,
                Some(
                    OfferOutcome::Redirected
                    | OfferOutcome::Unreachable
                    | OfferOutcome::CallerLeft
                    | OfferOutcome::LostRace
                    | OfferOutcome::Withdrawn,
                ) => sums.withdrawn += 1,
                Some(OfferOutcome::Answered) | None => {}
            }
        }
        let last = cdr.talks.len().saturating_sub(1);
        for (no, talk) in cdr.talks.iter().enumerate() {
            let party = match &talk.with {
                Callee::Operator(operator) => (Party::Operator, operator.to_string()),
                Callee::Number(_) if cdr.is_agency(&talk.with) && !talk.guest => (Party::Agency, String::new()),
                Callee::Number(_) => (Party::Fallback, String::new()),
            };
            let is_operator = party.0 == Party::Operator;
            let sums = all.entry(party).or_default();
            let millis = signed(talk.millis());
            if talk.guest {
                (sums.joined, sums.joined_ms) = (sums.joined + 1, sums.joined_ms + millis);
            } else {
                (sums.answered, sums.talk_ms) = (sums.answered + 1, sums.talk_ms + millis);
            }
            // The operator who talked last worked on the call after its end.
            if is_operator && no == last {
                sums.wrap_ms += cdr.wrap_ms.map_or(0, signed);
            }
        }
        for transfer in cdr.transfers.iter().filter(|of| of.outcome == Some(OfferOutcome::Answered)) {
            all.entry((Party::Operator, transfer.by.to_string())).or_default().transferred += 1;
        }
        all
    }
}
