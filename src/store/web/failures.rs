//! Failed log-ins, by user and address.

use super::WebStore;
use crate::store::{StoreError, on_either};

const ONE: &str = "SELECT failures, last_ms FROM web_failure WHERE user_name = $1 AND address = $2";
/// Only if no other attempt was made since the row was read: of several simultaneous attempts, one is checked.
const FIRST: &str = "INSERT INTO web_failure (user_name, address, failures, last_ms) VALUES ($1, $2, 1, $3) \
    ON CONFLICT (user_name, address) DO NOTHING";
const NEXT: &str = "UPDATE web_failure SET failures = failures + 1, last_ms = $5 \
    WHERE user_name = $1 AND address = $2 AND failures = $3 AND last_ms = $4";
/// Only if no other attempt was counted since.
const RESTORE: &str = "UPDATE web_failure SET failures = failures - 1, last_ms = $3 \
    WHERE user_name = $1 AND address = $2 AND last_ms = $4";
/// Later attempts stay counted, with their time.
const TAKE_BACK: &str =
    "UPDATE web_failure SET failures = failures - 1 WHERE user_name = $1 AND address = $2 AND last_ms > $3";
const FORGET: &str = "DELETE FROM web_failure WHERE user_name = $1 AND address = $2 AND failures <= 0";
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

    /// Takes back an attempt that `count_failure` counted at `counted_ms`. If none was counted since, the last failure is that of `known`
    /// again.
    pub async fn restore_failures(
        &self,
        user: &str,
        address: &str,
        known: Failures,
        counted_ms: i64,
    ) -> Result<(), StoreError> {
        on_either!(&self.0, pool => {
            let mut tx = pool.begin().await?;
            let restored = sqlx::query(RESTORE).bind(user).bind(address).bind(known.last_ms).bind(counted_ms);
            if restored.execute(&mut *tx).await?.rows_affected() == 0 {
                sqlx::query(TAKE_BACK).bind(user).bind(address).bind(counted_ms).execute(&mut *tx).await?;
            }
            sqlx::query(FORGET).bind(user).bind(address).execute(&mut *tx).await?;
            tx.commit().await?;
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
