//! Facts against records: the record of each call is computed again from its facts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cdr::Cdr;
use crate::cdr::fact::Fact;

use crate::store::StoreError;
use crate::store::facts::{Row, TalkRow, json};
use crate::store::privacy::Retention;
use crate::store::seal::{self, Seal};

use super::Report;
use super::rows::{StoredRecord, StoredTalk, VerifiedRows};
use super::search::Columns;

/// After every id of a call.
const LAST: &str = "~";

/// Reads all facts, and compares the records that they give with the stored ones.
pub(super) async fn verify<R: FnMut(String)>(
    rows: &mut impl VerifiedRows,
    retention: &Retention,
    report: &mut Report<'_, R>,
) -> Result<(), StoreError> {
    let mut after = (String::new(), i64::MIN);
    let mut from = String::new();
    let mut streams: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
    loop {
        let page = rows.facts_after(&after).await?;
        let is_last = page.is_empty();
        for (stream, seq, body) in page {
            report.verified.facts += 1;
            match seal::check(&body) {
                Seal::Broken => report.differs(format!("{stream}: the personal values of fact {seq} were changed")),
                Seal::Erased => report.verified.erased += 1,
                Seal::Missing | Seal::Whole => {}
            }
            // The facts of a run of the service, which can be very many, have no record.
            let known = Fact::read(body.as_bytes()).filter(|fact| fact.call.is_some());
            streams.entry(stream.clone()).or_default().extend(known);
            after = (stream, seq);
        }
        // The next page may have more facts of the last stream.
        let rest = if is_last { None } else { streams.pop_last() };
        let to = match (&rest, streams.last_key_value()) {
            (None, _) => LAST.to_owned(),
            (Some(_), Some((last, _))) => last.clone(),
            (Some(_), None) => from.clone(),
        };
        let records = rows.records_between(&from, &to).await?;
        let talks = rows.talks_between(&from, &to).await?;
        let stored = Stored { records, talks, search: rows.search_between(&from, &to).await? };
        compare(std::mem::take(&mut streams), stored, retention, report)?;
        from = to;
        streams.extend(rest);
        if is_last {
            let more = rows.search_without_record().await?;
            if more > 0 {
                report.differs(format!("call_search: {more} rows have no record; siaga report rebuild removes them"));
            }
            return Ok(());
        }
    }
}

/// What is stored of one range of ids.
struct Stored {
    records: BTreeMap<String, StoredRecord>,
    talks: Vec<StoredTalk>,
    search: BTreeMap<String, Columns>,
}

/// Compares the calls of one range of ids.
fn compare<R: FnMut(String)>(
    streams: BTreeMap<String, Vec<Fact>>,
    Stored { mut records, talks, search }: Stored,
    retention: &Retention,
    report: &mut Report<'_, R>,
) -> Result<(), StoreError> {
    let mut by_call: BTreeMap<String, Vec<StoredTalk>> = BTreeMap::new();
    for talk in talks {
        by_call.entry(talk.0.clone()).or_default().push(talk);
    }
    let is_kept = |record: &StoredRecord| {
        let received = record.columns.get("received").and_then(Value::as_i64);
        received.is_some_and(|received| received < retention.facts_until())
    };
    for (call, facts) in streams {
        let folded = Cdr::fold(&facts);
        if folded.is_none() && records.get(&call).is_some_and(is_kept) {
            // Only the facts that say what was erased are left: as without facts.
            continue;
        }
        let row = folded.as_ref().and_then(Row::of);
        let stored = records.remove(&call);
        let talks = by_call.remove(&call).unwrap_or_default();
        match (&row, stored) {
            (None, None) => {}
            (None, Some(_)) => report.differs(format!("{call}: there is a record of a call that has not ended")),
            (Some(row), None) if row.received < retention.records_until() => {}
            (Some(_), None) => report.differs(format!("{call}: the call has ended and has no record")),
            (Some(row), Some(stored)) => {
                report.verified.records += 1;
                compare_record(&call, row, &stored, report)?;
                super::search::compare(&call, row.body, search.get(&call), report)?;
            }
        }
        let expected: Vec<TalkRow<'_>> = row.iter().flat_map(|row| TalkRow::of(row.body)).collect();
        if json(&expected)? != json(&talks.iter().map(talk_value).collect::<Vec<_>>())? {
            report.differs(format!("{call}: the talks are not those of the facts"));
        }
    }
    for (call, record) in records {
        report.verified.records += 1;
        if is_kept(&record) {
            by_call.remove(&call);
        } else {
            report.differs(format!("{call}: there is a record without facts"));
        }
    }
    for call in by_call.into_keys() {
        report.differs(format!("{call}: there are talks without facts"));
    }
    Ok(())
}

fn compare_record<R: FnMut(String)>(
    call: &str,
    row: &Row<'_>,
    stored: &StoredRecord,
    report: &mut Report<'_, R>,
) -> Result<(), StoreError> {
    let expected = columns(row);
    for (column, value) in &stored.columns {
        let right = expected.get(column.as_str()).unwrap_or(&Value::Null);
        if value != right {
            report.differs(format!("{call}: {column} is {value}; expected: {right}"));
        }
    }
    let body = json(row.body)?;
    if stored.body == body {
        return Ok(());
    }
    // An earlier version may have written the same record in other words.
    let right: Cdr = serde_json::from_str(&body)?;
    match serde_json::from_str::<Cdr>(&stored.body) {
        Ok(cdr) if cdr == right => {}
        Ok(_) => report.differs(format!("{call}: the body is not the record of the facts")),
        Err(fault) => report.differs(format!("{call}: the body cannot be read: {fault}")),
    }
    Ok(())
}

/// The columns of a record, as the database has them.
fn columns(row: &Row<'_>) -> BTreeMap<&'static str, Value> {
    let text = |text: &str| Value::from(text.replace('\0', "\u{fffd}"));
    let word = |word: Option<&str>| word.map_or(Value::Null, text);
    BTreeMap::from([
        ("call", Value::from(row.call.to_string())),
        ("received", Value::from(row.received)),
        ("answered", Value::from(row.answered)),
        ("ended", Value::from(row.ended)),
        ("waited_ms", Value::from(row.waited_ms)),
        ("talk_ms", Value::from(row.talk_ms)),
        ("wrap_ms", Value::from(row.wrap_ms)),
        ("trunk", text(row.trunk)),
        ("number", word(row.number)),
        ("called", text(row.called)),
        ("outcome", Value::from(row.outcome)),
        ("cause", Value::from(row.cause)),
        ("ended_by", Value::from(row.ended_by)),
        ("operator", word(row.operator)),
        ("class", word(row.class)),
        ("category", word(row.category)),
        ("desk", text(row.desk)),
    ])
}

/// A talk in the form of `TalkRow`.
fn talk_value((call, no, operator, received, talk_ms, wrap_ms, kind): &StoredTalk) -> impl serde::Serialize {
    #[derive(serde::Serialize)]
    struct Shown {
        call: String,
        no: i64,
        operator: Option<String>,
        received: i64,
        talk_ms: i64,
        wrap_ms: Option<i64>,
        guest: i16,
    }
    Shown {
        call: call.clone(),
        no: *no,
        operator: operator.clone(),
        received: *received,
        talk_ms: *talk_ms,
        wrap_ms: *wrap_ms,
        guest: *kind,
    }
}
