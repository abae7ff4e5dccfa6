//! Computes one record from facts, in any order and any number of times.

use crate::cdr::step::Step;
use crate::cdr::step::Talking;
use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::ids::LegNo;

use super::apart;
use super::fact::{Callee, Fact, FactId, FactKind, Uptime};
use super::participants::Participants;
use super::transfers::Transfers;
use super::{CallBack, Cdr, Choice, Disposition, Erasure, Offer, Outcome, Recording, SilentPrompt, Sound, Talk};

impl Cdr {
    /// Computes the record of one call from its facts, in whatever order and however often they are given. None without a `Received`.
    /// Facts of other calls than the first fact's are ignored.
    pub fn fold(facts: &[Fact]) -> Option<Self> {
        let call = facts.iter().find_map(|fact| fact.call)?;
        let mut once: BTreeMap<FactId, &Fact> = BTreeMap::new();
        for fact in facts.iter().filter(|fact| fact.call == Some(call)) {
            once.entry(fact.id).or_insert(fact);
        }
        // The sequence numbers of the call order its facts, whatever the wall clock did; late facts come after them, by time.
        let mut ordered: Vec<&Fact> = once.into_values().collect();
        ordered.sort_by_key(|fact| {
            let late = fact.id.seq & LATE != 0;
            (late, if late { steady(fact) } else { Timestamp::default() }, fact.id)
        });
        let ordered = timed(&ordered);
        let mut cdr = ordered.iter().find_map(|fact| open(fact))?;
        let mut talking: Talking = None;
        let (mut holds, mut transfers, mut guests) = (Holds::default(), Transfers::default(), Participants::default());
        for fact in &ordered {
            guests.take(fact, &mut cdr);
            cdr.take(fact, &mut talking);
            transfers.take(fact, &mut cdr, &mut talking);
            holds.take(fact);
        }
        cdr.hold_ms = holds.millis;
        guests.close(&mut cdr);
        cdr.close(talking);
        Some(cdr)
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
    fn take(&mut self, fact: &Step<'_>, talking: &mut Talking) {
        let at = fact.at;
        match fact.kind {
            FactKind::Located { location } => {
                match apart::ERASED.iter().position(|fault| location.fault.as_deref() == Some(fault)) {
                    Some(kind) => self.is_position_erased |= kind == 1,
                    None => self.locations.push(location.clone()),
                }
            }
            FactKind::Queued { returned, desk, .. } => {
                if self.queued.is_none() {
                    (self.queued, self.desk) = (Some(at), desk.clone());
                }
                self.returned += u32::from(*returned);
            }
            FactKind::Announced { .. } => {
                self.announced.get_or_insert(at);
            }
            FactKind::Offered { leg, to, why } => {
                self.first_offered.get_or_insert(at);
                self.offers.push(Offer {
                    leg: *leg,
                    to: to.clone(),
                    why: why.clone(),
                    offered: at,
                    rang: None,
                    ended: None,
                    outcome: None,
                    sip_status: None,
                });
            }
            FactKind::Ringing { leg } => {
                if let Some(offer) = self.offer_mut(*leg) {
                    offer.rang.get_or_insert(at);
                }
            }
            FactKind::OfferEnded { leg, outcome, sip_status, .. } => {
                if let Some(offer) = self.offer_mut(*leg) {
                    (offer.ended, offer.outcome, offer.sip_status) = (Some(at), Some(*outcome), *sip_status);
                }
            }
            FactKind::Answered { leg, by } => {
                self.answered.get_or_insert(at);
                self.end_talk(talking.replace((*leg, by.clone(), at)), at, false);
                self.operator = match by {
                    Callee::Operator(operator) => Some(operator.clone()),
                    Callee::Number(_) => None,
                };
            }
            FactKind::OperatorLost { .. } => self.end_talk(talking.take(), at, true),
            FactKind::Ended { by, cause, sip_status, q850 } => {
                // A second end comes from a recovery of a call that had already ended.
                if self.ended.is_none() {
                    self.end_talk(talking.take(), at, false);
                    self.ended = Some(at);
                    (self.ended_by, self.cause) = (Some(*by), Some(*cause));
                    (self.sip_status, self.q850) = (*sip_status, *q850);
                }
            }
            // An operator who transferred the caller, or was lost, may wrap up while others talk: only the last operator's wrap-up counts.
            FactKind::WrappedUp { operator } => {
                if self.operator.as_ref() == Some(operator) {
                    self.wrapped_up = Some(at);
                }
            }
            FactKind::CallerKnown { calls, prank, .. } => (self.calls_of_late, self.known_prank) = (*calls, *prank),
            FactKind::Disposed { class, category, note, by, agency } => {
                let (class, category, note, by) = (*class, category.clone(), note.clone(), by.clone());
                let agency = agency.clone();
                self.disposition = Some(Disposition { class, category, agency, note, by, at });
            }
            FactKind::CalledBack { by, over, outcome, .. } => {
                self.call_backs.push(CallBack { by: by.clone(), over: *over, outcome: *outcome, at });
            }
            FactKind::Recorded { .. } | FactKind::RecordingFailed { .. } | FactKind::Sound { .. } => {
                self.take_sound(fact.kind);
            }
            FactKind::Digit { leg, digit } => self.digits.push((*leg, *digit)),
            FactKind::SilentAsked { by } => self.silent_prompts.push(SilentPrompt { by: by.clone(), at }),
            FactKind::Chosen { digit, text, waiting } => {
                self.choices.push(Choice { digit: *digit, text: text.clone(), waiting: *waiting, at });
            }
            FactKind::Erased { ground, by, recordings, .. } => {
                self.erased = Some(Erasure { at, by: by.clone(), ground: ground.clone() });
                for recording in self.recordings.iter_mut().filter(|one| recordings.contains(&one.file)) {
                    recording.erased = true;
                }
            }
            FactKind::NobodyOnShift => self.nobody_on_shift = true,
            FactKind::Breach { what } => {
                self.breach.get_or_insert_with(|| what.clone());
            }
            FactKind::Received { .. }
            | FactKind::Held { .. }
            | FactKind::Resumed { .. }
            | FactKind::SessionExpired { .. }
            | FactKind::SilentLegPresent { .. }
            | FactKind::TransferAsked { .. }
            | FactKind::TransferDone { .. }
            | FactKind::TransferFailed { .. }
            | FactKind::TransferorLeft { .. }
            | FactKind::TakenOver { .. }
            | FactKind::GuestJoined { .. }
            | FactKind::GuestLeft { .. }
            | FactKind::LeadLeft { .. }
            | FactKind::Placed { .. }
            | FactKind::Started { .. }
            | FactKind::Stopped
            | FactKind::OperatorState { .. }
            | FactKind::Stationed { .. }
            | FactKind::PinRefused { .. }
            | FactKind::PasswordGuessed { .. }
            | FactKind::Commanded { .. }
            | FactKind::CallBackLost
            | FactKind::ModeSet { .. }
            | FactKind::CallerMarked { .. } => {}
        }
    }

    fn take_sound(&mut self, kind: &FactKind) {
        if let FactKind::Recorded { leg, file, sha256, duration_ms, frames_dropped, gaps, repaired } = kind {
            // A start may register a recording again; the first fact has the gaps.
            if self.recordings.iter().any(|known| known.file == *file) {
                return;
            }
            self.recordings.push(Recording {
                leg: *leg,
                file: file.clone(),
                sha256: sha256.clone(),
                duration_ms: *duration_ms,
                frames_dropped: *frames_dropped,
                gaps: gaps.clone(),
                repaired: *repaired,
                erased: false,
            });
        } else if let FactKind::RecordingFailed { why, .. } = kind {
            self.recording_faults.push(why.clone());
        } else if let FactKind::Sound { leg, packets_in, packets_out, packets_lost, packets_foreign, jitter_us } = kind
        {
            self.sound.push(Sound {
                leg: *leg,
                packets_in: *packets_in,
                packets_out: *packets_out,
                packets_lost: *packets_lost,
                packets_foreign: *packets_foreign,
                jitter_us: *jitter_us,
            });
        }
    }

    fn offer_mut(&mut self, leg: LegNo) -> Option<&mut Offer> {
        self.offers.iter_mut().find(|offer| offer.leg == leg)
    }

    fn end_talk(&mut self, talking: Talking, to: Timestamp, lost: bool) {
        if let Some((leg, with, from)) = talking {
            self.talks.push(Talk { leg, with, from, to, lost, transferred: false, guest: false });
        }
    }

    /// Computes the fields that follow from the others.
    fn close(&mut self, talking: Talking) {
        if let Some((_, _, from)) = &talking {
            // The talk is still open: its duration so far is not recorded.
            let from = *from;
            self.end_talk(talking, from, false);
        }
        self.talk_ms = self.talks.iter().filter(|talk| !talk.guest).map(Talk::millis).sum();
        let waited_until = self.answered.or(self.ended);
        self.waited_ms = waited_until.map_or(0, |until| until.millis_since(self.received));
        self.wrap_ms = self.ended.zip(self.wrapped_up).map(|(ended, wrapped_up)| wrapped_up.millis_since(ended));
        self.outcome = self.cause.map(|cause| match self.answered {
            Some(_) => Outcome::Answered,
            None => Outcome::unanswered(cause),
        });
    }
}

/// The facts with their times. A call's clock starts at the wall clock time of its first fact. Within one run it follows the uptime, so
/// that a step of the wall clock changes no duration. From one run to the next it follows the wall clock, and never goes back. Facts
/// without an uptime keep their wall clock time.
fn timed<'f>(ordered: &[&'f Fact]) -> Vec<Step<'f>> {
    let first = ordered.first().and_then(|fact| Some((fact.at, fact.up?)));
    let mut last = first.map(|(at, _)| (at, at));
    let step = |fact: &&'f Fact| {
        let at = match (first, fact.up, last) {
            (Some((at, Uptime(run, from))), Some(Uptime(same, to)), _) if run == same => {
                let at =
                    Timestamp::from_millis(at.as_millis().saturating_add_unsigned(to).saturating_sub_unsigned(from));
                last = Some((at, fact.at));
                at
            }
            (Some(_), _, Some((at, calendar))) => {
                Timestamp::from_millis(at.as_millis().saturating_add_unsigned(fact.at.millis_since(calendar)))
            }
            (Some(_), _, None) | (None, _, _) => fact.at,
        };
        Step { call: fact.call, at, kind: &fact.kind }
    };
    ordered.iter().map(step).collect()
}

