//! The inputs of a session: requests in its dialog, responses to its requests, and deadlines.

use crate::sip::dialog::DialogKey;
use crate::sip::transaction::ClientId;
use crate::sip::wire::Message;
use crate::switchboard::admission::request_checks::ABILITIES;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::{SessionEvent, SessionEvents};
use crate::switchboard::session::reason::q850;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::incoming_request::IncomingRequest;

/// A request in a dialog that the session answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum SessionRequest {
    Invite,
    Update,
    Prack,
    Info,
    Options,
    Bye,
}

/// A deadline of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum SessionDeadline {
    /// A 2xx is retransmitted or given up.
    Unacked,
    /// A reliable provisional response is retransmitted or given up.
    Unpracked,
    /// The session is refreshed, or has expired.
    Timer,
    /// A silent peer has not responded to OPTIONS in time.
    Inquiry,
    /// A held BYE takes effect.
    HeldBye,
    /// Audio is offered to a caller again.
    OfferAudio,
}

impl Session {
    /// Carries out an accepted request in the dialog `key`.
    pub(in crate::switchboard) fn request(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (taken, request): (&IncomingRequest<'_, '_>, SessionRequest),
        leg: LegRef,
        key: &DialogKey,
    ) -> SessionEvents {
        let event = match request {
            SessionRequest::Invite => self.renegotiate(net, step, taken, leg, key),
            SessionRequest::Update => self.updated(net, step, taken, leg, key),
            SessionRequest::Prack => return self.pracked(net, step, taken, leg),
            SessionRequest::Info => Self::informed(net, step, taken),
            SessionRequest::Options => {
                net.wire.reply(step, taken, 200, &ABILITIES);
                None
            }
            SessionRequest::Bye => {
                net.wire.reply(step, taken, 200, &[]);
                Some(SessionEvent::HungUp { q850: q850(taken.message) })
            }
        };
        event.into_iter().collect()
    }

    /// Handles a response to a request of the session. Provisional responses are ignored.
    pub(in crate::switchboard) fn response(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (purpose, client): (&Purpose, ClientId),
        leg: LegRef,
        (message, status): (&Message<'_>, u16),
    ) -> SessionEvents {
        let event = match purpose {
            Purpose::Refresh(_) => return self.refresh_response(net, step, (leg, client), message, status),
            Purpose::ReferNotify(_) => {
                // 481 may concern the subscription only (RFC 5057 §5.1).
                let shows_presence = !matches!(status, 408 | 481);
                let event = if shows_presence { self.confirm_presence(net, step, leg) } else { None };
                self.notify_answered(step.now.mono, client, status);
                event
            }
            Purpose::Digit(_) => {
                let event = self.responded(net, step, leg, status);
                self.digit_answered(net, step, leg, client, true);
                event
            }
            Purpose::Inquiry(_) => self.inquiry_answered(net, step, leg, status),
            Purpose::Invite(_) | Purpose::Prack(..) | Purpose::Bye | Purpose::Deregister { .. } => None,
            Purpose::TrunkPing(..) | Purpose::TrunkRegister(..) | Purpose::PhonePing(..) => None,
            Purpose::Notify(_) | Purpose::Message(_) => None,
        };
        event.into_iter().collect()
    }

    /// Handles the end of a request of the session without a response: `status` is 408 after a timeout, and 503 if it
    /// could not be sent.
    pub(in crate::switchboard) fn request_failed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (purpose, client): (&Purpose, ClientId),
        leg: LegRef,
        status: u16,
    ) -> Option<SessionEvent> {
        match purpose {
            Purpose::Refresh(_) => self.refresh_unanswered(step, client),
            Purpose::ReferNotify(_) => self.notify_answered(step.now.mono, client, status),
            Purpose::Digit(_) => self.digit_answered(net, step, leg, client, false),
            Purpose::Inquiry(_) => return self.inquiry_failed(net, step, leg, status),
            Purpose::Invite(_) | Purpose::Prack(..) | Purpose::Bye | Purpose::Deregister { .. } => {}
            Purpose::TrunkPing(..) | Purpose::TrunkRegister(..) | Purpose::PhonePing(..) => {}
            Purpose::Notify(_) | Purpose::Message(_) => {}
        }
        None
    }

    /// Handles a deadline.
    pub(in crate::switchboard) fn due(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        deadline: SessionDeadline,
    ) -> SessionEvents {
        let event = match deadline {
            SessionDeadline::Unacked => self.repeat_answer(net, step, leg),
            SessionDeadline::Unpracked => self.repeat_provisional(net, step, leg),
            SessionDeadline::Timer => return self.timer_due(net, step, leg),
            SessionDeadline::Inquiry => self.inquiry_answered(net, step, leg, 408),
            SessionDeadline::HeldBye => self.release_bye(step, leg),
            SessionDeadline::OfferAudio => {
                self.offer_audio_again(net, step, leg);
                None
            }
        };
        event.into_iter().collect()
    }

    /// The CSeq of a request in the dialog that is sent again: the next one of its dialog.
    pub(in crate::switchboard) fn next_number(&mut self, purpose: &Purpose) -> Option<u32> {
        match purpose {
            Purpose::Refresh(_) | Purpose::Digit(_) => Some(self.dialog.as_mut()?.next_number()),
            Purpose::Prack(_, key) => Some(self.dialog_mut(key)?.next_number()),
            Purpose::Invite(_) | Purpose::ReferNotify(_) | Purpose::Inquiry(_) => None,
            Purpose::TrunkPing(..) | Purpose::TrunkRegister(..) | Purpose::PhonePing(..) => None,
            Purpose::Bye | Purpose::Deregister { .. } | Purpose::Notify(_) | Purpose::Message(_) => None,
        }
    }
}
