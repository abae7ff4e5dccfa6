//! What the console asks: states, live calls, changes of operators' states, dispositions.

use crate::acd::UnknownOperator;
use crate::ids::CallId;
use crate::switchboard::dispatch::console::view;
use crate::switchboard::{CallView, ConsoleReply};
use crate::switchboard::{Calls, NetworkParts, Step};
use std::collections::BTreeMap;

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
        let text = self.settings.last_ready_text.clone();
        if !text.is_empty() && self.acd.is_last_ready(operator) {
            step.notify_operator(operator.clone(), text);
        }
        self.acd.pause(now, operator, reason)
    }
}

impl Calls {
    pub(in crate::switchboard) fn call_views(&self) -> Vec<CallView> {
        let positions: BTreeMap<CallId, usize> = self.acd.waiting().zip(1..).collect();
        let live = self.calls.iter().filter(|(_, call)| !call.is_over());
        live.map(|(id, call)| view(*id, call, positions.get(id).copied())).collect()
    }
}
