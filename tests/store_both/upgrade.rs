//! Databases of earlier versions are brought up to date with what they hold.

use siaga::store::Store;

use super::at;
use super::base::Base;

/// As it was before participants had a column of their own, with a call of two talks, the first of them a participant's.
const BEFORE_GUESTS: &str = "DROP INDEX talk_operator_guest; ALTER TABLE talk DROP COLUMN guest; \
    DELETE FROM _sqlx_migrations WHERE version = 4; \
    INSERT INTO cdr (call, received, ended, trunk, called, outcome, cause, ended_by, waited_ms, talk_ms, body) VALUES \
    ('with', {at}, {at}, 't', '112', 'answered', 'normal', 'caller', 1, 20, \
    '{\"talks\":[{\"with\":{\"operator\":\"ani\"},\"guest\":true},{\"with\":{\"operator\":\"budi\"}}]}'), \
    ('without', {at}, {at}, 't', '112', 'answered', 'normal', 'caller', 1, 40, '{\"talks\":[{\"with\":{\"operator\":\"budi\"}}]}'); \
    INSERT INTO talk (call, no, operator, received, talk_ms, wrap_ms) VALUES \
    ('with', 0, 'ani', {at}, 10, NULL), ('with', 1, 'budi', {at}, 20, 5), ('without', 0, 'budi', {at}, 40, 5)";

pub(super) async fn guests_of_old_records_are_told_apart(base: &Base) {
    base.make().await;
    Store::open(&base.url).await.unwrap().close().await;
    let before = BEFORE_GUESTS.replace("{at}", &at(0).as_millis().to_string());
    base.behind(&before, &before).await;
    let store = Store::open(&base.url).await.unwrap();
    let totals = store.totals(&(at(0)..at(1)), super::queries::LIMITS, &super::queries::levels()).await.unwrap();
    let told: Vec<_> = totals
        .operators
        .iter()
        .map(|of| (of.operator.as_str(), of.totals.answered, of.totals.talk_ms, of.totals.joined, of.totals.joined_ms))
        .collect();
    assert_eq!(told, [("ani", 0, 0, 1, 10), ("budi", 2, 60, 0, 0)]);
    store.close().await;
}
