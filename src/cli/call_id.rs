//! Call ids on the command line: complete, or shortened to a unique prefix.

use std::str::FromStr;

use anyhow::bail;
use serde::Deserialize;

use crate::config::Config;
use crate::ids::CallId;
use crate::store::Store;

use super::console;

/// Hexadecimal digits of a whole id.
const DIGITS: usize = 32;
/// The positions of the dashes between them.
const DASHES: [usize; 4] = [8, 12, 16, 20];

/// The prefix of a call's id, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallStart {
    digits: String,
}

impl FromStr for CallStart {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
        let good = (1..=DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if good { Ok(Self { digits }) } else { Err("expected: a call's id or its first digits (0-9, a-f)") }
    }
}

impl CallStart {
    /// The call, if the id is complete.
    fn whole(&self) -> Option<CallId> {
        self.digits.parse().ok()
    }

    /// The prefix in the form of records, with dashes.
    fn dashed(&self) -> String {
        let mut text = String::new();
        for (at, digit) in self.digits.chars().enumerate() {
            if DASHES.contains(&at) {
                text.push('-');
            }
            text.push(digit);
        }
        text
    }

    /// The only one of `calls` with this prefix.
    fn only(&self, calls: impl IntoIterator<Item = CallId>) -> anyhow::Result<CallId> {
        let start = self.dashed();
        let found: Vec<CallId> = calls.into_iter().filter(|call| call.to_string().starts_with(&start)).collect();
        match found.as_slice() {
            [] => bail!("no call's id starts with {start}"),
            [call] => Ok(*call),
            several => {
                let list: Vec<String> = several.iter().map(|call| format!("  {call}")).collect();
                bail!(
                    "{} calls' ids start with {start}; expected: more digits of one of\n{}",
                    list.len(),
                    list.join("\n")
                )
            }
        }
    }

    /// The live call of the running service with this prefix.
    pub(super) fn live(&self, config: &Config) -> anyhow::Result<CallId> {
        #[derive(Deserialize)]
        struct Calls {
            calls: Vec<Call>,
        }
        #[derive(Deserialize)]
        struct Call {
            call: CallId,
        }
        if let Some(call) = self.whole() {
            return Ok(call);
        }
        let Calls { calls } = console::get(config, "/v1/calls")?;
        self.only(calls.into_iter().map(|call| call.call))
    }

    /// The stored call with this prefix.
    pub(super) async fn stored(&self, store: &Store) -> anyhow::Result<CallId> {
        if let Some(call) = self.whole() {
            return Ok(call);
        }
        let calls = store.calls_named(&self.dashed()).await?;
        self.only(calls.iter().filter_map(|call| call.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "019a3b2c-4d5e-7000-8000-000000000001";
    const OTHER: &str = "019a3b2c-4d5e-7000-8000-0000000000f2";

    fn only(start: &str) -> Result<String, String> {
        let calls = [ONE, OTHER].map(|call| call.parse::<CallId>().unwrap());
        let start: CallStart = start.parse().map_err(str::to_owned)?;
        start.only(calls).map(|call| call.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_start_of_one_call_names_it_with_or_without_dashes() {
        assert_eq!(only("019A3B2C-4d5e-7000-8000-0000000000f").as_deref(), Ok(OTHER));
        assert_eq!(only("019a3b2c4d5e700080000000000000").unwrap_err().lines().count(), 3);
        assert_eq!(only(ONE).as_deref(), Ok(ONE));
    }

    #[test]
    fn a_start_of_several_calls_is_rejected_with_their_list() {
        let error = only("019a").unwrap_err();
        assert!(error.starts_with("2 calls' ids start with 019a; expected: "), "{error}");
        assert!(error.contains(ONE) && error.contains(OTHER), "{error}");
        assert_eq!(only("12").unwrap_err(), "no call's id starts with 12");
        for bad in ["", "xyz", "-", &"0".repeat(33)] {
            assert!(only(bad).unwrap_err().starts_with("expected: "), "{bad}");
        }
    }
}
