//! Holds the source to the plan of ARCHITECTURE.md: which room may name which, where I/O, SQL, clocks and the parser crates
//! may be spoken of, and how long a file may get.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may name beside itself; only rooms above it in this list can stand there, so no circle can.
const ROOMS: &[(&str, &str)] = &[
    ("limits", ""),
    ("counted", ""),
    ("alarm", "limits"),
    ("clock", "limits"),
    ("ids", "limits clock"),
    ("sip", "limits clock ids"),
    ("acd", "limits counted clock ids"),
    ("media", "limits clock ids"),
    ("cdr", "limits clock ids sip acd media"),
    ("switchboard", "limits counted clock ids sip acd media cdr"),
    ("config", "limits clock ids sip acd media cdr switchboard"),
    ("store", "limits counted alarm clock ids cdr config"),
    ("cluster", "limits alarm clock ids sip acd media cdr switchboard config store"),
    ("web", "limits clock ids config store"),
    ("reports", "limits clock ids cdr config store web"),
    ("server", "limits alarm clock ids sip acd media cdr switchboard config store cluster web reports"),
    ("cli", "limits alarm clock ids sip acd media cdr switchboard config store cluster web reports server"),
];
/// The parts of `switchboard`, lowest first: each may name itself and those above it in this list.
const PARTS: &[&str] = &[
    "few_map",
    "ids",
    "timers",
    "pin",
    "feature_codes",
    "section",
    "settings",
    "saved_state",
    "input",
    "output",
    "step",
    "facts",
    "wire",
    "phones",
    "trunks",
    "admission",
    "media",
    "network",
    "session",
    "calls",
    "subscriptions",
    "messages",
    "recovery",
    "mode",
    "dispatch",
    "verify",
    "snapshot",
    "mod",
];
const PURE: &[&str] = &["limits", "counted", "clock", "ids", "sip", "acd", "media", "cdr", "switchboard"];
const SOCKETS: &[&str] = &["UdpSocket", "TcpStream", "TcpListener", "UnixStream", "UnixListener", "UnixDatagram"];
const SQL: &[&str] = &["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "ALTER TABLE ", " SET "];
const LINES_MAX: usize = 500;

/// Every breach of the plan in one file; `path` is relative to the package.
fn breaches(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut breach = |what: String| found.push(format!("{path}: {what}"));
    if text.lines().count() > LINES_MAX {
        breach(format!("is longer than {LINES_MAX} lines: split it by noun"));
    }
    let Some(inside) = path.strip_prefix("src/") else { return found };
    let room = inside.split(['/', '.']).next().unwrap_or_default();
    let (code, strings) = split_code(text);
    let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();

    if let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) {
        for path in ["crate", "siaga"].iter().flat_map(|root| paths(&code, root)).chain(climbs(&code)) {
            let other = path.split("::").next().unwrap_or_default();
            if other != room
                && !allowed.split(' ').any(|name| name == other)
                && (path.contains('*') || ROOMS.iter().any(|(name, _)| *name == other))
            {
                breach(format!("`{room}` must not name `{other}`"));
            }
        }
    } else if !["lib", "main"].contains(&room) {
        breach(format!("`{room}` is not on the plan"));
    }
    if PURE.contains(&room) {
        let std_paths = paths(&code, "std")
            .into_iter()
            .filter(|p| ["fs", "thread", "process", "env"].iter().any(|m| p == m || p.starts_with(&format!("{m}::"))));
        std_paths.for_each(|p| breach(format!("a pure room names std::{p}")));
        ["tokio", "sqlx"]
            .iter()
            .chain(SOCKETS)
            .filter(|w| words.contains(**w))
            .for_each(|w| breach(format!("a pure room names {w}")));
        if named(&code, "::now") {
            breach("a pure room reads a clock".into());
        }
    }
    for clock in ["Instant::now", "SystemTime::now", "Zoned::now", "Timestamp::now"] {
        if room != "server" && named(&code, clock) {
            breach(format!("{clock} outside server/"));
        }
    }
    for (parser, home) in [("rsip", "src/sip/message.rs"), ("rtp_rs", "src/media/rtp.rs")] {
        if words.contains(parser) && path != home {
            breach(format!("{parser} outside {home}"));
        }
    }
    if room != "store" {
        if words.contains("sqlx") {
            breach("sqlx outside store/".into());
        }
        SQL.iter()
            .filter(|sql| strings.contains(**sql))
            .for_each(|sql| breach(format!("SQL ({}) outside store/", sql.trim())));
    }
    found
}

