//! `[[trunk]] uri` and `transport`: the address of a trunk, and the transport to it.

use std::net::SocketAddr;

use crate::sip::flow::Transport;
use crate::sip::uri::{Host, SipUri, Uri};
use crate::switchboard::{Listener, TrunkHost};

use super::section::{self, TransportName};
use super::source::Source;

/// An address, or a name to be resolved; neither for a trunk that only places calls to siaga.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) target: Option<SocketAddr>,
    pub(super) host: Option<TrunkHost>,
    pub(super) transport: Transport,
}

/// Checks the address of one trunk.
pub(super) fn place(source: &mut Source, i: usize, section: &section::Trunk, listeners: &[Listener]) -> Place {
    let key = |field: &str| format!("trunk[{i}].{field}");
    let uri = section.uri.as_ref().and_then(|text| sip_uri(source, &key("uri"), text));
    let named = named_transport(source, &key("transport"), section, uri.as_ref());
    let secure = uri.as_ref().is_some_and(|uri| uri.secure);
    let usual = if secure { Transport::Tls } else { Transport::Udp };
    let transport = named.unwrap_or(usual);
    let host = uri.as_ref().and_then(|uri| match uri.host {
        Host::Ip(_) => None,
        Host::Name(name) => {
            let free = named.is_none() && !secure && uri.port.is_none();
            let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
            let transports = match free {
                true => all.into_iter().filter(|transport| listens_on(listeners, *transport)).collect(),
                false => vec![transport],
            };
            let (name, port) = (name.to_owned(), uri.port);
            Some(TrunkHost { name, port, transports, transport_named: named.is_some(), secure })
        }
    });
    // Whatever the name's records contain, a listener of ours is needed as the source of calls.
    let transport = host.as_ref().map_or(transport, TrunkHost::usual_transport);
    if !listeners.is_empty() && !listens_on(listeners, transport) {
        let word = word(transport);
        let wrong = format!("{word}, while no {word}: address listens");
        source.fault(&key("transport"), wrong, format!("a {word}: address in sip.listen"));
    }
    let target = uri.as_ref().and_then(|uri| match uri.host {
        Host::Ip(address) => {
            let usual = if transport == Transport::Tls { 5061 } else { 5060 };
            Some(SocketAddr::new(address, uri.port.unwrap_or(usual)))
        }
        Host::Name(_) => None,
    });
    Place { target, host, transport }
}

fn sip_uri<'a>(source: &mut Source, key: &str, text: &'a str) -> Option<SipUri<'a>> {
    if let Ok(Uri::Sip(uri)) = Uri::parse(text.as_bytes()) {
        return Some(uri);
    }
    source.fault(key, format!("{text:?} is not a SIP URI"), "\"sip:10.1.2.3:5060\" or \"sip:sbc.telco.example\"");
    None
}

/// The transport in the section, or in a parameter of the URI. None: it is found by DNS (RFC 3263 §4.1).
fn named_transport(
    source: &mut Source,
    key: &str,
    section: &section::Trunk,
    uri: Option<&SipUri<'_>>,
) -> Option<Transport> {
    let own = section.transport.map(|name| match name {
        TransportName::Udp => Transport::Udp,
        TransportName::Tcp => Transport::Tcp,
        TransportName::Tls => Transport::Tls,
    });
    let param = uri.and_then(|uri| uri.params.value("transport"));
    let known = [Transport::Udp, Transport::Tcp, Transport::Tls];
    let of_uri = param.as_ref().and_then(|text| {
        let found = known.into_iter().find(|transport| text.eq_ignore_ascii_case(word(*transport).as_bytes()));
        if found.is_none() {
            let text = String::from_utf8_lossy(text);
            source.fault(key, format!("{text:?} in the uri is not a transport of ours"), "udp, tcp or tls");
        }
        found
    });
    if let (Some(own), Some(of_uri)) = (own, of_uri)
        && own != of_uri
    {
        source.fault(key, format!("{}, while the uri says {}", word(own), word(of_uri)), "one of them, once");
    }
    let named = own.or(of_uri);
    if uri.is_some_and(|uri| uri.secure) && named.is_some_and(|transport| transport != Transport::Tls) {
        source.fault(key, "is not tls, while the uri is of the sips scheme", "\"tls\", or a uri of the sip scheme");
    }
    named
}

const fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    }
}

pub(super) fn listens_on(listeners: &[Listener], transport: Transport) -> bool {
    listeners.iter().any(|listener| listener.transport == transport)
}
