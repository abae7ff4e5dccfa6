//! Parses incoming messages and dispatches them.

use crate::sip::dialog::DialogKey;
use crate::sip::flow::Flow;
use crate::sip::guard::{Pass, Reason, Resident};
use crate::sip::message::ALLOW;
use crate::sip::transaction::{Answered, ClientId, Received};
use crate::sip::wire::{Message, Method, Name, Parsed, StartLine};
use crate::switchboard::admission::guard::{GuardFigures, is_challenged};
use crate::switchboard::admission::request_checks::{ABILITIES, general_fault};
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::ids::LegRef;
use crate::switchboard::output::rejection::Rejected;
use crate::switchboard::session::reason::q850;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Parts {
    /// Parses one message and dispatches it.
    pub(in crate::switchboard) fn receive(&mut self, flow: Flow, bytes: &[u8]) {
        match self.net.trunks.read(&mut self.net.wire, &mut self.step, flow, bytes) {
            Parsed::KeepAlive | Parsed::Garbage(_) => {}
            Parsed::Bad(message, fault) => match message.method() {
                // Neither an ACK nor a response is ever answered (RFC 3261 §17).
                None | Some(Method::Ack) => {}
                Some(_) if self.lets_in(flow, &message) => {
                    self.net.trunks.report_fault(&mut self.step, flow, &message, fault);
                    self.net.admission.refuse_fault(&mut self.net.phones, &mut self.step, flow, &message, fault);
                }
                Some(_) => {}
            },
            Parsed::Good(message) => match message.start {
                StartLine::Request { method, .. } if self.lets_in(flow, &message) => {
                    self.request(flow, &message, method);
                }
                StartLine::Request { .. } => {}
                StartLine::Response { status, .. } => self.response(flow, &message, status),
            },
        }
    }

    pub(in crate::switchboard) fn request(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let now = self.step.now;
        if method != Method::Ack && method != Method::Cancel {
            if message.to().is_ok_and(|to| to.tag().is_none()) {
                return self.out_of_dialog(flow, message, method);
            }
            return self.request_in_dialog(flow, message, method);
        }
        if method == Method::Cancel {
            return self.cancelled(flow, message);
        }
        if self.net.wire.transactions.receive_request(now.mono, flow, message, &mut self.step.out.transmits)
            == Received::Ack
        {
            self.acknowledged(flow, message);
        }
    }

    fn out_of_dialog(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let trunk = self.net.trunks.trunk_of(flow);
        let is_call = method == Method::Invite && trunk.is_some();
        let is_emergency = is_call || method == Method::Invite && self.net.phones.emergency_dialled(message).is_some();
        if let Some(fault) = general_fault(message, method, is_emergency) {
            self.net.trunks.report_fault(&mut self.step, flow, message, fault);
            return self.net.admission.refuse_fault(&mut self.net.phones, &mut self.step, flow, message, fault);
        }
        if let Some(status) = self.net.wire.astray(message, trunk.is_some()) {
            if is_call {
                self.net.trunks.report_rejection(
                    &mut self.step,
                    flow,
                    message,
                    trunk,
                    Rejected::Repeated,
                    (status, None),
                );
            }
            return self.net.admission.refuse(&mut self.step, flow, message, status, &[]);
        }
        if self.net.admission.sheds(&mut self.net.wire, method, trunk.is_some()) {
            return self.net.admission.refuse(&mut self.step, flow, message, 503, &[(Name::RetryAfter, b"30")]);
        }
        match method {
            Method::Options => {
                let abilities: &[_] = if self.net.phones.is_known(flow.remote.ip()) { &ABILITIES } else { &[] };
                self.net.admission.refuse(&mut self.step, flow, message, 200, abilities);
            }
            // Trunks may not subscribe. A trunk's MESSAGE outside a call has no recipient, so a 200 would be wrong.
            Method::Subscribe | Method::Message if trunk.is_some() => {
                self.net.admission.refuse(&mut self.step, flow, message, 403, &[])
            }
            Method::Register | Method::Invite | Method::Subscribe | Method::Message
                if (trunk.is_none() || method == Method::Register) && !self.net.phones.accounts_known =>
            {
                self.net.admission.await_accounts(&mut self.net.phones, &mut self.step, flow, message);
            }
            Method::Register | Method::Invite | Method::Subscribe | Method::Message
                if (trunk.is_none() || method == Method::Register) && message.first(Name::Authorization).is_none() =>
            {
                if method == Method::Invite {
                    self.net.trunks.report_unknown_peer(&mut self.net.phones, &mut self.step, flow, message);
                }
                self.net.admission.challenge(&mut self.step, flow, message, false);
            }
            Method::Register | Method::Invite | Method::Subscribe | Method::Message => {
                let Self { net, step, .. } = self;
                let server = net.admission.open_transaction(&mut net.wire, &mut net.trunks, step, flow, message);
                if let Some(server) = server {
                    self.serve(&IncomingRequest { flow, message, server }, method, trunk);
                }
            }
            Method::Bye
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Publish
            | Method::Ack
            | Method::Cancel
            | Method::Other => self.reject_stray(flow, message, method),
        }
    }

    /// Dispatches a request outside a dialog.
    fn serve(&mut self, taken: &IncomingRequest<'_, '_>, method: Method, trunk: Option<usize>) {
        let Self { net, step, calls, .. } = self;
        match (method, trunk) {
            (Method::Register, _) => self.register(taken),
            (Method::Invite, Some(trunk)) => calls.invited(net, step, taken, trunk),
            (Method::Invite, None) => self.phone_invited(taken),
            (Method::Subscribe, _) => self.subscriptions.subscribed(calls, net, step, taken),
            (_, _) => self.messages.messaged(calls, net, step, taken),
        }
    }

    /// Rejects a request that is only valid in a dialog, or whose method is not supported.
    fn reject_stray(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let known = self.net.phones.is_known(flow.remote.ip());
        match method {
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.net.admission.refuse(&mut self.step, flow, message, 481, &[])
            }
            // REFER is accepted only in the dialog of an operator's call (RFC 3515 §2.4.4 leaves the policy to the recipient).
            Method::Refer => self.net.admission.refuse(&mut self.step, flow, message, 403, &[]),
            // RFC 6665 §4.1.3.
            Method::Notify if !known => self.net.admission.refuse(&mut self.step, flow, message, 481, &[]),
            // A 405 must have Allow (RFC 3261 §21.4.6), which is longer than the request.
            Method::Publish if !known => self.net.admission.refuse(&mut self.step, flow, message, 403, &[]),
            Method::Ack | Method::Cancel | Method::Notify | Method::Publish => {
                self.net.admission.refuse(&mut self.step, flow, message, 405, &[(Name::Allow, ALLOW)])
            }
            // Only a 405 must have Allow (RFC 3261 §21.4.6).
            Method::Other if !known => self.net.admission.refuse(&mut self.step, flow, message, 501, &[]),
            Method::Other => self.net.admission.refuse(&mut self.step, flow, message, 501, &[(Name::Allow, ALLOW)]),
            Method::Options | Method::Register | Method::Invite | Method::Subscribe | Method::Message => {}
        }
    }

    /// Handles CANCEL (RFC 3261 §9.2): 200 and the end of a waiting call; 481 if there is no INVITE to cancel, or if it comes from another
    /// source.
    fn cancelled(&mut self, flow: Flow, message: &Message<'_>) {
        let now = self.step.now;
        if self.net.wire.repeats(&mut self.step, message) {
            return;
        }
        let invite = self.net.wire.invite_of(message);
        if !invite.is_some_and(|invite| self.may_cancel(invite, flow)) {
            match invite.map(|invite| self.net.wire.leg_of_invite(&invite)) {
                Some(Some(who)) => self.calls.report_foreign(&mut self.net, &mut self.step, flow, message, who, 481),
                Some(None) => self.net.admission.guard.count(Reason::Foreign),
                None => {}
            }
            return self.net.admission.respond_statelessly(&mut self.net.wire, &mut self.step, flow, message, 481);
        }
        match self.net.wire.transactions.receive_request(now.mono, flow, message, &mut self.step.out.transmits) {
            Received::Cancel { cancel, invite } => {
                let status = if invite.is_some() { 200 } else { 481 };
                let tag = invite
                    .and_then(|invite| self.calls.tag_of(&self.net, invite))
                    .unwrap_or_else(|| self.step.rng.token().to_string());
                self.net.wire.reply_with_tag(
                    &mut self.step,
                    &IncomingRequest { flow, message, server: cancel },
                    status,
                    &tag,
                );
                if let Some(who) = invite.and_then(|invite| self.net.wire.leg_of_invite(&invite)) {
                    self.calls.caller_cancels(&mut self.net, &mut self.step, who, q850(message));
                }
            }
            Received::New(_) | Received::Ack | Received::Absorbed | Received::Full => {}
        }
    }

    pub(in crate::switchboard) fn response(&mut self, flow: Flow, message: &Message<'_>, status: u16) {
        let now = self.step.now;
        let answered = self.net.wire.transactions.receive_response(now.mono, message, &mut self.step.out.transmits);
        let client = match answered {
            Answered::ToUser(client, _) => client,
            Answered::Stray => return self.late_answer(flow, message, status),
            Answered::Absorbed => return,
        };
        let Some(purpose) = self.net.wire.purpose(&client).cloned() else {
            return self.late_answer(flow, message, status);
        };
        if let Purpose::Invite(who) = purpose
            && !self.calls.invite_responds(&mut self.net, &mut self.step, who, client, message, status)
        {
            return;
        }
        if self.calls.try_retry(&mut self.net, &mut self.step, client, &purpose, message) {
            return;
        }
        if let Purpose::Invite(LegRef::Outgoing(call, leg)) = purpose {
            self.calls.offer_response(&mut self.net, &mut self.step, call, leg, message, status);
        } else if let Purpose::Invite(LegRef::Caller(call)) = purpose {
            self.calls.own_phone_repeats(&mut self.net, &mut self.step, call, message, status);
        } else if let Purpose::Refresh(who) = purpose {
            self.session_response(who, (&purpose, client), (message, status));
        } else if status >= 200 {
            self.net.wire.take_purpose(&client);
            self.final_response(client, purpose, message, status);
        }
    }

    /// Passes a response to the session of a leg that has sent the request.
    fn session_response(&mut self, who: LegRef, request: (&Purpose, ClientId), response: (&Message<'_>, u16)) {
        let Self { net, step, calls, .. } = self;
        calls.in_session(net, step, who, |session, net, step| session.response(net, step, request, who, response));
    }

    /// Handles a final response to a request whose provisional responses are ignored.
    fn final_response(&mut self, client: ClientId, purpose: Purpose, message: &Message<'_>, status: u16) {
        match purpose {
            // Any final response shows that the server is up. A 503 asks clients not to use it (RFC 3263 §4.3).
            Purpose::TrunkPing(index, target) => match status {
                503 => self.net.trunks.trunk_silent(&mut self.step, index, target),
                // A former server says nothing about the present one.
                _ if self.net.trunks.uses(index, target) => self.net.trunks.trunk_answers(&mut self.step, index),
                _ => {}
            },
            Purpose::PhonePing(phone, _) => self.calls.phone_responds(&mut self.net, &mut self.step, &phone),
            Purpose::TrunkRegister(index, target) => {
                self.net.trunks.trunk_registered(&mut self.step, index, target, message, status)
            }
            Purpose::Notify(watch) => self.subscriptions.notify_answered(
                &mut self.calls,
                &mut self.net,
                &mut self.step,
                watch,
                message,
                status,
            ),
            Purpose::ReferNotify(who) | Purpose::Digit(who) | Purpose::Inquiry(who) => {
                self.session_response(who, (&purpose, client), (message, status));
            }
            Purpose::Message(text) => self.text_answered(text, client, Some((message, status))),
            Purpose::Invite(_)
            | Purpose::Refresh(_)
            | Purpose::Prack(..)
            | Purpose::Bye
            | Purpose::Deregister { .. } => {}
        }
    }

    /// Handles the failure of a flow.
    pub(in crate::switchboard) fn unreachable(&mut self, flow: Flow) {
        let now = self.step.now;
        let mut events = std::mem::take(&mut self.net.wire.events);
        self.net.wire.transactions.transport_failed(now.mono, flow, &mut events);
        for event in events.drain(..) {
            self.transaction_event(event);
        }
        self.net.wire.events = events;
        if flow.is_connection() {
            self.calls.connection_lost(&mut self.net, &mut self.step, flow);
            self.subscriptions.lose_watches(&mut self.net, &mut self.step, flow);
            for user in self.net.phones.registrar.flow_closed(flow) {
                self.unregistered(&user);
            }
        } else if flow.transport.is_reliable() {
            self.calls.no_way_back(&mut self.net, &mut self.step, flow);
        }
    }

    /// True if a request may be processed. Otherwise it is dropped without a response, so that scanners learn nothing and forged sources
    /// get no traffic.
    ///
    /// Trunks are never limited, because the source of a datagram can be forged: an attacker who could cause the ban of
    /// a trunk could block 112. A request in a dialog passes, because only its two ends know the Call-ID and the tags;
    /// a ban therefore never cuts a call. A CANCEL passes if its INVITE has arrived. The right response to a challenge
    /// passes from any source, even with an expired nonce: it gets 401 with `stale=true` (RFC 7616 §3.3).
    pub(in crate::switchboard) fn lets_in(&mut self, flow: Flow, message: &Message<'_>) -> bool {
        let now = self.step.now;
        let source = flow.remote.ip();
        if self.net.admission.is_vouched(source) || message.method() == Some(Method::Ack) {
            return true;
        }
        let ours = |key| self.net.wire.has_dialog(&key) || self.subscriptions.table.at(&key).is_some();
        if DialogKey::of_request(message).is_some_and(ours)
            && self.net.admission.guard.lets_participant_in(now.mono, flow.remote)
        {
            return true;
        }
        // A CANCEL has neither a To tag nor credentials (RFC 3261 §9.1, §22.1). Only the sender of an INVITE knows its branch.
        if message.method() == Some(Method::Cancel) && self.net.wire.invite_of(message).is_some() {
            return true;
        }
        if self.settings.guard.scanners.sent(message) {
            self.net.admission.guard.count(Reason::Scanner);
            return false;
        }
        let (registrar, recovered) = (&self.net.phones.registrar, &self.net.phones.recovered);
        let resident = || match () {
            () if registrar.has_binding_from(flow.remote) => Resident::Phone,
            () if registrar.has_binding_at(source) || recovered.has_pending_bindings_at(source) => Resident::Host,
            () => Resident::No,
        };
        let is_datagram = !flow.transport.is_reliable();
        let (reason, may_challenge) = match self.net.admission.guard.ask(now.mono, flow.remote, is_datagram, resident) {
            Ok(Pass::Yes) => return true,
            Ok(Pass::OnlyProven(reason)) => (reason, false),
            Ok(Pass::OnlyProvenOrNew(reason)) => (reason, true),
            Err(ban) => return self.step.tell_ban(ban),
        };
        let passes = match self.net.admission.answers_challenge(
            &mut self.net.facts,
            &mut self.net.phones,
            &mut self.step,
            flow,
            message,
        ) {
            Some(right) => right,
            None => {
                may_challenge && is_challenged(message) && self.net.admission.guard.may_challenge(now.mono, flow.remote)
            }
        };
        if !passes {
            self.net.admission.guard.count(reason);
        }
        passes
    }

    /// Values of the guard for the metrics.
    pub(in crate::switchboard) fn guard_figures(&self) -> GuardFigures {
        GuardFigures {
            banned: self.net.admission.guard.banned(),
            counts: self.net.admission.guard.counts().map(|(_, count)| count),
        }
    }
}
