//! The facts of a call in words, in the order in which they happened.

use crate::cdr::fact::{Callee, Fact, FactKind, OfferOutcome};
use crate::clock::Timestamp;
use crate::web::format::{duration, number};

use super::parties::Parties;
use super::why::why;

/// The top bit of the number of a fact that was added after the call's end.
const LATE: u32 = 1 << 31;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub at: Timestamp,
    pub what: String,
    pub detail: String,
    pub is_bad: bool,
    /// True if it explains why the caller waited.
    pub explains_wait: bool,
}

/// Sorts facts as the record takes them: by number, and those after the end by time.
pub(super) fn sort(facts: &mut [Fact]) {
    facts.sort_by_key(|fact| {
        let late = fact.id.seq & LATE != 0;
        (late, if late { fact.at } else { Timestamp::default() }, fact.id)
    });
}

/// The lines of sorted facts.
pub(super) fn lines(facts: &[Fact], parties: &Parties<'_>) -> Vec<Line> {
    let mut has_answer = false;
    let line = |fact: &Fact| {
        let (what, detail) = described(&fact.kind, parties);
        let waits = matches!(
            fact.kind,
            FactKind::Queued { .. }
                | FactKind::Offered { .. }
                | FactKind::OfferEnded { .. }
                | FactKind::Answered { .. }
                | FactKind::NobodyOnShift
                | FactKind::CallerKnown { .. }
                | FactKind::Ended { .. }
        );
        // The end of a ring attempt that was answered is the answer, which has a line of its own.
        let is_answer = matches!(fact.kind, FactKind::OfferEnded { outcome: OfferOutcome::Answered, .. });
        let explains_wait = waits && !is_answer && !has_answer;
        has_answer |= matches!(fact.kind, FactKind::Answered { .. });
        Line { at: fact.at, what, detail, is_bad: is_bad(&fact.kind), explains_wait }
    };
    facts.iter().map(line).collect()
}

fn is_bad(kind: &FactKind) -> bool {
    if let FactKind::OfferEnded { outcome, .. } = kind {
        return match outcome {
            OfferOutcome::NoAnswer
            | OfferOutcome::Busy
            | OfferOutcome::Rejected
            | OfferOutcome::Redirected
            | OfferOutcome::Unreachable => true,
            OfferOutcome::Answered | OfferOutcome::CallerLeft | OfferOutcome::LostRace | OfferOutcome::Withdrawn => {
                false
            }
        };
    }
    matches!(
        kind,
        FactKind::OperatorLost { .. }
            | FactKind::TransferFailed { .. }
            | FactKind::NobodyOnShift
            | FactKind::RecordingFailed { .. }
            | FactKind::Breach { .. }
            | FactKind::CallBackLost
    )
}

