//! The statements that write roll-ups. Each takes one JSON array of rows, which are arrays of values.

use std::sync::LazyLock;

use crate::cdr::rollup::{CallSums, OperatorSums};

/// The columns of waits, after the sums.
pub(super) const WAITS: [&str; 3] = ["answered_waits", "abandoned_waits", "other_waits"];

/// The statements in one database's dialect.
pub(super) struct Sql {
    pub(super) insert_keys: String,
    /// The waits of rows that exist.
    pub(super) waits_of: String,
    /// Adds to rows, and makes those that do not exist. The waits are not added but replaced.
    pub(super) add_calls: String,
    pub(super) add_operators: String,
    /// The stored records of some calls.
    pub(super) records_of: &'static str,
}

pub(super) static SQLITE: LazyLock<Sql> = LazyLock::new(|| {
    let value = |no: usize, _: &str| format!("value ->> '$[{no}]'");
    Sql {
        records_of: "SELECT cdr.received, cdr.call, cdr.body FROM json_each($1) AS one CROSS JOIN cdr ON cdr.call = one.value",
        ..statements("jsonb_each($1) AS one", "CROSS JOIN", value)
    }
});

pub(super) static POSTGRES: LazyLock<Sql> = LazyLock::new(|| {
    let value = |no: usize, kind: &str| format!("(value ->> {no})::{kind}");
    Sql {
        records_of: "SELECT cdr.received, cdr.call, cdr.body FROM json_array_elements_text($1::json) AS one (call) \
            JOIN cdr ON cdr.call = one.call",
        ..statements("json_array_elements($1::json) AS value", "JOIN", value)
    }
});

fn statements(each: &str, join: &str, value: impl Fn(usize, &str) -> String) -> Sql {
    let sums = |columns: &[&'static str]| -> Vec<(&'static str, &'static str)> {
        columns.iter().map(|column| (*column, "bigint")).collect()
    };
    let keys = [
        ("key", "bigint"),
        ("desk", "text"),
        ("trunk", "text"),
        ("class", "text"),
        ("category", "text"),
        ("agency", "text"),
        ("mode", "text"),
        ("exercise", "smallint"),
    ];
    let insert = |table: &str, columns: &[(&str, &str)], end: &str| {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<String> = columns.iter().enumerate().map(|(no, (_, kind))| value(no, kind)).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {each} WHERE true {end}")
    };
    let added = |table: &str, columns: &[&str]| {
        columns.iter().map(|of| format!("{of} = {table}.{of} + excluded.{of}")).collect::<Vec<_>>().join(", ")
    };
    let mut calls = vec![("level", "smallint"), ("start", "bigint"), ("key", "bigint"), ("slot", "smallint")];
    calls.extend(sums(CallSums::COLUMNS));
    calls.extend(WAITS.map(|column| (column, "text")));
    let replaced = WAITS.map(|of| format!("{of} = excluded.{of}")).join(", ");
    let mut operators = vec![("level", "smallint"), ("start", "bigint"), ("party", "smallint"), ("operator", "text")];
    operators.extend(sums(OperatorSums::COLUMNS));
    let calls_end =
        format!("ON CONFLICT (level, start, key) DO UPDATE SET {}, {replaced}", added("rollup", CallSums::COLUMNS));
    let operators_end = format!(
        "ON CONFLICT (level, start, party, operator) DO UPDATE SET {}",
        added("rollup_operator", OperatorSums::COLUMNS)
    );
    let (level, start, key) = (value(0, "smallint"), value(1, "bigint"), value(2, "bigint"));
    Sql {
        insert_keys: insert("rollup_key", &keys, "ON CONFLICT (key) DO NOTHING"),
        waits_of: format!(
            "SELECT r.level, r.start, r.key, r.{} FROM {each} {join} rollup AS r \
             ON r.level = {level} AND r.start = {start} AND r.key = {key}",
            WAITS.join(", r.")
        ),
        add_calls: insert("rollup", &calls, &calls_end),
        add_operators: insert("rollup_operator", &operators, &operators_end),
        records_of: "",
    }
}
