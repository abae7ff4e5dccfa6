//! Checks that no file in `src` depends on itself through other files. `use` declarations and paths with `crate::`, `super::` and `self::`
//! count. A parent's `mod` and `pub use` do not, and tests do not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module's path (`sip::uri`; empty for the root) with its code.
type Modules = BTreeMap<String, String>;

/// The code of a file without comments and without the module `tests` at its end.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    // The path of a visibility is no dependency.
    let mut parts = code.split("pub(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |code, part| code + "pub" + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// The module of a file, by its path below `src`.
fn module_of(path: &Path) -> String {
    let path = path.with_extension("");
    let mut names: Vec<_> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
        names.pop();
    }
    names.join("::")
}

/// Splits at the commas that stand outside braces.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut all) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    all.push(&text[start..]);
    all
}

/// The paths of a `use` tree: `a::{b, c::d}` gives `a::b`, `a::c::d`.
fn spread(prefix: &str, text: &str, found: &mut Vec<String>) {
    for part in parts(text).into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        match (part.find('{'), part.rfind('}')) {
            (Some(open), Some(close)) => spread(&format!("{prefix}{}", &part[..open]), &part[open + 1..close], found),
            _ => found.push(format!("{prefix}{}", part.split(" as ").next().unwrap_or(part).trim())),
        }
    }
}

/// The `use` declarations of a file as paths, and whether each is a re-export (`pub use`); and the code without them.
fn declarations(code: &str) -> (Vec<(String, bool)>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    for statement in code.split_inclusive(';') {
        let flat = statement.trim_start_matches(|c: char| c != ';' && c.is_whitespace());
        let start = flat.rfind("\nuse ").map(|at| at + 1).into_iter().chain(flat.rfind("\npub").map(|at| at + 1)).max();
        let line = flat[start.unwrap_or(0)..].trim();
        let head = line.split("use ").next().unwrap_or_default().trim();
        let is_use = line.contains("use ") && (head.is_empty() || head.starts_with("pub") && !head.contains('{'));
        if is_use {
            let (_, tree) = line.split_once("use ").unwrap_or_default();
            let mut paths = Vec::new();
            spread("", tree.trim_end_matches(';'), &mut paths);
            found.extend(paths.into_iter().map(|path| (path, !head.is_empty())));
            rest.push_str(&flat[..start.unwrap_or(0)]);
        } else {
            rest.push_str(statement);
        }
    }
    (found, rest)
}

/// A path of a file as a path from the root; None if it leads to another crate.
fn from_root(path: &str, module: &str, modules: &Modules) -> Option<String> {
    if let Some(path) = path.strip_prefix("crate::") {
        return Some(path.to_owned());
    }
    let (mut path, mut module) = (path, module.to_owned());
    let climbs = path.starts_with("super::");
    while let Some(rest) = path.strip_prefix("super::") {
        path = rest;
        module = module.rsplit_once("::").map(|(above, _)| above.to_owned()).unwrap_or_default();
    }
    let own = path.strip_prefix("self::");
    let whole = [module.as_str(), own.unwrap_or(path)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let first = [module.as_str(), path.split("::").next().unwrap_or_default()];
    let first = first.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::");
    (climbs || own.is_some() || modules.contains_key(&first)).then(|| whole.join("::"))
}

/// The module that a path from the root leads to; re-exports are followed.
fn target(path: &str, modules: &Modules, exports: &BTreeMap<(String, String), String>, depth: u8) -> Option<String> {
    let names: Vec<&str> = path.split("::").collect();
    (0..=names.len()).rev().find_map(|taken| {
        let module = names[..taken].join("::");
        modules.get(&module)?;
        let next = names.get(taken).map(|name| (module.clone(), (*name).to_owned()));
        match next.and_then(|key| exports.get(&key)).filter(|_| depth < 5) {
            Some(export) => target(export, modules, exports, depth + 1),
            None => Some(module),
        }
    })
}

/// The paths in code that begin with `crate::`, `super::` or `self::`.
fn paths_in(code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let starts = ["crate::", "super::", "self::"].into_iter().flat_map(|start| code.match_indices(start));
    let starts = starts.map(|(at, _)| at).filter(|at| !code[..*at].ends_with(is_name));
    let paths = starts.map(|at| &code[at..]).map(|path| &path[..path.find(|c| !is_name(c)).unwrap_or(path.len())]);
    paths.map(|path| path.trim_end_matches(':').to_owned()).collect()
}

/// The dependencies of each module on others.
fn dependencies(modules: &Modules) -> BTreeMap<String, BTreeSet<String>> {
    let read: Vec<_> = modules.iter().map(|(module, code)| (module, declarations(code))).collect();
    let mut exports = BTreeMap::new();
    for (module, (uses, _)) in &read {
        for (path, _) in uses {
            let name = path.rsplit("::").next().unwrap_or_default().to_owned();
            if let Some(path) = from_root(path, module, modules).filter(|path| !modules.contains_key(path)) {
                exports.insert(((*module).clone(), name), path);
            }
        }
    }
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, (uses, rest)) in read {
        let paths = paths_in(&rest);
        let uses = uses.into_iter().filter(|(_, exported)| !exported).map(|(path, _)| path);
        for path in uses.chain(paths).filter_map(|path| from_root(&path, module, modules)) {
            let other = target(&path, modules, &exports, 0).filter(|other| other != module && !other.is_empty());
            all.entry(module.clone()).or_default().extend(other);
        }
    }
    all
}

