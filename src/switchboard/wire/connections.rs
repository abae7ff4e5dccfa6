//! Closed connections, and the calls on each open connection.

use crate::switchboard::alarm::Alarm;
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::streams::Disconnected;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use crate::acd::Family;
use crate::ids::CallId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::uri::{Host, Uri};

/// The call of an unreachable caller ends if no RTP arrives for this long.
pub(in crate::switchboard) const GIVEN_UP_AFTER: Duration = Duration::from_secs(5);

impl Wire {
    pub(in crate::switchboard) fn forget_disconnected(
        &mut self,
        step: &mut Step,
        id: CallId,
        gone: Option<Disconnected>,
    ) {
        let Some(Disconnected { way_back, decided_at, .. }) = gone else { return };
        if let Some(calls) = self.ways_back.get_mut(&way_back) {
            calls.remove(&id);
            if calls.is_empty() {
                self.ways_back.remove(&way_back);
            }
        }
        if let Some(at) = decided_at {
            step.alarms.remove(at, Alarm::Disconnected(id));
        }
    }
}

/// Maximum request size over UDP; longer requests use TCP if the peer accepts it (RFC 3261 §18.1.1).
pub(in crate::switchboard) const DATAGRAM_BYTES_MAX: usize = 1_300;

impl Wire {
    /// Records that a caller's leg uses a connection.
    pub(in crate::switchboard) fn hold_stream(&mut self, call: CallId, flow: Flow) {
        if flow.is_connection() {
            self.streams.entry(flow.connection).or_default().insert(call);
        }
    }

    pub(in crate::switchboard) fn release_stream(&mut self, call: CallId, flow: Flow) {
        if let Some(calls) = self.streams.get_mut(&flow.connection) {
            calls.remove(&call);
            if calls.is_empty() {
                self.streams.remove(&flow.connection);
            }
        }
    }
}

/// Number of leading bits that two addresses share; 0 if they share fewer than 16 bits (IPv6: 48).
pub(in crate::switchboard) fn shared_network(a: IpAddr, b: IpAddr) -> u32 {
    let (shared, least) = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => ((a.to_bits() ^ b.to_bits()).leading_zeros(), 16),
        (IpAddr::V6(a), IpAddr::V6(b)) => ((a.to_bits() ^ b.to_bits()).leading_zeros(), 48),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => (0, 0),
    };
    if shared < least { 0 } else { shared }
}

pub(in crate::switchboard) fn host_of(uri: &[u8]) -> Option<Host<'_>> {
    match Uri::parse(uri) {
        Ok(Uri::Sip(uri)) => Some(uri.host),
        Ok(Uri::Tel { .. } | Uri::Service(_) | Uri::Other { .. }) | Err(_) => None,
    }
}

/// A SIP URI with the address and, unless it is UDP, the transport of a flow.
pub(in crate::switchboard) fn uri_over(flow: Flow, user: Option<&str>) -> Bytes {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let transport = match flow.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    // The zone of a link-local address is omitted (RFC 4007 §11).
    let remote = SocketAddr::new(flow.remote.ip(), flow.remote.port());
    Bytes::from(format!("sip:{user}{remote}{transport}"))
}

pub(in crate::switchboard) fn is_same_host(one: Flow, other: Flow) -> bool {
    let same_connection = one.is_connection() && one.connection == other.connection;
    let protected = one.transport == Transport::Tls && other.transport != Transport::Tls;
    same_connection || (!protected && one.remote.ip().to_canonical() == other.remote.ip().to_canonical())
}

pub(in crate::switchboard) fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}
