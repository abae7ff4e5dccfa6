//! Events of media: audio that starts or stops, digits, recordings, and statistics of ports. The loss of a leg.

use data_encoding::HEXLOWER;

use crate::cdr::fact::{EndCause, FactKind, Side};
use crate::ids::{CallId, LegNo};
use crate::media::command::{AnchorId, Command, Event};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::Output;
use crate::switchboard::step::Step;

impl Calls {
    /// Handles one event of media. Events of anchors that are no longer in use are dropped.
    pub(in crate::switchboard) fn media_event(&mut self, net: &mut NetworkParts, step: &mut Step, event: Event) {
        match event {
            Event::Heard { anchor } => {
                let who = net.media.anchors.get(&anchor).copied();
                if let Some(session) = who.and_then(|who| self.session_mut(who)) {
                    session.rtp_arrives(step);
                }
            }
            Event::Foreign { anchor, from, expected } => {
                let Some(who) = net.media.anchors.get(&anchor).copied() else { return };
                let trunk = net.trunks.trunk_of_leg(who).and_then(|trunk| self.settings.trunks.get(trunk));
                let former = || net.trunks.former(who).map(|former| former.name.clone());
                let trunk = trunk.map(|trunk| trunk.name.clone()).or_else(former);
                step.say(Output::ForeignMedia { trunk, from, expected });
            }
            Event::Silent { anchor, limit } => {
                let Some(who) = net.media.anchors.get(&anchor).copied() else { return };
                self.in_session(net, step, who, |session, net, step| session.fell_silent(net, step, who, limit));
            }
            Event::NoVoice { anchor } => {
                if let Some(LegRef::Caller(id)) = net.media.anchors.get(&anchor).copied() {
                    self.has_no_voice(net, step, id);
                }
            }
            Event::Played { anchor } => {
                if let Some(LegRef::Service(service_call)) = net.media.anchors.get(&anchor).copied() {
                    self.prompt_played(net, step, service_call);
                }
            }
            Event::Digit { anchor, digit } => self.digit(net, step, anchor, digit),
            Event::Closed { anchor, quality } => net.media.closed(&mut net.facts, step, anchor, quality),
            Event::RecordingClosed { call, leg, file, sha256, duration_ms, frames_dropped, gaps, repaired } => {
                let sha256 = HEXLOWER.encode(&sha256);
                let recorded = FactKind::Recorded { leg, file, sha256, duration_ms, frames_dropped, gaps, repaired };
                net.facts.late_fact(step, call, recorded);
            }
            Event::RecordingFailed { call, leg, why } => {
                net.facts.late_fact(step, call, FactKind::RecordingFailed { leg, why });
            }
        }
    }

    /// Handles the loss of an operator's or outside number's leg while the caller is present: the caller is queued
    /// again, before all later calls.
    pub(in crate::switchboard) fn leg_lost(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, leg: LegNo) {
        let now = step.now;
        if self.is_participant(id, leg) {
            return self.end_participant(net, step, id, leg, true);
        }
        let Some(call) = self.calls.get(&id) else { return };
        if matches!(call.stage, Stage::Transfer { from } if from == Some(leg)) {
            return self.transferor_left(net, step, id, leg, true);
        }
        if call.stage != (Stage::Talking { leg }) || self.hand_over_to_participant(net, step, id, leg, true) {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let placed = call.kind.is_placed();
        let operator = call.legs.get(&leg).and_then(|leg| leg.operator()).cloned();
        if placed || !self.settings.calls.requeue_on_operator_lost {
            return self.end_call(net, step, id, Ending::by(Side::Service, EndCause::OperatorLost));
        }
        let Some(operator) = operator else { return self.number_left(net, step, id, leg, true) };
        self.end_participants(net, step, id);
        self.fact(
            net,
            step,
            id,
            FactKind::OperatorLost { leg, operator: operator.clone(), sip_status: None, q850: None },
        );
        self.unbridge(step, id);
        step.out.media.push(Command::StopRecord { call: id, leg });
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Queued;
        }
        self.bye(net, step, LegRef::Outgoing(id, leg));
        self.drop_leg(net, step, id, leg);
        self.acd.operator_lost(now, id, &operator);
        self.queued(net, step, id, true);
        self.announcements_due.push(id);
    }

    fn digit(&mut self, net: &mut NetworkParts, step: &mut Step, anchor: AnchorId, digit: char) {
        if let Some(who) = net.media.anchors.get(&anchor).copied() {
            self.digit_of(net, step, who, digit, true);
        }
    }
}
