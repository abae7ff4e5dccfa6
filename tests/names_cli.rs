//! Names of accounts and users on the command line: which are rejected, with their place and what is expected.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// A folder with a configuration.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
        [store]\nurl = \"sqlite:siaga.db\"\n";
    std::fs::write(folder.path().join("siaga.toml"), text).unwrap();
    folder
}

/// Whether the command succeeded, and its output.
fn siaga(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
    let ran = command.args(arguments).args(["--config", "siaga.toml"]).current_dir(folder).output().unwrap();
    (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

fn import(folder: &Path, lines: &str) -> (bool, String) {
    std::fs::write(folder.join("o.csv"), format!("operator,name\n{lines}")).unwrap();
    siaga(folder, &["operator", "import", "o.csv"])
}

#[test]
fn two_accounts_never_differ_only_in_case() {
    let folder = folder();
    let folder = folder.path();
    let (good, told) = import(folder, "budi,Budi\nBUDI,Budi\n");
    assert!(!good && told.contains("nothing was imported"), "{told}");
    assert!(told.contains("o.csv line 3: operator is \"BUDI\"; expected: each operator once, in any case"), "{told}");
    assert!(siaga(folder, &["operator", "add", "budi"]).0);
    let expected = "expected: \"budi\", the account that exists, or a name that differs from it by more than case";
    for kind in ["operator", "station"] {
        let (good, told) = siaga(folder, &[kind, "add", "Budi"]);
        assert!(!good && told.contains("\"Budi\" is not a new name") && told.contains(expected), "{told}");
    }
    let (good, told) = import(folder, "sari,Sari\nBudi,Budi\n");
    assert!(!good && told.contains(&format!("o.csv line 3: operator is \"Budi\"; {expected}")), "{told}");
    assert_eq!(siaga(folder, &["operator", "list"]).1, "budi\tbudi\n");
    assert!(import(folder, "budi,Budi Santoso\nsari,Sari\n").0, "the same name is the same account");
}

#[test]
fn no_account_has_the_name_of_the_console() {
    let folder = folder();
    let folder = folder.path();
    for name in ["console", "Console"] {
        let (good, told) = import(folder, &format!("sari,Sari\n{name},X\n"));
        let line = format!("o.csv line 3: operator is \"{name}\"; expected: a name that is not");
        assert!(!good && told.contains(&line) && told.contains("the name of the console in records"), "{told}");
        for kind in ["operator", "station"] {
            let (good, told) = siaga(folder, &[kind, "add", name]);
            assert!(!good && told.contains("the name of the console in records; expected: "), "{told}");
        }
        assert!(!siaga(folder, &["user", "add", name, "--role", "admin"]).0);
    }
}

#[test]
fn two_users_never_differ_only_in_case() {
    let folder = folder();
    let folder = folder.path();
    assert!(siaga(folder, &["user", "add", "ani", "--role", "admin"]).0);
    let (good, told) = siaga(folder, &["user", "add", "Ani", "--role", "auditor"]);
    assert!(!good && told.contains("expected: \"ani\", the user who exists"), "{told}");
    assert!(siaga(folder, &["user", "add", "ani", "--role", "auditor"]).0, "a user may get another role");
}
