//! Requests of siaga in the dialog: re-INVITE and UPDATE, which refresh the session (RFC 4028), report a new peer, or
//! offer audio.

use crate::switchboard::admission::request_checks::{ALLOW, SUPPORTED};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::{SessionEvent, SessionEvents};
use crate::switchboard::session::state::closing::Credentials;
use crate::switchboard::session::state::requests::{PendingRequest, Unanswered};
use crate::switchboard::session::state::timer::{Agreement, TRY_AGAIN};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;
use std::time::Duration;

use crate::sip::session_timer::{Terms, min_se};
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method, Name};

impl Session {
    /// True while a re-INVITE or UPDATE of siaga waits for its final response.
    pub(in crate::switchboard) fn has_pending_request(&self) -> bool {
        self.requests.pending.is_some()
    }

    /// True while a re-INVITE of siaga waits for its final response: only re-INVITEs contain an offer.
    pub(super) fn has_pending_offer(&self) -> bool {
        self.requests.pending.is_some_and(|pending| pending.method == Method::Invite)
    }

    /// True while no re-INVITE may be sent: another request or a 2xx is pending.
    pub(super) fn is_busy(&self) -> bool {
        self.requests.pending.is_some() || self.unacked.is_some()
    }

    /// Reads from the Allow of a message, if it has one, whether the peer supports UPDATE.
    pub(in crate::switchboard) fn read_allow(&mut self, message: &Message<'_>) {
        if message.first(Name::Allow).is_some() {
            self.requests.allows_update = message.list(Name::Allow).any(|method| method == b"UPDATE");
        }
    }