/// A time that only increases within a run, whatever the wall clock does.
fn steady(fact: &Fact) -> Timestamp {
    match fact.up {
        Some(Uptime(run, ms)) => Timestamp::from_millis(run.as_millis().saturating_add_unsigned(ms)),
        None => fact.at,
    }
}

/// Legs that have put the other side on hold, the start of the hold, and the total hold time.
#[derive(Default)]
struct Holds {
    by: BTreeSet<LegNo>,
    since: Timestamp,
    millis: u64,
}

impl Holds {
    fn take(&mut self, fact: &Step<'_>) {
        match fact.kind {
            FactKind::Held { leg } => {
                if self.by.is_empty() {
                    self.since = fact.at;
                }
                self.by.insert(*leg);
            }
            FactKind::Resumed { leg } => {
                if self.by.remove(leg) && self.by.is_empty() {
                    self.millis += fact.at.millis_since(self.since);
                }
            }
            // The hold ends with the talk.
            FactKind::OperatorLost { .. }
            | FactKind::TransferAsked { .. }
            | FactKind::TransferorLeft { .. }
            | FactKind::TakenOver { .. }
            | FactKind::LeadLeft { .. }
            | FactKind::Ended { .. } => {
                if !std::mem::take(&mut self.by).is_empty() {
                    self.millis += fact.at.millis_since(self.since);
                }
            }
            FactKind::Received { .. }
            | FactKind::Located { .. }
            | FactKind::CallerKnown { .. }
            | FactKind::Queued { .. }
            | FactKind::Announced { .. }
            | FactKind::Offered { .. }
            | FactKind::Ringing { .. }
            | FactKind::OfferEnded { .. }
            | FactKind::Answered { .. }
            | FactKind::GuestJoined { .. }
            | FactKind::GuestLeft { .. }
            | FactKind::WrappedUp { .. }
            | FactKind::Disposed { .. }
            | FactKind::CalledBack { .. }
            | FactKind::CallBackLost
            | FactKind::Recorded { .. }
            | FactKind::RecordingFailed { .. }
            | FactKind::Sound { .. }
            | FactKind::NobodyOnShift
            | FactKind::SessionExpired { .. }
            | FactKind::SilentLegPresent { .. }
            | FactKind::TransferDone { .. }
            | FactKind::TransferFailed { .. }
            | FactKind::Placed { .. }
            | FactKind::Digit { .. }
            | FactKind::SilentAsked { .. }
            | FactKind::Chosen { .. }
            | FactKind::Breach { .. }
            | FactKind::Erased { .. }
            | FactKind::Started { .. }
            | FactKind::Stopped
            | FactKind::OperatorState { .. }
            | FactKind::Stationed { .. }
            | FactKind::PinRefused { .. }
            | FactKind::PasswordGuessed { .. }
            | FactKind::Commanded { .. }
            | FactKind::ModeSet { .. }
            | FactKind::CallerMarked { .. } => {}
        }
    }
}

