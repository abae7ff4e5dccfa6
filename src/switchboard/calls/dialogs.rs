//! Requests inside the dialogs of all legs: BYE, ACK and repeated requests.

use bytes::Bytes;

use crate::cdr::fact::{EndCause, Side};
use crate::sip::message::Stencil;
use crate::sip::wire;
use crate::sip::wire::{Message, Name, Parsed};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::end::Ending;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::taken::Taken;

/// The header fields of the first response that are copied to a repeated response, besides those of every response.
pub(in crate::switchboard) const SAID_AGAIN: [Name; 16] = [
    Name::Contact,
    Name::Allow,
    Name::AllowEvents,
    Name::Supported,
    Name::Require,
    Name::SessionExpires,
    Name::MinSe,
    Name::Expires,
    Name::MinExpires,
    Name::RetryAfter,
    Name::Accept,
    Name::AcceptEncoding,
    Name::Unsupported,
    Name::RecvInfo,
    Name::ReferSub,
    Name::Warning,
];

/// The status that is reported for an ignored ACK, which has no response (RFC 3261 §17). Other requests from that source get it.
pub(in crate::switchboard) const ACK_IGNORED: u16 = 403;

impl Calls {
    /// Handles a sign that the peer knows its dialog: a message has arrived in it.
    pub(in crate::switchboard) fn is_back(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        self.trust(step, who);
        if let Who::Caller(call) = who {
            self.caller_is_back(net, step, call);
        }
    }

    /// True if the call of a leg has ended: its peer has been notified, or will be.
    pub(in crate::switchboard) fn is_past(&self, who: Who) -> bool {
        match who {
            Who::Caller(call) | Who::Offer(call, _) => {
                self.calls.get(&call).is_some_and(crate::switchboard::calls::state::call::Call::is_over)
            }
            Who::Phone(_) => false,
        }
    }

    pub(in crate::switchboard) fn hung_up(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        q850: Option<u8>,
    ) {
        let now = step.now;
        match who {
            Who::Caller(call) => {
                // A BYE may overtake the answer. In an early dialog it has the effect of a CANCEL (RFC 3261 §15).
                let talked =
                    self.calls.get(&call).is_some_and(crate::switchboard::calls::state::call::Call::has_talked);
                let cause = if talked { EndCause::Normal } else { EndCause::Abandoned };
                self.end_call(net, step, call, Ending::by(Side::Caller, cause).with_bye(who, q850));
                self.reap(net, step, call);
            }
            Who::Offer(call, leg) if self.is_guest(call, leg) => self.guest_leaves(net, step, call, leg, false),
            Who::Offer(call, leg) if self.leaves_heir(net, step, call, leg, false) => {}
            Who::Offer(call, leg) if self.is_passing_on(now, call, leg) => {
                self.transferor_left(net, step, call, leg, false)
            }
            Who::Offer(call, _) => {
                self.end_call(net, step, call, Ending::by(Side::Operator, EndCause::Normal).with_bye(who, q850));
            }
            Who::Phone(phone) => self.end_phone(net, step, phone, false),
        }
    }
}

/// The Q.850 cause of a Reason header field (RFC 3326 §2).
pub(in crate::switchboard) fn q850(message: &Message<'_>) -> Option<u8> {
    message.list(Name::Reason).find_map(|value| {
        let text = std::str::from_utf8(value).ok()?;
        let (protocol, params) = text.split_once(';')?;
        if !protocol.trim().eq_ignore_ascii_case("Q.850") {
            return None;
        }
        let mut params = params.split(';').filter_map(|param| param.split_once('='));
        let (_, cause) = params.find(|(name, _)| name.trim().eq_ignore_ascii_case("cause"))?;
        cause.trim().parse().ok()
    })
}

impl Wire {
    /// Responds to the peer's last request that arrives again over another path: it changes nothing and gets the same response.
    pub(in crate::switchboard) fn answer_again(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        answer: Option<Bytes>,
    ) {
        let now = step.now;
        let Some(answer) = answer else { return self.reply_later(step, taken) };
        let (Parsed::Good(last) | Parsed::Bad(last, _)) = wire::parse(&answer) else { return };
        let Some(status) = last.status() else { return };
        let mut response = Stencil::of(taken.message, taken.flow).response(status, None);
        for name in SAID_AGAIN {
            response = last.lines(name).fold(response, |response, value| response.header(name, value));
        }
        let kind = last.first(Name::ContentType).and_then(|kind| std::str::from_utf8(kind).ok());
        let bytes = match kind.filter(|_| !last.body.is_empty()) {
            Some(kind) => response.body(kind, last.body).encode(),
            None => response.encode(),
        };
        self.transactions.respond(now.mono, taken.server, status, bytes, &mut step.out.transmits);
    }
}
