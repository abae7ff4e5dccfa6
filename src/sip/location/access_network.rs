//! P-Access-Network-Info (RFC 7315 §5.4): the caller's cell or line, according to the trunk.

use std::collections::BTreeMap;

use memchr::memchr;

use super::super::header::Params;
use super::super::wire::lex;
use super::{Location, Source, plain, text};
use crate::limits::CIVIC_ELEMENTS_MAX;

/// Maximum characters of one parameter.
const VALUE_CHARS_MAX: usize = 256;

/// Reads one value: the access type under `type`, parameters by their lower-case names.
pub(super) fn read(value: &[u8]) -> Location {
    let (kind, parameters) = lex::split(value, memchr(b';', value).unwrap_or(value.len()));
    let kind = lex::trim(kind);
    if !lex::TOKEN.holds_word(kind) {
        return Location::faulty(Source::AccessNetwork, text(value), "no access type");
    }
    let mut access = BTreeMap::from([("type".to_owned(), plain(&text(kind), VALUE_CHARS_MAX))]);
    for (name, value) in Params::new(parameters).iter().take(CIVIC_ELEMENTS_MAX) {
        let name = plain(&text(name), 64).to_ascii_lowercase();
        let value = value.map(|value| plain(&text(&lex::unquote(value)), VALUE_CHARS_MAX));
        access.entry(name).or_insert(value.unwrap_or_default());
    }
    Location { access, ..Location::empty(Source::AccessNetwork, text(value)) }
}
