//! Exports that a user has asked for and another user decides.

use super::WebStore;
use crate::store::{StoreError, on_either};

const COLUMNS: &str =
    "id, query_sha256, subject, calls, reason, asked_by, asked_role, asked_ms, decided_by, decided_ms, is_allowed";
const ADD: &str = "INSERT INTO web_approval (id, query_sha256, subject, calls, reason, asked_by, asked_role, asked_ms, \
    decided_by, decided_ms, is_allowed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, 0)";
const LAST: &str = "FROM web_approval WHERE asked_by = $1 AND query_sha256 = $2 ORDER BY asked_ms DESC, id LIMIT 1";
const NEWEST: &str = "FROM web_approval WHERE asked_ms > $1 ORDER BY asked_ms DESC, id LIMIT $2";
const ONE: &str = "FROM web_approval WHERE id = $1";
/// Only if no other decision was stored meanwhile.
const DECIDE: &str = "UPDATE web_approval SET decided_by = $2, decided_ms = $3, is_allowed = $4 \
    WHERE id = $1 AND decided_by = ''";

/// A stored request.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ApprovalRow {
    pub id: String,
    /// The hash of the query with its columns.
    pub query_sha256: String,
    /// The query without whole numbers.
    pub subject: String,
    pub calls: i64,
    pub reason: String,
    pub asked_by: String,
    pub asked_role: String,
    pub asked_ms: i64,
    /// Empty: not decided.
    pub decided_by: String,
    pub decided_ms: i64,
    pub is_allowed: i64,
}

impl WebStore {
    /// Stores a request; `row` is not decided.
    pub async fn add_approval(&self, row: &ApprovalRow) -> Result<(), StoreError> {
        on_either!(&self.0, pool => {
            sqlx::query(ADD).bind(&row.id).bind(&row.query_sha256).bind(&row.subject).bind(row.calls).bind(&row.reason)
                .bind(&row.asked_by).bind(&row.asked_role).bind(row.asked_ms).execute(pool).await?;
        });
        Ok(())
    }

    /// The last request of a user for a query.
    pub async fn last_approval(&self, user: &str, query_sha256: &str) -> Result<Option<ApprovalRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} {LAST}");
        Ok(on_either!(&self.0, pool => {
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(user).bind(query_sha256).fetch_optional(pool).await?
        }))
    }

    /// The requests after a time, newest first.
    pub async fn approvals(&self, since_ms: i64, most: i64) -> Result<Vec<ApprovalRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} {NEWEST}");
        Ok(on_either!(&self.0, pool => {
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(since_ms).bind(most).fetch_all(pool).await?
        }))
    }

    /// The request with this id.
    pub async fn approval(&self, id: &str) -> Result<Option<ApprovalRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} {ONE}");
        Ok(on_either!(&self.0, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?))
    }

    /// Decides a request. Returns false if it was decided before.
    pub async fn decide_approval(
        &self,
        id: &str,
        user: &str,
        at_ms: i64,
        is_allowed: bool,
    ) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => {
            sqlx::query(DECIDE).bind(id).bind(user).bind(at_ms).bind(i64::from(is_allowed)).execute(pool).await?
                .rows_affected() > 0
        }))
    }
}
