//! The switchboard is written as bytes and read back in the middle of every story: it must continue to the same end, bit for bit.

use siaga::switchboard::{SnapshotError, Switchboard};

use super::city::City;
use super::random::story;
use super::world::{World, settings};

/// One step in this many is followed by a write and a read, on average.
const ONE_IN: u64 = 64;

/// True if the switchboard is to be written and read back after this step.
pub(crate) fn is_due(step: u64) -> bool {
    (step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).is_multiple_of(ONE_IN)
}

/// The same switchboard, written and read back.
pub(crate) fn read_back(switchboard: &Switchboard) -> Switchboard {
    let bytes = switchboard.write().unwrap();
    let again = Switchboard::read(&bytes, switchboard.settings().clone()).unwrap();
    if again.write().unwrap() != bytes {
        let texts = [switchboard, &again].map(|one| format!("{one:#?}"));
        let [one, other] = texts.each_ref().map(|text| text.lines().collect::<Vec<_>>());
        let at = one.iter().zip(&other).position(|(one, other)| one != other).unwrap_or(0);
        let shown = |lines: &[&str]| lines[at.saturating_sub(12)..(at + 4).min(lines.len())].join("\n");
        panic!("a state that was read back is written differently:\n{}\ninstead of\n{}", shown(&other), shown(&one));
    }
    again
}

#[test]
fn a_story_that_is_written_and_read_back_has_the_same_facts() {
    for seed in [1, 2, 7] {
        let facts = [true, false].map(|is_read_back| {
            let mut city = City::new(story(seed));
            city.is_read_back = is_read_back;
            city.run();
            (city.steps, format!("{:?}", city.facts))
        });
        assert!(facts[0] == facts[1], "the stories of seed {seed} differ");
    }
}

#[test]
fn bytes_that_are_no_snapshot_are_an_error() {
    let mut world = World::new(settings(), &["budi"]);
    world.pass(std::time::Duration::from_secs(1));
    let bytes = world.switchboard.write().unwrap();
    let read = |bytes: &[u8]| Switchboard::read(bytes, world.switchboard.settings().clone());
    assert!(matches!(read(b"").unwrap_err(), SnapshotError::Foreign));
    assert!(matches!(read(b"something else entirely").unwrap_err(), SnapshotError::Foreign));
    let mut newer = bytes.clone();
    newer[9] = 200;
    assert!(matches!(read(&newer).unwrap_err(), SnapshotError::Version { found: 200 }));
    for length in [10, 11, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(read(&bytes[..length]).unwrap_err(), SnapshotError::Damaged(_)), "{length}");
    }
}
