//! Failed log-ins, by user and address.

use super::WebStore;
use crate::store::{StoreError, on_either};

const ONE: &str = "SELECT failures, last_ms FROM web_failure WHERE user_name = $1 AND address = $2";
/// Only if no other attempt was made since the row was read: of several simultaneous attempts, one is checked.
const FIRST: &str = "INSERT INTO web_failure (user_name, address, failures, last_ms) VALUES ($1, $2, 1, $3) \
    ON CONFLICT (user_name, address) DO NOTHING";
const NEXT: &str = "UPDATE web_failure SET failures = failures + 1, last_ms = $5 \
    WHERE user_name = $1 AND address = $2 AND failures = $3 AND last_ms = $4";
const SET: &str = "UPDATE web_failure SET failures = $3, last_ms = $4 WHERE user_name = $1 AND address = $2";
const CLEAR: &str = "DELETE FROM web_failure WHERE user_name = $1 AND address = $2";
const PRUNE: &str = "DELETE FROM web_failure WHERE last_ms < $1";

/// The failed log-ins of a user from an address since the last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Failures {
    pub failures: i64,
    pub last_ms: i64,
}

impl WebStore {
    /// The failed log-ins of a user from an address.
    pub async fn failures(&self, user: &str, address: &str) -> Result<Failures, StoreError> {
        let found = on_either!(&self.0, pool => {
            sqlx::query_as(ONE).bind(user).bind(address).fetch_optional(pool).await?
        });
        Ok(found.unwrap_or_default())
    }

    /// Counts an attempt as failed before it is checked. Returns false if another attempt was counted since `known` was read.
    pub async fn count_failure(
        &self,
        user: &str,
        address: &str,
        known: Failures,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => if known.failures == 0 {
            sqlx::query(FIRST).bind(user).bind(address).bind(now_ms).execute(pool).await?.rows_affected() > 0
        } else {
            sqlx::query(NEXT).bind(user).bind(address).bind(known.failures).bind(known.last_ms).bind(now_ms)
                .execute(pool).await?.rows_affected() > 0
        }))
    }

    /// Takes an attempt back that was counted by `count_failure`: `known` is valid again.
    pub async fn restore_failures(&self, user: &str, address: &str, known: Failures) -> Result<(), StoreError> {
        if known.failures == 0 {
            return self.clear_failures(user, address).await;
        }
        on_either!(&self.0, pool => {
            sqlx::query(SET).bind(user).bind(address).bind(known.failures).bind(known.last_ms).execute(pool).await?;
        });
        Ok(())
    }

    /// Forgets the failures of a user from an address, after a success.
    pub async fn clear_failures(&self, user: &str, address: &str) -> Result<(), StoreError> {
        on_either!(&self.0, pool => { sqlx::query(CLEAR).bind(user).bind(address).execute(pool).await?; });
        Ok(())
    }

    /// Removes failures before a time.
    pub async fn prune_failures(&self, before_ms: i64) -> Result<(), StoreError> {
        on_either!(&self.0, pool => { sqlx::query(PRUNE).bind(before_ms).execute(pool).await?; });
        Ok(())
    }
}
