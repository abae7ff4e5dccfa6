//! One call of the synthetic city: from its arrival to its call-back.

use std::collections::BTreeMap;

use crate::acd::OperatingMode;
use crate::cdr::fact::{Callee, Class, Destination, EndCause, Fact, FactKind, OfferOutcome, Role, Side};
use crate::ids::{LegNo, OperatorId};
use crate::sip::location::{Location, Shape, Source};

use super::callers::{AGAIN_MINUTES, Caller};
use super::script::Script;
use super::words::{self, Category};
use super::{City, draw};

const SECOND: i64 = 1_000;
/// How long a phone rings before the next operator is rung.
const RING: i64 = 20 * SECOND;
/// How long an operator rests who has not answered.
const REST: i64 = 10 * SECOND;
const ATTEMPTS: u32 = 5;
/// An abandoned call that waited less is not called back.
const SHORT: i64 = 5 * SECOND;

/// The operator who answered, and when.
struct Answer {
    post: usize,
    operator: OperatorId,
    leg: LegNo,
    at: i64,
}

impl City {
    /// The facts of a call, and those of its call-back.
    pub(super) fn call(&mut self, at: i64, class: Class, mode: OperatingMode) -> Vec<Vec<Fact>> {
        let mut script = Script::new(at, &mut self.rng);
        let caller = self.callers.next(class, at, &mut self.rng);
        self.arrive(&mut script, at, &caller, mode);
        let gives_up = at + self.patience(class);
        let mut streams = Vec::new();
        match self.ring(&mut script, at + 3, gives_up) {
            Some(answer) => self.talk(&mut script, &answer, class),
            None => {
                let (by, cause) = (Side::Caller, EndCause::Abandoned);
                script.then(gives_up, FactKind::Ended { by, cause, sip_status: Some(487), q850: None });
                let calls_back = caller.number.is_some() && gives_up - at >= SHORT && draw::chance(&mut self.rng, 60);
                streams.extend(if calls_back { self.call_back(&mut script, gives_up) } else { None });
            }
        }
        streams.insert(0, script.into_facts());
        streams
    }

    fn arrive(&mut self, script: &mut Script, at: i64, caller: &Caller, mode: OperatingMode) {
        let rng = &mut self.rng;
        let trunk = draw::weighted(rng, &words::TRUNKS, |(_, percent)| *percent).map_or("", |(name, _)| *name);
        let desk = draw::weighted(rng, &words::DESKS, |(_, _, percent)| *percent);
        let (called, desk) = desk.map_or(("112", ""), |(called, desk, _)| (*called, *desk));
        let sip_call_id = format!("{}@{trunk}.demo", rng.token());
        let received = FactKind::Received {
            trunk: trunk.to_owned(),
            asserted: caller.number.clone(),
            presented: None,
            called: called.to_owned(),
            sip_call_id,
            headers: Vec::new(),
            mode,
            internal: None,
        };
        script.then(at, received);
        if draw::chance(rng, 55) {
            script.then(at, FactKind::Located { location: location(rng) });
        }
        if caller.calls > 1 {
            let (calls, prank) = (caller.calls, caller.known_prank);
            script.then(at, FactKind::CallerKnown { calls, minutes: AGAIN_MINUTES, prank });
        }
        script.then(at + 2, FactKind::Queued { priority: 0, desk: desk.to_owned(), returned: false });
    }

    /// How long a caller waits before they hang up.
    fn patience(&mut self, class: Class) -> i64 {
        let rng = &mut self.rng;
        if class.is_exercise() {
            return 900 * SECOND;
        }
        // A call by mistake ends at once.
        let mean = match class {
            _ if draw::chance(rng, 14) => 2_500,
            Class::Ghost => 6 * SECOND,
            Class::Prank => 35 * SECOND,
            Class::Normal | Class::Information | Class::Test | Class::Drill => 150 * SECOND,
        };
        300 + draw::about(rng, mean)
    }

