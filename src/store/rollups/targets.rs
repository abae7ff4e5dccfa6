//! The targets of service levels, with the times from which they apply.

use crate::cdr::rollup::{TargetHistory, Targets};
use crate::clock::Timestamp;

use crate::store::StoreError;

pub(super) const ALL: &str = "SELECT since, body FROM report_target ORDER BY since";
pub(super) const INSERT: &str = "INSERT INTO report_target (since, body) VALUES ($1, $2)";

/// The history of the stored targets. None if there are none.
pub(super) fn history(rows: &[(i64, String)]) -> Result<Option<TargetHistory>, StoreError> {
    let mut history: Option<TargetHistory> = None;
    for (since, body) in rows {
        let targets: Targets = serde_json::from_str(body)?;
        match &mut history {
            None => history = Some(TargetHistory::new(targets)),
            Some(history) => history.add(Timestamp::from_millis(*since), targets),
        }
    }
    Ok(history)
}
