//! Connections whose peers have proven nothing, beside those of phones and trunks.

use super::*;

/// Strangers may stay for so long here.
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
    // One more than there are places: it is served, as a phone would be that has just started.
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
        bench.table.open(flow, Origin::Dialled { from: flow.local, to: flow.remote }, Security::None);
    }
    assert_eq!(bench.table.sources.values().copied().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn handshakes_run_in_another_thread_and_the_oldest_gives_way_to_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::new(certificates(folder.path(), "sbc.example").read().unwrap());
    let caps = Caps { handshakes: 2, ..Caps::default() };
    let mut ours = Bench::listening(caps, patient(), Transport::Tls, "127.0.0.1:0", tls.clone());
    let (mut first, _second) = (ours.peer().await, ours.peer().await);
    // Neither of them says anything.
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
