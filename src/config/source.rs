//! Reads TOML with error recovery: an invalid part is reported and removed, and the rest is read, so that all errors are reported at once.
//! Knows the line of each key.

use crate::acd::section::SectionFault;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::fault::{Fault, Faults};

/// Maximum errors that are reported.
const FAULTS_MAX: usize = 200;

/// One file while it is checked: the positions of its keys, and the errors found so far.
#[derive(Debug)]
pub(super) struct Source {
    file: String,
    places: Vec<Place>,
    lines: Vec<usize>,
    faults: Vec<Fault>,
    /// False if the values are defaults because the text cannot be read.
    is_read: bool,
    /// Errors of optional files; None: they count as errors of the configuration.
    optional: Option<Vec<Fault>>,
}

#[derive(Debug)]
struct Place {
    path: String,
    key: Option<Range<usize>>,
    value: Range<usize>,
}

impl Source {
    /// Reads `text`. Invalid values are replaced by defaults, so that the checks can continue. `renamed`: the former and the present names
    /// of sections and keys; the text may have one of both.
    pub(super) fn read<T: DeserializeOwned + Default>(file: &str, text: &str, renamed: &[(&str, &str)]) -> (Self, T) {
        let lines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect();
        let (places, faults) = (Vec::new(), Vec::new());
        let mut source = Self { file: file.to_owned(), places, lines, faults, is_read: false, optional: None };
        let (mut root, syntax) = DeTable::parse_recoverable(text);
        gather(root.get_ref(), "", &mut source.places);
        for error in &syntax {
            source.tell(error);
        }
        if !syntax.is_empty() {
            return (source, T::default());
        }
        source.reject_both_names(root.get_mut(), renamed);
        while source.faults.len() < FAULTS_MAX {
            match T::deserialize(Deserializer::from(root.clone())) {
                Ok(value) => {
                    source.is_read = true;
                    return (source, value);
                }
                Err(error) => {
                    source.tell(&error);
                    let taken = error.span().is_some_and(|span| {
                        let narrowest = source.place_of(&span).map(|place| (place.key.clone(), place.value.clone()));
                        narrowest.is_some_and(|(key, value)| take_out(root.get_mut(), key.as_ref(), &value))
                    });
                    if !taken {
                        break;
                    }
                }
            }
        }
        (source, T::default())
    }

    /// Adds an error of a key, with the line of the key or of the nearest table around it.
    pub(super) fn fault(&mut self, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        let line = self.line_of_key(key);
        let fault =
            Fault { file: self.file.clone(), line, key: key.to_owned(), wrong: wrong.into(), right: right.into() };
        self.faults.push(fault);
    }

    /// Collects errors of optional files separately from now on: a service starts without such a file.
    pub(super) fn allow_optional_faults(&mut self) {
        self.optional = Some(Vec::new());
    }

    /// Adds an error of the optional file that a key names.
    pub(super) fn optional_fault(&mut self, key: &str, wrong: String, right: String) {
        let fault = self.warning(key, wrong, right);
        self.optional.as_mut().unwrap_or(&mut self.faults).push(fault);
    }

    /// True if optional files may have errors.
    pub(super) const fn allows_optional_faults(&self) -> bool {
        self.optional.is_some()
    }

