//! Session timers (RFC 4028) of all legs: refreshes by siaga, and the end of sessions that the peer does not refresh.

use std::time::Duration;

use crate::cdr::fact::{EndCause, FactKind, Side};
use crate::clock::Instant;
use crate::ids::{CallId, LegNo};
use crate::sip::sdp::{AudioCodec, Direction};
use crate::sip::session_timer::{Terms, min_se};
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method, Name};
use crate::sip::{option_tag, sdp};
use crate::switchboard::admission::door::{ALLOW, SUPPORTED};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;

/// Interval before a refresh that could not be sent or was rejected is sent again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Maximum number of immediate repetitions of a refresh, for a peer that requires a longer interval or another method.
const AT_ONCE_MAX: u8 = 3;

/// The session timer of a leg.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Session {
    terms: Terms,
    /// The next deadline: the next refresh by siaga, or the expiry.
    at: Instant,
    ends_at: Instant,
    /// The number of immediate repetitions in a row.
    at_once: u8,
    /// True if the session has expired once and was kept because the peer's audio arrives.
    overdue: bool,
}

impl Session {
    pub(in crate::switchboard) fn due(&self) -> Instant {
        self.at
    }

    /// The interval until the refresh is repeated: zero for the first repetitions.
    fn hurries(&mut self) -> Duration {
        self.at_once = self.at_once.saturating_add(1);
        if self.at_once > AT_ONCE_MAX { TRY_AGAIN } else { Duration::ZERO }
    }
}

/// An outgoing request in a dialog that waits for its final response.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Asked {
    client: ClientId,
    method: Method,
    cseq: u32,
}

impl Asked {
    /// True if the request contains an offer: only re-INVITEs do.
    pub(in crate::switchboard) fn offers(&self) -> bool {
        self.method == Method::Invite
    }

    pub(in crate::switchboard) fn is(&self, client: ClientId) -> bool {
        self.client == client
    }
}

/// A re-INVITE of siaga whose transaction has ended without a final response. Its 2xx may still arrive.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Unanswered {
    pub(in crate::switchboard) cseq: u32,
    /// True if its SDP no longer applies, because a later request was sent.
    pub(in crate::switchboard) outdated: bool,
}

/// The session timer in a 2xx of siaga.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Agreement(pub(in crate::switchboard) Option<Terms>);

/// The header fields of an agreement.
pub(in crate::switchboard) struct SessionHeaders {
    expires: String,
    require: bool,
}

impl Agreement {
    pub(in crate::switchboard) const NONE: Self = Self(None);

    /// If the peer must refresh, Require ensures that it knows (RFC 4028 §9).
    pub(in crate::switchboard) fn headers(self) -> SessionHeaders {
        let expires = self.0.map(|terms| terms.header(false)).unwrap_or_default();
        SessionHeaders { expires, require: self.0.is_some_and(|terms| !terms.we_refresh) }
    }
}

impl SessionHeaders {
    pub(in crate::switchboard) fn as_headers(&self) -> Vec<(Name, &[u8])> {
        let mut headers = Vec::new();
        if !self.expires.is_empty() {
            headers.push((Name::SessionExpires, self.expires.as_bytes()));
        }
        if self.require {
            headers.push((Name::Require, option_tag::TIMER));
        }
        headers
    }
}

impl Calls {
    /// The session timer in a phone's 2xx.
    pub(in crate::switchboard) fn session_of_answer(response: &Message<'_>) -> Agreement {
        Agreement(Terms::as_uac(response))
    }

    /// Starts or restarts the timer. If the peer's refresh has no Session-Expires, a timer that siaga refreshes
    /// continues and any other timer ends.
    pub(in crate::switchboard) fn begin_session(&mut self, step: &mut Step, who: Who, agreement: Agreement) {
        let now = step.now;
        let running = self.stop_session(step, who);
        let kept = running.map(|session| session.terms).filter(|terms| terms.we_refresh);
        let Some(terms) = agreement.0.or(kept) else { return };
        let ends_at = now.mono + terms.expires_after();
        let at = if terms.we_refresh { (now.mono + terms.refresh_after()).min(ends_at) } else { ends_at };
        let overdue = running.is_some_and(|session| session.overdue);
        self.set_session(step, who, Session { terms, at, ends_at, at_once: 0, overdue });
    }

    fn set_session(&mut self, step: &mut Step, who: Who, session: Session) {
        let Some(line) = self.line_mut(who) else { return };
        line.session = Some(session);
        step.alarms.insert(session.at, Alarm::Session(who));
    }

