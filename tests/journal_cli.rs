//! `siaga verify journal` and `siaga journal salvage`, as an administrator runs them after damage to the disk.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod stories;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use siaga::clock::Timestamp;
use siaga::store::Store;
use siaga::store::journal::Journal;
use siaga::store::journal::segments::{self, State};
use stories::{MORNING, Story};

/// A folder with a configuration and a journal of five calls in one segment.
struct Folder {
    dir: tempfile::TempDir,
    stories: Vec<Story>,
    segment: i64,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n[store]\nurl = \"sqlite:siaga.db\"\n\
                      [journal]\ndir = \"journal\"\n";
        fs::write(dir.path().join("siaga.toml"), config).unwrap();
        let stories: Vec<Story> = (0..5).map(|no| stories::answered(no, MORNING + no as i64 * 10)).collect();
        let journal_dir = dir.path().join("journal");
        let now = Timestamp::from_millis(MORNING);
        let mut journal = Journal::open(&journal_dir, now).unwrap();
        journal.append(stories.iter().flat_map(|story| &story.facts), now).unwrap();
        let segment = segments::list(&journal_dir, State::Waiting).unwrap()[0];
        Self { dir, stories, segment }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    fn file(&self, state: State) -> PathBuf {
        segments::path(&self.journal(), self.segment, state)
    }

    fn facts(&self) -> usize {
        self.stories.iter().map(|story| story.facts.len()).sum()
    }

    /// First byte and length of the record of a call's first fact.
    fn place_of(&self, story: usize) -> (usize, usize) {
        let bytes = fs::read(self.file(State::Waiting)).unwrap();
        let length = |at: usize| 8 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let before = self.stories[..story].iter().map(|story| story.facts.len()).sum();
        let at = (0..before).fold(0, |at, _| at + length(at));
        (at, length(at))
    }

    /// Flips a bit of the record of a call's first fact; gives the record's first byte and its length.
    fn flip(&self, story: usize) -> (usize, usize) {
        let (at, length) = self.place_of(story);
        let mut bytes = fs::read(self.file(State::Waiting)).unwrap();
        bytes[at + 40] ^= 4;
        fs::write(self.file(State::Waiting), bytes).unwrap();
        (at, length)
    }

    /// Whether it succeeded, and what it said.
    fn siaga(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        let ran =
            command.args(arguments).args(["--config", "siaga.toml"]).current_dir(self.dir.path()).output().unwrap();
        let text = [ran.stdout, ran.stderr].concat();
        (ran.status.success(), String::from_utf8(text).unwrap())
    }

    /// Every file of the journal with its bytes.
    fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.journal()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
    }

    fn verifies(&self) -> (bool, String) {
        let before = self.contents();
        let verified = self.siaga(&["verify", "journal"]);
        assert_eq!(self.contents(), before, "nothing is changed");
        verified
    }

    /// The calls of which the database has every fact.
    fn stored(&self) -> Vec<usize> {
        let url = format!("sqlite:{}", self.dir.path().join("siaga.db").display());
        let whole = async |store: &Store, story: &Story| {
            let facts = store.facts(story.facts[0].call.unwrap()).await.unwrap();
            facts.len() == story.facts.len()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open_read_only(&url).await.unwrap();
            let mut found = Vec::new();
            for (no, story) in self.stories.iter().enumerate() {
                if whole(&store, story).await {
                    found.push(no);
                }
            }
            store.close().await;
            found
        })
    }
}

fn shown(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    format!("journal/{name}")
}

#[test]
fn verify_says_that_an_undamaged_journal_is_undamaged() {
    let folder = Folder::new();
    let (good, told) = folder.verifies();
    assert!(good, "{told}");
    assert!(
        told.contains(&format!("{}: {} facts, 0 of them", shown(&folder.file(State::Waiting)), folder.facts())),
        "{told}"
    );
    assert!(told.ends_with("the journal is undamaged\n"), "{told}");
}

#[test]
fn verify_names_the_record_with_a_flipped_bit_and_reads_all_others() {
    let folder = Folder::new();
    let (at, length) = folder.flip(2);
    let (good, told) = folder.verifies();
    assert!(!good);
    assert!(told.contains(&format!(": {} facts", folder.facts() - 1)), "{told}");
    assert!(told.contains(&format!("  {length} bytes from byte {at} on cannot be read\n")), "{told}");
    assert!(told.contains("1 damaged segments; siaga journal salvage reads what is readable"), "{told}");
}

