//! Browsers from which a user has logged in. Only the hash of a browser's id is stored.

use super::WebStore;
use crate::store::{StoreError, on_either};

const COUNT: &str = "SELECT COUNT(*) FROM web_browser WHERE user_name = $1 AND id_sha256 = $2";
const ADD: &str = "INSERT INTO web_browser (user_name, id_sha256, seen_ms) VALUES ($1, $2, $3) \
    ON CONFLICT (user_name, id_sha256) DO UPDATE SET seen_ms = excluded.seen_ms";
/// The browsers of a user that were used last stay.
const REMOVE_OLDEST: &str = "DELETE FROM web_browser WHERE user_name = $1 AND id_sha256 NOT IN \
    (SELECT id_sha256 FROM web_browser WHERE user_name = $1 ORDER BY seen_ms DESC, id_sha256 LIMIT $2)";
const PRUNE: &str = "DELETE FROM web_browser WHERE seen_ms < $1";

impl WebStore {
    /// True if the user has logged in from this browser.
    pub async fn knows_browser(&self, user: &str, id_sha256: &str) -> Result<bool, StoreError> {
        let (count,): (i64,) =
            on_either!(&self.0, pool => sqlx::query_as(COUNT).bind(user).bind(id_sha256).fetch_one(pool).await?);
        Ok(count > 0)
    }

    /// Notes a log-in from a browser. Of the user's browsers, the `most` that were used last stay.
    pub async fn add_browser(&self, user: &str, id_sha256: &str, now_ms: i64, most: i64) -> Result<(), StoreError> {
        on_either!(&self.0, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(ADD).bind(user).bind(id_sha256).bind(now_ms).execute(&mut *tx).await?;
            sqlx::query(REMOVE_OLDEST).bind(user).bind(most).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }

    /// Removes browsers that were last used before a time.
    pub async fn prune_browsers(&self, before_ms: i64) -> Result<(), StoreError> {
        on_either!(&self.0, pool => { sqlx::query(PRUNE).bind(before_ms).execute(pool).await?; });
        Ok(())
    }
}
