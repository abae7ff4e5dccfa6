//! The table of subscriptions (RFC 6665 §4.4.1), each with its dialog. It decides nothing and sends nothing.

use crate::ids::CallId;
use crate::ids::LegNo;
use crate::sip::event::pidf::Presence;
use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Instant;
use crate::ids::OperatorId;
use crate::limits::{SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_OPERATOR_MAX};
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::event::{Ended, Event};
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::transaction::ClientId;
use crate::switchboard::ids::WatchId;

/// What the next NOTIFY must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum Due {
    /// The changes, as soon as the interval between NOTIFYs has passed.
    Change,
    /// The full state, at once, since the subscriber has sent SUBSCRIBE (RFC 6665 §4.2.1.2).
    All,
}

/// A subscription of one operator's phone to the state of one operator.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Subscription {
    pub(in crate::switchboard) watcher: OperatorId,
    pub(in crate::switchboard) watched: OperatorId,
    pub(in crate::switchboard) event: Event,
    pub(in crate::switchboard) dialog: Dialog,
    /// The flow for NOTIFYs: the flow of the last SUBSCRIBE, since phones may be behind NAT.
    pub(in crate::switchboard) flow: Flow,
    pub(in crate::switchboard) expires_at: Instant,
    /// The pending NOTIFY; there is at most one.
    pub(in crate::switchboard) asked: Option<ClientId>,
    pub(in crate::switchboard) due: Option<Due>,
    /// Changes are not sent before this time.
    pub(in crate::switchboard) quiet_until: Instant,
    /// The state in the last NOTIFY. None: the next one contains the full state.
    pub(in crate::switchboard) notified: Option<NotifiedState>,
    /// The version of the next dialog-info document (RFC 4235 §4.3).
    pub(in crate::switchboard) version: u32,
    /// The subscription has ended; only its last NOTIFY, which waits for the pending one, is still to be sent.
    pub(in crate::switchboard) ending: Option<Ended>,
    /// The deadline of this subscription in the timers of the switchboard.
    pub(in crate::switchboard) armed: Option<Instant>,
}

/// All subscriptions with their indexes.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Subscriptions {
    all: BTreeMap<WatchId, Subscription>,
    dialogs: BTreeMap<DialogKey, WatchId>,
    by_watcher: BTreeMap<OperatorId, BTreeSet<WatchId>>,
    by_watched: BTreeMap<OperatorId, BTreeSet<WatchId>>,
    by_connection: BTreeMap<ConnectionId, BTreeSet<WatchId>>,
    last_id: u64,
}

impl Subscriptions {
    /// Returns false if the table or the subscriber's share is full.
    pub(in crate::switchboard) fn has_room(&self, watcher: &OperatorId) -> bool {
        let his = self.by_watcher.get(watcher).map_or(0, BTreeSet::len);
        self.all.len() < SUBSCRIPTIONS_MAX && his < SUBSCRIPTIONS_PER_OPERATOR_MAX
    }

    pub(in crate::switchboard) fn add(&mut self, subscription: Subscription) -> WatchId {
        self.last_id += 1;
        let id = WatchId(self.last_id);
        self.dialogs.insert(subscription.dialog.key().clone(), id);
        self.by_watcher.entry(subscription.watcher.clone()).or_default().insert(id);
        self.by_watched.entry(subscription.watched.clone()).or_default().insert(id);
        self.hold(id, subscription.flow);
        self.all.insert(id, subscription);
        id
    }

    pub(in crate::switchboard) fn remove(&mut self, id: WatchId) -> Option<Subscription> {
        let subscription = self.all.remove(&id)?;
        self.dialogs.remove(subscription.dialog.key());
        leave(&mut self.by_watcher, &subscription.watcher, id);
        leave(&mut self.by_watched, &subscription.watched, id);
        leave(&mut self.by_connection, &subscription.flow.connection, id);
        Some(subscription)
    }

    /// Changes the flow to the phone.
    pub(in crate::switchboard) fn reroute(&mut self, id: WatchId, flow: Flow) {
        let Some(subscription) = self.all.get_mut(&id) else { return };
        let old = std::mem::replace(&mut subscription.flow, flow);
        if old.connection != flow.connection {
            leave(&mut self.by_connection, &old.connection, id);
            self.hold(id, flow);
        }
    }

