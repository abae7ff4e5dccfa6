//! The order in which a domain's servers are tried (RFC 3263 §4, RFC 2782). Sends no queries; the caller passes the records.

use std::fmt;
use std::net::SocketAddr;

use crate::ids::Rng;

use super::flow::Transport;

/// One server of a domain, with its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Target {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport.via(), self.address)
    }
}

/// One NAPTR record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Lower values first.
    pub order: u16,
    /// Lower values first, among records of the same order.
    pub preference: u16,
    pub flags: Vec<u8>,
    /// `SIP+D2U`, `SIP+D2T` or `SIPS+D2T`.
    pub service: Vec<u8>,
    pub regexp: Vec<u8>,
    /// The name whose SRV records list the servers.
    pub replacement: String,
}

/// The supported transports in a domain's NAPTR records, in order of preference, each with the name whose SRV records list the servers
/// (RFC 3263 §4.1). With `secure` only those of SIPS.
///
/// RFC 3403 §4.1 stops at the first order with a usable record. Here the others follow after it, because an emergency call over a telco's
/// second transport is better than no call.
pub fn offered(mut pointers: Vec<Pointer>, spoken: &[Transport], secure: bool) -> Vec<(Transport, String)> {
    pointers.sort_by_key(|pointer| (pointer.order, pointer.preference));
    let usable = pointers.into_iter().filter(|one| one.flags.eq_ignore_ascii_case(b"s") && one.regexp.is_empty());
    let known = usable.filter_map(|one| Some((transport_of(&one.service, secure)?, one.replacement)));
    known.filter(|(transport, _)| spoken.contains(transport)).collect()
}

fn transport_of(service: &[u8], secure: bool) -> Option<Transport> {
    let services: [(&[u8], Transport); 3] =
        [(b"SIPS+D2T", Transport::Tls), (b"SIP+D2T", Transport::Tcp), (b"SIP+D2U", Transport::Udp)];
    let known = services.into_iter().find(|(name, _)| service.eq_ignore_ascii_case(name));
    known.map(|(_, transport)| transport).filter(|transport| !secure || *transport == Transport::Tls)
}

/// The name whose SRV records list a domain's servers for one transport (RFC 3263 §4.2).
pub fn service_name(transport: Transport, domain: &str) -> String {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    };
    format!("{service}.{domain}.")
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Lower values first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
    pub port: u16,
    pub host: String,
}

/// By priority; within one priority drawn at random by weight (RFC 2782, "Weight").
pub fn in_order(mut services: Vec<Service>, rng: &mut Rng) -> Vec<Service> {
    // Records of weight 0 come first among those of the same priority, which gives them a small chance.
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(priority) = services.first().map(|service| service.priority) {
        let of_it = services.iter().take_while(|service| service.priority == priority);
        let total: u64 = of_it.clone().map(|service| u64::from(service.weight)).sum();
        let drawn = rng.below(total + 1);
        let mut sum = 0;
        let reached = |service: &Service| {
            sum += u64::from(service.weight);
            sum >= drawn
        };
        let at = of_it.map(reached).position(|reached| reached).unwrap_or(0);
        ordered.push(services.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, host: &str) -> Service {
        Service { priority, weight, port: 5060, host: host.to_owned() }
    }

    fn first_of(services: &[Service], seed: u64) -> String {
        in_order(services.to_vec(), &mut Rng::from_number(seed)).remove(0).host
    }

    #[test]
    fn priorities_come_in_their_order_whatever_the_weights() {
        let services = [service(20, 900, "c"), service(10, 0, "b"), service(5, 1, "a"), service(30, 65_535, "d")];
        for seed in 0..200 {
            let ordered = in_order(services.to_vec(), &mut Rng::from_number(seed));
            assert_eq!(ordered.iter().map(|service| service.host.as_str()).collect::<String>(), "abcd");
        }
    }

    #[test]
    fn nothing_is_lost_or_made_up() {
        let services: Vec<Service> = (0..20).map(|n| service(n % 3, n * 7 % 5, &format!("h{n}"))).collect();
        let mut ordered = in_order(services.clone(), &mut Rng::from_number(7));
        let mut wanted = services;
        ordered.sort();
        wanted.sort();
        assert_eq!(ordered, wanted);
        assert!(in_order(Vec::new(), &mut Rng::from_number(1)).is_empty());
    }

    #[test]
    fn weights_are_shares() {
        let services = [service(1, 30, "a"), service(1, 10, "b"), service(1, 0, "c")];
        let firsts: Vec<String> = (0..4_000).map(|seed| first_of(&services, seed)).collect();
        let count = |host: &str| firsts.iter().filter(|first| *first == host).count();
        let (a, b, c) = (count("a"), count("b"), count("c"));
        assert!((2_700..3_200).contains(&a) && (800..1_200).contains(&b), "{a} {b} {c}");
        assert!(c > 0, "who has no weight has a small chance");
    }

    fn pointer(order: u16, preference: u16, flags: &str, service: &str) -> Pointer {
        let [flags, service] = [flags, service].map(|text| text.as_bytes().to_vec());
        let replacement = format!("{order}.{preference}");
        Pointer { order, preference, flags, service, regexp: Vec::new(), replacement }
    }

    #[test]
    fn pointers_come_by_order_then_preference_and_only_those_that_we_can_follow() {
        let all = vec![
            pointer(20, 5, "S", "sip+d2u"),
            pointer(10, 50, "s", "SIP+D2T"),
            pointer(10, 10, "s", "SIPS+D2T"),
            pointer(1, 1, "s", "SIP+D2S"),
            pointer(1, 2, "u", "SIP+D2U"),
            pointer(1, 3, "", "SIP+D2U"),
            Pointer { regexp: b"!^.*$!sip:a@b!".to_vec(), ..pointer(1, 4, "s", "SIP+D2U") },
        ];
        let named = |spoken: &[Transport], secure| {
            let offered = offered(all.clone(), spoken, secure);
            offered.iter().map(|(transport, name)| format!("{} {name}", transport.via())).collect::<Vec<_>>().join(", ")
        };
        let spoken = [Transport::Udp, Transport::Tcp, Transport::Tls];
        assert_eq!(named(&spoken, false), "TLS 10.10, TCP 10.50, UDP 20.5");
        assert_eq!(named(&[Transport::Udp, Transport::Tcp], false), "TCP 10.50, UDP 20.5");
        assert_eq!(named(&spoken, true), "TLS 10.10", "sips: nothing but TLS");
        assert_eq!(named(&[], false), "");
    }

    #[test]
    fn one_seed_gives_one_order() {
        let services: Vec<Service> = (0..9).map(|n| service(1, n, &format!("h{n}"))).collect();
        let order = |seed| in_order(services.clone(), &mut Rng::from_number(seed));
        assert_eq!(order(3), order(3));
        assert!((0..20).any(|seed| order(seed) != order(3)));
    }
}
