//! The switchboard is written as bytes and read back in the middle of every story: it must continue to the same end, bit for bit.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use siaga::media::command::{Command, Event};
use siaga::sip::digest::client::Identity;
use siaga::switchboard::{ConsoleCommand, Input, Registration, Settings, SnapshotError, Switchboard, TrunkSettings};

use super::caller::Caller;
use super::city::City;
use super::random::story;
use super::watch::Watch;
use super::world::{TRUNK, World, response, sdp, settings};

/// In a city, one step in this many is followed by a write and a read, on average.
const IN_A_CITY: u64 = 2048;
/// The same in the world of one story, unless it has many calls.
const IN_A_STORY: u64 = 8;
/// After so many reads in one test, its worlds are read back as rarely as a city.
const OFTEN_MAX: u32 = 100;
/// A world with more calls, phones and transactions is read back as rarely as a city.
const SMALL: usize = 50;

/// The bytes before the state of a snapshot: magic number, version, fingerprint of the settings, length, CRC-32.
const HEADER_BYTES: usize = 30;
/// Where the fingerprint of the settings is.
const FINGERPRINT: std::ops::Range<usize> = 10..18;

/// True if the switchboard of a city is to be written and read back after this step. `salt`: its seed.
pub(crate) fn is_due_in_city(step: u64, salt: u64) -> bool {
    is_due(step, salt, IN_A_CITY)
}

/// True if the switchboard of a world is to be written and read back after this step. `salt`: that of its test.
pub(crate) fn is_due_in_story(step: u64, salt: u64, switchboard: &Switchboard) -> bool {
    let gauges = switchboard.gauges();
    let is_small = gauges.calls + gauges.phones + gauges.transactions < SMALL;
    if !is_small || READS.get() >= OFTEN_MAX {
        return is_due(step, salt, IN_A_CITY);
    }
    let is_due = is_due(step, salt, IN_A_STORY);
    READS.set(READS.get() + u32::from(is_due));
    is_due
}

fn is_due(step: u64, salt: u64, one_in: u64) -> bool {
    (step.wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).is_multiple_of(one_in)
}

thread_local! {
    /// How often this test has read a world back.
    static READS: Cell<u32> = const { Cell::new(0) };
    /// How many worlds this test has.
    static WORLDS: Cell<u64> = const { Cell::new(0) };
}

/// A number that differs from test to test, and for each world of a test: a hash (FNV-1a) of the name of the thread, which is that of its
/// test, and of the number of the world.
pub(crate) fn salt() -> u64 {
    WORLDS.set(WORLDS.get() + 1);
    let thread = std::thread::current();
    let name = format!("{} {}", thread.name().unwrap_or_default(), WORLDS.get());
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
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
fn the_steps_at_which_stories_are_read_back_differ() {
    let steps = |salt| (1..=400).filter(|step| is_due(*step, salt, IN_A_STORY)).collect::<Vec<_>>();
    assert!((30..80).contains(&steps(1).len()), "{:?}", steps(1));
    assert_ne!(steps(1), steps(2));
    assert_ne!(salt(), salt(), "two worlds of one test");
    assert_ne!(salt(), std::thread::spawn(salt).join().unwrap(), "another test");
}

#[test]
fn bytes_that_are_no_snapshot_are_an_error() {
    let world = rich();
    let bytes = world.switchboard.write().unwrap();
    let read = |bytes: &[u8]| Switchboard::read(bytes, world.switchboard.settings().clone());
    assert!(matches!(read(b"").unwrap_err(), SnapshotError::Foreign));
    assert!(matches!(read(b"something else entirely").unwrap_err(), SnapshotError::Foreign));
    let mut newer = bytes.clone();
    newer[9] = 200;
    assert!(matches!(read(&newer).unwrap_err(), SnapshotError::Version { found: 200 }));
    for length in [10, 11, HEADER_BYTES - 1, HEADER_BYTES, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(read(&bytes[..length]).unwrap_err(), SnapshotError::Damaged { .. }), "{length}");
    }
    let longer = [bytes.as_slice(), b"\0"].concat();
    assert!(matches!(read(&longer).unwrap_err(), SnapshotError::Damaged { .. }));
    for at in (FINGERPRINT.end..bytes.len()).step_by(101) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(matches!(read(&damaged).unwrap_err(), SnapshotError::Damaged { .. }), "one bit of byte {at}");
    }
    assert!(read(&bytes).is_ok());
}

#[test]
fn a_snapshot_is_read_only_with_the_settings_with_which_it_was_written() {
    let world = rich();
    let bytes = world.switchboard.write().unwrap();
    let mut others = [full_settings(), full_settings(), full_settings()];
    others[0].trunks[0].name = "other".to_owned();
    others[1].calls.ring += Duration::from_secs(1);
    others[2].acd.wrap_up += Duration::from_secs(1);
    for other in others {
        assert!(matches!(Switchboard::read(&bytes, other).unwrap_err(), SnapshotError::Settings));
    }
}

