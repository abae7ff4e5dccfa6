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

/// The anchors of a page's headings, as links name them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).into_iter().filter(|(_, line)| line.starts_with('#'));
    let slug = |line: &str| {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(|(_, line)| slug(line)).collect()
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
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
        for link in links.filter(|link| !link.contains("://")) {
            seen += 1;
            let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if page.is_empty() { package().join(&document) } else { folder.join(page) };
            let target = fs::read_to_string(&path).unwrap_or_default();
            if !path.exists() || !anchor.is_empty() && !anchors(&target).iter().any(|one| one == anchor) {
                missing.push(format!("{document} links to {link}"));
            }
        }
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)));
        for page in words.filter(|word| word.starts_with("docs/") && word.contains(".md")) {
            seen += 1;
            if !package().join(page.trim_end_matches('.')).exists() {
                missing.push(format!("{document} names {page}"));
            }
        }
    }
    assert!(seen > 30, "found only {seen} links: is the reading broken?");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_row_of_the_rfc_table_names_a_file_and_a_test_or_says_why_not() {
    let text = fs::read_to_string(package().join("docs/rfc.md")).unwrap();
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

#[test]
fn every_threat_names_tests_that_are_there() {
    let text = fs::read_to_string(package().join("docs/design/threats.md")).unwrap();
    let mut seen = 0;
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let mut code = String::new();
        for name in row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                code = fs::read_to_string(package().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            } else if !code.is_empty() {
                seen += 1;
                assert!(code.contains(&format!("fn {name}(")), "no test {name}: {row}");
            }
        }
    }
    assert!(seen > 40, "found only {seen} names");
}

/// Words that a text for people does not use: the glossary of docs/glossary.md has one word for each thing, and people are "they".
const UNWANTED: &[&str] = &[
    "he",
    "she",
    "him",
    "her",
    "his",
    "hers",
    "himself",
    "herself",
    "somebody",
    "nobody",
    "whom",
    "whoever",
    "posture",
    "postures",
    "stance",
    "stances",
    "tape",
    "tapes",
    "guest",
    "guests",
    "heir",
    "successors",
    "in vain",
    "at a click",
    "right would be",
];

/// The folders of code that are checked, and whether their messages are checked as well. Messages of tests contain SIP and names.
const FOLDERS_OF_CODE: &[(&str, bool)] =
    &[("src", true), ("benches", false), ("examples", false), ("fuzz/fuzz_targets", false), ("tests", false)];

