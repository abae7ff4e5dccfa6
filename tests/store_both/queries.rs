//! Operators' accounts, and what reports read.

use std::collections::BTreeMap;
use std::ops::Range;

use siaga::cdr::fact::{Callee, Class};
use siaga::cdr::{Cdr, Disposition, Outcome};
use siaga::clock::Timestamp;
use siaga::config::{Levels, ServiceLevel};
use siaga::ids::Rng;
use siaga::store::console_users::ConsoleUserRow;
use siaga::store::facts::Batch;
use siaga::store::operators::{OperatorRow, StationLoginChange};
use siaga::store::report_queries::{DeskTotals, Limits, OperatorTotals, OutcomeTotals, TalkTotals, Totals};
use siaga::store::{Store, StoreError};

use crate::at;
use crate::base::Base;
use crate::stories::{self, MORNING};
use crate::writing::records;

/// T of the usual desk, and of the one of the fire brigade.
pub(super) fn levels() -> Levels {
    let level = |seconds| ServiceLevel { within: std::time::Duration::from_secs(seconds), percent: 90 };
    Levels { usual: level(10), desks: vec![(String::new(), level(8)), ("fire".to_owned(), level(15))] }
}

pub(super) const LIMITS: Limits = Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 };

fn account(operator: &str, name: &str) -> OperatorRow {
    OperatorRow {
        operator: operator.to_owned(),
        name: name.to_owned(),
        realm: "siaga.example".to_owned(),
        ha1_md5: "0f".repeat(16),
        ha1_sha256: "f0".repeat(32),
        station: 0,
        number: None,
        pin: None,
    }
}

pub(crate) async fn operators_are_added_changed_and_removed(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(store.operators().await.unwrap(), []);
    let mut mark = store.operators_mark().await.unwrap();
    let mut rose = async || {
        let next = store.operators_mark().await.unwrap();
        std::mem::replace(&mut mark, next) < next
    };
    assert!(store.add_operator(&account("op2", "Budi")).await.unwrap());
    assert!(rose().await);
    assert!(!store.add_operator(&account("op2", "Somebody else")).await.unwrap(), "the name is taken");
    assert_eq!(store.operators().await.unwrap(), [account("op2", "Budi")]);
    rose().await;
    store.put_operators(&[account("op1", "Sri"), account("op2", "Budi Santoso")]).await.unwrap();
    assert!(rose().await);
    assert_eq!(store.operators().await.unwrap(), [account("op1", "Sri"), account("op2", "Budi Santoso")]);
    stations_and_pins_are_kept(&store).await;
    rose().await;
    assert!(store.remove_operator("op1").await.unwrap());
    assert!(rose().await);
    assert!(!store.remove_operator("op1").await.unwrap());
    assert_eq!(store.operators().await.unwrap(), [account("op2", "Budi Santoso")]);
    store.close().await;
}

/// Numbers and PINs outlive a new password, are one operator's each, and no station's.
async fn stations_and_pins_are_kept(store: &Store) {
    let mark = store.operators_mark().await.unwrap();
    let station = OperatorRow { station: 1, ..account("meja1", "Meja 1") };
    assert!(store.add_operator(&station).await.unwrap());
    assert!(!store.add_operator(&account("meja1", "Somebody")).await.unwrap(), "the name is taken");
    let station_login = |number, pin| Some((number, pin));
    for (operator, given, change) in [
        ("op1", station_login("101", "aa"), StationLoginChange::Done),
        ("op2", station_login("101", "bb"), StationLoginChange::Taken),
        ("op2", station_login("102", "bb"), StationLoginChange::Done),
        ("op2", station_login("102", "cc"), StationLoginChange::Done),
        ("meja1", station_login("103", "dd"), StationLoginChange::Unknown),
        ("op9", station_login("104", "ee"), StationLoginChange::Unknown),
    ] {
        assert_eq!(store.set_station_login(operator, given).await.unwrap(), change, "{operator} {given:?}");
    }
    assert!(store.operators_mark().await.unwrap() > mark);
    store.put_operators(&[account("op2", "Budi"), account("meja1", "Meja satu")]).await.unwrap();
    let told = |row: OperatorRow| (row.operator, row.name, row.station, row.number, row.pin);
    let all: Vec<_> = store.operators().await.unwrap().into_iter().map(told).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        all,
        [
            ("meja1".to_owned(), "Meja satu".to_owned(), 1, None, None),
            ("op1".to_owned(), "Sri".to_owned(), 0, some("101"), some("aa")),
            ("op2".to_owned(), "Budi".to_owned(), 0, some("102"), some("cc")),
        ]
    );
    assert_eq!(store.set_station_login("op1", None).await.unwrap(), StationLoginChange::Done);
    assert_eq!(
        store.set_station_login("op2", station_login("101", "ff")).await.unwrap(),
        StationLoginChange::Done,
        "it is free again"
    );
    assert_eq!(store.set_station_login("op2", None).await.unwrap(), StationLoginChange::Done);
    store.put_operators(&[account("op2", "Budi Santoso")]).await.unwrap();
    assert!(store.remove_operator("meja1").await.unwrap());
}

