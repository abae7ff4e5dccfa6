//! Documents that show the state of an operator to subscribers.

use crate::ids::{CallId, OperatorId};
use crate::sip::event::dialog_info::{Names, State};
use crate::sip::event::pidf::Presence;
use crate::sip::event::{Package, dialog_info, pidf, summary};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OutgoingState;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::subscriptions::notify::presence_of;
use crate::switchboard::subscriptions::subscription::{Due, NotifiedState, Subscription, Talk};

impl Calls {
    /// The current state of an operator in one event package.
    pub(in crate::switchboard) fn picture(&self, package: Package, operator: &OperatorId) -> NotifiedState {
        let view = self.acd.view(operator);
        match package {
            Package::Presence => {
                NotifiedState::Presence(view.map_or(Presence::Offline, |view| presence_of(view.state)))
            }
            Package::Dialog => {
                let call = view.and_then(|view| view.call);
                NotifiedState::Dialog(call.and_then(|call| self.talk_of(call, operator)))
            }
            Package::MessageSummary => NotifiedState::Summary,
        }
    }

    fn talk_of(&self, id: CallId, operator: &OperatorId) -> Option<Talk> {
        let call = self.calls.get(&id)?;
        call.legs.iter().filter(|(_, leg)| leg.operator() == Some(operator)).find_map(|(no, leg)| match leg.state {
            OutgoingState::Ringing { rang: true, .. } => Some(Talk { call: id, leg: *no, confirmed: false }),
            OutgoingState::Talking => Some(Talk { call: id, leg: *no, confirmed: true }),
            // The dialog is early only after the phone has sent 180 (RFC 4235 §3.7.1).
            OutgoingState::Ringing { rang: false, .. } | OutgoingState::NoResponse | OutgoingState::Cancelling => None,
        })
    }

    /// The dialog identifiers with which another operator may pick up a ringing call (RFC 3891). None for an answered
    /// call, a call between operators, and the leg of a participant.
    fn names(&self, net: &NetworkParts, talk: Talk) -> Option<Names> {
        let call = self.calls.get(&talk.call).filter(|call| !talk.confirmed && call.may_be_picked_up(talk.leg))?;
        call.legs.contains_key(&talk.leg).then(|| net.admission.alias_of(talk.call, talk.leg))
    }

    /// The body of the next NOTIFY: the full state, or the changes since the last NOTIFY.
    pub(in crate::switchboard) fn document(
        &self,
        net: &NetworkParts,
        subscription: &Subscription,
        picture: NotifiedState,
    ) -> String {
        let entity = format!("sip:{}@{}", subscription.watched, self.settings.site.domain);
        let talk = match picture {
            NotifiedState::Presence(presence) => return pidf::write(&entity, presence),
            NotifiedState::Summary => return summary::write(&entity),
            NotifiedState::Dialog(talk) => talk,
        };
        let whole = subscription.due == Some(Due::All) || subscription.ending.is_some();
        let notified = match subscription.notified {
            Some(NotifiedState::Dialog(notified)) if !whole => Some(notified),
            Some(NotifiedState::Dialog(_) | NotifiedState::Presence(_) | NotifiedState::Summary) | None => None,
        };
        let gone = notified.flatten().filter(|old| talk.is_none_or(|new| new.id() != old.id()));
        let mut dialogs = Vec::with_capacity(2);
        dialogs.extend(gone.map(|old| dialog_info::Dialog {
            id: old.id(),
            state: State::Terminated,
            names: None,
            remote: None,
        }));
        dialogs.extend(talk.map(|new| {
            let state = if new.confirmed { State::Confirmed } else { State::Early };
            // Only the operator whose phone rings sees the caller's number.
            let remote = (subscription.watcher == subscription.watched).then(|| self.caller_uri(new.call)).flatten();
            dialog_info::Dialog { id: new.id(), state, names: self.names(net, new), remote }
        }));
        dialog_info::write(&entity, subscription.version, notified.is_none(), &dialogs)
    }

    /// The URI of a caller on operators' phones; None if the number is unknown.
    fn caller_uri(&self, call: CallId) -> Option<String> {
        let number = self.calls.get(&call)?.shown.number.as_deref()?;
        Some(format!("sip:{}@{}", crate::switchboard::calls::offer::user_part(number), self.settings.site.domain))
    }
}
