//! Removed trunks whose calls continue: the terms that their legs still need.

use std::net::IpAddr;

use crate::sip::digest::client::Identity;
use crate::sip::flow::Flow;
use crate::sip::sdp::Formats;
use crate::switchboard::ids::LegRef;
use crate::switchboard::settings::{Network, Trunk};
use crate::switchboard::trunks::Trunks;

/// The terms of a removed trunk. A snapshot does not contain the password: a switchboard that was read back answers no challenge of this
/// trunk.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct FormerTrunk {
    pub(in crate::switchboard) name: String,
    pub(in crate::switchboard) tls_name: Option<String>,
    peers: Vec<Network>,
    /// Its fixed or resolved servers.
    hosts: Vec<IpAddr>,
    /// The networks of its media gateways.
    pub(in crate::switchboard) media: Vec<Network>,
    pub(in crate::switchboard) formats: Formats,
    pub(in crate::switchboard) identity: Option<Identity>,
}

impl FormerTrunk {
    fn of(trunk: &Trunk, hosts: Vec<IpAddr>) -> Self {
        Self {
            name: trunk.name.clone(),
            tls_name: trunk.tls_name.clone(),
            peers: trunk.peers.clone(),
            hosts,
            media: trunk.media_networks().to_vec(),
            formats: trunk.terms.formats,
            identity: trunk.terms.identity.clone(),
        }
    }

    /// True for a flow from one of its servers, or from a network in its `peers`.
    pub(in crate::switchboard) fn is_server(&self, flow: Flow) -> bool {
        let source = flow.remote.ip().to_canonical();
        self.hosts.contains(&source) || self.peers.iter().any(|peer| peer.contains(source))
    }
}

impl Trunks {
    /// Copies the terms of a trunk that is removed to each of its legs.
    pub(in crate::switchboard) fn keep_terms(&mut self, index: usize) {
        let Some(trunk) = self.settings.trunks.get(index) else { return };
        let terms = FormerTrunk::of(trunk, self.hosts_of(trunk).collect());
        self.channels.become_former(index, &terms);
    }

    /// The terms of the trunk of a leg, if the trunk was removed.
    pub(in crate::switchboard) fn former(&self, who: LegRef) -> Option<&FormerTrunk> {
        self.channels.former.get(&who)
    }

    /// The name of the trunk of a leg and the credentials for it, if it has any.
    pub(in crate::switchboard) fn account_of_leg(&self, who: LegRef) -> Option<(String, Identity)> {
        let present = self.trunk_of_leg(who).and_then(|trunk| self.settings.trunks.get(trunk));
        let present = present.map(|trunk| (&trunk.name, &trunk.terms.identity));
        let (name, identity) = present.or_else(|| self.former(who).map(|former| (&former.name, &former.identity)))?;
        Some((name.clone(), identity.clone()?))
    }

    /// The codec and DTMF settings of the trunk of a leg; the defaults for phones.
    pub(in crate::switchboard) fn formats_of_leg(&self, who: LegRef) -> Formats {
        self.former(who).map_or_else(|| self.formats_of(self.trunk_of_leg(who)), |former| former.formats)
    }
}
