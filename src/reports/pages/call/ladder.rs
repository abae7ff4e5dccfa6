//! The messages of a call as a ladder. Facts have no SIP messages; each arrow is the message that such a fact stands for.

use crate::cdr::fact::{EndCause, Fact, FactKind, OfferOutcome, Side};
use crate::web::chart::Message;

use super::parties::Parties;

const CALLER: usize = 0;
const SIAGA: usize = 1;
/// More messages would be no picture any more; the table has them all.
const MESSAGES_MAX: usize = 120;

/// The messages, and how many were left out.
pub(super) fn messages(facts: &[Fact], parties: &Parties<'_>, time: impl Fn(&Fact) -> String) -> (Vec<Message>, usize) {
    let (mut all, mut drawn) = (Vec::new(), Drawn { parties, is_answered: false, column: None });
    for fact in facts {
        let time = time(fact);
        let arrows = drawn.arrows(&fact.kind);
        all.extend(arrows.into_iter().map(|(from, to, text, is_bad)| Message {
            time: time.clone(),
            from,
            to,
            text,
            is_bad,
        }));
    }
    let left_out = all.len().saturating_sub(MESSAGES_MAX);
    all.truncate(MESSAGES_MAX);
    (all, left_out)
}

type Arrow = (usize, usize, String, bool);

struct Drawn<'a> {
    parties: &'a Parties<'a>,
    /// True after a 200 to the caller.
    is_answered: bool,
    /// The column of the party that has the caller.
    column: Option<usize>,
}

impl Drawn<'_> {
    fn arrows(&mut self, kind: &FactKind) -> Vec<Arrow> {
        let at = |leg| self.parties.column_of_leg(leg);
        let arrow = |from, to, text: &str| vec![(from, to, text.to_owned(), false)];
        if let FactKind::Received { called, .. } = kind {
            return arrow(CALLER, SIAGA, &format!("INVITE {called}"));
        } else if let FactKind::Announced { early } = kind {
            self.is_answered |= !early;
            return arrow(SIAGA, CALLER, if *early { "183" } else { "200" });
        } else if let FactKind::Offered { to, .. } = kind {
            return self.parties.column(to).map(|to| arrow(SIAGA, to, "INVITE")).unwrap_or_default();
        } else if let FactKind::Ringing { leg } = kind {
            return at(*leg).map(|from| arrow(from, SIAGA, "180")).unwrap_or_default();
        } else if let FactKind::OfferEnded { leg, outcome, sip_status, .. } = kind {
            return at(*leg).map(|column| vec![offer_ended(column, *outcome, *sip_status)]).unwrap_or_default();
        } else if let FactKind::Answered { leg, .. } = kind {
            self.column = at(*leg);
            let is_first = !std::mem::replace(&mut self.is_answered, true);
            return if is_first { arrow(SIAGA, CALLER, "200") } else { Vec::new() };
        } else if let FactKind::Ended { by, cause, sip_status, .. } = kind {
            return self.ended(*by, *cause, *sip_status);
        }
        self.talk_arrows(kind)
    }

    /// What happens while the caller talks.
    fn talk_arrows(&mut self, kind: &FactKind) -> Vec<Arrow> {
        let at = |leg| self.parties.column_of_leg(leg);
        let one = |arrow: Option<Arrow>| arrow.into_iter().collect();
        let language = self.parties.language;
        if let FactKind::OperatorLost { leg, .. } = kind {
            one(at(*leg).map(|from| (from, SIAGA, language.text("ladder-lost"), true)))
        } else if let FactKind::TransferAsked { leg, .. } = kind {
            one(at(*leg).map(|from| (from, SIAGA, "REFER".to_owned(), false)))
        } else if let FactKind::TransferDone { by, .. } = kind {
            let by = crate::cdr::fact::Callee::Operator(by.clone());
            one(self.parties.column(&by).map(|to| (SIAGA, to, "BYE".to_owned(), false)))
        } else if let FactKind::GuestJoined { who, .. } = kind {
            one(self.parties.column(who).map(|from| (from, SIAGA, language.text("ladder-joins"), false)))
        } else if let FactKind::GuestLeft { who, .. } = kind {
            one(self.parties.column(who).map(|from| (from, SIAGA, "BYE".to_owned(), false)))
        } else if let FactKind::Held { leg } | FactKind::Resumed { leg } = kind {
            let key = if matches!(kind, FactKind::Held { .. }) { "ladder-hold" } else { "ladder-resume" };
            one(at(*leg).map(|from| (from, SIAGA, language.text(key), false)))
        } else if let FactKind::Digit { leg, digit } = kind {
            one(at(*leg).map(|from| (from, SIAGA, format!("DTMF {digit}"), false)))
        } else if let FactKind::Queued { returned: true, .. } = kind {
            self.column = None;
            Vec::new()
        } else {
            Vec::new()
        }
    }

    fn ended(&self, by: Side, cause: EndCause, sip_status: Option<u16>) -> Vec<Arrow> {
        let arrow = |from, to, text: &str, is_bad| (from, to, text.to_owned(), is_bad);
        let status = sip_status.map_or("BYE".to_owned(), |status| status.to_string());
        let is_bad = match cause {
            EndCause::Normal | EndCause::Abandoned => false,
            EndCause::CallerSilent
            | EndCause::CallerLost
            | EndCause::OperatorLost
            | EndCause::NoCapacity
            | EndCause::NoCodec
            | EndCause::ServiceFault
            | EndCause::Interrupted
            | EndCause::Unknown => true,
        };
        match (by, self.column) {
            (Side::Caller, Some(column)) => {
                vec![arrow(CALLER, SIAGA, "BYE", is_bad), arrow(SIAGA, column, "BYE", is_bad)]
            }
            (Side::Caller, None) => {
                vec![arrow(CALLER, SIAGA, if self.is_answered { "BYE" } else { "CANCEL" }, is_bad)]
            }
            (Side::Operator, Some(column)) => {
                vec![arrow(column, SIAGA, "BYE", is_bad), arrow(SIAGA, CALLER, "BYE", is_bad)]
            }
            (Side::Operator, None) => vec![arrow(SIAGA, CALLER, "BYE", is_bad)],
            (Side::Service, Some(column)) => {
                vec![arrow(SIAGA, CALLER, "BYE", is_bad), arrow(SIAGA, column, "BYE", is_bad)]
            }
            (Side::Service, None) => vec![arrow(SIAGA, CALLER, &status, is_bad)],
        }
    }
}

fn offer_ended(column: usize, outcome: OfferOutcome, sip_status: Option<u16>) -> Arrow {
    let status = |usual: &str| sip_status.map_or(usual.to_owned(), |status| status.to_string());
    match outcome {
        OfferOutcome::Answered => (column, SIAGA, status("200"), false),
        OfferOutcome::Busy => (column, SIAGA, status("486"), true),
        OfferOutcome::Rejected => (column, SIAGA, status("4xx"), true),
        OfferOutcome::Redirected => (column, SIAGA, status("302"), true),
        OfferOutcome::Unreachable => (SIAGA, column, "✕".to_owned(), true),
        OfferOutcome::NoAnswer => (SIAGA, column, "CANCEL".to_owned(), true),
        OfferOutcome::CallerLeft | OfferOutcome::LostRace | OfferOutcome::Withdrawn => {
            (SIAGA, column, "CANCEL".to_owned(), false)
        }
    }
}
