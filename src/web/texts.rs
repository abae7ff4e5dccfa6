//! Texts of the pages in Indonesian and English, from the files in web-assets/texts. The files use a part of the Fluent syntax, so that a
//! browser application can read the same files: `key = text`, with values as `{ $name }`, and comments after `#`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static INDONESIAN: LazyLock<BTreeMap<&'static str, &'static str>> =
    LazyLock::new(|| read(include_str!("../../web-assets/texts/id.ftl")));
static ENGLISH: LazyLock<BTreeMap<&'static str, &'static str>> =
    LazyLock::new(|| read(include_str!("../../web-assets/texts/en.ftl")));

/// The language of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    Indonesian,
    English,
}

impl Language {
    /// The code of the language in HTML and cookies.
    pub fn code(self) -> &'static str {
        match self {
            Self::Indonesian => "id",
            Self::English => "en",
        }
    }

    /// The language of a code; None if there are no texts in it.
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Indonesian, Self::English].into_iter().find(|language| language.code() == code)
    }

    /// The text of a key; the key itself if there is none.
    pub fn text(self, key: &str) -> String {
        self.find(key).unwrap_or(key).to_owned()
    }

    /// The text of a key with values in place of `{ $name }`.
    pub fn with(self, key: &str, values: &[(&str, &str)]) -> String {
        fill(self.find(key).unwrap_or(key), values)
    }

    /// True if there is a text of the key.
    pub fn has(self, key: &str) -> bool {
        self.find(key).is_some()
    }

    fn find(self, key: &str) -> Option<&'static str> {
        let texts = match self {
            Self::Indonesian => &INDONESIAN,
            Self::English => &ENGLISH,
        };
        texts.get(key).copied()
    }
}

/// Reads `key = text` lines.
fn read(file: &'static str) -> BTreeMap<&'static str, &'static str> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=').map(|(key, text)| (key.trim(), text.trim()))).collect()
}

/// Each placeholder is replaced once: a value that looks like a placeholder stays as it is.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut parts = text.split("{ $");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" }").unwrap_or((part, ""));
        filled.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value));
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split("{ $").skip(1).filter_map(|part| part.split_once(" }")).map(|(name, _)| name).collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_with_the_same_values() {
        let keys = |texts: &BTreeMap<&'static str, &'static str>| texts.keys().copied().collect::<BTreeSet<_>>();
        assert_eq!(keys(&INDONESIAN), keys(&ENGLISH));
        assert!(INDONESIAN.len() > 50, "{} texts", INDONESIAN.len());
        for (key, text) in &*INDONESIAN {
            assert_eq!(placeholders(text), placeholders(ENGLISH[key]), "{key}");
            assert!(!text.is_empty() && !ENGLISH[key].is_empty(), "{key} is empty");
            for text in [text, ENGLISH[key]] {
                assert!(!text.contains('!'), "{key}: no exclamation marks");
                assert_eq!(text.matches('{').count(), text.matches("{ $").count(), "{key}: {text}");
            }
        }
    }

    #[test]
    fn no_key_occurs_twice_and_each_line_is_a_text_or_a_comment() {
        for file in ["id", "en"] {
            let text = std::fs::read_to_string(format!("web-assets/texts/{file}.ftl")).unwrap();
            let mut seen = BTreeSet::new();
            for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let (key, _) = line.split_once(" = ").unwrap_or_else(|| panic!("{file}: {line}"));
                assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{key}");
                assert!(seen.insert(key.to_owned()), "{file}: {key} occurs twice");
            }
        }
    }

    /// The quoted words after `call` in a text.
    fn quoted_after(text: &str, call: &str) -> Vec<String> {
        text.split(call).skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect()
    }

    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn every_key_that_templates_and_pages_use_has_a_text() {
        let mut all = Vec::new();
        ["web-assets/templates", "src/web", "src/reports"].iter().for_each(|folder| files(Path::new(folder), &mut all));
        let mut used = Vec::new();
        for path in all.iter().filter(|path| !path.ends_with("texts.rs")) {
            let text = std::fs::read_to_string(path).unwrap();
            for call in [".t(\"", ".text(\"", ".with(\"", ".tf(\""] {
                used.extend(quoted_after(&text, call).into_iter().map(|key| (key, path.clone())));
            }
        }
        assert!(used.len() > 50, "only {} uses", used.len());
        let missing: Vec<_> = used.iter().filter(|(key, _)| !INDONESIAN.contains_key(key.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn values_replace_their_placeholders_and_are_not_read_again() {
        assert_eq!(fill("{ $a } dari { $b }.", &[("a", "{ $b }"), ("b", "2")]), "{ $b } dari 2.");
        assert_eq!(fill("tanpa nilai", &[("a", "1")]), "tanpa nilai");
        assert_eq!(Language::English.text("no-such-key"), "no-such-key");
    }
}
