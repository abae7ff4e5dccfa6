//! Rows for SQLite: each value is bound, many rows in one statement. Reading the values of a fact from JSON takes
//! SQLite three times as long as storing it.

use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use crate::cdr::fact::Fact;
use crate::store::StoreError;
use crate::store::journal::record::Entry;

use super::{Row, RowInserts, SearchRow, TalkRow, array, json, without_nul};

/// Facts of a kind that this version does not know: SQLite reads their columns in the JSON.
const INSERT_UNKNOWN_FACTS: &str = "INSERT INTO fact (stream, seq, at, kind, body) \
    SELECT value ->> '$.stream', value ->> '$.seq', value ->> '$.at', value ->> '$.kind', json(value) \
    FROM jsonb_each($1) WHERE true ON CONFLICT (stream, seq) DO NOTHING";
const INSERT_FACTS: Insert = Insert {
    start: "INSERT INTO fact (stream, seq, at, kind, body) VALUES ",
    columns: 5,
    end: " ON CONFLICT (stream, seq) DO NOTHING",
};
const UPSERT_CDRS: Insert = Insert {
    start: "INSERT INTO cdr (call, received, answered, ended, trunk, number, called, outcome, cause, ended_by, operator, \
        waited_ms, talk_ms, wrap_ms, class, category, desk, body) VALUES ",
    columns: 18,
    end: " ON CONFLICT (call) DO UPDATE SET received = excluded.received, answered = excluded.answered, \
        ended = excluded.ended, trunk = excluded.trunk, number = excluded.number, called = excluded.called, \
        outcome = excluded.outcome, cause = excluded.cause, ended_by = excluded.ended_by, operator = excluded.operator, \
        waited_ms = excluded.waited_ms, talk_ms = excluded.talk_ms, wrap_ms = excluded.wrap_ms, class = excluded.class, \
        category = excluded.category, desk = excluded.desk, body = excluded.body",
};
const INSERT_TALKS: Insert = Insert {
    start: "INSERT INTO talk (call, no, operator, received, talk_ms, wrap_ms, guest) VALUES ",
    columns: 7,
    end: "",
};

const UPSERT_SEARCH: Insert = Insert {
    start: "INSERT INTO call_search (received, call, number, operators, desk, trunk, outcome, class, category, agency, mode, \
        waited_ms, talk_ms, wrap_ms, note) VALUES ",
    columns: 15,
    end: " ON CONFLICT (received, call) DO UPDATE SET number = excluded.number, operators = excluded.operators, desk = \
        excluded.desk, trunk = excluded.trunk, outcome = excluded.outcome, class = excluded.class, category = \
        excluded.category, agency = excluded.agency, mode = excluded.mode, waited_ms = excluded.waited_ms, talk_ms = \
        excluded.talk_ms, wrap_ms = excluded.wrap_ms, note = excluded.note",
};

/// The numbers of rows for which there are statements: a batch needs few different ones, and they stay prepared.
const ROWS: [usize; 3] = [64, 8, 1];

static FACTS: LazyLock<[String; 3]> = LazyLock::new(|| INSERT_FACTS.statements());
static CDRS: LazyLock<[String; 3]> = LazyLock::new(|| UPSERT_CDRS.statements());
static SEARCH: LazyLock<[String; 3]> = LazyLock::new(|| UPSERT_SEARCH.statements());
static TALKS: LazyLock<[String; 3]> = LazyLock::new(|| INSERT_TALKS.statements());

/// A statement that inserts rows of bound values.
struct Insert {
    start: &'static str,
    columns: usize,
    end: &'static str,
}

impl Insert {
    fn statements(&self) -> [String; 3] {
        let row = format!("({})", vec!["?"; self.columns].join(","));
        ROWS.map(|rows| format!("{}{}{}", self.start, vec![row.as_str(); rows].join(","), self.end))
    }
}

/// Cuts rows into parts for which there are statements.
fn parts<'r, T>(mut rows: &'r [T], statements: &'static [String; 3]) -> impl Iterator<Item = (&'static str, &'r [T])> {
    std::iter::from_fn(move || {
        let (size, statement) = ROWS.into_iter().zip(statements).find(|(size, _)| *size <= rows.len())?;
        let (part, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some((statement.as_str(), part))
    })
}

