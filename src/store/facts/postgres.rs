//! Rows for PostgreSQL: one JSON array for each statement, so that a batch of any size needs one round trip.

use sqlx::PgConnection;

use crate::store::StoreError;
use crate::store::journal::record::Entry;

use super::{Row, RowInserts, SearchRow, TalkRow, array, json};

const INSERT_FACTS: &str = "INSERT INTO fact (stream, seq, at, kind, body) \
    SELECT value ->> 'stream', (value ->> 'seq')::bigint, (value ->> 'at')::bigint, value ->> 'kind', value::text \
    FROM json_array_elements($1::json) AS value ON CONFLICT (stream, seq) DO NOTHING";
const UPSERT_CDRS: &str = "INSERT INTO cdr (call, received, answered, ended, trunk, number, called, outcome, cause, ended_by, \
    operator, waited_ms, talk_ms, wrap_ms, class, category, desk, body) \
    SELECT value ->> 'call', (value ->> 'received')::bigint, (value ->> 'answered')::bigint, \
    (value ->> 'ended')::bigint, value ->> 'trunk', value ->> 'number', value ->> 'called', value ->> 'outcome', \
    value ->> 'cause', value ->> 'ended_by', value ->> 'operator', (value ->> 'waited_ms')::bigint, \
    (value ->> 'talk_ms')::bigint, (value ->> 'wrap_ms')::bigint, value ->> 'class', value ->> 'category', \
    value ->> 'desk', (value -> 'body')::text \
    FROM json_array_elements($1::json) AS value \
    ON CONFLICT (call) DO UPDATE SET received = excluded.received, answered = excluded.answered, \
    ended = excluded.ended, trunk = excluded.trunk, number = excluded.number, called = excluded.called, \
    outcome = excluded.outcome, cause = excluded.cause, ended_by = excluded.ended_by, operator = excluded.operator, \
    waited_ms = excluded.waited_ms, talk_ms = excluded.talk_ms, wrap_ms = excluded.wrap_ms, class = excluded.class, \
    category = excluded.category, desk = excluded.desk, body = excluded.body";
const INSERT_TALKS: &str = "INSERT INTO talk (call, no, operator, received, talk_ms, wrap_ms, guest) \
    SELECT value ->> 'call', (value ->> 'no')::bigint, value ->> 'operator', (value ->> 'received')::bigint, \
    (value ->> 'talk_ms')::bigint, (value ->> 'wrap_ms')::bigint, (value ->> 'guest')::smallint \
    FROM json_array_elements($1::json) AS value";

const UPSERT_SEARCH: &str = "INSERT INTO call_search (received, call, number, operators, desk, trunk, outcome, class, category, agency, mode, \
    waited_ms, talk_ms, wrap_ms, note) SELECT (value ->> 'received')::bigint, value ->> 'call', value ->> 'number', \
    value ->> 'operators', value ->> 'desk', value ->> 'trunk', value ->> 'outcome', value ->> 'class', value ->> \
    'category', value ->> 'agency', value ->> 'mode', (value ->> 'waited_ms')::bigint, (value ->> \
    'talk_ms')::bigint, (value ->> 'wrap_ms')::bigint, value ->> 'note' FROM json_array_elements($1::json) AS value \
    ON CONFLICT (received, call) DO UPDATE SET number = excluded.number, operators = excluded.operators, desk = \
    excluded.desk, trunk = excluded.trunk, outcome = excluded.outcome, class = excluded.class, category = \
    excluded.category, agency = excluded.agency, mode = excluded.mode, waited_ms = excluded.waited_ms, talk_ms = \
    excluded.talk_ms, wrap_ms = excluded.wrap_ms, note = excluded.note";

impl RowInserts for PgConnection {
    async fn insert_facts(&mut self, facts: &[&Entry]) -> Result<(), StoreError> {
        sqlx::query(INSERT_FACTS).bind(array(facts)).execute(self).await?;
        Ok(())
    }

    async fn upsert_cdrs(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError> {
        sqlx::query(UPSERT_CDRS).bind(json(&rows)?).execute(self).await?;
        Ok(())
    }

    async fn insert_talks(&mut self, talks: &[TalkRow<'_>]) -> Result<(), StoreError> {
        sqlx::query(INSERT_TALKS).bind(json(&talks)?).execute(self).await?;
        Ok(())
    }

    async fn upsert_search(&mut self, rows: &[SearchRow<'_>]) -> Result<(), StoreError> {
        sqlx::query(UPSERT_SEARCH).bind(json(&rows)?).execute(self).await?;
        Ok(())
    }
}
