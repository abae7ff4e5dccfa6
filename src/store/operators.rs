//! Operators' accounts, with the hashes for checking passwords.

use serde::{Deserialize, Serialize};

use super::console_users::{ConsoleUserRow, RAISE_MARK};
use super::{Store, StoreError, on_either};

/// All existing columns, because an older or newer schema may have others.
const ALL: &str = "SELECT * FROM operator ORDER BY operator";
const MARK: &str = "SELECT mark FROM operator_mark WHERE id = 1";
const PUT: &str = "INSERT INTO operator (operator, name, realm, ha1_md5, ha1_sha256) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (operator) DO UPDATE SET name = excluded.name, realm = excluded.realm, ha1_md5 = excluded.ha1_md5, \
    ha1_sha256 = excluded.ha1_sha256";
const ADD: &str = "INSERT INTO operator (operator, name, realm, ha1_md5, ha1_sha256, station) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (operator) DO NOTHING";
const BADGE: &str = "UPDATE operator SET number = $2, pin = $3 WHERE operator = $1 AND station = 0";
const HAS_NUMBER: &str = "SELECT COUNT(*) FROM operator WHERE number = $2 AND operator <> $1";
const RESTORE: &str = "INSERT INTO operator (operator, name, realm, ha1_md5, ha1_sha256, station, number, pin) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (operator) DO NOTHING";
const RESTORE_USER: &str = "INSERT INTO console_user (name, role, token_sha256) VALUES ($1, $2, $3) \
    ON CONFLICT (name) DO NOTHING";
/// A service that knows the mark of the lost database sees that the accounts have changed.
const PASS_MARK: &str = "UPDATE operator_mark SET mark = CASE WHEN mark > $1 THEN mark ELSE $1 END + 1 WHERE id = 1";
const REMOVE: &str = "DELETE FROM operator WHERE operator = $1";

/// One account as stored. Hashes are hexadecimal.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow, Serialize, Deserialize)]
pub struct OperatorRow {
    pub operator: String,
    pub name: String,
    /// The SIP domain for which the hashes were made.
    pub realm: String,
    pub ha1_md5: String,
    pub ha1_sha256: String,
    /// 1: a station. A change of the account does not change this field and those below it.
    #[sqlx(default)]
    pub station: i16,
    /// The number by which an operator logs in at stations; the next field is the salted hash of the PIN.
    #[sqlx(default)]
    pub number: Option<String>,
    #[sqlx(default)]
    pub pin: Option<String>,
}

/// The result of setting a number and PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StationLoginChange {
    Done,
    /// There is no operator of this name; a station has no PIN.
    Unknown,
    /// Another operator has this number.
    Taken,
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
    /// All accounts, by name.
    pub async fn operators(&self) -> Result<Vec<OperatorRow>, StoreError> {
        Ok(on_either!(self, pool => sqlx::query_as(ALL).fetch_all(pool).await?))
    }

    /// A counter that increases with every change of the accounts.
    pub async fn operators_mark(&self) -> Result<i64, StoreError> {
        let (mark,): (i64,) = on_either!(self, pool => sqlx::query_as(MARK).fetch_one(pool).await?);
        Ok(mark)
    }

    /// Adds one account. Returns false, and changes nothing, if the name is taken.
    pub async fn add_operator(&self, row: &OperatorRow) -> Result<bool, StoreError> {
        Ok(on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let add = sqlx::query(ADD).bind(&row.operator).bind(&row.name).bind(&row.realm);
            let add = add.bind(&row.ha1_md5).bind(&row.ha1_sha256).bind(row.station);
            let added = add.execute(&mut *tx).await?.rows_affected();
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
            added > 0
        }))
    }

    /// Adds accounts, or replaces those of the same name: all of them or none.
    pub async fn put_operators(&self, rows: &[OperatorRow]) -> Result<(), StoreError> {
        on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            for row in rows {
                let put = sqlx::query(PUT).bind(&row.operator).bind(&row.name).bind(&row.realm);
                put.bind(&row.ha1_md5).bind(&row.ha1_sha256).execute(&mut *tx).await?;
            }
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }

    /// Restores accounts and users of a lost database, all of them or none. Existing ones stay. `mark` is the mark of the lost database.
    pub async fn restore_accounts(
        &self,
        operators: &[OperatorRow],
        users: &[ConsoleUserRow],
        mark: i64,
    ) -> Result<(), StoreError> {
        on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            for row in operators {
                let put = sqlx::query(RESTORE).bind(&row.operator).bind(&row.name).bind(&row.realm);
                let put = put.bind(&row.ha1_md5).bind(&row.ha1_sha256).bind(row.station);
                put.bind(&row.number).bind(&row.pin).execute(&mut *tx).await?;
            }
            for row in users {
                let put = sqlx::query(RESTORE_USER).bind(&row.name).bind(&row.role).bind(&row.token_sha256);
                put.execute(&mut *tx).await?;
            }
            sqlx::query(PASS_MARK).bind(mark).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }

    /// Sets or removes the number and the PIN by which an operator logs in at stations.
    pub async fn set_station_login(
        &self,
        operator: &str,
        station_login: Option<(&str, &str)>,
    ) -> Result<StationLoginChange, StoreError> {
        let (number, pin) = station_login.unzip();
        Ok(on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let (taken,): (i64,) = sqlx::query_as(HAS_NUMBER).bind(operator).bind(number).fetch_one(&mut *tx).await?;
            if taken > 0 {
                return Ok(StationLoginChange::Taken);
            }
            let changed = sqlx::query(BADGE).bind(operator).bind(number).bind(pin).execute(&mut *tx).await?;
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
            if changed.rows_affected() > 0 { StationLoginChange::Done } else { StationLoginChange::Unknown }
        }))
    }

    /// Removes one account. Returns false if there is none.
    pub async fn remove_operator(&self, operator: &str) -> Result<bool, StoreError> {
        Ok(on_either!(self, pool => {
            let mut tx = pool.begin().await?;
            let removed = sqlx::query(REMOVE).bind(operator).execute(&mut *tx).await?.rows_affected();
            sqlx::query(RAISE_MARK).execute(&mut *tx).await?;
            tx.commit().await?;
            removed > 0
        }))
    }
}
