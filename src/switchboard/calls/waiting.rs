//! The steps of a waiting caller: announcements, provisional responses and the answer.

use crate::cdr::fact::FactKind;
use crate::ids::CallId;
use crate::media::command::{Command, Place, Prompt};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;

impl Calls {
    /// Adds a new call.
    pub(in crate::switchboard) fn add_call(&mut self, id: CallId, call: Call) {
        self.live_calls += 1;
        self.calls.insert(id, call);
    }

    /// Plays the queue announcement to a waiting caller who has not heard it: as early media (183), or in the answered call.
    pub(in crate::switchboard) fn announce(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.waiting.is_announced()) else { return };
        if call.stage == Stage::Offered && call.caller.is_answered() {
            return self.play_tone(net, step, id);
        }
        if call.stage != Stage::Queued && !call.is_falling_back() {
            return;
        }
        if call.caller.port_is_uncertain() {
            return self.tell_caller(net, step, id, 180);
        }
        call.waiting.begin_announcements();
        let early = !call.caller.is_answered();
        if let Some(media) = call.caller.session.media() {
            let anchor = media.anchor();
            self.send_peer_address(net, step, LegRef::Caller(id));
            let (first, then) = (Some(Prompt::Queue), Some(self.settings.media.waiting));
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
        let media = self.calls.get(&id).and_then(|call| call.caller.session.media());
        let Some(anchor) = media.map(MediaSession::anchor) else { return };
        self.send_peer_address(net, step, LegRef::Caller(id));
        step.out.media.push(Command::Play { anchor, first: None, then: Some(Prompt::HoldTone) });
    }

    fn tell_place_later(&mut self, step: &mut Step, id: CallId) {
        let now = step.now;
        self.stop_announcements(step, id);
        let Some(each) = self.settings.calls.announce_each else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            let at = now.mono + each;
            call.waiting.announce_position_at(at);
            step.timers.insert(at, TimerKind::AnnouncePosition(id));
        }
    }

    /// Stops the announcements of the position.
    pub(in crate::switchboard) fn stop_announcements(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.waiting.take_position_at()) {
            step.timers.remove(at, TimerKind::AnnouncePosition(id));
        }
    }

    /// Announces the position in the queue and, while operators are at work, the expected wait; the waiting tone
    /// follows. Nothing is announced while a phone rings for the call.
    pub(in crate::switchboard) fn announce_position(&mut self, step: &mut Step, id: CallId) {
        self.tell_place_later(step, id);
        let Some(call) = self.calls.get(&id).filter(|call| call.stage == Stage::Queued && call.waiting.is_announced())
        else {
            return;
        };
        let Some(outlook) = self.acd.outlook(id) else { return };
        let number = u8::try_from(outlook.position).unwrap_or(u8::MAX);
        let minutes = outlook.wait.map(|wait| u8::try_from(wait.as_secs() / 60).unwrap_or(u8::MAX));
        if let Some(media) = call.caller.session.media() {
            let (anchor, first) = (media.anchor(), Some(Prompt::Place(Place { number, minutes })));
            step.out.media.push(Command::Play { anchor, first, then: Some(self.settings.media.waiting) });
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
        let identity = self.call_back_identity(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let shown = (identity.as_deref(), call.caller.description());
        call.caller.session.send_provisional(net, step, LegRef::Caller(id), status, shown);
    }

    /// Repeats the last provisional response to the caller.
    pub(in crate::switchboard) fn resend_provisional(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let identity = self.call_back_identity(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let shown = (identity.as_deref(), call.caller.description());
        call.caller.session.repeat_last_provisional(net, step, LegRef::Caller(id), shown);
    }

    /// Sends the 200 to the caller, unless it must wait for a PRACK.
    pub(in crate::switchboard) fn answer_caller(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let identity = self.call_back_identity(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.caller.session.answer_invite(net, step, LegRef::Caller(id), identity.as_deref()) {
            call.caller.without_port = None;
        }
    }

    /// Handles a broken invariant: emits a fact and ends the call.
    pub(in crate::switchboard) fn breach(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, what: &str) {
        debug_assert!(false, "breach in {id}: {what}");
        self.fact(net, step, id, FactKind::Breach { what: what.to_owned() });
        self.end_for_fault(net, step, id);
    }
}
