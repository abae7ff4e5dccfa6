//! The pages of `siaga report serve`.

mod abandoned;
mod approvals;
mod call;
mod calls;
mod choice;
mod desks;
mod document;
mod files;
mod filter;
mod heat_map;
mod links;
mod ministry;
mod operators;
mod overview;
mod plan;
mod records;
mod sheet;
mod source;
mod unreadable;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use crate::config::Levels;
use crate::reports::ministry::report::MinistryReport;
use crate::reports::ministry::scheme::Scheme;
use crate::store::report_queries::Limits;
use crate::web::role::Permission;
use crate::web::site::{Access, NavItem, Route, Site};

pub use call::Heard;
pub use calls::scope::ShiftSpan;
pub use plan::Plans;
pub use records::Records;

/// The entries of these pages in the navigation.
pub const NAV: [NavItem; 8] = [
    NavItem { path: "/", key: "nav-overview", permission: Permission::Figures },
    NavItem { path: "/calls", key: "nav-calls", permission: Permission::OwnCalls },
    NavItem { path: "/operators", key: "nav-operators", permission: Permission::Operators },
    NavItem { path: "/desks", key: "nav-desks", permission: Permission::Figures },
    NavItem { path: "/abandoned", key: "nav-abandoned", permission: Permission::Calls },
    NavItem { path: "/ministry", key: "nav-ministry", permission: Permission::Figures },
    NavItem { path: "/plan", key: "nav-plan", permission: Permission::Figures },
    NavItem { path: "/approvals", key: "nav-approvals", permission: Permission::Approve },
];

/// What the pages of reports share.
pub struct Pages {
    pub site: Arc<Site>,
    pub records: Records,
    pub limits: Limits,
    pub levels: Levels,
    /// Operators see the own calls of the shift in progress.
    pub shifts: Vec<ShiftSpan>,
    /// Agencies' names by number.
    pub agencies: BTreeMap<String, String>,
    /// The columns of the monthly file; None: those that cities publish.
    pub scheme: Option<Scheme>,
    /// The monthly report for print; None: one of its files cannot be read.
    pub document: Option<MinistryReport>,
    /// The folder of recordings.
    pub recordings: PathBuf,
    pub heard: Heard,
    pub plans: Plans,
}

/// Every route of `siaga report serve`.
pub fn all_routes(pages: Pages) -> Vec<Route> {
    let mut all = crate::web::pages::routes(&pages.site);
    all.extend(routes(pages));
    all
}

/// The routes of these pages.
fn routes(pages: Pages) -> Vec<Route> {
    let pages = Arc::new(pages);
    let route = |method, path, permission, handler: MethodRouter<Arc<Pages>>| Route {
        method,
        path,
        access: Access::May(permission),
        handler: handler.with_state(Arc::clone(&pages)),
    };
    let mut all = vec![
        route(Method::GET, "/", Permission::Figures, get(overview::show)),
        route(Method::GET, "/ministry", Permission::Figures, get(ministry::show)),
        route(Method::GET, "/ministry.pdf", Permission::Figures, get(document::pdf)),
        route(Method::GET, "/operators", Permission::Operators, get(operators::show)),
        route(Method::GET, "/desks", Permission::Figures, get(desks::show)),
        route(Method::GET, "/abandoned", Permission::Calls, get(abandoned::show)),
        route(Method::GET, "/plan", Permission::Figures, get(plan::show)),
        route(Method::GET, "/approvals", Permission::Approve, get(approvals::show)),
        route(Method::POST, "/approvals", Permission::Approve, post(approvals::decide)),
        route(Method::POST, "/calls/approval", Permission::Calls, post(approvals::ask)),
        route(Method::GET, "/calls", Permission::OwnCalls, get(calls::show)),
        route(Method::GET, "/calls/{call}", Permission::OwnCalls, get(call::show)),
        route(Method::POST, "/calls/{call}/review", Permission::Review, post(call::review)),
        route(Method::POST, "/calls/{call}/listen", Permission::Recordings, post(call::listen)),
        route(Method::GET, "/calls/{call}/recordings/{no}", Permission::Recordings, get(call::recording)),
    ];
    // The end of the address names the format.
    for (paths, permission, handler) in files() {
        all.extend(paths.map(|path| route(Method::GET, path, permission, handler.clone())));
    }
    all
}

/// The addresses of a page's files, who may read them, and what makes them.
type FileRoutes = ([&'static str; 4], Permission, MethodRouter<Arc<Pages>>);

fn files() -> [FileRoutes; 6] {
    let ministry = ["/ministry.csv", "/ministry.xlsx", "/ministry.json", "/ministry.parquet"];
    let operators = ["/operators.csv", "/operators.xlsx", "/operators.json", "/operators.parquet"];
    let desks = ["/desks.csv", "/desks.xlsx", "/desks.json", "/desks.parquet"];
    let abandoned = ["/abandoned.csv", "/abandoned.xlsx", "/abandoned.json", "/abandoned.parquet"];
    let plan = ["/plan.csv", "/plan.xlsx", "/plan.json", "/plan.parquet"];
    let calls = ["/calls.csv", "/calls.xlsx", "/calls.json", "/calls.parquet"];
    [
        (ministry, Permission::Figures, get(ministry::export)),
        (operators, Permission::Operators, get(operators::export)),
        (desks, Permission::Figures, get(desks::export)),
        (abandoned, Permission::Calls, get(abandoned::export)),
        (plan, Permission::Figures, get(plan::export)),
        (calls, Permission::OwnCalls, get(calls::export)),
    ]
}
