//! The ways to a phone. Over UDP a request goes to the Contact (RFC 3261 §8.1.2, §16.5); if the Contact names another host, the phone is
//! behind NAT and is reached at the address that its REGISTER came from. A phone that does not respond at its Contact within a second is
//! rung at that address too: two INVITEs of one leg, of which the first that gets a response counts.

use crate::sip::dialog::Dialog;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::leg::{OfferLeg, OfferState};
use crate::switchboard::ids::Who;
use crate::switchboard::phones::ways::{SecondRequest, SecondWay};
use crate::switchboard::{Calls, NetworkParts, Purpose, Step};

impl Calls {
    /// The phone of a leg has not responded at its Contact: it is rung at its REGISTER's source address too.
    pub(in crate::switchboard) fn ring_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let Some(leg) = self.leg_mut(who) else { return };
        let cseq = leg.cseq;
        let SecondWay::Due { at, invite } = std::mem::take(&mut leg.rung.second) else { return };
        step.alarms.remove(at, Alarm::SecondWay(who));
        let Some(client) = net.wire.send_second(step, Method::Invite, &invite, Purpose::Offer(who)) else { return };
        let SecondRequest { flow, bytes, .. } = invite;
        net.wire.may_be_asked(client, None, flow, bytes, cseq);
        if let Some(leg) = self.leg_mut(who) {
            leg.rung.second = SecondWay::Sent { client, flow, cancelled: false };
        }
    }
}

impl Calls {
    /// A response to one of the INVITEs of a leg has come: the other one is cancelled. False: the response changes nothing.
    pub(in crate::switchboard) fn way_responds(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
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
            // The phone listens at both addresses and has got the INVITE twice (RFC 3261 §8.2.2.2).
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
            // It crosses the CANCEL: somebody has picked up.
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

    /// A second answer of the same phone, at its other address. If it is of the dialog that has its ACK over the first one, this copy gets
    /// one too.
    fn decline_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who, message: &Message<'_>) {
        let Some(leg) = self.leg_mut(who) else { return };
        let (Some(flow), Ok(cseq)) = (leg.rung.second.flow(), message.cseq()) else { return };
        let Ok(dialog) = Dialog::as_caller(&leg.from, cseq.number, message) else { return };
        self.decline_answer(net, step, who, dialog, cseq.number, Some(flow));
    }

    /// One of the INVITEs of a leg has failed. True: there is no other.
    pub(in crate::switchboard) fn way_fails(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
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

    /// The second INVITE of a leg is no longer wanted.
    pub(in crate::switchboard) fn cancel_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let _now = step.now;
        let Some(leg) = self.leg_mut(who) else { return };
        let reason = leg.line.reason.clone();
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

    /// The leg is over, or its phone has responded in time.
    pub(in crate::switchboard) fn forget_second_way(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
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
    /// The second INVITE is the leg's own from now on, and the other way round. None without a second one under way.
    pub(in crate::switchboard) fn swap_ways(&mut self) -> Option<()> {
        let SecondWay::Sent { client, flow, .. } = &mut self.rung.second else { return None };
        std::mem::swap(self.client.as_mut()?, client);
        std::mem::swap(&mut self.line.flow, flow);
        Some(())
    }
}
