//! The unanswered callers of a period, one line for each number, with the results of call-backs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cdr::fact::OfferOutcome;
use crate::cdr::{Cdr, Outcome};
use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::report_queries::Limits;

use super::period::Period;

/// One number, or, without one, one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Missed {
    /// None: no number was shown.
    pub(super) number: Option<String>,
    pub(super) calls: u32,
    /// The part of them that the caller ended almost at once.
    pub(super) short: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) longest_wait_ms: u64,
    /// Call-backs to the number; the outcome and the operator of the last one, unless a call arrived after it.
    pub(super) call_backs: u32,
    pub(super) outcome: Option<OfferOutcome>,
    pub(super) by: Option<String>,
    /// When the number called again and was answered; also after the period's end.
    pub(super) answered_later: Option<Timestamp>,
}

impl Missed {
    fn new(cdr: &Cdr) -> Self {
        Self {
            number: cdr.number().map(str::to_owned),
            calls: 0,
            short: 0,
            first: cdr.received,
            last: cdr.received,
            longest_wait_ms: 0,
            call_backs: 0,
            outcome: None,
            by: None,
            answered_later: None,
        }
    }

    fn add(&mut self, cdr: &Cdr, limits: Limits) {
        self.calls += 1;
        self.short += u32::from(cdr.waited_ms < limits.short_abandon_ms);
        self.last = self.last.max(cdr.received);
        self.longest_wait_ms = self.longest_wait_ms.max(cdr.waited_ms);
        self.call_backs += u32::try_from(cdr.call_backs.len()).unwrap_or(u32::MAX);
        // A number that was reached before has called again without an answer.
        let back = cdr.call_backs.last();
        (self.outcome, self.by) = (back.map(|back| back.outcome), back.map(|back| back.by.to_string()));
        self.answered_later = None;
    }

    /// True if the number was reached since.
    pub(super) fn is_reached(&self) -> bool {
        self.outcome == Some(OfferOutcome::Answered) || self.answered_later.is_some()
    }
}

/// The unanswered callers of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct AbandonedReport {
    /// Ordered by their first call.
    pub(super) numbers: Vec<Missed>,
    /// Calls without a number that can be called back.
    pub(super) anonymous: Vec<Missed>,
    /// How many of the numbers were called back, and how many were reached since.
    pub(super) called_back: usize,
    pub(super) reached: usize,
}

impl AbandonedReport {
    /// Reads a period page by page; keeps one entry for each number that was not answered.
    pub(super) async fn of(store: &Store, period: &Period, limits: Limits) -> anyhow::Result<Self> {
        let mut gathered = Gathered::default();
        let mut page = store.calls(&period.span, None).await?;
        while let Some(last) = page.last() {
            for call in &page {
                gathered.take(&call.cdr()?, limits);
            }
            page = store.calls(&period.span, Some(last)).await?;
        }
        gathered.look_on(store, period.span.end).await?;
        Ok(gathered.finish())
    }
}

#[derive(Default)]
struct Gathered {
    numbers: BTreeMap<String, Missed>,
    anonymous: Vec<Missed>,
}

impl Gathered {
    /// Adds a call. Calls must be added in the order of their arrival.
    fn take(&mut self, cdr: &Cdr, limits: Limits) {
        if cdr.is_exercise() {
            return;
        }
        match (cdr.outcome, cdr.number()) {
            (Some(Outcome::Answered) | None, Some(number)) => {
                if let Some(missed) = self.numbers.get_mut(number).filter(|_| cdr.answered.is_some()) {
                    missed.answered_later = cdr.answered;
                }
            }
            (Some(Outcome::Answered) | None, None) => {}
            (Some(Outcome::Abandoned | Outcome::Failed | Outcome::Interrupted), Some(number)) => {
                let missed = self.numbers.entry(number.to_owned()).or_insert_with(|| Missed::new(cdr));
                missed.add(cdr, limits);
            }
            (Some(Outcome::Abandoned | Outcome::Failed | Outcome::Interrupted), None) => {
                let mut missed = Missed::new(cdr);
                missed.add(cdr, limits);
                self.anonymous.push(missed);
            }
        }
    }

