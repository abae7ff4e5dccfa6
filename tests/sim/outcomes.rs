//! What a story was made of, counted as the network saw it: a story in which a race never happens shows nothing of it.

use std::collections::BTreeMap;

use siaga::acd::OperatingMode;
use siaga::cdr::fact::{EndCause, FactKind, OfferOutcome, Side};
use siaga::ids::CallId;

/// Everything that a long run must have seen, and the source of each.
pub(crate) const WANTED: [&str; 37] = [
    "a station that is taken",
    "a station that is left",
    "a wrong PIN",
    "401 or 407 of theirs in a dialog",
    "422 of ours",
    "422 of theirs",
    "422 of theirs to a first INVITE",
    "481 of ours",
    "481 of theirs",
    "491 of ours",
    "491 of theirs",
    "500 of ours",
    "500 of theirs",
    "PRACK of ours",
    "PRACK of theirs",
    "UPDATE of ours",
    "UPDATE of theirs",
    "hold begun",
    "hold over",
    "re-INVITE of ours",
    "re-INVITE of theirs",
    "refresh of ours taken",
    "refresh of theirs taken",
    "request of ours with credentials in a dialog",
    "session expired, and the call with it",
    "session expired, and the call kept",
    "INVITE of ours with Min-SE",
    "a drill",
    "a house that is left",
    "a major incident",
    "a call offered out of turn, and answered",
    "a supervisor asked in, and come",
    "a supervisor asked to take over",
    "a call placed for an operator",
    "a call placed for an operator, who did not come",
    "a call placed for an operator, who came and talked",
    "a call-back placed for an operator",
];

/// So often each was seen; and the legs that ring by an order, with what it is when they are answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes(BTreeMap<&'static str, u64>, BTreeMap<(Option<CallId>, u32), &'static str>);

impl Outcomes {
    /// A message goes onto the line: of the service, or to it.
    pub(crate) fn said(&mut self, ours: bool, text: &str) {
        let (start, fields) = text.split_once("\r\n").unwrap();
        let pick = |of_ours, of_theirs| if ours { of_ours } else { of_theirs };
        let in_dialog = || field(fields, "To").is_some_and(|to| to.contains("tag="));
        let kind = match start.strip_prefix("SIP/2.0 ").map(|rest| &rest[..3]) {
            Some("422") if !ours && field(fields, "CSeq") == Some("1 INVITE") => "422 of theirs to a first INVITE",
            Some("422") => pick("422 of ours", "422 of theirs"),
            Some("481") => pick("481 of ours", "481 of theirs"),
            Some("491") => pick("491 of ours", "491 of theirs"),
            Some("500") => pick("500 of ours", "500 of theirs"),
            Some("401" | "407") if !ours && fields.contains("CSeq: ") && !fields.contains("REGISTER") => {
                "401 or 407 of theirs in a dialog"
            }
            Some("200") if field(fields, "Session-Expires").is_some() => {
                if field(fields, "CSeq") == Some("1 INVITE") {
                    return;
                }
                pick("refresh of theirs taken", "refresh of ours taken")
            }
            Some(_) => return,
            None => match start.split(' ').next().unwrap() {
                "PRACK" => pick("PRACK of ours", "PRACK of theirs"),
                _ if ours && fields.contains("Authorization: ") && in_dialog() => {
                    "request of ours with credentials in a dialog"
                }
                "UPDATE" => pick("UPDATE of ours", "UPDATE of theirs"),
                "INVITE" if in_dialog() => pick("re-INVITE of ours", "re-INVITE of theirs"),
                "INVITE" if ours && field(fields, "Min-SE").is_some() => "INVITE of ours with Min-SE",
                _ => return,
            },
        };
        self.count(kind);
    }

    pub(crate) fn fact(&mut self, call: Option<CallId>, kind: &FactKind) {
        match kind {
            FactKind::Held { .. } => self.count("hold begun"),
            FactKind::Resumed { .. } => self.count("hold over"),
            FactKind::SessionExpired { kept: true, .. } => self.count("session expired, and the call kept"),
            FactKind::SessionExpired { kept: false, .. } => self.count("session expired, and the call with it"),
            FactKind::SilentLegPresent { .. } => self.count("silent, and the call kept"),
            FactKind::ModeSet { mode: OperatingMode::MajorIncident, .. } => self.count("a major incident"),
            FactKind::ModeSet { mode: OperatingMode::Drill, .. } => self.count("a drill"),
            FactKind::ModeSet { mode: OperatingMode::Fallback, .. } => self.count("a house that is left"),
            FactKind::Stationed { operator: Some(_), .. } => self.count("a station that is taken"),
            FactKind::Stationed { operator: None, .. } => self.count("a station that is left"),
            FactKind::PinRefused { .. } => self.count("a wrong PIN"),
            FactKind::Placed { of, ordered_by: Some(_), .. } => {
                self.1.insert((call, 0), "a call placed for an operator");
                self.count("a call placed for an operator");
                if of.is_some() {
                    self.count("a call-back placed for an operator");
                }
            }
            FactKind::Answered { .. } if self.1.contains_key(&(call, 0)) => {
                self.count("a call placed for an operator, who came and talked");
            }
            FactKind::Ended { by: Side::Caller, cause: EndCause::Abandoned, sip_status, .. }
                if self.1.remove(&(call, 0)).is_some() && *sip_status != Some(487) =>
            {
                self.count("a call placed for an operator, who did not come");
            }
            FactKind::Offered { leg, why, .. } if why.starts_with("asked to ") => {
                self.1.insert((call, leg.0), "a supervisor asked in, and come");
                if why.starts_with("asked to take-over") {
                    self.count("a supervisor asked to take over");
                }
            }
            FactKind::Offered { leg, why, .. } if why.starts_with("out of turn") => {
                self.1.insert((call, leg.0), "a call offered out of turn, and answered");
            }
            FactKind::OfferEnded { leg, outcome, .. } => {
                let kind = self.1.remove(&(call, leg.0));
                kind.filter(|_| *outcome == OfferOutcome::Answered).into_iter().for_each(|kind| self.count(kind));
            }
            _ => {}
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (kind, times) in &other.0 {
            *self.0.entry(kind).or_default() += times;
        }
    }

    /// What was never seen.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        WANTED.into_iter().filter(|kind| !self.0.contains_key(kind)).collect()
    }

    fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }
}

/// A header field as both sides of the simulator write it.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let head = fields.split("\r\n\r\n").next()?;
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
