//! The reason for the choice of an operator, as text for the fact of the ring attempt.

use std::fmt::Write as _;

use super::desk::{DeskNo, Strategy};
use super::keys::Status;
use super::operator::{Operator, Work};
use super::{Acd, State};
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};

/// Maximum colleagues who are named with the reason why they were not chosen.
const NAMED_MAX: usize = 5;
/// Maximum colleagues who are examined for it, so that the work for a ring attempt does not grow with the size of the
/// centre.
const LOOKED_AT_MAX: usize = 32;
/// Characters of the reason of a break.
const REASON_CHARS_MAX: usize = 32;

impl Acd {
    /// Why `operator`, who is ready at `desk`, gets a call of the desk `home`: the advantage over the other ready operators, and why other
    /// operators who are at work there are not ready. At most `NAMED_MAX` are named, in the order of their names.
    pub(super) fn why(&self, now: Now, call: CallId, (home, desk): (DeskNo, DeskNo), operator: &OperatorId) -> String {
        let Some(facts) = self.floor.get(operator) else { return String::new() };
        let mut why = self.merit(now, home, desk, facts);
        if home != DeskNo(0)
            && let Some(at) = self.floor.desk(home)
        {
            why.push_str(" for ");
            why.push_str(&at.name);
        }
        if desk != home
            && let Some(at) = self.floor.desk(desk)
        {
            why.push_str(", by ");
            why.push_str(if at.name.is_empty() { "everybody" } else { &at.name });
        }
        self.tell_passed_over(now, call, desk, &mut why);
        why
    }

    /// The value that the strategy compared. The call's own desk decides whether more than one operator rings.
    fn merit(&self, now: Now, home: DeskNo, desk: DeskNo, facts: &Operator) -> String {
        let (strategy, ready, merits) = (self.floor.strategy(desk), self.floor.ready_count(desk), &facts.merits);
        let idle_ms = now.mono.since(merits.idle_since).as_millis();
        let merit = match strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressively => {
                format!("longest idle: {idle_ms} ms, first of {ready} ready")
            }
            Strategy::FewestCalls => format!("fewest calls: {}, first of {ready} ready", merits.calls),
            Strategy::LeastTalkTime => {
                format!("least talk time: {} ms, first of {ready} ready", merits.talk.as_millis())
            }
            Strategy::Random => format!("random: one of {ready} ready"),
            Strategy::RoundRobin | Strategy::Linear => format!("{}: first of {ready} ready", strategy.word()),
        };
        match self.floor.strategy(home) {
            several @ (Strategy::RingAll | Strategy::RingProgressively) => format!("{}: {merit}", several.word()),
            Strategy::LongestIdle
            | Strategy::RoundRobin
            | Strategy::FewestCalls
            | Strategy::LeastTalkTime
            | Strategy::Linear
            | Strategy::Random => merit,
        }
    }

    fn tell_passed_over(&self, now: Now, call: CallId, desk: DeskNo, why: &mut String) {
        let at_desk = |operator: &&OperatorId| self.floor.desk(desk).is_some_and(|at| at.level(operator).is_some());
        let beside = match self.queue.status(call) {
            Some(Status::Offered { to, .. } | Status::Fallback { to, .. }) => {
                to.iter().filter(at_desk).filter(|name| self.is_staffed(name)).count()
            }
            Some(
                Status::Waiting
                | Status::FallbackBackoff { .. }
                | Status::Talking(_)
                | Status::Transferring(_)
                | Status::Placed { .. },
            )
            | None => 0,
        };
        if beside > 0 && write!(why, "; {beside} ring already").is_err() {
            return;
        }
        let all = self.floor.staffed_at(desk).saturating_sub(self.floor.ready_count(desk)).saturating_sub(beside);
        if all == 0 {
            return;
        }
        let mut told = 0;
        for (operator, facts) in self.floor.some_at(desk, LOOKED_AT_MAX) {
            let passed_over = facts.is_staffed() && !facts.is_eligible();
            if told == NAMED_MAX {
                break;
            }
            if let Some(cause) = cause(now, call, facts).filter(|_| passed_over) {
                why.push_str(if told == 0 { "; passed over: " } else { ", " });
                why.push_str(operator.as_str());
                why.push(' ');
                why.push_str(&cause);
                told += 1;
            }
        }
        let written = match (told, all.saturating_sub(told)) {
            (0, more) => write!(why, "; passed over: {more}"),
            (_, 0) => Ok(()),
            (_, more) => write!(why, " and {more} more"),
        };
        if written.is_err() {
            why.push_str(" and others");
        }
    }

    fn is_staffed(&self, operator: &OperatorId) -> bool {
        self.floor.get(operator).is_some_and(Operator::is_staffed)
    }
}

/// Why an operator who is at work does not get a call. None: no reason, or the operator rings for it already.
fn cause(now: Now, call: CallId, facts: &Operator) -> Option<String> {
    match facts.state() {
        State::Offered if matches!(facts.work, Work::Offered { call: his, .. } if his == call) => None,
        State::Offered => Some("rings for another".to_owned()),
        State::Talking => Some("talks".to_owned()),
        State::WrapUp => Some("wraps up".to_owned()),
        State::Break => {
            let reason: String = facts.paused.iter().flat_map(|reason| reason.chars()).take(REASON_CHARS_MAX).collect();
            Some(if reason.is_empty() { "on break".to_owned() } else { format!("on break ({reason})") })
        }
        State::Ready => {
            let until = facts.rest_until?;
            Some(format!("rests {} ms more", until.since(now.mono).as_millis()))
        }
        State::Offline => None,
    }
}
