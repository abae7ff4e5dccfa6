//! Records against roll-ups: the sums of each month are computed again from its records.

use crate::cdr::rollup::{Calendar, CallCount, Cell, Changes, Grain, OperatorSums, Rules};
use crate::clock::Timestamp;

use crate::store::StoreError;
use crate::store::privacy::Retention;
use crate::store::rollups::{readable, slot};

use super::Report;
use super::rows::VerifiedRows;

/// After every id of a call.
const LAST_CALL: &str = "~";

/// Reads all records in the order of their arrival, and compares each month when it is over.
pub(super) async fn verify<R: FnMut(String)>(
    rows: &mut impl VerifiedRows,
    retention: &Retention,
    report: &mut Report<'_, R>,
) -> Result<(), StoreError> {
    let (state, history) = rows.state().await?;
    let rules = Calendar::named(&state.zone).zip(history);
    let rules = rules.map(|(calendar, targets)| Rules { calendar, targets });
    let Some(rules) = rules.filter(|_| state.is_complete()) else {
        report.differs("roll-ups: not all records are counted; siaga report rebuild counts them".to_owned());
        return Ok(());
    };
    // The records of earlier months were deleted, and their sums are kept.
    let from = retention.records_until();
    let mut after = (from.saturating_sub(1), LAST_CALL.to_owned());
    let mut month: Option<(Timestamp, Changes)> = None;
    let mut seen = 0;
    loop {
        let page = rows.records_after(&after).await?;
        let is_over = page.is_empty();
        for (received, call, body) in page {
            let start = rules.calendar.start(Grain::Month, Timestamp::from_millis(received));
            if let Some((over, changes)) = month.take_if(|(month, _)| *month != start) {
                seen += compare(rows, over, changes, &rules, report).await?;
            }
            let (_, changes) = month.get_or_insert_with(|| (start, Changes::default()));
            if let Some(cdr) = readable(&body) {
                changes.count(&cdr, &rules, 1);
            }
            after = (received, call);
        }
        if is_over {
            break;
        }
    }
    if let Some((over, changes)) = month {
        seen += compare(rows, over, changes, &rules, report).await?;
    }
    let all = rows.count_rows(from).await?;
    if all != seen {
        report.differs(format!("roll-ups: {} rows belong to months without records", all.saturating_sub(seen)));
    }
    Ok(())
}

/// Compares one month. Returns the number of its rows.
async fn compare<R: FnMut(String)>(
    rows: &mut impl VerifiedRows,
    month: Timestamp,
    changes: Changes,
    rules: &Rules,
    report: &mut Report<'_, R>,
) -> Result<u64, StoreError> {
    let (from, until) = (month.as_millis(), rules.calendar.next(Grain::Month, month).as_millis());
    let mut calls = rows.call_rows(from, until).await?;
    let mut operators = rows.operator_rows(from, until).await?;
    let seen = u64::try_from(calls.len() + operators.len()).unwrap_or(0);
    report.verified.rows += seen;
    for (cell, count) in &changes.calls {
        let id = (Cell::level(cell.grain, cell.whole), cell.start, cell.key);
        let (hour, stored) = calls.remove(&id).unwrap_or_default();
        if stored != *count || hour != slot(cell, rules) {
            report.differs(format!("roll-ups: {id:?} has {stored:?}; expected: {count:?}"));
        }
    }
    for (cell, sums) in &changes.operators {
        let id = (cell.grain.number(), cell.start, cell.party.number(), cell.operator.clone());
        let stored = operators.remove(&id).unwrap_or_default();
        if stored != *sums {
            report.differs(format!("roll-ups: {id:?} has {stored:?}; expected: {sums:?}"));
        }
    }
    // A row stays when its last call has moved to another one; it has no sums then.
    for (id, (_, stored)) in calls.iter().filter(|(_, (_, stored))| *stored != CallCount::default()) {
        report.differs(format!("roll-ups: {id:?} has {stored:?}; expected: no sums"));
    }
    for (id, stored) in operators.iter().filter(|(_, stored)| **stored != OperatorSums::default()) {
        report.differs(format!("roll-ups: {id:?} has {stored:?}; expected: no sums"));
    }
    Ok(seen)
}