#[test]
fn a_torn_end_is_no_damage_in_any_state_and_for_any_command() {
    for state in [State::Waiting, State::Stored, State::Damaged] {
        let folder = Folder::new();
        let bytes = fs::read(folder.file(State::Waiting)).unwrap();
        fs::rename(folder.file(State::Waiting), folder.file(state)).unwrap();
        for torn in [&b"\x40\0\0\0"[..], &bytes[..20], &[0; 4_096]] {
            fs::write(folder.file(state), [&bytes[..], torn].concat()).unwrap();
            let (good, told) = folder.verifies();
            assert!(good && told.ends_with("the journal is undamaged\n"), "{told}");
            assert!(told.contains(&format!(": {} facts", folder.facts())), "{told}");
            let incomplete = format!("  {} bytes from byte {} on are an incomplete record", torn.len(), bytes.len());
            assert!(told.contains(&incomplete), "{told}");
            let (good, told) = folder.siaga(&["journal", "salvage", &shown(&folder.file(state))]);
            assert!(good && told.contains(&incomplete) && !told.contains("cannot be read"), "{told}");
        }
    }
}

#[test]
fn verify_reads_damaged_and_stored_segments_too() {
    for state in [State::Damaged, State::Stored] {
        let folder = Folder::new();
        folder.flip(0);
        fs::rename(folder.file(State::Waiting), folder.file(state)).unwrap();
        let (good, told) = folder.verifies();
        assert!(!good && told.contains(&shown(&folder.file(state))), "{told}");
    }
}

#[test]
fn salvage_repairs_a_flipped_bit_in_a_damaged_segment_and_stores_every_fact_once() {
    let folder = Folder::new();
    folder.flip(3);
    fs::rename(folder.file(State::Waiting), folder.file(State::Damaged)).unwrap();
    let before = folder.contents();
    for _ in 0..2 {
        let (good, told) = folder.siaga(&["journal", "salvage"]);
        assert!(good, "{told}");
        let expected = format!(
            "{}: {facts} facts, 0 of them of an unknown kind\n  {facts} facts are stored, 1 of them repaired\n1 segments were read",
            shown(&folder.file(State::Damaged)),
            facts = folder.facts()
        );
        assert!(told.contains(&expected), "{told}");
        assert_eq!(folder.stored(), [0, 1, 2, 3, 4]);
    }
    assert_eq!(folder.contents(), before, "the files stay");
}

#[test]
fn salvage_stores_what_it_can_read_and_names_the_bytes_that_it_cannot_as_verify_does() {
    let folder = Folder::new();
    let (at, length) = folder.place_of(1);
    let mut bytes = fs::read(folder.file(State::Waiting)).unwrap();
    bytes[at..at + length].fill(0xff);
    bytes.extend_from_slice(b"\x40\0\0\0torn");
    fs::write(folder.file(State::Damaged), bytes).unwrap();
    fs::remove_file(folder.file(State::Waiting)).unwrap();
    let (good, told) = folder.siaga(&["journal", "salvage"]);
    assert!(good, "{told}");
    let facts = folder.facts() - 1;
    assert!(told.contains(&format!("  {facts} facts are stored, 0 of them repaired\n")), "{told}");
    assert!(told.contains(&format!("  {length} bytes from byte {at} on cannot be read\n")), "{told}");
    let (_, verified) = folder.verifies();
    let described = verified.lines().take(3).collect::<Vec<_>>().join("\n");
    assert!(described.contains("8 bytes from byte ") && told.starts_with(&described), "{verified}\n{told}");
    assert_eq!(folder.stored(), [0, 2, 3, 4]);
}

#[test]
fn salvage_reads_the_segments_that_are_named_and_rejects_one_that_does_not_exist() {
    let folder = Folder::new();
    folder.flip(4);
    fs::rename(folder.file(State::Waiting), folder.file(State::Stored)).unwrap();
    let (good, told) = folder.siaga(&["journal", "salvage"]);
    assert!(good && told.starts_with("0 segments were read"), "only damaged segments are read without a name: {told}");
    let stored = shown(&folder.file(State::Stored));
    let (good, told) = folder.siaga(&["journal", "salvage", &stored]);
    assert!(good && told.contains("1 of them repaired"), "{told}");
    assert_eq!(folder.stored(), [0, 1, 2, 3, 4]);
    let (good, told) = folder.siaga(&["journal", "salvage", "journal/none.damaged"]);
    assert!(!good && told.contains("journal/none.damaged"), "{told}");
}
