//! What must be true when a story is over: of the switchboard, of the records, and of those who took part.

use std::collections::BTreeMap;

use siaga::cdr::fact::{Callee, EndCause, Fact, FactKind, Moment, Role, Side};
use siaga::cdr::{Cdr, Outcome, Talk};
use siaga::clock::Timestamp;
use siaga::ids::{LegNo, OperatorId};
use siaga::switchboard::Gauges;

use super::city::City;
use super::floods::Repelled;
use super::outcomes::Outcomes;
use super::restarts::Survived;
use super::telco::Caller;

/// What a story was made of, to see that it is a good one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) steps: u64,
    pub(crate) calls: u64,
    pub(crate) answered: u64,
    pub(crate) abandoned: u64,
    pub(crate) returned: u64,
    pub(crate) offers: u64,
    pub(crate) transfers: u64,
    pub(crate) passed_on: u64,
    pub(crate) placed: u64,
    pub(crate) joined: u64,
    pub(crate) guests: u64,
    pub(crate) supervised: u64,
    pub(crate) succeeded: u64,
    pub(crate) fallbacks: u64,
    pub(crate) outcomes: Outcomes,
    /// What phones were told of colleagues and by them.
    pub(crate) news: u64,
    /// Requests of strangers in dialogs of others that were rejected.
    pub(crate) forged: u64,
    pub(crate) survived: Survived,
    pub(crate) repelled: Repelled,
    /// A number that differs as soon as anything in the records differs.
    pub(crate) digest: u64,
}

/// Judges a story that is over.
pub(crate) fn judge(city: &City) -> Tally {
    nothing_is_left(city);
    let mut tally = Tally {
        steps: city.steps,
        outcomes: city.outcomes.clone(),
        forged: city.overheard.rejected,
        survived: city.restarts.survived,
        repelled: city.attackers.repelled,
        news: city.phones.iter().map(|phone| u64::from(phone.news())).sum(),
        ..Tally::default()
    };
    let mut talks: BTreeMap<&OperatorId, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    let mut records: BTreeMap<String, Cdr> = BTreeMap::new();
    for (call, facts) in &city.facts {
        let ends = facts.iter().filter(|fact| matches!(fact.kind, FactKind::Ended { .. })).count();
        let placed = facts.iter().any(|fact| matches!(fact.kind, FactKind::Placed { .. }));
        // What an operator had placed when the service was killed has no end, and no record.
        assert!(ends == 1 || ends == 0 && placed && city.story.restarts, "a call ends once: {facts:#?}");
        if facts.iter().any(|fact| matches!(fact.kind, FactKind::Placed { .. })) {
            assert!(Cdr::fold(facts).is_none(), "a call of an operator is no emergency call: {facts:#?}");
            tally.placed += 1;
            continue;
        }
        let cdr = Cdr::fold(facts).unwrap_or_else(|| panic!("no record: {facts:#?}"));
        is_consistent(&cdr, facts);
        let interrupted = cdr.cause == Some(EndCause::Interrupted);
        assert_eq!(interrupted, city.restarts.interrupted.contains(call), "only a kill interrupts: {facts:#?}");
        tally.count(&cdr);
        tally.succeeded += facts.iter().filter(|fact| matches!(fact.kind, FactKind::LeadLeft { .. })).count() as u64;
        let sip_call_id = cdr.sip_call_id.clone();
        // A repeated INVITE is a new call for a new run of the service.
        let first = records.insert(sip_call_id, cdr);
        let ended = first.as_ref().is_none_or(|first| first.cause == Some(EndCause::Interrupted));
        assert!(ended, "one INVITE became two calls: {facts:#?}\n{first:#?}");
        tally.survived.again += u64::from(first.is_some());
    }
    for talk in records.values().flat_map(|cdr| &cdr.talks) {
        if let Callee::Operator(operator) = &talk.with {
            talks.entry(operator).or_default().push((talk.from, talk.to));
        }
    }
    for (operator, mut talks) in talks {
        talks.sort();
        for pair in talks.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{operator} talks with two callers: {pair:?}");
        }
    }
    for caller in &city.callers {
        agrees(city, caller, records.get(&caller.call_id()));
    }
    tally
}

fn nothing_is_left(city: &City) {
    for caller in &city.callers {
        // After a restart no one ends the INVITE of a CANCEL: a real caller gives up after 64*T1 (RFC 3261 §9.1).
        let gives_up = caller.cut_off && caller.is_cancelling();
        // No more does it answer an INVITE whose 200 was lost before the kill: the caller gives up at timer B (RFC 3261 §17.1.1.2).
        let unanswered = city.story.restarts && caller.unwell && caller.is_unanswered();
        assert!(gives_up || unanswered || !caller.is_open(), "a caller hangs on: {caller:#?}");
    }
    for phone in &city.phones {
        assert!(!phone.is_open(), "a phone hangs on: {phone:#?}");
        let runs = !city.story.drained && !city.story.restarts;
        assert!(phone.unheard_registers == 0 || !runs, "its REGISTERs got no response: {phone:#?}");
    }
    assert!(city.sound.is_silent(), "media is left with {:#?}", city.sound);
    if city.story.drained {
        assert!(city.drained_at.is_some(), "the drain never ends");
        return;
    }
    assert!(city.switchboard.is_idle(), "{:?}", city.switchboard.gauges());
    let gauges = city.switchboard.gauges();
    let [offline, ..] = gauges.operators;
    let (operators, ports) = ([offline, 0, 0, 0, 0, 0], gauges.ports);
    let idle = Gauges { operators, ports, accounts_known: true, ..Gauges::default() };
    assert_eq!(gauges, idle);
}

