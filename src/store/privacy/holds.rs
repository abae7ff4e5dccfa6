//! Legal holds: calls of which nothing is erased or deleted.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::store::{Store, StoreError, on_either};

const PLACE: &str = "INSERT INTO legal_hold (call, placed, placed_by, reason) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (call) DO UPDATE SET placed = excluded.placed, placed_by = excluded.placed_by, reason = excluded.reason, \
    lifted = NULL WHERE legal_hold.lifted IS NOT NULL";
const LIFT: &str = "UPDATE legal_hold SET lifted = $2 WHERE call = $1 AND lifted IS NULL";
const ALL: &str = "SELECT call, placed, placed_by, reason FROM legal_hold WHERE lifted IS NULL ORDER BY placed, call";
const CALLS: &str = "SELECT call FROM legal_hold WHERE lifted IS NULL";
const LIFTED: &str = "SELECT call FROM legal_hold WHERE lifted IS NOT NULL ORDER BY call LIMIT 100";
const REMOVE: &str = "DELETE FROM legal_hold WHERE call = $1 AND lifted IS NOT NULL";

/// A hold in force.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Hold {
    pub call: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub placed: i64,
    pub placed_by: String,
    pub reason: String,
}

impl Store {
    /// Places a hold. Returns false if there is one already.
    pub async fn place_hold(&self, call: CallId, at: Timestamp, by: &str, reason: &str) -> Result<bool, StoreError> {
        Ok(on_either!(self, pool => {
            sqlx::query(PLACE).bind(call.to_string()).bind(at.as_millis()).bind(by).bind(reason).execute(pool).await?
                .rows_affected() > 0
        }))
    }

    /// Lifts a hold: what `[retention]` asks of the call is done next. Returns false if there is none.
    pub async fn lift_hold(&self, call: CallId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(on_either!(self, pool => {
            sqlx::query(LIFT).bind(call.to_string()).bind(at.as_millis()).execute(pool).await?.rows_affected() > 0
        }))
    }

    /// The holds in force, oldest first.
    pub async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        Ok(on_either!(self, pool => sqlx::query_as(ALL).fetch_all(pool).await?))
    }

    /// The calls on hold.
    pub(in crate::store) async fn held_calls(&self) -> Result<BTreeSet<CallId>, StoreError> {
        let rows: Vec<(String,)> = on_either!(self, pool => sqlx::query_as(CALLS).fetch_all(pool).await?);
        Ok(rows.into_iter().filter_map(|(call,)| call.parse().ok()).collect())
    }

    /// Calls whose hold was lifted.
    pub(super) async fn lifted_calls(&self) -> Result<Vec<CallId>, StoreError> {
        let rows: Vec<(String,)> = on_either!(self, pool => sqlx::query_as(LIFTED).fetch_all(pool).await?);
        Ok(rows.into_iter().filter_map(|(call,)| call.parse().ok()).collect())
    }

    pub(super) async fn remove_lifted(&self, call: CallId) -> Result<(), StoreError> {
        on_either!(self, pool => sqlx::query(REMOVE).bind(call.to_string()).execute(pool).await.map(drop))?;
        Ok(())
    }
}
