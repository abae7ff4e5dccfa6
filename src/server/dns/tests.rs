use super::*;

mod names;

use names::Record;

const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// A name whose transport the configuration has named.
fn named(name: &str, port: Option<u16>, transport: Transport) -> TrunkHost {
    let transports = vec![transport];
    TrunkHost { name: name.to_owned(), port, transports, transport_named: true, secure: false }
}

/// A name whose transport NAPTR records define.
fn free(name: &str, transports: &[Transport]) -> TrunkHost {
    let (name, transports) = (name.to_owned(), transports.to_vec());
    TrunkHost { name, port: None, transports, transport_named: false, secure: false }
}

async fn found(finder: &Finder, host: &TrunkHost) -> Vec<String> {
    let (targets, _) = finder.find(host, &[], &mut Rng::from_number(1)).await.unwrap();
    targets.iter().map(ToString::to_string).collect()
}

fn srv(name: &'static str, priority: u16, port: u16, host: &'static str) -> Record {
    Record::Srv { name, priority, weight: 1, port, host }
}

#[tokio::test]
async fn srv_records_tell_order_and_ports_of_each_transport() {
    let address = names::serve(
        "127.0.0.1:0",
        vec![
            srv("_sip._udp.telco.example", 20, 5070, "two.telco.example"),
            srv("_sip._udp.telco.example", 10, 5060, "one.telco.example"),
            srv("_sip._udp.telco.example", 30, 5060, "nowhere.telco.example"),
            srv("_sips._tcp.telco.example", 10, 5061, "two.telco.example"),
            Record::A("one.telco.example", [10, 0, 0, 1].into()),
            Record::A("two.telco.example", [10, 0, 0, 2].into()),
            Record::A("telco.example", [10, 0, 0, 9].into()),
        ],
    );
    let finder = Finder::new(&[address]).unwrap();
    let name = "telco.example";
    let both = ["UDP 10.0.0.1:5060", "UDP 10.0.0.2:5070"];
    assert_eq!(found(&finder, &named(name, None, Transport::Udp)).await, both);
    assert_eq!(found(&finder, &named(name, None, Transport::Tls)).await, ["TLS 10.0.0.2:5061"]);
    // Without SRV records of the transport, the address of the name itself is queried. With a port, only this address
    // is queried (RFC 3263 §4.2).
    assert_eq!(found(&finder, &named(name, None, Transport::Tcp)).await, ["TCP 10.0.0.9:5060"]);
    assert_eq!(found(&finder, &named(name, Some(5080), Transport::Udp)).await, ["UDP 10.0.0.9:5080"]);
    // Without NAPTR records, the SRV records of each supported transport are queried (RFC 3263 §4.1).
    let all = ["UDP 10.0.0.1:5060", "UDP 10.0.0.2:5070", "TLS 10.0.0.2:5061"];
    assert_eq!(found(&finder, &free(name, &ALL)).await, all);
    let unknown = finder.find(&free("unknown.example", &ALL), &[], &mut Rng::from_number(1)).await;
    assert!(unknown.is_err() || unknown.is_ok_and(|(targets, _)| targets.is_empty()));
}

#[tokio::test]
async fn naptr_records_tell_the_transports_and_where_their_servers_are() {
    let naptr = |order, preference, service, replacement| Record::Naptr {
        name: "telco.example",
        order,
        preference,
        service,
        replacement,
    };
    let address = names::serve(
        "127.0.0.1:0",
        vec![
            naptr(100, 50, "SIP+D2U", "_sip._udp.telco.example"),
            naptr(50, 50, "SIPS+D2T", "_sips._tcp.hosted.example"),
            naptr(90, 20, "SIP+D2T", "_sip._tcp.gone.example"),
            naptr(90, 50, "SIP+D2T", "_sip._tcp.telco.example"),
            naptr(10, 10, "E2U+sip", "_sip._udp.other.example"),
            srv("_sips._tcp.hosted.example", 1, 5061, "one.hosted.example"),
            srv("_sip._tcp.telco.example", 1, 5062, "two.telco.example"),
            srv("_sip._udp.telco.example", 1, 5063, "two.telco.example"),
            srv("_sip._udp.other.example", 1, 5064, "two.telco.example"),
            Record::A("one.hosted.example", [10, 0, 0, 1].into()),
            Record::A("two.telco.example", [10, 0, 0, 2].into()),
            Record::A("telco.example", [10, 0, 0, 9].into()),
        ],
    );
    let finder = Finder::new(&[address]).unwrap();
    let all = ["TLS 10.0.0.1:5061", "TCP 10.0.0.2:5062", "UDP 10.0.0.2:5063"];
    assert_eq!(found(&finder, &free("telco.example", &ALL)).await, all);
    let plain = ["TCP 10.0.0.2:5062", "UDP 10.0.0.2:5063"];
    assert_eq!(found(&finder, &free("telco.example", &[Transport::Udp, Transport::Tcp])).await, plain);
    let secure = TrunkHost { secure: true, ..free("telco.example", &[Transport::Tls]) };
    assert_eq!(found(&finder, &secure).await, ["TLS 10.0.0.1:5061"]);
    // If the configuration has a transport, NAPTR is not queried, and the SRV records have the transport's usual name
    // (RFC 3263 §4.1).
    let udp = named("telco.example", None, Transport::Udp);
    assert_eq!(found(&finder, &udp).await, ["UDP 10.0.0.2:5063"]);
    let tls = named("telco.example", None, Transport::Tls);
    assert_eq!(found(&finder, &tls).await, ["TLS 10.0.0.9:5061"]);
}

