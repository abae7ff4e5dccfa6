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
        for row in [row("112", 0), row("PMI", 1), row("sari", 0), row("SARI", 0)] {
            assert!(store.add_operator(&row).await.unwrap());
        }
        store.close().await;
    });
    let (good, told) = siaga(folder.path(), &["check"]);
    assert!(!good && told.contains("3 errors"), "{told}");
    for account in ["\"112\" is also the emergency", "\"PMI\" is also the name of an agency", "only in case"] {
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

/// The lines of `told` that name `key`.
fn lines_of<'t>(told: &'t str, key: &str) -> Vec<&'t str> {
    told.lines().filter(|line| line.contains(key)).collect()
}

#[test]
fn a_number_that_leads_back_to_this_centre_is_an_error_wherever_siaga_dials_it() {
    let prefixed = CONFIG.replace("uri =", "called = [\"+62\", \"0725\"]\ncountry = \"62\"\nuri =");
    let steps = |number: &str| format!("escalation = [{{ after_seconds = 20, number = \"{number}\" }}]\n");
    for (number, meaning) in [
        ("112", "\"112\" is site.number"),
        ("+112", "\"+112\" is site.number"),
        ("113", "\"113\" is in desk[0].numbers"),
        ("+62112", "\"+62112\" is site.number after the prefix \"+62\" of trunk[0].called"),
        ("0725113", "\"0725113\" is in desk[0].numbers after the prefix \"0725\" of trunk[0].called"),
        ("0215000112", "\"0215000112\" is in desk[0].numbers"),
        ("6221500900", "\"6221500900\" is trunk[0].username"),
    ] {
        let text = prefixed.replace("[\"113\"]", "[\"113\", \"+62215000112\"]").replace(
            "country =",
            "register = true\nusername = \"+6221500900\"\npassword_file = \"telco.password\"\ncountry =",
        );
        for (key, text) in [
            ("queue.fallback_number: ", text.replace("08001234", number)),
            ("agency[0].number: ", text.replace("0215551234", number)),
            ("queue.escalation: ", text.replace("[queue]\n", &format!("[queue]\n{}", steps(number)))),
            ("desk[0].escalation: ", text.replace("[[agency]]", &format!("{}[[agency]]", steps(number)))),
        ] {
            let folder = folder("");
            std::fs::write(folder.path().join("telco.password"), "secret\n").unwrap();
            std::fs::write(folder.path().join("siaga.toml"), text).unwrap();
            for command in ["check", "serve"] {
                let (good, told) = siaga(folder.path(), &[command]);
                let found = lines_of(&told, key).into_iter().any(|line| line.contains(meaning));
                assert!(!good && found, "{command} {number} {key}: {told}");
            }
        }
    }
    // Neither a number that only contains 112, nor the prefix alone, leads back.
    for number in ["08001120", "0211120", "+6211"] {
        let folder = folder("");
        std::fs::write(folder.path().join("siaga.toml"), prefixed.replace("08001234", number)).unwrap();
        let (good, told) = siaga(folder.path(), &["check"]);
        assert!(good, "{number}: {told}");
    }
}

#[test]
fn a_wrong_log_level_is_an_error_of_the_check_and_a_warning_of_a_start() {
    let allowed = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
    for level in ["warning", "loud", "", "info,", "siaga::server=loud", "info,debugg"] {
        let folder = folder(&format!("[log]\nlevel = \"{level}\"\n"));
        let (good, told) = siaga(folder.path(), &["check"]);
        let lines = lines_of(&told, "log.level: ");
        assert!(!good && lines.iter().any(|line| line.contains(allowed)), "{level}: {told}");
    }
    for level in ["error", "warn", "info", "debug", "trace", "WARN", "info,siaga::server=debug", "warn,siaga=off"] {
        let (good, told) = siaga(folder(&format!("[log]\nlevel = \"{level}\"\n")).path(), &["check"]);
        assert!(good, "{level}: {told}");
    }
    // The start ends because no SIP address can be opened; what it has logged before is complete.
    let more = "[sip]\nlisten = [\"udp:192.0.2.1:5060\"]\n[log]\nlevel = \"loud\"\n";
    let folder = folder(more);
    let (_, told) = siaga(folder.path(), &["serve"]);
    let lines = lines_of(&told, "log.level: ");
    assert!(lines.iter().any(|line| line.contains(" WARN ") && line.contains("\"loud\"")), "{told}");
    assert!(!told.contains("no errors") && told.contains("siaga ends"), "the start goes on after the warning: {told}");
}

