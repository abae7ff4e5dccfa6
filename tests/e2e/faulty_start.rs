//! Starts with an error in a part that is not essential: the service runs, raises an alarm, and recovers when the cause is gone.

use std::net::TcpListener;

use sqlx::Connection as _;

use super::baresip::Baresip;
use super::http;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

fn ready(service: &Service) -> String {
    http::ask(service.console(), "GET", "/health/ready", "", "")
        .map(|(status, body)| format!("{status} {body}"))
        .unwrap_or_default()
}

#[test]
fn a_start_with_a_corrupt_database_knows_the_accounts_of_the_last_run() {
    let mut service = Service::start(180, 2, "");
    until("the accounts are kept", || service.path().join("data/journal/local/accounts.json").exists().then_some(()));
    service.kill();
    for file in ["data/siaga.db-wal", "data/siaga.db-shm"] {
        drop(std::fs::remove_file(service.path().join(file)));
    }
    std::fs::write(service.path().join("data/siaga.db"), "no database at all, but some text that is long enough")
        .unwrap();
    service.go();
    assert_eq!(service.get("/v1/operators")["operators"].as_array().unwrap().len(), 2);
    until("the alarm of the accounts", || ready(&service).contains("alarm accounts").then_some(()));
    assert!(ready(&service).starts_with("200 ready\n"), "{}", ready(&service));
    assert!(service.shows("siaga_alarm{kind=\"accounts\"} 1"));
    service.end();
}

/// Runs a statement on the service's database, behind its back.
fn on_database(service: &Service, statement: &'static str) {
    let url = format!("sqlite:{}", service.path().join("data/siaga.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_database_of_a_newer_schema_delays_the_records_and_nothing_else() {
    let mut service = Service::start(186, 1, "");
    service.end();
    // Without the copy of the last run: the accounts are read from this database.
    std::fs::remove_file(service.path().join("data/journal/local/accounts.json")).unwrap();
    on_database(
        &service,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of a newer siaga', 1, x'00', 0)",
    );
    service.go();
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(3_000));
    phone.rings_for(&caller.number);
    phone.answers();
    assert!(caller.ends().samples.len() > 8_000, "the caller hears the operator");
    until("the alarm of the database", || ready(&service).contains("alarm database").then_some(()));
    assert!(ready(&service).starts_with("200 ready\n"), "{}", ready(&service));
    assert!(!ready(&service).contains("alarm accounts"), "{}", ready(&service));
    on_database(&service, "DELETE FROM _sqlx_migrations WHERE version = 9999");
    // The record waited in the journal.
    service.records(1, |record| record["outcome"] == "answered");
    until("the end of the alarm", || (!ready(&service).contains("alarm database")).then_some(()));
    service.end();
}

#[test]
fn a_roster_with_a_fault_does_not_stop_the_start_and_its_last_valid_copy_is_used() {
    let queue = "[operators]\nroster = \"roster.csv\"\n[[shift]]\nname = \"day\"\nstart = \"00:00\"\nend = \"12:00\"\n\
        [[shift]]\nname = \"night\"\nstart = \"12:00\"\nend = \"00:00\"";
    let good = "operator,date,shift\nop1,2020-01-01,day\n";
    let mut service = Service::ahead(181, 2, queue, 0, good);
    assert_eq!(service.state("op2"), "offline");
    assert_eq!(service.operator("op2")["on_shift"], false);
    service.end();
    // The last valid copy puts no operator on shift.
    std::fs::write(
        service.path().join("roster.csv"),
        [b"operator,date,shift\nop1,2020-01-01,d\xe4y\n".as_slice()].concat(),
    )
    .unwrap();
    service.go();
    assert!(service.shows("siaga_alarm{kind=\"roster\"} 1"));
    assert_eq!(service.operator("op2")["on_shift"], false);
    for command in
        [&["floor"][..], &["calls"], &["mode", "drill", "--hours", "1"], &["report", "calls"], &["operator", "list"]]
    {
        service.siaga(&[command, &["--config", "siaga.toml"]].concat());
    }
    service.end();
    // Without a copy every operator is on shift.
    std::fs::remove_file(service.path().join("data/journal/local/roster.csv")).unwrap();
    service.go();
    assert_eq!(service.operator("op2")["on_shift"], true);
    std::fs::write(service.path().join("roster.csv"), good).unwrap();
    until("the repaired roster is used", || (service.operator("op2")["on_shift"] == false).then_some(()));
    assert!(service.shows("siaga_alarm{kind=\"roster\"} 0"));
    service.end();
}

#[test]
fn a_console_address_in_use_delays_only_the_console() {
    let mut service = Service::start(182, 1, "");
    service.end();
    let taken = TcpListener::bind(service.console()).unwrap();
    service.spawn();
    until("the service is on standby", || service.log().contains("siaga is on standby").then_some(()));
    until("the alarm of the console", || service.log().contains("alarm=\"console\"").then_some(()));
    drop(taken);
    until("the console opens", || ready(&service).starts_with("200").then_some(()));
    service.end();
}

#[test]
fn a_token_file_that_cannot_be_used_closes_the_commands_and_not_the_monitoring() {
    let mut service = Service::start(187, 1, "");
    service.end();
    let file = service.path().join("data/console.token");
    let token = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "short\n").unwrap();
    service.spawn();
    until("monitoring is open, and the alarm is raised", || {
        ready(&service).contains("alarm console token").then_some(())
    });
    assert!(ready(&service).starts_with("200 ready\n"), "{}", ready(&service));
    assert!(service.shows("siaga_alarm{kind=\"console\"} 1"));
    let ask = |token: &str| http::ask(service.console(), "GET", "/v1/operators", token, "").unwrap();
    for token in ["short", "", token.trim()] {
        let (status, body) = ask(token);
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("\"fault\":\"the console is closed: [console] token_file"), "{body}");
    }
    std::fs::write(&file, &token).unwrap();
    until("the console opens", || (ask(token.trim()).0 == 200).then_some(()));
    until("the end of the alarm", || service.shows("siaga_alarm{kind=\"console\"} 0").then_some(()));
    assert_eq!(ask("short").0, 401);
    service.end();
}

