//! The pages that every site has: log-in, own account, users, access log, preferences and embedded files.

mod access;
mod account;
pub mod error;
mod login;
mod preferences;
mod second_factor;
mod users;

use std::sync::Arc;

use axum::extract::Path;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use super::assets;
use super::role::Permission;
use super::site::{Access, NavItem, Route, Site};

/// The entries of these pages in the navigation.
pub const NAV: [NavItem; 2] = [
    NavItem { path: "/users", key: "nav-users", permission: Permission::Users },
    NavItem { path: "/access", key: "nav-access", permission: Permission::AccessLog },
];

/// The routes of these pages.
pub fn routes(site: &Arc<Site>) -> Vec<Route> {
    let route = |method, path, access, handler: MethodRouter<Arc<Site>>| Route {
        method,
        path,
        access,
        handler: handler.with_state(Arc::clone(site)),
    };
    let users = Access::May(Permission::Users);
    vec![
        route(Method::GET, "/health/live", Access::Public, get(async || "live\n")),
        route(
            Method::GET,
            "/assets/{name}",
            Access::Public,
            get(async |Path(name): Path<String>| assets::response(&name)),
        ),
        route(Method::GET, "/preferences", Access::Public, get(preferences::set)),
        route(Method::GET, "/login", Access::Public, get(login::show)),
        route(Method::POST, "/login", Access::Public, post(login::log_in)),
        route(Method::GET, "/login/code", Access::Code, get(second_factor::show)),
        route(Method::POST, "/login/code", Access::Code, post(second_factor::check)),
        route(Method::POST, "/logout", Access::Session, post(login::log_out)),
        route(Method::GET, "/account", Access::Account, get(account::show)),
        route(Method::GET, "/account/password", Access::Account, get(account::password)),
        route(Method::POST, "/account/password", Access::Account, post(account::set_password)),
        route(Method::GET, "/account/totp", Access::Account, get(second_factor::set_up)),
        route(Method::POST, "/account/totp", Access::Account, post(second_factor::confirm)),
        route(Method::POST, "/account/sessions", Access::Account, post(account::end_sessions)),
        route(Method::GET, "/users", users, get(users::show)),
        route(Method::POST, "/users/add", users, post(users::add)),
        route(Method::POST, "/users/role", users, post(users::set_role)),
        route(Method::POST, "/users/recordings", users, post(users::set_recordings)),
        route(Method::POST, "/users/password", users, post(users::reset_password)),
        route(Method::POST, "/users/totp", users, post(users::reset_totp)),
        route(Method::POST, "/users/sessions", users, post(users::end_sessions)),
        route(Method::POST, "/users/remove", users, post(users::remove)),
        route(Method::GET, "/access", Access::May(Permission::AccessLog), get(access::show)),
    ]
}
