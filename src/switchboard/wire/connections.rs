//! Closed connections, and the calls on each open connection.

use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::call_connections::Disconnected;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::ids::CallId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::uri::{Host, Uri};

/// The call of an unreachable caller ends if no RTP arrives for this long.
pub(in crate::switchboard) const GIVEN_UP_AFTER: Duration = Duration::from_secs(5);

impl Wire {
    pub(in crate::switchboard) fn drop_disconnected(
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
            step.timers.remove(at, TimerKind::Disconnected(id));
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
