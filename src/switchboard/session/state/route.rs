//! The route of requests to the peer.

use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::uri::Uri;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// Where the requests of a session go.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct Route {
    /// The transport, connection and address of the peer.
    pub(in crate::switchboard::session) flow: Flow,
    /// The source of the last request in the dialog; None if the peer has sent none.
    pub(in crate::switchboard::session) host: Option<IpAddr>,
    /// True for trunks: requests go to the route set or Contact. False for phones, which may be behind NAT: requests
    /// use `flow`.
    pub(in crate::switchboard::session) follow_target: bool,
    /// The next hop if its host is a name, and the address that the name was resolved to.
    pub(in crate::switchboard::session) hop: Option<(Bytes, SocketAddr)>,
}

impl Route {
    pub(in crate::switchboard::session) fn new(flow: Flow, follow_target: bool) -> Self {
        Self { flow, host: None, follow_target, hop: None }
    }

    /// The flow for the next request in this dialog of the leg: forks may have different addresses
    /// (RFC 3261 §12.2.1.1).
    pub(in crate::switchboard::session) fn flow_in(&self, dialog: &Dialog) -> Flow {
        let hop = Some(dialog.next_hop()).filter(|_| self.follow_target);
        let named = |hop: &[u8]| self.hop.as_ref().filter(|(uri, _)| uri == hop).map(|(_, address)| *address);
        let target = hop.and_then(|hop| Uri::parse(hop).ok()?.socket_address().or_else(|| named(hop)));
        match target {
            Some(address) if !address.ip().is_unspecified() => self.flow.towards(address),
            Some(_) | None => self.flow,
        }
    }
}
