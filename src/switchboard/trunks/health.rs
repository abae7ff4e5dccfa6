//! Keep-alives of trunks, and the choice of the trunk for an outgoing call.

use crate::sip::flow::Flow;
use crate::sip::number::dialled;
use crate::switchboard::ids::LegRef;
use crate::switchboard::output::Output;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::connections::uri_over;
use bytes::Bytes;

impl Trunks {
    /// True if the trunk responds to keep-alives.
    pub(in crate::switchboard) fn is_up(&self, index: usize) -> bool {
        self.states.get(index).is_some_and(|state| state.up == Some(true))
    }

    /// Counts one keep-alive. The state changes after enough results in a row agree.
    pub(in crate::switchboard) fn trunk_pinged(&mut self, step: &mut Step, index: usize, up: bool) {
        let Some((terms, state)) = self.settings.trunks.get(index).zip(self.states.get_mut(index)) else { return };
        if state.up == Some(up) {
            state.streak = 0;
            return;
        }
        state.streak = state.streak.saturating_add(1);
        let needed = match (state.up, up) {
            (None, true) => 1,
            (Some(_), true) => terms.terms.up_after,
            (Some(_) | None, false) => terms.terms.down_after,
        };
        if state.streak >= needed {
            state.streak = 0;
            state.up = Some(up);
            let trunk = terms.name.clone();
            step.say(Output::TrunkHealth { trunk, up });
        }
    }

    /// The Request-URI and flow of a number over a trunk.
    pub(in crate::switchboard) fn outbound_route(&self, index: usize, number: &str) -> Option<(Bytes, Flow)> {
        let trunk = self.settings.trunks.get(index)?;
        let flow = self.trunk_flow(trunk)?;
        let number = dialled(number, trunk.terms.number_format, &trunk.terms.country);
        Some((uri_over(flow, Some(&number)), flow))
    }

    /// Checks that channels and pending requests belong to existing legs and trunks.
    pub(in crate::switchboard) fn verify_trunks(
        &self,
        wire: &Wire,
        alive: impl Fn(&LegRef) -> bool,
    ) -> Result<(), String> {
        let names = self.settings.trunks.iter().map(|trunk| trunk.name.as_str());
        if !self.states.iter().map(|state| state.name.as_str()).eq(names) {
            return Err("the trunks' states are not those of the settings".to_owned());
        }
        self.channels.verify(alive)?;
        if wire.retries.keys().any(|client| !wire.clients.contains_key(client)) {
            return Err("a request that is over may still be asked for credentials".to_owned());
        }
        for (_, purpose) in wire.clients.iter() {
            if let Purpose::TrunkPing(index, _) | Purpose::TrunkRegister(index, _) = purpose
                && *index >= self.states.len()
            {
                return Err(format!("{purpose:?} is under way to a trunk that is gone"));
            }
        }
        Ok(())
    }
}
