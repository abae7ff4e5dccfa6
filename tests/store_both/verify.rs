//! Facts, records and roll-ups are compared, and each difference is found.

use siaga::cdr::Cdr;
use siaga::cdr::fact::Fact;
use siaga::ids::Rng;
use siaga::store::Store;
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;
use siaga::store::rollups::verify::Verified;

use super::base::Base;
use super::rollups::{settings, some_stories};
use super::{at, started};

async fn verified(store: &Store) -> (Verified, Vec<String>) {
    let mut lines = Vec::new();
    let verified = store.verify_records(&mut |line| lines.push(line)).await.unwrap();
    assert_eq!(verified.differences, u64::try_from(lines.len()).unwrap());
    (verified, lines)
}

pub(crate) async fn a_rebuild_renews_the_rows_by_which_calls_are_searched(base: &Base) {
    let (store, cdrs) = filled(base).await;
    for change in [
        format!("DELETE FROM call_search WHERE call = '{}'", cdrs[0].call),
        format!("UPDATE call_search SET note = 'x' WHERE call = '{}'", cdrs[1].call),
        "INSERT INTO call_search SELECT received + 1, call, number, operators, desk, trunk, outcome, class, category, \
            agency, mode, waited_ms, talk_ms, wrap_ms, note FROM call_search"
            .to_owned(),
    ] {
        base.behind(&change, &change).await;
    }
    assert!(verified(&store).await.1.len() > 2);
    store.forget_rollups(&settings(10)).await.unwrap();
    while !store.fill_rollups().await.unwrap() {}
    assert_eq!(verified(&store).await.1, [""; 0]);
    store.close().await;
}

/// Calls with their facts, a call that has not ended, and facts of the service.
async fn filled(base: &Base) -> (Store, Vec<Cdr>) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    store.prepare_rollups(&settings(10), at(0)).await.unwrap();
    store.fill_rollups().await.unwrap();
    let mut rng = Rng::from_number(31);
    let stories = some_stories(&mut rng, 40);
    let mut facts: Vec<Fact> = stories.iter().flat_map(|story| story.facts.clone()).collect();
    facts.push(started(99));
    facts.extend(super::stories::Story::new(7, super::MORNING, None).queued(1).facts);
    let entries: Vec<Entry> = facts.iter().map(|fact| Entry::of(fact).unwrap()).collect();
    let cdrs: Vec<Cdr> = stories.iter().map(|story| Cdr::fold(&story.facts).unwrap()).collect();
    let batch = Batch { facts: entries.iter().collect(), cdrs: cdrs.clone(), ..Batch::default() };
    store.take("journal", batch).await.unwrap();
    (store, cdrs)
}

pub(crate) async fn records_and_sums_that_follow_from_the_facts_have_no_difference(base: &Base) {
    let (store, cdrs) = filled(base).await;
    let (found, lines) = verified(&store).await;
    assert_eq!(lines, [""; 0]);
    assert_eq!(found.records, u64::try_from(cdrs.len()).unwrap());
    assert!(found.facts > 200 && found.rows > 100, "{found:?}");
    // A reader can do it as well.
    let reader = Store::open_read_only(&base.url).await.unwrap();
    assert_eq!(verified(&reader).await.0, found);
    reader.close().await;
    store.close().await;
}

pub(crate) async fn each_kind_of_difference_is_found(base: &Base) {
    let (store, cdrs) = filled(base).await;
    let answered = cdrs.iter().find(|cdr| !cdr.talks.is_empty()).unwrap();
    let (call, waits) = (answered.call, answered.waited_ms);
    let set = format!("UPDATE cdr SET waited_ms = 7 WHERE call = '{call}'");
    for (change, undo, expected) in [
        (
            set.as_str(),
            format!("UPDATE cdr SET waited_ms = {waits} WHERE call = '{call}'"),
            format!("{call}: waited_ms is 7; expected: {waits}"),
        ),
        (
            "UPDATE rollup SET talk_ms = talk_ms + 1 WHERE level = 5",
            "UPDATE rollup SET talk_ms = talk_ms - 1 WHERE level = 5".to_owned(),
            "roll-ups: (5, ".to_owned(),
        ),
        (
            "UPDATE rollup SET slot = slot + 1 WHERE level = 0",
            "UPDATE rollup SET slot = slot - 1 WHERE level = 0".to_owned(),
            "roll-ups: (0, ".to_owned(),
        ),
        (
            "UPDATE rollup_operator SET answered = answered + 1 WHERE level = 1",
            "UPDATE rollup_operator SET answered = answered - 1 WHERE level = 1".to_owned(),
            "roll-ups: (1, ".to_owned(),
        ),
        (
            "UPDATE talk SET talk_ms = talk_ms + 1",
            "UPDATE talk SET talk_ms = talk_ms - 1".to_owned(),
            format!("{call}: the talks are not those of the facts"),
        ),
        (
            "UPDATE call_search SET talk_ms = talk_ms + 1",
            "UPDATE call_search SET talk_ms = talk_ms - 1".to_owned(),
            format!("{call}: call_search.talk_ms is "),
        ),
        (
            "INSERT INTO call_search SELECT received + 1, call, number, operators, desk, trunk, outcome, class, category, \
                agency, mode, waited_ms, talk_ms, wrap_ms, note FROM call_search",
            "DELETE FROM call_search WHERE NOT EXISTS (SELECT 1 FROM cdr WHERE cdr.received = call_search.received)"
                .to_owned(),
            "rows have no record".to_owned(),
        ),
        (
            "UPDATE rollup SET start = start + 31622400000 WHERE level = 5",
            "UPDATE rollup SET start = start - 31622400000 WHERE level = 5".to_owned(),
            "rows belong to months without records".to_owned(),
        ),
    ] {
        base.behind(change, change).await;
        let (_, lines) = verified(&store).await;
        assert!(lines.iter().any(|line| line.contains(&expected)), "{change}: {lines:#?}");
        base.behind(&undo, &undo).await;
        assert_eq!(verified(&store).await.1, [""; 0], "{undo}");
    }
    differences_that_cannot_be_undone_are_found(base, &store, &cdrs).await;
    store.close().await;
}

async fn differences_that_cannot_be_undone_are_found(base: &Base, store: &Store, cdrs: &[Cdr]) {
    for (change, expected) in [
        (format!("DELETE FROM fact WHERE stream = '{}'", cdrs[0].call), "there is a record without facts"),
        (format!("DELETE FROM cdr WHERE call = '{}'", cdrs[1].call), "the call has ended and has no record"),
        (
            format!("UPDATE cdr SET body = replace(body, 'telco', 'other') WHERE call = '{}'", cdrs[2].call),
            "the body is not the record of the facts",
        ),
        (format!("DELETE FROM call_search WHERE call = '{}'", cdrs[3].call), "call_search has no row"),
        ("UPDATE rollup_state SET until_received = 5".to_owned(), "not all records are counted"),
    ] {
        base.behind(&change, &change).await;
        let (_, lines) = verified(store).await;
        assert!(lines.iter().any(|line| line.contains(expected)), "{change}: {lines:#?}");
    }
}
