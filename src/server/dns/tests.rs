use super::*;

#[path = "../../../tests/e2e/names.rs"]
mod names;

use names::Record;

fn host(name: &str, port: Option<u16>) -> TrunkHost {
    TrunkHost { name: name.to_owned(), port }
}

async fn found(finder: &Finder, host: &TrunkHost, transport: Transport) -> Vec<String> {
    let (targets, _) = finder.find(host, transport, &mut Rng::from_number(1)).await.unwrap();
    targets.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn srv_records_tell_order_and_ports_of_each_transport() {
    let srv = |name, priority, port, host| Record::Srv { name, priority, weight: 1, port, host };
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
    let name = host("telco.example", None);
    assert_eq!(found(&finder, &name, Transport::Udp).await, ["10.0.0.1:5060", "10.0.0.2:5070"]);
    assert_eq!(found(&finder, &name, Transport::Tls).await, ["10.0.0.2:5061"]);
    // Without records of the transport the name itself is asked for; with a port nothing else is (RFC 3263 §4.2).
    assert_eq!(found(&finder, &name, Transport::Tcp).await, ["10.0.0.9:5060"]);
    assert_eq!(found(&finder, &host("telco.example", Some(5080)), Transport::Udp).await, ["10.0.0.9:5080"]);
    let unknown = finder.find(&host("unknown.example", None), Transport::Udp, &mut Rng::from_number(1)).await;
    assert!(unknown.is_err() || unknown.is_ok_and(|(targets, _)| targets.is_empty()));
}