    /// Searches for answers after the period's end, until now.
    async fn look_on(&mut self, store: &Store, end: Timestamp) -> anyhow::Result<()> {
        let mut after = (end, String::new());
        while self.numbers.values().any(|missed| !missed.is_reached()) {
            let page = store.answered_later(&after).await?;
            let Some((received, call, ..)) = page.last() else { break };
            after = (*received, call.clone());
            for (_, _, number, answered) in &page {
                self.answered(number, *answered);
            }
        }
        Ok(())
    }

    fn answered(&mut self, number: &str, at: Timestamp) {
        if let Some(missed) = self.numbers.get_mut(number).filter(|missed| missed.answered_later.is_none()) {
            missed.answered_later = Some(at);
        }
    }

    fn finish(self) -> AbandonedReport {
        let mut numbers: Vec<Missed> = self.numbers.into_values().collect();
        numbers.sort_by(|one, other| (one.first, &one.number).cmp(&(other.first, &other.number)));
        let called_back = numbers.iter().filter(|one| one.call_backs > 0).count();
        let reached = numbers.iter().filter(|one| one.is_reached()).count();
        AbandonedReport { numbers, anonymous: self.anonymous, called_back, reached }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::fact::{Callee, EndCause, Fact, FactId, FactKind, Side};
    use crate::ids::{CallId, LegNo, OperatorId, Rng};

    const LIMITS: Limits = Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// A call that arrived at one second and was answered, or abandoned, at another.
    fn cdr(
        rng: &mut Rng,
        number: Option<&str>,
        (from, to): (i64, i64),
        answered: bool,
        back: Option<OfferOutcome>,
    ) -> Cdr {
        let call = CallId::new(at(from), rng);
        let by = OperatorId::parse("budi").unwrap();
        let mut kinds = vec![(
            from,
            FactKind::Received {
                trunk: "telco".to_owned(),
                asserted: number.map(str::to_owned),
                presented: None,
                called: "112".to_owned(),
                sip_call_id: "x".to_owned(),
                headers: Vec::new(),
                mode: Default::default(),
                internal: None,
            },
        )];
        if answered {
            kinds.push((to, FactKind::Answered { leg: LegNo(1), by: Callee::Operator(by.clone()) }));
        }
        let cause = if answered { EndCause::Normal } else { EndCause::Abandoned };
        kinds.push((to, FactKind::Ended { by: Side::Caller, cause, sip_status: None, q850: None }));
        kinds.extend(back.map(|outcome| (to, FactKind::CalledBack { by, over: call, outcome, sip_status: None })));
        let facts: Vec<Fact> = (1..)
            .zip(kinds)
            .map(|(seq, (second, kind))| Fact {
                id: FactId { stream: call, seq },
                call: Some(call),
                at: at(second),
                up: None,
                kind,
            })
            .collect();
        Cdr::fold(&facts).unwrap()
    }

    #[test]
    fn calls_are_merged_by_number_and_know_what_came_of_them() {
        let mut rng = Rng::from_number(1);
        let mut gathered = Gathered::default();
        for cdr in [
            cdr(&mut rng, Some("081"), (10, 30), false, None),
            cdr(&mut rng, None, (11, 12), false, None),
            cdr(&mut rng, Some("082"), (20, 22), false, Some(OfferOutcome::Busy)),
            cdr(&mut rng, Some("081"), (40, 43), false, Some(OfferOutcome::Answered)),
            cdr(&mut rng, Some("083"), (50, 90), false, None),
            cdr(&mut rng, Some("083"), (95, 99), true, None),
            cdr(&mut rng, Some("084"), (96, 99), true, None),
        ] {
            gathered.take(&cdr, LIMITS);
        }
        let report = gathered.finish();
        let seen: Vec<_> = report
            .numbers
            .iter()
            .map(|one| (one.number.as_deref().unwrap(), one.calls, one.short, one.longest_wait_ms, one.is_reached()))
            .collect();
        assert_eq!(seen, [("081", 2, 1, 20_000, true), ("082", 1, 1, 2_000, false), ("083", 1, 0, 40_000, true)]);
        assert_eq!((report.called_back, report.reached, report.anonymous.len()), (2, 2, 1));
        assert_eq!(report.numbers[1].outcome, Some(OfferOutcome::Busy));
    }
}
