//! Users of the pages.

use std::collections::BTreeSet;

use super::WebStore;
use crate::store::{StoreError, on_either};

const ALL: &str =
    "SELECT name, display, role, password, must_change, totp_secret, totp_step FROM web_user ORDER BY name";
const ONE: &str =
    "SELECT name, display, role, password, must_change, totp_secret, totp_step FROM web_user WHERE name = $1";
const ADD: &str = "INSERT INTO web_user (name, display, role, password, must_change, totp_secret, totp_step) \
    VALUES ($1, $2, $3, $4, $5, NULL, 0) ON CONFLICT (name) DO NOTHING";
/// A new role has no rights besides its own.
const SET_ROLE: &str = "UPDATE web_user SET role = $2, recordings = 0 WHERE name = $1";
const SET_RECORDINGS: &str = "UPDATE web_user SET recordings = $2 WHERE name = $1 AND role = $3";
const MAY_HEAR: &str = "SELECT name FROM web_user WHERE recordings = 1";
const SET_PASSWORD: &str = "UPDATE web_user SET password = $2, must_change = $3 WHERE name = $1";
const SET_TOTP: &str = "UPDATE web_user SET totp_secret = $2, totp_step = $3 WHERE name = $1";
const USE_STEP: &str = "UPDATE web_user SET totp_step = $2 WHERE name = $1 AND totp_step < $2";
const REMOVE: &str = "DELETE FROM web_user WHERE name = $1";

/// One user as stored.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct WebUserRow {
    pub name: String,
    /// The name that pages show.
    pub display: String,
    /// The name of a role.
    pub role: String,
    /// Argon2id, as a PHC string.
    pub password: String,
    /// 1: the password is a one-time password.
    pub must_change: i64,
    /// The secret of the second factor in Base32.
    pub totp_secret: Option<String>,
    /// The last time step whose code was used.
    pub totp_step: i64,
}

impl std::fmt::Debug for WebUserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebUserRow").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl WebStore {
    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<WebUserRow>, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query_as(ALL).fetch_all(pool).await?))
    }

    /// The user with this name.
    pub async fn user(&self, name: &str) -> Result<Option<WebUserRow>, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query_as(ONE).bind(name).fetch_optional(pool).await?))
    }

    /// Adds a user without a second factor. Returns false if the name exists.
    pub async fn add_user(&self, row: &WebUserRow) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(ADD).bind(&row.name).bind(&row.display).bind(&row.role)
            .bind(&row.password).bind(row.must_change).execute(pool).await?.rows_affected() > 0))
    }

    /// Returns false if there is no such user.
    pub async fn set_role(&self, name: &str, role: &str) -> Result<bool, StoreError> {
        Ok(
            on_either!(&self.0, pool => sqlx::query(SET_ROLE).bind(name).bind(role).execute(pool).await?.rows_affected() > 0),
        )
    }

    /// Lets a user hear recordings, or no longer. Returns false if there is no user with this name and role.
    pub async fn set_recordings(&self, name: &str, role: &str, may_hear: bool) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(SET_RECORDINGS).bind(name).bind(i64::from(may_hear)).bind(role)
            .execute(pool).await?.rows_affected() > 0))
    }

    /// The users who were allowed to hear recordings besides those whose role may.
    pub async fn hearers(&self) -> Result<BTreeSet<String>, StoreError> {
        let rows: Vec<(String,)> = on_either!(&self.0, pool => sqlx::query_as(MAY_HEAR).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Stores the hash of a new password. Returns false if there is no such user.
    pub async fn set_password(&self, name: &str, hash: &str, must_change: bool) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(SET_PASSWORD).bind(name).bind(hash).bind(i64::from(must_change))
            .execute(pool).await?.rows_affected() > 0))
    }

    /// Stores or removes the secret of the second factor; `step` is the time step of a code that was used already.
    pub async fn set_totp(&self, name: &str, secret: Option<&str>, step: i64) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(SET_TOTP).bind(name).bind(secret).bind(step)
            .execute(pool).await?.rows_affected() > 0))
    }

    /// Marks the code of a time step as used. Returns false if it, or a later one, was used before.
    pub async fn use_totp_step(&self, name: &str, step: i64) -> Result<bool, StoreError> {
        Ok(
            on_either!(&self.0, pool => sqlx::query(USE_STEP).bind(name).bind(step).execute(pool).await?.rows_affected() > 0),
        )
    }

    /// Removes a user with all sessions. Returns false if there is no such user.
    pub async fn remove_user(&self, name: &str) -> Result<bool, StoreError> {
        Ok(on_either!(&self.0, pool => sqlx::query(REMOVE).bind(name).execute(pool).await?.rows_affected() > 0))
    }
}
