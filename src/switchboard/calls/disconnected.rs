//! Callers whose connection was closed before their final response or its ACK (RFC 3261 §17.2.4, §18.2.2, §18.4).
//! Responses are sent over a new connection. Until the result is known, operators are rung for these calls after all
//! others. If no connection opens and no RTP arrives for a short time, the call ends.

use crate::cdr::fact::{EndCause, Side};
use crate::clock::Instant;
use crate::ids::CallId;
use crate::sip::flow::Flow;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::call_connections::{Disconnected, WaysBack};
use crate::switchboard::wire::connections::GIVEN_UP_AFTER;

impl Calls {
    /// The connection of a caller was closed: a pending response is sent over a new one.
    pub(in crate::switchboard) fn caller_disconnected(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        flow: Flow,
    ) {
        let now = step.now;
        let emergency = |call: &&mut Call| !call.is_over() && !call.kind.is_placed();
        let Some(call) = self.calls.get_mut(&id).filter(emergency) else { return };
        let Some(way_back) = call.caller.session.way_back(flow) else { return };
        let decided_at = now.mono + GIVEN_UP_AFTER;
        let before = call.caller.disconnected.replace(Disconnected {
            way_back,
            unreachable: false,
            decided_at: Some(decided_at),
        });
        net.wire.drop_disconnected(step, id, before);
        net.wire.ways_back.entry(way_back).or_default().insert(id);
        step.timers.insert(decided_at, TimerKind::Disconnected(id));
        self.acd.set_priority(id, u8::MAX);
        self.resend_provisional(net, step, id);
    }

    /// Marks callers as unreachable, because no connection to the address of their responses opens.
    pub(in crate::switchboard) fn no_way_back(&mut self, net: &mut NetworkParts, step: &mut Step, flow: Flow) {
        let now = step.now;
        let ids: Vec<CallId> = net.wire.ways_back.get(&flow.remote).into_iter().flatten().copied().collect();
        for id in ids {
            let caller = self.calls.get_mut(&id).map(|call| &mut call.caller);
            let Some(gone) = caller.and_then(|caller| caller.disconnected.as_mut()).filter(|gone| !gone.unreachable)
            else {
                continue;
            };
            let decided_at = now.mono + GIVEN_UP_AFTER;
            let before = gone.decided_at.replace(decided_at);
            gone.unreachable = true;
            if let Some(before) = before {
                step.timers.remove(before, TimerKind::Disconnected(id));
            }
            step.timers.insert(decided_at, TimerKind::Disconnected(id));
            self.acd.set_priority(id, u8::MAX);
            if let Some(session) = self.session_mut(LegRef::Caller(id)) {
                session.doubt_for(step, GIVEN_UP_AFTER);
            }
        }
    }

    /// Ends the call of an unreachable caller without any received media. All other callers get their priority back.
    pub(in crate::switchboard) fn disconnected_due(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let heard = call.caller.session.media().is_some_and(MediaSession::was_heard);
        let Some(gone) = call.caller.disconnected.as_mut() else { return };
        gone.decided_at = None;
        if gone.unreachable && !heard {
            return self.caller_given_up(net, step, id);
        }
        // The caller was reached over a new connection, or media arrives.
        self.acd.set_priority(id, self.priority_of(id));
    }

    /// Handles a message of the caller, who is reachable again.
    pub(in crate::switchboard) fn caller_is_back(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let gone = self.calls.get_mut(&id).and_then(|call| call.caller.disconnected.take());
        if gone.is_some() {
            net.wire.drop_disconnected(step, id, gone);
            self.acd.set_priority(id, self.priority_of(id));
        }
    }

    /// Ends the call of a lost caller: as abandoned if it was not answered.
    pub(in crate::switchboard) fn caller_given_up(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let answered = self.calls.get(&id).is_some_and(|call| call.caller.is_answered());
        let ending = match answered {
            true => Ending::by(Side::Service, EndCause::CallerLost),
            false => Ending::by(Side::Caller, EndCause::Abandoned),
        };
        self.end_call(net, step, id, ending);
    }

    /// Deadline of a disconnected caller.
    pub(in crate::switchboard) fn disconnected_until(&self, id: CallId) -> Option<Instant> {
        self.calls.get(&id)?.caller.disconnected?.decided_at
    }

    /// Checks that the index matches the calls.
    pub(in crate::switchboard) fn verify_disconnected(&self, net: &NetworkParts) -> Result<(), String> {
        let mut expected = WaysBack::new();
        for (id, call) in self.calls.iter() {
            if let Some(gone) = call.caller.disconnected {
                expected.entry(gone.way_back).or_default().insert(*id);
            }
        }
        match expected == net.wire.ways_back {
            true => Ok(()),
            false => Err(format!("{:?} are disconnected, not {expected:?}", net.wire.ways_back)),
        }
    }
}