#[test]
fn a_snapshot_is_written_only_between_two_steps() {
    let (now, ports) = (World::unready(settings()).now, Vec::new());
    let mut switchboard = Switchboard::new(now, settings(), ports, siaga::ids::Rng::from_number(1));
    assert!(matches!(switchboard.write().unwrap_err(), SnapshotError::Unfinished), "its first fact was not taken");
    switchboard.handle(now, Input::Tick, &mut Vec::new());
    assert!(switchboard.write().is_ok());
}

#[test]
fn a_snapshot_has_no_password_of_a_trunk_and_a_request_is_still_repeated_with_it() {
    let mut world = World::new(full_settings(), &["budi"]);
    world.step(Input::Tick);
    let register = world.take(TRUNK, "REGISTER");
    let bytes = world.switchboard.write().unwrap();
    assert!(bytes.windows(5).any(|part| part == b"siaga"), "the user name is needed");
    assert!(!bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()));
    world.switchboard = Switchboard::read(&bytes, full_settings()).unwrap();
    let challenge = "WWW-Authenticate: Digest realm=\"telco\", nonce=\"n\", qop=\"auth\"\r\n";
    let rejection = response(&register, TRUNK, "401 Unauthorized", "");
    world.receive(TRUNK, &rejection.replacen("Contact", &format!("{challenge}Contact"), 1));
    let again = world.take(TRUNK, "REGISTER");
    assert!(again.contains("\r\nAuthorization: Digest username=\"siaga\""), "{again}");
}

const PASSWORD: &str = "rahasia-telco";

/// Settings under which a switchboard has deadlines of many kinds.
fn full_settings() -> Settings {
    let mut settings = settings();
    let seconds = Duration::from_secs;
    let register = Registration {
        registrar: "sip:telco.example".to_owned(),
        aor: "sip:112@telco.example".to_owned(),
        expires: seconds(600),
    };
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.trunks[0].keep_alive = Some(seconds(30));
    settings.trunks[0].terms = TrunkSettings {
        identity: Some(Identity { user: "siaga".to_owned(), password: PASSWORD.to_owned() }),
        register: Some(register),
        ..settings.trunks[0].terms.clone()
    };
    settings.phones.keep_alive = Some(seconds(30));
    settings.session.seconds = Some(1_800);
    settings.calls.announce_each = Some(seconds(20));
    settings
}

/// A switchboard with a talk, a ringing call, a waiting one, an abandoned one, a service call, a subscription and phones that have
/// registered, among them one that does not respond.
fn rich() -> World {
    const PHONES: [(&str, &str); 4] =
        [("ani", "127.0.0.3:5099"), ("budi", "127.0.0.3:5091"), ("sari", "127.0.0.3:5092"), ("tono", "127.0.0.3:5093")];
    let [(_, ani), (_, budi), (_, sari), (_, tono)] = PHONES;
    let mut world = World::new(full_settings(), &PHONES.map(|(name, _)| name));
    world.step(Input::Tick);
    for (name, at) in PHONES {
        world.register(name, at);
    }
    let operator = siaga::ids::OperatorId::parse("ani").unwrap();
    world.orders(ConsoleCommand::Pause { operator, reason: String::new() });
    Watch::begins(&mut world, "ani", ani, "budi", "dialog");
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(budi, "INVITE");
    world.receive(budi, &response(&invite, budi, "200 OK", &sdp(budi, 31_000)));
    world.take(budi, "ACK");
    caller.is_answered(&mut world);
    let bridged = world.media.iter().find_map(|command| match command {
        Command::Bridge { a, b } => Some([*a, *b]),
        _ => None,
    });
    for anchor in bridged.unwrap() {
        world.step(Input::Media(Event::Heard { anchor }));
    }
    Caller::dials(&mut world);
    let invite = world.take(sari, "INVITE");
    world.receive(sari, &response(&invite, sari, "180 Ringing", ""));
    // This phone does not respond.
    Caller::dials(&mut world);
    world.take(tono, "INVITE");
    world.pass(Duration::from_secs(2));
    Caller::dials(&mut world).cancels(&mut world);
    Caller::dials(&mut world);
    world
}

/// The snapshot that every build of this version must read.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/snapshot.bin")
}

/// To write the file anew, raise `VERSION` in `src/switchboard/snapshot.rs` and run
/// `SIAGA_WRITE_SNAPSHOT=1 cargo nextest run --test sim -E 'test(a_snapshot_of_this_version)'`.
#[test]
fn a_snapshot_of_this_version_is_read_and_written_as_before() {
    let fresh = rich().switchboard.write().unwrap();
    if std::env::var_os("SIAGA_WRITE_SNAPSHOT").is_some() {
        fs::write(golden(), &fresh).unwrap();
    }
    let mut kept = fs::read(golden()).unwrap();
    assert_eq!(kept[..10], fresh[..10], "the version was raised: write the file anew");
    // Another type of the settings is no other format of the state.
    kept[FINGERPRINT].copy_from_slice(&fresh[FINGERPRINT]);
    let why = "a serialised type has changed: raise VERSION, and write the file anew";
    let read = Switchboard::read(&kept, full_settings()).unwrap_or_else(|error| panic!("{why}: {error}"));
    assert!(read.write().unwrap() == kept, "{why}");
}