    /// Takes the errors of optional files.
    pub(super) fn take_optional_faults(&mut self) -> Vec<Fault> {
        self.optional.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// False after a syntax error: the values are not those of the file.
    pub(super) const fn is_read(&self) -> bool {
        self.is_read
    }

    /// True when no fault was found.
    pub(super) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// All errors, by line.
    pub(super) fn into_faults(mut self) -> Faults {
        self.faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        self.faults.dedup();
        Faults(self.faults)
    }

    /// Reports each former name that the file has beside the present one, and removes it.
    fn reject_both_names(&mut self, root: &mut DeTable<'_>, renamed: &[(&str, &str)]) {
        for (old, new) in renamed {
            if !(self.has(old) && self.has(new)) {
                continue;
            }
            let new = shown(new);
            self.fault(old, format!("the old name of {new}, which is there too"), format!("only {new}"));
            let place = self.places.iter().find(|place| place.path == *old);
            let Some((key, value)) = place.map(|place| (place.key.clone(), place.value.clone())) else { continue };
            take_out(root, key.as_ref(), &value);
        }
    }

    /// The name under which the file has this key: its former one if the file has that.
    pub(super) fn name_of<'n>(&self, key: &'n str, renamed: &[(&'n str, &'n str)]) -> &'n str {
        let old = renamed.iter().find(|(old, new)| *new == key && self.has(old) && !self.has(new));
        old.map_or(key, |(old, _)| old)
    }

    fn tell(&mut self, error: &Error) {
        let span = error.span();
        let place = span.as_ref().and_then(|span| self.place_of(span));
        let key = place.map(|place| place.path.clone()).unwrap_or_default();
        let line = span.map(|span| self.line_at(span.start));
        let (wrong, right) = in_plain_words(error.message());
        self.faults.push(Fault { file: self.file.clone(), line, key, wrong, right });
    }

    /// The path of the file as it was given.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// A warning about a key.
    pub(super) fn warning(&self, key: &str, wrong: impl Into<String>, right: impl Into<String>) -> Fault {
        Fault {
            file: self.file.clone(),
            line: self.line_of_key(key),
            key: key.to_owned(),
            wrong: wrong.into(),
            right: right.into(),
        }
    }

    /// True if the file has this key or section.
    pub(super) fn has(&self, key: &str) -> bool {
        self.places.iter().any(|place| place.path == key)
    }

    fn place_of(&self, span: &Range<usize>) -> Option<&Place> {
        let exact = self.places.iter().find(|place| place.key.as_ref() == Some(span) || place.value == *span);
        let around = || {
            let holds = |place: &&Place| place.value.start <= span.start && span.end <= place.value.end;
            self.places.iter().filter(holds).min_by_key(|place| place.value.len())
        };
        exact.or_else(around)
    }

    fn line_of_key(&self, key: &str) -> Option<usize> {
        let mut path = key;
        loop {
            if let Some(place) = self.places.iter().find(|place| place.path == path) {
                return Some(self.line_at(place.key.as_ref().unwrap_or(&place.value).start));
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }

    fn line_at(&self, offset: usize) -> usize {
        self.lines.partition_point(|end| *end < offset) + 1
    }
}

/// A present name as the file has it: a key without its section, or a section's head.
pub(super) fn shown(name: &str) -> String {
    name.rsplit_once('.').map_or_else(|| format!("[{name}]"), |(_, key)| key.to_owned())
}

fn gather(table: &DeTable<'_>, above: &str, places: &mut Vec<Place>) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if above.is_empty() { name.to_string() } else { format!("{above}.{name}") };
        places.push(Place { path: path.clone(), key: Some(key.span()), value: value.span() });
        gather_below(value, &path, places);
    }
}

fn gather_below(value: &Spanned<DeValue<'_>>, path: &str, places: &mut Vec<Place>) {
    if let Some(table) = value.get_ref().as_table() {
        gather(table, path, places);
    } else if let Some(array) = value.get_ref().as_array() {
        for (i, element) in array.iter().enumerate() {
            let path = format!("{path}[{i}]");
            places.push(Place { path: path.clone(), key: None, value: element.span() });
            gather_below(element, &path, places);
        }
    }
}

/// Removes the node with this span, or the list element that contains it; true if it was found.
fn take_out(table: &mut DeTable<'_>, key: Option<&Range<usize>>, value: &Range<usize>) -> bool {
    let holds = |node: &Spanned<DeValue<'_>>| {
        let elements = node.get_ref().as_array();
        key.is_none() && elements.is_some_and(|elements| elements.iter().any(|element| element.span() == *value))
    };
    let is_it = |k: &Range<usize>, v: &Spanned<DeValue<'_>>| (key == Some(k) && v.span() == *value) || holds(v);
    let found = table.iter().find(|(k, v)| is_it(&k.span(), v)).map(|(k, _)| k.clone());
    if let Some(found) = found {
        return table.remove(&found).is_some();
    }
    table.iter_mut().any(|(_, below)| take_out_below(below, key, value))
}