    /// Notifies a phone of its new peer, in the spirit of RFC 4916: by an UPDATE, which also refreshes the session.
    /// Phones without UPDATE support, or with a pending request, are not notified.
    pub(in crate::switchboard) fn report_new_peer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        identity: &str,
    ) {
        if self.requests.allows_update && !self.is_busy() {
            let terms = self.timer.map(|timer| timer.terms());
            if self.refresh(net, step, leg, terms, Some(identity)) {
                self.await_refresh(step, leg);
            }
        }
    }

    /// Sends UPDATE if the peer supports it, otherwise a re-INVITE with unchanged SDP (RFC 4028 §7.4). Returns false if
    /// it was not sent.
    pub(super) fn refresh(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        terms: Option<Terms>,
        identity: Option<&str>,
    ) -> bool {
        let flow = self.next_flow();
        let described = self.media.as_ref().is_none_or(|media| media.is_agreed());
        let method = if self.requests.allows_update && described { Method::Update } else { Method::Invite };
        let Some((builder, cseq)) = self.dialog.as_mut().map(|dialog| dialog.request(method)) else { return false };
        let body = self.media.as_mut().filter(|_| method == Method::Invite).map(|media| media.offer_unchanged());
        let branch = format!("z9hG4bK{}", step.rng.token());
        let settings = &net.wire.settings;
        let contact = settings.site.contact(flow);
        let mut request = builder
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED)
            .via(flow.transport, settings.site.advertised(flow), &branch);
        if let Some(terms) = terms {
            request = request.header(Name::SessionExpires, terms.header(true).as_bytes());
        }
        if let Some(identity) = identity {
            request = request.header(Name::PAssertedIdentity, identity.as_bytes());
        }
        if let Some(body) = body {
            request = request.body("application/sdp", &body);
        }
        let bytes = request.encode();
        let sent = net.wire.request(step, flow, method, &branch, bytes.clone());
        let Some(client) = sent else { return false };
        net.wire.expect(client, Purpose::Refresh(leg));
        net.wire.keep_with_account(client, net.trunks.account_of_leg(leg), flow, bytes, cseq);
        self.requests.pending = Some(PendingRequest { client, method, cseq });
        self.outdate();
        true
    }

    /// Updates the state after a request was sent again in a new transaction with a new CSeq, because of a challenge or
    /// a 422.
    pub(in crate::switchboard) fn sent_again(
        &mut self,
        (purpose, method): (&Purpose, Method),
        old: ClientId,
        (client, cseq): (ClientId, u32),
        credentials: Option<Credentials>,
    ) {
        match purpose {
            Purpose::Refresh(_) => {
                if let Some(pending) = self.requests.pending.as_mut().filter(|pending| pending.client == old) {
                    *pending = PendingRequest { client, cseq, ..*pending };
                }
            }
            Purpose::Digit(_) => self.digits.sent_again(old, client),
            Purpose::Invite(_) | Purpose::Prack(..) | Purpose::ReferNotify(_) | Purpose::Inquiry(_) => {}
            Purpose::TrunkPing(..) | Purpose::TrunkRegister(..) | Purpose::Deregister { .. } => {}
            Purpose::Bye | Purpose::PhonePing(..) | Purpose::Notify(_) | Purpose::Message(_) => {}
        }
        if matches!((purpose, method), (Purpose::Invite(_) | Purpose::Refresh(_), Method::Invite)) {
            self.requests.credentials = credentials;
        }
    }

    /// Marks the unanswered re-INVITE as outdated, because a later request is sent.
    pub(super) fn outdate(&mut self) {
        if let Some(unanswered) = &mut self.requests.unanswered {
            unanswered.outdated = true;
        }
    }

    /// Drops all pending requests in the dialog. A later 2xx to a re-INVITE still gets its ACK.
    pub(super) fn stop_requests(&mut self, net: &mut NetworkParts, step: &mut Step) {
        self.requests.unanswered = None;
        let notify = self.refers.forget().map(|client| (client, 0, Method::Notify));
        let digit = self.digits.forget().map(|client| (client, 0, Method::Info));
        let pending = self.requests.pending.take().map(|one| (one.client, one.cseq, one.method));
        let confirmed = self.requests.reinvited.take().map(|(client, cseq)| (client, cseq, Method::Invite));
        for (client, cseq, method) in [pending, confirmed, notify, digit].into_iter().flatten() {
            net.wire.take_purpose(&client);
            net.wire.take_retry(&client);
            match self.ack_of(net, step, cseq).filter(|_| method == Method::Invite) {
                Some(ack) => net.wire.drop_with(client, ack),
                None => net.wire.drop_transaction(client),
            }
        }
    }

    /// Handles a response to a re-INVITE or UPDATE of siaga.
    pub(super) fn refresh_response(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (leg, client): (LegRef, ClientId),
        message: &Message<'_>,
        status: u16,
    ) -> SessionEvents {
        if status < 200 {
            return SessionEvents::new();
        }
        if let Some((_, cseq)) = self.requests.reinvited.filter(|(reinvited, _)| *reinvited == client) {
            // The ACK was lost.
            if status < 300 {
                self.ack(net, step, cseq);
            }
            return SessionEvents::new();
        }
        let Some(pending) = self.requests.pending.take_if(|pending| pending.client == client) else {
            return SessionEvents::new();
        };
        let present = self.refresh_responded(net, step, leg, status);
        if status >= 300 {
            net.wire.take_purpose(&client);
            let rejected = self.refresh_rejected(step, leg, pending.method, message, status);
            return present.into_iter().chain(rejected).collect();
        }
        if pending.method == Method::Invite {
            if let Some((last, cseq)) = self.requests.reinvited.replace((client, pending.cseq)) {
                net.wire.take_purpose(&last);
                match self.ack_of(net, step, cseq) {
                    Some(ack) => net.wire.drop_with(last, ack),
                    None => net.wire.drop_transaction(last),
                }
            }
        } else {
            net.wire.take_purpose(&client);
        }
        let negotiated = self.refreshed(net, step, leg, (pending.method, pending.cseq), message);
        present.into_iter().chain(negotiated).collect()
    }

    /// Handles the 2xx to a re-INVITE or UPDATE of siaga, in time or late.
    fn refreshed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        (method, cseq): (Method, u32),
        message: &Message<'_>,
    ) -> Option<SessionEvent> {
        if let Some(dialog) = self.dialog.as_mut() {
            dialog.refresh(message);
        }
        let agreed = self.answer_in(message).filter(|_| method == Method::Invite);
        self.look_up(net, step, leg);
        if method == Method::Invite {
            self.ack(net, step, cseq);
        }
        let negotiated = agreed.and_then(|agreed| self.agree(net, step, leg, agreed));
        self.begin_timer(step, leg, Agreement::of_answer(message));
        negotiated
    }

    fn refresh_rejected(
        &mut self,
        step: &mut Step,
        leg: LegRef,
        method: Method,
        message: &Message<'_>,
        status: u16,
    ) -> Option<SessionEvent> {
        let Some(mut timer) = self.stop_timer(step, leg) else {
            self.offer_audio_later(step, leg, message, status);
            return None;
        };
        let again = match status {
            // The peer has lost the dialog: there is no session to refresh (RFC 4028 §10). While its media arrives, the session continues.
            481 => return self.timer_expired(timer),
            408 => TRY_AGAIN,
            422 => {
                timer.retry_with_min_se(min_se(message));
                timer.hurries()
            }
            491 => step.after_glare(leg),
            405 | 501 if method == Method::Update => {
                self.requests.allows_update = false;
                timer.hurries()
            }
            // RFC 3261 §14.1 leaves the interval to siaga; Retry-After takes precedence (§20.33).
            _ => named_pause(message).unwrap_or(TRY_AGAIN),
        };
        self.refresh_later(step, leg, timer, again);
        None
    }

    /// Handles a refresh without a response. The session keeps its expiry, and siaga sends no further refresh: a peer
    /// that is silent for 32 s has half an interval to respond.
    pub(super) fn refresh_unanswered(&mut self, step: &mut Step, client: ClientId) {
        let pending = self.requests.pending.take_if(|pending| pending.client == client);
        if let Some(pending) = pending.filter(|pending| pending.method == Method::Invite) {
            self.requests.unanswered = Some(Unanswered { cseq: pending.cseq, outdated: false });
        }
        self.requests.reinvited.take_if(|(reinvited, _)| *reinvited == client);
        self.doubt(step);
    }

    /// Acknowledges a late 2xx to a re-INVITE of siaga. The session uses its SDP unless another request was sent in
    /// between (RFC 3261 §17.1.1.2).
    pub(in crate::switchboard) fn late_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        message: &Message<'_>,
        cseq: u32,
    ) -> Option<SessionEvent> {
        let unanswered = self.requests.unanswered.as_mut().filter(|unanswered| unanswered.cseq == cseq)?;
        if std::mem::replace(&mut unanswered.outdated, true) {
            self.ack(net, step, cseq);
            return None;
        }
        self.refreshed(net, step, leg, (Method::Invite, cseq), message)
    }

    /// Offers audio by re-INVITE to an answered caller whose own offer had none (RFC 3264 §5).
    pub(super) fn offer_audio(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        let LegRef::Caller(_) = leg else { return };
        if self.lacks_audio() && self.requests.pending.is_none() && !self.closing.is_bye_due() {
            let terms = self.timer.map(|timer| timer.terms());
            self.refresh(net, step, leg, terms, None);
        }
    }

    /// True if the caller has a port, and offer and answer have led to no agreement.
    fn lacks_audio(&self) -> bool {
        self.media.as_ref().is_some_and(|media| !media.is_agreed())
    }

    /// Schedules another offer of audio after 491 (RFC 3261 §14.1) or a rejection with Retry-After (§20.33).
    fn offer_audio_later(&mut self, step: &mut Step, leg: LegRef, message: &Message<'_>, status: u16) {
        let LegRef::Caller(_) = leg else { return };
        let again = if status == 491 { Some(step.after_glare(leg)) } else { named_pause(message) };
        if let Some(again) = again {
            self.plan_audio(step, leg, again.max(Duration::from_millis(10)));
        }
    }

    fn plan_audio(&mut self, step: &mut Step, leg: LegRef, after: Duration) {
        self.drop_audio(step, leg);
        if self.lacks_audio() {
            let at = step.now.mono + after;
            self.requests.audio_again_at = Some(at);
            step.timers.insert(at, TimerKind::OfferAudio(leg));
        }
    }

    /// Cancels the next offer of audio.
    pub(super) fn drop_audio(&mut self, step: &mut Step, leg: LegRef) {
        if let Some(at) = self.requests.audio_again_at.take() {
            step.timers.remove(at, TimerKind::OfferAudio(leg));
        }
    }

    /// Offers audio again when it is due. A pending INVITE comes first (RFC 3261 §14.1).
    pub(super) fn offer_audio_again(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        self.drop_audio(step, leg);
        if self.is_busy() {
            return self.plan_audio(step, leg, TRY_AGAIN);
        }
        self.offer_audio(net, step, leg);
    }
}

/// The time in Retry-After of a rejection (RFC 3261 §20.33).
fn named_pause(message: &Message<'_>) -> Option<Duration> {
    let seconds = message.number(Name::RetryAfter).ok().flatten().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.into()))
}
