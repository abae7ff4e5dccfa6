//! Users, sessions, failed log-ins and the access log of the pages.

use siaga::store::Store;
use siaga::store::web::WebStore;
use siaga::store::web::access_log::NewAccess;
use siaga::store::web::deliveries::DeliveryRow;
use siaga::store::web::failures::Failures;
use siaga::store::web::reviews::ReviewRow;
use siaga::store::web::sessions::NewSession;
use siaga::store::web::users::WebUserRow;

use crate::base::Base;

fn row(name: &str) -> WebUserRow {
    WebUserRow {
        name: name.to_owned(),
        display: "Ibu Ratna".to_owned(),
        role: "supervisor".to_owned(),
        password: "$argon2id$".to_owned(),
        must_change: 1,
        totp_secret: None,
        totp_step: 0,
    }
}

/// The store of the pages: in PostgreSQL a schema of the same database.
fn url(base: &Base) -> String {
    match base.is_postgres() {
        true => base.url.clone(),
        false => format!("sqlite:{}", base.dir.path().join("data/web.db").display()),
    }
}

fn session<'a>(id_sha256: &'a str, started_ms: i64) -> NewSession<'a> {
    NewSession { id_sha256, user: "ratna", is_complete: true, address: "192.0.2.1", started_ms }
}

pub(crate) async fn deliveries_and_runs_of_schedules_are_stored(base: &Base) {
    base.make().await;
    let store = WebStore::open(&url(base)).await.unwrap();
    let row = |no: i64| DeliveryRow {
        at_ms: no,
        schedule: "harian".to_owned(),
        due_ms: 1_000,
        target: "kepala@kota.example".to_owned(),
        outcome: "delayed".to_owned(),
        detail: "451 try again later".to_owned(),
    };
    for no in 1..=3 {
        store.add_delivery(&row(no)).await.unwrap();
    }
    assert_eq!(store.deliveries(2).await.unwrap(), [row(3), row(2)]);
    assert_eq!(store.schedule_run("harian").await.unwrap(), None);
    for due in [7, 9] {
        store.set_schedule_run("harian", due).await.unwrap();
    }
    assert_eq!(store.schedule_run("harian").await.unwrap(), Some(9));
    store.close().await;
}

pub(crate) async fn users_and_their_sessions_are_stored_and_removed(base: &Base) {
    base.make().await;
    let records = Store::open(&base.url).await.unwrap();
    let store = WebStore::open(&url(base)).await.unwrap();
    WebStore::open(&url(base)).await.unwrap().close().await;
    assert!(store.add_user(&row("ratna")).await.unwrap());
    assert!(!store.add_user(&row("ratna")).await.unwrap(), "the name is taken");
    assert_eq!(store.users().await.unwrap(), [row("ratna")]);
    assert_eq!(store.user("unknown").await.unwrap(), None);
    assert!(store.set_role("ratna", "auditor").await.unwrap() && !store.set_role("x", "auditor").await.unwrap());
    assert!(store.set_password("ratna", "$new$", false).await.unwrap());
    assert!(store.set_totp("ratna", Some("ABC"), 7).await.unwrap());
    assert!(!store.use_totp_step("ratna", 7).await.unwrap() && store.use_totp_step("ratna", 8).await.unwrap());
    for (id, started) in [("a", 100), ("b", 200), ("c", 300)] {
        store.add_session(session(id, started), 2).await.unwrap();
    }
    assert_eq!(store.session("a").await.unwrap(), None, "only the two newest stay");
    let found = store.session("b").await.unwrap().unwrap();
    assert_eq!((found.user_name.as_str(), found.role.as_str(), found.must_change), ("ratna", "auditor", 0));
    assert_eq!((found.is_complete, found.has_totp, found.started_ms, found.seen_ms), (1, 1, 200, 200));
    store.session_seen("b", 500).await.unwrap();
    store.session_seen("b", 400).await.unwrap();
    assert_eq!(store.session("b").await.unwrap().unwrap().seen_ms, 500, "time never goes back");
    assert_eq!(store.end_sessions("ratna", "b").await.unwrap(), 1);
    assert_eq!(store.session_count("ratna").await.unwrap(), 1);
    for (id, at) in [("x", 100), ("y", 200), ("x", 300), ("z", 250)] {
        store.add_browser("ratna", id, at, 2).await.unwrap();
    }
    let knows = async |id| store.knows_browser("ratna", id).await.unwrap();
    assert!(knows("x").await && !knows("y").await && knows("z").await, "the two that were used last stay");
    assert!(!store.knows_browser("budi", "x").await.unwrap());
    store.prune_browsers(260).await.unwrap();
    assert!(knows("x").await && !knows("z").await);
    assert_eq!(store.end_expired_sessions(500, 201).await.unwrap(), 1, "started too long ago");
    store.add_session(session("d", 600), 9).await.unwrap();
    assert!(store.end_session("d").await.unwrap() && !store.end_session("d").await.unwrap());
    store.add_session(session("e", 700), 9).await.unwrap();
    assert!(store.remove_user("ratna").await.unwrap() && !store.remove_user("ratna").await.unwrap());
    assert_eq!(store.session("e").await.unwrap(), None, "sessions end with their user");
    assert_eq!(records.operators().await.unwrap(), [], "the records are another store");
    store.close().await;
    records.close().await;
}

