//! The steps of a waiting caller: announcements, provisional responses and the answer.

use crate::cdr::fact::FactKind;
use crate::ids::CallId;
use crate::media::command::{Command, Place, Prompt};
use crate::sip::wire::Name;
use crate::switchboard::alarm::{Alarm, TELL_AGAIN};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::Unacked;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;

impl Calls {
    /// Adds a new call.
    pub(in crate::switchboard) fn add_call(&mut self, id: CallId, call: Call) {
        self.live += 1;
        self.calls.insert(id, call);
    }

    /// Plays the queue announcement to a waiting caller who has not heard it: as early media (183), or in the answered call.
    pub(in crate::switchboard) fn announce(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.announced) else { return };
        if call.stage == Stage::Offered && call.caller.answered {
            return self.play_tone(net, step, id);
        }
        if call.stage != Stage::Queued && !call.is_falling_back() {
            return;
        }
        if call.caller.port_is_uncertain() {
            return self.tell_caller(net, step, id, 180);
        }
        call.announced = true;
        let early = !call.caller.answered;
        if let Some(sound) = &call.caller.line.sound {
            let anchor = sound.anchor;
            self.aim(net, step, Who::Caller(id));
            let (first, then) = (Some(Prompt::Queue), Some(self.settings.waiting));
            step.out.media.push(Command::Play { anchor, first, then });
        }
        if early {
            self.tell_caller(net, step, id, 183);
        }
        self.fact(net, step, id, FactKind::Announced { early });
        self.tell_place_later(step, id);
    }

    /// Plays the waiting tone to an answered caller while the first phone rings. The caller could take silence for a dead line.
    pub(in crate::switchboard) fn play_tone(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let sound = self.calls.get(&id).and_then(|call| call.caller.line.sound.as_ref());
        let Some(anchor) = sound.map(|sound| sound.anchor) else { return };
        self.aim(net, step, Who::Caller(id));
        step.out.media.push(Command::Play { anchor, first: None, then: Some(Prompt::HoldTone) });
    }

    fn tell_place_later(&mut self, step: &mut Step, id: CallId) {
        let now = step.now;
        self.stop_telling_place(step, id);
        let Some(each) = self.settings.announce_each else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            let at = now.mono + each;
            call.place_told_at = Some(at);
            step.alarms.insert(at, Alarm::TellPlace(id));
        }
    }

    /// Stops the announcements of the position.
    pub(in crate::switchboard) fn stop_telling_place(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.place_told_at.take()) {
            step.alarms.remove(at, Alarm::TellPlace(id));
        }
    }

    /// Announces the position in the queue and, while operators are staffed, the expected wait; the waiting tone follows. Nothing is
    /// announced while a phone rings for the call.
    pub(in crate::switchboard) fn tell_place(&mut self, step: &mut Step, id: CallId) {
        self.tell_place_later(step, id);
        let Some(call) = self.calls.get(&id).filter(|call| call.stage == Stage::Queued && call.announced) else {
            return;
        };
        let Some(outlook) = self.acd.outlook(id) else { return };
        let number = u8::try_from(outlook.position).unwrap_or(u8::MAX);
        let minutes = outlook.wait.map(|wait| u8::try_from(wait.as_secs() / 60).unwrap_or(u8::MAX));
        if let Some(sound) = &call.caller.line.sound {
            let (anchor, first) = (sound.anchor, Some(Prompt::Place(Place { number, minutes })));
            step.out.media.push(Command::Play { anchor, first, then: Some(self.settings.waiting) });
        }
    }

    /// Sends the caller a provisional response, unless one with this status or a higher one was sent.
    pub(in crate::switchboard) fn tell_caller(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        status: u16,
    ) {
        if self.calls.get(&id).is_some_and(|call| call.caller.told < status) {
            self.tell(net, step, id, status);
        }
    }

    /// Repeats the last provisional response to the caller.
    pub(in crate::switchboard) fn tell_again(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        if let Some(told) = self.calls.get(&id).map(|call| call.caller.told) {
            self.tell(net, step, id, told);
        }
    }

    fn tell(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, status: u16) {
        let now = step.now;
        self.stop_telling(step, id);
        if self.must_wait_to_tell(id, status) {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(server), Some(stencil)) = (call.caller.invite, &call.caller.stencil) else { return };
        let contact = self.settings.contact(call.caller.line.flow);
        let mut response = stencil.response(status, Some(call.caller.tag.as_str()));
        response = response
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, crate::switchboard::admission::door::ALLOW);
        if let Some(identity) = self.call_back_identity(id) {
            response = response.header(Name::PAssertedIdentity, identity.as_bytes());
        }
        let bytes = self.encode_provisional(step, id, status, response);
        net.wire.respond(step, server, status, bytes);
        if let Some(call) = self.calls.get_mut(&id) {
            let again = now.mono + TELL_AGAIN;
            (call.caller.told, call.caller.tell_again_at) = (status, Some(again));
            step.alarms.insert(again, Alarm::TellAgain(id));
        }
    }

    /// Stops the repetition of provisional responses to the caller.
    pub(in crate::switchboard) fn stop_telling(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.caller.tell_again_at.take()) {
            step.alarms.remove(at, Alarm::TellAgain(id));
        }
    }

    /// Sends the 200 to the caller and retransmits it until the ACK arrives.
    pub(in crate::switchboard) fn answer_caller(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let _now = step.now;
        self.stop_telling(step, id);
        if self.must_wait_to_answer(id) {
            return;
        }
        self.stop_provisional(step, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.caller.without_port = None;
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(server), Some(stencil)) = (call.caller.invite, &call.caller.stencil) else { return };
        let contact = self.settings.contact(call.caller.line.flow);
        let (agreement, described) = (call.caller.session, call.caller.describes_answer());
        let session = agreement.headers();
        let response = stencil.response(200, Some(call.caller.tag.as_str()));
        let mut response = response
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, crate::switchboard::admission::door::ALLOW)
            .header(Name::Supported, crate::switchboard::admission::door::SUPPORTED);
        for (name, value) in session.as_headers() {
            response = response.header(name, value);
        }
        if let Some(identity) = self.call_back_identity(id) {
            response = response.header(Name::PAssertedIdentity, identity.as_bytes());
        }
        if described {
            response = response.body("application/sdp", &call.caller.sdp);
        }
        let (bytes, cseq) = (response.encode(), call.merge_key.2);
        net.wire.respond(step, server, 200, bytes.clone());
        net.wire.invite_over(&server);
        self.await_ack(step, Who::Caller(id), (server, cseq), bytes);
        self.begin_session(step, Who::Caller(id), agreement);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.caller.invite = None;
        call.caller.answered = true;
        // Silence is counted from the answer: many trunks send no media before it.
        self.aim(net, step, Who::Caller(id));
    }

    /// Starts to wait for the ACK to a 2xx of siaga.
    pub(in crate::switchboard) fn await_ack(
        &mut self,
        step: &mut Step,
        who: Who,
        (server, cseq): (crate::sip::transaction::ServerId, u32),
        bytes: bytes::Bytes,
    ) {
        let now = step.now;
        let interval = crate::switchboard::alarm::T1;
        let unacked = Unacked {
            server,
            cseq,
            bytes,
            repeat_at: now.mono + interval,
            interval,
            give_up_at: now.mono + crate::switchboard::alarm::T1 * 64,
        };
        self.stop_waiting_for_ack(step, who);
        let due = unacked.due();
        if let Some(line) = self.line_mut(who) {
            line.unacked = Some(unacked);
            step.alarms.insert(due, Alarm::Unacked(who));
        }
    }

    /// Stops waiting for an ACK that has arrived or is no longer needed. Returns true if a 2xx was waiting.
    pub(in crate::switchboard) fn stop_waiting_for_ack(&mut self, step: &mut Step, who: Who) -> bool {
        let unacked = self.line_mut(who).and_then(|line| line.unacked.take());
        unacked.is_some_and(|unacked| step.alarms.remove(unacked.due(), Alarm::Unacked(who)))
    }

    /// Handles a broken invariant: emits a fact and ends the call.
    pub(in crate::switchboard) fn breach(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, what: &str) {
        debug_assert!(false, "breach in {id}: {what}");
        self.fact(net, step, id, FactKind::Breach { what: what.to_owned() });
        self.end_for_fault(net, step, id);
    }
}
