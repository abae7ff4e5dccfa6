//! SUBSCRIBE (RFC 6665 §4.2.1): how subscriptions begin, are refreshed and end. Only operators may subscribe, and only
//! to operators; `notify` sends their state.

use std::time::Duration;

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::event::{ALLOW_EVENTS, Ended, Event, Package};
use crate::sip::flow::Flow;
use crate::sip::message::ResponseTemplate;
use crate::sip::option_tag;
use crate::sip::wire::{Message, Name};
use crate::switchboard::Subscriptions;
use crate::switchboard::calls::Calls;
use crate::switchboard::ids::WatchId;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::subscriptions::subscription::{Due, Subscription};
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::incoming_request::IncomingRequest;

/// Duration of a subscription in seconds: minimum (shorter ones get 423), default and maximum (RFC 6665 §4.2.1.1).
pub(in crate::switchboard) const SECONDS_MIN: u32 = 60;
const SECONDS_DEFAULT: u32 = 3_600;
const SECONDS_MAX: u32 = 3_600;
/// Retry-After for a subscription that ends, in seconds: with the phone's registration, or with the service.
const BACK_AFTER_SECONDS: u32 = 10;
const BACK_AFTER_RESTART_SECONDS: u32 = 30;

/// The requested interval is too short.
pub(in crate::switchboard) struct TooBrief;

impl Subscriptions {
    /// Handles a SUBSCRIBE outside a dialog that does not come from a trunk.
    pub(in crate::switchboard) fn subscribed(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
    ) {
        let now = step.now;
        let Some(watcher) = calls.authenticate(net, step, taken) else { return };
        let Some(event) = Event::of(taken.message) else { return net.wire.refuse_event(step, taken) };
        let Some(watched) = net.phones.operator_at(taken.message.request_uri().unwrap_or_default()) else {
            return net.wire.reply(step, taken, 404, &[]);
        };
        // A phone may subscribe only to the message summary of its own operator.
        if event.package == Package::MessageSummary && watched != watcher {
            return net.wire.reply(step, taken, 403, &[]);
        }
        if !event.package.is_accepted(taken.message) {
            return net.wire.reply(step, taken, 406, &[]);
        }
        let Some(seconds) = net.wire.granted(step, taken) else { return };
        let (known, merged) = self.earlier(&watcher, taken.message);
        if merged {
            return net.wire.reply(step, taken, 482, &[]);
        }
        if let Some(known) = known {
            self.drop_watch(net, step, known);
        }
        if calls.service_state.drained || !self.table.has_room(&watcher) {
            return net.wire.reply(step, taken, 503, &[(Name::RetryAfter, b"60")]);
        }
        let tag = step.rng.token();
        let dialog = match Dialog::as_callee(taken.message, tag.as_str()) {
            Ok(dialog) => dialog,
            Err(fault) => return net.wire.reply(step, taken, fault.status, &[]),
        };
        net.wire.agree_to_watch(step, taken, seconds, Some(tag.as_str()));
        let id = self.table.add(Subscription {
            watcher,
            watched,
            event,
            dialog,
            flow: taken.flow,
            expires_at: now.mono + Duration::from_secs(seconds.into()),
            asked: None,
            due: Some(Due::All),
            quiet_until: now.mono,
            notified: None,
            version: 0,
            ending: (seconds == 0).then_some(Ended::Timeout),
            armed: None,
        });
        self.look_after_watch(calls, net, step, id);
    }

