//! The INVITE of a caller.

use crate::clock::Instant;
use crate::ids::Token;
use crate::sip::flow::Flow;
use crate::sip::message::{Builder, ResponseTemplate};
use crate::sip::transaction::ServerId;
use crate::sip::wire::Name;
use crate::switchboard::admission::request_checks::ALLOW;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::state::reliable::Reliable;
use crate::switchboard::session::state::timer::Agreement;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use bytes::Bytes;

/// Whether siaga's SDP for the caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Description {
    Known,
    /// The caller has no port, or has one only while a phone rings. `offers`: siaga's SDP will be the offer.
    Unknown {
        offers: bool,
    },
}

/// The state of an INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) enum InviteState {
    /// It has no final response yet.
    Pending(ServerId),
    Answered,
    Rejected,
}

/// The INVITE of a caller.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct IncomingInvite {
    pub(in crate::switchboard::session) state: InviteState,
    pub(in crate::switchboard::session) cseq: u32,
    /// The base of its responses.
    pub(in crate::switchboard::session) stencil: ResponseTemplate,
    /// The To tag of its responses.
    pub(in crate::switchboard::session) tag: Token,
    /// siaga's SDP: the answer, or the offer if the INVITE had none.
    pub(in crate::switchboard::session) sdp: Bytes,
    /// The INVITE had no offer: the answer arrives in the ACK (RFC 3261 §13.2.1).
    pub(in crate::switchboard::session) delayed_offer: bool,
    /// The highest provisional status that was sent.
    pub(in crate::switchboard::session) last_provisional: u16,
    /// The time at which the provisional response is repeated.
    pub(in crate::switchboard::session) repeat_at: Option<Instant>,
    /// The session timer that the 200 will have.
    pub(in crate::switchboard::session) timer: Agreement,
    /// The state of reliable provisional responses; None if they are not reliable.
    pub(in crate::switchboard::session) reliable: Option<Reliable>,
}

impl IncomingInvite {
    /// An INVITE that has got a 100.
    pub(in crate::switchboard) fn new(
        net: &NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        stencil: ResponseTemplate,
        tag: Token,
    ) -> Self {
        let (server, cseq) = taken.invite();
        let settings = net.wire.settings.session;
        Self {
            state: InviteState::Pending(server),
            cseq,
            stencil,
            tag,
            sdp: Bytes::new(),
            delayed_offer: false,
            last_provisional: 100,
            repeat_at: None,
            timer: Agreement::of_invite(settings, taken.message),
            reliable: Reliable::of_invite(settings, step, taken.message),
        }
    }

    /// True until the final response is sent.
    pub(in crate::switchboard::session) fn is_pending(&self) -> bool {
        self.server().is_some()
    }

    pub(in crate::switchboard::session) fn is_answered(&self) -> bool {
        self.state == InviteState::Answered
    }

    /// The transaction, until the final response is sent.
    pub(in crate::switchboard::session) fn server(&self) -> Option<ServerId> {
        match self.state {
            InviteState::Pending(server) => Some(server),
            InviteState::Answered | InviteState::Rejected => None,
        }
    }

    pub(in crate::switchboard::session) fn repeat_at(&self) -> Option<Instant> {
        self.repeat_at
    }

    /// True if the answer to the caller's offer was sent reliably, or if siaga makes the offer.
    pub(in crate::switchboard::session) fn is_described(&self) -> bool {
        self.delayed_offer || self.reliable.as_ref().is_some_and(Reliable::is_described)
    }

    /// A response with this status, siaga's Contact and Allow, and the identity of the called party, if it is shown.
    pub(in crate::switchboard::session) fn response(&self, net: &NetworkParts, flow: Flow, status: u16) -> Builder {
        let contact = net.wire.settings.site.contact(flow);
        let response = self.stencil.response(status, Some(self.tag.as_str()));
        response.header(Name::Contact, contact.as_bytes()).header(Name::Allow, ALLOW)
    }

    /// Sends the final response.
    pub(in crate::switchboard::session) fn finish(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (server, state): (ServerId, InviteState),
        status: u16,
        bytes: Bytes,
    ) {
        self.state = state;
        net.wire.respond(step, server, status, bytes);
        net.wire.invite_over(&server);
    }

    pub(in crate::switchboard::session) fn stop_repeating(&mut self, step: &mut Step, leg: LegRef) {
        if let Some(at) = self.repeat_at.take() {
            step.timers.remove(at, TimerKind::RepeatProvisional(leg));
        }
    }
}