impl RowInserts for SqliteConnection {
    async fn insert_facts(&mut self, facts: &[&Entry]) -> Result<(), StoreError> {
        let known: Vec<(&Entry, &Fact)> =
            facts.iter().filter_map(|entry| Some((*entry, entry.fact.as_ref()?))).collect();
        for (statement, part) in parts(&known, &FACTS) {
            let mut query = sqlx::query(statement);
            for (entry, fact) in part {
                query = query
                    .bind(fact.id.stream.to_string())
                    .bind(i64::from(fact.id.seq))
                    .bind(fact.at.as_millis())
                    .bind(fact.kind.word())
                    .bind(without_nul(entry.json.clone()));
            }
            query.execute(&mut *self).await?;
        }
        if known.len() < facts.len() {
            let unknown: Vec<&Entry> = facts.iter().copied().filter(|entry| entry.fact.is_none()).collect();
            sqlx::query(INSERT_UNKNOWN_FACTS).bind(array(&unknown)).execute(&mut *self).await?;
        }
        Ok(())
    }

    async fn upsert_cdrs(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError> {
        for (statement, part) in parts(rows, &CDRS) {
            let mut query = sqlx::query(statement);
            for row in part {
                query = query
                    .bind(row.call.to_string())
                    .bind(row.received)
                    .bind(row.answered)
                    .bind(row.ended)
                    .bind(text(row.trunk))
                    .bind(row.number.map(text))
                    .bind(text(row.called))
                    .bind(row.outcome)
                    .bind(row.cause)
                    .bind(row.ended_by)
                    .bind(row.operator)
                    .bind(millis(row.waited_ms))
                    .bind(millis(row.talk_ms))
                    .bind(row.wrap_ms.map(millis))
                    .bind(row.class)
                    .bind(row.category.map(text))
                    .bind(text(row.desk))
                    .bind(json(row.body)?);
            }
            query.execute(&mut *self).await?;
        }
        Ok(())
    }

    async fn insert_talks(&mut self, talks: &[TalkRow<'_>]) -> Result<(), StoreError> {
        for (statement, part) in parts(talks, &TALKS) {
            let mut query = sqlx::query(statement);
            for talk in part {
                query = query
                    .bind(talk.call.to_string())
                    .bind(i64::try_from(talk.no).unwrap_or(i64::MAX))
                    .bind(talk.operator)
                    .bind(talk.received)
                    .bind(millis(talk.talk_ms))
                    .bind(talk.wrap_ms.map(millis))
                    .bind(talk.guest);
            }
            query.execute(&mut *self).await?;
        }
        Ok(())
    }

    async fn upsert_search(&mut self, rows: &[SearchRow<'_>]) -> Result<(), StoreError> {
        for (statement, part) in parts(rows, &SEARCH) {
            let mut query = sqlx::query(statement);
            for row in part {
                query = query
                    .bind(row.received)
                    .bind(row.call.to_string())
                    .bind(text(&row.number))
                    .bind(&row.operators)
                    .bind(text(row.desk))
                    .bind(text(row.trunk))
                    .bind(row.outcome)
                    .bind(row.class)
                    .bind(text(row.category))
                    .bind(text(row.agency))
                    .bind(row.mode)
                    .bind(millis(row.waited_ms))
                    .bind(millis(row.talk_ms))
                    .bind(row.wrap_ms.map(millis))
                    .bind(text(&row.note));
            }
            query.execute(&mut *self).await?;
        }
        Ok(())
    }
}

/// Text without NUL, as in the JSON of the record.
fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn millis(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_a_statement_allows() {
        let sizes = |rows: usize| -> Vec<usize> {
            let rows = vec![(); rows];
            parts(&rows, &FACTS).map(|(_, part)| part.len()).collect()
        };
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(145), [64, 64, 8, 8, 1]);
        let (one, _) = parts(&[()], &FACTS).next().unwrap();
        let expected =
            "INSERT INTO fact (stream, seq, at, kind, body) VALUES (?,?,?,?,?) ON CONFLICT (stream, seq) DO NOTHING";
        assert_eq!(one, expected);
    }
}
