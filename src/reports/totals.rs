//! The sums of a summary from roll-ups, in the form in which a scan of the records has them.

use std::collections::BTreeMap;

use crate::cdr::Outcome;
use crate::cdr::rollup::{CallSums, OperatorSums, Party, Waits};
use crate::config::Levels;
use crate::store::report_queries::{DeskTotals, Limits, OperatorTotals, OutcomeTotals, TalkTotals, Totals};
use crate::store::{Store, StoreError};

use super::figures::{Exercises, FiguresError, Filter, GroupBy, figures, merged, operator_figures, unsigned};
use super::period::Period;

/// The sums of a period from roll-ups, or from the records while the roll-ups cannot be used.
pub(super) async fn usable(
    store: &Store,
    period: &Period,
    limits: Limits,
    levels: &Levels,
) -> Result<Totals, StoreError> {
    match totals(store, period, &Filter::default()).await {
        Ok(totals) => Ok(totals),
        Err(FiguresError::NotFilled | FiguresError::OtherZone { .. }) => {
            store.totals(&period.span, limits, levels).await
        }
        Err(FiguresError::Store(fault)) => Err(fault),
    }
}

/// The sums of the calls that a filter lets through. Each call is judged by the targets that were in force when it arrived. With a filter,
/// the longest waits are rounded up to 0.1 s, and there are no sums of operators, which are kept for all calls together.
pub(super) async fn totals(store: &Store, period: &Period, filter: &Filter) -> Result<Totals, FiguresError> {
    let mut totals = Totals::default();
    let whole = figures(store, period, filter, GroupBy::Nothing, true).await?;
    if let Some(row) = whole.rows.first() {
        let exact = (!filter.has_values()).then_some(store);
        totals.outcomes = outcomes(exact, period, &row.count.sums, &row.count.waits).await?;
    }
    let all = Filter { exercises: Exercises::With, ..filter.clone() };
    let rows = figures(store, period, &all, GroupBy::Combination, false).await?.rows;
    for (desk, count) in merged(&rows, |key| Some(key.desk.as_str()).filter(|_| !key.exercise)) {
        totals.desks.push(DeskTotals {
            desk,
            calls: unsigned(count.sums.calls),
            answered: unsigned(count.sums.answered),
            within: unsigned(count.sums.desk_within),
            abandoned: unsigned(count.sums.abandoned),
            short: unsigned(count.sums.short),
        });
    }
    for (class, count) in merged(&rows, |key| Some(key.class.as_str())) {
        if class.is_empty() {
            totals.unclassed = unsigned(count.sums.answered);
        } else {
            totals.classes.push((class, unsigned(count.sums.calls)));
        }
    }
    if filter.has_values() {
        return Ok(totals);
    }
    let mut parties = operator_figures(store, period).await?;
    let of = |party: Option<OperatorSums>| party.map(talks).unwrap_or_default();
    totals.fallback = of(parties.remove(&(Party::Fallback, String::new())));
    totals.agencies = of(parties.remove(&(Party::Agency, String::new())));
    totals.operators = operators(store, parties).await?;
    Ok(totals)
}

/// `store` finds the exact longest waits; None: they stay rounded.
async fn outcomes(
    store: Option<&Store>,
    period: &Period,
    sums: &CallSums,
    waits: &Waits,
) -> Result<Vec<(String, OutcomeTotals)>, FiguresError> {
    let others = Waits::longest(&waits.abandoned).max(Waits::longest(&waits.other));
    let mut longest = [(true, Waits::longest(&waits.answered)), (false, others)].into_iter();
    let mut next = async || -> Result<u64, FiguresError> {
        let Some((is_answered, Some(rounded))) = longest.next() else { return Ok(0) };
        let Some(store) = store else { return Ok(rounded) };
        Ok(store.longest_wait(&period.span, is_answered, rounded).await?.unwrap_or(rounded))
    };
    let (answered_longest, other_longest) = (next().await?, next().await?);
    let answered = OutcomeTotals {
        calls: unsigned(sums.answered),
        waited_ms: unsigned(sums.answered_wait_ms),
        waited_longest_ms: answered_longest,
        talk_ms: unsigned(sums.talk_ms),
        wrap_ms: unsigned(sums.wrap_ms),
        within: unsigned(sums.within),
        short: 0,
    };
    let unanswered = |calls: i64| OutcomeTotals {
        calls: unsigned(calls),
        waited_longest_ms: other_longest,
        ..OutcomeTotals::default()
    };
    let abandoned = OutcomeTotals {
        waited_ms: unsigned(sums.abandoned_wait_ms),
        within: unsigned(sums.abandoned_within),
        short: unsigned(sums.short),
        ..unanswered(sums.abandoned)
    };
    let all = [
        (Outcome::Abandoned, abandoned),
        (Outcome::Answered, answered),
        (Outcome::Failed, unanswered(sums.failed)),
        (Outcome::Interrupted, unanswered(sums.interrupted)),
    ];
    let counted = all.into_iter().filter(|(_, of)| of.calls > 0);
    Ok(counted.map(|(outcome, of)| (outcome.word().to_owned(), of)).collect())
}

/// Operators with an account, and others who talked with a caller.
async fn operators(
    store: &Store,
    parties: BTreeMap<(Party, String), OperatorSums>,
) -> Result<Vec<OperatorTotals>, FiguresError> {
    let accounts = store.operators().await?;
    let mut all: BTreeMap<String, TalkTotals> = BTreeMap::new();
    accounts.iter().filter(|row| row.station == 0).for_each(|row| {
        all.insert(row.operator.clone(), TalkTotals::default());
    });
    for ((_, operator), sums) in parties {
        let own = talks(sums);
        if own != TalkTotals::default() {
            all.insert(operator, own);
        }
    }
    let names: BTreeMap<&str, &str> = accounts.iter().map(|row| (row.operator.as_str(), row.name.as_str())).collect();
    let named = |(operator, totals): (String, TalkTotals)| {
        let name = names.get(operator.as_str()).map(|name| (*name).to_owned());
        OperatorTotals { operator, name, totals }
    };
    Ok(all.into_iter().map(named).collect())
}

fn talks(sums: OperatorSums) -> TalkTotals {
    TalkTotals {
        answered: unsigned(sums.answered),
        talk_ms: unsigned(sums.talk_ms),
        wrap_ms: unsigned(sums.wrap_ms),
        joined: unsigned(sums.joined),
        joined_ms: unsigned(sums.joined_ms),
    }
}
