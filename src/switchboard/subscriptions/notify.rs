//! NOTIFY (RFC 6665 §4.2.2): what subscribers receive, when it is sent, and how responses are handled. One NOTIFY of a
//! subscription is pending at a time; later changes are sent with the next one, which has the state at that time.

use std::time::Duration;

use crate::acd;
use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::event::pidf::Presence;
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::Subscriptions;
use crate::switchboard::calls::Calls;
use crate::switchboard::ids::WatchId;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::subscriptions::subscription::{Due, NotifiedState};
use crate::switchboard::wire::clients::Purpose;

/// Interval before a NOTIFY for which no transaction was free is sent again.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Maximum Retry-After of a subscriber that is respected.
const PUT_OFF_MAX: Duration = Duration::from_secs(600);

impl Subscriptions {
    /// Notifies subscribers of a changed operator. Without subscribers, this is one look-up.
    pub(in crate::switchboard) fn notify_watchers(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        operator: &OperatorId,
    ) {
        if self.table.is_unwatched(operator) {
            return;
        }
        for id in self.table.of(operator) {
            if let Some(subscription) = self.table.get_mut(id) {
                subscription.due.get_or_insert(Due::Change);
                self.look_after_watch(calls, net, step, id);
            }
        }
    }

    /// Sends a due NOTIFY if it may be sent now, and sets the next deadline.
    pub(in crate::switchboard) fn look_after_watch(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        id: WatchId,
    ) {
        let now = step.now;
        let Some(subscription) = self.table.get(id) else { return };
        let wakes = |at: Instant| Some(at.min(subscription.expires_at));
        if subscription.asked.is_some() {
            // Any result of the pending NOTIFY calls this function again.
            let at = subscription.ending.is_none().then_some(subscription.expires_at);
            return self.arm_watch(step, id, at.filter(|at| *at > now.mono));
        }
        let picture = calls.picture(subscription.event.package, &subscription.watched);
        match (subscription.ending, subscription.due) {
            (Some(_), _) | (None, Some(Due::All)) => self.notify(calls, net, step, id, picture),
            (None, Some(Due::Change)) if subscription.notified == Some(picture) => {
                let at = Some(subscription.expires_at);
                if let Some(subscription) = self.table.get_mut(id) {
                    subscription.due = None;
                }
                self.arm_watch(step, id, at);
            }
            (None, Some(Due::Change)) if subscription.quiet_until <= now.mono => {
                self.notify(calls, net, step, id, picture)
            }
            (None, Some(Due::Change)) => self.arm_watch(step, id, wakes(subscription.quiet_until)),
            (None, None) => self.arm_watch(step, id, Some(subscription.expires_at)),
        }
    }

    /// Sends a NOTIFY. The last NOTIFY removes the subscription.
    fn notify(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        id: WatchId,
        picture: NotifiedState,
    ) {
        let now = step.now;
        let Some(subscription) = self.table.get(id) else { return };
        let (flow, ending, package) = (subscription.flow, subscription.ending, subscription.event.package);
        let (event, contact) = (subscription.event.value(), self.settings.site.contact(flow));
        let left = subscription.expires_at.since(now.mono).as_secs();
        let state = ending.map_or_else(|| format!("active;expires={left}"), |why| why.value());
        let body = calls.document(net, subscription, picture);
        let branch = format!("z9hG4bK{}", step.rng.token());
        let Some(subscription) = self.table.get_mut(id) else { return };
        let builder = subscription.dialog.request(Method::Notify).0;
        subscription.version = subscription.version.saturating_add(1);
        let bytes = builder
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Event, &event)
            .header(Name::SubscriptionState, state.as_bytes())
            .via(flow.transport, self.settings.site.advertised(flow), &branch)
            .body(package.media_type(), body.as_bytes())
            .encode();
        let sent = net.wire.request(step, flow, Method::Notify, &branch, bytes);
        if ending.is_some() {
            if let Some(client) = sent {
                net.wire.drop_transaction(client);
            }
            return self.drop_watch(net, step, id);
        }
        let Some(subscription) = self.table.get_mut(id) else { return };
        subscription.quiet_until = now.mono + if sent.is_some() { package.gap() } else { TRY_AGAIN };
        subscription.asked = sent;
        match sent {
            Some(client) => {
                (subscription.due, subscription.notified) = (None, Some(picture));
                net.wire.expect(client, Purpose::Notify(id));
            }
            None => (subscription.due, subscription.notified) = (Some(Due::Change), None),
        }
        self.look_after_watch(calls, net, step, id);
    }

    /// Handles a final response to a NOTIFY. A rejection with Retry-After postpones the next NOTIFY; any other
    /// rejection ends the subscription (RFC 6665 §4.2.2).
    pub(in crate::switchboard) fn notify_answered(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        id: WatchId,
        message: &Message<'_>,
        status: u16,
    ) {
        let now = step.now;
        let Some(subscription) = self.table.get_mut(id) else { return };
        subscription.asked = None;
        let put_off = message.number(Name::RetryAfter).ok().flatten().filter(|_| status != 481);
        match (status, put_off) {
            (200..300, _) => subscription.dialog.refresh(message),
            (_, Some(seconds)) => {
                let after = Duration::from_secs(seconds.max(1).into()).min(PUT_OFF_MAX);
                subscription.quiet_until = now.mono + after;
                (subscription.due, subscription.notified) = (Some(Due::Change), None);
            }
            (_, None) => return self.drop_watch(net, step, id),
        }
        self.look_after_watch(calls, net, step, id);
    }

    /// Removes the subscription after a NOTIFY without a response, or one that could not be sent.
    pub(in crate::switchboard) fn notify_failed(&mut self, net: &mut NetworkParts, step: &mut Step, id: WatchId) {
        self.drop_watch(net, step, id);
    }

    /// Checks that every subscription belongs to existing accounts, has a pending request or deadline, and has sent
    /// what is due.
    pub(in crate::switchboard) fn verify_watches(&self, calls: &Calls, net: &NetworkParts) -> Result<(), String> {
        self.table.verify()?;
        for (id, one) in self.table.iter() {
            let fault = |what: &str| Err(format!("subscription {id:?} {what}"));
            if let Some(client) = one.asked
                && net.wire.purpose(&client) != Some(&Purpose::Notify(id))
            {
                return fault("waits for a NOTIFY that was not sent");
            }
            if one.asked.is_none() && (one.ending.is_some() || one.armed.is_none()) {
                return fault("waits for nothing");
            }
            if one.ending.is_some() {
                continue;
            }
            if !net.phones.has_account(&one.watcher) || !net.phones.has_account(&one.watched) {
                return fault("belongs to a removed account");
            }
            if one.due.is_none() && one.notified != Some(calls.picture(one.event.package, &one.watched)) {
                return fault("has told something else than there is");
            }
        }
        let notifies = net.wire.clients.iter().filter_map(|(client, purpose)| {
            let Purpose::Notify(id) = purpose else { return None };
            Some((client, *id))
        });
        for (client, id) in notifies {
            if self.table.get(id).is_none_or(|one| one.asked != Some(*client)) {
                return Err(format!("a NOTIFY is under way for {id:?}, who does not wait for it"));
            }
        }
        Ok(())
    }
}

/// The presence state for an operator's state.
pub(in crate::switchboard) const fn presence_of(state: acd::State) -> Presence {
    match state {
        acd::State::Offline => Presence::Offline,
        acd::State::Ready => Presence::Available,
        acd::State::Offered | acd::State::Talking => Presence::OnThePhone,
        acd::State::WrapUp => Presence::Busy,
        acd::State::Break => Presence::Away,
    }
}
