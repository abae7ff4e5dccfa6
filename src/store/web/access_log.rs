//! The access log: who logged in, read or changed something. Each entry contains the hash of the entry before it, so that a changed,
//! removed or inserted entry is detected. A removed end is detected only by comparing the last hash with a copy of it.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::WebStore;
use crate::store::{Store, StoreError, on_either};

/// The entry of one page of a check.
const PAGE: i64 = 1_000;
const LAST: &str = "SELECT seq, sha256 FROM web_access ORDER BY seq DESC LIMIT 1";
const ADD: &str = "INSERT INTO web_access (seq, at_ms, user_name, address, action, subject, previous_sha256, sha256) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const NEWEST: &str = "SELECT seq, at_ms, user_name, address, action, subject, previous_sha256, sha256 FROM web_access \
    WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
const NEWEST_OF_USER: &str = "SELECT seq, at_ms, user_name, address, action, subject, previous_sha256, sha256 FROM web_access \
    WHERE seq < $1 AND user_name = $3 ORDER BY seq DESC LIMIT $2";
const NEXT: &str = "SELECT seq, at_ms, user_name, address, action, subject, previous_sha256, sha256 FROM web_access \
    WHERE seq > $1 ORDER BY seq LIMIT $2";
/// One writer at a time: two entries with the same predecessor would break the chain.
const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";
const LOCK_POSTGRES: &str = "LOCK TABLE web_access IN EXCLUSIVE MODE";

/// A new entry.
#[derive(Clone, Copy, Debug)]
pub struct NewAccess<'a> {
    pub at_ms: i64,
    pub user: &'a str,
    pub address: &'a str,
    /// A word: `log-in`, `user-add` …
    pub action: &'a str,
    /// What was read or changed.
    pub subject: &'a str,
}

/// A stored entry.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AccessRow {
    pub seq: i64,
    pub at_ms: i64,
    pub user_name: String,
    pub address: String,
    pub action: String,
    pub subject: String,
    pub previous_sha256: String,
    pub sha256: String,
}

impl AccessRow {
    /// True if the stored hash is that of the entry's content.
    pub fn is_intact(&self) -> bool {
        let new = NewAccess {
            at_ms: self.at_ms,
            user: &self.user_name,
            address: &self.address,
            action: &self.action,
            subject: &self.subject,
        };
        hash(self.seq, &new, &self.previous_sha256) == self.sha256
    }
}

/// The result of checking the whole log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessChain {
    /// Entries up to the first error.
    pub entries: u64,
    /// The number of the first entry that was changed, or that has another predecessor.
    pub broken_at: Option<i64>,
    /// The hash of the last entry.
    pub last_sha256: String,
}

fn hash(seq: i64, new: &NewAccess<'_>, previous: &str) -> String {
    // An array of JSON cannot be read in two ways.
    let content = serde_json::json!([seq, new.at_ms, new.user, new.address, new.action, new.subject, previous]);
    HEXLOWER.encode(&Sha256::digest(content.to_string().as_bytes()))
}

impl WebStore {
    /// Appends an entry.
    pub async fn add_access(&self, new: NewAccess<'_>) -> Result<(), StoreError> {
        macro_rules! append {
            ($tx:ident) => {{
                let last: Option<(i64, String)> = sqlx::query_as(LAST).fetch_optional(&mut *$tx).await?;
                let (last, previous) = last.unwrap_or_default();
                let seq = last.saturating_add(1);
                sqlx::query(ADD)
                    .bind(seq)
                    .bind(new.at_ms)
                    .bind(new.user)
                    .bind(new.address)
                    .bind(new.action)
                    .bind(new.subject)
                    .bind(&previous)
                    .bind(hash(seq, &new, &previous))
                    .execute(&mut *$tx)
                    .await?;
                $tx.commit().await?;
            }};
        }
        match &self.0 {
            Store::Sqlite(pool) => {
                let mut tx = pool.begin_with(BEGIN_SQLITE).await?;
                append!(tx);
            }
            Store::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                sqlx::query(LOCK_POSTGRES).execute(&mut *tx).await?;
                append!(tx);
            }
        }
        Ok(())
    }

    /// Entries before the number `before`, newest first; with `user`, only the entries of this user.
    pub async fn access(&self, before: i64, user: Option<&str>, most: i64) -> Result<Vec<AccessRow>, StoreError> {
        Ok(on_either!(&self.0, pool => match user {
            Some(user) => sqlx::query_as(NEWEST_OF_USER).bind(before).bind(most).bind(user).fetch_all(pool).await?,
            None => sqlx::query_as(NEWEST).bind(before).bind(most).fetch_all(pool).await?,
        }))
    }

    /// Checks every entry and its predecessor.
    pub async fn check_access(&self) -> Result<AccessChain, StoreError> {
        let mut chain = AccessChain::default();
        let mut last = 0;
        loop {
            let rows: Vec<AccessRow> =
                on_either!(&self.0, pool => sqlx::query_as(NEXT).bind(last).bind(PAGE).fetch_all(pool).await?);
            if rows.is_empty() {
                return Ok(chain);
            }
            for row in rows {
                if row.seq != last + 1 || row.previous_sha256 != chain.last_sha256 || !row.is_intact() {
                    chain.broken_at = Some(row.seq);
                    return Ok(chain);
                }
                last = row.seq;
                chain.entries += 1;
                chain.last_sha256 = row.sha256;
            }
        }
    }
}
