//! Addresses in the configuration: IPv4-mapped ones, and zones.

use siaga::config::Config;

#[test]
fn an_ipv4_mapped_address_is_the_ipv4_address_and_a_zone_is_not_told() {
    let text = "[sip]\nlisten = [\"udp:[::ffff:127.0.0.1]:5060\", \"tcp:[fe80::1%3]:5060\"]\n[media]\nlisten = [\"::ffff:127.0.0.1\", \"::1\"]\n\
                [console]\nlisten = \"[::ffff:127.0.0.1]:8112\"\n[[trunk]]\nname = \"a\"\n\
                peers = [\"::ffff:10.7.0.0/120\", \"::ffff:10.8.0.9\", \"2001:db8::/32\", \"10.9.0.0/16\"]\n";
    let config = Config::parse("mapped.toml", text).unwrap();
    let [udp, tcp] = config.sip.listeners.as_slice() else { panic!("two listeners") };
    assert_eq!((udp.local.to_string(), udp.advertised.as_str()), ("127.0.0.1:5060".to_owned(), "127.0.0.1:5060"));
    assert_eq!((tcp.local.to_string(), tcp.advertised.as_str()), ("[fe80::1%3]:5060".to_owned(), "[fe80::1]:5060"));
    assert_eq!(config.media.listen[0].to_string(), "127.0.0.1");
    assert_eq!(config.console.listen.to_string(), "127.0.0.1:8112");
    let is_peer = |address: &str| config.trunks[0].peers.iter().any(|peer| peer.contains(address.parse().unwrap()));
    for address in
        ["10.7.0.1", "10.7.0.255", "::ffff:10.7.0.1", "10.8.0.9", "2001:db8::7", "10.9.3.4", "::ffff:10.9.3.4"]
    {
        assert!(is_peer(address), "{address}");
    }
    for address in ["10.7.1.1", "10.6.0.1", "10.8.0.8", "2001:db9::7", "::1"] {
        assert!(!is_peer(address), "{address}");
    }
    let too_long = "[[trunk]]\nname = \"a\"\npeers = [\"::ffff:10.7.0.0/129\"]\n";
    assert!(Config::parse("long.toml", too_long).is_err());
}
