//! The end of a session: its BYE, unwanted answers, and the ACKs that siaga sends (RFC 3261 §13.2.2.4, §15).

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::state::closing::{Bye, Credentials};
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;

use bytes::Bytes;

use crate::limits::EARLY_DIALOGS_MAX;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::{Flow, Transmit};
use crate::sip::message::Builder;
use crate::sip::wire::{Method, Name};

impl Session {
    /// Sets the Reason for the BYE or CANCEL (RFC 3326 §2).
    pub(in crate::switchboard) fn set_reason(&mut self, reason: Option<Bytes>) {
        self.closing.reason = reason;
    }

    /// The Reason for the BYE or CANCEL.
    pub(in crate::switchboard) fn reason(&self) -> Option<Bytes> {
        self.closing.reason.clone()
    }

    /// Ends the session: returns the leg's port, and stops the session timer and pending requests.
    pub(in crate::switchboard) fn close(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        self.closing.closed = true;
        self.stop_timer(step, leg);
        self.stop_requests(net, step);
        self.stop_inquiry(net, step, leg);
        if let Some(media) = self.media.take() {
            net.media.close(step, leg, media.anchor());
        }
    }

    /// Ends the session of a caller: rejects the INVITE with this status and Warning if it has no final response yet,
    /// otherwise sends the BYE.
    pub(in crate::switchboard) fn end(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        rejection: (u16, Option<&'static [u8]>),
        bye: Bye,
    ) {
        self.stop_responses(step, leg);
        if !self.reject_invite(net, step, rejection) {
            match bye {
                Bye::Received => self.stop_waiting_for_ack(step, leg),
                Bye::AtOnce => {
                    self.stop_waiting_for_ack(step, leg);
                    self.bye(net, step, leg);
                }
                Bye::AfterAck if self.unacked.is_some() => self.closing.bye_due = true,
                Bye::AfterAck => self.bye(net, step, leg),
            }
        }
        self.close(net, step, leg);
    }

    /// Ends the session of a leg that is removed.
    pub(in crate::switchboard) fn discard(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        self.close(net, step, leg);
        self.drop_early(net);
        self.stop_waiting_for_ack(step, leg);
        self.drop_held_bye(step, leg);
    }

    /// Sends the BYE of the dialog. Its response is not awaited.
    pub(in crate::switchboard) fn bye(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) {
        let flow = self.next_flow();
        let branch = format!("z9hG4bK{}", step.rng.token());
        let Some(dialog) = self.dialog.as_mut() else { return };
        let (builder, cseq) = dialog.request(Method::Bye);
        let reason = self.closing.reason.iter();
        let builder = reason.fold(builder, |builder, reason| builder.header(Name::Reason, reason));
        let bytes = builder.via(flow.transport, net.wire.settings.site.advertised(flow), &branch).encode();
        let wire = &mut net.wire;
        net.trunks.send_and_forget(wire, step, leg, Purpose::Bye, Method::Bye, flow, &branch, (bytes, cseq));
    }

    /// Sends the ACK to a 2xx of the peer to the INVITE with this CSeq (RFC 3261 §13.2.2.4).
    pub(in crate::switchboard) fn ack(&self, net: &NetworkParts, step: &mut Step, cseq: u32) {
        let ack = self.ack_of(net, step, cseq);
        step.out.transmits.extend(ack);
    }

    /// Writes the ACK for the 2xx to the INVITE with this CSeq in the dialog.
    pub(super) fn ack_of(&self, net: &NetworkParts, step: &mut Step, cseq: u32) -> Option<Transmit> {
        let flow = self.next_flow();
        let branch = format!("z9hG4bK{}", step.rng.token());
        let ack = self.ack_in(self.dialog.as_ref()?, cseq);
        let sent_by = net.wire.settings.site.advertised(flow);
        Some(Transmit { flow, bytes: ack.via(flow.transport, sent_by, &branch).encode() })
    }

    /// The ACK of a 2xx to the INVITE with this CSeq, in its dialog.
    fn ack_in(&self, dialog: &Dialog, cseq: u32) -> Builder {
        let ack = dialog.ack(cseq);
        match self.requests.credentials.as_ref().filter(|credentials| credentials.cseq == cseq) {
            Some(Credentials { name, value, .. }) => ack.header(*name, value),
            None => ack,
        }
    }

    /// Acknowledges an unwanted 2xx to the INVITE with this CSeq, and ends its dialog, unless it is the leg's own dialog
    /// or has got its BYE already. `flow` is the address that has answered, if it is not the leg's.
    pub(in crate::switchboard) fn decline_answer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        (dialog, cseq): (Dialog, u32),
        flow: Option<Flow>,
    ) {
        let (flow, ack) = (flow.unwrap_or_else(|| self.route.flow_in(&dialog)), self.ack_in(&dialog, cseq));
        let is_own = self.dialog.as_ref().is_some_and(|own| own.key() == dialog.key());
        let hung_up = &mut self.closing.hung_up;
        let hangs_up = !is_own && hung_up.len() < EARLY_DIALOGS_MAX && hung_up.insert(dialog.key().remote_tag.clone());
        net.trunks.decline_over(&mut net.wire, step, leg, flow, (ack, hangs_up), dialog);
    }

    /// The part of the session that is kept after its outgoing INVITE has ended, because a 2xx may arrive late: the flow,
    /// the credentials that the ACK repeats, and the dialogs that need no BYE. The leg's own dialog gets its own BYE.
    pub(in crate::switchboard) fn remnant(&self) -> Self {
        let mut remnant = Self::new(self.route.flow, self.route.follow_target);
        remnant.requests.credentials.clone_from(&self.requests.credentials);
        remnant.closing.hung_up.clone_from(&self.closing.hung_up);
        remnant.closing.hung_up.extend(self.dialog.iter().map(|dialog| dialog.key().remote_tag.clone()));
        remnant
    }

    /// Moves the dialogs, the port, the pending requests and the deadlines of the session to another leg.
    pub(in crate::switchboard) fn move_to(&self, net: &mut NetworkParts, step: &mut Step, was: LegRef, is: LegRef) {
        let confirmed = self.dialog.iter().map(Dialog::key);
        let keys: Vec<DialogKey> = confirmed.chain(self.early.keys()).cloned().collect();
        for key in keys {
            net.wire.bind(key, is);
        }
        if let Some(media) = &self.media {
            net.media.anchors.insert(media.anchor(), is);
        }
        net.wire.clients.move_leg(was, is);
        net.wire.lookups.follow(was, is);
        for ((at, old), (_, new)) in self.deadlines(was).into_iter().zip(self.deadlines(is)) {
            if step.timers.remove(at, old) {
                step.timers.insert(at, new);
            }
        }
    }
}