    /// Moves the session timer and pending requests of a leg to another call.
    pub(in crate::switchboard) fn move_session(&mut self, net: &mut NetworkParts, step: &mut Step, was: Who, is: Who) {
        if let Some(session) = self.line_mut(is).and_then(|line| line.session)
            && step.alarms.remove(session.at, Alarm::Session(was))
        {
            step.alarms.insert(session.at, Alarm::Session(is));
        }
        let Some(line) = self.line_mut(is) else { return };
        let (asked, reinvited) = (line.asked.map(|asked| asked.client), line.reinvited.map(|(client, _)| client));
        for client in [asked, reinvited].into_iter().flatten() {
            net.wire.expect(client, Purpose::Refresh(is));
        }
    }

    /// Stops the session timer.
    pub(in crate::switchboard) fn stop_session(&mut self, step: &mut Step, who: Who) -> Option<Session> {
        let session = self.line_mut(who)?.session.take()?;
        step.alarms.remove(session.at, Alarm::Session(who));
        Some(session)
    }

    /// Drops all pending requests in the dialog. A later 2xx to a re-INVITE still gets its ACK.
    pub(in crate::switchboard) fn stop_asking(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let Some(line) = self.line_mut(who) else { return };
        line.unanswered = None;
        let told = line.refers.forget().map(|client| (client, 0, Method::Notify));
        let digit = line.digits.forget().map(|client| (client, 0, Method::Info));
        let asked = line.asked.take().map(|asked| (asked.client, asked.cseq, asked.method));
        let confirmed = line.reinvited.take().map(|(client, cseq)| (client, cseq, Method::Invite));
        for (client, cseq, method) in [asked, confirmed, told, digit].into_iter().flatten() {
            net.wire.take_purpose(&client);
            net.wire.take_retry(&client);
            match self.ack_of(step, who, cseq).filter(|_| method == Method::Invite) {
                Some(ack) => net.wire.forget_with(client, ack),
                None => net.wire.forget_transaction(client),
            }
        }
    }

    /// Handles a deadline of the session timer.
    pub(in crate::switchboard) fn session_due(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let now = step.now;
        let Some(session) = self.line_mut(who).and_then(|line| line.session) else { return };
        if now.mono >= session.ends_at {
            return self.session_over(net, step, who, session);
        }
        // A re-INVITE must wait for any pending INVITE (RFC 3261 §14.1).
        let busy = self.line_mut(who).is_some_and(|line| line.asked.is_some() || line.unacked.is_some());
        let sent = !busy && self.refresh(net, step, who, Some(session.terms), None);
        let at = if sent { session.ends_at } else { (now.mono + TRY_AGAIN).min(session.ends_at) };
        self.set_session(step, who, Session { at, ..session });
    }

    /// Notifies a phone of its new peer, in the spirit of RFC 4916: by an UPDATE, which also refreshes the session.
    /// Phones without UPDATE support, or with a pending request, are not notified.
    pub(in crate::switchboard) fn tell_party(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        identity: &str,
    ) {
        let ready = |line: &&mut Line| line.allows_update && line.asked.is_none() && line.unacked.is_none();
        let Some(session) = self.line_mut(who).filter(ready).map(|line| line.session) else { return };
        let sent = self.refresh(net, step, who, session.map(|session| session.terms), Some(identity));
        if let Some(session) = session.filter(|_| sent) {
            self.stop_session(step, who);
            self.set_session(step, who, Session { at: session.ends_at, ..session });
        }
    }

