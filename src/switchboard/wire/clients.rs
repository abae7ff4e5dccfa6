//! Client transactions of outgoing requests and the purpose of each. An index finds the requests of one leg or trunk.

use crate::sip::digest::client::Identity;
use crate::sip::flow::Flow;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

use crate::counted::Map;
use crate::sip::dialog::DialogKey;
use crate::sip::locate::Target;
use crate::sip::transaction::ClientId;
use crate::switchboard::ids::{BoundPhone, LegRef, TextId, WatchId};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) enum Purpose {
    Invite(LegRef),
    /// A re-INVITE or UPDATE that refreshes a session.
    Refresh(LegRef),
    /// A keep-alive to a trunk's server.
    TrunkPing(usize, Target),
    TrunkRegister(usize, Target),
    /// A deregistration (REGISTER with Expires 0). A drain waits for its response while `awaited` is true.
    Deregister {
        awaited: bool,
    },
    /// A PRACK in this dialog of a leg, or a BYE, to a trunk that may challenge it.
    Prack(LegRef, DialogKey),
    Bye,
    /// A keep-alive to a phone, at the first or the second of its addresses.
    PhonePing(BoundPhone, usize),
    /// A NOTIFY of a subscription.
    Notify(WatchId),
    /// A NOTIFY with the result of a transfer.
    ReferNotify(LegRef),
    /// A forwarded MESSAGE.
    Message(TextId),
    /// An INFO with a DTMF digit.
    Digit(LegRef),
    /// An OPTIONS that checks whether a silent party is still present.
    Inquiry(LegRef),
}

impl Purpose {
    /// The leg in whose dialog, or for which, the request was sent.
    pub(in crate::switchboard) fn leg(&self) -> Option<LegRef> {
        match owner(self) {
            Some(Owner::Leg(who)) => Some(who),
            Some(Owner::Trunk(_)) | None => None,
        }
    }
}

/// The leg or the trunk that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
enum Owner {
    Leg(LegRef),
    Trunk(usize),
}

/// Purposes by client transaction, with an index by leg or trunk.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Clients {
    all: Map<ClientId, Purpose>,
    of: Map<Owner, BTreeSet<ClientId>>,
}

impl Clients {
    pub(in crate::switchboard) fn insert(&mut self, client: ClientId, purpose: Purpose) {
        self.remove(&client);
        if let Some(owner) = owner(&purpose) {
            self.of.entry(owner).or_default().insert(client);
        }
        self.all.insert(client, purpose);
    }

    pub(in crate::switchboard) fn remove(&mut self, client: &ClientId) -> Option<Purpose> {
        let purpose = self.all.remove(client)?;
        if let Some(owner) = owner(&purpose)
            && let Some(clients) = self.of.get_mut(&owner)
        {
            clients.remove(client);
            if clients.is_empty() {
                self.of.remove(&owner);
            }
        }
        Some(purpose)
    }

    /// Moves the requests of a leg to its new owner.
    pub(in crate::switchboard) fn move_leg(&mut self, was: LegRef, is: LegRef) {
        for client in self.of.get(&Owner::Leg(was)).cloned().unwrap_or_default() {
            if let Some(mut purpose) = self.remove(&client) {
                set_leg(&mut purpose, is);
                self.insert(client, purpose);
            }
        }
    }

    /// Renumbers the trunks. Requests to removed trunks must have been removed before.
    pub(in crate::switchboard) fn renumber_trunks(&mut self, place: impl Fn(usize) -> Option<usize>) {
        let of_trunks: Vec<ClientId> =
            self.of.range(Owner::Trunk(0)..).flat_map(|(_, clients)| clients.iter().copied()).collect();
        let moved: Vec<(ClientId, Purpose)> =
            of_trunks.into_iter().filter_map(|client| Some((client, self.remove(&client)?))).collect();
        for (client, mut purpose) in moved {
            if let Purpose::TrunkPing(index, _) | Purpose::TrunkRegister(index, _) = &mut purpose {
                *index = place(*index).unwrap_or(*index);
            }
            self.insert(client, purpose);
        }
    }