/// What happened, and more about it.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
fn described(kind: &FactKind, parties: &Parties<'_>) -> (String, String) {
    let language = parties.language;
    let text = |key: &str| language.text(key);
    let with = |key: &str, name: &str, value: &str| language.with(key, &[(name, value)]);
    let status = |status: Option<u16>| status.map(|status| status.to_string()).unwrap_or_default();
    let none = String::new();
    match kind {
        FactKind::Received { trunk, called, .. } if trunk.is_empty() => {
            (with("fact-received", "called", called), text("trunk-none"))
        }
        FactKind::Received { trunk, called, .. } => (with("fact-received", "called", called), trunk.clone()),
        FactKind::Located { location } => (text("fact-located"), location.brief()),
        FactKind::CallerKnown { calls, minutes, prank } => {
            let values = [("calls", calls.to_string()), ("minutes", minutes.to_string())];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            let known = language.with("fact-caller-known", &values);
            (known, if *prank { text("fact-caller-prank") } else { none })
        }
        FactKind::Queued { desk, returned, priority } => {
            let desk = crate::reports::pages::calls::columns::desk_text(desk, language);
            let key = if *returned { "fact-queued-again" } else { "fact-queued" };
            let rank = if *priority == 0 { none } else { with("fact-priority", "priority", &priority.to_string()) };
            (with(key, "desk", &desk), rank)
        }
        FactKind::Announced { early } => {
            (text("fact-announced"), if *early { text("fact-announced-early") } else { text("fact-announced-answer") })
        }
        FactKind::Offered { to, why: reason, .. } => {
            (with("fact-offered", "who", &parties.name(to)), why(reason, parties))
        }
        FactKind::Ringing { leg } => (with("fact-ringing", "who", &parties.at(*leg)), none),
        FactKind::OfferEnded { to, outcome, sip_status, .. } => {
            (with(&format!("offer-{}", outcome.word()), "who", &parties.name(to)), status(*sip_status))
        }
        FactKind::Answered { by, .. } => (with("fact-answered", "who", &parties.name(by)), none),
        FactKind::OperatorLost { operator, sip_status, .. } => {
            (with("fact-operator-lost", "who", &parties.operator(operator.as_str())), status(*sip_status))
        }
        FactKind::TransferAsked { by, to, consulted, .. } => {
            let values = [("who", parties.operator(by.as_str())), ("to", parties.target(to))];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            let consulted = if consulted.is_some() { text("fact-consulted") } else { none };
            (language.with("fact-transfer-asked", &values), consulted)
        }
        FactKind::TransferDone { to, .. } => (with("fact-transfer-done", "to", &parties.target(to)), none),
        FactKind::TransferFailed { to, why, sip_status, back, .. } => {
            let reason = with(&format!("offer-{}", why.word()), "who", &parties.target(to));
            let back = text(if *back { "fact-transfer-back" } else { "fact-transfer-waits" });
            (with("fact-transfer-failed", "to", &parties.target(to)), format!("{reason} ({sip_status}); {back}"))
        }
        FactKind::TransferorLeft { operator, .. } => {
            (with("fact-transferor-left", "who", &parties.operator(operator.as_str())), none)
        }
        FactKind::TakenOver { leg, by } => {
            (with("fact-taken-over", "who", &parties.operator(by.as_str())), parties.at(*leg))
        }
        FactKind::GuestJoined { who, role, .. } => {
            (with(&format!("fact-joined-{}", role_word(*role)), "who", &parties.name(who)), none)
        }
        FactKind::GuestLeft { who, .. } => (with("fact-guest-left", "who", &parties.name(who)), none),
        FactKind::LeadLeft { who, lost, .. } => {
            (with(if *lost { "fact-operator-lost" } else { "fact-guest-left" }, "who", &parties.name(who)), none)
        }
        FactKind::Ended { by, cause, sip_status, q850 } => {
            let mut more = vec![text(&format!("cause-{}", cause.word())), status(*sip_status)];
            more.extend(q850.map(|code| format!("Q.850 {code}")));
            more.retain(|part| !part.is_empty());
            (text(&format!("fact-ended-{}", by.word())), more.join(", "))
        }
        FactKind::WrappedUp { operator } => {
            (with("fact-wrapped-up", "who", &parties.operator(operator.as_str())), none)
        }
        FactKind::Disposed { class, category, note, by, agency } => {
            let mut more = vec![text(&format!("class-{}", class.word()))];
            more.extend([category, agency, note].into_iter().flatten().cloned());
            (with("fact-disposed", "who", &parties.operator(by)), more.join(" · "))
        }
        FactKind::CalledBack { by, outcome, sip_status, .. } => {
            let reached =
                text(if *outcome == OfferOutcome::Answered { "called-back-reached" } else { "called-back-missed" });
            let status = status(*sip_status);
            let detail = if status.is_empty() { reached } else { format!("{reached}, {status}") };
            (with("fact-called-back", "who", &parties.operator(by.as_str())), detail)
        }
        FactKind::CallBackLost => (text("fact-call-back-lost"), none),
        FactKind::Recorded { leg, duration_ms, .. } => {
            (with("fact-recorded", "who", &parties.at(*leg)), duration(*duration_ms))
        }
        FactKind::RecordingFailed { why, .. } => (text("fact-recording-failed"), why.clone()),
        FactKind::Sound { leg, packets_in, packets_lost, .. } => {
            let values = [("received", number(*packets_in, language)), ("lost", number(*packets_lost, language))];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            (with("fact-sound", "who", &parties.at(*leg)), language.with("fact-sound-detail", &values))
        }
        FactKind::NobodyOnShift => (text("fact-nobody-on-shift"), none),
        FactKind::Held { leg } => (with("fact-held", "who", &parties.at(*leg)), none),
        FactKind::Resumed { leg } => (with("fact-resumed", "who", &parties.at(*leg)), none),
        FactKind::SessionExpired { leg, kept } => (
            with("fact-session-expired", "who", &parties.at(*leg)),
            text(if *kept { "fact-session-kept" } else { "fact-session-ended" }),
        ),
        FactKind::SilentLegPresent { leg, sip_status } => {
            (with("fact-silent-leg", "who", &parties.at(*leg)), sip_status.to_string())
        }
        FactKind::Digit { leg, digit } => (with("fact-digit", "who", &parties.at(*leg)), digit.to_string()),
        FactKind::SilentAsked { by } => {
            (text("fact-silent-asked"), by.as_ref().map(|by| parties.operator(by)).unwrap_or_default())
        }
        FactKind::Chosen { digit, text: meaning, .. } => {
            (with("fact-chosen", "digit", &digit.to_string()), meaning.clone())
        }
        FactKind::Breach { what } => (text("fact-breach"), what.clone()),
        FactKind::Erased { ground, by, .. } => (with("fact-erased", "who", &parties.operator(by)), ground.clone()),
        FactKind::Placed { by, to, .. } => {
            (with("fact-placed", "who", &parties.operator(by.as_str())), parties.name(to))
        }
        FactKind::Started { .. }
        | FactKind::Stopped
        | FactKind::CallerMarked { .. }
        | FactKind::ModeSet { .. }
        | FactKind::OperatorState { .. }
        | FactKind::Stationed { .. }
        | FactKind::PinRefused { .. }
        | FactKind::PasswordGuessed { .. }
        | FactKind::Commanded { .. } => (kind.word().to_owned(), none),
    }
}

fn role_word(role: crate::cdr::fact::Role) -> &'static str {
    use crate::cdr::fact::Role;
    match role {
        Role::Guest => "guest",
        Role::Listener => "listener",
        Role::Whisperer => "whisperer",
        Role::Barger => "barger",
    }
}

/// Who talked with the caller, for the title: the first operator, and the number that had the caller last.
pub(super) fn title_parties(talks: &[crate::cdr::Talk]) -> (Option<&Callee>, Option<&Callee>) {
    let mut own = talks.iter().filter(|talk| !talk.guest).map(|talk| &talk.with);
    let first = own.next();
    let last = own.next_back().filter(|last| Some(*last) != first);
    (first, last)
}
