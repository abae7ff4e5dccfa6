//! Which calls a page of figures counts: those of a desk, trunk, class, category, agency or mode.

use std::collections::BTreeSet;

use crate::reports::figures::Filter;
use crate::store::call_search::CallValues;
use crate::web::frame::encoded;
use crate::web::texts::Language;
use crate::web::visitor::Fields;

use super::calls::columns::{desk_text, trunk_text};
use super::calls::query::NONE;

/// The fields of the query, in the order of the form.
const NAMES: [&str; 6] = ["desk", "trunk", "class", "category", "agency", "mode"];
const CHARS_MAX: usize = 200;

/// The filter of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct FilterChoice {
    /// The fields that are not empty.
    given: Vec<(&'static str, String)>,
}

/// A value of a list.
pub(super) struct Choosable {
    pub value: String,
    pub text: String,
    pub is_chosen: bool,
}

/// A list of the form.
pub(super) struct List {
    pub name: &'static str,
    pub label: String,
    pub choices: Vec<Choosable>,
}

impl FilterChoice {
    pub(super) fn of(fields: &Fields) -> Self {
        let given = NAMES.into_iter().map(|name| (name, fields.get(name).chars().take(CHARS_MAX).collect::<String>()));
        Self { given: given.filter(|(_, value)| !value.is_empty()).collect() }
    }

    fn value(&self, name: &str) -> &str {
        self.given.iter().find(|(of, _)| *of == name).map_or("", |(_, value)| value)
    }

    /// True if all calls count.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The filter of figures, without drills and tests.
    pub(super) fn filter(&self) -> Filter {
        let of = |name| match self.value(name) {
            "" => None,
            NONE => Some(String::new()),
            value => Some(value.to_owned()),
        };
        Filter {
            desk: of("desk"),
            trunk: of("trunk"),
            class: of("class"),
            category: of("category"),
            agency: of("agency"),
            mode: of("mode"),
            ..Filter::default()
        }
    }

    /// The end of an address: `&desk=damkar`.
    pub(super) fn query(&self) -> String {
        self.given.iter().map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
    }

    /// The filter in words: `Meja: damkar`.
    pub(super) fn words(&self, language: Language) -> Vec<String> {
        let words = |(name, value): &(&'static str, String)| {
            format!("{}: {}", language.text(&format!("calls-{name}")), text_of(name, value, language))
        };
        self.given.iter().map(words).collect()
    }

    /// The lists of the form, with the values that calls have had.
    pub(super) fn lists(&self, values: &[CallValues], language: Language) -> Vec<List> {
        let of = |name: &'static str| {
            let value = |of: &CallValues| match name {
                "desk" => of.desk.clone(),
                "trunk" => of.trunk.clone(),
                "class" => of.class.clone(),
                "category" => of.category.clone(),
                "agency" => of.agency.clone(),
                _ => of.mode.clone(),
            };
            let given = self.value(name);
            let mut all: BTreeSet<String> =
                values.iter().map(value).map(|value| if value.is_empty() { NONE.to_owned() } else { value }).collect();
            all.extend(Some(given.to_owned()).filter(|given| !given.is_empty()));
            let any = Choosable { value: String::new(), text: language.text("value-any"), is_chosen: given.is_empty() };
            let known = all.into_iter().map(|value| Choosable {
                text: text_of(name, &value, language),
                is_chosen: value == given,
                value,
            });
            let label = language.text(&format!("calls-{name}"));
            List { name, label, choices: std::iter::once(any).chain(known).collect() }
        };
        NAMES.map(of).into()
    }
}

/// A value for people.
fn text_of(name: &str, value: &str, language: Language) -> String {
    let stored = if value == NONE { "" } else { value };
    let word = |key: String| if language.has(&key) { language.text(&key) } else { stored.to_owned() };
    match name {
        "desk" => desk_text(stored, language),
        "trunk" => trunk_text(stored, language),
        "class" if stored.is_empty() => language.text("unclassed"),
        "class" => word(format!("class-{stored}")),
        "mode" => word(format!("mode-{stored}")),
        _ if stored.is_empty() => language.text("value-none"),
        _ => stored.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_and_written() {
        let choice = FilterChoice::of(&Fields::read(b"desk=-&class=prank&x=1&trunk=a%26b"));
        let filter = choice.filter();
        assert_eq!((filter.desk.as_deref(), filter.class.as_deref(), filter.mode), (Some(""), Some("prank"), None));
        assert_eq!(choice.query(), "&desk=-&trunk=a%26b&class=prank");
        assert_eq!(choice.words(Language::English).len(), 3);
        assert!(FilterChoice::of(&Fields::read(b"desk=&period=today")).is_empty());
    }
}