/// Each item that `switchboard/mod.rs` names, and the part that it comes from: the files below may name it without the part.
fn named_by_root(root: &str) -> Vec<(String, String)> {
    let (code, _) = split_code(root);
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let uses =
        code.split(';').filter_map(|line| line.trim().strip_prefix("pub ").unwrap_or(line.trim()).strip_prefix("use "));
    let paths =
        uses.flat_map(|path| tree(path).0).filter(|path| PARTS.contains(&path.split("::").next().unwrap_or_default()));
    paths
        .map(|path| {
            (
                path.rsplit("::").next().unwrap_or_default().to_owned(),
                path.split("::").next().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

/// The dependencies of one file of `switchboard` on parts that stand below its own. `path` is relative to src/switchboard.
fn upward(path: &str, text: &str, root: &[(String, String)]) -> Vec<String> {
    let part = path.split(['/', '.']).next().unwrap_or_default();
    let rank = |part: &str| PARTS.iter().position(|name| *name == part);
    let Some(own) = rank(part) else { return vec![format!("{path}: `{part}` is no part of the switchboard")] };
    let (code, _) = split_code(text);
    let of_switchboard =
        paths(&code, "crate").into_iter().filter_map(|path| path.strip_prefix("switchboard::").map(str::to_owned));
    let mut found = Vec::new();
    for named in of_switchboard {
        let first = named.split("::").next().unwrap_or_default();
        let other = rank(first)
            .map(|_| first)
            .or_else(|| root.iter().find(|(item, _)| item == first).map(|(_, part)| part.as_str()));
        match other {
            None => found.push(format!("{path}: of which part is `{named}`?")),
            Some(other) if rank(other) > Some(own) => {
                found.push(format!("{path}: `{part}` must not name `{named}`"));
            }
            Some(_) => {}
        }
    }
    found
}

#[test]
fn no_part_of_the_switchboard_names_a_part_below_it_in_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/switchboard");
    let root = named_by_root(&fs::read_to_string(folder.join("mod.rs")).unwrap());
    assert!(root.iter().any(|(item, part)| item == "Settings" && part == "settings"), "{root:?}");
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    assert!(files.len() > 50, "found only {} files", files.len());
    let mut all = Vec::new();
    for path in files {
        let relative = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        if relative != "mod.rs" {
            assert!(!split_code(&text).0.contains("impl Switchboard"), "{relative} implements the switchboard");
        }
        all.extend(upward(&relative, &text, &root));
    }
    assert!(all.is_empty(), "{} upward dependencies:\n{}", all.len(), all.join("\n"));
}

/// Maximum number of fields of a struct in the rooms that decide about calls.
const FIELDS_MAX: usize = 15;
/// Structs that may have more fields: sections of the configuration file have a field for each setting.
const WIDE_STRUCTS: &[(&str, &str)] =
    &[("src/acd/section.rs", "QueueSection"), ("src/switchboard/section.rs", "Features")];

/// Each struct with named fields, and their number.
fn structs(text: &str) -> Vec<(String, usize)> {
    let (code, _) = split_code(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("struct ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "struct ".len()..];
        let Some(open) = rest.find(['{', ';', '(']).filter(|open| rest[*open..].starts_with('{')) else { continue };
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let (mut depth, mut fields, mut last) = (0_u32, 0, ' ');
        for (c, next) in rest[open..].chars().zip(rest[open..].chars().skip(1).chain([' '])) {
            match c {
                '{' | '(' | '[' | '<' => depth += 1,
                // `->` closes nothing.
                '>' if last == '-' => {}
                '}' | ')' | ']' | '>' => depth -= 1,
                ':' if depth == 1 && next != ':' && last != ':' => fields += 1,
                _ => {}
            }
            last = c;
            if depth == 0 {
                break;
            }
        }
        found.push((name.to_owned(), fields));
    }
    found
}

#[test]
fn no_struct_has_too_many_fields() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["switchboard", "acd", "media"].iter().for_each(|room| rust_files(&package.join("src").join(room), &mut files));
    let (mut wide, mut count) = (Vec::new(), 0);
    for path in files {
        let relative = path.strip_prefix(package).unwrap().to_string_lossy().into_owned();
        for (name, fields) in structs(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            if fields > FIELDS_MAX && !WIDE_STRUCTS.contains(&(relative.as_str(), name.as_str())) {
                wide.push(format!("{relative}: {name} has {fields} fields"));
            }
        }
    }
    assert!(count > 100, "found only {count} structs");
    assert!(wide.is_empty(), "more than {FIELDS_MAX} fields:\n{}", wide.join("\n"));
}

#[test]
fn the_fields_of_structs_are_counted() {
    let text = "pub struct A<T> { /// x: y\n pub a: B<C, D>, b: fn(x: u8) -> crate::E, #[serde(skip)] c: [u8; 2] }
        struct Unit; struct Pair(u8, u8); enum E { F { a: u8 } } struct B { d: (u8, u8) }";
    assert_eq!(structs(text), [("A".to_owned(), 3), ("B".to_owned(), 1)]);
}

#[test]
fn an_upward_dependency_in_the_switchboard_is_seen() {
    let root = named_by_root("mod calls; use calls::Calls; pub use wire::{Wire, requests::Asked};");
    assert_eq!(root.len(), 3, "{root:?}");
    for (path, text) in [
        ("wire/requests.rs", "use crate::switchboard::calls::call::Call;"),
        ("wire/requests.rs", "use crate::switchboard::{Calls, Wire};"),
        ("step.rs", "fn f(x: crate::switchboard::Asked) {}"),
        ("calls/call.rs", "use crate::switchboard::Unknown;"),
        ("other/file.rs", ""),
    ] {
        assert_eq!(upward(path, text, &root).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("calls/call.rs", "use crate::switchboard::{Calls, Wire, wire::requests::Asked};"),
        ("wire/mod.rs", "// crate::switchboard::Calls"),
    ] {
        assert_eq!(upward(path, text, &root), Vec::<String>::new(), "{path}: {text}");
    }
}

/// Parts a source text into its code and its string literals; comments are in neither.
fn split_code(text: &str) -> (String, String) {
    let (mut code, mut strings) = (String::new(), String::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hashes = rest.strip_prefix('r').map(|raw| raw.len() - raw.trim_start_matches('#').len());
        let (end, kept) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |at| at + 2), None)
        } else if let Some(hashes) = hashes
            .filter(|n| rest[1 + n..].starts_with('"') && !code.ends_with(|c: char| c.is_alphanumeric() && c != 'b'))
        {
            let close = format!("\"{}", "#".repeat(hashes));
            (rest[2 + hashes..].find(&close).map_or(rest.len(), |at| at + 2 + hashes + close.len()), Some(&mut strings))
        } else if first == '"' {
            (quoted(rest, '"'), Some(&mut strings))
        } else if rest.starts_with("'\\") || (first == '\'' && rest.chars().nth(2) == Some('\'')) {
            (quoted(rest, '\''), None)
        } else {
            (first.len_utf8(), Some(&mut code))
        };
        let (token, after) = rest.split_at(end);
        if let Some(kept) = kept {
            kept.push_str(token);
        }
        rest = after;
    }
    (code, strings)
}

/// Length of the literal that `text` starts with, both quotes counted.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What stands after each `root::`, nested braces spread out: `use crate::{a, b::{c, d}}` gives `a`, `b::c`, `b::d`.
fn paths(code: &str, root: &str) -> Vec<String> {
    let tight: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ::", "::").replace(":: ", "::");
    let root = format!("{root}::");
    let starts =
        tight.match_indices(&root).filter(|(at, _)| !tight[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    starts.flat_map(|(at, _)| tree(&tight[at + root.len()..]).0).collect()
}

/// One use tree: its paths, and what comes after it.
fn tree(text: &str) -> (Vec<String>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut all = Vec::new();
        while !rest.trim_start().starts_with('}') && !rest.is_empty() {
            let (some, after) = tree(rest);
            all.extend(some);
            rest = after.find([',', '}']).map_or("", |at| after[at..].trim_start_matches(','));
        }
        return (all, rest.trim_start().get(1..).unwrap_or_default());
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(below) = rest.strip_prefix("::").filter(|below| !below.starts_with('<')) else {
        return (vec![name.into()], rest);
    };
    let (below, rest) = tree(below);
    (below.into_iter().map(|path| format!("{name}::{path}")).collect(), rest)
}

/// Rooms that are reached by climbing: `super::super::acd`.
fn climbs(code: &str) -> Vec<String> {
    paths(code, "super")
        .into_iter()
        .map(|path| path.trim_start_matches("super::").to_owned())
        .filter(|path| !path.contains('*'))
        .collect()
}

/// True when `word` stands in the code as a whole: `::now` is not in `::nowhere`.
fn named(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[at + word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() && path.file_name().is_none_or(|name| name != "target") => rust_files(&path, found),
            path if path.extension().is_some_and(|kind| kind == "rs") => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn every_source_file_keeps_to_the_plan() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "tests", "benches", "fuzz"].iter().for_each(|folder| rust_files(&package.join(folder), &mut files));
    assert!(files.len() > 10, "found only {} files: is the walk broken?", files.len());
    let relative = |path: &Path| path.strip_prefix(package).unwrap().to_string_lossy().into_owned();
    let mut all: Vec<_> =
        files.iter().flat_map(|path| breaches(&relative(path), &fs::read_to_string(path).unwrap())).collect();
    all.sort();
    assert!(all.is_empty(), "{} breaches of the plan:\n{}", all.len(), all.join("\n"));
}

#[test]
fn the_plan_has_no_circle() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for other in allowed.split_whitespace() {
            assert!(
                ROOMS[..at].iter().any(|(name, _)| *name == other),
                "`{room}` may name `{other}`, which does not stand above it"
            );
        }
    }
}

#[test]
fn the_checker_sees_each_kind_of_breach() {
    let bad = [
        ("src/sip/wire.rs", "use crate::acd::Acd;", "`sip` must not name `acd`"),
        (
            "src/media/mod.rs",
            "use crate::{\n ids::{CallId, LegNo},\n sip::flow::Flow };",
            "`media` must not name `sip`",
        ),
        ("src/cdr/mod.rs", "fn f() { crate::switchboard::new() }", "`cdr` must not name `switchboard`"),
        ("src/acd/queue.rs", "use super::super::{ids, cdr::fact};", "`acd` must not name `cdr`"),
        ("src/store/mod.rs", "pub use crate :: sip :: Uri;", "`store` must not name `sip`"),
        ("src/reports/mod.rs", "let q = '\"'; use crate::server::X; // \"", "`reports` must not name `server`"),
        ("src/sip/mod.rs", "use crate::*;", "`sip` must not name `*`"),
        ("src/util.rs", "", "`util` is not on the plan"),
        ("src/sip/flow.rs", "use std::{net::{IpAddr, UdpSocket}, fmt};", "a pure room names UdpSocket"),
        ("src/acd/mod.rs", "use std::{collections::BTreeMap, thread};", "a pure room names std::thread"),
        ("src/cdr/mod.rs", "std::fs::read(x)", "a pure room names std::fs::read"),
        ("src/sip/mod.rs", "tokio::spawn(x)", "a pure room names tokio"),
        ("src/clock.rs", "let x = y.map(Zoned::now);", "a pure room reads a clock"),
        ("src/store/journal.rs", "Instant::now()", "Instant::now outside server/"),
        ("src/sip/uri.rs", "use rsip::Uri;", "rsip outside src/sip/message.rs"),
        ("src/media/relay.rs", "rtp_rs::RtpReader::new(b)", "rtp_rs outside src/media/rtp.rs"),
        ("src/reports/kpi.rs", r##"const Q: &str = r#"SELECT "a" FROM b"#;"##, "SQL (SELECT) outside store/"),
        ("src/server/mod.rs", "sqlx::query(x)", "sqlx outside store/"),
        ("tests/long.rs", &"\n".repeat(LINES_MAX + 1), "is longer than 500 lines"),
    ];
    for (path, text, want) in bad {
        let found = breaches(path, text);
        assert!(found.iter().any(|breach| breach.contains(want)), "{path} {text:?}: wanted {want:?}, found {found:?}");
    }
}

#[test]
fn the_checker_leaves_good_code_alone() {
    let good = [
        (
            "src/sip/message.rs",
            "use rsip::Uri; // tokio, crate::acd, SELECT x\n/* std::fs */ use crate::{ids::CallId, limits};",
        ),
        (
            "src/acd/mod.rs",
            "use super::Settings; use std::net::IpAddr; fn f<'a>(x: &'a str) { \"crate::sip std::fs\"; now(); x::nowhere() }",
        ),
        ("src/store/facts.rs", "const Q: &str = \"SELECT 1\"; use crate::cdr::fact::Fact; use sqlx::Pool;"),
        ("src/server/signalling.rs", "use crate::switchboard::{Input, Output}; Instant::now();"),
        ("src/switchboard/mod.rs", "let c = b'\"'; let d = '\\''; use crate::sip; // \"\nlet s = \"tokio\";"),
    ];
    for (path, text) in good {
        assert_eq!(breaches(path, text), Vec::<String>::new(), "{path} {text:?}");
    }
}
