//! The store on SQLite and on PostgreSQL: everything is stored once, whatever fails when, and every statement says the
//! same on both.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod bad_rows;
mod base;
mod encrypted;
mod ending;
mod figures;
mod ministry;
mod privacy;
mod queries;
mod recent;
mod recovery;
mod rollups;
mod search;
#[path = "../stories/mod.rs"]
mod stories;
mod upgrade;
mod verify;
mod web;
mod writing;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::Base;
use siaga::cdr::fact::{Fact, FactId, FactKind};
use siaga::clock::Timestamp;
use siaga::ids::{CallId, Rng};
use siaga::store::journal::{Journal, JournalPosition};
use siaga::store::writer::{Writer, WriterFigures};
use stories::MORNING;
use tokio::sync::watch;

/// Each test as two: one for each database.
macro_rules! on_both {
    ($($room:ident :: $test:ident,)*) => {
        mod sqlite {
            $(#[test] fn $test() { super::run(super::Base::sqlite(), crate::$room::$test) })*
        }
        mod postgres {
            $(#[test] fn $test() { super::run(super::Base::postgres(), crate::$room::$test) })*
        }
    };
}

on_both! {
    search::each_condition_finds_the_calls_that_a_scan_of_the_records_finds,
    search::pages_neither_repeat_nor_lose_a_call_while_calls_arrive,
    search::a_search_row_changes_and_goes_with_its_record,
    search::the_migration_makes_the_rows_that_the_writer_makes,
    search::the_migration_passes_over_records_that_cannot_be_read,
    verify::a_rebuild_renews_the_rows_by_which_calls_are_searched,
    privacy::an_erased_number_is_found_in_no_table_and_no_file,
    privacy::an_erasure_that_was_interrupted_is_completed,
    privacy::a_call_on_hold_is_not_erased_until_the_hold_is_lifted,
    privacy::each_rule_of_retention_takes_what_it_names,
    privacy::a_number_is_erased_from_a_record_whose_facts_were_deleted,
    web::reviews_and_hearings_are_stored,
    web::deliveries_and_runs_of_schedules_are_stored,
    web::users_and_their_sessions_are_stored_and_removed,
    web::of_simultaneous_log_ins_one_is_counted,
    web::a_changed_or_removed_entry_of_the_access_log_is_detected,
    writing::the_journal_is_copied_whole,
    writing::a_refused_transaction_leaves_nothing_and_is_repeated,
    writing::a_writer_that_dies_anywhere_stores_everything_once,
    writing::facts_wait_while_the_database_is_away,
    writing::late_facts_change_the_record,
    writing::facts_of_an_unknown_call_are_kept,
    writing::a_torn_end_is_counted_and_the_rest_is_stored,
    writing::text_that_the_database_cannot_hold_stops_nothing,
    writing::a_journal_behind_the_stored_place_is_stored_all_the_same,
    recent::facts_in_memory_and_on_the_disk_are_stored_once,
    recent::facts_in_memory_whose_segment_is_lost_are_stored_once,
    bad_rows::a_fact_and_a_cause_of_a_newer_version_are_kept_raw_and_block_nothing,
    bad_rows::a_call_that_the_database_does_not_take_is_set_aside_and_stored_by_a_retry,
    bad_rows::an_interrupted_call_that_the_database_does_not_take_blocks_no_other,
    bad_rows::the_only_interrupted_call_is_set_aside_if_the_database_rejects_it,
    bad_rows::several_interrupted_calls_that_the_database_rejects_hold_up_no_other,
    bad_rows::facts_that_are_set_aside_during_a_retry_wait_for_the_next_one,
    bad_rows::a_retry_stores_the_other_calls_if_the_file_of_one_cannot_be_read,
    bad_rows::a_retry_takes_what_an_earlier_one_has_left,
    bad_rows::a_database_that_fails_behind_a_call_that_is_set_aside_gets_its_facts_once,
    bad_rows::a_database_that_takes_no_record_sets_nothing_aside,
    bad_rows::a_letter_that_a_latin1_database_lacks_costs_that_call_alone,
    bad_rows::damage_in_the_journal_costs_one_fact_and_salvage_brings_it_back,
    recovery::a_recovery_that_fails_once_is_repeated_in_the_same_run,
    recovery::a_new_or_restored_database_gets_the_calls_that_it_lacks_from_stored_segments,
    recovery::a_database_that_is_restored_while_the_writer_runs_gets_the_ends_of_interrupted_calls_again,
    recovery::a_lost_journal_folder_leaves_no_call_open,
    recovery::a_writer_closes_no_call_of_a_later_run,
    recovery::facts_that_a_crash_left_in_memory_and_on_the_disk_are_stored_once,
    recovery::a_kill_in_the_wrap_up_ends_it_at_the_last_sign_of_life,
    ending::a_writer_ends_when_it_is_told_to_though_the_database_is_down,
    ending::a_database_that_never_answers_is_given_up_and_tried_again,
    ending::a_database_that_never_answers_at_the_opening_is_given_up_and_tried_again,
    ending::facts_of_earlier_runs_count_as_backlog_while_the_database_is_down,
    ending::a_stored_segment_that_cannot_be_removed_holds_up_no_fact,
    ending::a_file_that_is_moved_while_the_writer_has_it_open_is_an_alarm,
    ending::check_finds_what_a_database_lacks,
    recovery::calls_left_open_are_interrupted_once_at_the_last_sign_of_life,
    recovery::each_killed_run_ends_its_own_calls,
    recovery::a_call_whose_end_waits_in_the_journal_is_not_interrupted,
    recovery::a_recovery_that_dies_is_done_again,
    recovery::two_journals_share_a_database,
    recovery::what_earlier_runs_knew_is_told_before_anything_of_this_one,
    queries::operators_are_added_changed_and_removed,
    queries::users_of_the_console_are_added_changed_and_removed,
    queries::totals_are_those_of_the_records,
    queries::calls_come_in_pages_in_order,
    queries::a_reader_cannot_write,
    queries::an_error_of_the_database_is_reported_as_it_is,
    queries::opening_at_once_from_two_sides,
    rollups::rollups_follow_records_that_are_stored_and_changed,
    rollups::a_database_with_records_is_filled_while_others_are_stored,
    rollups::targets_apply_to_calls_that_arrive_after_their_change,
    rollups::a_start_counts_the_records_of_an_earlier_version,
    rollups::a_writer_that_is_killed_and_retried_counts_nothing_twice,
    figures::figures_from_rollups_are_those_of_the_calls,
    figures::a_summary_from_rollups_is_that_of_the_records,
    figures::a_summary_without_operators_has_all_other_figures,
    figures::hours_from_rollups_are_the_quarters_of_the_records,
    figures::the_targets_of_a_period_are_reported,
    ministry::the_monthly_report_is_that_of_the_records,
    verify::records_and_sums_that_follow_from_the_facts_have_no_difference,
    verify::each_kind_of_difference_is_found,
    upgrade::guests_of_old_records_are_told_apart,
}

fn run<T>(base: Base, test: T)
where
    T: AsyncFnOnce(&Base),
{
    on_runtime(test(&base));
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Waits until a writer has failed so often. It counts its failures and notifies no task of them.
async fn has_failed(figures: &WriterFigures, times: u64) {
    until(|| figures.failures.load(Ordering::Relaxed) >= times).await;
}

/// Waits until a figure that notifies no task has its value.
async fn until(is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waits).await.unwrap();
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(MORNING + millis)
}

/// Every story's facts, as they come: all calls at once.
fn woven() -> Vec<Fact> {
    let mut facts: Vec<Fact> = stories::all(MORNING).into_iter().flat_map(|(_, story)| story.facts).collect();
    facts.sort_by_key(|fact| (fact.at, fact.id));
    facts
}

/// A fact of the service itself.
fn started(no: u64) -> Fact {
    let stream = CallId::new(at(0), &mut Rng::from_number(no));
    let kind = FactKind::Started { version: "0.1.0".to_owned() };
    Fact { id: FactId { stream, seq: 0 }, call: None, at: at(0), up: None, kind }
}

/// One run of the service's records: a journal, and the figures of its writer.
struct Run {
    journal: Journal,
    figures: Arc<WriterFigures>,
}

impl Run {
    fn start(base: &Base, at: Timestamp) -> Self {
        Self { journal: Journal::open(&base.journal(), at).unwrap(), figures: Arc::default() }
    }

    fn writer(&self, base: &Base) -> Writer {
        let (id, first) = (self.journal.id().to_owned(), self.journal.first_segment());
        Writer::new(base.url.clone(), base.journal(), id, first, Arc::clone(&self.figures))
    }

    fn durable(&self) -> watch::Receiver<JournalPosition> {
        watch::channel(self.journal.end()).1
    }

    /// Writes everything that the journal has to the database, as at the end of the service.
    async fn finish(self, base: &Base) -> Arc<WriterFigures> {
        self.writer(base).run(self.durable()).await;
        assert!(self.figures.caught_up.load(Ordering::Relaxed));
        self.figures
    }
}
