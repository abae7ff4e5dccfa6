//! Resolves host names in the Contact and Record-Route of trunks (RFC 3261 §12.2.1.1, RFC 3263 §4). A name is looked up
//! when its dialog begins or its target changes, so that later requests go to the resolved address. Until then,
//! requests go to the source of the INVITE.

use bytes::Bytes;

use crate::sip::locate::Target;
use crate::switchboard::calls::Calls;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::Output;
use crate::switchboard::step::Step;
use crate::switchboard::wire::lookups::named;

impl Calls {
    /// Looks up the host of a leg's next hop, if it is a name and the leg's requests follow the dialog.
    pub(in crate::switchboard) fn look_up(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        let Some(line) = self.line_mut(who).filter(|line| line.follow_target) else { return };
        let Some(hop) = line.dialog.as_ref().map(|dialog| Bytes::copy_from_slice(dialog.next_hop())) else { return };
        let known = line.hop.as_ref().is_some_and(|(known, _)| *known == hop);
        let Some(host) = named(&hop, line.flow.transport).filter(|_| !known) else {
            return net.wire.lookups.forget(who);
        };
        if net.wire.lookups.begin(who, &hop) {
            step.out.others.push(Output::Lookup { uri: hop, host });
        }
    }

    /// Stores the servers of a URI's host. `targets` is empty if the lookup failed.
    pub(in crate::switchboard) fn found(&mut self, net: &mut NetworkParts, uri: &Bytes, targets: &[Target]) {
        for who in net.wire.lookups.take(uri) {
            let Some(line) = self.line_mut(who) else { continue };
            let same = targets.iter().find(|target| target.transport == line.flow.transport);
            line.hop = same.map(|target| (uri.clone(), target.address));
        }
    }
}
