//! The writer with the facts that the journal's thread keeps in memory: whatever happens to one of both, every fact is stored exactly once.

use std::sync::atomic::Ordering;

use siaga::cdr::Cdr;
use siaga::cdr::fact::Fact;
use siaga::store::Store;
use siaga::store::journal::segments::{self, State};
use siaga::store::journal::{Journal, JournalPosition, Recent, record};
use tokio::sync::watch;

use crate::base::Base;
use crate::stories::{self, MORNING, Story};
use crate::writing::records;
use crate::{Run, at, has_failed, until};

/// Facts in one group, as the journal's thread collects them. It divides the facts of a call.
const GROUP: usize = 7;
/// A segment has about two groups.
const SEGMENT_BYTES: u64 = 2_048;

/// A run whose journal's thread keeps facts in memory.
struct Kept {
    run: Run,
    recent: Recent,
}

impl Kept {
    fn start(base: &Base, millis: i64) -> Self {
        let journal = Journal::open(&base.journal(), at(millis)).unwrap().with_segments_of(SEGMENT_BYTES);
        Self { run: Run { journal, figures: Default::default() }, recent: Recent::default() }
    }

    /// Writes facts to the disk and keeps them in memory.
    fn add(&mut self, facts: &[Fact]) {
        for group in facts.chunks(GROUP) {
            let mut records = Vec::new();
            group.iter().for_each(|fact| record::encode(&mut records, fact).unwrap());
            let place = self.run.journal.append_records(&records, at(0)).unwrap();
            self.recent.add(place, records, group.to_vec());
        }
    }

    /// Writes facts to the disk only, like those that have waited in the crash log.
    fn add_held(&mut self, facts: &[Fact]) {
        self.run.journal.append(facts.iter(), at(0)).unwrap();
    }

    /// An attempt to write facts fails: the next one begins a new segment.
    fn fail_once(&mut self, base: &Base, facts: &[Fact]) {
        let (journal, away) = (base.journal(), base.dir.path().join("away"));
        std::fs::rename(&journal, &away).unwrap();
        std::fs::write(&journal, "in the way of the folder").unwrap();
        assert!(self.run.journal.append(facts.iter(), at(0)).is_err());
        std::fs::remove_file(&journal).unwrap();
        std::fs::rename(&away, &journal).unwrap();
    }

    /// The open segment is lost: the journal writes its facts again, to a new one.
    fn lose_segment(&mut self, base: &Base) {
        let lost = self.run.journal.end();
        std::fs::remove_file(segments::path(&base.journal(), lost.segment, State::Waiting)).unwrap();
        assert!(self.run.journal.beat(at(0)).unwrap().segment > lost.segment);
    }

    fn end(&self) -> JournalPosition {
        self.run.journal.end()
    }

    fn stored(&self) -> u64 {
        self.run.figures.facts.load(Ordering::Relaxed)
    }

    /// Stores everything, as at the end of the service. Returns how many facts the writer has stored.
    async fn finish(self, base: &Base) -> u64 {
        self.run.writer(base).with_recent_facts(self.recent.clone()).run(self.run.durable()).await;
        assert!(self.run.figures.caught_up.load(Ordering::Relaxed));
        self.stored()
    }
}

fn facts(stories: &[Story]) -> Vec<Fact> {
    stories.iter().flat_map(|story| story.facts.clone()).collect()
}

async fn assert_stored(base: &Base, stories: &[Story]) {
    let store = Store::open(&base.url).await.unwrap();
    assert_eq!(records(&store).await, stories.iter().map(Story::cdr).collect::<Vec<Cdr>>());
    for story in stories {
        assert_eq!(store.facts(story.call).await.unwrap(), story.facts);
    }
    store.close().await;
}

pub(crate) async fn facts_in_memory_and_on_the_disk_are_stored_once(base: &Base) {
    base.make().await;
    let stories: Vec<Story> = (0..60).map(|no| stories::taken_over(no, MORNING + no as i64 * 10)).collect();
    let mut first = Kept::start(base, 0);
    first.add(&facts(&stories[..20]));
    Store::open(&base.url).await.unwrap().close().await;
    base.refuse_records().await;
    let (tell, durable) = watch::channel(first.end());
    let (writer, figures) = (first.run.writer(base).with_recent_facts(first.recent.clone()), first.run.figures.clone());
    let service = async {
        // The writer has taken these facts from memory when the database fails.
        has_failed(&figures, 1).await;
        base.behind("DROP TRIGGER refuse", "ALTER TABLE cdr DROP CONSTRAINT refuse").await;
        let mut count = facts(&stories[..20]).len();
        until(|| figures.facts.load(Ordering::Relaxed) >= count as u64).await;
        // Facts that are only on the disk, between others.
        first.add(&facts(&stories[20..25]));
        first.add_held(&facts(&stories[25..30]));
        first.add(&facts(&stories[30..35]));
        tell.send_replace(first.end());
        count = facts(&stories[..35]).len();
        until(|| figures.facts.load(Ordering::Relaxed) >= count as u64).await;
        first.fail_once(base, &facts(&stories[35..40]));
        first.add(&facts(&stories[35..40]));
        tell.send_replace(first.end());
        count = facts(&stories[..40]).len();
        until(|| figures.facts.load(Ordering::Relaxed) >= count as u64).await;
        // The run is killed before the writer hears of these.
        first.add(&facts(&stories[40..45]));
    };
    writer.run_until(durable, service).await;
    assert_eq!(first.stored(), facts(&stories[..40]).len() as u64, "none was read twice");
    drop(first);
    let mut second = Kept::start(base, 1_000_000);
    second.add(&facts(&stories[45..60]));
    let stored = second.finish(base).await;
    assert_eq!(stored, facts(&stories[40..]).len() as u64, "none was read twice");
    assert_stored(base, &stories).await;
}

pub(crate) async fn facts_in_memory_whose_segment_is_lost_are_stored_once(base: &Base) {
    base.make().await;
    let stories: Vec<Story> = (0..12).map(|no| stories::taken_over(no, MORNING + no as i64 * 10)).collect();
    let mut run = Kept::start(base, 0);
    run.add(&facts(&stories[..6]));
    run.lose_segment(base);
    run.add(&facts(&stories[6..]));
    run.finish(base).await;
    assert_stored(base, &stories).await;
}
