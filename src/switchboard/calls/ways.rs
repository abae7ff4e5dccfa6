//! Addresses of a phone. Over UDP a request goes to the Contact (RFC 3261 §8.1.2, §16.5); if the Contact names another
//! host, the phone is behind NAT and is reached at the source address of its REGISTER. If a phone does not respond at
//! its Contact within a second, siaga also rings it at the source address: one leg then has two INVITEs, and the first
//! response selects one.

use crate::sip::dialog::Dialog;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OfferLeg, OfferState};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::phones::ways::{SecondRequest, SecondWay};
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;

impl Calls {
    /// Sends the second INVITE, to the source address of the REGISTER, if the phone has not responded at its Contact.
    pub(in crate::switchboard) fn ring_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let Some(leg) = self.leg_mut(who) else { return };
        let cseq = leg.cseq;
        let SecondWay::Due { at, invite } = std::mem::take(&mut leg.rung.second) else { return };
        step.alarms.remove(at, Alarm::SecondWay(who));
        let Some(client) = net.wire.send_second(step, Method::Invite, &invite, Purpose::Invite(who)) else { return };
        let SecondRequest { flow, bytes, .. } = invite;
        net.wire.keep_for_retry(client, None, flow, bytes, cseq);
        if let Some(leg) = self.leg_mut(who) {
            leg.rung.second = SecondWay::Sent { client, flow, cancelled: false };
        }
    }
}

impl Calls {
    /// Handles a response to one of the two INVITEs of a leg: the other one is cancelled. Returns false if the response
    /// must be ignored.
    pub(in crate::switchboard) fn way_responds(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        client: ClientId,
        message: &Message<'_>,
        status: u16,
    ) -> bool {
        let _now = step.now;
        let Some(leg) = self.leg_mut(who) else { return true };
        let is_second = leg.rung.second.client() == Some(client);
        match leg.rung.second {
            SecondWay::None => return true,
            SecondWay::Due { .. } => {
                self.forget_second_way(net, step, who);
                return true;
            }
            // The phone listens at both addresses and has received the INVITE twice (RFC 3261 §8.2.2.2).
            SecondWay::Sent { .. } if status == 482 => {
                net.wire.take_purpose(&client);
                net.wire.take_retry(&client);
                return self.way_fails(net, step, who, client);
            }
            SecondWay::Sent { cancelled: false, .. } => {
                if is_second {
                    leg.swap_ways();
                }
                self.cancel_second_way(net, step, who);
                return true;
            }
            SecondWay::Sent { cancelled: true, .. } if !is_second => return true,
            SecondWay::Sent { cancelled: true, .. } => {}
        }
        match status {
            ..200 => false,
            // A 2xx has crossed the CANCEL: the phone was answered.
            200..300 if matches!(leg.state, OfferState::Ringing { .. } | OfferState::Unheard) => {
                leg.cseq = message.cseq().map_or(leg.cseq, |cseq| cseq.number);
                leg.swap_ways();
                let first = leg.rung.second.client();
                if let Some(first) = first {
                    net.wire.cancel(step, first, None);
                }
                true
            }
            200..300 => {
                self.decline_second_way(net, step, who, message);
                false
            }
            _ => {
                net.wire.take_purpose(&client);
                net.wire.take_retry(&client);
                if let Some(leg) = self.leg_mut(who) {
                    leg.rung.second = SecondWay::None;
                }
                false
            }
        }
    }

    /// Handles a second 2xx of the same phone, at its other address. If it belongs to the dialog whose ACK was sent
    /// over the first address, this copy gets an ACK too.
    fn decline_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef, message: &Message<'_>) {
        let Some(leg) = self.leg_mut(who) else { return };
        let (Some(flow), Ok(cseq)) = (leg.rung.second.flow(), message.cseq()) else { return };
        let Ok(dialog) = Dialog::as_caller(&leg.from, cseq.number, message) else { return };
        leg.session.decline_answer(net, step, who, (dialog, cseq.number), Some(flow));
    }

    /// Handles the failure of one of the INVITEs of a leg. Returns true if no other one is left.
    pub(in crate::switchboard) fn way_fails(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: LegRef,
        client: ClientId,
    ) -> bool {
        if self.leg_mut(who).is_some_and(|leg| leg.rung.second.due().is_some()) {
            self.ring_second_way(net, step, who);
        }
        let Some(leg) = self.leg_mut(who) else { return true };
        match leg.rung.second {
            SecondWay::None | SecondWay::Due { .. } => true,
            SecondWay::Sent { client: second, .. } if second == client => {
                leg.rung.second = SecondWay::None;
                false
            }
            SecondWay::Sent { cancelled: true, .. } => true,
            SecondWay::Sent { cancelled: false, .. } => {
                leg.swap_ways();
                leg.rung.second = SecondWay::None;
                false
            }
        }
    }

    /// Cancels the second INVITE of a leg.
    pub(in crate::switchboard) fn cancel_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let _now = step.now;
        let Some(leg) = self.leg_mut(who) else { return };
        let reason = leg.session.reason();
        match &mut leg.rung.second {
            SecondWay::None => {}
            SecondWay::Due { .. } => self.forget_second_way(net, step, who),
            SecondWay::Sent { client, cancelled, .. } => {
                let client = *client;
                *cancelled = true;
                net.wire.take_retry(&client);
                net.wire.cancel(step, client, reason);
            }
        }
    }

    /// Drops the second INVITE, because the leg has ended or its phone has responded in time.
    pub(in crate::switchboard) fn forget_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: LegRef) {
        let Some(leg) = self.leg_mut(who) else { return };
        match std::mem::take(&mut leg.rung.second) {
            SecondWay::None => {}
            SecondWay::Due { at, .. } => {
                step.alarms.remove(at, Alarm::SecondWay(who));
            }
            SecondWay::Sent { client, .. } => net.wire.forget_client(client),
        }
    }
}

impl OfferLeg {
    /// Swaps the first and the second INVITE of a leg. Returns None if no second one is pending.
    pub(in crate::switchboard) fn swap_ways(&mut self) -> Option<()> {
        let SecondWay::Sent { client, flow, .. } = &mut self.rung.second else { return None };
        std::mem::swap(self.client.as_mut()?, client);
        self.session.swap_flow(flow);
        Some(())
    }
}