/// The bit of `FactId::seq` that marks late facts.
const LATE: u32 = 0x8000_0000;

/// The record that a `Received` opens.
fn open(fact: &Step<'_>) -> Option<Cdr> {
    let FactKind::Received { trunk, asserted, presented, called, sip_call_id, headers, mode, internal } = fact.kind
    else {
        return None;
    };
    Some(Cdr {
        call: fact.call?,
        trunk: trunk.clone(),
        asserted: asserted.clone(),
        presented: presented.clone(),
        called: called.clone(),
        sip_call_id: sip_call_id.clone(),
        headers: headers.clone(),
        mode: *mode,
        internal: internal.clone(),
        calls_of_late: 0,
        known_prank: false,
        locations: Vec::new(),
        desk: String::new(),
        received: fact.at,
        queued: None,
        announced: None,
        first_offered: None,
        answered: None,
        ended: None,
        wrapped_up: None,
        waited_ms: 0,
        talk_ms: 0,
        hold_ms: 0,
        wrap_ms: None,
        operator: None,
        talks: Vec::new(),
        offers: Vec::new(),
        transfers: Vec::new(),
        guests: Vec::new(),
        returned: 0,
        nobody_on_shift: false,
        ended_by: None,
        cause: None,
        sip_status: None,
        q850: None,
        outcome: None,
        disposition: None,
        call_backs: Vec::new(),
        recordings: Vec::new(),
        recording_faults: Vec::new(),
        sound: Vec::new(),
        digits: Vec::new(),
        silent_prompts: Vec::new(),
        choices: Vec::new(),
        breach: None,
        is_position_erased: false,
        erased: None,
    })
}