    pub(in crate::switchboard) fn get_mut(&mut self, id: WatchId) -> Option<&mut Subscription> {
        self.all.get_mut(&id)
    }

    pub(in crate::switchboard) fn get(&self, id: WatchId) -> Option<&Subscription> {
        self.all.get(&id)
    }

    pub(in crate::switchboard) fn at(&self, key: &DialogKey) -> Option<WatchId> {
        self.dialogs.get(key).copied()
    }

    /// True if no phone has subscribed to this operator. Called at every change of the operator's state.
    pub(in crate::switchboard) fn is_unwatched(&self, operator: &OperatorId) -> bool {
        self.by_watched.is_empty() || !self.by_watched.contains_key(operator)
    }

    pub(in crate::switchboard) fn by(&self, watcher: &OperatorId) -> Vec<WatchId> {
        self.by_watcher.get(watcher).into_iter().flatten().copied().collect()
    }

    pub(in crate::switchboard) fn of(&self, watched: &OperatorId) -> Vec<WatchId> {
        self.by_watched.get(watched).into_iter().flatten().copied().collect()
    }

    pub(in crate::switchboard) fn over(&self, connection: ConnectionId) -> Vec<WatchId> {
        self.by_connection.get(&connection).into_iter().flatten().copied().collect()
    }

    pub(in crate::switchboard) fn ids(&self) -> Vec<WatchId> {
        self.all.keys().copied().collect()
    }

    pub(in crate::switchboard) fn iter(&self) -> impl Iterator<Item = (WatchId, &Subscription)> {
        self.all.iter().map(|(id, subscription)| (*id, subscription))
    }

    pub(in crate::switchboard) fn len(&self) -> usize {
        self.all.len()
    }

    pub(in crate::switchboard) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Checks that the indexes match the subscriptions.
    pub(in crate::switchboard) fn verify(&self) -> Result<(), String> {
        let held = |index: &BTreeMap<OperatorId, BTreeSet<WatchId>>| index.values().map(BTreeSet::len).sum::<usize>();
        let in_set = |ids: Option<&BTreeSet<WatchId>>, id: &WatchId| ids.is_some_and(|ids| ids.contains(id));
        for (id, one) in &self.all {
            let listed = self.at(one.dialog.key()) == Some(*id)
                && in_set(self.by_watcher.get(&one.watcher), id)
                && in_set(self.by_watched.get(&one.watched), id)
                && in_set(self.by_connection.get(&one.flow.connection), id) == one.flow.is_connection();
            if !listed {
                return Err(format!("subscription {id:?} is not where it should be found"));
            }
        }
        let connected = self.all.values().filter(|one| one.flow.is_connection()).count();
        let sizes = [
            self.dialogs.len(),
            held(&self.by_watcher),
            held(&self.by_watched),
            self.by_connection.values().map(BTreeSet::len).sum::<usize>() + self.all.len() - connected,
        ];
        if sizes != [self.all.len(); 4] || self.all.len() > SUBSCRIPTIONS_MAX {
            return Err(format!("{} subscriptions, indexes of {sizes:?}", self.all.len()));
        }
        if self.by_watcher.values().any(|his| his.is_empty() || his.len() > SUBSCRIPTIONS_PER_OPERATOR_MAX) {
            return Err("a watcher has no subscription, or too many".to_owned());
        }
        Ok(())
    }

    pub(in crate::switchboard) fn hold(&mut self, id: WatchId, flow: Flow) {
        if flow.is_connection() {
            self.by_connection.entry(flow.connection).or_default().insert(id);
        }
    }
}

fn leave<K: Ord>(index: &mut BTreeMap<K, BTreeSet<WatchId>>, key: &K, id: WatchId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

/// The state of an operator as one event package shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum NotifiedState {
    Presence(Presence),
    Dialog(Option<Talk>),
    /// The message summary is always empty.
    Summary,
}

/// The call that rings at an operator's phone or that the operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Talk {
    pub(in crate::switchboard) call: CallId,
    pub(in crate::switchboard) leg: LegNo,
    pub(in crate::switchboard) confirmed: bool,
}

impl Talk {
    /// Identifies the dialog to subscribers without data of the caller.
    pub(in crate::switchboard) fn id(self) -> String {
        format!("{:032x}-{}", self.call.as_u128(), self.leg.0)
    }
}