/// The record fits together, and the facts.
fn is_consistent(cdr: &Cdr, facts: &[Fact]) {
    let good = |good: bool, what: &str| assert!(good, "{what}: {cdr:#?}\n{facts:#?}");
    good(cdr.is_closed(), "it is closed");
    good(cdr.breach.is_none(), "no invariant was broken");
    let ended = cdr.ended.unwrap();
    let until = cdr.answered.unwrap_or(ended);
    good(cdr.waited_ms == until.millis_since(cdr.received), "he waited from arrival to answer or end");
    let own: Vec<_> = cdr.talks.iter().filter(|talk| !talk.guest).collect();
    good(cdr.talk_ms == own.iter().map(|talk| talk.to.millis_since(talk.from)).sum::<u64>(), "talk adds up");
    good(
        participant_millis(facts) == cdr.talks.iter().filter(|talk| talk.guest).map(Talk::millis).sum::<u64>(),
        "so does the guests'",
    );
    good(cdr.answered.is_some() != cdr.talks.is_empty(), "an answer is a talk");
    good((cdr.outcome == Some(Outcome::Answered)) == cdr.answered.is_some(), "the outcome fits");
    good(
        cdr.talks.iter().all(|talk| cdr.received <= talk.from && talk.from <= talk.to && talk.to <= ended),
        "in order",
    );
    good(own.windows(2).all(|pair| pair[0].to <= pair[1].from), "one talk at a time");
    good(
        own.iter().rev().skip(1).all(|talk| talk.lost || talk.transferred),
        "a talk before the last goes on elsewhere",
    );
    let returned = usize::try_from(cdr.returned).unwrap();
    let lost = cdr.talks.iter().filter(|talk| talk.lost).count();
    // An operator whose participant does not answer may leave before the NOTIFY, as after a failed transfer.
    let left = facts.iter().filter(|fact| matches!(fact.kind, FactKind::TransferorLeft { .. })).count();
    let lost_leads = facts.iter().filter(|fact| matches!(fact.kind, FactKind::LeadLeft { lost: true, .. })).count();
    let asked = cdr.transfers.len() + left;
    good(lost <= returned + lost_leads, "the caller of a lost leg returns to the queue, or a participant continues");
    good(returned <= lost + asked, "who is returned was lost, or passed on");
    // What a killed service had begun has no end of its own.
    let killed = cdr.cause == Some(EndCause::Interrupted);
    let in_time = |asked: Timestamp, end: Option<Timestamp>| end.map_or(killed, |at| asked <= at && at <= ended);
    good(cdr.transfers.iter().all(|one| in_time(one.asked, one.ended)), "transfers end");
    let passed_on = cdr.talks.iter().filter(|talk| talk.transferred).count();
    let count = |wanted: fn(&FactKind) -> bool| facts.iter().filter(|fact| wanted(&fact.kind)).count();
    let taken = count(|kind| matches!(kind, FactKind::LeadLeft { lost: false, .. } | FactKind::TakenOver { .. }));
    good(
        if cdr.transfers.is_empty() { passed_on == taken + left } else { passed_on > taken || killed },
        "who is passed on has talked",
    );
    good(cdr.talks.last().is_none_or(|talk| !talk.guest), "who has him last is no guest");
    for offer in &cdr.offers {
        good(in_time(offer.offered, offer.ended), "every offer ends before its call");
        let answered = offer.outcome == Some(siaga::cdr::fact::OfferOutcome::Answered);
        let talk = cdr.talks.iter().find(|talk| talk.leg == offer.leg);
        // Who was asked to supervise need not talk, and may do so later.
        let supervised = cdr.guests.iter().any(|one| one.leg == offer.leg && one.role.supervises());
        good(answered == (talk.is_some() || supervised), "an answered offer is a talk, or a supervisor");
        let at_once = |talk: &Talk| supervised || Some(talk.from) == offer.ended;
        good(talk.is_none_or(|talk| talk.with == offer.to && at_once(talk)), "and with the same one");
    }
    let calm = !matches!(cdr.cause, Some(EndCause::ServiceFault | EndCause::NoCapacity | EndCause::Interrupted));
    good(calm || cdr.ended_by == Some(Side::Service), "faults are the service's own");
    let mut seqs: Vec<u32> = facts.iter().map(|fact| fact.id.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    good(seqs.len() == facts.len(), "every fact has a number of its own");
}

/// The time that participants have talked with the caller, computed from the facts alone.
fn participant_millis(facts: &[Fact]) -> u64 {
    let mut since: BTreeMap<LegNo, Moment> = BTreeMap::new();
    let mut millis = 0;
    let mut ordered: Vec<&Fact> = facts.iter().collect();
    ordered.sort_by_key(|fact| fact.id.seq);
    let mut last: Option<Moment> = None;
    for fact in ordered {
        if matches!(fact.kind, FactKind::Ended { cause: EndCause::Interrupted, .. }) {
            // The end of a killed call has only the time of the wall clock: it is counted from the call's last fact.
            let last = last.unwrap_or(fact.moment());
            let rest = fact.at.millis_since(last.at);
            millis += std::mem::take(&mut since).values().map(|from| last.millis_since(*from) + rest).sum::<u64>();
        }
        last = Some(fact.moment());
        let (FactKind::GuestJoined { leg, .. } | FactKind::GuestLeft { leg, .. }) = &fact.kind else { continue };
        millis += since.remove(leg).map_or(0, |from| fact.moment().millis_since(from));
        if matches!(fact.kind, FactKind::GuestJoined { role: Role::Guest | Role::Barger, .. }) {
            since.insert(*leg, fact.moment());
        }
    }
    assert!(since.is_empty(), "every guest leaves before his call ends: {facts:#?}");
    millis
}

/// The record agrees with what the caller has seen.
fn agrees(city: &City, caller: &Caller, cdr: Option<&Cdr>) {
    let Some(cdr) = cdr else {
        let refused = caller.refused == Some(503) && city.story.drained;
        assert!(refused || caller.unwell, "nothing is known of {caller:#?}");
        return;
    };
    let good = |good: bool, what: &str| assert!(good, "{what}: {caller:#?}\n{cdr:#?}");
    let queue_answers = city.settings.calls.answer == siaga::switchboard::AnswerMode::Queue;
    good(!caller.saw_200 || cdr.answered.is_some() || queue_answers, "he was connected");
    good(cdr.sip_status != Some(487) || caller.cancelled, "487 follows a CANCEL");
    good(cdr.cause != Some(EndCause::Abandoned) || caller.cancelled || caller.hung_up, "he gave up");
    good(cdr.ended_by != Some(Side::Caller) || caller.cancelled || caller.hung_up, "he ended it");
    let cut = matches!(cdr.cause, Some(EndCause::CallerSilent | EndCause::CallerLost | EndCause::NoCodec));
    // A caller who has hung up sends no audio: if the BYE is lost, an expired session may end the call first.
    good(!cut || caller.unwell || caller.cut_off || caller.hung_up, "nobody well is cut off");
    let fault = matches!(cdr.cause, Some(EndCause::ServiceFault | EndCause::NoCapacity | EndCause::Interrupted));
    let killed = cdr.cause == Some(EndCause::Interrupted);
    good(!fault || caller.vanished || city.story.drained || killed, "no faults");
    good(cdr.cause != Some(EndCause::OperatorLost) || !city.settings.calls.requeue_on_operator_lost, "he is put back");
    if let Some(status) = caller.refused {
        good(cdr.sip_status == Some(status), "he got the response that is written down");
    }
}

impl Tally {
    fn count(&mut self, cdr: &Cdr) {
        self.calls += 1;
        self.answered += u64::from(cdr.answered.is_some());
        self.abandoned += u64::from(cdr.outcome == Some(Outcome::Abandoned));
        self.returned += u64::from(cdr.returned);
        self.offers += cdr.offers.len() as u64;
        self.fallbacks += u64::from(cdr.nobody_on_shift);
        self.transfers += cdr.transfers.len() as u64;
        let done = |one: &&siaga::cdr::Transfer| one.outcome == Some(siaga::cdr::fact::OfferOutcome::Answered);
        self.joined += cdr.transfers.iter().filter(|one| one.consulted.is_some()).count() as u64;
        self.passed_on += cdr.transfers.iter().filter(done).count() as u64;
        let supervised = cdr.guests.iter().filter(|one| one.role.supervises()).count() as u64;
        self.supervised += supervised;
        self.guests += cdr.guests.len() as u64 - supervised;
        for number in [cdr.waited_ms, cdr.talk_ms, cdr.offers.len() as u64, cdr.call.as_u128() as u64] {
            self.digest = self.digest.wrapping_mul(0x100_0000_01b3) ^ number;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.news += other.news;
        self.forged += other.forged;
        self.survived.add(&other.survived);
        self.repelled.add(&other.repelled);
        self.calls += other.calls;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.returned += other.returned;
        self.offers += other.offers;
        self.fallbacks += other.fallbacks;
        self.outcomes.add(&other.outcomes);
        self.transfers += other.transfers;
        self.passed_on += other.passed_on;
        self.placed += other.placed;
        self.joined += other.joined;
        self.guests += other.guests;
        self.supervised += other.supervised;
        self.succeeded += other.succeeded;
        self.digest ^= other.digest;
    }
}
