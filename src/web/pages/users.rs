//! Users and their roles, for admins.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::ids::OperatorId;
use crate::store::web::users::WebUserRow;
use crate::web::frame::{Frame, page, role_text, see};
use crate::web::password;
use crate::web::role::Role;
use crate::web::site::{Fault, Site};
use crate::web::visitor::{Fields, Visitor};

/// Characters of a display name.
const DISPLAY_MAX: usize = 80;

struct Line {
    name: String,
    display: String,
    role: &'static str,
    role_text: String,
    must_change: bool,
    has_totp: bool,
    is_own: bool,
    /// None: the role decides.
    may_hear: Option<bool>,
}

#[derive(Default)]
struct Outcome {
    fault: Option<String>,
    done: Option<String>,
    /// A user and the user's one-time password, shown only in this response.
    password: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    frame: Frame,
    lines: Vec<Line>,
    /// Word and name of each role.
    roles: Vec<(&'static str, String)>,
    result: Outcome,
}

/// All users.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let done = format!("users-done-{}", fields.get("done"));
    let done = visitor.language.has(&done).then(|| visitor.language.text(&done));
    list(&site, &visitor, StatusCode::OK, Outcome { done, ..Outcome::default() }).await
}

async fn list(site: &Site, visitor: &Visitor, status: StatusCode, result: Outcome) -> Result<Response, Fault> {
    let language = visitor.language;
    let hearers = site.store.hearers().await?;
    let line = |row: WebUserRow| {
        let role = Role::parse(&row.role);
        Line {
            may_hear: (role == Some(Role::Supervisor)).then(|| hearers.contains(&row.name)),
            is_own: row.name == visitor.name(),
            role: role.map_or("", Role::word),
            role_text: role.map_or(row.role, |role| role_text(role, language)),
            must_change: row.must_change != 0,
            has_totp: row.totp_secret.is_some(),
            name: row.name,
            display: row.display,
        }
    };
    let lines = site.store.users().await?.into_iter().map(line).collect();
    let roles = Role::ALL.map(|role| (role.word(), role_text(role, language))).to_vec();
    let frame = Frame::of(site, visitor, language.text("users-title"));
    Ok(page(status, &UsersPage { frame, lines, roles, result }))
}

async fn rejected(site: &Site, visitor: &Visitor, key: &str) -> Result<Response, Fault> {
    let fault = Some(visitor.language.text(key));
    list(site, visitor, StatusCode::UNPROCESSABLE_ENTITY, Outcome { fault, ..Outcome::default() }).await
}

/// Adds a user with a one-time password.
pub(super) async fn add(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    // The rules of operators' names serve here too.
    let Ok(name) = OperatorId::parse(fields.get("name").trim()) else {
        return rejected(&site, &visitor, "users-name-wrong").await;
    };
    let Some(role) = Role::parse(fields.get("role")) else {
        return rejected(&site, &visitor, "users-role-wrong").await;
    };
    let name = name.to_string();
    let display = match fields.get("display").trim() {
        "" => name.clone(),
        display => display.chars().filter(|c| !c.is_control()).take(DISPLAY_MAX).collect(),
    };
    let is_alike = |row: &WebUserRow| row.name.eq_ignore_ascii_case(&name);
    if site.store.users().await?.iter().any(is_alike) {
        return rejected(&site, &visitor, "users-name-taken").await;
    }
    let password = password::generate()?;
    let hash = site.passwords.hash(password.clone()).await?;
    let role = role.word().to_owned();
    site.log(visitor.name(), &visitor.address, "user-add", &format!("{name} {role}")).await?;
    let row = WebUserRow {
        name: name.clone(),
        display,
        role,
        password: hash,
        must_change: 1,
        totp_secret: None,
        totp_step: 0,
    };
    if !site.store.add_user(&row).await? {
        return rejected(&site, &visitor, "users-name-taken").await;
    }
    list(&site, &visitor, StatusCode::OK, Outcome { password: Some((name, password)), ..Outcome::default() }).await
}

/// The user that a form names. Admins change their own account on its page, so that no admin locks themself out.
fn other<'a>(fields: &'a Fields, visitor: &Visitor) -> Option<&'a str> {
    Some(fields.get("name")).filter(|name| !name.is_empty() && *name != visitor.name())
}

/// Changes a user's role. The user's sessions end.
pub(super) async fn set_role(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(name) = other(&fields, &visitor) else { return rejected(&site, &visitor, "users-own").await };
    let Some(role) = Role::parse(fields.get("role")) else {
        return rejected(&site, &visitor, "users-role-wrong").await;
    };
    site.log(visitor.name(), &visitor.address, "user-role", &format!("{name} {}", role.word())).await?;
    let is_changed = site.store.set_role(name, role.word()).await?;
    site.store.end_sessions(name, "").await?;
    finish(&site, &visitor, is_changed, "/users?done=role").await
}

/// Lets a supervisor hear recordings, or no longer. The next request of the user's sessions has the new right.
pub(super) async fn set_recordings(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(name) = other(&fields, &visitor) else { return rejected(&site, &visitor, "users-own").await };
    let may_hear = fields.get("may") == "yes";
    let subject = format!("{name} {}", if may_hear { "yes" } else { "no" });
    site.log(visitor.name(), &visitor.address, "user-recordings", &subject).await?;
    let is_changed = site.store.set_recordings(name, Role::Supervisor.word(), may_hear).await?;
    finish(&site, &visitor, is_changed, "/users?done=recordings").await
}

/// Gives a user a one-time password. The user's sessions end.
pub(super) async fn reset_password(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(name) = other(&fields, &visitor) else { return rejected(&site, &visitor, "users-own").await };
    let password = password::generate()?;
    let hash = site.passwords.hash(password.clone()).await?;
    site.log(visitor.name(), &visitor.address, "user-password", name).await?;
    if !site.store.set_password(name, &hash, true).await? {
        return rejected(&site, &visitor, "users-missing").await;
    }
    site.store.end_sessions(name, "").await?;
    let password = Some((name.to_owned(), password));
    list(&site, &visitor, StatusCode::OK, Outcome { password, ..Outcome::default() }).await
}

/// Removes a user's second factor, for example after the loss of a phone.
pub(super) async fn reset_totp(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(name) = other(&fields, &visitor) else { return rejected(&site, &visitor, "users-own").await };
    site.log(visitor.name(), &visitor.address, "user-totp", name).await?;
    let is_changed = site.store.set_totp(name, None, 0).await?;
    site.store.end_sessions(name, "").await?;
    finish(&site, &visitor, is_changed, "/users?done=totp").await
}

/// Ends a user's sessions.
pub(super) async fn end_sessions(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(name) = other(&fields, &visitor) else { return rejected(&site, &visitor, "users-own").await };
    site.log(visitor.name(), &visitor.address, "log-out-everywhere", name).await?;
    site.store.end_sessions(name, "").await?;
    finish(&site, &visitor, true, "/users?done=sessions").await
}

/// Removes a user with all sessions.
pub(super) async fn remove(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some(name) = other(&fields, &visitor) else { return rejected(&site, &visitor, "users-own").await };
    site.log(visitor.name(), &visitor.address, "user-remove", name).await?;
    let is_changed = site.store.remove_user(name).await?;
    finish(&site, &visitor, is_changed, "/users?done=removed").await
}

async fn finish(site: &Site, visitor: &Visitor, is_changed: bool, next: &str) -> Result<Response, Fault> {
    if is_changed { Ok(see(next)) } else { rejected(site, visitor, "users-missing").await }
}
