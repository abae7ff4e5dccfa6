//! The delivery log of scheduled reports, and the last run of each schedule. One process writes them.

use super::WebStore;
use crate::limits::DELIVERIES_KEPT_MAX;
use crate::store::{StoreError, on_either};

const ADD: &str = "INSERT INTO web_delivery (seq, at_ms, schedule, due_ms, target, outcome, detail) \
    SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $5, $6 FROM web_delivery";
const TRIM: &str = "DELETE FROM web_delivery WHERE seq <= (SELECT MAX(seq) FROM web_delivery) - $1";
const NEWEST: &str =
    "SELECT at_ms, schedule, due_ms, target, outcome, detail FROM web_delivery ORDER BY seq DESC LIMIT $1";
const RUN: &str = "SELECT due_ms FROM web_schedule WHERE schedule = $1";
const SET_RUN: &str = "INSERT INTO web_schedule (schedule, due_ms) VALUES ($1, $2) \
    ON CONFLICT (schedule) DO UPDATE SET due_ms = excluded.due_ms";

/// An entry of the delivery log.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeliveryRow {
    pub at_ms: i64,
    pub schedule: String,
    /// The time for which the report was made.
    pub due_ms: i64,
    /// A file or an address.
    pub target: String,
    /// A word: `written`, `queued`, `sent`, `delayed` or `failed`.
    pub outcome: String,
    /// The error; empty if there is none.
    pub detail: String,
}

impl WebStore {
    /// Adds an entry, and removes the oldest one beyond the limit.
    pub async fn add_delivery(&self, row: &DeliveryRow) -> Result<(), StoreError> {
        on_either!(&self.0, pool => {
            sqlx::query(ADD).bind(row.at_ms).bind(&row.schedule).bind(row.due_ms).bind(&row.target).bind(&row.outcome)
                .bind(&row.detail).execute(pool).await?;
            sqlx::query(TRIM).bind(DELIVERIES_KEPT_MAX).execute(pool).await?;
        });
        Ok(())
    }

    /// The newest entries, newest first.
    pub async fn deliveries(&self, most: i64) -> Result<Vec<DeliveryRow>, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query_as(NEWEST).bind(most).fetch_all(pool).await?))
    }

    /// The time for which a schedule has run last; None: the schedule is new.
    pub async fn schedule_run(&self, schedule: &str) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> =
            on_either!(&self.0, pool => sqlx::query_as(RUN).bind(schedule).fetch_optional(pool).await?);
        Ok(row.map(|(due_ms,)| due_ms))
    }

    /// Stores the time for which a schedule has run.
    pub async fn set_schedule_run(&self, schedule: &str, due_ms: i64) -> Result<(), StoreError> {
        on_either!(&self.0, pool => {
            sqlx::query(SET_RUN).bind(schedule).bind(due_ms).execute(pool).await.map(drop)
        })?;
        Ok(())
    }
}
