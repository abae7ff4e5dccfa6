//! What the console asks: states, live calls, changes of operators' states, dispositions.

use std::collections::BTreeMap;

use crate::acd::UnknownOperator;
use crate::cdr::fact::{Callee, FactKind};
use crate::clock::Now;
use crate::ids::CallId;

use super::call::{Call, Stage};
use super::leg::OfferLeg;
use super::{Actor, CallView, ConsoleCommand, ConsoleReply, Output, Switchboard};

impl Switchboard {
    pub(super) fn console(&mut self, now: Now, request: u64, by: Actor, command: ConsoleCommand) {
        let change = command.change();
        let changed = |result: Result<(), UnknownOperator>| match result {
            Ok(()) => ConsoleReply::Done,
            Err(UnknownOperator) => ConsoleReply::UnknownOperator,
        };
        let reply = match command {
            ConsoleCommand::LogIn { operator } => changed(self.logs_in(now, &operator)),
            ConsoleCommand::LogOut { operator } => changed(self.logs_out(now, &operator)),
            ConsoleCommand::Pause { operator, reason } => match self.break_reason(&reason) {
                Some(reason) => changed(self.pauses(now, &operator, &reason)),
                None => ConsoleReply::UnknownReason { known: self.settings.break_reasons.clone() },
            },
            ConsoleCommand::Resume { operator } => changed(self.acd.resume(now, &operator)),
            ConsoleCommand::WrapUp { operator } => {
                match self.acd.extend_wrap_up(now, &operator, self.settings.wrap_up_extension) {
                    Ok(true) => ConsoleReply::Done,
                    Ok(false) => ConsoleReply::NotWrappingUp,
                    Err(UnknownOperator) => ConsoleReply::UnknownOperator,
                }
            }
            ConsoleCommand::SetDisposition { call, class, category, note, by } => {
                self.dispose(now, call, class, category, note, by)
            }
            ConsoleCommand::SilentPrompt { call } => self.silent_prompt(now, &by, call),
            ConsoleCommand::CallBacks => self.call_backs(now),
            ConsoleCommand::MeanCallBack { number, operator } => self.mean_call_back(now, number.as_deref(), operator),
            ConsoleCommand::Marks => ConsoleReply::Marks { marks: self.marks(now) },
            ConsoleCommand::MarkCaller { number, hours, by } => self.mark_caller(now, &number, hours, by),
            ConsoleCommand::Worked { call, operator } if self.has_worked(call, &operator) => ConsoleReply::Done,
            ConsoleCommand::Worked { .. } => ConsoleReply::NotHis,
            ConsoleCommand::AskIn { call, whom } => self.ask_in(now, &by, call, &whom),
            ConsoleCommand::SendAway { call, leg } => self.send_away(now, &by, call, leg),
            ConsoleCommand::Transfer { call, to } => self.transfer_by(now, &by, call, &to),
            ConsoleCommand::Supervise { call, mode, by: supervisor } => {
                self.supervise_by(now, &by, call, mode, supervisor)
            }
            ConsoleCommand::OfferTo { call, operator } => self.offer_to(now, &by, call, operator),
            ConsoleCommand::Place { operator, to } => self.place_by(now, &by, operator, &to),
            ConsoleCommand::Posture => self.posture_view(),
            ConsoleCommand::SetPosture { posture, hours } => self.set_posture(now, posture, hours, by.name.clone()),
            ConsoleCommand::Message { operator, text } => self.announce_text(now, operator, &text),
            ConsoleCommand::Operators => self.floor_view(),
            ConsoleCommand::Guard => ConsoleReply::Guard { bans: self.guard.bans(now.mono) },
            ConsoleCommand::LiftBan { address } if self.lift_ban(address) => ConsoleReply::Done,
            ConsoleCommand::LiftBan { .. } => ConsoleReply::NotBanned,
            ConsoleCommand::Calls => ConsoleReply::Calls { calls: self.call_views() },
        };
        if let Some((word, of)) = change {
            let done = reply.is_done();
            let (Actor { name: by, role }, command) = (by, word.to_owned());
            self.service_fact(now, FactKind::Commanded { by, role, command, of, done });
        }
        self.say(Output::Reply { request, reply });
    }

    fn floor_view(&self) -> ConsoleReply {
        let operators = self.acd.views().into_iter().filter(|view| !self.is_station(&view.operator)).collect();
        ConsoleReply::Operators { operators, stations: self.station_views() }
    }

    /// Pauses an operator. The last ready operator first gets a warning: waiting calls ring operators on a break if no operator is ready.
    pub(super) fn pauses(
        &mut self,
        now: Now,
        operator: &crate::ids::OperatorId,
        reason: &str,
    ) -> Result<(), UnknownOperator> {
        let text = self.settings.last_ready_text.clone();
        if !text.is_empty() && self.acd.is_last_ready(operator) {
            self.notify_operator(operator.clone(), text);
        }
        self.acd.pause(now, operator, reason)
    }

    /// The reason of a break as it is kept: one of those of the settings, where they name any; none given: the first.
    fn break_reason(&self, given: &str) -> Option<String> {
        let known = &self.settings.break_reasons;
        match known.first() {
            None => Some(given.to_owned()),
            Some(first) if given.is_empty() => Some(first.clone()),
            Some(_) => known.iter().find(|reason| reason.as_str() == given).cloned(),
        }
    }

    fn call_views(&self) -> Vec<CallView> {
        let positions: BTreeMap<CallId, usize> = self.acd.waiting().zip(1..).collect();
        let live = self.calls.iter().filter(|(_, call)| !call.is_over());
        live.map(|(id, call)| view(*id, call, positions.get(id).copied())).collect()
    }
}

fn view(id: CallId, call: &Call, position: Option<usize>) -> CallView {
    let (state, operator) = match &call.stage {
        Stage::Queued => ("queued", None),
        Stage::Offered => {
            ("offered", call.legs.values().find(|leg| leg.is_ringing()).and_then(|leg| leg.operator()).cloned())
        }
        Stage::AllPhones { .. } | Stage::Number => ("fallback", None),
        Stage::Transfer { from } => {
            ("transfer", from.and_then(|leg| call.legs.get(&leg)).and_then(|leg| leg.operator()).cloned())
        }
        Stage::OwnPhones { .. } => ("own-phone", call.placed_by.clone()),
        Stage::Placed => ("placed", call.placed_by.clone()),
        Stage::Talking { leg } => ("talking", call.legs.get(leg).and_then(|leg| leg.operator()).cloned()),
        Stage::Ended => ("ended", None),
    };
    let outside = match (&call.stage, &operator) {
        (Stage::Talking { leg }, _) => call.legs.get(leg).and_then(outside_number),
        (_, None) => call.legs.values().filter(|leg| leg.is_ringing()).find_map(outside_number),
        (_, Some(_)) => None,
    };
    let (number, guests) = (call.shown.number.clone(), call.guest_views());
    CallView {
        outside,
        call: id,
        received: call.received.wall,
        number,
        state,
        operator,
        position,
        silent_prompt: call.silent.asked,
        choices: call.silent.choices.clone(),
        guests,
    }
}

fn outside_number(leg: &OfferLeg) -> Option<String> {
    match &leg.to {
        Callee::Operator(_) => None,
        Callee::Number(number) => Some(number.clone()),
    }
}
