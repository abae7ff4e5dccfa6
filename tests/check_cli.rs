//! `siaga check`, `operator add` and `operator import` as an administrator runs them: each error has its place and what is expected.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use siaga::store::Store;
use siaga::store::operators::OperatorRow;

const CONFIG: &str = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
    [store]\nurl = \"sqlite:siaga.db\"\n[console]\ntoken_file = \"console.token\"\n\
    [[desk]]\nname = \"fire\"\nnumbers = [\"113\"]\n[[agency]]\nname = \"pmi\"\nnumber = \"0215551234\"\n\
    [queue]\nfallback_number = \"08001234\"\n[recording]\nenabled = false\n[media]\nports = [20000, 20099]\n";

/// A folder with a configuration; `more` is added to it.
fn folder(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("siaga.toml"), format!("{CONFIG}{more}")).unwrap();
    folder
}

/// Whether the command succeeded, and its output.
fn siaga(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
    let ran = command.args(arguments).args(["--config", "siaga.toml"]).current_dir(folder).output().unwrap();
    (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

#[test]
fn a_check_reads_the_token_file() {
    let folder = folder("");
    let file = folder.path().join("console.token");
    let (good, told) = siaga(folder.path(), &["check"]);
    assert!(good, "the service creates a missing file: {told}");
    std::fs::write(&file, format!("{}\n", "0123456789abcdef".repeat(2))).unwrap();
    assert!(siaga(folder.path(), &["check"]).0);
    let path = file.canonicalize().unwrap().display().to_string();
    for (content, wrong) in [("short\n", "has 5 characters"), ("", "has 0 characters"), ("a b", "not printable ASCII")]
    {
        std::fs::write(&file, content).unwrap();
        let (good, told) = siaga(folder.path(), &["check"]);
        assert!(!good && told.contains("console.token_file: the file "), "{told}");
        for part in [&path, wrong, "; expected: one line of 32 to 4096 printable ASCII characters"] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert!(!told.contains("short"), "the content is a secret: {told}");
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (good, told) = siaga(folder.path(), &["check"]);
    assert!(!good && told.contains("cannot be read") && told.contains("; expected: a file"), "{told}");
}

#[test]
fn a_name_that_is_dialled_for_another_purpose_is_rejected_for_an_operator_and_a_station() {
    let folder = folder("");
    for (name, meaning) in [
        ("112", "the emergency number (site.number)"),
        ("113", "a number of the desk \"fire\""),
        ("pmi", "the name of an agency"),
        ("0215551234", "the number of the agency \"pmi\""),
        ("08001234", "the fallback number"),
        ("*50", "expected: 1 to 64 letters, digits"),
    ] {
        for kind in ["operator", "station"] {
            let (good, told) = siaga(folder.path(), &[kind, "add", name]);
            assert!(!good && told.contains(meaning) && told.contains("; expected: "), "{kind} {name}: {told}");
        }
        std::fs::write(folder.path().join("o.csv"), format!("operator,name\nsari,Sari\n{name},X\n")).unwrap();
        let (good, told) = siaga(folder.path(), &["operator", "import", "o.csv"]);
        let line = format!("o.csv line 3: operator is \"{name}\"; expected: ");
        assert!(!good && told.contains("nothing was imported") && told.contains(&line), "{told}");
    }
    assert!(!siaga(folder.path(), &["operator", "list"]).1.contains("sari"));
    assert!(siaga(folder.path(), &["operator", "add", "sari"]).0);
    assert!(siaga(folder.path(), &["check"]).0);
}

#[test]
fn commands_that_create_no_account_create_no_database() {
    let folder = folder("");
    let of =
        ["operator", "station"].map(|kind| [vec![kind, "list"], vec![kind, "passwd", "x"], vec![kind, "remove", "x"]]);
    let users = [vec!["user", "list"], vec!["user", "remove", "x"], vec!["operator", "pin", "x", "--number", "1"]];
    for arguments in of.into_iter().flatten().chain(users) {
        let (good, told) = siaga(folder.path(), &arguments);
        assert!(!good && told.contains("there is no database at "), "{arguments:?}: {told}");
        assert!(!folder.path().join("siaga.db").exists(), "{arguments:?}");
    }
}

#[test]
fn the_first_account_after_the_loss_of_the_database_restores_those_of_the_local_copy() {
    let folder = folder("[journal]\ndir = \"journal\"\n");
    let row = |name: &str| {
        let hash = "0".repeat(64);
        format!(
            "{{\"operator\":\"{name}\",\"name\":\"N\",\"realm\":\"r\",\"ha1_md5\":\"{}\",\"ha1_sha256\":\"{hash}\",\
             \"station\":0,\"number\":\"1{name}\",\"pin\":\"p\"}}",
            "0".repeat(32)
        )
    };
    let user = "{\"name\":\"ani\",\"role\":\"admin\",\"token_sha256\":\"t\"}";
    let copy = format!(
        "{{\"read_at\":1796059800000,\"mark\":7,\"operators\":[{},{}],\"users\":[{user}]}}",
        row("budi"),
        row("sari")
    );
    let local = folder.path().join("journal/local");
    std::fs::create_dir_all(&local).unwrap();
    std::fs::write(local.join("accounts.json"), "damaged").unwrap();
    let (good, told) = siaga(folder.path(), &["operator", "add", "newop"]);
    assert!(!good && told.contains("accounts.json cannot be read; expected: "), "{told}");
    assert!(!folder.path().join("siaga.db").exists());
    std::fs::write(local.join("accounts.json"), copy).unwrap();
    let (good, told) = siaga(folder.path(), &["operator", "add", "newop"]);
    assert!(good && told.contains("restored 2 accounts and 1 users from the local copy of 2026-"), "{told}");
    let list = siaga(folder.path(), &["operator", "list"]).1;
    for name in ["budi\tN\t1budi", "sari\tN\t1sari", "newop\t"] {
        assert!(list.contains(name), "{list}");
    }
    assert_eq!(siaga(folder.path(), &["user", "list"]).1, "ani\tadmin\n");
    // Accounts that were removed on purpose stay removed.
    for name in ["budi", "sari", "newop"] {
        assert!(siaga(folder.path(), &["operator", "remove", name]).0);
    }
    assert!(siaga(folder.path(), &["user", "remove", "ani"]).0);
    let (good, told) = siaga(folder.path(), &["operator", "add", "tono"]);
    assert!(good && !told.contains("restored"), "{told}");
}

#[test]
fn a_check_names_existing_accounts_whose_name_is_dialled_for_another_purpose() {
    let folder = folder("");
    let row = |operator: &str, station| OperatorRow {
        operator: operator.to_owned(),
        name: operator.to_owned(),
        realm: "127.0.0.1".to_owned(),
        ha1_md5: String::new(),
        ha1_sha256: String::new(),
        station,
        number: None,
        pin: None,
    };
    let url = format!("sqlite:{}", folder.path().join("siaga.db").display());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let store = Store::open(&url).await.unwrap();
        for row in [row("112", 0), row("PMI", 1), row("sari", 0)] {
            assert!(store.add_operator(&row).await.unwrap());
        }
        store.close().await;
    });
    let (good, told) = siaga(folder.path(), &["check"]);
    assert!(!good && told.contains("2 errors"), "{told}");
    for account in ["\"112\" is also the emergency number", "\"PMI\" is also the name of an agency"] {
        assert!(told.contains(account), "{account} is not in {told}");
    }
}

#[test]
fn an_import_rejects_a_password_that_is_shorter_than_generated_ones_may_be() {
    let folder = folder("");
    for (password, good) in [("1234567", false), ("12345678", true), ("", true), (&"x".repeat(129), false)] {
        std::fs::write(folder.path().join("o.csv"), format!("operator,password\nsari,{password}\n")).unwrap();
        let (imported, told) = siaga(folder.path(), &["operator", "import", "o.csv"]);
        assert_eq!(imported, good, "{told}");
        assert!(good || told.contains("line 2: password is ") && told.contains("; expected: 8 to 128 char"), "{told}");
        assert!(password.is_empty() || !told.contains(password), "the password is a secret: {told}");
    }
}

#[test]
fn every_error_of_a_roster_is_reported_with_its_line() {
    let folder =
        folder("[operators]\nroster = \"roster.csv\"\n[[shift]]\nname = \"day\"\nstart = \"07:00\"\nend = \"19:00\"\n");
    let lines =
        ["sari,24/11/2026,day", "budi,2026-11-24,day", "sari,2026-02-30,day", "", "sari,46350,day", "s ri,x,day"];
    std::fs::write(folder.path().join("roster.csv"), format!("operator,date,shift\n{}\n", lines.join("\n"))).unwrap();
    for command in [&["check"][..], &["check", "roster"]] {
        let (good, told) = siaga(folder.path(), command);
        assert!(!good && told.contains("5 errors"), "{told}");
        for (line, what) in [(2, "24/11/2026"), (4, "2026-02-30"), (6, "46350"), (7, "s ri"), (7, "x")] {
            let found = told.lines().any(|one| one.contains(&format!("line {line}: ")) && one.contains(what));
            assert!(found, "line {line} {what} is not in {told}");
        }
        assert!(told.contains("; expected: a day as YYYY-MM-DD"), "{told}");
    }
    std::fs::write(
        folder.path().join("roster.csv"),
        b"operator,date,shift\nsari,2026-11-24,day\nsari,2026-11-25,d\xe4y\n",
    )
    .unwrap();
    let (good, told) = siaga(folder.path(), &["check"]);
    assert!(!good && told.contains("line 3: encoding: \"byte 0xE4\"; expected: UTF-8: "), "{told}");
    assert!(told.contains("roster.csv") && !told.contains("stream"), "{told}");
}

#[test]
fn a_number_that_is_out_of_range_is_reported_with_its_key_value_and_what_is_expected() {
    for (more, key, value, expected) in [
        ("[site]\nmax_calls = -5\n", "site.max_calls", "-5", "a whole number of 0 or more"),
        ("[site]\nmax_calls = 1\n", "site.max_calls", "1", "2 to "),
        ("[site]\nmax_calls = 2.5\n", "site.max_calls", "2.5", "a whole number of 0 or more"),
        ("[site]\nmax_calls = \"many\"\n", "site.max_calls", "\"many\"", "a whole number of 0 or more"),
        ("[journal]\nkeep_days = -1\n", "journal.keep_days", "-1", "a whole number of 0 or more"),
        (
            "[report]\nservice_level_percent = 300\n",
            "report.service_level_percent",
            "300",
            "a whole number from 0 to 255",
        ),
    ] {
        let folder = folder(more);
        let (good, told) = siaga(folder.path(), &["check"]);
        let line = told.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("{key} is not in {told}"));
        assert!(!good && line.contains(value) && line.contains(&format!("; expected: {expected}")), "{told}");
    }
}

