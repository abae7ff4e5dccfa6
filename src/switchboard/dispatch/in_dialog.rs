//! Requests in dialogs: checks their source and dispatches them.

use std::net::IpAddr;

use crate::ids::OperatorId;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::{Flow, Transport};
use crate::sip::guard::Reason;
use crate::sip::option_tag;
use crate::sip::registrar::Binding;
use crate::sip::transaction::ServerId;
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::admission::challenges::{Proof, Usage, contact_of, ends_of, is_datagram_of, is_end};
use crate::switchboard::admission::request_checks::{ALLOW, READABLE, is_unsupported};
use crate::switchboard::calls::dialogs::ACK_IGNORED;
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::ids::LegRef;
use crate::switchboard::session::Session;
use crate::switchboard::session::inputs::SessionRequest;
use crate::switchboard::wire::connections::is_same_host;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Parts {
    /// Handles a request with a To tag. The source is checked first: a request from another source does not change the stored CSeq.
    pub(in crate::switchboard) fn request_in_dialog(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let Some(key) = DialogKey::of_request(message) else {
            return self.net.admission.unknown_dialog(&mut self.net.wire, &mut self.step, flow, message, 481);
        };
        let leg = self.net.wire.leg_in(&key).map(Usage::Leg);
        let usage = leg.or_else(|| self.subscriptions.table.at(&key).map(Usage::Watch));
        match usage {
            Some(usage) if !self.may_speak(usage, &key, flow, Proof::Address) => {
                self.foreign_request(flow, message, method, usage);
            }
            Some(_) => {
                self.step.trust_connection(flow);
                self.take_in_dialog(flow, message, method);
            }
            // The BYEs of both sides have crossed (RFC 5407 §3.2.1).
            None if method == Method::Bye && self.net.wire.past.holds(&key) => {
                self.net.admission.unknown_dialog(&mut self.net.wire, &mut self.step, flow, message, 200)
            }
            None => self.net.admission.unknown_dialog(&mut self.net.wire, &mut self.step, flow, message, 481),
        }
    }

    fn take_in_dialog(&mut self, flow: Flow, message: &Message<'_>, method: Method) {
        let now = self.step.now;
        if method == Method::Refer {
            self.calls.note_refer(&mut self.net, now, message);
        }
        if let Some(server) =
            self.net.admission.open_transaction(&mut self.net.wire, &mut self.net.trunks, &mut self.step, flow, message)
        {
            self.in_dialog(&IncomingRequest { flow, message, server }, method);
        }
    }

    /// True if a message that cannot be challenged (ACK, CANCEL) comes from an accepted host of a leg's dialog.
    pub(in crate::switchboard) fn may_speak_for(&mut self, who: LegRef, key: &DialogKey, flow: Flow) -> bool {
        self.may_speak(Usage::Leg(who), key, flow, Proof::Host)
    }

    /// True if a CANCEL comes from the source of its INVITE, or from an accepted source of the leg's dialog. It cannot be challenged
    /// (RFC 3261 §22.1).
    pub(in crate::switchboard) fn may_cancel(&mut self, invite: ServerId, flow: Flow) -> bool {
        let same = self.net.wire.flow_of(invite).is_some_and(|one| is_same_host(one, flow));
        let Some(who) = self.net.wire.leg_of_invite(&invite).filter(|_| !same) else { return same };
        let key = self.calls.session(who).and_then(Session::dialog).map(|dialog| dialog.key().clone());
        key.is_some_and(|key| self.may_speak_for(who, &key, flow))
    }

    /// True if a message in a dialog comes from an accepted source. In a phone's dialog the right host is enough only if no phone of
    /// another account is registered at that host, or if the message cannot be challenged: several phones may share the address of a NAT, a
    /// proxy or a terminal server.
    fn may_speak(&mut self, usage: Usage, key: &DialogKey, flow: Flow, needed: Proof) -> bool {
        let (own, ends, last) = match usage {
            Usage::Leg(who) => {
                let mut ends =
                    self.calls.dialog_mut(who, key).map(|dialog| ends_of(dialog.hosts())).unwrap_or_default();
                let Some(session) = self.calls.session(who) else { return false };
                ends.extend(session.resolved_hop());
                (session.flow(), ends, session.last_host())
            }
            Usage::Watch(id) => {
                let Some(subscription) = self.subscriptions.table.get(id) else { return false };
                (subscription.flow, ends_of(subscription.dialog.hosts()), None)
            }
        };
        if flow.is_connection() && flow.connection == own.connection {
            return true;
        }
        // The source of a datagram can be forged, so it is not accepted in a dialog over TLS.
        if own.transport == Transport::Tls && flow.transport != Transport::Tls {
            return false;
        }
        let source = flow.remote.ip().to_canonical();
        let is_source = |host: IpAddr| host.to_canonical() == source;
        let is_host =
            || is_source(own.remote.ip()) || last.is_some_and(is_source) || ends.iter().any(|end| is_source(end.ip()));
        if let Some(trunk) = self.calls.trunk_of_usage(&self.net, usage) {
            return self.net.trunks.has_proven_name(trunk, flow)
                && (is_host() || self.net.trunks.is_server_of(trunk, flow));
        }
        if let Usage::Leg(who) = usage
            && let Some(former) = self.net.trunks.former(who)
        {
            let is_proven = self.net.trunks.has_proven(former.tls_name.as_ref(), flow);
            return is_proven && (is_host() || former.is_server(flow));
        }
        let parties = self.parties_of(usage);
        let phones = || parties.iter().flat_map(|party| self.net.phones.phones_at(party));
        if needed == Proof::Host || !self.net.phones.is_shared(source, &parties) {
            let is_phone = |phone: &Binding| {
                is_source(phone.flow.remote.ip()) || contact_of(phone).is_some_and(|end| is_source(end.ip()))
            };
            return is_host() || phones().any(is_phone);
        }
        let ends = if own.transport == Transport::Udp { ends } else { Vec::new() };
        is_end(own, flow)
            || ends.iter().any(|end| is_datagram_of(*end, flow))
            || phones()
                .any(|phone| is_end(phone.flow, flow) || contact_of(phone).is_some_and(|end| is_datagram_of(end, flow)))
    }

    /// Handles a request in a dialog from another source. With the operator's credentials it is carried out from any source.
    fn foreign_request(&mut self, flow: Flow, message: &Message<'_>, method: Method, usage: Usage) {
        let now = self.step.now;
        if self.net.wire.repeats(&mut self.step, message) {
            return;
        }
        let parties = self.parties_of(usage);
        if parties.is_empty() {
            self.calls.report_usage(&mut self.net, &mut self.step, flow, message, usage, 403);
            // A 481 would make a peer whose address is missing in the settings end the call (RFC 5057 §5.1).
            return self.net.admission.refuse(&mut self.step, flow, message, 403, &[]);
        }
        if message.first(Name::Authorization).is_none() {
            self.net.admission.guard.count(Reason::Foreign);
            return self.net.admission.challenge(&mut self.step, flow, message, false);
        }
        let Some(server) = self.net.admission.open_transaction(
            &mut self.net.wire,
            &mut self.net.trunks,
            &mut self.step,
            flow,
            message,
        ) else {
            return;
        };
        let taken = IncomingRequest { flow, message, server };
        let Some(account) = self.calls.authenticate(&mut self.net, &mut self.step, &taken) else { return };
        if !parties.contains(&account) && !parties.contains(&self.net.phones.user_of(&account)) {
            self.net.admission.guard.count(Reason::Foreign);
            return self.net.wire.reply(&mut self.step, &taken, 403, &[]);
        }
        if method == Method::Refer {
            self.calls.note_refer(&mut self.net, now, message);
        }
        self.in_dialog(&taken, method);
    }

    /// The operator at the peer's phone, and the account of that phone if it is known. Empty if the peer is no phone of the centre.
    fn parties_of(&self, usage: Usage) -> Vec<OperatorId> {
        let (operator, account) = match usage {
            Usage::Leg(LegRef::Caller(call)) => {
                let Some(call) = self.calls.calls.get(&call) else { return Vec::new() };
                let internal = call.kind.as_internal();
                let own = internal.and_then(|internal| internal.operator.as_ref());
                (call.kind.placed_by().or(own).cloned(), internal.map(|internal| internal.account.clone()))
            }
            Usage::Leg(LegRef::Outgoing(call, leg)) => {
                let leg = self.calls.calls.get(&call).and_then(|call| call.legs.get(&leg));
                (leg.and_then(|leg| leg.operator()).cloned(), None)
            }
            Usage::Leg(LegRef::Service(service_call)) => {
                let account = self.calls.service_calls.get(&service_call).and_then(|phone| phone.account.clone());
                (account.as_ref().map(|account| self.net.phones.user_of(account)), account)
            }
            Usage::Watch(id) => {
                let watcher = self.subscriptions.table.get(id).map(|subscription| &subscription.watcher);
                (watcher.map(|watcher| self.net.phones.user_of(watcher)), watcher.cloned())
            }
        };
        operator.into_iter().chain(account).collect()
    }

    /// Handles the ACK of a 2xx. An ACK from a source that is not accepted in the dialog is reported and ignored.
    pub(in crate::switchboard) fn acknowledged(&mut self, flow: Flow, message: &Message<'_>) {
        let Some(key) = DialogKey::of_request(message) else { return };
        let Some(who) = self.net.wire.leg_in(&key) else { return };
        if !self.may_speak_for(who, &key, flow) {
            return self.calls.report_foreign(&mut self.net, &mut self.step, flow, message, who, ACK_IGNORED);
        }
        self.step.trust_connection(flow);
        self.calls.is_back(&mut self.net, &mut self.step, who, Method::Ack);
        let Self { net, step, calls, .. } = self;
        calls.in_session(net, step, who, |session, net, step| session.acknowledged(net, step, who, message));
    }

    /// Handles a request with a To tag from an accepted source.
    pub(in crate::switchboard) fn in_dialog(&mut self, taken: &IncomingRequest<'_, '_>, method: Method) {
        if method == Method::Subscribe {
            return self.subscriptions.resubscribed(&mut self.calls, &mut self.net, &mut self.step, taken);
        }
        let key = DialogKey::of_request(taken.message);
        let found = key.and_then(|key| self.net.wire.dialogs.get(&key).map(|who| (*who, key.clone())));
        let Some((who, key)) = found else { return self.net.wire.reply(&mut self.step, taken, 481, &[]) };
        let repeated = self.calls.dialog_mut(who, &key).filter(|dialog| dialog.repeats(taken.message));
        if let Some(answer) = repeated.map(|dialog| dialog.answer()) {
            if answer.is_none() && self.messages.text_repeats(taken, &key) {
                return;
            }
            return self.net.wire.answer_again(&mut self.step, taken, answer);
        }
        if self.calls.is_held(&mut self.net, &mut self.step, taken, method, (who, &key)) {
            return;
        }
        self.serve_in_dialog(taken, method, (who, &key));
        let answer = self.net.wire.answer_of(taken.server);
        if let Some(dialog) = self.calls.dialog_mut(who, &key) {
            dialog.keep_answer(taken.message, answer);
        }
        self.calls.bye_follows(&mut self.net, &mut self.step, who, method);
    }

    /// Checks and carries out a request in a dialog.
    fn serve_in_dialog(&mut self, taken: &IncomingRequest<'_, '_>, method: Method, (who, key): (LegRef, &DialogKey)) {
        match self.calls.dialog_mut(who, key).map(|dialog| dialog.accept(taken.message)) {
            Some(Ok(())) => self.calls.is_back(&mut self.net, &mut self.step, who, method),
            // Out of order (RFC 3261 §12.2.2).
            Some(Err(fault)) if fault.status == 500 => return self.net.wire.reply_later(&mut self.step, taken),
            Some(Err(fault)) => return self.net.wire.reply(&mut self.step, taken, fault.status, &[]),
            None => return self.net.wire.reply(&mut self.step, taken, 481, &[]),
        }
        if let Some(session) = self.calls.session_mut(who) {
            session.seen_at(&mut self.net, &mut self.step, who, taken.flow.remote.ip());
        }
        // In an early dialog a phone can neither end nor change the call (RFC 3261 §15, §14).
        if !self.calls.is_confirmed(who, key) && matches!(method, Method::Bye | Method::Invite | Method::Refer) {
            return self.net.wire.reply(&mut self.step, taken, 481, &[]);
        }
        // After the end of the call, offers are rejected.
        if self.calls.is_past(who) && matches!(method, Method::Invite | Method::Update) {
            return self.net.wire.reply(&mut self.step, taken, 481, &[]);
        }
        let foreign: Vec<&[u8]> = option_tag::not_understood(taken.message).collect();
        // A trunk or phone whose emergency call was accepted despite an unknown extension requires the extension in its re-INVITE too.
        let is_of_trunk = self.net.trunks.trunk_of(taken.flow).is_some() || self.net.trunks.former(who).is_some();
        let is_emergency = self.calls.is_internal_caller(who) || is_of_trunk;
        let is_call = method == Method::Invite && is_emergency;
        if !foreign.is_empty() && method != Method::Bye && !is_call {
            return self.net.wire.reply(&mut self.step, taken, 420, &[(Name::Unsupported, &foreign.join(&b", "[..]))]);
        }
        // A re-INVITE with a body of an unknown type still refreshes its session.
        let describes = matches!(method, Method::Invite | Method::Update);
        if describes && is_unsupported(taken.message, method == Method::Invite) {
            return self.net.wire.reply(&mut self.step, taken, 415, &READABLE);
        }
        let mut in_session = |request| {
            let Self { net, step, calls, .. } = &mut *self;
            let input = (taken, request);
            calls.in_session(net, step, who, |session, net, step| session.request(net, step, input, who, key));
        };
        match method {
            Method::Bye => in_session(SessionRequest::Bye),
            Method::Invite => in_session(SessionRequest::Invite),
            Method::Prack => in_session(SessionRequest::Prack),
            Method::Update => in_session(SessionRequest::Update),
            Method::Info => in_session(SessionRequest::Info),
            Method::Options => in_session(SessionRequest::Options),
            Method::Refer => self.calls.referred(&mut self.net, &mut self.step, taken, who),
            Method::Message => self.messaged_in_call(taken, who),
            Method::Other => self.net.wire.reply(&mut self.step, taken, 501, &[(Name::Allow, ALLOW)]),
            Method::Ack | Method::Cancel | Method::Register | Method::Subscribe | Method::Notify | Method::Publish => {
                self.net.wire.reply(&mut self.step, taken, 405, &[(Name::Allow, ALLOW)])
            }
        }
    }

    /// Handles a response that matches no transaction, or one that no leg waits for. Only a 2xx to an INVITE has an effect. Without a
    /// transaction no branch proves that the sender has received the request, so the source has to.
    pub(in crate::switchboard) fn late_answer(&mut self, from: Flow, message: &Message<'_>, status: u16) {
        let Ok(cseq) = message.cseq() else { return };
        if !(200..300).contains(&status) || cseq.method != Method::Invite {
            return;
        }
        let Some(key) = DialogKey::of_response(message) else { return };
        match self.net.wire.leg_in(&key).filter(|who| self.calls.is_confirmed(*who, &key)) {
            Some(who) if self.may_speak_for(who, &key, from) => {
                let Self { net, step, calls, .. } = self;
                calls.in_session(net, step, who, |session, net, step| {
                    session.late_answer(net, step, who, message, cseq.number)
                });
            }
            Some(_) => {}
            None => self.calls.decline(&mut self.net, &mut self.step, from, message, key, cseq.number),
        }
    }
}