#[test]
fn after_a_syntax_error_only_the_syntax_error_is_reported() {
    for broken in ["[sip\n", "[sip]\nlisten = [\n", "[queue]\nring_seconds = \n"] {
        let folder = folder("");
        std::fs::write(folder.path().join("siaga.toml"), format!("{broken}{CONFIG}")).unwrap();
        for command in ["check", "serve"] {
            let (good, told) = siaga(folder.path(), &[command]);
            assert!(!good && told.contains("siaga.toml:"), "{told}");
            assert!(!told.contains("no [[trunk]]"), "the trunk is in the file: {told}");
        }
    }
}

#[test]
fn a_check_warns_of_wide_and_shared_peers_and_of_a_sip_port_among_the_media_ports() {
    let wide = ["0.0.0.0/0", "::/0", "10.0.0.0/7", "36.0.0.0/15", "2001::/31", "::ffff:0.0.0.0/96"];
    for peers in wide.into_iter().chain(["10.0.0.0/8", "36.80.0.0/16", "2001:db8::/32"]) {
        let folder = folder("");
        std::fs::write(folder.path().join("siaga.toml"), CONFIG.replace("127.0.0.2\"]", &format!("{peers}\"]")))
            .unwrap();
        let (good, told) = siaga(folder.path(), &["check"]);
        let warned = lines_of(&told, "trunk[0].peers[0]: ").iter().any(|line| line.contains("without a password"));
        assert_eq!((good, warned), (true, wide.contains(&peers)), "{peers}: {told}");
    }
    let other = "[[trunk]]\nname = \"b\"\npeers = [\"192.0.2.9\", \"127.0.0.2/32\"]\n";
    let told = siaga(folder(other).path(), &["check"]).1;
    let lines = lines_of(&told, "trunk[1].peers[1]: ");
    assert!(lines.iter().any(|line| line.starts_with("warning: ") && line.contains("trunk[0]")), "{told}");
    assert!(lines_of(&told, "trunk[1].peers[0]: ").is_empty(), "{told}");
    for (listen, warned) in [
        ("udp:127.0.0.1:20050", true),
        ("udp:127.0.0.1:5060\", \"tcp:127.0.0.1:20050", false),
        ("udp:127.0.0.1:20100", false),
        ("udp:127.0.0.2:20050", false),
    ] {
        let (good, told) = siaga(folder(&format!("[sip]\nlisten = [\"{listen}\"]\n")).path(), &["check"]);
        let found = lines_of(&told, "media.ports: ").iter().any(|line| line.contains("20050"));
        assert_eq!((good, found), (true, warned), "{listen}: {told}");
    }
}

#[test]
fn a_file_in_place_of_a_folder_is_an_error() {
    for (more, path, key) in [
        ("", "data/journal", "journal.dir"),
        ("", "data", "journal.dir"),
        ("[prompts]\ndir = \"sounds\"\n", "sounds", "prompts.dir"),
    ] {
        let folder = folder(more);
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        let (good, told) = siaga(folder.path(), &["check"]);
        let found = lines_of(&told, &format!("{key}: ")).iter().any(|line| line.contains("is not a folder"));
        assert!(!good && found && !told.contains("chmod"), "{told}");
    }
}