    /// Sends UPDATE if the peer supports it, otherwise a re-INVITE with unchanged SDP (RFC 4028 §7.4).
    pub(in crate::switchboard) fn refresh(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        terms: Option<Terms>,
        identity: Option<&str>,
    ) -> bool {
        let _now = step.now;
        let Some(line) = self.line_mut(who) else { return false };
        let flow = line.next_flow();
        let described = line.sound.as_ref().is_none_or(|sound| sound.agreed.is_some());
        let method = if line.allows_update && described { Method::Update } else { Method::Invite };
        let Some((builder, cseq)) = line.dialog.as_mut().map(|dialog| dialog.request(method)) else { return false };
        let body = match (&mut line.sound, method) {
            (Some(sound), Method::Invite) => {
                sound.local.version += 1;
                let agreed = sound.agreed.map(|agreed| (agreed.codec, agreed.direction));
                let (codec, direction) = agreed.unwrap_or((AudioCodec::Pcma, Direction::SendRecv));
                Some(sdp::write_offer(sound.local, codec, direction, &sound.places))
            }
            (Some(_) | None, _) => None,
        };
        let branch = format!("z9hG4bK{}", step.rng.token());
        let contact = self.settings.contact(flow);
        let mut request = builder
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED)
            .via(flow.transport, self.settings.advertised(flow), &branch);
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
        net.wire.expect(client, Purpose::Refresh(who));
        net.wire.may_be_asked(client, net.trunks.trunk_with(who), flow, bytes, cseq);
        if let Some(line) = self.line_mut(who) {
            line.asked = Some(Asked { client, method, cseq });
        }
        self.outdate(who);
        true
    }

    /// Offers audio by re-INVITE to an answered caller whose own offer had none (RFC 3264 §5).
    pub(in crate::switchboard) fn offer_audio(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let Who::Caller(_) = who else { return };
        let undescribed = |line: &mut Line| {
            line.sound.as_ref().is_some_and(|sound| sound.agreed.is_none()) && line.asked.is_none() && !line.bye_due
        };
        if self.line_mut(who).is_some_and(undescribed) {
            let terms = self.line_mut(who).and_then(|line| line.session.as_ref()).map(|session| session.terms);
            self.refresh(net, step, who, terms, None);
        }
    }

    /// Schedules another offer of audio after 491 (RFC 3261 §14.1) or a rejection with Retry-After (§20.33).
    fn offer_audio_later(&mut self, step: &mut Step, who: Who, message: &Message<'_>, status: u16) {
        let now = step.now;
        let Who::Caller(id) = who else { return };
        let again = if status == 491 { Some(step.after_glare(who)) } else { named_pause(message) };
        if let Some(again) = again {
            self.plan_audio(step, id, now.mono + again.max(Duration::from_millis(10)));
        }
    }

    fn plan_audio(&mut self, step: &mut Step, id: CallId, at: Instant) {
        self.forget_audio(step, id);
        let undescribed = |call: &&mut Call| {
            !call.is_over() && call.caller.line.sound.as_ref().is_some_and(|sound| sound.agreed.is_none())
        };
        if let Some(call) = self.calls.get_mut(&id).filter(undescribed) {
            call.caller.audio_again_at = Some(at);
            step.alarms.insert(at, Alarm::OfferAudio(id));
        }
    }

    /// Cancels the next offer of audio.
    pub(in crate::switchboard) fn forget_audio(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.caller.audio_again_at.take()) {
            step.alarms.remove(at, Alarm::OfferAudio(id));
        }
    }

    /// Offers audio again when it is due. A pending INVITE comes first (RFC 3261 §14.1).
    pub(in crate::switchboard) fn offer_audio_again(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        self.forget_audio(step, id);
        let who = Who::Caller(id);
        if self.line_mut(who).is_some_and(|line| line.asked.is_some() || line.unacked.is_some()) {
            return self.plan_audio(step, id, now.mono + TRY_AGAIN);
        }
        self.offer_audio(net, step, who);
    }
}

impl Calls {
    /// Updates the pending request after it was repeated in a new transaction with a new CSeq.
    pub(in crate::switchboard) fn ask_again(&mut self, who: Who, old: ClientId, (client, cseq): (ClientId, u32)) {
        let asked = self.line_mut(who).and_then(|line| line.asked.as_mut());
        if let Some(asked) = asked.filter(|asked| asked.client == old) {
            *asked = Asked { client, cseq, ..*asked };
        }
    }

    /// Marks the unanswered re-INVITE as outdated, because a later request is sent.
    pub(in crate::switchboard) fn outdate(&mut self, who: Who) {
        if let Some(unanswered) = self.line_mut(who).and_then(|line| line.unanswered.as_mut()) {
            unanswered.outdated = true;
        }
    }

    /// Handles a response to a refresh of siaga.
    pub(in crate::switchboard) fn refresh_response(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        client: ClientId,
        message: &Message<'_>,
        status: u16,
    ) {
        if status < 200 {
            return;
        }
        let Some(line) = self.line_mut(who) else { return };
        if let Some((_, cseq)) = line.reinvited.filter(|(reinvited, _)| *reinvited == client) {
            // The ACK was lost.
            if status < 300 {
                self.ack(step, who, cseq);
            }
            return;
        }
        let Some(asked) = line.asked.take_if(|asked| asked.client == client) else { return };
        self.refresh_responded(step, who, status);
        let Some(line) = self.line_mut(who) else { return };
        if status >= 300 {
            net.wire.take_purpose(&client);
            return self.refresh_refused(net, step, who, asked, message, status);
        }
        if asked.method == Method::Invite {
            if let Some((last, cseq)) = line.reinvited.replace((client, asked.cseq)) {
                net.wire.take_purpose(&last);
                match self.ack_of(step, who, cseq) {
                    Some(ack) => net.wire.forget_with(last, ack),
                    None => net.wire.forget_transaction(last),
                }
            }
        } else {
            net.wire.take_purpose(&client);
        }
        self.refreshed(net, step, who, (asked.method, asked.cseq), message);
    }

