//! Placed calls: an operator calls a colleague, a configured agency or a number on the list of call-backs. Placed calls have facts, but
//! never wait in the queue and have no record.

use crate::switchboard::calls::Calls;
use crate::switchboard::calls::caller::merge_key;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::state::call::{Caller, Stage};
use crate::switchboard::calls::state::kind::CallKind;
use crate::switchboard::calls::state::placed::{OF_ONE_MAX, PlacedFor};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::state::incoming::IncomingInvite;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use crate::switchboard::wire::text::clean;
use std::time::Duration;

use crate::acd::Availability;
use crate::cdr::fact::{Callee, Destination, EndCause, FactKind, OfferOutcome, Side};
use crate::ids::{CallId, OperatorId};
use crate::limits::PLACED_CALLS_MAX;
use crate::sip::dialog::Dialog;
use crate::sip::message::ResponseTemplate;
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Name};

/// Maximum number of characters of a stored Call-ID.
const CALL_ID_CHARS_MAX: usize = 512;

impl Calls {
    /// Handles an operator's INVITE to a colleague or an agency.
    pub(in crate::switchboard) fn place(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        by: OperatorId,
    ) {
        let uri = taken.message.request_uri().unwrap_or_default();
        let parsed = Uri::parse(uri);
        let asked_in = parsed.as_ref().ok().and_then(|uri| net.phones.asked_in(uri));
        let why = if asked_in.is_some() { PlacedFor::Conference } else { PlacedFor::Talk };
        let target =
            asked_in.unwrap_or_else(|| parsed.map_err(|_| 404).and_then(|uri| net.phones.destination_of(&uri)));
        let to = match target {
            Ok(Destination::Operator(operator)) if operator != by => Callee::Operator(operator),
            Ok(Destination::Number(number)) => Callee::Number(number),
            // An operator can call neither the queue nor their own phones.
            Ok(Destination::Operator(_) | Destination::Queue) => return net.wire.reply(step, taken, 404, &[]),
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        self.place_to(net, step, taken, by, to, why);
    }

    /// Starts a placed call.
    pub(in crate::switchboard) fn place_to(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        by: OperatorId,
        to: Callee,
        why: PlacedFor,
    ) {
        let now = step.now;
        let key = merge_key(taken.message);
        if net.wire.has_call(&key) {
            return net.wire.reply(step, taken, 482, &[]);
        }
        match self.may_place(net, &by, &to) {
            Ok(()) => {}
            Err(503) => return net.wire.reply(step, taken, 503, &[(Name::RetryAfter, b"5")]),
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        }
        let tag = step.rng.token();
        let dialog = match Dialog::as_callee(taken.message, tag.as_str()) {
            Ok(dialog) => dialog,
            Err(fault) => return net.wire.reply(step, taken, fault.status, &[]),
        };
        let id = CallId::new(now.wall, &mut step.rng);
        let stencil = ResponseTemplate::of(taken.message, taken.flow);
        let trying = stencil.response(100, None).encode();
        net.wire.respond(step, taken.server, 100, trying);
        let shown = Caller { number: Some(self.settings.numbers.placed_as(&by, &to)), ..Caller::default() };
        let invite = IncomingInvite::new(net, step, taken, stencil, tag);
        let mut call = self.new_call(step, taken, (invite, dialog), shown, key.clone());
        call.caller.session.use_flow_only();
        call.stage = Stage::Placed;
        let (confers, back) = match why {
            PlacedFor::Talk => (false, None),
            PlacedFor::Conference => (true, None),
            PlacedFor::CallBack(back) => (false, Some(back)),
        };
        if let Some(back) = &back {
            self.numbers.call_backs.begin(&back.number, id);
        }
        let of = back.as_ref().map(|back| back.of);
        call.kind = CallKind::placed(by.clone(), confers, back);
        step.timers.insert(call.times.over_at(), TimerKind::TooLong(id));
        self.add_call(id, call);
        self.placed.insert(id, &by);
        net.wire.hold_stream(id, taken.flow);
        net.wire.note_call(key, id);
        net.wire.await_final(taken.server, LegRef::Caller(id));
        let sip_call_id = clean(taken.message.call_id().unwrap_or_default(), CALL_ID_CHARS_MAX);
        let ordered_by = None;
        self.fact(net, step, id, FactKind::Placed { by: by.clone(), to: to.clone(), sip_call_id, of, ordered_by });
        self.acd.place(now, id, &by);
        self.expire_invite(step, id, taken.message);
        self.begin_dialog(net, id);
        if self.describe_caller(net, step, id, taken.message) {
            self.ring_placed(net, step, id, &by, &to);
        }
    }

    /// Starts the timer of the Expires of an operator's own INVITE (RFC 3261 §13.3.1). The Expires of a trunk never ends an emergency call.
    fn expire_invite(&mut self, step: &mut Step, id: CallId, invite: &Message<'_>) {
        let now = step.now;
        let seconds = invite.number(Name::Expires).ok().flatten().filter(|seconds| *seconds > 0);
        let (Some(seconds), Some(call)) = (seconds, self.calls.get_mut(&id)) else { return };
        let at = now.mono + Duration::from_secs(seconds.into());
        call.times.set_expires_at(at);
        step.timers.insert(at, TimerKind::InviteExpires(id));
    }

    /// Ends an operator's own INVITE that has expired with 487, unless it was answered.
    pub(in crate::switchboard) fn invite_expired(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.times.take_expires_at();
        if call.caller.session.invite_is_pending() {
            self.end_call(net, step, id, Ending::by(Side::Caller, EndCause::Abandoned));
        }
    }

    /// Checks that an operator may place one more call. Errors: 486 at the operator's limit, 503 if no capacity is left.
    pub(in crate::switchboard) fn may_place(
        &self,
        net: &NetworkParts,
        by: &OperatorId,
        to: &Callee,
    ) -> Result<(), u16> {
        if self.placed.of(by).len() >= OF_ONE_MAX {
            return Err(486);
        }
        // The remaining capacity is reserved for emergency calls.
        let full = self.service_state.draining
            || self.placed.len() >= PLACED_CALLS_MAX
            || self.live_calls >= self.settings.calls.max / 2;
        if full || !self.has_pairs_for_placed(net, by, to) { Err(503) } else { Ok(()) }
    }

    /// Rings the called party of a placed call.
    pub(in crate::switchboard) fn ring_placed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        by: &OperatorId,
        to: &Callee,
    ) {
        let now = step.now;
        let why = format!("called by {by}");
        let refused = match to {
            Callee::Operator(operator) => match self.acd.availability(operator) {
                Availability::Free => {
                    self.acd.reserve(id, operator);
                    let until = now.mono + self.settings.calls.ring;
                    if self.ring_phones(net, step, id, operator, &why, until) {
                        return;
                    }
                    self.acd.offer_failed(now, id, operator, true);
                    503
                }
                Availability::Busy => 486,
                Availability::Away | Availability::Unknown => 480,
            },
            Callee::Number(number) => {
                let until = now.mono + self.settings.fallback.ring;
                if self.dial(net, step, id, number, &why, until) {
                    return;
                }
                503
            }
        };
        self.refuse_placed(net, step, id, refused);
    }

    /// Handles a called party that does not answer.
    pub(in crate::switchboard) fn placed_refused(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        to: &Callee,
        outcome: OfferOutcome,
        sip_status: Option<u16>,
    ) {
        // While another phone of the colleague rings, the call continues.
        let Some(call) = self.calls.get(&id).filter(|call| !call.rings()) else { return };
        let by = call.kind.placed_by().map(ToString::to_string);
        if !self.dial_again(net, step, id, to, &format!("called by {}", by.unwrap_or_default())) {
            self.refuse_placed(net, step, id, crate::switchboard::calls::transfer::sipfrag_status(outcome, sip_status));
        }
    }

    fn refuse_placed(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, status: u16) {
        self.end_call(net, step, id, Ending::by(Side::Service, EndCause::Normal).with_final_status(status));
    }
}
