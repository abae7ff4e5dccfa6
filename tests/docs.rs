//! What the documents name must be there: files of the tree, and for each section of an RFC a file and its test, or why not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README, ARCHITECTURE, CHANGELOG and every page under docs, as paths from the package's folder.
fn documents() -> Vec<String> {
    let mut found = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(str::to_owned).to_vec();
    let mut folders = vec![package().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(package()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// What stands between backticks and looks like a file of the tree.
fn files(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let ours = |path: &&str| {
        ["src/", "tests/", "config/", "docs/", "scripts/", "benches/", "fuzz/"]
            .iter()
            .any(|room| path.starts_with(room))
    };
    let plain = |path: &&str| path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    quoted.filter(ours).filter(plain).map(str::to_owned).collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for document in documents() {
        let document = document.as_str();
        let text = fs::read_to_string(package().join(document)).unwrap();
        for file in files(&text) {
            seen += 1;
            if !package().join(&file).exists() {
                missing.push(format!("{document} names {file}"));
            }
        }
    }
    assert!(seen > 30, "found only {seen} names: is the reading broken?");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_link_and_every_page_that_a_text_names_is_there() {
    let mut missing = Vec::new();
    let mut seen = 0;
    let mut texts = documents();
    texts.push("config/siaga.toml".to_owned());
    for document in texts {
        let text = fs::read_to_string(package().join(&document)).unwrap();
        let folder = package().join(&document).parent().unwrap().to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let linked = links.filter(|(link, _)| !link.contains("://") && !link.starts_with('#'));
        let linked = linked.map(|(link, _)| folder.join(link.split('#').next().unwrap_or(link)));
        let named = text.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)));
        let named = named.filter(|word| word.starts_with("docs/") && word.contains(".md"));
        let named = named.map(|word| package().join(word.trim_end_matches('.')));
        for path in linked.chain(named) {
            seen += 1;
            if !path.exists() {
                missing.push(format!("{document} names {}", path.display()));
            }
        }
    }
    assert!(seen > 30, "found only {seen} links: is the reading broken?");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_row_of_the_rfc_table_names_a_file_and_a_test_or_says_why_not() {
    let text = fs::read_to_string(package().join("docs/design/rfc.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| RFC ")).collect();
    assert!(rows.len() > 15, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, what, file, test] = cells[..] else { panic!("four cells: {row}") };
        assert!(!what.is_empty(), "{row}");
        let applies = !file.is_empty() && file != "-";
        assert!(
            if applies { file.contains('`') && test.contains('`') } else { test.len() > 10 },
            "neither test nor reason: {row}"
        );
    }
}

#[test]
fn every_pitfall_names_a_test_that_is_there() {
    let text = fs::read_to_string(package().join("docs/design/pitfalls.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && line.contains("`")).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let [file, test] = row.split('`').skip(1).step_by(2).collect::<Vec<_>>()[..] else {
            panic!("two names: {row}")
        };
        let code = fs::read_to_string(package().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(code.contains(&format!("fn {test}(")), "{file} has no test {test}");
    }
}
