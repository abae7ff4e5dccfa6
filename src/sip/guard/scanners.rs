//! Tools that search for open telephone systems and weak passwords, identified by the names that they send.

use crate::sip::wire::{Message, Name};

/// Names of scanners, lower case. `sipsak` is not among them: engineers test with it.
const KNOWN: [&str; 14] = [
    "friendly-scanner",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipscan",
    "sundayddr",
    "iwar",
    "vaxsipuseragent",
    "pplsip",
    "friendly-request",
    "siparmyknife",
    "smap",
    "sipptk",
    "sivus",
];

/// The header fields that contain the names.
const LOOKED_AT: [Name; 5] = [Name::UserAgent, Name::From, Name::To, Name::CallId, Name::Contact];

/// The names of scanners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanners(Vec<String>);

impl Scanners {
    /// The known names and those in `more`.
    pub fn with(more: &[String]) -> Self {
        let more = more.iter().map(|name| name.to_ascii_lowercase()).filter(|name| !name.is_empty());
        Self(KNOWN.iter().map(|name| (*name).to_owned()).chain(more).collect())
    }

    /// True if a request contains one of the names as a whole word, because an operator may be called Tiwari.
    pub fn sent(&self, request: &Message<'_>) -> bool {
        LOOKED_AT.into_iter().filter_map(|name| request.first(name)).any(|value| {
            let value = value.to_ascii_lowercase();
            self.0.iter().any(|name| has_word(&value, name.as_bytes()))
        })
    }
}

impl Default for Scanners {
    fn default() -> Self {
        Self::with(&[])
    }
}

fn has_word(text: &[u8], word: &[u8]) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    memchr::memmem::find_iter(text, word).any(|at| !letter(at.checked_sub(1)) && !letter(Some(at + word.len())))
}
