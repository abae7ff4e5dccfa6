//! Holds: the two sides of a call are separated while one holds the other.

use crate::cdr::fact::FactKind;
use crate::ids::{CallId, LegNo};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

impl Calls {
    /// Bridges the two sides of an answered call, or separates them while one holds the other. The held side hears a
    /// tone. The recording continues, because audio of the held side may matter.
    pub(in crate::switchboard) fn apply_holds(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Stage::Talking { leg } = call.stage else { return };
        let operator = call.legs.get(&leg).and_then(|leg| leg.session.media());
        let (Some(caller), Some(operator)) = (call.caller.session.media(), operator) else { return };
        let (a, b) = (caller.anchor(), operator.anchor());
        let is = (caller.peer_holds(), operator.peer_holds());
        let was = call.audio.set_holds(is);
        if call.audio.is_mixed() {
            self.update_media(net, step, id);
        } else if was != is {
            net.media.hold_apart(step, (a, b), was, is);
        }
        for (leg, was, is) in [(LegNo::CALLER, was.0, is.0), (leg, was.1, is.1)] {
            match (was, is) {
                (false, true) => self.fact(net, step, id, FactKind::Held { leg }),
                (true, false) => self.fact(net, step, id, FactKind::Resumed { leg }),
                (true, true) | (false, false) => {}
            }
        }
    }
}