pub(crate) async fn users_of_the_console_are_added_changed_and_removed(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let user = |name: &str, role: &str, token: &str| ConsoleUserRow {
        name: name.to_owned(),
        role: role.to_owned(),
        token_sha256: token.repeat(32),
    };
    let before = store.operators_mark().await.unwrap();
    store.put_console_user(&user("siti", "auditor", "0a")).await.unwrap();
    store.put_console_user(&user("ani", "supervisor", "0b")).await.unwrap();
    store.put_console_user(&user("siti", "admin", "0c")).await.unwrap();
    let two = [user("ani", "supervisor", "0b"), user("siti", "admin", "0c")];
    assert_eq!(store.console_users().await.unwrap(), two);
    assert_eq!(store.operators_mark().await.unwrap(), before + 3, "a service that looks sees that something changed");
    assert!(store.put_console_user(&user("adi", "admin", "0c")).await.is_err(), "a token is one user's");
    assert!(store.remove_console_user("ani").await.unwrap());
    assert!(!store.remove_console_user("ani").await.unwrap());
    assert_eq!(store.console_users().await.unwrap(), [user("siti", "admin", "0c")]);
    store.close().await;
}

/// The same sums, made of the records one by one.
fn counted(cdrs: &[Cdr], period: &Range<Timestamp>) -> Totals {
    let mut totals = Totals::default();
    let mut outcomes: BTreeMap<String, OutcomeTotals> = BTreeMap::new();
    let (mut classes, mut operators) = (BTreeMap::new(), BTreeMap::new());
    let mut desks: BTreeMap<String, DeskTotals> = BTreeMap::new();
    operators.insert("op0001".to_owned(), TalkTotals::default());
    for cdr in cdrs.iter().filter(|cdr| period.contains(&cdr.received)) {
        if let Some(disposition) = &cdr.disposition {
            *classes.entry(disposition.class.word().to_owned()).or_default() += 1;
            if matches!(disposition.class, Class::Drill | Class::Test) {
                continue;
            }
        } else if cdr.outcome == Some(Outcome::Answered) {
            totals.unclassed += 1;
        }
        let of = outcomes.entry(cdr.outcome.unwrap().word().to_owned()).or_default();
        of.calls += 1;
        of.waited_ms += cdr.waited_ms;
        of.waited_longest_ms = of.waited_longest_ms.max(cdr.waited_ms);
        of.talk_ms += cdr.talk_ms;
        of.wrap_ms += cdr.wrap_ms.unwrap_or(0);
        of.within += u64::from(cdr.waited_ms <= 10_000);
        of.short += u64::from(cdr.waited_ms < 5_000);
        let of = desks
            .entry(cdr.desk.clone())
            .or_insert_with(|| DeskTotals { desk: cdr.desk.clone(), ..DeskTotals::default() });
        of.calls += 1;
        let t = match cdr.desk.as_str() {
            "" => 8_000,
            "fire" => 15_000,
            _ => 10_000,
        };
        match cdr.outcome.unwrap() {
            Outcome::Answered => {
                of.answered += 1;
                of.within += u64::from(cdr.waited_ms <= t);
            }
            Outcome::Abandoned => {
                of.abandoned += 1;
                of.short += u64::from(cdr.waited_ms < 5_000);
            }
            Outcome::Failed | Outcome::Interrupted => {}
        }
        for (no, talk) in cdr.talks.iter().enumerate() {
            let own = match &talk.with {
                Callee::Number(_) if !cdr.transfers.is_empty() => &mut totals.agencies,
                Callee::Number(_) => &mut totals.fallback,
                Callee::Operator(operator) => operators.entry(operator.to_string()).or_default(),
            };
            if talk.guest {
                own.joined += 1;
                own.joined_ms += talk.millis();
                continue;
            }
            own.answered += 1;
            own.talk_ms += talk.millis();
            if no + 1 == cdr.talks.len() {
                own.wrap_ms += cdr.wrap_ms.unwrap_or(0);
            }
        }
    }
    totals.outcomes = outcomes.into_iter().collect();
    totals.desks = desks.into_values().collect();
    totals.classes = classes.into_iter().collect();
    let named = |operator: &str| (operator == "op0001").then(|| "Sri Wahyuni".to_owned());
    let one = |(operator, totals): (String, _)| OperatorTotals { name: named(&operator), operator, totals };
    totals.operators = operators.into_iter().map(one).collect();
    totals
}