/// The groups of modules that depend on each other.
fn cycles(all: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            open.extend(all.get(module).into_iter().flatten().filter(|other| seen.insert((*other).clone())));
        }
        seen
    };
    let reach: BTreeMap<_, _> = all.keys().map(|module| (module, reached(module))).collect();
    let groups: BTreeSet<BTreeSet<String>> = reach
        .iter()
        .filter(|(module, seen)| seen.contains(**module))
        .map(|(module, seen)| {
            seen.iter().filter(|other| reach.get(other).is_some_and(|back| back.contains(*module))).cloned().collect()
        })
        .collect();
    groups.into_iter().collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_file_depends_on_itself_by_way_of_others() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let is_test = |path: &Path| path.iter().any(|name| name == "tests" || name == "tests.rs");
    let modules: Modules = files
        .iter()
        .map(|path| (path.strip_prefix(&src).unwrap(), path))
        .filter(|(below, _)| !is_test(below))
        .map(|(below, path)| (module_of(below), code_of(&fs::read_to_string(path).unwrap())))
        .collect();
    let all = dependencies(&modules);
    assert!(all.values().map(BTreeSet::len).sum::<usize>() > 1_000, "too few dependencies were found");
    let found: Vec<_> =
        cycles(&all).into_iter().map(|group| group.into_iter().collect::<Vec<_>>().join(", ")).collect();
    assert!(found.is_empty(), "cycles:\n{}", found.join("\n"));
}

#[test]
fn cycles_of_each_kind_are_seen() {
    let modules = |files: &[(&str, &str)]| -> Modules {
        files.iter().map(|(module, code)| ((*module).to_owned(), code_of(code))).collect()
    };
    let root = ("", "mod a;\nmod b;\n");
    for (a, b) in [
        ("use crate::b::B;\n", "use crate::{a::A};\n"),
        ("use super::b::B;\n", "fn f() { crate::a::g() }\n"),
        ("use crate::b::{self, c::D};\n", "pub struct B(pub(super) crate::a::A);\n"),
        ("fn f() -> super::b::B { super::b::g() }\n", "fn g() { let a: super::a::A = crate::a::f(); }\n"),
        ("fn f() { use super::b::g; g() }\n", "pub struct B(super::a::A);\n"),
    ] {
        let found = cycles(&dependencies(&modules(&[root, ("a", a), ("b", b)])));
        assert_eq!(found.len(), 1, "{a:?} {b:?}");
    }
    let exported =
        [root, ("a", "use crate::b::B;\n"), ("b", "mod c;\npub use c::B;\n"), ("b::c", "use crate::a::A;\n")];
    assert_eq!(cycles(&dependencies(&modules(&exported))).len(), 1);
}

#[test]
fn a_parent_that_only_re_exports_is_in_no_cycle() {
    let files = [("a", "mod b;\npub use b::B;\n// use crate::a::b::B;\n"), ("a::b", "use super::C;\nuse std::fmt;\n")];
    let modules: Modules = files.iter().map(|(module, code)| ((*module).to_owned(), code_of(code))).collect();
    assert!(cycles(&dependencies(&modules)).is_empty());
}
