//! Connections whose peers have not authenticated, together with those of phones and trunks.

use super::*;

/// The time after which a stranger's connection is closed in these tests.
const SHORT: Duration = Duration::from_millis(300);

fn wary() -> Patience {
    Patience { stranger: SHORT, ..patient() }
}

#[tokio::test]
async fn a_stranger_cannot_hold_its_connection_by_what_it_sends_and_a_phone_that_has_proven_itself_stays() {
    let mut bench = Bench::new(Caps::default(), wary());
    let (mut phone, phones) = bench.known_peer().await;
    bench.table.trust(phones.connection);
    let (mut stranger, strangers) = bench.known_peer().await;
    let lost = loop {
        stranger.write_all(OPTIONS.as_bytes()).await.unwrap();
        if let Ok(Came::Lost(flow)) = tokio::time::timeout(SHORT / 4, bench.table.next()).await {
            break flow;
        }
    };
    assert_eq!(lost, strangers);
    phone.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert_eq!(bench.message().await.0, phones);
}

#[tokio::test]
async fn a_phone_that_proves_itself_in_time_is_not_closed_afterwards() {
    let mut bench = Bench::new(Caps::default(), wary());
    let (mut phone, flow) = bench.known_peer().await;
    bench.table.trust(flow.connection);
    tokio::time::sleep(SHORT * 2).await;
    phone.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert_eq!(bench.message().await.0, flow);
}

#[tokio::test]
async fn where_strangers_fill_their_places_the_oldest_gives_way_and_phones_stay() {
    let mut bench = Bench::new(Caps { unproven: 3, ..Caps::default() }, patient());
    let (_phone, phones) = bench.known_peer().await;
    bench.table.trust(phones.connection);
    let mut strangers = Vec::new();
    for _ in 0..3 {
        strangers.push(bench.known_peer().await);
    }
    // One connection above the limit: it is served, because it could be a phone that has just started.
    let mut phone = bench.peer().await;
    phone.write_all(OPTIONS.as_bytes()).await.unwrap();
    let (mut oldest, first) = strangers.remove(0);
    assert_eq!(bench.came().await, Came::Lost(first));
    let (late, _) = bench.message().await;
    assert!(bench.until_closed(&mut oldest).await.is_empty());
    assert_eq!(bench.table.len(), 4);
    bench.table.trust(late.connection);
    let another = bench.known_peer().await;
    assert_eq!((bench.table.len(), bench.table.unproven.len()), (5, 3), "a proof gives the place back");
    drop(another);
    assert!(matches!(bench.came().await, Came::Lost(_)));
    assert_eq!(bench.table.unproven.len(), 2);
}