#[test]
fn a_command_ends_quietly_when_its_output_is_closed() {
    let row = "operator,name\nsari,Sari\n";
    let folder =
        folder("[[shift]]\nname = \"day\"\nstart = \"07:00\"\nend = \"19:00\"\n[operators]\nroster = \"roster.csv\"\n");
    std::fs::write(folder.path().join("roster.csv"), "operator,date,shift\nsari,2026-11-24,day\n").unwrap();
    std::fs::write(folder.path().join("o.csv"), row).unwrap();
    for arguments in [
        &["operator", "import", "o.csv"][..],
        &["operator", "list"],
        &["operator", "add", "budi"],
        &["station", "add", "desk-1"],
        &["check"],
        &["check", "roster", "--days", "2"],
        &["roster", "export", "--from", "2026-11-24", "--days", "1"],
        &["user", "list"],
        &["check", "--help"],
        &["no-such-command"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        command.args(arguments).current_dir(folder.path());
        if !arguments.contains(&"--help") && !arguments.contains(&"no-such-command") {
            command.args(["--config", "siaga.toml"]);
        }
        // The reading end of standard output is closed before the command starts.
        let (_, out) = std::io::pipe().unwrap();
        let (mut reader, error) = std::io::pipe().unwrap();
        let status = command.stdout(out).stderr(error).status().unwrap();
        drop(command);
        let mut told = String::new();
        std::io::Read::read_to_string(&mut reader, &mut told).unwrap();
        assert!(!told.contains("panicked") && !told.contains("Broken pipe"), "{arguments:?}: {told}");
        assert_ne!(status.code(), Some(101), "{arguments:?}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
        let (_, closed) = std::io::pipe().unwrap();
        let status = command.args(arguments).args(["--config", "missing.toml"]).stderr(closed).output().unwrap().status;
        assert!(status.code().is_some_and(|code| code != 101), "{arguments:?} reports an error to a closed pipe");
    }
}

#[test]
fn an_unknown_shift_is_reported_with_the_file_that_names_it() {
    let shift = "[[shift]]\nname = \"day\"\nstart = \"07:00\"\nend = \"19:00\"\n";
    let folder = folder(&format!("{shift}[operators]\nroster = \"roster.csv\"\nchanges = \"changes.csv\"\n"));
    let head = "operator,date,shift\n";
    for (roster, changes, key, file, line) in [
        ("sari,2026-11-24,sore\n", "", "operators.roster", "roster.csv", 2),
        ("sari,2026-11-24,day\n", "budi,2026-11-24,day\nbudi,2026-11-25,sore\n", "operators.changes", "changes.csv", 3),
    ] {
        std::fs::write(folder.path().join("roster.csv"), format!("{head}{roster}")).unwrap();
        std::fs::write(folder.path().join("changes.csv"), format!("{head}{changes}")).unwrap();
        let (good, told) = siaga(folder.path(), &["check"]);
        let expected = format!("{file} line {line}: shift: \"sore\"");
        let found = lines_of(&told, &format!("{key}: ")).iter().any(|line| line.contains(&expected));
        assert!(!good && found && told.contains("1 error"), "{told}");
    }
}

#[test]
fn a_check_reads_every_prompt() {
    let folder = folder("[prompts]\ndir = \"sounds\"\n");
    let text = std::fs::read_to_string(folder.path().join("siaga.toml")).unwrap();
    let text = text.replace("[queue]\n", "[queue]\nannounce_seconds = 30\n");
    std::fs::write(folder.path().join("siaga.toml"), text).unwrap();
    let own = folder.path().join("sounds/id");
    std::fs::create_dir_all(&own).unwrap();
    for file in std::fs::read_dir("config/prompts/id").unwrap().map(|file| file.unwrap()) {
        std::fs::copy(file.path(), own.join(file.file_name())).unwrap();
    }
    let (good, told) = siaga(folder.path(), &["check"]);
    assert!(good && !told.contains(".wav"), "{told}");
    let wav = |rate: u32, channels: u16| {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        (0..160).for_each(|_| writer.write_sample(0_i16).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    };
    for file in ["queue.wav", "hold-tone.wav", "silent.wav", "pin.wav", "place-1.wav", "wait-more.wav"] {
        let good_bytes = std::fs::read(own.join(file)).unwrap();
        for (bytes, wrong) in [
            (b"no sound".to_vec(), "not a WAV file"),
            (wav(44_100, 1), "44100 Hz, 1 channel(s)"),
            (wav(8_000, 2), "8000 Hz, 2 channel(s)"),
        ] {
            std::fs::write(own.join(file), bytes).unwrap();
            let (good, told) = siaga(folder.path(), &["check"]);
            let found = lines_of(&told, file).iter().any(|line| line.starts_with("warning: ") && line.contains(wrong));
            assert!(good && found, "{file} {wrong}: {told}");
        }
        std::fs::write(own.join(file), good_bytes).unwrap();
    }
}
