//! Scheduled reports of `siaga report serve`: files in a folder, and e-mails to a real server (tests/oracles/smtp_server.py).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test waits for other processes")]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use siaga::store::web::WebStore;

const CONFIG: &str = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
    [site]\nname = \"Kota Metro\"\n[store]\nurl = \"sqlite:siaga.db\"\n[web]\nstore_url = \"sqlite:web.db\"\n\
    [report]\nlisten = \"127.0.0.1:0\"\nspool = \"spool\"\n";

/// A process that ends with the test.
struct Process(Child);

impl Process {
    fn end(mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(asked.success() && self.0.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

struct City {
    folder: tempfile::TempDir,
    schedules: Vec<String>,
}

impl City {
    /// A city with the calls of the last forty days. `more` continues the section [report].
    fn new(more: &str, schedules: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("siaga.toml"), format!("{CONFIG}{more}")).unwrap();
        let names = schedules.iter().map(|name| (*name).to_owned()).collect();
        let city = Self { folder, schedules: names };
        city.siaga(&["demo", "data", "--seed", "7", "--days", "62", "--calls-per-day", "20"]);
        city
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        command.args(arguments).args(["--config", "siaga.toml"]).current_dir(self.folder.path()).output().unwrap()
    }

    fn siaga(&self, arguments: &[&str]) -> Vec<u8> {
        let ran = self.run(arguments);
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    }

    fn serve(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        command.args(["report", "serve", "--config", "siaga.toml"]).current_dir(self.folder.path());
        Process(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    fn web<T>(&self, work: impl AsyncFnOnce(&WebStore) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = WebStore::open(&format!("sqlite:{}", self.path("web.db").display())).await.unwrap();
            let done = work(&store).await;
            store.close().await;
            done
        })
    }

    /// Lets the schedules begin, and then miss their last time.
    fn miss(&self) {
        let first = self.serve();
        self.until("the schedules begin", || {
            let all = self.web(async |store| {
                let mut all = Vec::new();
                for name in &self.schedules {
                    all.push(store.schedule_run(name).await.unwrap());
                }
                all
            });
            all.iter().all(Option::is_some).then_some(())
        });
        first.end();
        assert_eq!(self.deliveries(), "no report was delivered\n", "a new schedule begins with its next time");
        self.web(async |store| {
            for name in &self.schedules {
                store.set_schedule_run(name, 0).await.unwrap();
            }
        });
    }

    fn deliveries(&self) -> String {
        String::from_utf8(self.siaga(&["report", "deliveries"])).unwrap()
    }

    fn until<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            if start.elapsed() > Duration::from_secs(90) {
                let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("{what}: not within 90 s; {}\n{log}", self.deliveries());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The delivery log, when it has this number of lines with a word.
    fn logged(&self, word: &str, count: usize) -> String {
        let word = format!("  {word} ");
        self.until(&format!("{count} times{word}in the log"), || {
            Some(self.deliveries()).filter(|log| log.matches(&word).count() >= count)
        })
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn schedule(name: &str, report: &str, format: &str, every: &str, target: &str) -> String {
    format!(
        "[[report.schedule]]\nname = \"{name}\"\nreport = \"{report}\"\nformat = \"{format}\"\nevery = \"{every}\"\n\
         at = \"00:00\"\n{target}\n"
    )
}

/// A port of this machine that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts the server for e-mails; they become files of `mails`.
fn smtp_server(folder: &Path, port: u16, secure: &[&str]) -> Process {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(folder.join("mails")).unwrap();
    let mut command = Command::new(package.join("target/oracles/bin/python"));
    command.arg(package.join("tests/oracles/smtp_server.py")).arg(port.to_string()).arg("mails").args(secure);
    let server = command.current_dir(folder).stdout(Stdio::piped()).spawn();
    let mut server = server.unwrap_or_else(|fault| panic!("{fault}; scripts/setup test installs aiosmtpd"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    Process(server)
}

#[test]
fn missed_reports_are_written_once_to_their_folder() {
    let schedules = [
        schedule("harian", "calls", "csv", "day", "folder = \"out\""),
        schedule("mingguan", "summary", "parquet", "week", "day = 3\nfolder = \"out\""),
        schedule("bulanan", "ministry", "pdf", "month", "folder = \"out\""),
    ];
    let city = City::new(&schedules.concat(), &["harian", "mingguan", "bulanan"]);
    city.miss();
    // Without the folder, nothing is written elsewhere.
    let running = city.serve();
    let log = city.logged("delayed", 3);
    assert!(log.contains("No such file or directory"), "{log}");
    running.end();
    std::fs::create_dir(city.path("out")).unwrap();
    let running = city.serve();
    let log = city.logged("written", 3);
    let files = city.files("out");
    let named = |start: &str| files.iter().find(|name| name.starts_with(start)).unwrap_or_else(|| panic!("{files:?}"));
    assert_eq!(files.len(), 3, "{files:?}");
    for file in &files {
        assert_eq!(
            std::fs::metadata(city.path("out").join(file)).unwrap().permissions().mode() & 0o777,
            0o640,
            "{file}"
        );
        assert!(log.contains(file.as_str()), "{file}: {log}");
    }
    let day = named("harian-").strip_prefix("harian-").unwrap().strip_suffix(".csv").unwrap();
    let expected = city.siaga(&["report", "calls", "--from", day, "--to", day, "--format", "csv"]);
    assert!(expected.len() > 500 && std::fs::read(city.path("out").join(named("harian-"))).unwrap() == expected);
    let month = named("bulanan-").strip_prefix("bulanan-").unwrap().strip_suffix(".pdf").unwrap();
    let expected = city.siaga(&["report", "ministry", "--month", month, "--format", "pdf"]);
    assert!(std::fs::read(city.path("out").join(named("bulanan-"))).unwrap() == expected);
    running.end();

    // A restart makes nothing up twice.
    std::fs::remove_dir_all(city.path("out")).unwrap();
    std::fs::create_dir(city.path("out")).unwrap();
    let running = city.serve();
    std::thread::sleep(Duration::from_secs(7));
    assert!(city.files("out").is_empty());
    running.end();
}

#[test]
fn e_mails_wait_for_their_server_and_go_over_starttls_with_a_log_in() {
    let port = free_port();
    let mail = "mail = [\"kepala@kota.example\", \"reject@kota.example\", \"later@kota.example\"]";
    let more = format!(
        "[report.smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"starttls\"\nca = \"tls/ca.pem\"\n\
         from = \"Layanan 112 <siaga@kota.example>\"\nuser = \"siaga\"\npassword_file = \"password\"\n{}",
        schedule("bulanan", "ministry", "pdf", "month", mail)
    );
    let city = City::new(&more, &["bulanan"]);
    let made = Command::new(env!("CARGO_BIN_EXE_siaga"))
        .args(["certificate", "127.0.0.1", "--dir", "tls"])
        .current_dir(city.folder.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    std::fs::write(city.path("password"), "rahasia\n").unwrap();
    city.siaga(&["check"]);
    city.miss();
    // The server is down: the e-mails wait on the disk, also over a restart.
    let running = city.serve();
    let log = city.logged("delayed", 1);
    assert_eq!(log.matches("  queued ").count(), 3, "{log}");
    assert_eq!(city.files("spool").len(), 3);
    running.end();
    let server = smtp_server(city.folder.path(), port, &["tls/server.pem", "tls/server.key", "siaga", "rahasia"]);
    let running = city.serve();
    let log = city.logged("sent", 1);
    let log = if log.contains("  failed ") { log } else { city.logged("failed", 1) };
    assert!(log.contains("reject@kota.example") && log.contains("550") && log.contains("no such mailbox"), "{log}");
    let log = city.until("a delay by the server", || Some(city.deliveries()).filter(|log| log.contains("451")));
    assert_eq!(log.matches("  queued ").count(), 3, "each report is queued once: {log}");
    assert_eq!(city.files("spool").len(), 1, "only the e-mail that the server wants later");
    assert_eq!(city.files("mails"), ["1.eml"]);
    let month = month_of(&log);
    let expected = city.siaga(&["report", "ministry", "--month", &month, "--format", "pdf"]);
    let text = received(&city, "1.eml");
    assert!(text.starts_with("kepala@kota.example\n") && text.contains("To: kepala@kota.example"), "{text}");
    assert!(text.contains(&format!("Subject: Kota Metro: laporan bulanan layanan darurat {month}")), "{text}");
    assert!(text.contains(&format!("filename=\"bulanan-{month}.pdf\"")), "{text}");
    let encoded = text.split("application/pdf").nth(1).unwrap().split("\n\n").nth(1).unwrap();
    let encoded: String = encoded.lines().take_while(|line| !line.starts_with("--")).collect();
    let attached = data_encoding::BASE64.decode(encoded.as_bytes()).unwrap();
    assert!(attached == expected, "the attachment is the report of the command line");
    running.end();
    drop(server);
}

/// The month before the due time of an entry: `for 2026-12-01 00:00:00`.
fn month_of(log: &str) -> String {
    let due = log.split(" for ").nth(1).unwrap();
    let (year, month) = (due[..4].parse::<u32>().unwrap(), due[5..7].parse::<u32>().unwrap());
    if month == 1 { format!("{}-12", year - 1) } else { format!("{year}-{:02}", month - 1) }
}

/// A message with plain ends of lines.
fn received(city: &City, name: &str) -> String {
    String::from_utf8(std::fs::read(city.path("mails").join(name)).unwrap()).unwrap().replace("\r\n", "\n")
}

#[test]
fn no_e_mail_goes_to_a_server_without_tls_or_with_a_wrong_certificate_or_password() {
    let port = free_port();
    let more = format!(
        "[report.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nca = \"tls/ca.pem\"\nfrom = \"siaga@kota.example\"\n\
         user = \"siaga\"\npassword_file = \"password\"\n{}",
        schedule("harian", "summary", "xlsx", "day", "mail = [\"kepala@kota.example\"]")
    );
    let city = City::new(&more, &["harian"]);
    for folder in ["tls", "other"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        command.args(["certificate", "127.0.0.1", "--dir", folder]).current_dir(city.folder.path());
        assert!(command.output().unwrap().status.success());
    }
    std::fs::write(city.path("password"), "wrong\n").unwrap();
    city.miss();
    for (no, secure, expected) in [
        (1, &[][..], "STARTTLS"),
        (2, &["other/server.pem", "other/server.key", "siaga", "rahasia"], "ertificate"),
        (3, &["tls/server.pem", "tls/server.key", "siaga", "rahasia"], "535"),
    ] {
        // Each start tries at once.
        let server = smtp_server(city.folder.path(), port, secure);
        let running = city.serve();
        city.logged("delayed", no);
        let log = city.until("the error", || Some(city.deliveries()).filter(|log| log.contains(expected)));
        assert!(!log.contains("  failed ") && !log.contains("  sent "), "{log}");
        running.end();
        drop(server);
        assert_eq!(city.files("spool").len(), 1);
        assert!(city.files("mails").is_empty());
    }
}

#[test]
fn wrong_schedules_are_errors_that_name_the_key() {
    let smtp = "[report.smtp]\nhost = \"mail.example\"\ntls = \"none\"\nfrom = \"siaga\"\nuser = \"x\"\n";
    let schedules = [
        schedule("A", "calls", "csv", "day", "mail = [\"a@b.example\"]"),
        schedule("b", "abandoned", "pdf", "week", "day = 8\nmail = [\"a\"]"),
        schedule("b", "ministry", "pdf", "day", "folder = \"x\"\nmail = [\"a@b.example\"]"),
        schedule("c", "summary", "csv", "month", "day = 29\nmail = []").replace("00:00", "6:00"),
    ];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("siaga.toml"), format!("{CONFIG}{smtp}{}", schedules.concat())).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_siaga"))
        .args(["check", "--config", "siaga.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(!ran.status.success());
    for part in [
        "report.smtp.tls: mail.example is not this machine",
        "report.smtp.from: \"siaga\" is not an address",
        "report.smtp.user: user and password_file go together",
        "report.schedule[0].name: \"A\"",
        "report.schedule[0].mail: the report calls has numbers of callers, which are not sent by e-mail",
        "report.schedule[1].mail: the report abandoned has numbers of callers",
        "report.schedule[1].format: the report abandoned does not exist as PDF",
        "report.schedule[1].day: 8",
        "report.schedule[1].mail: \"a\" is not an address",
        "report.schedule[2].name: another schedule has the name \"b\"",
        "report.schedule[2].every: the report ministry is about a month",
        "report.schedule[2].folder: the schedule does not have exactly one of folder and mail",
        "report.schedule[3].at: \"6:00\" is not a time of day",
        "report.schedule[3].day: 29",
        "report.schedule[3].mail: 0 addresses",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
