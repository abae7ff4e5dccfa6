//! The texts of the monthly report that a city can change, in a TOML file.

use std::path::Path;

use serde::Deserialize;

use crate::config::Signatory;
use crate::limits::LETTER_CHARS_MAX;

/// The texts of a template. `{month}` and `{city}` are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    pub(super) title: Option<String>,
    pub(super) subtitle: Option<String>,
    pub(super) introduction: Option<String>,
    pub(super) closing: Option<String>,
    pub(super) place: Option<String>,
    /// Absent: those of the configuration.
    pub(super) signatories: Option<Vec<Signatory>>,
}

/// Why a template cannot be used; the text names the file, the key and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{file} cannot be read: {error}; expected: a TOML file with texts")]
    Unreadable { file: String, error: std::io::Error },
    #[error("{file}: {error}")]
    Syntax { file: String, error: Box<toml::de::Error> },
    #[error("{file}: {key}: {wrong}; expected: {right}")]
    Text { file: String, key: &'static str, wrong: String, right: String },
}

impl Template {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, TemplateError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(content) => Self::parse(file, &content),
            Err(error) => Err(TemplateError::Unreadable { file, error }),
        }
    }

    fn parse(file: String, content: &str) -> Result<Self, TemplateError> {
        let template: Self = match toml::from_str(content) {
            Ok(template) => template,
            Err(error) => return Err(TemplateError::Syntax { file, error: Box::new(error) }),
        };
        for (key, text) in [
            ("title", &template.title),
            ("subtitle", &template.subtitle),
            ("introduction", &template.introduction),
            ("closing", &template.closing),
            ("place", &template.place),
        ] {
            let length = text.as_ref().map_or(0, |text| text.chars().count());
            if length > LETTER_CHARS_MAX {
                let right = format!("at most {LETTER_CHARS_MAX}");
                return Err(TemplateError::Text { file, key, wrong: format!("{length} characters"), right });
            }
        }
        match template.signatories.as_deref().and_then(Signatory::fault) {
            Some((wrong, right)) => Err(TemplateError::Text { file, key: "signatories", wrong, right }),
            None => Ok(template),
        }
    }
}

/// A text with the month and the city in place of `{month}` and `{city}`.
pub(super) fn filled(text: &str, month: &str, city: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        rest = match (after.strip_prefix("month}"), after.strip_prefix("city}")) {
            (Some(after), _) => {
                filled.push_str(month);
                after
            }
            (None, Some(after)) => {
                filled.push_str(city);
                after
            }
            (None, None) => {
                filled.push('{');
                after
            }
        };
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_texts_and_signatories() {
        let content =
            "title = \"Laporan {month}\"\n[[signatories]]\nrole = \"Kepala BPBD\"\nname = \"Siti\"\nid = \"NIP 1\"\n";
        let template = Template::parse("letter.toml".to_owned(), content).unwrap();
        assert_eq!(template.title.as_deref(), Some("Laporan {month}"));
        assert_eq!(template.signatories.unwrap()[0].name, "Siti");
    }

    #[test]
    fn a_wrong_template_says_what_is_expected() {
        for (content, expected) in [
            ("titel = \"x\"".to_owned(), "unknown field `titel`, expected one of `title`, `subtitle`"),
            ("title = 5".to_owned(), "invalid type: integer `5`, expected a string"),
            (format!("closing = \"{}\"", "x".repeat(4_001)), "closing: 4001 characters; expected: at most 4000"),
            ("[[signatories]]\nrole = \"a\"\n".repeat(7), "signatories: 7 signatories; expected: at most 6"),
            ("[[signatories]]\nname = \"a\"\n".to_owned(), "missing field `role`"),
        ] {
            let fault = Template::parse("letter.toml".to_owned(), &content).unwrap_err().to_string();
            assert!(fault.starts_with("letter.toml") && fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn values_are_replaced_once() {
        assert_eq!(filled("{month} di {city}{x} {", "{city}", "Metro"), "{city} di Metro{x} {");
    }
}
