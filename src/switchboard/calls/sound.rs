//! Events of media: audio that starts or stops, digits, recordings, and statistics of ports.

use crate::cdr::fact::{EndCause, FactKind, Side};
use crate::ids::{CallId, LegNo};
use crate::media::command::{AnchorId, Command, Event, Quality};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::call::Stage;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::inquiry::Found;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::ids::Who;
use crate::switchboard::{Calls, Facts, MediaPorts, NetworkParts, Output, Step};

/// Maximum recorded digits of one call.
const DIGITS_MAX: u16 = 64;

impl Calls {
    /// Handles one event of media. Events of anchors that are no longer in use are dropped.
    pub(in crate::switchboard) fn media_event(&mut self, net: &mut NetworkParts, step: &mut Step, event: Event) {
        match event {
            Event::Heard { anchor } => {
                let who = net.media.anchors.get(&anchor).copied();
                let sound = who.and_then(|who| self.line_mut(who)).and_then(|line| line.sound.as_mut());
                if let Some(sound) = sound {
                    (sound.heard, sound.silent) = (true, false);
                }
            }
            Event::Foreign { anchor, from, expected } => {
                let Some(who) = net.media.anchors.get(&anchor).copied() else { return };
                let trunk = net.trunks.trunk_with(who).and_then(|trunk| self.settings.trunks.get(trunk));
                let trunk = trunk.map(|trunk| trunk.name.clone());
                step.say(Output::ForeignMedia { trunk, from, expected });
            }
            Event::Silent { anchor } => {
                let Some(who) = net.media.anchors.get(&anchor).copied() else { return };
                if let Some(sound) = self.line_mut(who).and_then(|line| line.sound.as_mut()) {
                    sound.silent = true;
                }
                let is_handled = self.is_lost(net, step, who) || self.probe_suspect(net, step, who);
                match (is_handled, self.settings.silence_ends_call) {
                    (true, _) => {}
                    (false, true) => self.silence_of(net, step, who),
                    (false, false) => self.silence_in_long_call(net, step, who),
                }
            }
            Event::NoVoice { anchor } => {
                if let Some(Who::Caller(id)) = net.media.anchors.get(&anchor).copied() {
                    self.has_no_voice(net, step, id);
                }
            }
            Event::Played { anchor } => {
                if let Some(Who::Phone(phone)) = net.media.anchors.get(&anchor).copied() {
                    self.phone_played(net, step, phone);
                }
            }
            Event::Digit { anchor, digit } => self.digit(net, step, anchor, digit),
            Event::Closed { anchor, quality } => net.media.closed(&mut net.facts, step, anchor, quality),
            Event::RecordingClosed { call, leg, file, sha256, duration_ms, frames_dropped, gaps, repaired } => {
                let sha256 = hex::encode(sha256);
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
        if self.is_guest(id, leg) {
            return self.guest_leaves(net, step, id, leg, true);
        }
        let Some(call) = self.calls.get(&id) else { return };
        if matches!(call.stage, Stage::Transfer { from } if from == Some(leg)) {
            return self.transferor_left(net, step, id, leg, true);
        }
        if call.stage != (Stage::Talking { leg }) || self.leaves_heir(net, step, id, leg, true) {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let placed = call.placed_by.is_some();
        let operator = call.legs.get(&leg).and_then(|leg| leg.operator()).cloned();
        if placed || !self.settings.requeue_on_operator_lost {
            return self.end_call(net, step, id, Ending::by(Side::Service, EndCause::OperatorLost));
        }
        let Some(operator) = operator else { return self.number_left(net, step, id, leg, true) };
        self.send_guests_away(net, step, id);
        self.fact(
            net,
            step,
            id,
            FactKind::OperatorLost { leg, operator: operator.clone(), sip_status: None, q850: None },
        );
        self.part(step, id);
        step.out.media.push(Command::StopRecord { call: id, leg });
        if let Some(call) = self.calls.get_mut(&id) {
            call.stage = Stage::Queued;
        }
        self.bye(net, step, Who::Offer(id, leg));
        self.drop_leg(net, step, id, leg);
        self.acd.operator_lost(now, id, &operator);
        self.queued(net, step, id, true);
        self.touched.push(id);
    }

    /// Handles an unusually long call. If audio arrives from any side, or a silent side has responded to OPTIONS, the
    /// call continues and the alarm is raised until it ends. Otherwise its end was missed, and it ends now.
    pub(in crate::switchboard) fn lasts_long(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        let next = now.mono + self.settings.long_call;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let is_live =
            |line: &Line| line.sound.as_ref().is_some_and(|sound| sound.is_heard() || line.found == Found::Present);
        if !is_live(&call.caller.line) && !call.legs.values().any(|leg| is_live(&leg.line)) {
            return self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerLost));
        }
        call.over_at = next;
        call.long = true;
        let lasts_ms = u64::try_from(now.mono.since(call.received.mono).as_millis()).unwrap_or(u64::MAX);
        step.alarms.insert(next, Alarm::TooLong(id));
        step.out.others.push(Output::LongCall { call: id, lasts_ms, over: false });
        if !self.settings.silence_ends_call {
            self.await_silence(step, id);
        }
    }

    /// Ends the alarm of an unusually long call that has ended.
    pub(in crate::switchboard) fn no_longer_long(&mut self, step: &mut Step, id: CallId) {
        let now = step.now;
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.long) else { return };
        call.long = false;
        let lasts_ms = u64::try_from(now.mono.since(call.received.mono).as_millis()).unwrap_or(u64::MAX);
        step.out.others.push(Output::LongCall { call: id, lasts_ms, over: true });
    }