pub(crate) async fn reviews_and_hearings_are_stored(base: &Base) {
    base.make().await;
    let store = WebStore::open(&url(base)).await.unwrap();
    let review = |at_ms, score| ReviewRow {
        call: "a".to_owned(),
        at_ms,
        user_name: "ratna".to_owned(),
        score,
        note: "baik".to_owned(),
    };
    assert!(store.add_review(&review(1, 3)).await.unwrap() && store.add_review(&review(2, 5)).await.unwrap());
    assert!(!store.add_review(&review(2, 1)).await.unwrap(), "one in a millisecond");
    assert_eq!(store.reviews("a").await.unwrap(), [review(2, 5), review(1, 3)]);
    assert_eq!(store.reviews("b").await.unwrap(), []);
    assert!(store.add_user(&row("ratna")).await.unwrap());
    store.add_session(session("s", 100), 9).await.unwrap();
    store.add_hearing("s", "a", 500).await.unwrap();
    assert!(store.has_hearing("s", "a", 499).await.unwrap());
    for (session, call, since) in [("s", "a", 500), ("s", "b", 0), ("t", "a", 0)] {
        assert!(!store.has_hearing(session, call, since).await.unwrap(), "{session} {call} {since}");
    }
    store.add_hearing("s", "a", 900).await.unwrap();
    assert!(store.has_hearing("s", "a", 500).await.unwrap(), "stated again");
    assert!(store.end_session("s").await.unwrap());
    assert!(!store.has_hearing("s", "a", 0).await.unwrap(), "it ends with the session");
    store.close().await;
}

pub(crate) async fn of_simultaneous_log_ins_one_is_counted(base: &Base) {
    base.make().await;
    let store = WebStore::open(&url(base)).await.unwrap();
    let none = Failures::default();
    assert_eq!(store.failures("ratna", "192.0.2.1").await.unwrap(), none);
    let attempts = [0; 5].map(|_| store.count_failure("ratna", "192.0.2.1", none, 1_000));
    let mut counted = 0;
    for attempt in attempts {
        counted += u32::from(attempt.await.unwrap());
    }
    assert_eq!(counted, 1);
    let one = Failures { failures: 1, last_ms: 1_000 };
    assert_eq!(store.failures("ratna", "192.0.2.1").await.unwrap(), one);
    assert_eq!(store.failures("ratna", "192.0.2.2").await.unwrap(), none, "another address has its own delay");
    assert!(store.count_failure("ratna", "192.0.2.1", one, 2_000).await.unwrap());
    assert!(!store.count_failure("ratna", "192.0.2.1", one, 2_000).await.unwrap());
    store.restore_failures("ratna", "192.0.2.1", one, 2_000).await.unwrap();
    assert_eq!(store.failures("ratna", "192.0.2.1").await.unwrap(), one);
    // An attempt that is counted before the one before it is taken back stays counted.
    assert!(store.count_failure("ratna", "192.0.2.1", one, 3_000).await.unwrap());
    let two = Failures { failures: 2, last_ms: 3_000 };
    assert!(store.count_failure("ratna", "192.0.2.1", two, 4_000).await.unwrap());
    store.restore_failures("ratna", "192.0.2.1", one, 3_000).await.unwrap();
    assert_eq!(store.failures("ratna", "192.0.2.1").await.unwrap(), Failures { failures: 2, last_ms: 4_000 });
    store.restore_failures("ratna", "192.0.2.1", one, 4_000).await.unwrap();
    assert_eq!(store.failures("ratna", "192.0.2.1").await.unwrap(), one);
    store.prune_failures(1_001).await.unwrap();
    assert_eq!(store.failures("ratna", "192.0.2.1").await.unwrap(), none);
    store.close().await;
}

pub(crate) async fn a_changed_or_removed_entry_of_the_access_log_is_detected(base: &Base) {
    base.make().await;
    let (store, other) = (WebStore::open(&url(base)).await.unwrap(), WebStore::open(&url(base)).await.unwrap());
    let entry = |subject| NewAccess { at_ms: 1, user: "ratna", address: "192.0.2.1", action: "log-in", subject };
    // Two processes write at the same time.
    let texts = ["a", "b", "c", "d", "e", "f"];
    for pair in texts.chunks(2) {
        let (one, two) = tokio::join!(store.add_access(entry(pair[0])), other.add_access(entry(pair[1])));
        one.unwrap();
        two.unwrap();
    }
    let chain = store.check_access().await.unwrap();
    assert_eq!((chain.entries, chain.broken_at), (6, None));
    let page = store.access(i64::MAX, None, 4).await.unwrap();
    assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), [6, 5, 4, 3], "newest first");
    assert_eq!(page[0].sha256, chain.last_sha256);
    assert_eq!(store.access(3, Some("ratna"), 9).await.unwrap().len(), 2);
    assert_eq!(store.access(i64::MAX, Some("ayu"), 9).await.unwrap(), []);
    let web_url = url(base);
    base.behind_at(
        &web_url,
        "UPDATE web_access SET at_ms = 2 WHERE seq = 5",
        "UPDATE web.web_access SET at_ms = 2 WHERE seq = 5",
    )
    .await;
    assert_eq!(store.check_access().await.unwrap().broken_at, Some(5));
    base.behind_at(
        &web_url,
        "UPDATE web_access SET at_ms = 1 WHERE seq = 5",
        "UPDATE web.web_access SET at_ms = 1 WHERE seq = 5",
    )
    .await;
    assert_eq!(store.check_access().await.unwrap().broken_at, None);
    base.behind_at(&web_url, "DELETE FROM web_access WHERE seq = 3", "DELETE FROM web.web_access WHERE seq = 3").await;
    assert_eq!(store.check_access().await.unwrap().broken_at, Some(4));
    store.close().await;
    other.close().await;
}