    /// A SUBSCRIBE in a dialog: refreshes the subscription, or ends it (RFC 6665 §4.2.1.4).
    pub(in crate::switchboard) fn resubscribed(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
    ) {
        let now = step.now;
        let Some(key) = DialogKey::of_request(taken.message) else { return net.wire.reply(step, taken, 481, &[]) };
        let found = self.table.at(&key);
        let alive = found.filter(|id| self.table.get(*id).is_some_and(|one| one.ending.is_none()));
        let Some(id) = alive else {
            // A dialog has one usage (RFC 6665 §4.5.2), so the dialog of a call takes no subscription.
            let status = if net.wire.has_dialog(&key) { 403 } else { 481 };
            return net.wire.reply(step, taken, status, &[]);
        };
        let foreign: Vec<&[u8]> = option_tag::not_understood(taken.message).collect();
        if !foreign.is_empty() {
            return net.wire.reply(step, taken, 420, &[(Name::Unsupported, &foreign.join(&b", "[..]))]);
        }
        let Some(event) = Event::of(taken.message) else { return net.wire.refuse_event(step, taken) };
        let Some(subscription) = self.table.get_mut(id) else { return };
        if subscription.event != event {
            return net.wire.reply(step, taken, 403, &[]);
        }
        if subscription.dialog.repeats(taken.message) {
            let answer = subscription.dialog.answer();
            return net.wire.answer_again(step, taken, answer);
        }
        match subscription.dialog.accept(taken.message) {
            Ok(()) => {}
            Err(fault) if fault.status == 500 => return net.wire.reply_later(step, taken),
            Err(fault) => return net.wire.reply(step, taken, fault.status, &[]),
        }
        let Some(seconds) = net.wire.granted(step, taken) else { return };
        net.wire.agree_to_watch(step, taken, seconds, None);
        self.table.reroute(id, taken.flow);
        let answer = net.wire.answer_of(taken.server);
        let Some(subscription) = self.table.get_mut(id) else { return };
        subscription.dialog.keep_answer(taken.message, answer);
        subscription.dialog.refresh(taken.message);
        subscription.expires_at = now.mono + Duration::from_secs(seconds.into());
        subscription.due = Some(Due::All);
        subscription.ending = (seconds == 0).then_some(Ended::Timeout);
        self.look_after_watch(calls, net, step, id);
    }

    /// Handles the deadline of a subscription: a NOTIFY may be sent, or the subscription has expired.
    pub(in crate::switchboard) fn watch_due(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        id: WatchId,
    ) {
        let now = step.now;
        let Some(subscription) = self.table.get_mut(id) else { return };
        subscription.armed = None;
        if subscription.expires_at <= now.mono {
            subscription.ending.get_or_insert(Ended::Timeout);
        }
        self.look_after_watch(calls, net, step, id);
    }

    /// Ends the subscriptions of an operator whose last binding has been removed.
    pub(in crate::switchboard) fn stop_watching(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        watcher: &OperatorId,
    ) {
        for id in self.table.by(watcher) {
            self.end_watch(calls, net, step, id, Ended::Probation { retry_after: BACK_AFTER_SECONDS });
        }
    }

    /// Ends the subscriptions of and to a removed operator.
    pub(in crate::switchboard) fn drop_watches(
        &mut self,
        calls: &mut Calls,
        net: &mut NetworkParts,
        step: &mut Step,
        operator: &OperatorId,
    ) {
        for id in self.table.by(operator) {
            self.end_watch(calls, net, step, id, Ended::Rejected);
        }
        for id in self.table.of(operator) {
            self.end_watch(calls, net, step, id, Ended::NoResource);
        }
    }

    /// A phone's flow has changed: sends its NOTIFYs over the new flow (RFC 5626 §5.3).
    pub(in crate::switchboard) fn watches_moved(&mut self, watcher: &OperatorId, moved: &[(Flow, Flow)]) {
        if moved.is_empty() {
            return;
        }
        for id in self.table.by(watcher) {
            let old = self.table.get(id).map(|subscription| subscription.flow);
            if let Some((_, new)) = moved.iter().find(|(before, _)| Some(*before) == old) {
                self.table.reroute(id, *new);
            }
        }
    }

    /// Removes the subscriptions of a closed connection. NOTIFYs can no longer be sent over it.
    pub(in crate::switchboard) fn lose_watches(&mut self, net: &mut NetworkParts, step: &mut Step, flow: Flow) {
        for id in self.table.over(flow.connection) {
            self.drop_watch(net, step, id);
        }
    }

    /// Ends all subscriptions when the service ends, without waiting for pending responses.
    pub(in crate::switchboard) fn leave_watches(&mut self, calls: &mut Calls, net: &mut NetworkParts, step: &mut Step) {
        for id in self.table.ids() {
            let asked = self.table.get_mut(id).and_then(|subscription| subscription.asked.take());
            if let Some(client) = asked {
                net.wire.forget(client);
            }
            self.end_watch(calls, net, step, id, Ended::Probation { retry_after: BACK_AFTER_RESTART_SECONDS });
        }
    }

    /// Removes a subscription with its deadline and pending NOTIFY.
    pub(in crate::switchboard) fn drop_watch(&mut self, net: &mut NetworkParts, step: &mut Step, id: WatchId) {
        let Some(gone) = self.table.remove(id) else { return };
        if let Some(at) = gone.armed {
            step.timers.remove(at, TimerKind::Watch(id));
        }
        if let Some(client) = gone.asked {
            net.wire.forget(client);
        }
    }

