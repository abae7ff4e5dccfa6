//! Calls to feature codes and test numbers: siaga itself is the called party.

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::switchboard::phones::stations::PinEntry;
use crate::switchboard::session::Session;
use crate::switchboard::settings::FeatureCodes;
use std::collections::{BTreeMap, BTreeSet};

/// A function that an operator requests by a feature code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Feature {
    LogIn,
    LogOut,
    /// The number of the break reason, from 1; None for the default reason.
    Pause(Option<usize>),
    Resume,
    WrapUp,
}

impl Feature {
    pub(in crate::switchboard) fn dialled(codes: &FeatureCodes, dialled: &[u8]) -> Option<Self> {
        let is = |code: &str| dialled == code.as_bytes();
        if is(&codes.log_in) {
            Some(Self::LogIn)
        } else if is(&codes.log_out) {
            Some(Self::LogOut)
        } else if is(&codes.resume) {
            Some(Self::Resume)
        } else if is(&codes.wrap_up) {
            Some(Self::WrapUp)
        } else {
            match dialled.strip_prefix(codes.pause.as_bytes())? {
                [] => Some(Self::Pause(None)),
                digits @ ([_] | [_, _]) if digits.iter().all(u8::is_ascii_digit) => {
                    Some(Self::Pause(std::str::from_utf8(digits).ok()?.parse().ok()))
                }
                _ => None,
            }
        }
    }
}

/// One service call.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ServiceCall {
    pub(in crate::switchboard) session: Session,
    /// The account of the phone; None for a call from a trunk.
    pub(in crate::switchboard) account: Option<OperatorId>,
    pub(in crate::switchboard) over_at: Instant,
    /// The PIN that is being entered.
    pub(in crate::switchboard) entry: Option<PinEntry>,
}

/// The live service calls of each account.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct ServiceCalls {
    /// The number of the last service call.
    pub(in crate::switchboard::calls) last: u64,
    pub(in crate::switchboard::calls) of: BTreeMap<OperatorId, BTreeSet<u64>>,
}

impl ServiceCalls {
    pub(in crate::switchboard::calls) fn of(&self, account: &OperatorId) -> usize {
        self.of.get(account).map_or(0, BTreeSet::len)
    }

    pub(in crate::switchboard::calls) fn begins(&mut self, account: Option<OperatorId>, phone: u64) {
        if let Some(account) = account {
            self.of.entry(account).or_default().insert(phone);
        }
    }

    pub(in crate::switchboard::calls) fn ends(&mut self, account: Option<OperatorId>, phone: u64) {
        let Some(account) = account else { return };
        let left = self.of.get_mut(&account).map(|calls| {
            calls.remove(&phone);
            calls.len()
        });
        if left == Some(0) {
            self.of.remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_may_be_followed_by_the_number_of_its_reason() {
        let [log_in, log_out, pause, resume, wrap_up] = ["*11", "*12", "*13", "*14", "*15"].map(str::to_owned);
        let codes = FeatureCodes { log_in, log_out, pause, resume, wrap_up, ..FeatureCodes::default() };
        for (dialled, feature) in [
            ("*11", Some(Feature::LogIn)),
            ("*12", Some(Feature::LogOut)),
            ("*13", Some(Feature::Pause(None))),
            ("*131", Some(Feature::Pause(Some(1)))),
            ("*1312", Some(Feature::Pause(Some(12)))),
            ("*13123", None),
            ("*13*", None),
            ("*14", Some(Feature::Resume)),
            ("*15", Some(Feature::WrapUp)),
            ("*151", None),
            ("budi", None),
        ] {
            assert_eq!(Feature::dialled(&codes, dialled.as_bytes()), feature, "{dialled}");
        }
    }
}
