//! `scripts/setup run` on machines without Rust, with an old Rust and with a damaged installer. Its tools are stand-ins in a folder of
//! the test: nothing is downloaded or installed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Commands that the script and its stand-ins use themselves.
const REAL: &[&str] = &[
    "bash",
    "cat",
    "chmod",
    "cp",
    "cut",
    "dirname",
    "head",
    "mkdir",
    "mktemp",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "uname",
];

/// What the script installs for pages and PDF files.
const FONTS: [&str; 3] = ["inter.woff2", "inter-400.woff", "inter-600.woff"];

/// Stands in for rustup: it makes a `cargo` of version 1.99.0 and notes its arguments.
const RUSTUP: &str = "#!/bin/bash\necho \"rustup $*\" >> \"$LOG\"\n\
    case \"$1\" in toolchain) printf '#!/bin/bash\\necho \"cargo 1.99.0 (test)\"\\n' > \"$CARGO_HOME/bin/cargo\"; chmod +x \"$CARGO_HOME/bin/cargo\" ;; esac\n";

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A machine whose commands are `bin` of a folder, and where programs are installed in `home/bin`.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        let bin = machine.path("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(machine.path("home/bin")).unwrap();
        for name in REAL {
            let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap();
            std::os::unix::fs::symlink(String::from_utf8(found.stdout).unwrap().trim(), bin.join(name)).unwrap();
        }
        for name in ["cc", "pkg-config"] {
            program(&bin, name, "#!/bin/bash\n");
        }
        program(&bin, "id", "#!/bin/bash\necho 0\n");
        program(&bin, "env", "#!/bin/bash\nexec \"${@:2}\"\n");
        program(&bin, "apt-cache", "#!/bin/bash\nexit 100\n");
        fs::create_dir_all(machine.path("built")).unwrap();
        for font in FONTS {
            fs::write(machine.path("built").join(font), "font").unwrap();
        }
        machine
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The published installer, which puts rustup into the home; `sum` is its published checksum, by default the right one.
    fn publishes(&self, sum: Option<&str>) {
        let installer = format!(
            "#!/bin/bash\necho \"rustup-init $*\" >> \"$LOG\"\ncp {} \"$CARGO_HOME/bin/rustup\"\n",
            self.path("rustup").display()
        );
        program(self.folder.path(), "rustup", RUSTUP);
        program(self.folder.path(), "rustup-init", &installer);
        let right = Command::new("sha256sum").arg(self.path("rustup-init")).output().unwrap().stdout;
        let right = String::from_utf8(right).unwrap().split(' ').next().unwrap().to_owned();
        fs::write(self.path("rustup-init.sha256"), format!("{}  ./rustup-init\n", sum.unwrap_or(&right))).unwrap();
        let copy = format!(
            "#!/bin/bash\nwhile [ $# -gt 1 ]; do case \"$1\" in -o) to=$2; shift ;; esac; shift; done\n\
             echo \"curl $1\" >> \"$LOG\"\ncp \"{}/${{1##*/}}\" \"$to\"\n",
            self.folder.path().display()
        );
        program(&self.path("bin"), "curl", &copy);
    }

    fn setup(&self) -> Output {
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup"))
            .arg("run")
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("CARGO_HOME", self.path("home"))
            .env("LOG", self.path("log"))
            .env("WEB_ASSETS_BUILT", self.path("built"))
            .output()
            .unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_fonts_are_installed_once_from_npm() {
    let machine = Machine::new();
    machine.publishes(None);
    fs::remove_dir_all(machine.path("built")).unwrap();
    program(&machine.path("bin"), "cargo", "#!/bin/bash\necho \"cargo 1.99.0 (test)\"\n");
    let npm = "#!/bin/bash\necho \"npm $1 $2\" >> \"$LOG\"\n[ -s \"$3/package-lock.json\" ] || exit 1\n\
        for file in -variable/inter/files/inter-latin-wght-normal.woff2 /inter/files/inter-latin-{4,6}00-normal.woff; do\n\
        file=$3/node_modules/@fontsource$file; mkdir -p \"${file%/*}\"; echo font > \"$file\"; done\n";
    program(&machine.path("bin"), "npm", npm);
    for _ in 0..2 {
        let output = machine.setup();
        assert!(output.status.success(), "{}", text(&output));
        for font in FONTS {
            assert_eq!(fs::read_to_string(machine.path("built").join(font)).unwrap(), "font\n");
        }
        assert_eq!(machine.log(), "npm ci --prefix\n", "the second call finds the fonts");
    }
}

#[test]
fn a_machine_without_rust_gets_it_from_rustup() {
    let machine = Machine::new();
    machine.publishes(None);
    let output = machine.setup();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("found: none"), "{}", text(&output));
    let log = machine.log();
    assert!(log.contains("curl https://static.rust-lang.org/rustup/dist/"), "{log}");
    assert!(log.contains("rustup-init -y -q --no-modify-path"), "{log}");
    assert!(log.contains("rustup toolchain install stable"), "{log}");
    let hint = format!("export PATH=\"{}:$PATH\"", machine.path("home/bin").display());
    assert!(text(&output).contains(&hint), "cargo is not on the PATH: {}", text(&output));
    // The second call finds everything.
    let again = machine.setup();
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(machine.log(), log);
}

#[test]
fn a_machine_with_a_new_rust_on_its_path_needs_nothing() {
    let machine = Machine::new();
    machine.publishes(None);
    program(&machine.path("bin"), "cargo", "#!/bin/bash\necho \"cargo 1.99.0 (test)\"\n");
    let output = machine.setup();
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("PATH"), "{}", text(&output));
    assert_eq!(machine.log(), "");
}

#[test]
fn an_old_rust_is_replaced_with_the_rustup_that_is_there() {
    let machine = Machine::new();
    machine.publishes(None);
    program(&machine.path("home/bin"), "cargo", "#!/bin/bash\necho \"cargo 1.63.0 (Debian)\"\n");
    program(&machine.path("home/bin"), "rustup", RUSTUP);
    let output = machine.setup();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("found: 1.63.0"), "{}", text(&output));
    assert!(!machine.log().contains("curl"), "{}", machine.log());
}

#[test]
fn debian_13_has_a_package_of_rustup() {
    let machine = Machine::new();
    machine.publishes(None);
    program(&machine.path("bin"), "apt-cache", "#!/bin/bash\n");
    let installs = format!(
        "#!/bin/bash\necho \"apt-get $*\" >> \"$LOG\"\ncp {} \"$CARGO_HOME/bin/rustup\"\n",
        machine.path("rustup").display()
    );
    program(&machine.path("bin"), "apt-get", &installs);
    let output = machine.setup();
    assert!(output.status.success(), "{}", text(&output));
    assert!(machine.log().contains("apt-get install -y -q --no-install-recommends rustup"), "{}", machine.log());
    assert!(!machine.log().contains("curl"), "{}", machine.log());
}

#[test]
fn an_installer_without_its_published_checksum_is_not_run() {
    let machine = Machine::new();
    machine.publishes(Some(&"0".repeat(64)));
    let output = machine.setup();
    assert!(!output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("does not have its published checksum"), "{}", text(&output));
    assert!(!machine.log().contains("rustup-init -y"), "{}", machine.log());
}