    /// Sets the deadline of a subscription.
    pub(in crate::switchboard) fn arm_watch(&mut self, step: &mut Step, id: WatchId, at: Option<Instant>) {
        let Some(subscription) = self.table.get_mut(id) else { return };
        let old = std::mem::replace(&mut subscription.armed, at);
        if old == at {
            return;
        }
        if let Some(old) = old {
            step.timers.remove(old, TimerKind::Watch(id));
        }
        if let Some(at) = at {
            step.timers.insert(at, TimerKind::Watch(id));
        }
    }

    fn end_watch(&mut self, calls: &mut Calls, net: &mut NetworkParts, step: &mut Step, id: WatchId, why: Ended) {
        if let Some(subscription) = self.table.get_mut(id) {
            subscription.ending.get_or_insert(why);
            self.look_after_watch(calls, net, step, id);
        }
    }

    /// The earlier subscription with the same Call-ID and tag, which this one replaces. The second value is true if
    /// this is a copy of the same request that arrived over another path (RFC 3261 §8.2.2.2). Subscriptions of other
    /// dialogs continue (RFC 6665 §4.4.1); one of a restarted phone ends when the phone rejects a NOTIFY.
    fn earlier(&self, watcher: &OperatorId, message: &Message<'_>) -> (Option<WatchId>, bool) {
        let (call_id, tag) = (message.call_id().unwrap_or_default(), message.from().ok());
        let cseq = message.cseq().ok().map(|cseq| cseq.number);
        let tag = tag.as_ref().and_then(|from| from.tag()).unwrap_or_default();
        let mut known = None;
        for id in self.table.by(watcher) {
            let Some(one) = self.table.get(id) else { continue };
            let key = one.dialog.key();
            let same_dialog = key.call_id.0 == call_id && key.remote_tag == tag.as_ref();
            if same_dialog && one.dialog.remote_cseq() >= cseq {
                return (None, true);
            }
            if same_dialog {
                known = Some(id);
            }
        }
        (known, false)
    }
}

pub(in crate::switchboard) fn seconds(asked: Option<u32>) -> Result<u32, TooBrief> {
    match asked {
        None => Ok(SECONDS_DEFAULT),
        Some(0) => Ok(0),
        Some(seconds) if seconds < SECONDS_MIN => Err(TooBrief),
        Some(seconds) => Ok(seconds.min(SECONDS_MAX)),
    }
}

impl Wire {
    /// Sends 489 with the supported event packages (RFC 6665 §4.2.1.1, §7.2).
    pub(in crate::switchboard) fn refuse_event(&mut self, step: &mut Step, taken: &IncomingRequest<'_, '_>) {
        self.reply(step, taken, 489, &[(Name::AllowEvents, ALLOW_EVENTS)]);
    }

    /// The granted interval of a SUBSCRIBE, zero to end the subscription. None if the request was rejected (423, 400).
    pub(in crate::switchboard) fn granted(&mut self, step: &mut Step, taken: &IncomingRequest<'_, '_>) -> Option<u32> {
        match taken.message.number(Name::Expires).map(seconds) {
            Ok(Ok(seconds)) => return Some(seconds),
            Ok(Err(TooBrief)) => {
                let least = crate::switchboard::subscriptions::watch::SECONDS_MIN.to_string();
                self.reply(step, taken, 423, &[(Name::MinExpires, least.as_bytes())]);
            }
            Err(fault) => self.reply(step, taken, fault.status, &[]),
        }
        None
    }

    /// Sends the 200 to a SUBSCRIBE.
    pub(in crate::switchboard) fn agree_to_watch(
        &mut self,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        seconds: u32,
        tag: Option<&str>,
    ) {
        let now = step.now;
        let contact = self.settings.site.contact(taken.flow);
        let bytes = ResponseTemplate::of(taken.message, taken.flow)
            .response(200, tag)
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Expires, seconds.to_string().as_bytes())
            .header(Name::AllowEvents, ALLOW_EVENTS)
            .encode();
        self.transactions.respond(now.mono, taken.server, 200, bytes, &mut step.out.transmits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_granted_shortened_or_too_brief() {
        let granted = |asked| seconds(asked).ok();
        assert_eq!(granted(None), Some(SECONDS_DEFAULT));
        assert_eq!(granted(Some(0)), Some(0));
        assert_eq!([granted(Some(1)), granted(Some(59))], [None, None]);
        assert_eq!(granted(Some(60)), Some(60));
        assert_eq!(granted(Some(u32::MAX)), Some(SECONDS_MAX));
    }
}