#[test]
fn a_journal_folder_that_cannot_be_used_stops_neither_the_start_nor_calls() {
    let mut service = Service::start(183, 1, "");
    service.end();
    let (journal, aside) = (service.path().join("data/journal"), service.path().join("data/aside"));
    std::fs::rename(&journal, &aside).unwrap();
    std::fs::write(&journal, "a file is in the way").unwrap();
    service.go();
    until("the alarm of the journal", || ready(&service).contains("alarm journal").then_some(()));
    assert!(ready(&service).starts_with("200 ready\n"));
    std::fs::remove_file(&journal).unwrap();
    until("the journal is opened", || service.shows("siaga_alarm{kind=\"journal\"} 0").then_some(()));
    service.end();
}

#[test]
fn a_second_service_ends_at_once_because_the_first_has_the_sockets_and_the_journal() {
    let mut service = Service::start(184, 1, "");
    let text = std::fs::read_to_string(service.path().join("siaga.toml")).unwrap();
    // The sockets alone, and the journal alone.
    let other_journal = text.clone() + "\n[journal]\ndir = \"data/other-journal\"\n";
    let other_sockets = text.replace(&service.host(1), &service.host(9));
    for (name, text) in [("other-journal", other_journal), ("other-sockets", other_sockets)] {
        let file = format!("{name}.toml");
        std::fs::write(service.path().join(&file), text).unwrap();
        let mut second = service.program();
        second.args(["serve", "--config", &file]);
        let mut second = super::process::Running::start(name, service.path(), &mut second);
        assert!(!second.wait().success(), "{name}");
    }
    service.end();
}

#[test]
fn a_reload_in_the_first_moments_does_not_end_the_service() {
    let mut service = Service::start(185, 1, "");
    service.end();
    for _ in 0..5 {
        service.spawn();
        until("the first line of the log", || (!service.log().is_empty()).then_some(()));
        service.running().signal(1);
        until("the service is ready", || ready(&service).starts_with("200").then_some(()));
        service.end();
    }
}

#[test]
fn a_reload_of_a_configuration_with_errors_is_an_alarm_until_a_valid_one_is_read() {
    let mut service = Service::start(191, 1, "");
    let file = service.path().join("siaga.toml");
    let valid = std::fs::read_to_string(&file).unwrap();
    assert!(service.shows("siaga_alarm{kind=\"configuration\"} 0"));
    std::fs::write(&file, format!("{valid}\n[queue]\nnonsense = 1\n")).unwrap();
    service.running().signal(1);
    until("the alarm", || service.shows("siaga_alarm{kind=\"configuration\"} 1").then_some(()));
    assert!(ready(&service).starts_with("200 ready\n"), "{}", ready(&service));
    assert!(ready(&service).contains("alarm configuration"), "{}", ready(&service));
    until("the line of the log", || service.log().contains("the old configuration stays").then_some(()));
    std::fs::write(&file, valid).unwrap();
    service.running().signal(1);
    until("its end", || service.shows("siaga_alarm{kind=\"configuration\"} 0").then_some(()));
    service.end();
}