/// The unwanted words of a line, in lower case. Text in backticks is exempt: it is code.
fn unwanted(line: &str) -> Vec<&'static str> {
    let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ` ");
    let words = plain.split(|c: char| !(c.is_alphanumeric() || "_'-".contains(c))).filter(|word| !word.is_empty());
    let words = words.map(|word| word.trim_end_matches("'s").to_lowercase()).collect::<Vec<_>>().join(" ");
    let padded = format!(" {words} ");
    UNWANTED.iter().filter(|word| padded.contains(&format!(" {word} "))).copied().collect()
}

/// The lines of a page without code blocks and without the table of renamed things, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let (mut code, mut renamed) = (false, false);
    let mut lines = Vec::new();
    for (no, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if line.starts_with('#') && !code {
            renamed = line.trim_start_matches('#').trim() == "Renamed";
        }
        let is_old_name = renamed && line.starts_with('|');
        if !(code || is_old_name) {
            lines.push((no, line));
        }
    }
    lines
}

/// The comments of a TOML file without the names of sections and without quoted text, which are code there.
fn comments(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (no, line) in (1..).zip(text.lines()) {
        let (mut quoted, mut bracketed, mut comment) = (false, false, false);
        let mut words = String::new();
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                '#' if !quoted => comment = true,
                '[' if !quoted => bracketed = true,
                ']' if !quoted => bracketed = false,
                _ if comment && !quoted && !bracketed => words.push(c),
                _ => {}
            }
        }
        found.push((no, words));
    }
    found
}

#[test]
fn unwanted_words_are_found_outside_code_only() {
    assert_eq!(unwanted("When nobody is free, HE waits; his call is in vain."), ["he", "his", "nobody", "in vain"]);
    assert_eq!(unwanted("`guests` lists the participants of the posture's call"), ["posture"]);
    assert_eq!(unwanted("the header, this, where, posture_normal, \"there\""), [""; 0]);
    let page = "### Renamed\n\n| guest | participant |\n\nguest\n\n### Other\n\n```sh\nguest\n```\n| guest |\n";
    let kept: Vec<usize> =
        prose(page).into_iter().filter(|(_, line)| !unwanted(line).is_empty()).map(|(no, _)| no).collect();
    assert_eq!(kept, [5, 12]);
    let file = "[posture]  # the mode: [posture]\ntext = \"# his\" # \"whom\" or her\n";
    let kept: Vec<Vec<&str>> = comments(file).iter().map(|(_, words)| unwanted(words)).collect();
    assert_eq!(kept, [vec![], vec!["her"]]);
}

#[test]
fn documents_and_config_comments_use_the_words_of_the_glossary() {
    let mut found = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(package().join(&document)).unwrap();
        for (no, line) in prose(&text) {
            found.extend(unwanted(line).iter().map(|word| format!("{document}:{no}: {word}")));
        }
    }
    let text = fs::read_to_string(package().join("config/siaga.toml")).unwrap();
    for (no, words) in comments(&text) {
        found.extend(unwanted(&words).iter().map(|word| format!("config/siaga.toml:{no}: {word}")));
    }
    assert!(found.is_empty(), "{} unwanted words:\n{}", found.len(), found.join("\n"));
}

/// The comments and the string literals of Rust code, line by line, with their line numbers. `true`: a comment.
fn rust_texts(code: &str) -> Vec<(usize, bool, String)> {
    let code: Vec<char> = code.chars().collect();
    let at = |i: usize| code.get(i).copied().unwrap_or('\0');
    let (mut found, mut line, mut i) = (Vec::new(), 1, 0);
    while i < code.len() {
        let hashes = (1..).take_while(|n| at(i + n) == '#').count();
        let before = if i > 1 && at(i - 1) == 'b' { i - 2 } else { i.saturating_sub(1) };
        let starts_raw = at(i) == 'r' && at(i + 1 + hashes) == '"' && !at(before).is_alphanumeric();
        let end = if at(i) == '/' && at(i + 1) == '/' {
            (i..code.len()).find(|end| at(*end) == '\n').unwrap_or(code.len())
        } else if starts_raw {
            let closes = |end: &usize| at(*end) == '"' && (1..=hashes).all(|n| at(end + n) == '#');
            (i + 2 + hashes..code.len()).find(closes).map_or(code.len(), |end| end + 1 + hashes)
        } else if at(i) == '"' {
            let mut end = i + 1;
            while end < code.len() && at(end) != '"' {
                end += if at(end) == '\\' { 2 } else { 1 };
            }
            end + 1
        } else {
            let char_literal = at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'');
            line += usize::from(at(i) == '\n');
            i += if char_literal { 3 } else { 1 };
            continue;
        };
        let text: String = code.get(i..end.min(code.len())).unwrap_or_default().iter().collect();
        for (no, part) in (line..).zip(text.split('\n')) {
            found.push((no, text.starts_with("//"), part.to_owned()));
        }
        line += text.matches('\n').count();
        i = end;
    }
    found
}

/// True if a string literal is a message: a text of several words that is neither SQL nor a message of a protocol.
fn is_message(text: &str) -> bool {
    let inner = text.trim_start_matches(['b', 'r', '#', '"']).trim_start();
    let sql =
        ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "WITH ", "AND ", "FROM ", "WHERE ", "CAST(", "COUNT("];
    inner.contains(' ') && !text.contains("\\r\\n") && !sql.iter().any(|word| inner.starts_with(word))
}

/// The Rust files under a folder of the package.
fn rust_files(folder: &str) -> Vec<std::path::PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![package().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn comments_messages_and_help_texts_use_the_words_of_the_glossary() {
    let mut found = Vec::new();
    for (folder, with_messages) in FOLDERS_OF_CODE {
        let files = rust_files(folder);
        assert!(!files.is_empty(), "{folder} has no file");
        for path in files {
            let code = fs::read_to_string(&path).unwrap();
            for (no, is_comment, text) in rust_texts(&code) {
                if is_comment || *with_messages && is_message(&text) {
                    found.extend(unwanted(&text).iter().map(|word| format!("{}:{no}: {word}", path.display())));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} unwanted words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn unwanted_words_of_code_are_found_in_comments_and_messages_only() {
    let words = |code: &str| -> Vec<(usize, &str)> {
        let texts = rust_texts(code).into_iter().filter(|(_, is_comment, text)| *is_comment || is_message(text));
        texts.flat_map(|(no, _, text)| unwanted(&text).into_iter().map(move |word| (no, word))).collect()
    };
    for word in UNWANTED {
        let code = format!("//! {word}\n/// a {word}\nfn {0}() {{}} // {word}\n\"a {word}\"", word.replace(' ', "_"));
        assert_eq!(words(&code), [(1, *word), (2, *word), (3, *word), (4, *word)], "{code}");
    }
    assert_eq!(
        words("let guest = 'x'; // `guest`\nf('\\'', '\"', \"guest\", \"SELECT guest\", \"To: guest\\r\\n\");"),
        []
    );
    assert_eq!(words("f::<'a>(r#\"a \"b\" guest\"#); \"//\"; \"\\\" a\nguest b\""), [(1, "guest"), (2, "guest")]);
}

/// An open code block or quotation would hide the rest of a page from the check above.
#[test]
fn an_unwanted_word_at_the_end_of_any_document_is_found() {
    for document in documents() {
        let text = fs::read_to_string(package().join(&document)).unwrap() + "\n\nHe waits.\n";
        let last = prose(&text).last().map(|(no, line)| (*no, unwanted(line)));
        assert_eq!(last, Some((text.lines().count(), vec!["he"])), "{document}: its end is not checked");
    }
    let text = fs::read_to_string(package().join("config/siaga.toml")).unwrap();
    let lines = text.lines().enumerate().filter(|(_, line)| line.contains('#'));
    for (no, line) in lines {
        let words = comments(&format!("{line} he\n")).remove(0).1;
        assert!(unwanted(&words).contains(&"he"), "config/siaga.toml:{}: its end is not checked", no + 1);
    }
}

#[test]
fn the_glossary_defines_each_term_once_and_in_order() {
    let text = fs::read_to_string(package().join("docs/glossary.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(2);
    let terms: Vec<String> = rows.map(|row| row.split('|').nth(1).unwrap().trim().to_lowercase()).collect();
    assert!(terms.len() > 50, "{} terms", terms.len());
    assert!(terms.is_sorted_by(|one, next| one < next), "not in alphabetical order, or a term twice: {terms:?}");
    for term in ["anchor", "break", "call-back", "desk", "fact", "journal", "ring attempt", "station", "wrap-up"] {
        assert!(terms.iter().any(|one| one == term), "{term} is not defined");
    }
}

/// The words that a match of the code maps its variants to.
fn words_of(file: &str) -> Vec<String> {
    let code = fs::read_to_string(package().join(file)).unwrap();
    let words = code.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')).map(str::to_owned).collect()
}

#[test]
fn every_word_of_records_and_every_alarm_is_described() {
    for (file, page) in [("src/cdr/fact.rs", "docs/operate/records.md"), ("src/alarm.rs", "docs/operate/alarms.md")] {
        let text = fs::read_to_string(package().join(page)).unwrap();
        let words = words_of(file);
        assert!(words.len() > 10, "{file}: {} words", words.len());
        let missing: Vec<&String> = words.iter().filter(|word| !text.contains(&format!("`{word}`"))).collect();
        assert!(missing.is_empty(), "{page} does not describe {missing:?}");
    }
}

#[test]
fn the_entry_pages_fit_their_limits() {
    for (page, lines_max) in [("README.md", 120), ("ARCHITECTURE.md", 150)] {
        let lines = fs::read_to_string(package().join(page)).unwrap().lines().count();
        assert!(lines <= lines_max, "{page} has {lines} lines: expected at most {lines_max}");
    }
}