fn take_out_below(node: &mut Spanned<DeValue<'_>>, key: Option<&Range<usize>>, value: &Range<usize>) -> bool {
    match node.get_mut() {
        DeValue::Table(table) => take_out(table, key, value),
        DeValue::Array(array) => array.iter_mut().any(|element| take_out_below(element, key, value)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            false
        }
    }
}

/// Converts the parser's message to (error, expected value).
fn in_plain_words(message: &str) -> (String, String) {
    let message = message.lines().next().unwrap_or_default();
    let (wrong, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let wrong = wrong.replace("unknown field", "unknown key").replace("unknown variant", "unknown value");
    let wrong = wrong.replace("missing field", "missing key");
    let wrong = match (wrong.strip_prefix("invalid type: "), wrong.strip_prefix("invalid value: ")) {
        (Some(found), _) => plain_value(found),
        // The type is correct, so the value is out of range.
        (None, Some(found)) => format!("{} is out of range", found.split('`').nth(1).unwrap_or(found)),
        (None, None) => wrong,
    };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255, without quotes",
        "u16" => "a whole number from 0 to 65535, without quotes",
        "u32" | "u64" | "usize" => "a whole number of 0 or more, without quotes",
        "i8" | "i16" | "i32" | "i64" => "a whole number, without quotes",
        "f32" | "f64" => "a number, without quotes",
        "a sequence" => "a list: [\"…\", \"…\"]",
        "a string" => "a text in quotes",
        "a boolean" => "true or false",
        "a map" => "a table: [name] or { key = value }",
        other if other.starts_with("struct ") => "a table: [name] or { key = value }",
        other => other,
    };
    (wrong, expected.to_owned())
}

/// The value that was found: "integer `5`" becomes "5 is a whole number".
fn plain_value(found: &str) -> String {
    let kinds = [
        ("integer ", "a whole number"),
        ("floating point ", "a number"),
        ("boolean ", "true or false"),
        ("string ", "a text"),
    ];
    let known = kinds.iter().find_map(|(kind, words)| found.strip_prefix(kind).map(|value| (value, *words)));
    match (known, found) {
        (Some((value, words)), _) => format!("{} is {words}", value.trim_matches('`')),
        (None, "map") => "a table".to_owned(),
        (None, "sequence") => "a list".to_owned(),
        (None, other) => other.to_owned(),
    }
}

pub(super) fn section_faults(source: &mut Source, section: &str, faults: &[SectionFault]) {
    for fault in faults {
        source.fault(&format!("{section}.{}", fault.key), format!("{:?}", fault.found), fault.expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parsers_words_become_plain_ones() {
        for (message, wrong, expected) in [
            ("invalid type: integer `5`, expected a string", "5 is a whole number", "a text in quotes"),
            (
                "invalid type: string \"x\", expected u64",
                "\"x\" is a text",
                "a whole number of 0 or more, without quotes",
            ),
            ("invalid type: map, expected a sequence", "a table", "a list: [\"…\", \"…\"]"),
            (
                "invalid value: integer `-1`, expected u16",
                "-1 is out of range",
                "a whole number from 0 to 65535, without quotes",
            ),
            (
                "invalid value: integer `-5`, expected usize",
                "-5 is out of range",
                "a whole number of 0 or more, without quotes",
            ),
            (
                "invalid type: string \"x\", expected struct Site",
                "\"x\" is a text",
                "a table: [name] or { key = value }",
            ),
            ("unknown field `lisen`, expected `listen`", "unknown key `lisen`", "`listen`"),
        ] {
            assert_eq!(in_plain_words(message), (wrong.to_owned(), expected.to_owned()), "{message}");
        }
    }
}
