//! Media in the configuration: addresses of each family, and the gateways of a trunk.

use siaga::config::Config;

fn faults(text: &str) -> Vec<String> {
    match Config::parse("test.toml", text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn media_has_one_address_of_each_family_that_sip_listens_on() {
    let trunk = "[[trunk]]\nname = \"a\"\npeers = [\"127.0.0.2\"]\n";
    let with = |media: &str| {
        let listen = "listen = [\"udp:127.0.0.1:5060\", \"udp:[::1]:5060\"]";
        faults(&format!("[sip]\n{listen}\n{trunk}[media]\n{media}\n")).join("\n")
    };
    for (media, expected) in [
        ("listen = \"127.0.0.1\"", "media.listen: no IPv6 address, while sip.listen has [::1]:5060"),
        ("listen = [\"::1\"]", "media.listen: no IPv4 address, while sip.listen has 127.0.0.1:5060"),
        ("listen = [\"127.0.0.1\", \"127.0.0.2\"]", "one address, or one IPv4 and one IPv6 address"),
        ("listen = []", "one address, or one IPv4 and one IPv6 address"),
        (
            "listen = [\"127.0.0.1\", \"::1\"]\nadvertised = \"192.0.2.1\"",
            "for each address in media.listen, one of the same family",
        ),
        ("listen = [\"127.0.0.1\", \"::\"]", "media.advertised: missing"),
    ] {
        let told = with(media);
        assert!(told.contains(expected), "{media}: {told}");
    }
    let text =
        format!("{trunk}[media]\nlisten = [\"127.0.0.1\", \"::1\"]\nadvertised = [\"192.0.2.1\", \"2001:db8::1\"]\n");
    let media = Config::parse("test.toml", &text).unwrap().media;
    let texts = |addresses: &[std::net::IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (texts(&media.listen), texts(&media.advertised)),
        (vec!["127.0.0.1".to_owned(), "::1".to_owned()], vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()])
    );
}

#[test]
fn the_media_networks_of_a_trunk_are_addresses() {
    let trunk = |media: &str| format!("[[trunk]]\nname = \"a\"\npeers = [\"127.0.0.2\"]\nmedia = [{media}]\n");
    let told = faults(&trunk("\"gateway.telco.example\"")).join("\n");
    assert!(told.contains("trunk[0].media[0]") && told.contains("is not an address"), "{told}");
    let config = Config::parse("test.toml", &trunk("\"10.9.0.0/24\", \"2001:db8::/64\"")).unwrap();
    assert_eq!(config.trunks[0].terms.media.len(), 2);
}

#[test]
fn the_media_networks_of_phones_are_addresses() {
    let media =
        |phones: &str| format!("[[trunk]]\nname = \"a\"\npeers = [\"127.0.0.2\"]\n[media]\nphones = {phones}\n");
    for (phones, key, wrong) in [
        ("[\"nat.example\"]", "media.phones[0]", "\"nat.example\" is not an address"),
        ("[\"10.9.0.0/24\", \"10.9.0.0/33\"]", "media.phones[1]", "\"10.9.0.0/33\" is not an address"),
        ("[\"10.9.0.1:4000\"]", "media.phones[0]", "\"10.9.0.1:4000\" is not an address"),
        ("[\"\"]", "media.phones[0]", "\"\" is not an address"),
        ("\"10.9.0.0/24\"", "media.phones", "expected"),
        ("[7]", "media.phones", "expected"),
    ] {
        let told = faults(&media(phones)).join("\n");
        assert!(told.contains(key) && told.contains(wrong), "{phones}: {told}");
        assert!(told.contains("test.toml:5"), "{phones}: {told}");
    }
    let config = Config::parse("test.toml", &media("[\"10.9.0.0/24\", \"2001:db8::/64\"]")).unwrap();
    assert_eq!(config.switchboard().media.phones.len(), 2);
}

#[test]
fn only_the_shipped_file_admits_media_from_all_of_this_machine() {
    let shipped = Config::parse("config/siaga.toml", include_str!("../config/siaga.toml")).unwrap();
    let bare = Config::parse("test.toml", "[[trunk]]\nname = \"a\"\npeers = [\"127.0.0.2\"]\n").unwrap();
    assert_eq!((shipped.media.phones.len(), bare.media.phones.len()), (1, 0));
    let from = "127.0.0.9".parse().unwrap();
    assert!(shipped.media.phones[0].contains(from));
}

#[test]
fn calls_at_once_are_half_of_the_port_pairs_unless_the_file_says_otherwise() {
    let config = |more: &str| {
        let text = format!("[[trunk]]\nname = \"a\"\npeers = [\"127.0.0.2\"]\n[media]\nports = [20000, 20399]\n{more}");
        Config::parse("test.toml", &text).unwrap()
    };
    let told = |config: &Config| config.warnings.iter().map(ToString::to_string).find(|one| one.contains("max_calls"));
    let by_ports = config("");
    assert_eq!((by_ports.calls_max(), told(&by_ports)), (100, None));
    let fewer = config("[site]\nmax_calls = 100\n");
    assert_eq!((fewer.calls_max(), told(&fewer)), (100, None));
    let more = config("[site]\nmax_calls = 101\n");
    assert_eq!((more.switchboard().calls.max, more.media.pairs()), (101, 200));
    let warning = told(&more).unwrap();
    for part in ["test.toml:7: site.max_calls: 101 calls", "200 pairs", "only 100 callers", "expected: at most 100"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    let wide = "[[trunk]]\nname = \"a\"\npeers = [\"127.0.0.2\"]\n[media]\nports = [1024, 46023]\n";
    assert_eq!(Config::parse("test.toml", wide).unwrap().calls_max(), 11_250);
}
