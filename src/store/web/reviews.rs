//! Reviews of calls. They are not part of the records.

use super::WebStore;
use crate::store::{StoreError, on_either};

/// Reviews of one call that a page shows.
const SHOWN_MAX: i64 = 50;
const ADD: &str = "INSERT INTO web_review (call, at_ms, user_name, score, note) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (call, at_ms) DO NOTHING";
const OF_CALL: &str =
    "SELECT call, at_ms, user_name, score, note FROM web_review WHERE call = $1 ORDER BY at_ms DESC LIMIT $2";

/// One review.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ReviewRow {
    pub call: String,
    pub at_ms: i64,
    pub user_name: String,
    /// 1 to 5.
    pub score: i64,
    pub note: String,
}

const FORGET_NOTES: &str = "UPDATE web_review SET note = '' WHERE call = $1";

impl WebStore {
    /// Erases the notes about a call. The scores stay.
    pub async fn forget_texts_of(&self, call: &str) -> Result<(), StoreError> {
        on_either!(&self.0, pool => sqlx::query(FORGET_NOTES).bind(call).execute(pool).await.map(drop))?;
        Ok(())
    }

    /// Adds a review. Returns false if the call was reviewed in the same millisecond.
    pub async fn add_review(&self, row: &ReviewRow) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(ADD).bind(&row.call).bind(row.at_ms).bind(&row.user_name)
            .bind(row.score).bind(&row.note).execute(pool).await?.rows_affected() > 0))
    }

    /// The reviews of a call, newest first.
    pub async fn reviews(&self, call: &str) -> Result<Vec<ReviewRow>, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query_as(OF_CALL).bind(call).bind(SHOWN_MAX).fetch_all(pool).await?))
    }
}
