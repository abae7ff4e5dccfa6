//! SIPVicious against the running service: as it is, and disguised. It finds no user and guesses no password.

use std::path::Path;
use std::process::Command;

use super::baresip::Baresip;
use super::process::{Running, until};
use super::service::Service;
use super::streams::one_call;
use super::trunk::{Caller, Manner};

const INSTALLED: &str = "/usr/share/sipvicious/sipvicious";

/// A copy that does not say who it is.
fn disguised(folder: &Path) {
    let copied = Command::new("cp").args(["-r", INSTALLED]).arg(folder).status().unwrap();
    assert!(copied.success(), "sipvicious is not installed: scripts/setup test");
    for file in ["libs/svhelper.py", "svmap.py", "svwar.py", "svcrack.py"] {
        let path = folder.join("sipvicious").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("friendly-scanner", "Phone 1.0").replace("\"sipvicious\"", "\"phone\"");
        std::fs::write(path, text).unwrap();
    }
}

/// Where it scans from, whatever address it is told to bind.
const SCANNER: &str = "127.0.0.1";

/// Runs one tool; what it said.
fn run(service: &Service, library: &Path, tool: &str, arguments: &[&str]) -> String {
    let call = format!("import sys; sys.argv[0] = '{tool}'; from sipvicious.{tool} import main; main()");
    let mut command = Command::new("timeout");
    command.args(["60", "python3", "-c", &call, "-P", "5062"]).args(arguments);
    let done = command.env("PYTHONPATH", library).env("HOME", service.path()).current_dir(service.path());
    let done = done.output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    format!("{out}\n{errors}")
}

fn counted(service: &Service, reason: &str) -> f64 {
    service.metric(&format!("siaga_guard_total{{reason=\"{reason}\"}}"))
}

#[test]
fn sipvicious_finds_no_user_and_guesses_no_password() {
    let service = Service::start(71, 2, "");
    let library = service.path().join("disguised");
    std::fs::create_dir(&library).unwrap();
    disguised(&library);
    let (address, words) = (service.host(1), service.path().join("words.txt"));
    let names: Vec<String> = (0..30).map(|n| format!("op{n}")).collect();
    std::fs::write(service.path().join("names.txt"), names.join("\n")).unwrap();
    // The right one is the last.
    let guesses: Vec<String> = (0..60).map(|n| format!("guess{n}")).chain(["pass-op1".to_owned()]).collect();
    std::fs::write(&words, guesses.join("\n")).unwrap();

    let open = Path::new("/usr/share/sipvicious");
    let seen = run(&service, open, "svmap", &[&address]);
    assert!(!seen.contains("5060"), "it is seen: {seen}");
    let seen = run(&service, open, "svwar", &["--force", "--maximumtime", "3", "-d", "names.txt", &address]);
    assert!(!seen.contains("op1"), "a user is found: {seen}");
    assert!(counted(&service, "scanner") > 0.0);

    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let seen = run(&service, &library, "svwar", &["--force", "-m", method, "-d", "names.txt", &address]);
        let told = |name: &str| seen.lines().find(|line| line.contains(name)).map(|line| line.replace(name, "NAME"));
        assert_eq!(told(" op1 ").is_some(), told(" op29 ").is_some(), "{method} tells users apart: {seen}");
    }
    let seen = run(&service, &library, "svcrack", &["-u", "op1", "-d", "words.txt", &address]);
    assert!(!seen.contains("pass-op1"), "the password is found: {seen}");
    assert!(counted(&service, "credentials") > 0.0, "{seen}");

    // Callers notice nothing, and a ban is seen and lifted.
    Caller::calls(&service, 1, 700, Manner::CancelsAfter(200)).ends();
    let banned = service.siaga(&["guard", "list", "--config", "siaga.toml"]);
    assert!(banned.contains(SCANNER) && banned.contains("credentials"), "{banned}");
    service.siaga(&["guard", "lift", "--config", "siaga.toml", SCANNER]);
    let banned = service.siaga(&["guard", "list", "--config", "siaga.toml"]);
    assert!(!banned.contains(SCANNER), "{banned}");
}

#[test]
fn a_flood_of_registrations_is_banned_and_a_call_beside_it_is_heard() {
    let service = Service::start(166, 1, "wrap_up_seconds = 0");
    let mut phone = Baresip::start(&service, 1, 440);
    let mut command = Command::new("sipp");
    command.arg(service.address()).args(["-i", &service.host(7), "-p", "5070", "-nostdin", "-r", "500", "-m", "30000"]);
    command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/flood.xml")]).current_dir(service.path());
    let mut flood = Running::start("flood", service.path(), &mut command);
    let banned = || service.siaga(&["guard", "list", "--config", "siaga.toml"]);
    until("the flood is banned", || banned().contains(&service.host(7)).then_some(()));
    one_call(&service, &mut phone, 1, "u1");
    assert!(!flood.has_ended(), "it went on all the while");
    assert!(counted(&service, "banned") > 500.0);
    assert!(!banned().contains(&service.host(3)), "the phone is another");
}