    /// Rings one operator after the other. None if the caller gives up before.
    fn ring(&mut self, script: &mut Script, mut from: i64, gives_up: i64) -> Option<Answer> {
        for leg in (1..=ATTEMPTS).map(LegNo) {
            let (post, free) = self.crew.next()?;
            let operator = self.crew.operator(post)?;
            let offered = from.max(free + 100);
            if offered >= gives_up {
                return None;
            }
            let to = Callee::Operator(operator.clone());
            script.then(offered, FactKind::Offered { leg, to: to.clone(), why: "longest-idle".to_owned() });
            self.crew.change(post, offered, "offered", None);
            let rings = offered + 180;
            if rings < gives_up {
                script.then(rings, FactKind::Ringing { leg });
            }
            let (outcome, sip_status, ended) = match self.rng.below(1_000) {
                0..35 => (OfferOutcome::NoAnswer, None, offered + RING),
                35..50 => (OfferOutcome::Rejected, Some(603), rings + draw::about(&mut self.rng, 2 * SECOND)),
                _ => (OfferOutcome::Answered, Some(200), rings + 900 + draw::about(&mut self.rng, 3 * SECOND)),
            };
            if gives_up <= ended {
                let outcome = OfferOutcome::CallerLeft;
                script.then(gives_up, FactKind::OfferEnded { leg, to, outcome, sip_status: Some(487) });
                self.free(post, gives_up, gives_up);
                return None;
            }
            script.then(ended, FactKind::OfferEnded { leg, to: to.clone(), outcome, sip_status });
            if outcome == OfferOutcome::Answered {
                script.then(ended, FactKind::Answered { leg, by: to });
                return Some(Answer { post, operator, leg, at: ended });
            }
            self.free(post, ended, ended + REST);
            from = ended + 20;
        }
        None
    }

    /// The operator is ready again; the next ring attempt is not before `rested`.
    fn free(&mut self, post: usize, at: i64, rested: i64) {
        self.crew.change(post, at, "ready", None);
        self.crew.busy_until(post, rested);
    }

    fn talk(&mut self, script: &mut Script, answer: &Answer, class: Class) {
        self.crew.change(answer.post, answer.at, "talking", None);
        let rng = &mut self.rng;
        let (least, mean) = match class {
            Class::Normal => (25 * SECOND, 60 * SECOND),
            Class::Information => (15 * SECOND, 40 * SECOND),
            Class::Prank => (4 * SECOND, 12 * SECOND),
            Class::Ghost => (3 * SECOND, 8 * SECOND),
            Class::Test => (8 * SECOND, 6 * SECOND),
            Class::Drill => (60 * SECOND, 60 * SECOND),
        };
        let ends = answer.at + least + draw::about(rng, mean);
        let category = draw::weighted(rng, &words::CATEGORIES, |of| of.weight);
        if class == Class::Normal && draw::chance(rng, 6) {
            let leg = LegNo::CALLER;
            script.then(answer.at + 5 * SECOND, FactKind::Held { leg });
            script.then(answer.at + draw::between(rng, 7 * SECOND, 24 * SECOND), FactKind::Resumed { leg });
        }
        let agency = category.filter(|_| class == Class::Normal);
        let mut freed = ends;
        let is_transferred = match agency {
            Some(agency) if draw::chance(rng, 12) => {
                freed = answer.at + 25 * SECOND;
                transfer(script, answer, agency, freed);
                true
            }
            Some(agency) if draw::chance(rng, 4) => {
                join(script, answer, agency, ends);
                false
            }
            Some(_) | None => false,
        };
        let (by, cause) = (if draw::chance(rng, 70) { Side::Caller } else { Side::Operator }, EndCause::Normal);
        let ends = if is_transferred { ends + 30 * SECOND } else { ends };
        script.then(ends, FactKind::Ended { by, cause, sip_status: None, q850: Some(16) });
        self.crew.change(answer.post, freed, "wrap-up", None);
        let done = freed + 2 * SECOND + draw::about(&mut self.rng, 14 * SECOND).min(120 * SECOND);
        self.dispose(script, &answer.operator, class, agency, done.max(ends) - 500);
        if !is_transferred {
            script.late(done, FactKind::WrappedUp { operator: answer.operator.clone() });
        }
        self.free(answer.post, done, done);
    }

    /// The operator classes most calls.
    fn dispose(&mut self, script: &mut Script, operator: &OperatorId, class: Class, real: Option<&Category>, at: i64) {
        let rng = &mut self.rng;
        if !class.is_exercise() && draw::chance(rng, 7) {
            return;
        }
        let question = draw::one_of(rng, &words::QUESTIONS).and_then(|no| words::QUESTIONS.get(no)).copied();
        let category = real.map(|of| of.name).or(question.filter(|_| class == Class::Information)).map(str::to_owned);
        let agency = real.map(|of| of.agency.to_owned());
        let by = operator.to_string();
        script.late(at, FactKind::Disposed { class, category, note: None, by, agency });
    }

