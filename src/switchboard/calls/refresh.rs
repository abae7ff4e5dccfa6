//! Session timers (RFC 4028) on both legs: refreshes of ours, and what happens when the peer's do not come.

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
use crate::switchboard::calls::call::Call;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::ids::Who;
use crate::switchboard::{Calls, NetworkParts, Purpose, Step};

/// A refresh that could not be sent, or was refused, is tried again so much later.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// How often a refresh is sent again at once, for a peer that requires a longer interval or another method.
const AT_ONCE_MAX: u8 = 3;

/// A session with a timer.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Session {
    terms: Terms,
    /// The next deadline: a refresh of ours, or the end.
    at: Instant,
    ends_at: Instant,
    /// How often in a row the refresh was sent again at once.
    at_once: u8,
    /// The session has outlived its timer once, because the peer is heard.
    overdue: bool,
}

impl Session {
    pub(in crate::switchboard) fn due(&self) -> Instant {
        self.at
    }

    /// How long to wait before the refresh is sent again: not at all for the first times.
    fn hurries(&mut self) -> Duration {
        self.at_once = self.at_once.saturating_add(1);
        if self.at_once > AT_ONCE_MAX { TRY_AGAIN } else { Duration::ZERO }
    }
}

/// A request of ours in a dialog that waits for its final response.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Asked {
    client: ClientId,
    method: Method,
    cseq: u32,
}

impl Asked {
    /// It holds an offer: only our re-INVITEs do.
    pub(in crate::switchboard) fn offers(&self) -> bool {
        self.method == Method::Invite
    }

    pub(in crate::switchboard) fn is(&self, client: ClientId) -> bool {
        self.client == client
    }
}

/// A re-INVITE of ours whose transaction is over without a final response. Its 2xx may still come.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Unanswered {
    pub(in crate::switchboard) cseq: u32,
    /// What it asked for counts no more: another request came after it.
    pub(in crate::switchboard) outdated: bool,
}

/// What a 2xx of ours says of the timer.
#[derive(Clone, Copy, Debug)]
pub(in crate::switchboard) struct Agreement(pub(in crate::switchboard) Option<Terms>);

/// The header fields of an agreement.
pub(in crate::switchboard) struct SessionHeaders {
    expires: String,
    require: bool,
}

impl Agreement {
    pub(in crate::switchboard) const NONE: Self = Self(None);

    /// A peer who refreshes must know that he has to: Require (RFC 4028 §9).
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
    /// The timer that a phone's 2xx has agreed to.
    pub(in crate::switchboard) fn session_of_answer(response: &Message<'_>) -> Agreement {
        Agreement(Terms::as_uac(response))
    }

    /// Starts the timer, or starts it again. A refresh of the peer that says nothing of it ends one that he had to keep.
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

    /// A leg has moved to another call: its timer goes along.
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

    /// No timer any more.
    pub(in crate::switchboard) fn stop_session(&mut self, step: &mut Step, who: Who) -> Option<Session> {
        let session = self.line_mut(who)?.session.take()?;
        step.alarms.remove(session.at, Alarm::Session(who));
        Some(session)
    }

    /// Nobody waits any more for what we have asked in the dialog. A 2xx to a re-INVITE gets its ACK all the same.
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

    /// A deadline of the timer.
    pub(in crate::switchboard) fn session_due(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let now = step.now;
        let Some(session) = self.line_mut(who).and_then(|line| line.session) else { return };
        if now.mono >= session.ends_at {
            return self.session_over(net, step, who, session);
        }
        // A re-INVITE waits for whatever INVITE is under way (RFC 3261 §14.1).
        let busy = self.line_mut(who).is_some_and(|line| line.asked.is_some() || line.unacked.is_some());
        let sent = !busy && self.refresh(net, step, who, Some(session.terms), None);
        let at = if sent { session.ends_at } else { (now.mono + TRY_AGAIN).min(session.ends_at) };
        self.set_session(step, who, Session { at, ..session });
    }

    /// A phone learns with whom it talks from now on, in the spirit of RFC 4916: by UPDATE, where it takes that, which refreshes its
    /// session besides. Who is asked something at the moment is not told.
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

    /// Sends UPDATE where the peer takes it, else a re-INVITE that changes nothing (RFC 4028 §7.4).
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

    /// Offers audio by re-INVITE, once the call is answered, to a caller whose offer had none (RFC 3264 §5).
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

    /// The offer of audio has met an offer of the peer's (491, RFC 3261 §14.1), or the peer names a time (§20.33): it is made again then.
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

    /// The caller is not offered audio again.
    pub(in crate::switchboard) fn forget_audio(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.caller.audio_again_at.take()) {
            step.alarms.remove(at, Alarm::OfferAudio(id));
        }
    }

    /// The offer of audio is due again. An INVITE that is under way comes first (RFC 3261 §14.1).
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
    /// The request that waits for its response has been sent again, in a new transaction with a new number.
    pub(in crate::switchboard) fn ask_again(&mut self, who: Who, old: ClientId, (client, cseq): (ClientId, u32)) {
        let asked = self.line_mut(who).and_then(|line| line.asked.as_mut());
        if let Some(asked) = asked.filter(|asked| asked.client == old) {
            *asked = Asked { client, cseq, ..*asked };
        }
    }

    /// Something is asked after the re-INVITE that nobody has answered.
    pub(in crate::switchboard) fn outdate(&mut self, who: Who) {
        if let Some(unanswered) = self.line_mut(who).and_then(|line| line.unanswered.as_mut()) {
            unanswered.outdated = true;
        }
    }

    /// The peer has answered a refresh of ours.
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
            // Our ACK was lost.
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

    /// The 2xx to a refresh of ours, in time or late.
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
                // RFC 3261 §14.1 leaves it to us; who names a time knows better (§20.33).
                again = named_pause(message).unwrap_or(again);
            }
        }
        // A moment later at least, so that a step never asks twice.
        let at = now.mono + again.max(Duration::from_millis(10));
        self.set_session(step, who, Session { at: at.min(session.ends_at.max(now.mono)), ..session });
    }

    /// No response to a refresh of ours came, or it could not be sent.
    pub(in crate::switchboard) fn refresh_unanswered(&mut self, step: &mut Step, who: Who, client: ClientId) {
        let Some(line) = self.line_mut(who) else { return };
        // The session has its end, and no further try of ours: who does not hear for 32 s has half an interval to be heard.
        let asked = line.asked.take_if(|asked| asked.client == client);
        if let Some(asked) = asked.filter(Asked::offers) {
            line.unanswered = Some(Unanswered { cseq: asked.cseq, outdated: false });
        }
        line.reinvited.take_if(|(reinvited, _)| *reinvited == client);
        self.doubt(step, who);
    }

    /// The session was not refreshed in time. RFC 4028 §10 wants a BYE; a side whose voice is there keeps its call, and the
    /// record says so.
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

/// The time that a rejection names in Retry-After (RFC 3261 §20.33).
fn named_pause(message: &Message<'_>) -> Option<Duration> {
    let seconds = message.number(Name::RetryAfter).ok().flatten().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.into()))
}
