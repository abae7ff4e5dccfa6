//! Console commands about operators and calls.

use std::collections::BTreeMap;

use crate::acd::UnknownOperator;
use crate::cdr::fact::Callee;
use crate::ids::CallId;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OutgoingLeg;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{CallView, ConsoleReply};
use crate::switchboard::step::Step;

impl Calls {
    pub(in crate::switchboard) fn floor_view(&self, net: &NetworkParts) -> ConsoleReply {
        let operators = self.acd.views().into_iter().filter(|view| !net.phones.is_station(&view.operator)).collect();
        ConsoleReply::Operators { operators, stations: net.phones.station_views() }
    }

    /// Pauses an operator. The last ready operator first gets a warning: waiting calls ring operators on a break if no operator is ready.
    pub(in crate::switchboard) fn pauses(
        &mut self,
        step: &mut Step,
        operator: &crate::ids::OperatorId,
        reason: &str,
    ) -> Result<(), UnknownOperator> {
        let now = step.now;
        let text = self.settings.operators.last_ready_text.clone();
        if !text.is_empty() && self.acd.is_last_ready(operator) {
            step.notify_operator(operator.clone(), text);
        }
        self.acd.pause(now, operator, reason)
    }

    pub(in crate::switchboard) fn call_views(&self) -> Vec<CallView> {
        let positions: BTreeMap<CallId, usize> = self.acd.waiting().zip(1..).collect();
        let live = self.calls.iter().filter(|(_, call)| !call.is_over());
        live.map(|(id, call)| view(*id, call, positions.get(id).copied())).collect()
    }
}

pub(in crate::switchboard) fn view(id: CallId, call: &Call, position: Option<usize>) -> CallView {
    let (state, operator) = match &call.stage {
        Stage::Queued => ("queued", None),
        Stage::Offered => {
            ("offered", call.legs.values().filter(|leg| leg.is_ringing()).find_map(|leg| leg.operator()).cloned())
        }
        Stage::AllPhones { .. } | Stage::Number => ("fallback", None),
        Stage::Transfer { from } => {
            ("transfer", from.and_then(|leg| call.legs.get(&leg)).and_then(|leg| leg.operator()).cloned())
        }
        Stage::OwnPhones { .. } => ("own-phone", call.kind.placed_by().cloned()),
        Stage::Placed => ("placed", call.kind.placed_by().cloned()),
        Stage::Talking { leg } => ("talking", call.legs.get(leg).and_then(|leg| leg.operator()).cloned()),
        Stage::Ended => ("ended", None),
    };
    let outside = match (&call.stage, &operator) {
        (Stage::Talking { leg }, _) => call.legs.get(leg).and_then(outside_number),
        (_, None) => call.legs.values().filter(|leg| leg.is_ringing()).find_map(outside_number),
        (_, Some(_)) => None,
    };
    let (number, participants) = (call.shown.number.clone(), call.participant_views());
    CallView {
        outside,
        call: id,
        received: call.times.received().wall,
        number,
        state,
        operator,
        position,
        silent_prompt: call.silent.asked,
        choices: call.silent.choices.clone(),
        guests: participants,
    }
}

pub(in crate::switchboard) fn outside_number(leg: &OutgoingLeg) -> Option<String> {
    match &leg.to {
        Callee::Operator(_) => None,
        Callee::Number(number) => Some(number.clone()),
    }
}
