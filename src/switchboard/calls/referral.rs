//! The implicit subscription of a REFER, by which an operator's phone is notified of its transfer (RFC 3515 §2.4).

use std::time::Duration;

use crate::clock::{Instant, Now};
use crate::ids::CallId;
use crate::sip::dialog::DialogKey;
use crate::sip::refer;
use crate::sip::transaction::ClientId;
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::Line;
use crate::switchboard::calls::state::call::Stage;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::taken::Taken;

/// Duration of the subscription: longer than any transfer rings.
const EXPIRES_SECONDS: u32 = 600;
/// Some phones hang up automatically when a transfer is rejected. A BYE within this time after the rejection ends only
/// the operator's leg.
const OF_ITSELF: Duration = Duration::from_secs(2);

/// The REFERs of one dialog.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct Refers {
    taken: u32,
    open: Option<Subscription>,
    /// The time at which the phone was last notified, or may have been notified, that a transfer has failed.
    failed_at: Option<Instant>,
}

/// The subscription of one REFER.
#[derive(Clone, Debug)]
struct Subscription {
    /// The value of the Event header field.
    event: String,
    /// The last NOTIFY, until its final response.
    told: Option<ClientId>,
    /// True if the last NOTIFY reported a failure.
    failed: bool,
    /// True if the last NOTIFY ended the subscription.
    over: bool,
}

impl Refers {
    /// Ends the subscription. Returns the pending NOTIFY.
    pub(in crate::switchboard) fn forget(&mut self) -> Option<ClientId> {
        self.open.take().and_then(|open| open.told)
    }
}

impl Line {
    /// Stores the time at which the phone is notified of a failed transfer.
    pub(in crate::switchboard) fn note_failure(&mut self, now: Instant) {
        self.refers.failed_at = Some(now);
    }

    /// True if the operator may not have noticed yet that the transfer has failed.
    pub(in crate::switchboard) fn has_unheard_failure(&self, now: Instant) -> bool {
        let unheard = self.refers.open.as_ref().is_some_and(|open| open.failed && open.told.is_some());
        unheard || self.refers.failed_at.is_some_and(|at| now.since(at) < OF_ITSELF)
    }

    /// The last NOTIFY, if it has no final response yet.
    pub(in crate::switchboard) fn notify_under_way(&self) -> Option<ClientId> {
        self.refers.open.as_ref().and_then(|open| open.told)
    }
}

impl Calls {
    /// Accepts a REFER: sends 202, then NOTIFY with 100 unless the phone wants no NOTIFY (RFC 3515 §2.4.4,
    /// RFC 4488 §4).
    pub(in crate::switchboard) fn accept_refer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
        wants_notify: bool,
    ) {
        let contact = self.settings.contact(taken.flow);
        let mut headers = vec![(Name::Contact, contact.as_bytes())];
        if !wants_notify {
            headers.push((Name::ReferSub, b"false"));
        }
        net.wire.reply(step, taken, 202, &headers);
        if let Some(key) = DialogKey::of_request(taken.message) {
            self.follow(net, step, taken, who, &key);
        }
        let cseq = taken.message.cseq().map_or(0, |cseq| cseq.number);
        let Some(line) = self.line_mut(who) else { return };
        // The first subscription may omit the id, all others need it (RFC 3515 §2.4.6).
        let event = if line.refers.taken == 0 { "refer".to_owned() } else { format!("refer;id={cseq}") };
        line.refers.taken = line.refers.taken.saturating_add(1);
        let last = line.refers.forget();
        if wants_notify {
            line.refers.open = Some(Subscription { event, told: None, failed: false, over: false });
        }
        net.wire.forget_referral(last);
        self.tell_referrer(net, step, who, 100);
    }

    /// Records that a REFER, or a retransmission of it, has arrived in an operator's dialog. Its response may be a
    /// rejection, after which some phones hang up. If the dialog is that of a consultation, the phone may hang up both
    /// of its calls.
    pub(in crate::switchboard) fn note_refer(&mut self, net: &mut NetworkParts, now: Now, message: &Message<'_>) {
        let Some(who) = DialogKey::of_request(message).and_then(|key| net.wire.leg_in(&key)) else {
            return;
        };
        let with_caller = match who {
            Who::Caller(placed) => self.leg_with_caller(placed),
            Who::Offer(..) | Who::Phone(_) => None,
        };
        for who in [Some(who), with_caller].into_iter().flatten() {
            if let Some(line) = self.line_mut(who) {
                line.note_failure(now.mono);
            }
        }
    }

    /// The leg of the operator who placed this call in an emergency call.
    fn leg_with_caller(&self, placed: CallId) -> Option<Who> {
        let operator = self.calls.get(&placed)?.placed_by.as_ref()?;
        let id = self.acd.view(operator)?.call?;
        let Stage::Talking { leg } = self.calls.get(&id)?.stage else { return None };
        Some(Who::Offer(id, leg))
    }

    /// Sends a NOTIFY with the status of the transfer. A final status is the last one.
    pub(in crate::switchboard) fn tell_referrer(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        status: u16,
    ) {
        let now = step.now;
        let Some(line) = self.line_mut(who) else { return };
        if status >= 300 {
            line.note_failure(now.mono);
        }
        let flow = line.next_flow();
        let (contact, sent_by) = (self.settings.contact(flow), self.settings.advertised(flow).to_owned());
        let branch = format!("z9hG4bK{}", step.rng.token());
        let Some(line) = self.line_mut(who) else { return };
        let (Some(open), Some(dialog)) = (line.refers.open.as_mut().filter(|open| !open.over), line.dialog.as_mut())
        else {
            return;
        };
        open.over = status >= 200;
        open.failed = status >= 300;
        let state = match open.over {
            true => "terminated;reason=noresource".to_owned(),
            false => format!("active;expires={EXPIRES_SECONDS}"),
        };
        let (builder, _) = dialog.request(Method::Notify);
        let bytes = builder
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Event, open.event.as_bytes())
            .header(Name::SubscriptionState, state.as_bytes())
            .via(flow.transport, &sent_by, &branch)
            .body("message/sipfrag;version=2.0", refer::fragment(status).as_bytes())
            .encode();
        let last = open.told.take();
        net.wire.forget_referral(last);
        let sent = net.wire.request(step, flow, Method::Notify, &branch, bytes);
        let Some(client) = sent else { return };
        net.wire.expect(client, Purpose::Referral(who));
        if let Some(open) = self.line_mut(who).and_then(|line| line.refers.open.as_mut()) {
            open.told = Some(client);
        }
    }

    /// Handles the final response to a NOTIFY, or its timeout. 481 and a timeout end the subscription
    /// (RFC 6665 §4.2.2).
    pub(in crate::switchboard) fn referral_heard(&mut self, now: Now, who: Who, client: ClientId, status: u16) {
        let Some(refers) = self.line_mut(who).map(|line| &mut line.refers) else { return };
        let Some(open) = refers.open.as_mut().filter(|open| open.told == Some(client)) else { return };
        open.told = None;
        if open.failed {
            refers.failed_at = Some(now.mono);
        }
        if open.over || matches!(status, 408 | 481 | 503) {
            refers.open = None;
        }
    }
}
