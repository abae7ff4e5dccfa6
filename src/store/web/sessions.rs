//! Sessions of the pages. Only the hash of a session's id is stored.

use super::WebStore;
use crate::store::{StoreError, on_either};

const ADD: &str = "INSERT INTO web_session (id_sha256, user_name, is_complete, address, started_ms, seen_ms) \
    VALUES ($1, $2, $3, $4, $5, $5)";
const ONE: &str = "SELECT s.user_name, s.is_complete, s.started_ms, s.seen_ms, u.display, u.role, u.must_change, u.recordings, \
    CASE WHEN u.totp_secret IS NULL THEN 0 ELSE 1 END AS has_totp \
    FROM web_session s JOIN web_user u ON u.name = s.user_name WHERE s.id_sha256 = $1";
const SEEN: &str = "UPDATE web_session SET seen_ms = $2 WHERE id_sha256 = $1 AND seen_ms < $2";
const END: &str = "DELETE FROM web_session WHERE id_sha256 = $1";
const END_ALL: &str = "DELETE FROM web_session WHERE user_name = $1 AND id_sha256 <> $2";
const END_EXPIRED: &str = "DELETE FROM web_session WHERE seen_ms < $1 OR started_ms < $2";
/// The newest sessions of a user stay. Sessions without the second factor end no complete ones.
const END_OLDEST: &str = "DELETE FROM web_session WHERE user_name = $1 AND is_complete = $3 AND id_sha256 NOT IN \
    (SELECT id_sha256 FROM web_session WHERE user_name = $1 AND is_complete = $3 \
    ORDER BY started_ms DESC, id_sha256 LIMIT $2)";
const WRONG_CODE: &str =
    "UPDATE web_session SET wrong_codes = wrong_codes + 1 WHERE id_sha256 = $1 RETURNING wrong_codes";
const COUNT: &str = "SELECT COUNT(*) FROM web_session WHERE user_name = $1 AND is_complete = 1";

/// A session with its user.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionRow {
    pub user_name: String,
    /// 0: the code of the second factor is missing.
    pub is_complete: i64,
    pub started_ms: i64,
    pub seen_ms: i64,
    pub display: String,
    pub role: String,
    /// 1: the password is a one-time password.
    pub must_change: i64,
    /// 1: a supervisor who may hear recordings.
    pub recordings: i64,
    pub has_totp: i32,
}

/// A new session.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    pub id_sha256: &'a str,
    pub user: &'a str,
    pub is_complete: bool,
    pub address: &'a str,
    pub started_ms: i64,
}

impl WebStore {
    /// Adds a session. Of the user's older ones that are as complete, the newest stay, `most` in all.
    pub async fn add_session(&self, new: NewSession<'_>, most: i64) -> Result<(), StoreError> {
        on_either!(&self.0, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(END_OLDEST).bind(new.user).bind(most.saturating_sub(1))
                .bind(i64::from(new.is_complete)).execute(&mut *tx).await?;
            sqlx::query(ADD).bind(new.id_sha256).bind(new.user).bind(i64::from(new.is_complete)).bind(new.address)
                .bind(new.started_ms).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }

    /// The session with this hash of an id, and its user.
    pub async fn session(&self, id_sha256: &str) -> Result<Option<SessionRow>, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query_as(ONE).bind(id_sha256).fetch_optional(pool).await?))
    }

    /// Notes the time of a session's last request.
    pub async fn session_seen(&self, id_sha256: &str, at_ms: i64) -> Result<(), StoreError> {
        on_either!(&self.0, pool => { sqlx::query(SEEN).bind(id_sha256).bind(at_ms).execute(pool).await?; });
        Ok(())
    }

    /// Counts a wrong code of a session. Returns the number of its wrong codes; 0 if there is no such session.
    pub async fn count_wrong_code(&self, id_sha256: &str) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = on_either!(&self.0, pool => {
            sqlx::query_as(WRONG_CODE).bind(id_sha256).fetch_optional(pool).await?
        });
        Ok(row.map_or(0, |(count,)| count))
    }

    /// Ends one session. Returns false if there is none.
    pub async fn end_session(&self, id_sha256: &str) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(END).bind(id_sha256).execute(pool).await?.rows_affected() > 0))
    }

    /// Ends all sessions of a user except the one with the hash `but`. Returns their number.
    pub async fn end_sessions(&self, user: &str, but: &str) -> Result<u64, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(END_ALL).bind(user).bind(but).execute(pool).await?.rows_affected()))
    }

    /// Removes sessions whose last request, or whose start, is too old.
    pub async fn end_expired_sessions(&self, seen_before_ms: i64, started_before_ms: i64) -> Result<u64, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(END_EXPIRED).bind(seen_before_ms).bind(started_before_ms)
            .execute(pool).await?.rows_affected()))
    }

    /// The number of a user's sessions.
    pub async fn session_count(&self, user: &str) -> Result<i64, StoreError> {
        let (count,): (i64,) = on_either!(&self.0, pool => sqlx::query_as(COUNT).bind(user).fetch_one(pool).await?);
        Ok(count)
    }
}