#[tokio::test]
async fn one_ipv6_network_is_one_source() {
    let mut bench = Bench::new(Caps::default(), patient());
    let flow = |text: &str| Flow::any(Transport::Tcp, bench.at, text.parse().unwrap());
    let (one, other) = (flow("[2001:db8::1]:5060"), flow("[2001:db8::2]:5060"));
    for flow in [one, other] {
        bench.table.open(flow, Origin::Dialled { from: flow.local, to: flow.remote }, Security::None, true);
    }
    assert_eq!(bench.table.sources.values().copied().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn at_the_limit_of_a_network_a_strangers_connection_makes_room_for_a_phone_behind_the_same_nat() {
    let mut bench = Bench::new(Caps { per_source: 3, ..Caps::default() }, patient());
    let (_phone, phones) = bench.known_peer().await;
    bench.table.trust(phones.connection);
    let (mut first, strangers) = bench.known_peer().await;
    let (_second, _) = bench.known_peer().await;
    let mut reconnects = bench.peer().await;
    reconnects.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert_eq!(bench.came().await, Came::Lost(strangers));
    let (late, _) = bench.message().await;
    assert!(bench.until_closed(&mut first).await.is_empty());
    assert_eq!(bench.table.len(), 3);
    // Trusted connections are never closed for others.
    bench.table.trust(late.connection);
    let second = *bench.table.open.keys().find(|id| ![phones.connection, late.connection].contains(*id)).unwrap();
    bench.table.trust(second);
    let mut rejected = bench.peer().await;
    assert!(bench.until_closed(&mut rejected).await.is_empty());
    assert_eq!(bench.table.len(), 3);
}

#[tokio::test]
async fn strangers_beside_a_trunks_server_use_up_none_of_its_places() {
    let mut bench = Bench::new(Caps { per_source: 2, ..Caps::default() }, patient());
    let sbc: SocketAddr = "[2001:db8::5]:5060".parse().unwrap();
    bench.table.set_trunks(&[trunk(sbc, "sbc.example")]);
    let flow = |text: &str| Flow::any(Transport::Tcp, bench.at, text.parse().unwrap());
    for (neighbour, kind) in [("[2001:db8::1]:1", false), ("[2001:db8::2]:1", false), ("[2001:db8::5]:1", true)] {
        let flow = flow(neighbour);
        assert!(bench.table.has_place_in_source(flow.remote.ip()), "{neighbour}");
        let id = bench.table.open(flow, Origin::Dialled { from: flow.local, to: flow.remote }, Security::None, true);
        assert_eq!(matches!(bench.table.open[&id].source, Source::Trunk(_)), kind);
    }
    assert!(!bench.table.has_place_in_source("2001:db8::3".parse().unwrap()), "the network is full");
    assert!(bench.table.has_place_in_source(sbc.ip()), "the trunk has one of two");
}

#[tokio::test]
async fn a_host_with_most_of_the_strangers_connections_loses_its_own_first() {
    let mut bench = Bench::new(Caps { unproven: 3, handshakes: 2, ..Caps::default() }, patient());
    let flow = |text: &str| Flow::any(Transport::Tls, bench.at, text.parse().unwrap());
    let mut open = |text: &str| {
        let flow = flow(text);
        bench.table.make_room(flow.remote.ip(), Transport::Tcp);
        bench.table.open(flow, Origin::Dialled { from: flow.local, to: flow.remote }, Security::None, false)
    };
    let phone = open("192.0.2.1:1");
    let host: Vec<_> = (1..3).map(|port| open(&format!("192.0.2.9:{port}"))).collect();
    let another = open("192.0.2.2:1");
    assert_eq!(bench.table.open.keys().copied().collect::<Vec<_>>(), [phone, host[1], another]);
}

/// A response whose connection is closed, so that siaga must open one to this peer for it (RFC 3261 §18.2.2).
fn response_to(peer: &TcpListener, at: SocketAddr) -> Transmit {
    let remote = peer.local_addr().unwrap();
    let gone = Flow { connection: ConnectionId(77), ..Flow::any(Transport::Tcp, at, remote) };
    let response = format!(
        "SIP/2.0 503 Busy\r\nVia: SIP/2.0/TCP h:{};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        remote.port()
    );
    transmit(gone, &response)
}

#[tokio::test]
async fn a_connection_that_is_opened_for_a_response_is_a_strangers() {
    let mut bench = Bench::new(Caps { per_source: 2, ..Caps::default() }, patient());
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(bench.table.send(&response_to(&peer, bench.at)));
    assert_eq!((bench.table.len(), bench.table.unproven.len()), (1, 1));
    // A connection for a request of siaga to the same peer is trusted.
    bench.table.send(&transmit(Flow::any(Transport::Tcp, bench.at, "127.0.0.1:9".parse().unwrap()), OPTIONS));
    assert_eq!((bench.table.len(), bench.table.unproven.len()), (2, 1));
}

#[tokio::test]
async fn connections_that_are_opened_for_responses_take_no_more_than_the_places_of_strangers() {
    let mut bench = Bench::new(Caps { unproven: 2, ..Caps::default() }, patient());
    let (mut oldest, first) = bench.known_peer().await;
    let (_other, second) = bench.known_peer().await;
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(bench.table.send(&response_to(&peer, bench.at)));
    assert_eq!((bench.table.len(), bench.table.unproven.len()), (2, 2));
    assert_eq!(bench.came().await, Came::Lost(first));
    assert!(bench.until_closed(&mut oldest).await.is_empty());
    // Trusted connections are not closed for new ones.
    bench.table.trust(second.connection);
    let others = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    assert!(others.iter().all(|peer| bench.table.send(&response_to(peer, bench.at))));
    assert_eq!((bench.table.len(), bench.table.unproven.len()), (3, 2));
    assert!(bench.table.open.contains_key(&second.connection));
}

#[tokio::test]
async fn connections_that_are_opened_for_responses_count_towards_the_limit_of_their_network() {
    let mut bench = Bench::new(Caps { per_source: 2, ..Caps::default() }, patient());
    let (_phone, phones) = bench.known_peer().await;
    bench.table.trust(phones.connection);
    let (mut stranger, strangers) = bench.known_peer().await;
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(bench.table.send(&response_to(&peer, bench.at)));
    assert_eq!(bench.came().await, Came::Lost(strangers));
    assert!(bench.until_closed(&mut stranger).await.is_empty());
    assert_eq!(bench.table.len(), 2, "the oldest connection that has proven nothing made room");
    let opened = *bench.table.open.keys().find(|id| **id != phones.connection).unwrap();
    bench.table.trust(opened);
    let another = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(!bench.table.send(&response_to(&another, bench.at)), "the network is full of those that have");
    assert_eq!(bench.table.len(), 2);
    // A connection for a request of siaga to that network is opened nevertheless.
    assert!(bench.table.send(&transmit(Flow::any(Transport::Tcp, bench.at, another.local_addr().unwrap()), OPTIONS)));
    assert_eq!(bench.table.len(), 3);
}

#[tokio::test]
async fn handshakes_run_in_another_thread_and_the_oldest_gives_way_to_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::new(certificates(folder.path(), "sbc.example").read().unwrap());
    let caps = Caps { handshakes: 2, ..Caps::default() };
    let mut ours = Bench::listening(caps, patient(), Transport::Tls, "127.0.0.1:0", tls.clone());
    let (mut first, _second) = (ours.peer().await, ours.peer().await);
    // Neither of them sends a byte.
    while ours.table.handshakes.len() < 2 {
        ours.table.next().await;
    }
    let mut theirs = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.2:0", tls);
    theirs.table.set_trunks(&[trunk(ours.at, "sbc.example")]);
    assert!(theirs.table.send(&transmit(Flow::any(Transport::Tls, theirs.at, ours.at), OPTIONS)));
    assert!(matches!(ours.came().await, Came::Lost(_)));
    let (flow, _) = ours.message().await;
    assert_eq!(flow.transport, Transport::Tls);
    assert!(ours.until_closed(&mut first).await.is_empty());
    assert_eq!(ours.table.handshakes.len(), 1, "the one that is over does not count");
    assert!(ours.table.others_thread.is_some());
}

#[tokio::test]
async fn a_strangers_half_closed_connection_is_soon_closed_when_its_request_is_dropped() {
    let mut bench = Bench::new(Caps::default(), Patience { connect: SHORT, ..patient() });
    let (mut stranger, flow) = bench.known_peer().await;
    stranger.shutdown().await.unwrap();
    bench.until_closed(&mut stranger).await;
    assert_eq!(bench.came().await, Came::Lost(flow));
}