fn some_calls() -> Vec<Cdr> {
    let mut rng = Rng::from_number(112);
    let mut cdrs = Vec::new();
    for no in 0..400 {
        let mut next = |bound| i64::try_from(rng.below(bound)).unwrap();
        let received = MORNING + next(1_000_000);
        let all = stories::all(received);
        let kind = usize::try_from(next(all.len() as u64 + 5)).unwrap();
        let waited = 4_998 + next(4) + 5_000 * next(2);
        let story = match kind {
            0 => stories::answered(no, received),
            1 => stories::taken_over(no, received),
            2 => stories::fallback(no, received),
            3 => stories::interrupted(no, received),
            4 => stories::refused(no, received),
            5 => stories::conferred(no, received),
            6 => stories::handed_to_an_agency(no, received),
            7 => stories::answered(no, received),
            8 => stories::taken_over(no, received),
            _ => stories::abandoned(no, received, waited),
        };
        let mut cdr = story.cdr();
        if let Some(class) =
            [(7, Class::Drill), (8, Class::Test)].iter().find(|(of, _)| *of == kind).map(|(_, class)| *class)
        {
            let (by, at) = ("op0001".to_owned(), cdr.received);
            cdr.disposition = Some(Disposition { class, category: None, agency: None, note: None, by, at });
        }
        cdr.desk = ["", "fire", "gone"][usize::try_from(rng.below(3)).unwrap()].to_owned();
        cdrs.push(cdr);
    }
    cdrs.sort_by_key(|cdr| (cdr.received, cdr.call));
    cdrs
}

pub(crate) async fn totals_are_those_of_the_records(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    store.add_operator(&account("op0001", "Sri Wahyuni")).await.unwrap();
    assert_eq!(store.totals(&(at(0)..at(1)), LIMITS, &levels()).await.unwrap(), counted(&[], &(at(0)..at(1))));
    let cdrs = some_calls();
    store.take("journal", Batch { cdrs: cdrs.clone(), ..Batch::default() }).await.unwrap();
    let (first, last) = (cdrs[0].received, cdrs[399].received);
    let half = cdrs[200].received;
    for period in [first..last, first..half, half..last, half..half, at(-9)..at(2_000_000)] {
        let wanted = counted(&cdrs, &period);
        assert_eq!(store.totals(&period, LIMITS, &levels()).await.unwrap(), wanted, "{period:?}");
    }
    let whole = counted(&cdrs, &(at(-9)..at(2_000_000)));
    assert!(whole.desks.len() == 3 && whole.desks.iter().all(|of| of.within < of.answered && of.short < of.abandoned));
    assert_eq!(whole.outcomes.len(), 4, "each outcome is there");
    assert!(whole.fallback.answered > 0 && whole.agencies.answered > 0 && whole.operators.len() == 3);
    let exercises = whole.classes.iter().filter(|(word, _)| word == "drill" || word == "test");
    assert!(exercises.map(|(_, calls)| calls).sum::<u64>() > 10);
    let supervisor = &whole.operators[2];
    let guests = whole.operators[1].totals.joined > 0 && whole.fallback.joined > 0;
    assert!(
        supervisor.totals.answered == 0 && supervisor.totals.joined > 0 && guests,
        "guests are told apart: {whole:?}"
    );
    // A reader sees the same.
    let reader = Store::open_read_only(&base.url).await.unwrap();
    assert_eq!(reader.totals(&(at(-9)..at(2_000_000)), LIMITS, &levels()).await.unwrap(), whole);
    reader.close().await;
    store.close().await;
}

