//! Records against the rows by which the report pages search calls.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cdr::Cdr;
use crate::store::StoreError;
use crate::store::facts::json;
use crate::store::search_row::SearchRow;

use super::Report;

/// The columns of a row by their names.
pub(super) type Columns = BTreeMap<String, Value>;

/// Compares the row of a record.
pub(super) fn compare<R: FnMut(String)>(
    call: &str,
    cdr: &Cdr,
    stored: Option<&Columns>,
    report: &mut Report<'_, R>,
) -> Result<(), StoreError> {
    let Some(row) = SearchRow::of(cdr) else { return Ok(()) };
    let Some(stored) = stored else {
        report.differs(format!("{call}: call_search has no row of this record; siaga report rebuild makes it"));
        return Ok(());
    };
    let expected: Columns = serde_json::from_str(&json(&row)?)?;
    for (column, value) in stored {
        let right = expected.get(column).unwrap_or(&Value::Null);
        if value != right {
            report.differs(format!("{call}: call_search.{column} is {value}; expected: {right}"));
        }
    }
    Ok(())
}
