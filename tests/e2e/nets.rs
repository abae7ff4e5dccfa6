//! Tests run side by side, so each has a network `127.7.N.0/24` of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The word that ends where a text ends.
fn last_word(text: &str) -> &str {
    let begin = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    &text[begin..]
}

/// The number with which a text begins, and what follows it.
fn number(text: &str) -> Option<(u8, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// The functions whose first parameter is a network.
fn takers(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("net: u8").filter_map(|(at, _)| {
        let before = text[..at].trim_end().strip_suffix('(')?;
        let name = if before.ends_with('>') { before.rsplit_once('<')?.0 } else { before };
        Some(last_word(name))
    })
}

/// The networks of a line: literal arguments of `takers`, and addresses.
fn networks(line: &str, takers: &BTreeSet<String>) -> Vec<u8> {
    let argument = |(at, _): (usize, &str)| {
        let (before, _) = line.split_at(at);
        let before = if before.ends_with('>') { before.rsplit_once("::<")?.0 } else { before };
        let name = last_word(before);
        let is_method = before.strip_suffix(name)?.ends_with('.');
        let (net, rest) = number(&line[at + 1..])?;
        (takers.contains(name) && !is_method && rest.starts_with([',', ')'])).then_some(net)
    };
    let arguments = line.match_indices('(').filter_map(argument);
    let address = |after: &str| number(after).filter(|(_, rest)| rest.starts_with('.')).map(|(net, _)| net);
    arguments.chain(line.split("127.7.").skip(1).filter_map(address)).collect()
}

#[test]
fn no_two_tests_have_the_same_network() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let texts: Vec<(String, String)> =
        sources.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect();
    let takers: BTreeSet<String> = texts.iter().flat_map(|(_, text)| takers(text)).map(str::to_owned).collect();
    let mut users: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in &texts {
        let mut function = "";
        for line in text.lines() {
            if let Some((_, rest)) = line.split_once("fn ").filter(|(before, _)| !before.contains("//")) {
                function = rest.split(['(', '<']).next().unwrap();
            }
            for net in networks(line, &takers) {
                users.entry(net).or_default().insert(format!("{file}: {function}"));
            }
        }
    }
    assert!(users.len() > 100, "only {} networks are found: is the reading broken?", users.len());
    let shared: Vec<_> = users.iter().filter(|(_, users)| users.len() > 1).collect();
    assert!(shared.is_empty(), "tests with the same network: {shared:#?}");
}