#[tokio::test]
async fn a_query_that_fails_leaves_what_is_known_and_never_falls_back_to_the_names_own_addresses() {
    let records = |fails: &[&'static str]| {
        let mut all = vec![
            srv("_sip._udp.telco.example", 10, 5070, "one.telco.example"),
            srv("_sip._tcp.telco.example", 10, 5071, "two.telco.example"),
            Record::A("one.telco.example", [10, 0, 0, 1].into()),
            Record::A("two.telco.example", [10, 0, 0, 2].into()),
            Record::A("telco.example", [10, 0, 0, 9].into()),
        ];
        all.extend(fails.iter().map(|name| Record::Failure(name)));
        all
    };
    let target = |transport, address: [u8; 4], port| Target { transport, address: (address, port).into() };
    let (udp, tcp) = (target(Transport::Udp, [10, 0, 0, 1], 5070), target(Transport::Tcp, [10, 0, 0, 2], 5071));
    let (both, none) = ([Transport::Udp, Transport::Tcp], &[][..]);
    let (udp_srv, tcp_srv, one) = ("_sip._udp.telco.example", "_sip._tcp.telco.example", "one.telco.example");
    let naptr = "telco.example NAPTR";
    for (fails, known, wanted) in [
        (&[][..], none, Some(vec![udp, tcp])),
        (&[udp_srv, tcp_srv], &[udp, tcp][..], Some(vec![udp, tcp])),
        (&[udp_srv, tcp_srv], none, None),
        (&[udp_srv], none, Some(vec![tcp])),
        (&[udp_srv], &[udp, tcp], Some(vec![tcp, udp])),
        (&[one], &[udp, tcp], Some(vec![tcp, udp])),
        (&[naptr], none, Some(vec![udp, tcp])),
        (&[naptr, udp_srv, tcp_srv], &[udp], Some(vec![udp])),
    ] {
        let finder = Finder::new(&[names::serve("127.0.0.1:0", records(fails))]).unwrap();
        let found = finder.find(&free("telco.example", &both), known, &mut Rng::from_number(1)).await;
        assert_eq!(found.ok().map(|(targets, _)| targets), wanted, "{fails:?}, known {known:?}");
    }
}

#[test]
fn a_check_tells_of_servers_that_are_not_peers_and_of_names_that_are_not_found() {
    let address = names::serve(
        "127.0.0.1:0",
        vec![
            srv("_sip._udp.telco.example", 10, 5070, "one.telco.example"),
            srv("_sip._udp.telco.example", 20, 5070, "two.telco.example"),
            Record::A("one.telco.example", [10, 0, 0, 1].into()),
            Record::A("two.telco.example", [10, 0, 0, 2].into()),
        ],
    );
    let trunk = |uri: &str| {
        let text = format!("[[trunk]]\nname = \"telco\"\npeers = [\"10.0.0.1\"]\n{uri}");
        crate::config::Config::parse("siaga.toml", &text).unwrap().trunks
    };
    let remarks = remarks(&trunk("uri = \"sip:telco.example\""), &[address]);
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].contains("10.0.0.2, which is not in peers"), "{remarks:?}");
    let unknown = super::remarks(&trunk("uri = \"sip:other.example\""), &[address]);
    assert!(unknown.len() == 1 && unknown[0].contains("not found"), "{unknown:?}");
    assert!(super::remarks(&trunk("uri = \"sip:10.0.0.9\""), &[address]).is_empty());
}
