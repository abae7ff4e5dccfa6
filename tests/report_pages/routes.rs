//! Every route of `siaga report serve` with every role.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use siaga::reports::pages::all_routes;
use siaga::web::role::Role;

use crate::stories::{self, MORNING};
use crate::town::{Answer, Town};

/// What a visitor who is not logged in may do, and then each role (viewer, operator, supervisor, auditor, admin): `+` served, `-`
/// rejected, `>` led to the log-in. The operator has no call of the shift.
const TABLE: [(&str, &str, &str); 62] = [
    ("GET", "/", ">+-+++"),
    ("GET", "/ministry", ">+-+++"),
    ("GET", "/ministry.csv", ">+-+++"),
    ("GET", "/ministry.xlsx", ">+-+++"),
    ("GET", "/ministry.pdf", ">+-+++"),
    ("GET", "/ministry.json", ">+-+++"),
    ("GET", "/ministry.parquet", ">+-+++"),
    ("GET", "/operators", ">--++-"),
    ("GET", "/operators.csv", ">--++-"),
    ("GET", "/operators.xlsx", ">--++-"),
    ("GET", "/operators.json", ">--++-"),
    ("GET", "/operators.parquet", ">--++-"),
    ("GET", "/desks", ">+-+++"),
    ("GET", "/desks.csv", ">+-+++"),
    ("GET", "/desks.xlsx", ">+-+++"),
    ("GET", "/desks.json", ">+-+++"),
    ("GET", "/desks.parquet", ">+-+++"),
    ("GET", "/abandoned", ">--++-"),
    ("GET", "/abandoned.csv", ">--++-"),
    ("GET", "/abandoned.xlsx", ">--++-"),
    ("GET", "/abandoned.json", ">--++-"),
    ("GET", "/abandoned.parquet", ">--++-"),
    ("GET", "/plan", ">+-+++"),
    // Without an answered call or an assumed load there is no file; the role decides first.
    ("GET", "/plan.csv", ">+-+++"),
    ("GET", "/plan.xlsx", ">+-+++"),
    ("GET", "/plan.json", ">+-+++"),
    ("GET", "/plan.parquet", ">+-+++"),
    ("GET", "/approvals", ">--+++"),
    ("POST", "/approvals", "---+++"),
    ("POST", "/calls/approval", "---++-"),
    ("GET", "/calls", ">-+++-"),
    ("GET", "/calls.csv", ">-+++-"),
    ("GET", "/calls.xlsx", ">-+++-"),
    ("GET", "/calls.json", ">-+++-"),
    ("GET", "/calls.parquet", ">-+++-"),
    ("GET", "/calls/{call}", ">--++-"),
    ("POST", "/calls/{call}/review", "---+--"),
    ("POST", "/calls/{call}/listen", "----+-"),
    // A reason to listen was not stated.
    ("GET", "/calls/{call}/recordings/{no}", ">-----"),
    ("GET", "/health/live", "++++++"),
    ("GET", "/assets/{name}", "++++++"),
    ("GET", "/preferences", "++++++"),
    ("GET", "/login", "++++++"),
    ("POST", "/login", "-+++++"),
    ("GET", "/login/code", ">+++++"),
    ("POST", "/login/code", "-+++++"),
    ("POST", "/logout", "-+++++"),
    ("GET", "/account", ">+++++"),
    ("GET", "/account/password", ">+++++"),
    ("POST", "/account/password", "-+++++"),
    ("GET", "/account/totp", ">+++++"),
    ("POST", "/account/totp", "-+++++"),
    ("POST", "/account/sessions", "-+++++"),
    ("GET", "/users", ">----+"),
    ("POST", "/users/add", "-----+"),
    ("POST", "/users/role", "-----+"),
    ("POST", "/users/recordings", "-----+"),
    ("POST", "/users/password", "-----+"),
    ("POST", "/users/totp", "-----+"),
    ("POST", "/users/sessions", "-----+"),
    ("POST", "/users/remove", "-----+"),
    ("GET", "/access", ">---+-"),
];

fn sign(answer: &Answer) -> char {
    let to_login = answer.header(axum::http::header::LOCATION).starts_with("/login?");
    match answer.status {
        StatusCode::SEE_OTHER if to_login => '>',
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => '-',
        status if status.is_server_error() => panic!("{status}: {}", answer.text()),
        _ => '+',
    }
}

#[tokio::test]
async fn each_role_reaches_exactly_what_the_table_allows() {
    let town = Town::new().await;
    let story = stories::answered(1, MORNING);
    town.take(&story.facts).await;
    town.count().await;
    let known: BTreeSet<(String, String)> =
        all_routes(town.pages()).iter().map(|route| (route.method.to_string(), route.path.to_owned())).collect();
    let listed: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(listed, known, "every route of the server is in the table");
    let mut found = BTreeMap::new();
    for (method, path, _) in TABLE {
        let mut signs = String::new();
        for role in [None].into_iter().chain(Role::ALL.map(Some)) {
            // Each time a session of its own: some routes end it.
            let browser = town.browser(role.map(Role::word)).await;
            let real = path.replace("{call}", &story.call.to_string()).replace("{no}", "0");
            let real = real.replace("{name}", siaga::web::assets::style().strip_prefix("/assets/").unwrap());
            let answer = match method.parse().unwrap() {
                Method::POST => town.post(&browser, &real, "score=3&reason=permintaan+polisi+7").await,
                _ => town.get(&browser, &real).await,
            };
            signs.push(sign(&answer));
        }
        found.insert((method, path), signs);
    }
    let expected: BTreeMap<_, _> =
        TABLE.iter().map(|(method, path, signs)| ((*method, *path), (*signs).to_owned())).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_no_route_names_is_no_page() {
    let town = Town::new().await;
    let browser = town.browser(Some("auditor")).await;
    for path in ["/calls/", "/calls/x", "/calls/../users", "/call", "/calls/%2e%2e/users", "/recordings/a.wav"] {
        assert_eq!(town.get(&browser, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
