//! Searches calls by their values, page by page, newest first. Changes nothing.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::clock::Timestamp;

use super::report_queries::StoredCall;
use super::search_row::{between, plain_number};
use super::{Store, StoreError, on_either};

const VALUES: &str = "SELECT desk, trunk, class, category, agency, mode FROM rollup_key";
/// Operators with an account, and those without one any more who were counted.
const NAMES: &str = "SELECT operator, name FROM operator UNION ALL \
    SELECT DISTINCT operator, operator FROM rollup_operator WHERE level = 2 AND party = 0 \
    AND operator NOT IN (SELECT operator FROM operator)";
const FACTS: &str = "SELECT body FROM fact WHERE stream = $1 ORDER BY seq LIMIT $2";
const CALL: &str = "SELECT received, call, body FROM cdr WHERE call = $1";
const PAGE_START: &str = "SELECT s.received, s.call, c.body FROM (SELECT received, call FROM call_search WHERE ";
const PAGE_END: &str = ") AS s JOIN cdr AS c ON c.call = s.call AND c.received = s.received";
const COUNT_START: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM call_search WHERE ";
const COUNT_END: &str = ") AS found";

/// Whether drills and test calls are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exercises {
    #[default]
    Without,
    With,
    Only,
}

/// What the searched calls have in common. A value that is None or empty does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFilter {
    /// When they arrived.
    pub received: Range<Timestamp>,
    /// Part of the number. A leading `0`, `+62` or another separator is the caller's to leave out.
    pub number: String,
    /// An operator who talked.
    pub operator: Option<String>,
    /// `Some("")`: the first desk.
    pub desk: Option<String>,
    /// `Some("")`: a phone of the centre.
    pub trunk: Option<String>,
    pub outcomes: Vec<String>,
    /// `Some("")`: without a class.
    pub class: Option<String>,
    pub category: Option<String>,
    pub agency: Option<String>,
    pub mode: Option<String>,
    /// At least and at most, in milliseconds.
    pub waited_ms: (Option<u64>, Option<u64>),
    pub talk_ms: (Option<u64>, Option<u64>),
    /// Part of the note, in small or capital letters.
    pub note: String,
    pub exercises: Exercises,
}

impl CallFilter {
    /// All calls of a time except drills and tests.
    pub fn of(received: Range<Timestamp>) -> Self {
        Self {
            received,
            number: String::new(),
            operator: None,
            desk: None,
            trunk: None,
            outcomes: Vec::new(),
            class: None,
            category: None,
            agency: None,
            mode: None,
            waited_ms: (None, None),
            talk_ms: (None, None),
            note: String::new(),
            exercises: Exercises::Without,
        }
    }
}

/// The place of a call in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallKey {
    pub received: Timestamp,
    pub call: String,
}

/// From where a page goes, and in which direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// The newest calls.
    Newest,
    /// The calls before this one.
    OlderThan(CallKey),
    /// The calls after this one.
    NewerThan(CallKey),
}

/// The values that calls have had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallValues {
    pub desk: String,
    pub trunk: String,
    pub class: String,
    pub category: String,
    pub agency: String,
    pub mode: String,
}

impl Store {
    /// At most `most` calls, newest first. Calls that arrive meanwhile neither repeat nor displace others.
    pub async fn search_calls(
        &self,
        filter: &CallFilter,
        from: &From,
        most: i64,
    ) -> Result<Vec<StoredCall>, StoreError> {
        let mut wanted = Conditions::of(self, filter);
        let order = match from {
            From::Newest => "DESC",
            From::OlderThan(key) => {
                wanted.beside(key, "<");
                "DESC"
            }
            From::NewerThan(key) => {
                wanted.beside(key, ">");
                "ASC"
            }
        };
        let most = wanted.int(most);
        let sql = format!(
            "{PAGE_START}{} ORDER BY received {order}, call {order} LIMIT {most}{PAGE_END} \
             ORDER BY s.received {order}, s.call {order}",
            wanted.text
        );
        let rows: Vec<(i64, String, String)> = on_either!(self, pool => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
            for bind in wanted.binds {
                query = match bind {
                    Bind::Int(value) => query.bind(value),
                    Bind::Text(value) => query.bind(value),
                };
            }
            query.fetch_all(pool).await?
        });
        let mut calls: Vec<StoredCall> = rows.into_iter().map(stored).collect();
        if matches!(from, From::NewerThan(_)) {
            calls.reverse();
        }
        Ok(calls)
    }

    /// The number of calls; counts no further than `most`.
    pub async fn count_calls(&self, filter: &CallFilter, most: i64) -> Result<u64, StoreError> {
        let mut wanted = Conditions::of(self, filter);
        let most = wanted.int(most);
        let sql = format!("{COUNT_START}{} LIMIT {most}{COUNT_END}", wanted.text);
        let (count,): (i64,) = on_either!(self, pool => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
            for bind in wanted.binds {
                query = match bind {
                    Bind::Int(value) => query.bind(value),
                    Bind::Text(value) => query.bind(value),
                };
            }
            query.fetch_one(pool).await?
        });
        Ok(count.unsigned_abs())
    }

    /// The record of a call.
    pub async fn stored_call(&self, call: &str) -> Result<Option<StoredCall>, StoreError> {
        let row: Option<(i64, String, String)> =
            on_either!(self, pool => sqlx::query_as(CALL).bind(call).fetch_optional(pool).await?);
        Ok(row.map(stored))
    }

    /// The facts of a call as they were stored, at most `most`.
    pub async fn fact_texts(&self, call: &str, most: i64) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> =
            on_either!(self, pool => sqlx::query_as(FACTS).bind(call).bind(most).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(body,)| body).collect())
    }

    /// The names of operators by account; of one without an account, the name of the account.
    pub async fn operator_names(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let rows: Vec<(String, String)> = on_either!(self, pool => sqlx::query_as(NAMES).fetch_all(pool).await?);
        Ok(rows.into_iter().collect())
    }

    /// The combinations of values that calls have had, as far as the roll-ups have counted them.
    pub async fn call_values(&self) -> Result<Vec<CallValues>, StoreError> {
        type Row = (String, String, String, String, String, String);
        let rows: Vec<Row> = on_either!(self, pool => sqlx::query_as(VALUES).fetch_all(pool).await?);
        let values =
            |(desk, trunk, class, category, agency, mode)| CallValues { desk, trunk, class, category, agency, mode };
        Ok(rows.into_iter().map(values).collect())
    }
}

