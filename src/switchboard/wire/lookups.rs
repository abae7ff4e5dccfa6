//! Resolves host names in the Contact and Record-Route of trunks (RFC 3261 §12.2.1.1, RFC 3263 §4). A name is looked up
//! when its dialog begins or its target changes, so that later requests go to the resolved address. Until then,
//! requests go to the source of the INVITE.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::limits::LOOKUPS_MAX;
use crate::sip::flow::Transport;
use crate::sip::uri::{Host, Uri};
use crate::switchboard::ids::LegRef;
use crate::switchboard::settings::TrunkHost;

/// Pending lookups by URI, with the legs that wait for each. A leg waits for at most one URI; a URI without a leg is
/// removed. When the table is full, the oldest lookup is dropped, and its legs keep the source of the INVITE.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Lookups {
    by_uri: BTreeMap<Bytes, Lookup>,
    /// URIs by lookup number, oldest first.
    order: BTreeMap<u64, Bytes>,
    by_leg: BTreeMap<LegRef, Bytes>,
    last_number: u64,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Lookup {
    number: u64,
    legs: BTreeSet<LegRef>,
}

impl Lookups {
    /// Makes a leg wait for the host of this URI instead of any earlier one. Returns true if the host must be looked
    /// up.
    pub(in crate::switchboard) fn begin(&mut self, who: LegRef, uri: &Bytes) -> bool {
        self.forget(who);
        let is_new = !self.by_uri.contains_key(uri);
        if is_new {
            if self.by_uri.len() >= LOOKUPS_MAX
                && let Some((_, oldest)) = self.order.first_key_value().map(|(number, uri)| (*number, uri.clone()))
            {
                self.take(&oldest);
            }
            self.last_number += 1;
            self.order.insert(self.last_number, uri.clone());
            self.by_uri.insert(uri.clone(), Lookup { number: self.last_number, legs: BTreeSet::new() });
        }
        if let Some(lookup) = self.by_uri.get_mut(uri) {
            lookup.legs.insert(who);
        }
        self.by_leg.insert(who, uri.clone());
        is_new
    }

    /// Removes a lookup and returns the legs that waited.
    pub(in crate::switchboard) fn take(&mut self, uri: &Bytes) -> BTreeSet<LegRef> {
        let Some(Lookup { number, legs }) = self.by_uri.remove(uri) else { return BTreeSet::new() };
        self.order.remove(&number);
        for who in &legs {
            self.by_leg.remove(who);
        }
        legs
    }

    /// Removes a leg from the lookup for which it waits.
    pub(in crate::switchboard) fn forget(&mut self, who: LegRef) {
        let Some(uri) = self.by_leg.remove(&who) else { return };
        let Some(lookup) = self.by_uri.get_mut(&uri) else { return };
        lookup.legs.remove(&who);
        if lookup.legs.is_empty() {
            self.take(&uri);
        }
    }

    /// Moves a leg to its new owner.
    pub(in crate::switchboard) fn follow(&mut self, was: LegRef, is: LegRef) {
        let Some(uri) = self.by_leg.remove(&was) else { return };
        if let Some(lookup) = self.by_uri.get_mut(&uri) {
            lookup.legs.remove(&was);
            lookup.legs.insert(is);
        }
        self.by_leg.insert(is, uri);
    }

    pub(in crate::switchboard) fn is_empty(&self) -> bool {
        self.by_uri.is_empty() && self.by_leg.is_empty()
    }

    /// Checks that every leg that waits exists, and that every lookup has a leg.
    pub(in crate::switchboard) fn verify(&self, is_alive: impl Fn(LegRef) -> bool) -> Result<(), String> {
        let waiting: usize = self.by_uri.values().map(|lookup| lookup.legs.len()).sum();
        let fits = |(who, uri): (&LegRef, &Bytes)| self.by_uri.get(uri).is_some_and(|lookup| lookup.legs.contains(who));
        let in_order = |(uri, lookup): (&Bytes, &Lookup)| {
            !lookup.legs.is_empty() && self.order.get(&lookup.number).is_some_and(|known| known == uri)
        };
        let sizes = (self.by_uri.len() <= LOOKUPS_MAX, self.order.len() == self.by_uri.len());
        if sizes != (true, true) || waiting != self.by_leg.len() {
            return Err(format!("{} names are looked up for {waiting} legs", self.by_uri.len()));
        }
        if !self.by_leg.iter().all(fits) || !self.by_uri.iter().all(in_order) {
            return Err("the names that are looked up and the legs that wait do not fit together".to_owned());
        }
        match self.by_leg.keys().find(|who| !is_alive(**who)) {
            Some(who) => Err(format!("{who:?} is gone and waits for a name")),
            None => Ok(()),
        }
    }
}

/// The host name in a URI, to be resolved for a leg's transport. None if the URI has an address or maddr.
pub(in crate::switchboard) fn named(uri: &[u8], transport: Transport) -> Option<TrunkHost> {
    let Ok(Uri::Sip(uri)) = Uri::parse(uri) else { return None };
    let Host::Name(name) = uri.host else { return None };
    if uri.params.has("maddr") {
        return None;
    }
    let name = name.to_owned();
    Some(TrunkHost { name, port: uri.port, transports: vec![transport], transport_named: true, secure: uri.secure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_drops_the_oldest_name_whatever_it_is_called() {
        let mut lookups = Lookups::default();
        let uri = |n: u64| Bytes::from(format!("sip:host-{:05}.example", 90_000 - n));
        let count = u64::try_from(LOOKUPS_MAX).unwrap_or(u64::MAX);
        for n in 0..=count {
            assert!(lookups.begin(LegRef::Service(n), &uri(n)), "each name is new");
            assert_eq!(lookups.verify(|_| true), Ok(()));
        }
        assert_eq!(lookups.take(&uri(0)), BTreeSet::new(), "the oldest is gone");
        for n in 1..=count {
            assert_eq!(lookups.take(&uri(n)), BTreeSet::from([LegRef::Service(n)]));
        }
        assert!(lookups.is_empty());
    }
}