    fn digit(&mut self, net: &mut NetworkParts, step: &mut Step, anchor: AnchorId, digit: char) {
        if let Some(who) = net.media.anchors.get(&anchor).copied() {
            self.digit_of(net, step, who, digit, true);
        }
    }

    /// Records a digit, however it was sent, and forwards it to the other side.
    pub(in crate::switchboard) fn digit_of(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        digit: char,
        as_event: bool,
    ) {
        let (id, leg) = match who {
            Who::Caller(id) => (id, LegNo::CALLER),
            Who::Offer(id, leg) => (id, leg),
            Who::Phone(phone) => return self.keyed(net, step, phone, digit),
        };
        if self.changes_role(net, step, id, leg, digit) {
            return;
        }
        self.pass_digit(net, step, id, leg, digit, as_event);
        if let Some(call) = self.calls.get_mut(&id).filter(|call| call.digits < DIGITS_MAX) {
            call.digits += 1;
            self.fact(net, step, id, FactKind::Digit { leg, digit });
        }
        match leg {
            LegNo::CALLER => self.pressed(net, step, id, digit),
            _ => self.typed(net, step, id, leg, digit),
        }
    }
}

impl MediaPorts {
    pub(in crate::switchboard) fn closed(
        &mut self,
        facts: &mut Facts,
        step: &mut Step,
        anchor: AnchorId,
        quality: Quality,
    ) {
        let Some((closed, who)) = self.closing.get(&anchor.slot).copied() else { return };
        if closed != anchor {
            return;
        }
        self.closing.remove(&anchor.slot);
        let (id, leg) = match who {
            Who::Caller(id) => (id, LegNo::CALLER),
            Who::Offer(id, leg) => (id, leg),
            Who::Phone(_) => return,
        };
        if quality.packets_in == 0 && quality.packets_out == 0 {
            return;
        }
        let Quality { packets_in, packets_out, packets_lost, packets_foreign, jitter_us } = quality;
        facts.late_fact(
            step,
            id,
            FactKind::Sound { leg, packets_in, packets_out, packets_lost, packets_foreign, jitter_us },
        );
    }
}
