//! The report pages in real Chromium: `checks.mjs` does what a person does, with the data of a synthetic city. `scripts/setup test` installs
//! Chromium, Node.js and the packages of this folder.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Fact, FactId, FactKind};
use siaga::clock::Timestamp;
use siaga::ids::LegNo;
use siaga::store::Store;
use siaga::store::call_search::{CallFilter, From};
use siaga::store::facts::Batch;
use siaga::store::journal::record::Entry;

const USERS: [&str; 5] = ["viewer", "operator", "supervisor", "auditor", "admin"];
const SECONDS: u32 = 12;
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn siaga(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
    let ran = command.args(arguments).args(["--config", "siaga.toml"]).current_dir(folder).output().unwrap();
    let text = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
    assert!(ran.status.success(), "{arguments:?}: {text}");
    text
}

/// Adds a recording and measured audio to a record, and returns its id.
async fn record(store: &Store, folder: &Path, cdr: &Cdr) -> String {
    let file = format!("2026/{}-1.wav", cdr.call);
    let path = folder.join("data/recordings").join(&file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut wav = siaga::media::wav::header(u64::from(SECONDS * 8_000));
    wav.extend((0..SECONDS * 8_000).flat_map(|no| [no.to_le_bytes()[0], no.to_le_bytes()[1], 0, 1]));
    std::fs::write(path, wav).unwrap();
    let (leg, sha256, duration_ms) = (LegNo(1), "ab".repeat(32), u64::from(SECONDS) * 1_000);
    let recorded =
        FactKind::Recorded { leg, file, sha256, duration_ms, frames_dropped: 0, gaps: Vec::new(), repaired: false };
    let sound = FactKind::Sound {
        leg,
        packets_in: 600,
        packets_out: 600,
        packets_lost: 3,
        packets_foreign: 0,
        jitter_us: 2_300,
    };
    let at = cdr.ended.unwrap();
    let fact = |(seq, kind)| {
        let id = FactId { stream: cdr.call, seq };
        Entry::of(&Fact { id, call: Some(cdr.call), at, up: None, kind }).unwrap()
    };
    let facts = [(1 << 31 | 1, recorded), (1 << 31 | 2, sound)].map(fact);
    let batch = Batch { facts: facts.iter().collect(), recompute: vec![cdr.call], ..Batch::default() };
    store.take("browser", batch).await.unwrap();
    cdr.call.to_string()
}

/// The first call of an outcome that fits.
async fn find(store: &Store, outcome: &str, fits: impl Fn(&Cdr) -> bool) -> Cdr {
    let always = Timestamp::from_millis(0)..Timestamp::from_millis(i64::MAX);
    let filter = CallFilter { outcomes: vec![outcome.to_owned()], ..CallFilter::of(always) };
    let calls = store.search_calls(&filter, &From::Newest, 2_000).await.unwrap();
    calls.iter().map(|call| call.cdr().unwrap()).find(fits).unwrap()
}

#[test]
fn the_report_pages_work_in_a_browser() {
    let packages = Path::new(FOLDER).join("node_modules/playwright-core");
    assert!(packages.exists(), "the packages of tests/browser are missing: scripts/setup test installs them");
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[site]\nname = \"112 Kota Metro\"\n[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
         [store]\nurl = \"sqlite:data/siaga.db\"\n[report]\nlisten = \"127.0.0.1:{port}\"\n"
    );
    std::fs::write(folder.join("siaga.toml"), config).unwrap();
    siaga(folder, &["demo", "data", "--days", "2", "--seed", "7", "--until", "2026-11-24"]);
    let passwords = USERS.map(|user| {
        let name = "<script>alert(1)</script>";
        let text = siaga(folder, &["user", "add", user, "--role", user, "--password", "--name", name]);
        let line = text.lines().find_map(|line| line.strip_prefix("password")).unwrap();
        format!("\"{user}\": \"{}\"", line.trim())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (answered, abandoned) = runtime.block_on(async {
        let url = format!("sqlite:{}", folder.join("data/siaga.db").display());
        let store = Store::open(&url).await.unwrap();
        let answered = find(&store, "answered", |cdr| !cdr.transfers.is_empty() && cdr.number().is_some()).await;
        let abandoned = find(&store, "abandoned", |cdr| cdr.offers.len() > 1).await;
        let ids = (record(&store, folder, &answered).await, abandoned.call.to_string());
        store.close().await;
        ids
    });
    let town = format!(
        "{{\"base\": \"http://127.0.0.1:{port}\", \"passwords\": {{{}}}, \"first\": \"2026-11-22\", \"last\": \"2026-11-23\", \
         \"answered\": \"{answered}\", \"abandoned\": \"{abandoned}\", \"seconds\": {SECONDS}}}",
        passwords.join(", ")
    );
    std::fs::write(folder.join("town.json"), town).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_siaga"));
    server.args(["report", "serve", "--config", "siaga.toml"]).current_dir(folder).stdout(Stdio::piped());
    let mut server = Ended(server.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("reports are served")), "the pages are served");
    let drain = std::thread::spawn(move || lines.count());
    let mut checks = Command::new("node");
    let ran = checks.arg("run.mjs").arg(folder.join("town.json")).current_dir(FOLDER).output().unwrap();
    drop(server);
    drain.join().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{text}\n{}", String::from_utf8_lossy(&ran.stderr));
    eprintln!("{text}");
}