fn stored((received, call, body): (i64, String, String)) -> StoredCall {
    StoredCall { received: Timestamp::from_millis(received), call, body }
}

enum Bind {
    Int(i64),
    Text(String),
}

/// A condition in SQL with its values. Every value is bound: the text has only our own words.
struct Conditions {
    text: String,
    binds: Vec<Bind>,
}

impl Conditions {
    fn of(store: &Store, filter: &CallFilter) -> Self {
        let has_part = match store {
            Store::Sqlite(_) => "instr",
            Store::Postgres(_) => "strpos",
        };
        let mut all = Self { text: String::new(), binds: Vec::new() };
        let (from, until) = (all.int(filter.received.start.as_millis()), all.int(filter.received.end.as_millis()));
        all.text = format!("received >= {from} AND received < {until}");
        let number = digits(&filter.number);
        let operator = filter.operator.as_deref().map(|operator| between(&[operator])).unwrap_or_default();
        let note = filter.note.trim().to_ascii_lowercase();
        for (column, part) in [("number", number), ("operators", operator), ("note", note)] {
            if !part.is_empty() {
                let part = all.word(part);
                all.and(&format!("{has_part}({column}, {part}) > 0"));
            }
        }
        for (column, value) in [
            ("desk", &filter.desk),
            ("trunk", &filter.trunk),
            ("class", &filter.class),
            ("category", &filter.category),
            ("agency", &filter.agency),
            ("mode", &filter.mode),
        ] {
            if let Some(value) = value {
                let value = all.word(value.clone());
                all.and(&format!("{column} = {value}"));
            }
        }
        if !filter.outcomes.is_empty() {
            let words: Vec<String> = filter.outcomes.iter().map(|word| all.word(word.clone())).collect();
            all.and(&format!("outcome IN ({})", words.join(", ")));
        }
        for (column, (least, most)) in [("waited_ms", filter.waited_ms), ("talk_ms", filter.talk_ms)] {
            for (sign, limit) in [(">=", least), ("<=", most)] {
                if let Some(limit) = limit {
                    let limit = all.int(i64::try_from(limit).unwrap_or(i64::MAX));
                    all.and(&format!("{column} {sign} {limit}"));
                }
            }
        }
        match filter.exercises {
            Exercises::Without => all.and("class NOT IN ('drill', 'test')"),
            Exercises::With => {}
            Exercises::Only => all.and("class IN ('drill', 'test')"),
        }
        all
    }

    /// Only calls before or after `key`. The first comparison lets SQLite begin there.
    fn beside(&mut self, key: &CallKey, sign: &str) {
        let (received, call) = (self.int(key.received.as_millis()), self.word(key.call.clone()));
        self.and(&format!("received {sign}= {received} AND (received, call) {sign} ({received}, {call})"));
    }

    fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    /// The placeholder of a bound value.
    fn int(&mut self, value: i64) -> String {
        self.bind(Bind::Int(value))
    }

    /// PostgreSQL text cannot contain NUL: no stored value has one.
    fn word(&mut self, value: String) -> String {
        self.bind(Bind::Text(value.replace('\0', "\u{fffd}")))
    }

    fn bind(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", self.binds.len())
    }
}

/// The part of a number that its national and its international form share: without separators, a leading `62` or a leading `0`.
fn digits(number: &str) -> String {
    let plain = plain_number(number.trim());
    let is_international = number.trim_start().starts_with('+');
    let own = plain.strip_prefix("62").filter(|rest| is_international && !rest.is_empty());
    own.or_else(|| plain.strip_prefix('0').filter(|rest| !rest.is_empty())).unwrap_or(&plain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn a_number_is_found_in_its_national_and_international_form() {
        for (typed, searched) in [
            ("0812-3456-7890", "81234567890"),
            ("+62 812 3456 7890", "81234567890"),
            ("812 3456", "8123456"),
            ("62812", "62812"),
            ("0", "0"),
            ("+62", "62"),
            ("7890", "7890"),
            ("", ""),
            (" anonymous ", "anonymous"),
        ] {
            assert_eq!(digits(typed), searched, "{typed}");
        }
    }
}