pub(crate) async fn calls_come_in_pages_in_order(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let mut cdrs = some_calls();
    // Many at the same moment, over the end of a page.
    cdrs.extend((1_000..1_300).map(|no| stories::abandoned(no, MORNING + 2_000_000, 1).cdr()));
    cdrs.sort_by_key(|cdr| (cdr.received, cdr.call));
    store.take("journal", Batch { cdrs: cdrs.clone(), ..Batch::default() }).await.unwrap();
    assert_eq!(records(&store).await, cdrs);
    let one = cdrs[100].received..Timestamp::from_millis(cdrs[100].received.as_millis() + 1);
    let found = store.calls(&one, None).await.unwrap();
    assert_eq!(found.len(), cdrs.iter().filter(|cdr| one.contains(&cdr.received)).count());
    store.close().await;
}

pub(crate) async fn a_reader_cannot_write(base: &Base) {
    base.make().await;
    let early = Store::open_read_only(&base.url).await;
    let said = matches!(early, Err(StoreError::NoTables | StoreError::NotThere(_)));
    assert!(said, "without tables: {early:?}");
    let store = Store::open(&base.url).await.unwrap();
    let reader = Store::open_read_only(&base.url).await.unwrap();
    assert!(reader.add_operator(&account("op1", "Sri")).await.is_err());
    let cdrs = vec![stories::answered(1, MORNING).cdr()];
    assert!(reader.take("journal", Batch { cdrs, ..Batch::default() }).await.is_err());
    assert_eq!(store.operators().await.unwrap(), []);
    assert_eq!(records(&reader).await, []);
    reader.close().await;
    store.close().await;
}

/// A database that cannot be read is no database without tables: `siaga serve` would not help.
pub(crate) async fn an_error_of_the_database_is_reported_as_it_is(base: &Base) {
    if base.is_postgres() {
        base.make().await;
        Store::open(&base.url).await.unwrap().close().await;
        let none = "ALTER TABLE cdr RENAME TO away; CREATE FUNCTION no() RETURNS text LANGUAGE sql AS 'SELECT (1/0)::text'; \
            CREATE VIEW cdr AS SELECT no() AS call, no() AS desk";
        base.behind("", none).await;
    } else {
        std::fs::create_dir(base.dir.path().join("data")).unwrap();
        std::fs::write(base.dir.path().join("data/siaga.db"), "a text ".repeat(1_000)).unwrap();
    }
    let fault = Store::open_read_only(&base.url).await.unwrap_err();
    let said = format!("{:#}", anyhow::Error::from(fault));
    assert!(said.contains("division by zero") || said.contains("not a database"), "{said}");
}

/// The service and a command start together on a database that neither has made.
pub(crate) async fn opening_at_once_from_two_sides(base: &Base) {
    base.make().await;
    let opened = tokio::join!(Store::open(&base.url), Store::open(&base.url), Store::open(&base.url));
    for (store, operator) in [(opened.0, "op1"), (opened.1, "op2"), (opened.2, "op3")] {
        let store = store.unwrap();
        assert!(store.add_operator(&account(operator, "")).await.unwrap());
        store.close().await;
    }
}
