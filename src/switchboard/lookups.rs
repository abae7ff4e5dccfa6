//! Host names in the Contact and Record-Route of trunks (RFC 3261 §12.2.1.1, RFC 3263 §4): each is looked up when its dialog begins
//! or its target changes, so that later requests go to its address. Until then they go to the source of the INVITE.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::limits::LOOKUPS_MAX;
use crate::sip::flow::Transport;
use crate::sip::locate::Target;
use crate::sip::uri::{Host, Uri};

use super::leg::Who;
use super::settings::TrunkHost;
use super::{Output, Switchboard};

/// URIs whose hosts are being looked up, with the legs that wait. Full: one is dropped, and its legs stay with the INVITE's source.
pub(super) type Lookups = BTreeMap<Bytes, BTreeSet<Who>>;

impl Switchboard {
    /// Looks up the host of a leg's next hop, if it is a name and the leg's requests follow the dialog.
    pub(super) fn look_up(&mut self, who: Who) {
        let Some(line) = self.line_mut(who).filter(|line| line.follow_target) else { return };
        let Some(hop) = line.dialog.as_ref().map(|dialog| Bytes::copy_from_slice(dialog.next_hop())) else { return };
        if line.hop.as_ref().is_some_and(|(known, _)| *known == hop) {
            return;
        }
        let Some(host) = named(&hop, line.flow.transport) else { return };
        if let Some(waiting) = self.lookups.get_mut(&hop) {
            waiting.insert(who);
            return;
        }
        if self.lookups.len() >= LOOKUPS_MAX {
            self.lookups.pop_first();
        }
        self.lookups.insert(hop.clone(), BTreeSet::from([who]));
        self.others.push(Output::Lookup { uri: hop, host });
    }

    /// Takes the servers of a URI's host; none: the lookup failed.
    pub(super) fn found(&mut self, uri: &Bytes, targets: &[Target]) {
        for who in self.lookups.remove(uri).unwrap_or_default() {
            let Some(line) = self.line_mut(who) else { continue };
            let same = targets.iter().find(|target| target.transport == line.flow.transport);
            line.hop = same.map(|target| (uri.clone(), target.address));
        }
    }
}

/// The name in a URI, to be called over a leg's transport.
fn named(uri: &[u8], transport: Transport) -> Option<TrunkHost> {
    let Ok(Uri::Sip(uri)) = Uri::parse(uri) else { return None };
    let Host::Name(name) = uri.host else { return None };
    if uri.params.has("maddr") {
        return None;
    }
    let name = name.to_owned();
    Some(TrunkHost { name, port: uri.port, transports: vec![transport], transport_named: true, secure: uri.secure })
}
