//! Operators' accounts: who may register, and the hashes that his password is checked against.

use super::{Store, StoreError, on_either};

const ALL: &str = "SELECT operator, name, realm, ha1_md5, ha1_sha256 FROM operator ORDER BY operator";
const MARK: &str = "SELECT mark FROM operator_mark WHERE id = 1";
pub(super) const RAISE_MARK: &str = "UPDATE operator_mark SET mark = mark + 1 WHERE id = 1";
const PUT: &str = "INSERT INTO operator (operator, name, realm, ha1_md5, ha1_sha256) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (operator) DO UPDATE SET name = excluded.name, realm = excluded.realm, ha1_md5 = excluded.ha1_md5, \
    ha1_sha256 = excluded.ha1_sha256";
const ADD: &str = "INSERT INTO operator (operator, name, realm, ha1_md5, ha1_sha256) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (operator) DO NOTHING";
const REMOVE: &str = "DELETE FROM operator WHERE operator = $1";

/// One account as it is stored. Hashes are hexadecimal.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OperatorRow {
    pub operator: String,
    pub name: String,
    /// The SIP domain that the hashes were made for.
    pub realm: String,
    pub ha1_md5: String,
    pub ha1_sha256: String,
}

impl std::fmt::Debug for OperatorRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorRow")
            .field("operator", &self.operator)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Every account, by name.
    pub async fn operators(&self) -> Result<Vec<OperatorRow>, StoreError> {
        Ok(on_either!(self, pool => sqlx::query_as(ALL).fetch_all(pool).await?))
    }

    /// A number that rises with every change of the accounts.
    pub async fn operators_mark(&self) -> Result<i64, StoreError> {
        let (mark,): (i64,) = on_either!(self, pool => sqlx::query_as(MARK).fetch_one(pool).await?);
        Ok(mark)
    }

    /// Adds one account. False when the name is taken; then nothing is changed.
    pub async fn add_operator(&self, row: &OperatorRow) -> Result<bool, StoreError> {
        Ok(self.change_operators(ADD, std::slice::from_ref(row)).await? > 0)
    }

    /// Adds accounts, or replaces those of the same name: all of them or none.
    pub async fn put_operators(&self, rows: &[OperatorRow]) -> Result<(), StoreError> {
        self.change_operators(PUT, rows).await?;
        Ok(())
    }

    /// Removes one account. False when there is none.
    pub async fn remove_operator(&self, operator: &str) -> Result<bool, StoreError> {
        Ok(on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let removed = sqlx::query(REMOVE).bind(operator).execute(&mut *tx).await?.rows_affected();
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
            removed > 0
        }))
    }

    async fn change_operators(&self, sql: &'static str, rows: &[OperatorRow]) -> Result<u64, StoreError> {
        Ok(on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let mut changed = 0;
            for row in rows {
                let put = sqlx::query(sql).bind(&row.operator).bind(&row.name).bind(&row.realm);
                changed += put.bind(&row.ha1_md5).bind(&row.ha1_sha256).execute(&mut *tx).await?.rows_affected();
            }
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
            changed
        }))
    }
}
