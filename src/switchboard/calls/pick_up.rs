//! INVITE with Replaces (RFC 3891) from an operator's phone: the operator picks up a call that rings or talks at
//! another phone.
//!
//! Replaces from a trunk is ignored: the emergency call is handled as a new call.

use crate::acd::Availability;
use crate::cdr::fact::{Callee, EndCause, FactKind, Side};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::Command;
use crate::sip::dialog::Dialog;
use crate::sip::location::session_description;
use crate::sip::message::ResponseTemplate;
use crate::sip::replaces::Replaces;
use crate::sip::wire::Name;
use crate::switchboard::admission::request_checks::{ALLOW, SUPPORTED};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState, RingAttempt};
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::LegRef;
use crate::switchboard::media::MediaPorts;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::session::state::timer::Agreement;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Calls {
    /// Handles an INVITE with Replaces (RFC 3891 §3). Errors: 481 if the dialog is unknown, 603 if it has ended, 486 if
    /// it is confirmed and only an early one may be replaced, 403 if the operator may not replace it (§9).
    pub(in crate::switchboard) fn picks_up(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        operator: OperatorId,
        replaces: &Replaces,
    ) {
        let other = replaces.from_the_other_side();
        let keys = || replaces.keys().chain(other.keys());
        let aliased = net.admission.leg_of_alias(replaces);
        let Some(who) = aliased.or_else(|| keys().find_map(|key| net.wire.leg_in(&key))) else {
            let past = keys().any(|key| net.wire.past.known.contains(&key));
            return net.wire.reply(step, taken, if past { 603 } else { 481 }, &[]);
        };
        let (id, leg) = match self.relievable(who, &operator, replaces.early_only) {
            Ok(found) => found,
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        let consulted = match self.acd.availability(&operator) {
            // The operator has the call already and continues at another phone.
            _ if self.is_leg_of(id, leg, &operator) => None,
            Availability::Free => None,
            Availability::Busy | Availability::Away | Availability::Unknown => {
                match self.consulted_with(id, leg, &operator) {
                    Some(placed) => Some(placed),
                    None => return net.wire.reply(step, taken, 486, &[]),
                }
            }
        };
        let who = {
            let Some(call) = self.calls.get_mut(&id) else { return net.wire.reply(step, taken, 481, &[]) };
            LegRef::Outgoing(id, call.counts.next_leg())
        };
        let to = Callee::Operator(operator.clone());
        let arriving = match ReplacingLeg::read(&mut net.media, step, taken, who, &to) {
            Ok(arriving) => arriving,
            Err(status) => return net.wire.reply(step, taken, status, &[]),
        };
        if let Some(placed) = consulted {
            self.end_call(net, step, placed, Ending::by(Side::Operator, EndCause::Normal).with_final_status(487));
        }
        self.relieve(net, step, taken, (id, leg), (who, to), arriving);
    }

    /// The leg that an operator may replace: one that rings for a caller without an operator, or one that talks if
    /// `may_relieve` allows it.
    fn relievable(&self, who: LegRef, by: &OperatorId, early_only: bool) -> Result<(CallId, LegNo), u16> {
        let LegRef::Outgoing(id, no) = who else { return Err(403) };
        let call = self.calls.get(&id).ok_or(481_u16)?;
        let leg = call.legs.get(&no).ok_or(481_u16)?;
        match leg.state {
            _ if call.kind.is_placed() => Err(403),
            // The leg rings for a call that another operator has.
            OutgoingState::Ringing { .. } if !call.may_be_picked_up(no) => Err(403),
            // A conference has several parties; supervisors take it over with their code.
            _ if self.has_participants(id) => Err(491),
            OutgoingState::Talking if early_only => Err(486),
            OutgoingState::Talking if !self.may_relieve(id, no, by) => Err(403),
            OutgoingState::Talking | OutgoingState::Ringing { .. } => Ok((id, no)),
            OutgoingState::NoResponse | OutgoingState::Cancelling => Err(481),
        }
    }

    /// True if an operator may take over a conversation: its own operator at another phone, an operator who was
    /// consulted about it, or a supervisor (RFC 3891 §9).
    fn may_relieve(&self, id: CallId, no: LegNo, by: &OperatorId) -> bool {
        self.is_leg_of(id, no, by)
            || self.settings.operators.supervisors.contains(by)
            || self.consulted_with(id, no, by).is_some()
    }

    fn is_leg_of(&self, id: CallId, no: LegNo, operator: &OperatorId) -> bool {
        self.calls.get(&id).and_then(|call| call.legs.get(&no)).and_then(OutgoingLeg::operator) == Some(operator)
    }

    /// The placed call in which the leg's operator consults this operator.
    fn consulted_with(&self, id: CallId, leg: LegNo, operator: &OperatorId) -> Option<CallId> {
        let placed = self.acd.direct_call_of(operator)?;
        let relieved = self.calls.get(&id)?.legs.get(&leg)?.operator()?;
        (self.calls.get(&placed)?.kind.placed_by() == Some(relieved)).then_some(placed)
    }

    fn relieve(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        (id, old): (CallId, LegNo),
        (who, to): (LegRef, Callee),
        arriving: ReplacingLeg,
    ) {
        let now = step.now;
        let (LegRef::Outgoing(_, new), Callee::Operator(operator)) = (who, &to) else { return };
        self.end_participants(net, step, id);
        self.acd.take(now, id, operator, self.entry_of(id));
        self.fact(net, step, id, FactKind::TakenOver { leg: old, by: operator.clone() });
        if self.unbridge(step, id).is_some() {
            step.out.media.push(Command::StopRecord { call: id, leg: old });
        }
        if let Some(call) = self.calls.get_mut(&id)
            && matches!(call.stage, Stage::Talking { .. })
        {
            // The call has no talking leg after its bridge was removed.
            call.stage = Stage::Queued;
        }
        self.let_in(net, step, taken, (id, new), &to, arriving);
        self.connect(net, step, id, new, &to);
        self.fact(net, step, id, FactKind::Answered { leg: new, by: to });
    }

    /// Answers the INVITE of a new leg and adds the leg to the call.
    pub(in crate::switchboard) fn let_in(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        (id, new): (CallId, LegNo),
        to: &Callee,
        arriving: ReplacingLeg,
    ) {
        let (who, ReplacingLeg { dialog, media, body }) = (LegRef::Outgoing(id, new), arriving);
        let timer = Agreement::of_invite(self.settings.session, taken.message);
        let (contact, headers) = (self.settings.site.contact(taken.flow), timer.headers());
        let tag = String::from_utf8_lossy(&dialog.key().local_tag).into_owned();
        let mut response = ResponseTemplate::of(taken.message, taken.flow)
            .response(200, Some(&tag))
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        for (name, value) in headers.as_headers() {
            response = response.header(name, value);
        }
        let bytes = response.body("application/sdp", &body).encode();
        net.wire.bind(dialog.key().clone(), who);
        let mut session = Session::of_answered(taken.flow, dialog, media);
        session.read_allow(taken.message);
        net.wire.respond(step, taken.server, 200, bytes.clone());
        session.await_ack(step, who, taken.invite(), bytes);
        session.begin_timer(step, who, timer);
        let leg = OutgoingLeg {
            session,
            to: to.clone(),
            client: None,
            from: bytes::Bytes::new(),
            call_id: bytes::Bytes::new(),
            cseq: 0,
            state: OutgoingState::Talking,
            dialled: None,
            identity_outdated: false,
            attempt: RingAttempt::default(),
        };
        step.mark_changed(to);
        if let Some(call) = self.calls.get_mut(&id) {
            call.legs.insert(new, leg);
        }
    }
}

/// A new incoming leg before its call accepts it.
pub(in crate::switchboard) struct ReplacingLeg {
    pub(in crate::switchboard) dialog: Dialog,
    pub(in crate::switchboard) media: MediaSession,
    pub(in crate::switchboard) body: Vec<u8>,
}

impl ReplacingLeg {
    /// Reads the INVITE and lends a port. On error, returns the status of the rejection.
    pub(in crate::switchboard) fn read(
        ports: &mut MediaPorts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        who: LegRef,
        to: &Callee,
    ) -> Result<Self, u16> {
        let tag = step.rng.token();
        let dialog = Dialog::as_callee(taken.message, tag.as_str()).map_err(|fault| fault.status)?;
        let offer = session_description(taken.message)
            .and_then(|body| ports.settings.media.read_offer(body).ok())
            .ok_or(488_u16)?;
        let sender = taken.flow.remote.ip();
        let mut media = MediaSession::lend_for(ports, step, who, Some(&offer), sender).ok_or(503_u16)?;
        media.set_srtp_policy(ports.settings.media.srtp_policy(to, taken.flow));
        let Ok(body) = media.answer_first(&offer) else {
            ports.return_anchor(step, media.anchor());
            return Err(488);
        };
        Ok(Self { dialog, media, body })
    }
}
