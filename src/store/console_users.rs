//! Console users and their roles.

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, on_either};

const ALL: &str = "SELECT name, role, token_sha256 FROM console_user ORDER BY name";
const PUT: &str = "INSERT INTO console_user (name, role, token_sha256) VALUES ($1, $2, $3) \
    ON CONFLICT (name) DO UPDATE SET role = excluded.role, token_sha256 = excluded.token_sha256";
const REMOVE: &str = "DELETE FROM console_user WHERE name = $1";

/// One user as stored.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow, Serialize, Deserialize)]
pub struct ConsoleUserRow {
    pub name: String,
    /// The name of a role.
    pub role: String,
    /// SHA-256 of the user's token, hexadecimal.
    pub token_sha256: String,
}

impl std::fmt::Debug for ConsoleUserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleUserRow").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Store {
    /// All users, by name.
    pub async fn console_users(&self) -> Result<Vec<ConsoleUserRow>, StoreError> {
        Ok(on_either!(self, pool => sqlx::query_as(ALL).fetch_all(pool).await?))
    }

    /// Adds a user, or changes the role and token of an existing one. Increments the operators' change counter, so that a service detects
    /// it.
    pub async fn put_console_user(&self, row: &ConsoleUserRow) -> Result<(), StoreError> {
        on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query(PUT).bind(&row.name).bind(&row.role).bind(&row.token_sha256).execute(&mut *tx).await?;
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }

    /// Removes a user. Returns false if there is none.
    pub async fn remove_console_user(&self, name: &str) -> Result<bool, StoreError> {
        Ok(on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let removed = sqlx::query(REMOVE).bind(name).execute(&mut *tx).await?.rows_affected();
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
            removed > 0
        }))
    }
}

pub(super) const RAISE_MARK: &str = "UPDATE operator_mark SET mark = mark + 1 WHERE id = 1";
