//! Addresses in the configuration: listeners, trunks, ports.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::limits::RTP_PORTS_MAX;
use crate::sip::flow::Transport;
use crate::switchboard::{Listener, Network, Trunk};

use super::place::{Place, listens_on};
use super::section;
use super::source::Source;

/// A duration in seconds; 0 is None.
pub(super) fn interval(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Checks `[sip] listen` and `advertised`.
pub(super) fn listeners(source: &mut Source, section: &section::Sip) -> Vec<Listener> {
    if section.listen.is_empty() {
        source.fault("sip.listen", "no address", "[\"udp:ADDRESS:5060\"]");
    }
    let mut listeners: Vec<Listener> = Vec::new();
    for (i, text) in section.listen.iter().enumerate() {
        let key = format!("sip.listen[{i}]");
        let Some((transport, local)) = listen_address(source, &key, text) else { continue };
        if listeners.iter().any(|other| (other.transport, other.local) == (transport, local)) {
            source.fault(&key, format!("{text:?} is listed twice"), "each address once");
            continue;
        }
        let advertised = match &section.advertised {
            Some(advertised) => advertised_as(source, advertised, local.port(), section.listen.len() > 1),
            None if local.ip().is_unspecified() => {
                source.fault(
                    "sip.advertised",
                    format!("missing, while {text:?} listens on every address of the machine"),
                    "the address at which trunk and phones reach this machine",
                );
                None
            }
            // Without the zone of a link-local address, which is meaningful only on this machine (RFC 4007 §11).
            None => Some(SocketAddr::new(local.ip(), local.port()).to_string()),
        };
        if let Some(advertised) = advertised {
            listeners.push(Listener { transport, local, advertised });
        }
    }
    listeners
}

fn listen_address(source: &mut Source, key: &str, text: &str) -> Option<(Transport, SocketAddr)> {
    let right = "\"udp:ADDRESS:PORT\", \"tcp:…\" or \"tls:…\", as in \"udp:127.0.0.1:5060\" or \"tls:[::1]:5061\"";
    let Some((scheme, address)) = text.split_once(':') else {
        source.fault(key, format!("{text:?} has no transport"), right);
        return None;
    };
    let transport = match scheme {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        _ => {
            source.fault(key, format!("{scheme:?} is not a transport"), right);
            return None;
        }
    };
    match address.parse::<SocketAddr>() {
        Ok(local) => Some((transport, unmapped(local))),
        Err(_) => {
            source.fault(key, format!("{address:?} is not an address with a port"), right);
            None
        }
    }
}

/// Turns an IPv4-mapped IPv6 address into the IPv4 address.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        v4 @ IpAddr::V4(_) => SocketAddr::new(v4, address.port()),
        IpAddr::V6(_) => address,
    }
}

fn advertised_as(source: &mut Source, text: &str, port: u16, several: bool) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address.to_canonical(), port).to_string());
    }
    let (host, own_port) = match text.rsplit_once(':') {
        Some((host, own)) if !host.is_empty() => (host, Some(own.parse::<u16>())),
        Some(_) | None => (text, None),
    };
    let named = |host: &str| {
        !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':'))
    };
    match own_port {
        _ if !named(host) => {
            source.fault("sip.advertised", format!("{text:?} is not a host"), "\"ADDRESS\" or \"ADDRESS:PORT\"")
        }
        Some(_) if several => {
            source.fault("sip.advertised", "has a port, while several addresses listen", "the address without a port");
        }
        Some(Ok(own)) => return Some(format!("{host}:{own}")),
        Some(Err(_)) => {
            source.fault("sip.advertised", format!("{text:?} has a bad port"), "\"ADDRESS\" or \"ADDRESS:PORT\"")
        }
        None => return Some(format!("{host}:{port}")),
    }
    None
}