/// The permissions of a file or folder of a test.
fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_check_warns_of_files_and_folders_that_other_users_can_read() {
    let folder = folder("");
    let (token, recordings) = (folder.path().join("console.token"), folder.path().join("data/recordings"));
    std::fs::write(&token, "0123456789abcdef".repeat(2)).unwrap();
    std::fs::create_dir_all(&recordings).unwrap();
    for (modes, expected) in [
        ((0o600, 0o700), [None, None]),
        ((0o640, 0o700), [Some("(mode 0640); expected: chmod 600"), None]),
        ((0o600, 0o755), [None, Some("(mode 0755); expected: chmod 700")]),
    ] {
        set_mode(&token, modes.0);
        set_mode(&recordings, modes.1);
        let (good, told) = siaga(folder.path(), &["check"]);
        assert!(good, "a warning is no error: {told}");
        for (key, expected) in ["console.token_file: ", "recording.dir: "].into_iter().zip(expected) {
            let line = told.lines().find(|line| line.starts_with("warning: ") && line.contains(key));
            assert_eq!(line.is_some(), expected.is_some(), "{modes:?}: {told}");
            assert!(line.unwrap_or_default().contains(expected.unwrap_or_default()), "{told}");
        }
    }
}

#[test]
fn a_check_warns_of_a_folder_that_the_group_of_the_store_cannot_enter() {
    let folder = folder("");
    let file = folder.path().join("siaga.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("sqlite:siaga.db\"\n", "sqlite:data/siaga.db\"\ngroup = \"4711\"\n")).unwrap();
    std::fs::create_dir_all(folder.path().join("data/recordings")).unwrap();
    let data = folder.path().canonicalize().unwrap().join("data");
    let warnings = |mode| {
        set_mode(folder.path(), 0o711);
        set_mode(&data, mode);
        let (good, told) = siaga(folder.path(), &["check"]);
        assert!(good, "{told}");
        let lines = told.lines().filter(|line| line.starts_with("warning: store.group: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let found = warnings(0o700);
    // The database's own folder gets the group when the service starts; what is in it does not.
    assert!(!found.is_empty(), "the recordings are in a closed folder");
    for line in &found {
        assert!(line.contains(&format!("expected: chmod o+x {}, or its group and g+x", data.display())), "{line}");
    }
    assert!(found.iter().any(|line| line.contains(&data.join("recordings").display().to_string())), "{found:?}");
    assert_eq!(warnings(0o711), Vec::<String>::new());
}