    /// Calls the number of an abandoned call back. Returns the facts of the placed call.
    fn call_back(&mut self, script: &mut Script, given_up: i64) -> Option<Vec<Fact>> {
        let (post, free) = self.crew.next()?;
        let by = self.crew.operator(post)?;
        let rng = &mut self.rng;
        let at = free.max(given_up) + draw::between(rng, 60 * SECOND, 1_200 * SECOND);
        let mut placed = Script::new(at, rng);
        let reached = draw::chance(rng, 55);
        let (outcome, sip_status) =
            if reached { (OfferOutcome::Answered, Some(200)) } else { (OfferOutcome::NoAnswer, Some(480)) };
        let to = Callee::Number("callback".to_owned());
        let (sip_call_id, of) = (format!("{}@demo", rng.token()), Some(script.call));
        placed.then(at, FactKind::Placed { by: by.clone(), to, sip_call_id, of, ordered_by: None });
        let ended = at + 8 * SECOND + if reached { draw::about(rng, 40 * SECOND) } else { 20 * SECOND };
        let (cause, side) = (if reached { EndCause::Normal } else { EndCause::Abandoned }, Side::Operator);
        placed.then(ended, FactKind::Ended { by: side, cause, sip_status: None, q850: None });
        script.late(at + 8 * SECOND, FactKind::CalledBack { by, over: placed.call, outcome, sip_status });
        Some(placed.into_facts())
    }
}

/// The operator transfers the caller to an agency, which answers.
fn transfer(script: &mut Script, answer: &Answer, agency: &Category, at: i64) {
    let (by, leg) = (answer.operator.clone(), LegNo(answer.leg.0 + 1));
    let to = Callee::Number(agency.number.to_owned());
    let destination = Destination::Number(agency.number.to_owned());
    let asked = FactKind::TransferAsked {
        leg: answer.leg,
        by: by.clone(),
        to: destination.clone(),
        consulted: None,
        referred_by: None,
    };
    script.then(at, asked);
    script.then(at + 40, FactKind::Offered { leg, to: to.clone(), why: "transfer".to_owned() });
    script.then(at + 900, FactKind::Ringing { leg });
    let answered = at + 5 * SECOND;
    let outcome = OfferOutcome::Answered;
    script.then(answered, FactKind::OfferEnded { leg, to: to.clone(), outcome, sip_status: Some(200) });
    script.then(answered, FactKind::Answered { leg, by: to });
    script.then(answered, FactKind::TransferDone { by, to: destination, leg: Some(leg) });
}

/// The operator adds an agency to the call.
fn join(script: &mut Script, answer: &Answer, agency: &Category, ends: i64) {
    let (leg, who) = (LegNo(answer.leg.0 + 1), Callee::Number(agency.number.to_owned()));
    script.then(ends - 15 * SECOND, FactKind::GuestJoined { leg, who: who.clone(), role: Role::Guest });
    script.then(ends - SECOND, FactKind::GuestLeft { leg, who });
}

/// A place in the city.
fn location(rng: &mut crate::ids::Rng) -> Location {
    let degrees = |rng: &mut crate::ids::Rng, centre: i32| {
        let offset = i32::try_from(rng.below(120_000)).unwrap_or(0) - 60_000;
        f64::from(centre + offset) / 1_000_000.0
    };
    let (latitude, longitude) = (degrees(rng, -5_113_000), degrees(rng, 105_307_000));
    let radius_m = f64::from(u32::try_from(rng.below(400)).unwrap_or(0) + 8);
    let district = draw::one_of(rng, &words::DISTRICTS).and_then(|no| words::DISTRICTS.get(no)).copied();
    let civic = [("A3", "Metro"), ("A4", district.unwrap_or_default())];
    Location {
        source: Source::PidfLo,
        shape: Some(Shape::Circle { latitude, longitude, radius_m }),
        civic: civic.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        access: BTreeMap::new(),
        raw: "cid:location@demo".to_owned(),
        fault: None,
    }
}
