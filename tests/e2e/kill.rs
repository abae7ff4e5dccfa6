//! SIGKILL in the middle of fifty calls: what was up is closed once, what was answered stays answered, and calls go on.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use sqlx::Connection as _;

use super::process::{Running, until};
use super::service::Service;
use super::trunk::{Caller, Manner};

const OPERATORS: usize = 20;
const CALLERS: usize = 50;

fn sipp(service: &Service, scenario: &str, host: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sipp");
    command.arg(service.address()).args(["-s", "112", "-nostdin", "-i", host]).args(arguments);
    command.arg("-sf").arg(format!("{}/tests/sipp/{scenario}.xml", env!("CARGO_MANIFEST_DIR")));
    command.current_dir(service.path());
    command
}

fn register(service: &Service, name: &str) {
    let mut csv = "SEQUENTIAL\n".to_owned();
    for n in 1..=OPERATORS {
        csv += &format!("op{n};[authentication username=op{n} password=pass-op{n}]\n");
    }
    std::fs::write(service.path().join("phones.csv"), csv).unwrap();
    let count = OPERATORS.to_string();
    let arguments = ["-p", "5060", "-inf", "phones.csv", "-m", &count, "-r", "100", "-timeout", "30"];
    let mut command = sipp(service, "register", &service.host(3), &arguments);
    assert!(Running::start(name, service.path(), &mut command).wait().success(), "registration");
}

fn phones(service: &Service, name: &str) -> Running {
    let mut command = sipp(service, "phones", &service.host(3), &["-p", "5060"]);
    Running::start(name, service.path(), &mut command)
}

fn count(records: &[Value], key: &str, value: &str) -> usize {
    records.iter().filter(|record| record[key] == value).count()
}

fn assert_each_once(records: &[Value]) {
    let calls: BTreeSet<&str> = records.iter().map(|record| record["sip_call_id"].as_str().unwrap()).collect();
    assert_eq!(calls.len(), records.len(), "a call has two records");
}

#[test]
fn a_killed_service_closes_every_call_once_and_goes_on() {
    let mut service = Service::start(3, OPERATORS, "wrap_up_seconds = 0");
    register(&service, "register-1");
    let first_phones = phones(&service, "phones-1");
    let callers = CALLERS.to_string();
    let arguments =
        ["-m", &callers, "-r", "50", "-p", "15000", "-key", "number", "0811", "-key", "voice_port", "25000"];
    let mut command = sipp(&service, "caller_stays", &service.host(2), &arguments);
    let trunk = Running::start("callers", service.path(), &mut command);
    until("fifty calls are up", || {
        let calls = service.get("/v1/calls");
        let talking = calls["calls"].as_array()?.iter().filter(|call| call["state"] == "talking").count();
        let whole = calls["calls"].as_array()?.len() == CALLERS && talking == OPERATORS;
        whole.then_some(())
    });
    service.kill();
    drop((trunk, first_phones));

    service.go();
    let records = service.records(CALLERS, |_| true);
    assert_eq!(records.len(), CALLERS);
    assert_each_once(&records);
    assert_eq!(count(&records, "cause", "interrupted"), CALLERS);
    assert_eq!(count(&records, "outcome", "answered"), OPERATORS);
    assert_eq!(count(&records, "outcome", "interrupted"), CALLERS - OPERATORS);
    for record in &records {
        let ended = record["ended"].as_i64().unwrap();
        assert!(ended >= record["answered"].as_i64().unwrap_or(0) && ended >= record["queued"].as_i64().unwrap());
    }

    for n in 1..=OPERATORS {
        assert_eq!(service.operator(&format!("op{n}"))["registered"], true, "op{n} was registered when it was killed");
    }
    let _second_phones = phones(&service, "phones-2");
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(300));
    caller.ends();
    assert_eq!(service.records(CALLERS + 1, |_| true).len(), CALLERS + 1);
    service.kill();
    service.go();
    let again = service.records(CALLERS + 1, |_| true);
    assert_each_once(&again);
    assert_eq!((again.len(), count(&again, "outcome", "answered")), (CALLERS + 1, OPERATORS + 1));
    service.end();
}

/// Another program holds the database's lock until this is dropped.
struct Locked {
    runtime: tokio::runtime::Runtime,
    connection: Option<sqlx::SqliteConnection>,
}

impl Locked {
    fn take(service: &Service) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("sqlite:{}", service.path().join("data/siaga.db").display());
        let connection = runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            connection
        });
        Self { runtime, connection: Some(connection) }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(self.runtime.block_on(connection.close()));
        }
    }
}

#[test]
fn a_stop_ends_the_process_though_the_database_is_locked() {
    let mut service = Service::start(192, 1, "");
    let caller = Caller::calls(&service, 1, 700, Manner::CancelsAfter(300));
    let locked = Locked::take(&service);
    caller.ends();
    service.end();
    drop(locked);
    service.go();
    assert_eq!(service.records(1, |_| true)[0]["cause"], "abandoned", "the next start continues from the journal");
    service.end();
}

/// Takes the journal's folder away at once, so that the service cannot create a file in it meanwhile.
fn lose_journal(service: &Service, to: &str) {
    std::fs::rename(service.path().join("data/journal"), service.path().join(to)).unwrap();
}

#[test]
fn a_stop_ends_the_process_though_the_journals_folder_is_gone() {
    let mut service = Service::start(193, 1, "");
    lose_journal(&service, "lost");
    let caller = Caller::calls(&service, 1, 700, Manner::CancelsAfter(300));
    caller.ends();
    assert_eq!(service.records(1, |_| true)[0]["cause"], "abandoned", "the folder is made anew");
    let mut losses = 0;
    until("a file is in place of the folder", || {
        losses += 1;
        lose_journal(&service, &format!("lost-{losses}"));
        // Unless the service was faster.
        std::fs::File::create_new(service.path().join("data/journal")).ok()
    });
    service.end();
}