/// Checks `[[trunk]]`.
pub(super) fn trunks(source: &mut Source, sections: &[section::Trunk], listeners: &[Listener]) -> Vec<Trunk> {
    if sections.is_empty() {
        source.fault(
            "trunk",
            "no [[trunk]]: no caller could reach the queue",
            "at least one [[trunk]] with name and peers",
        );
    }
    let mut names = std::collections::BTreeSet::new();
    let mut trunks = Vec::new();
    for (i, section) in sections.iter().enumerate() {
        let key = |field: &str| format!("trunk[{i}].{field}");
        let name = section.name.as_str();
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            source.fault(&key("name"), format!("{name:?} is not a name"), "1 to 64 characters");
        } else if !names.insert(name) {
            source.fault(&key("name"), format!("{name:?} is the name of two trunks"), "a different name");
        }
        if section.peers.is_empty() {
            source.fault(
                &key("peers"),
                "empty: no call could be accepted",
                "[\"10.1.2.3/32\"], the addresses that the telco calls from",
            );
        }
        let peers = networks(source, &key("peers"), &section.peers);
        let Place { target, host, transport } = super::place::place(source, i, section, listeners);
        if section.keep_alive_seconds > 3600 {
            source.fault(
                &key("keep_alive_seconds"),
                section.keep_alive_seconds.to_string(),
                "0 (none) to 3600 seconds",
            );
        }
        let keep_alive = interval(section.keep_alive_seconds).filter(|_| target.is_some() || host.is_some());
        let over_tls = transport == Transport::Tls || host.iter().any(|host| host.transports.contains(&Transport::Tls));
        let tls_name = tls_name(source, &key("tls_name"), section, over_tls);
        let media = networks(source, &key("media"), &section.media);
        let terms = super::trunk::terms(source, i, section, media);
        trunks.push(Trunk {
            name: section.name.clone(),
            peers,
            target,
            host,
            transport,
            tls_name,
            tcp_when_large: large_over_tcp(source, &key("tcp_when_large"), section, listeners),
            keep_alive,
            terms,
        });
    }
    trunks
}

pub(super) fn networks(source: &mut Source, key: &str, texts: &[String]) -> Vec<Network> {
    let mut networks = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        match Network::parse(text) {
            Some(network) => networks.push(network),
            None => source.fault(
                &format!("{key}[{i}]"),
                format!("{text:?} is not an address"),
                "\"10.1.2.3\" or \"10.1.2.0/24\"",
            ),
        }
    }
    networks
}

fn tls_name(source: &mut Source, key: &str, section: &section::Trunk, over_tls: bool) -> Option<String> {
    let name = section.tls_name.as_ref()?;
    if !over_tls {
        source.fault(key, "is set, while the trunk's transport is not tls", "transport = \"tls\", or no tls_name");
    }
    if rustls::pki_types::ServerName::try_from(name.as_str()).is_err() {
        source.fault(
            key,
            format!("{name:?} is not a name"),
            "the name in the trunk's certificate: \"sbc.telco.example\"",
        );
    }
    Some(name.clone())
}

fn large_over_tcp(source: &mut Source, key: &str, section: &section::Trunk, listeners: &[Listener]) -> bool {
    if section.tcp_when_large && !listens_on(listeners, Transport::Tcp) {
        source.fault(key, "true, while no tcp: address listens", "a tcp: address in sip.listen, or false");
    }
    section.tcp_when_large
}

/// Checks `[sip] name_servers`.
pub(super) fn name_servers(source: &mut Source, texts: &[String]) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let address = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)));
        match address {
            Ok(address) => servers.push(address),
            Err(_) => {
                let key = format!("sip.name_servers[{i}]");
                source.fault(&key, format!("{text:?} is not an address"), "\"10.0.0.53\" or \"10.0.0.53:5353\"");
            }
        }
    }
    servers
}

