//! The implicit subscription of a REFER, by which an operator's phone is notified of its transfer (RFC 3515 §2.4).

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::state::refers::Subscription;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use std::time::Duration;

use crate::clock::Instant;
use crate::sip::dialog::DialogKey;
use crate::sip::refer;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Method, Name};

/// Duration of the subscription: longer than any transfer rings.
const EXPIRES_SECONDS: u32 = 600;
/// Some phones hang up automatically when a transfer is rejected. A BYE within this time after the rejection ends only
/// the operator's leg.
const OF_ITSELF: Duration = Duration::from_secs(2);

impl Session {
    /// Stores the time at which the phone is notified of a failed transfer.
    pub(in crate::switchboard) fn note_failure(&mut self, now: Instant) {
        self.refers.failed_at = Some(now);
    }

    /// True if the operator may not have noticed yet that the transfer has failed.
    pub(in crate::switchboard) fn failed_recently(&self, now: Instant) -> bool {
        let unheard = self.refers.open.as_ref().is_some_and(|open| open.failed && open.pending.is_some());
        unheard || self.refers.failed_at.is_some_and(|at| now.since(at) < OF_ITSELF)
    }

    /// Accepts a REFER: sends 202, then NOTIFY with 100 unless the phone wants no NOTIFY (RFC 3515 §2.4.4,
    /// RFC 4488 §4).
    pub(in crate::switchboard) fn accept_refer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
        wants_notify: bool,
    ) {
        let contact = net.wire.settings.site.contact(taken.flow);
        let mut headers = vec![(Name::Contact, contact.as_bytes())];
        if !wants_notify {
            headers.push((Name::ReferSub, b"false"));
        }
        net.wire.reply(step, taken, 202, &headers);
        if let Some(key) = DialogKey::of_request(taken.message) {
            self.follow(net, step, taken, leg, &key);
        }
        let cseq = taken.message.cseq().map_or(0, |cseq| cseq.number);
        // The first subscription may omit the id, all others need it (RFC 3515 §2.4.6).
        let event = if self.refers.taken == 0 { "refer".to_owned() } else { format!("refer;id={cseq}") };
        self.refers.taken = self.refers.taken.saturating_add(1);
        let last = self.refers.forget();
        if wants_notify {
            self.refers.open = Some(Subscription { event, pending: None, failed: false, over: false });
        }
        net.wire.drop_referral(last);
        self.notify_referrer(net, step, leg, 100);
    }

    /// Sends a NOTIFY with the status of the transfer. A final status is the last one.
    pub(in crate::switchboard) fn notify_referrer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        status: u16,
    ) {
        if status >= 300 {
            self.note_failure(step.now.mono);
        }
        let flow = self.next_flow();
        let branch = format!("z9hG4bK{}", step.rng.token());
        let open = self.refers.open.as_mut().filter(|open| !open.over);
        let (Some(open), Some(dialog)) = (open, self.dialog.as_mut()) else { return };
        open.over = status >= 200;
        open.failed = status >= 300;
        let state = match open.over {
            true => "terminated;reason=noresource".to_owned(),
            false => format!("active;expires={EXPIRES_SECONDS}"),
        };
        let (builder, _) = dialog.request(Method::Notify);
        let contact = net.wire.settings.site.contact(flow);
        let bytes = builder
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Event, open.event.as_bytes())
            .header(Name::SubscriptionState, state.as_bytes())
            .via(flow.transport, net.wire.settings.site.advertised(flow), &branch)
            .body("message/sipfrag;version=2.0", refer::fragment(status).as_bytes())
            .encode();
        let last = open.pending.take();
        net.wire.drop_referral(last);
        let sent = net.wire.request(step, flow, Method::Notify, &branch, bytes);
        let Some(client) = sent else { return };
        net.wire.expect(client, Purpose::ReferNotify(leg));
        open.pending = Some(client);
    }

    /// Handles the final response to a NOTIFY, or its timeout. 481 and a timeout end the subscription
    /// (RFC 6665 §4.2.2).
    pub(super) fn notify_answered(&mut self, now: Instant, client: ClientId, status: u16) {
        let Some(open) = self.refers.open.as_mut().filter(|open| open.pending == Some(client)) else { return };
        open.pending = None;
        if open.failed {
            self.refers.failed_at = Some(now);
        }
        if open.over || matches!(status, 408 | 481 | 503) {
            self.refers.open = None;
        }
    }
}