    /// Handles the 2xx to a refresh of siaga, in time or late.
    pub(in crate::switchboard) fn refreshed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        (method, cseq): (Method, u32),
        message: &Message<'_>,
    ) {
        let Some(line) = self.line_mut(who) else { return };
        if let Some(dialog) = line.dialog.as_mut() {
            dialog.refresh(message);
        }
        let agreed = line.answer_in(message);
        self.look_up(net, step, who);
        if method == Method::Invite {
            self.ack(step, who, cseq);
            if let Some(agreed) = agreed {
                self.agree(net, step, who, agreed);
            }
        }
        self.begin_session(step, who, Agreement(Terms::as_uac(message)));
    }

    fn refresh_refused(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        asked: Asked,
        message: &Message<'_>,
        status: u16,
    ) {
        let now = step.now;
        let Some(mut session) = self.stop_session(step, who) else {
            return self.offer_audio_later(step, who, message, status);
        };
        let mut again = TRY_AGAIN;
        match status {
            // The peer has lost the dialog: there is no session to refresh (RFC 4028 §10). While its media arrives, the call continues.
            481 => return self.tell_expired(net, step, who, session),
            408 => {}
            422 => {
                session.terms = session.terms.at_least(min_se(message));
                again = session.hurries();
            }
            491 => again = step.after_glare(who),
            405 | 501 if asked.method == Method::Update => {
                if let Some(line) = self.line_mut(who) {
                    line.allows_update = false;
                }
                again = session.hurries();
            }
            _ => {
                // RFC 3261 §14.1 leaves the interval to siaga; Retry-After takes precedence (§20.33).
                again = named_pause(message).unwrap_or(again);
            }
        }
        // A minimum interval ensures that one step never sends two requests.
        let at = now.mono + again.max(Duration::from_millis(10));
        self.set_session(step, who, Session { at: at.min(session.ends_at.max(now.mono)), ..session });
    }

    /// Handles a refresh without a response, or one that could not be sent.
    pub(in crate::switchboard) fn refresh_unanswered(&mut self, step: &mut Step, who: Who, client: ClientId) {
        let Some(line) = self.line_mut(who) else { return };
        // The session keeps its expiry, and siaga sends no further refresh: a peer that is silent for 32 s has half an
        // interval to respond.
        let asked = line.asked.take_if(|asked| asked.client == client);
        if let Some(asked) = asked.filter(Asked::offers) {
            line.unanswered = Some(Unanswered { cseq: asked.cseq, outdated: false });
        }
        line.reinvited.take_if(|(reinvited, _)| *reinvited == client);
        self.doubt(step, who);
    }

    /// Handles a session that was not refreshed in time. RFC 4028 §10 requires a BYE; siaga keeps the call while the
    /// peer's audio arrives, and records it.
    fn session_over(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, session: Session) {
        let now = step.now;
        self.stop_session(step, who);
        self.tell_expired(net, step, who, session);
        let heard = self.line_mut(who).and_then(|line| line.sound.as_ref()).is_some_and(|sound| sound.is_heard());
        if heard {
            self.doubt(step, who);
            let ends_at = now.mono + session.terms.expires_after();
            let at = if session.terms.we_refresh { now.mono + session.terms.refresh_after() } else { ends_at };
            return self.set_session(step, who, Session { at: at.min(ends_at), ends_at, overdue: true, ..session });
        }
        match who {
            Who::Caller(id) => self.end_call(net, step, id, Ending::by(Side::Service, EndCause::CallerLost)),
            Who::Offer(id, leg) => self.leg_lost(net, step, id, leg),
            Who::Phone(_) => {}
        }
    }

    /// Emits once that a session has expired, and whether its leg is kept because its media arrives.
    fn tell_expired(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, session: Session) {
        let kept = self.line_mut(who).and_then(|line| line.sound.as_ref()).is_some_and(|sound| sound.is_heard());
        let (id, leg) = match who {
            Who::Caller(id) => (id, LegNo::CALLER),
            Who::Offer(id, leg) => (id, leg),
            Who::Phone(_) => return,
        };
        if !session.overdue {
            self.fact(net, step, id, FactKind::SessionExpired { leg, kept });
        }
    }
}

/// The time in Retry-After of a rejection (RFC 3261 §20.33).
fn named_pause(message: &Message<'_>) -> Option<Duration> {
    let seconds = message.number(Name::RetryAfter).ok().flatten().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.into()))
}
