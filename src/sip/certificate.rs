//! The SIP domains for which a certificate is valid (RFC 5922 §7). The caller passes the names; certificates are not parsed here.

use super::uri::{Host, Uri};

/// The domains in a certificate's subjectAltName (RFC 5922 §7.1): the hosts of its SIP URIs without a user; if there is no such URI, its
/// DNS names. The subject's common name is ignored.
pub fn domains<'a>(uris: impl Iterator<Item = &'a str>, dns_names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let of_uris: Vec<String> = uris.filter_map(host_of).collect();
    if of_uris.is_empty() { dns_names.map(str::to_owned).collect() } else { of_uris }
}

fn host_of(uri: &str) -> Option<String> {
    match Uri::parse(uri.as_bytes()) {
        Ok(Uri::Sip(uri)) if !uri.secure && uri.user.is_none() => match uri.host {
            Host::Name(name) => Some(name.to_owned()),
            Host::Ip(address) => Some(address.to_string()),
        },
        Ok(Uri::Sip(_) | Uri::Tel { .. } | Uri::Service(_) | Uri::Other { .. }) | Err(_) => None,
    }
}

/// True if two domains are the same (RFC 5922 §7.2): as a whole, case-insensitive. A wildcard matches only itself.
pub fn is_same(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(uris: &[&str], dns_names: &[&str]) -> Vec<String> {
        domains(uris.iter().copied(), dns_names.iter().copied())
    }

    #[test]
    fn sip_uris_come_before_dns_names() {
        // The cases of RFC 5922 §7.1.
        assert_eq!(found(&["sip:example.com"], &["sip.example.com"]), ["example.com"]);
        assert_eq!(found(&["SIP:a.example", "sip:b.example:5061"], &["c.example"]), ["a.example", "b.example"]);
        assert_eq!(found(&[], &["a.example", "*.b.example"]), ["a.example", "*.b.example"]);
        assert_eq!(found(&["sip:192.0.2.1"], &[]), ["192.0.2.1"]);
        for no_domain in ["sips:example.com", "sip:alice@example.com", "https://example.com", "urn:x:y", "sip:", ""] {
            assert_eq!(found(&[no_domain], &["dns.example"]), ["dns.example"], "{no_domain}");
        }
    }

    #[test]
    fn domains_are_compared_as_a_whole() {
        assert!(is_same("SBC.Telco.example", "sbc.telco.EXAMPLE."));
        for (one, other) in [("foo.example.com", "example.com"), ("*.example.com", "foo.example.com"), ("", "a")] {
            assert!(!is_same(one, other) && !is_same(other, one), "{one} {other}");
        }
    }
}
