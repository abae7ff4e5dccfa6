//! The addresses of a phone: that of its Contact, and the source address of its REGISTER. Over UDP a request goes to
//! the Contact (RFC 3261 §8.1.2, §16.5). If the two addresses have different hosts, the phone is behind NAT, and siaga
//! uses only the source address. If only the ports differ, siaga tries the Contact first. If no response arrives within
//! a second, it also sends the INVITE to the source address: one leg then has two INVITEs, and the first response
//! selects one.

use crate::sip::dialog::Dialog;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingLeg, OutgoingState};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::phones::second_address::{SecondInvite, SecondRequest};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;

impl Calls {
    /// Sends the second INVITE, to the source address of the REGISTER, if the phone has not responded at its Contact.
    pub(in crate::switchboard) fn send_second_invite(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let Some(leg) = self.leg_mut(who) else { return };
        let cseq = leg.cseq;
        let SecondInvite::Due { at, invite } = std::mem::take(&mut leg.attempt.second) else { return };
        step.timers.remove(at, TimerKind::SecondInvite(who));
        let Some(client) = net.wire.send_second(step, Method::Invite, &invite, Purpose::Invite(who)) else { return };
        let SecondRequest { flow, bytes, .. } = invite;
        net.wire.keep_for_retry(client, None, flow, bytes, cseq);
        if let Some(leg) = self.leg_mut(who) {
            leg.attempt.second = SecondInvite::Sent { client, flow, cancelled: false };
        }
    }

    /// Handles a response to one of the two INVITEs of a leg: the other one is cancelled. Returns false if the response
    /// must be ignored.
    pub(in crate::switchboard) fn invite_responds(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        client: ClientId,
        message: &Message<'_>,
        status: u16,
    ) -> bool {
        let Some(leg) = self.leg_mut(who) else { return true };
        let is_second = leg.attempt.second.client() == Some(client);
        match leg.attempt.second {
            SecondInvite::None => return true,
            SecondInvite::Due { .. } => {
                self.drop_second_invite(net, step, who);
                return true;
            }
            // The phone listens at both addresses and has received the INVITE twice (RFC 3261 §8.2.2.2).
            SecondInvite::Sent { .. } if status == 482 => {
                net.wire.take_purpose(&client);
                net.wire.take_retry(&client);
                return self.invite_fails(net, step, who, client);
            }
            SecondInvite::Sent { cancelled: false, .. } => {
                if is_second {
                    leg.swap_invites();
                }
                self.cancel_second_invite(net, step, who);
                return true;
            }
            SecondInvite::Sent { cancelled: true, .. } if !is_second => return true,
            SecondInvite::Sent { cancelled: true, .. } => {}
        }
        match status {
            ..200 => false,
            // A 2xx has crossed the CANCEL: the phone was answered.
            200..300 if matches!(leg.state, OutgoingState::Ringing { .. } | OutgoingState::NoResponse) => {
                leg.cseq = message.cseq().map_or(leg.cseq, |cseq| cseq.number);
                leg.swap_invites();
                let first = leg.attempt.second.client();
                if let Some(first) = first {
                    net.wire.cancel(step, first, None);
                }
                true
            }
            200..300 => {
                self.decline_second_2xx(net, step, who, message);
                false
            }
            _ => {
                net.wire.take_purpose(&client);
                net.wire.take_retry(&client);
                if let Some(leg) = self.leg_mut(who) {
                    leg.attempt.second = SecondInvite::None;
                }
                false
            }
        }
    }

    /// Handles a second 2xx of the same phone, at its other address. If it belongs to the dialog of the first 2xx, it
    /// gets only an ACK, to this address. Otherwise it gets ACK and BYE.
    fn decline_second_2xx(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef, message: &Message<'_>) {
        let Some(leg) = self.leg_mut(who) else { return };
        let (Some(flow), Ok(cseq)) = (leg.attempt.second.flow(), message.cseq()) else { return };
        let Ok(dialog) = Dialog::as_caller(&leg.from, cseq.number, message) else { return };
        leg.session.decline_answer(net, step, who, (dialog, cseq.number), Some(flow));
    }

    /// Handles the failure of one of the INVITEs of a leg. Returns true if no other one is left.
    pub(in crate::switchboard) fn invite_fails(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        client: ClientId,
    ) -> bool {
        if self.leg_mut(who).is_some_and(|leg| leg.attempt.second.due().is_some()) {
            self.send_second_invite(net, step, who);
        }
        let Some(leg) = self.leg_mut(who) else { return true };
        match leg.attempt.second {
            SecondInvite::None | SecondInvite::Due { .. } => true,
            SecondInvite::Sent { client: second, .. } if second == client => {
                leg.attempt.second = SecondInvite::None;
                false
            }
            SecondInvite::Sent { cancelled: true, .. } => true,
            SecondInvite::Sent { cancelled: false, .. } => {
                leg.swap_invites();
                leg.attempt.second = SecondInvite::None;
                false
            }
        }
    }

    /// Cancels the second INVITE of a leg.
    pub(in crate::switchboard) fn cancel_second_invite(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
    ) {
        let Some(leg) = self.leg_mut(who) else { return };
        let reason = leg.session.reason();
        match &mut leg.attempt.second {
            SecondInvite::None => {}
            SecondInvite::Due { .. } => self.drop_second_invite(net, step, who),
            SecondInvite::Sent { client, cancelled, .. } => {
                let client = *client;
                *cancelled = true;
                net.wire.take_retry(&client);
                net.wire.cancel(step, client, reason);
            }
        }
    }

    /// Drops the second INVITE, because the leg has ended or its phone has responded in time.
    pub(in crate::switchboard) fn drop_second_invite(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let Some(leg) = self.leg_mut(who) else { return };
        match std::mem::take(&mut leg.attempt.second) {
            SecondInvite::None => {}
            SecondInvite::Due { at, .. } => {
                step.timers.remove(at, TimerKind::SecondInvite(who));
            }
            SecondInvite::Sent { client, .. } => net.wire.drop_client(client),
        }
    }
}

impl OutgoingLeg {
    /// Swaps the first and the second INVITE of a leg. Returns None if no second one is pending.
    pub(in crate::switchboard) fn swap_invites(&mut self) -> Option<()> {
        let SecondInvite::Sent { client, flow, .. } = &mut self.attempt.second else { return None };
        std::mem::swap(self.client.as_mut()?, client);
        self.session.swap_flow(flow);
        Some(())
    }
}