    /// Stops waiting for responses to deregistrations.
    pub(in crate::switchboard) fn await_no_goodbyes(&mut self) {
        for purpose in self.all.values_mut() {
            if let Purpose::Deregister { awaited } = purpose {
                *awaited = false;
            }
        }
    }

    pub(in crate::switchboard) fn get(&self, client: &ClientId) -> Option<&Purpose> {
        self.all.get(client)
    }

    pub(in crate::switchboard) fn contains_key(&self, client: &ClientId) -> bool {
        self.all.contains_key(client)
    }

    /// The keep-alives and REGISTERs to a trunk.
    pub(in crate::switchboard) fn of_trunk(&self, index: usize) -> impl Iterator<Item = (ClientId, &Purpose)> {
        let clients = self.of.get(&Owner::Trunk(index)).into_iter().flatten();
        clients.filter_map(|client| Some((*client, self.all.get(client)?)))
    }

    /// All requests, for `verify`.
    pub(in crate::switchboard) fn iter(&self) -> impl Iterator<Item = (&ClientId, &Purpose)> {
        self.all.iter()
    }

    pub(in crate::switchboard) fn verify(&self) -> Result<(), String> {
        let mut expected: BTreeMap<Owner, BTreeSet<ClientId>> = BTreeMap::new();
        for (client, purpose) in self.all.iter() {
            if let Some(owner) = owner(purpose) {
                expected.entry(owner).or_default().insert(*client);
            }
        }
        if expected == *self.of { Ok(()) } else { Err("an index of our requests differs from them".to_owned()) }
    }
}

/// None: the request belongs to an operator, a subscription or a message.
fn owner(purpose: &Purpose) -> Option<Owner> {
    match purpose {
        Purpose::Invite(who)
        | Purpose::Refresh(who)
        | Purpose::Prack(who, _)
        | Purpose::ReferNotify(who)
        | Purpose::Digit(who)
        | Purpose::Inquiry(who) => Some(Owner::Leg(*who)),
        Purpose::TrunkPing(index, _) | Purpose::TrunkRegister(index, _) => Some(Owner::Trunk(*index)),
        Purpose::Deregister { .. }
        | Purpose::Bye
        | Purpose::PhonePing(..)
        | Purpose::Notify(_)
        | Purpose::Message(_) => None,
    }
}

fn set_leg(purpose: &mut Purpose, is: LegRef) {
    match purpose {
        Purpose::Invite(who)
        | Purpose::Refresh(who)
        | Purpose::Prack(who, _)
        | Purpose::ReferNotify(who)
        | Purpose::Digit(who)
        | Purpose::Inquiry(who) => *who = is,
        Purpose::TrunkPing(..)
        | Purpose::TrunkRegister(..)
        | Purpose::Deregister { .. }
        | Purpose::Bye
        | Purpose::PhonePing(..)
        | Purpose::Notify(_)
        | Purpose::Message(_) => {}
    }
}

/// A request that may be repeated after its final response.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct RetryableRequest {
    /// Credentials for a trunk that may challenge. They stay valid for this request even if the trunk's settings
    /// change.
    pub(in crate::switchboard) identity: Option<Identity>,
    /// The name of the trunk whose credentials these are.
    pub(in crate::switchboard) trunk: Option<String>,
    pub(in crate::switchboard) flow: Flow,
    pub(in crate::switchboard) bytes: Bytes,
    pub(in crate::switchboard) cseq: u32,
    pub(in crate::switchboard) tries: u8,
    pub(in crate::switchboard) intervals: u8,
    /// Highest Min-SE received so far, in seconds (RFC 4028 §7.3).
    pub(in crate::switchboard) min_se: u32,
}
