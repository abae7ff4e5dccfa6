//! Numbers that are in a call, and the call-back for which a call is placed.

use crate::cdr::fact::OfferOutcome;
use crate::ids::CallId;
use crate::sip::message::Builder;
use crate::sip::wire::Name;
use std::collections::BTreeMap;

/// Minimum number of digits: with `+` or a leading 0, and without. Shorter numbers belong to services.
pub(in crate::switchboard) const DIGITS_MIN: [usize; 2] = [7, 8];

/// The call-back that a placed call makes.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct CallBack {
    /// The unanswered call.
    pub(in crate::switchboard) of: CallId,
    pub(in crate::switchboard) number: String,
    /// The text on the operator's display besides the number: the time of the last call, its wait and the number of calls.
    pub(in crate::switchboard) about: String,
    /// The result of the last attempt over a trunk.
    pub(in crate::switchboard::calls) outcome: Option<(OfferOutcome, Option<u16>)>,
    /// The operator has answered, and the number is called.
    pub(in crate::switchboard::calls) begun: bool,
}

/// Numbers with live emergency calls. A call-back would find them busy.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct NumbersInCall(BTreeMap<String, u32>);

impl NumbersInCall {
    pub(in crate::switchboard) fn add(&mut self, number: Option<&str>) {
        if let Some(number) = number {
            *self.0.entry(number.to_owned()).or_default() += 1;
        }
    }

    pub(in crate::switchboard::calls) fn remove(&mut self, number: &str) {
        let Some(calls) = self.0.get_mut(number) else { return };
        *calls -= 1;
        if *calls == 0 {
            self.0.remove(number);
        }
    }

    pub(in crate::switchboard::calls) fn has(&self, number: &str) -> bool {
        self.0.contains_key(number)
    }

    /// Checks the numbers. `live` are the numbers of all live emergency calls.
    pub(in crate::switchboard) fn verify<'a>(&self, live: impl Iterator<Item = Option<&'a str>>) -> Result<(), String> {
        let mut expected = Self::default();
        live.for_each(|number| expected.add(number));
        if expected.0 == self.0 { Ok(()) } else { Err("the numbers that call are not those of the calls".to_owned()) }
    }
}

impl CallBack {
    /// A call-back that begins when the operator answers their own phone.
    pub(in crate::switchboard::calls) const fn held(of: CallId, number: String, about: String) -> Self {
        Self { of, number, about, outcome: None, begun: false }
    }

    /// Marks the INVITE as a call-back of an answering point, so that no service of the called party blocks it (RFC 7090 §4, RFC 7135).
    pub(in crate::switchboard) fn mark(invite: Builder) -> Builder {
        invite.header(Name::Priority, b"psap-callback").header(Name::ResourcePriority, b"esnet.0")
    }
}
