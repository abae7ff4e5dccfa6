//! Which recordings a session may hear: its user has stated a reason. Ends with the session.

use super::WebStore;
use crate::store::{StoreError, on_either};

const ADD: &str = "INSERT INTO web_hearing (id_sha256, call, at_ms) VALUES ($1, $2, $3) \
    ON CONFLICT (id_sha256, call) DO UPDATE SET at_ms = excluded.at_ms";
const FIND: &str = "SELECT COUNT(*) FROM web_hearing WHERE id_sha256 = $1 AND call = $2 AND at_ms > $3";

impl WebStore {
    /// Lets a session hear the recordings of a call.
    pub async fn add_hearing(&self, id_sha256: &str, call: &str, at_ms: i64) -> Result<(), StoreError> {
        on_either!(&self.0, pool => sqlx::query(ADD).bind(id_sha256).bind(call).bind(at_ms).execute(pool).await.map(drop))?;
        Ok(())
    }

    /// True if the session was let after `since_ms`.
    pub async fn has_hearing(&self, id_sha256: &str, call: &str, since_ms: i64) -> Result<bool, StoreError> {
        let (count,): (i64,) = on_either!(&self.0, pool => {
            sqlx::query_as(FIND).bind(id_sha256).bind(call).bind(since_ms).fetch_one(pool).await?
        });
        Ok(count > 0)
    }
}
