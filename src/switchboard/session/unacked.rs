//! The 2xx of siaga to an INVITE, which is retransmitted until its ACK arrives (RFC 3261 §13.3.1.4).

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::{SessionEvent, SessionEvents};
use crate::switchboard::session::state::repeats::Repeats;
use crate::switchboard::session::state::unacked::Unacked;
use crate::switchboard::step::Step;
use crate::switchboard::timers::{T2, TimerKind};

use bytes::Bytes;

use crate::sip::transaction::ServerId;
use crate::sip::wire::Message;

impl Session {
    /// True while a 2xx of siaga waits for its ACK.
    pub(in crate::switchboard) fn awaits_ack(&self) -> bool {
        self.unacked.is_some()
    }

    /// Starts to wait for the ACK to a 2xx of siaga, which was sent in this transaction for this CSeq number.
    pub(in crate::switchboard) fn await_ack(
        &mut self,
        step: &mut Step,
        leg: LegRef,
        (server, cseq): (ServerId, u32),
        bytes: Bytes,
    ) {
        let now = step.now.mono;
        self.stop_waiting_for_ack(step, leg);
        let unacked = Unacked { server, cseq, bytes, repeats: Repeats::from(now) };
        step.timers.insert(unacked.due(), TimerKind::Unacked(leg));
        self.unacked = Some(unacked);
    }

    /// Stops waiting for an ACK that has arrived or is no longer needed.
    pub(in crate::switchboard) fn stop_waiting_for_ack(&mut self, step: &mut Step, leg: LegRef) {
        if let Some(unacked) = self.unacked.take() {
            step.timers.remove(unacked.due(), TimerKind::Unacked(leg));
        }
    }

    /// Retransmits the 2xx, or gives up after 64*T1. The session then continues as last agreed, and a new offer can be
    /// made.
    pub(super) fn repeat_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
    ) -> Option<SessionEvent> {
        let now = step.now.mono;
        let mut unacked = self.unacked.take()?;
        if unacked.repeats.is_over(now) {
            self.give_up_offer();
            let heard = self.media.as_ref().is_some_and(|media| media.was_heard());
            return Some(SessionEvent::NeverAcked { heard });
        }
        net.wire.respond(step, unacked.server, 200, unacked.bytes.clone());
        step.timers.insert(unacked.repeats.repeat(now, T2), TimerKind::Unacked(leg));
        self.unacked = Some(unacked);
        None
    }

    /// Handles the ACK of a 2xx, which may have the answer to siaga's offer. An ACK that is late or repeated has another
    /// CSeq than the pending 2xx, and is ignored. A BYE that had to wait for the ACK is sent (RFC 3261 §15).
    pub(in crate::switchboard) fn acknowledged(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        message: &Message<'_>,
    ) -> SessionEvents {
        let waits = self.unacked.as_ref().map(|unacked| unacked.cseq);
        if waits.is_none() || waits != message.cseq().ok().map(|cseq| cseq.number) {
            return SessionEvents::new();
        }
        self.stop_waiting_for_ack(step, leg);
        let negotiated = self.take_late_answer(net, step, leg, message);
        if !self.give_up_offer() {
            self.offer_audio(net, step, leg);
        }
        if self.closing.take_bye_due() {
            self.bye(net, step, leg);
        }
        negotiated.into_iter().chain([SessionEvent::Acknowledged]).collect()
    }
}