/// Checks `[media]`.
pub(super) fn media(source: &mut Source, section: &section::Media, listeners: &[Listener]) -> Option<super::Media> {
    let (listen, advertised) = media_addresses(source, section)?;
    for listener in listeners {
        if !listen.iter().any(|address| address.is_ipv4() == listener.local.is_ipv4()) {
            let (family, example) =
                if listener.local.is_ipv4() { ("IPv4", "192.0.2.10") } else { ("IPv6", "2001:db8::10") };
            let wrong = format!("no {family} address, while sip.listen has {}", listener.local);
            let right = format!(
                "an {family} address too, for example listen = [\"{}\", \"{example}\"]",
                listen.first().map(ToString::to_string).unwrap_or_default()
            );
            source.fault("media.listen", wrong, right);
            break;
        }
    }
    let ports = match section.ports.as_slice() {
        [first, last] if *first >= 1024 && first % 2 == 0 && last % 2 == 1 && last > first => {
            let count = usize::from(last - first) + 1;
            if count > RTP_PORTS_MAX {
                source.fault("media.ports", format!("{count} ports"), format!("at most {RTP_PORTS_MAX}"));
            }
            Some((*first, *last))
        }
        other => {
            source.fault(
                "media.ports",
                format!("{other:?} is not a range of port pairs"),
                "[FIRST, LAST] with FIRST even and from 1024, LAST odd and greater, as in [20000, 29999]",
            );
            None
        }
    };
    if section.threads > 64 {
        source.fault("media.threads", section.threads.to_string(), "0 (the service chooses) to 64");
    }
    let (threads, engine, srtp) = (section.threads, section.engine, section.srtp);
    let phones = networks(source, "media.phones", &section.phones);
    Some(super::Media { listen, advertised, ports: ports?, threads, engine, srtp, phones })
}

/// The addresses of `[media]`: those that are bound, and those in SDP. There is at most one of each family.
fn media_addresses(source: &mut Source, section: &section::Media) -> Option<(Vec<IpAddr>, Vec<IpAddr>)> {
    let mut read = |key: &str, texts: &[String]| -> Option<Vec<IpAddr>> {
        let addresses: Vec<IpAddr> = texts.iter().filter_map(|text| address(source, key, text)).collect();
        let families: std::collections::BTreeSet<bool> = addresses.iter().map(IpAddr::is_ipv4).collect();
        if addresses.len() == texts.len() && (addresses.is_empty() || families.len() < addresses.len()) {
            let wrong = format!("{texts:?}");
            source.fault(key, wrong, "one address, or one IPv4 and one IPv6 address");
            return None;
        }
        (addresses.len() == texts.len()).then_some(addresses)
    };
    let listen = read("media.listen", section.listen.as_slice())?;
    let advertised = section.advertised.as_ref().map(|texts| read("media.advertised", texts.as_slice()));
    let wildcard = listen.iter().any(IpAddr::is_unspecified);
    let advertised = match advertised {
        Some(advertised) => advertised?,
        None if wildcard => {
            source.fault(
                "media.advertised",
                "missing, although media.listen is every address of the machine",
                "the address to which trunk and phones send media",
            );
            return None;
        }
        None => listen.clone(),
    };
    let families = |addresses: &[IpAddr]| -> Vec<bool> { addresses.iter().map(IpAddr::is_ipv4).collect() };
    if families(&listen) != families(&advertised) {
        let wrong = "the address families differ from media.listen, or their order does";
        source.fault("media.advertised", wrong, "for each address in media.listen, one of the same family");
        return None;
    }
    Some((listen, advertised))
}

fn address(source: &mut Source, key: &str, text: &str) -> Option<IpAddr> {
    let address = text.parse().ok().map(|address: IpAddr| address.to_canonical());
    if address.is_none() {
        source.fault(key, format!("{text:?} is not an address"), "an IP address, as in \"192.0.2.10\"");
    }
    address
}

/// Checks an `ADDRESS:PORT` to listen on.
pub(super) fn listen(source: &mut Source, key: &str, text: &str) -> Option<SocketAddr> {
    let address = text.parse().ok().map(unmapped);
    if address.is_none() {
        source.fault(key, format!("{text:?} is not an address with a port"), "\"127.0.0.1:8112\"");
    }
    address
}
