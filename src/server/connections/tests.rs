mod identity;
mod strangers;

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::TlsFiles;

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP b;branch=z9hG4bK1\r\nContent-Length: 4\r\n\r\nbody";

/// A table with one listener.
struct Bench {
    table: Connections,
    at: SocketAddr,
    /// Lost flows that the table reported while the test waited for another event.
    lost: VecDeque<Flow>,
}

impl Bench {
    fn new(caps: Caps, patience: Patience) -> Self {
        Self::listening(caps, patience, Transport::Tcp, "127.0.0.1:0", Tls::default())
    }

    fn listening(caps: Caps, patience: Patience, transport: Transport, local: &str, tls: Tls) -> Self {
        let listener = StreamListener::bind(transport, local.parse().unwrap()).unwrap();
        let at = listener.local();
        let mut table = Connections::new(caps, patience, tls);
        table.listen(listener).unwrap();
        Self { table, at, lost: VecDeque::new() }
    }

    async fn peer(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// The next event of the table, except `Nothing`.
    async fn came(&mut self) -> Came {
        if let Some(flow) = self.lost.pop_front() {
            return Came::Lost(flow);
        }
        loop {
            let came = tokio::time::timeout(Duration::from_secs(20), self.table.next()).await.unwrap();
            if came != Came::Nothing {
                return came;
            }
        }
    }

    async fn message(&mut self) -> (Flow, Bytes) {
        match self.came().await {
            Came::Message { flow, bytes } => (flow, bytes),
            other @ (Came::Proven { .. } | Came::Lost(_) | Came::Nothing) => panic!("{other:?} is no message"),
        }
    }

    /// A peer whose connection is in the table and has sent a message.
    async fn known_peer(&mut self) -> (TcpStream, Flow) {
        let mut peer = self.peer().await;
        peer.write_all(OPTIONS.as_bytes()).await.unwrap();
        let (flow, _) = self.message().await;
        (peer, flow)
    }

    /// Lets the table handle events until the peer sees the end of its stream.
    async fn until_closed(&mut self, peer: &mut TcpStream) -> Vec<u8> {
        let mut rest = Vec::new();
        tokio::select! {
            // A reset also ends the stream.
            _ = peer.read_to_end(&mut rest) => {}
            came = self.turn() => panic!("{came:?}"),
        }
        rest
    }

    async fn turn(&mut self) -> Came {
        loop {
            match self.table.next().await {
                Came::Nothing => {}
                // The table may report the loss before the peer sees the end.
                Came::Lost(flow) => self.lost.push_back(flow),
                other @ (Came::Message { .. } | Came::Proven { .. }) => return other,
            }
        }
    }
}

fn patient() -> Patience {
    Patience::default()
}

fn short(message: u64, idle: u64) -> Patience {
    let millis = Duration::from_millis;
    Patience { connect: millis(5_000), message: millis(message), idle: millis(idle), ..Patience::default() }
}

fn transmit(flow: Flow, text: &str) -> Transmit {
    Transmit { flow, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

#[tokio::test]
async fn messages_are_cut_out_of_the_stream_whatever_its_pieces() {
    let mut bench = Bench::new(Caps::default(), patient());
    let mut peer = bench.peer().await;
    peer.set_nodelay(true).unwrap();
    let twice = format!("\r\n{OPTIONS}{OPTIONS}");
    for piece in twice.as_bytes().chunks(29) {
        peer.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (first, second) = (bench.message().await, bench.message().await);
    assert_eq!((first.0, first.1.as_ref()), (second.0, OPTIONS.as_bytes()));
    assert_eq!(second.1.as_ref(), OPTIONS.as_bytes());
    let (local, remote) = (first.0.local, first.0.remote);
    assert_eq!((first.0.transport, local, remote), (Transport::Tcp, bench.at, peer.local_addr().unwrap()));
    assert!(first.0.is_connection());
}

#[tokio::test]
async fn a_ping_is_answered_with_a_pong() {
    let mut bench = Bench::new(Caps::default(), patient());
    let mut peer = bench.peer().await;
    peer.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    tokio::select! {
        read = peer.read_exact(&mut pong) => { read.unwrap(); }
        came = bench.turn() => panic!("{came:?}"),
    }
    assert_eq!(&pong, b"\r\n");
}

#[tokio::test]
async fn a_stream_that_cannot_be_followed_is_closed() {
    let mut bench = Bench::new(Caps::default(), patient());
    let mut peer = bench.peer().await;
    peer.write_all(b"\x16\x03\x01\x02").await.unwrap();
    assert!(bench.until_closed(&mut peer).await.is_empty());
    assert!(matches!(bench.came().await, Came::Lost(_)));
    assert_eq!(bench.table.len(), 0);
    assert!(bench.table.peers.is_empty() && bench.table.sources.is_empty());
}

#[tokio::test]
async fn a_message_before_what_cannot_be_followed_gets_its_answer() {
    let mut bench = Bench::new(Caps::default(), patient());
    let mut peer = bench.peer().await;
    peer.write_all(format!("{OPTIONS}/90000\r\n").as_bytes()).await.unwrap();
    let (flow, _) = bench.message().await;
    assert!(bench.table.send(&transmit(flow, "SIP/2.0 200 OK\r\n\r\n")));
    assert_eq!(bench.until_closed(&mut peer).await, b"SIP/2.0 200 OK\r\n\r\n");
}

#[tokio::test]
async fn a_message_without_an_end_is_answered_before_its_stream_is_closed() {
    let endless = ["To: x", "Content-Length: -1", "Content-Length: 1048576", "Content-Length: 1\r\nContent-Length: 2"];
    for lines in endless {
        let mut bench = Bench::new(Caps::default(), patient());
        let (mut peer, flow) = bench.known_peer().await;
        let header = format!("OPTIONS sip:a@b SIP/2.0\r\n{lines}\r\n\r\n");
        // The bytes after the header could be a body or a message.
        peer.write_all(format!("{header}{OPTIONS}").as_bytes()).await.unwrap();
        let (came_by, bytes) = bench.message().await;
        assert_eq!((came_by, bytes.as_ref()), (flow, header.as_bytes()), "{lines}");
        assert!(bench.table.send(&transmit(flow, "SIP/2.0 400 Bad\r\n\r\n")));
        assert_eq!(bench.until_closed(&mut peer).await, b"SIP/2.0 400 Bad\r\n\r\n", "{lines}");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed_at_the_cap() {
    let mut bench = Bench::new(Caps::default(), patient());
    let (peer, flow) = bench.known_peer().await;
    let big = "x".repeat(60_000);
    // The kernel buffers some megabytes; then the queue fills.
    let mut sent = 0;
    while bench.table.send(&transmit(flow, &big)) {
        sent += 1;
        assert!(sent < 1_000, "nothing holds it up");
        tokio::task::yield_now().await;
    }
    assert!(sent > 3, "{sent}");
    assert_eq!(bench.came().await, Came::Lost(flow));
    assert_eq!(bench.table.len(), 0);
    drop(peer);
}

#[tokio::test]
async fn too_many_connections_from_one_address_are_closed_and_the_others_stay() {
    let mut bench = Bench::new(Caps { open: 10, reserved: 0, per_source: 2, ..Caps::default() }, patient());
    let ((mut first, flow), (_second, other)) = (bench.known_peer().await, bench.known_peer().await);
    [flow, other].iter().for_each(|flow| bench.table.trust(flow.connection));
    let mut third = bench.peer().await;
    assert!(bench.until_closed(&mut third).await.is_empty());
    first.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert_eq!(bench.message().await.0, flow);
    // A new connection can replace one that has ended.
    drop(first);
    assert_eq!(bench.came().await, Came::Lost(flow));
    bench.known_peer().await;
}

#[tokio::test]
async fn a_full_table_takes_and_opens_no_more() {
    let mut bench = Bench::new(Caps { open: 1, reserved: 0, per_source: 10, ..Caps::default() }, patient());
    let (_peer, flow) = bench.known_peer().await;
    let mut second = bench.peer().await;
    assert!(bench.until_closed(&mut second).await.is_empty());
    let elsewhere = Flow::any(Transport::Tcp, bench.at, "127.0.0.1:9".parse().unwrap());
    assert!(!bench.table.send(&transmit(elsewhere, OPTIONS)));
    assert_eq!(bench.came().await, Came::Lost(elsewhere));
    assert!(bench.table.send(&transmit(flow, OPTIONS)));
}

#[tokio::test]
async fn strangers_leave_places_for_trunks() {
    let mut bench = Bench::new(Caps { open: 4, reserved: 2, per_source: 2, ..Caps::default() }, patient());
    let mut of_trunk = trunk("127.0.0.9:5060".parse().unwrap(), "sbc.example");
    of_trunk.peers = vec![Network::parse("127.0.0.2/32").unwrap()];
    bench.table.set_trunks(&[of_trunk]);
    let ((first, flow), _second) = (bench.known_peer().await, bench.known_peer().await);
    let stranger = Flow::any(Transport::Tcp, bench.at, "127.0.0.3:9".parse().unwrap());
    assert!(!bench.table.send(&transmit(stranger, OPTIONS)), "nor is one opened to another peer");
    assert_eq!(bench.came().await, Came::Lost(stranger));
    let at = bench.at;
    let from = |address: &str| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
        socket.connect(at)
    };
    let mut third = from("127.0.0.3").await.unwrap();
    let mut sbc = from("127.0.0.2").await.unwrap();
    assert!(bench.until_closed(&mut third).await.is_empty());
    sbc.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert_eq!(bench.message().await.0.remote, sbc.local_addr().unwrap());
    // The other reserved connection can be opened to the trunk's server. Then the table is full.
    let listener = TcpListener::bind("127.0.0.9:0").await.unwrap();
    let called = Flow::any(Transport::Tcp, bench.at, listener.local_addr().unwrap());
    assert!(bench.table.send(&transmit(called, OPTIONS)));
    assert_eq!((bench.table.len(), bench.table.strangers), (4, 2));
    let mut sbc_again = from("127.0.0.2").await.unwrap();
    assert!(bench.until_closed(&mut sbc_again).await.is_empty());
    // After the end of a stranger's connection, another stranger can connect.
    drop(first);
    assert_eq!(bench.came().await, Came::Lost(flow));
    bench.known_peer().await;
}

#[tokio::test]
async fn a_connection_that_is_silent_or_never_ends_its_message_is_closed() {
    let mut bench = Bench::new(Caps::default(), short(50, 60_000));
    let mut silent = bench.peer().await;
    assert!(bench.until_closed(&mut silent).await.is_empty());
    let mut slow = bench.peer().await;
    slow.write_all(&OPTIONS.as_bytes()[..40]).await.unwrap();
    assert!(bench.until_closed(&mut slow).await.is_empty());
    let mut bench = Bench::new(Caps::default(), short(60_000, 50));
    let (_idle, flow) = bench.known_peer().await;
    assert_eq!(bench.came().await, Came::Lost(flow));
}

#[tokio::test]
async fn a_message_to_a_peer_opens_a_connection_and_later_ones_use_it() {
    let mut bench = Bench::new(Caps::default(), patient());
    let trunk = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let flow = Flow::any(Transport::Tcp, bench.at, trunk.local_addr().unwrap());
    assert!(bench.table.send(&transmit(flow, OPTIONS)) && bench.table.send(&transmit(flow, OPTIONS)));
    let (mut peer, from) = trunk.accept().await.unwrap();
    assert_eq!(from.ip(), bench.at.ip(), "peers know us by our address");
    let mut heard = vec![0; 2 * OPTIONS.len()];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, format!("{OPTIONS}{OPTIONS}").as_bytes());
    peer.write_all(OPTIONS.as_bytes()).await.unwrap();
    let (back, _) = bench.message().await;
    assert_eq!(Flow { connection: ConnectionId(0), ..back }, flow);
    assert!(bench.table.send(&transmit(back, OPTIONS)));
    drop(peer);
    // Both flows are lost: that of the connection, and the flow without a connection whose messages used it.
    let lost = [bench.came().await, bench.came().await];
    assert_eq!(lost, [Came::Lost(back), Came::Lost(flow)]);
}

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_told_as_lost() {
    let mut bench = Bench::new(Caps::default(), patient());
    let free = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let flow = Flow::any(Transport::Tcp, bench.at, free.local_addr().unwrap());
    drop(free);
    assert!(bench.table.send(&transmit(flow, OPTIONS)), "it waits for the connection");
    let lost = [bench.came().await, bench.came().await];
    assert!(lost.contains(&Came::Lost(flow)), "{lost:?}");
}

#[tokio::test]
async fn a_response_whose_connection_is_gone_goes_to_the_port_in_its_via() {
    let mut bench = Bench::new(Caps::default(), patient());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (peer, flow) = bench.known_peer().await;
    drop(peer);
    assert_eq!(bench.came().await, Came::Lost(flow));
    let sent_by = listener.local_addr().unwrap();
    let response = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP {sent_by};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: \
         <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    assert!(bench.table.send(&transmit(flow, &response)));
    let (mut peer, _) = listener.accept().await.unwrap();
    let mut heard = vec![0; response.len()];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, response.as_bytes());
    // A request for a flow of this connection is not sent over another connection.
    assert!(!bench.table.send(&transmit(flow, OPTIONS)));
    assert_eq!(bench.came().await, Came::Lost(flow));
}

#[tokio::test]
async fn what_waits_is_written_before_the_end() {
    let mut bench = Bench::new(Caps::default(), patient());
    let (mut peer, flow) = bench.known_peer().await;
    assert!(bench.table.send(&transmit(flow, OPTIONS)));
    bench.table.close().await;
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, OPTIONS.as_bytes());
}

#[tokio::test]
async fn ipv6_listens_beside_ipv4() {
    let mut bench = Bench::listening(Caps::default(), patient(), Transport::Tcp, "[::1]:0", Tls::default());
    let (_peer, flow) = bench.known_peer().await;
    assert!(flow.local.is_ipv6() && flow.remote.is_ipv6());
    let any = StreamListener::bind(Transport::Tcp, "[::]:0".parse().unwrap()).unwrap();
    StreamListener::bind(Transport::Tcp, SocketAddr::new("0.0.0.0".parse().unwrap(), any.local().port())).unwrap();
}

/// Makes a certificate in a folder that has its own CA. A second call with the same folder makes another certificate of
/// the same CA.
fn certificates(folder: &Path, name: &str) -> TlsFiles {
    certificates_for(folder, &[name, "127.0.0.1"])
}

fn certificates_for(folder: &Path, names: &[&str]) -> TlsFiles {
    certificates_of_use(folder, names, "serverAuth,clientAuth")
}

fn certificates_of_use(folder: &Path, names: &[&str], usage: &str) -> TlsFiles {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/make-certificates");
    let done = Command::new(script).env("USAGE", usage).arg(folder).args(names).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let ca = Some(folder.join("ca.pem"));
    TlsFiles { certificate: folder.join("server.pem"), key: folder.join("server.key"), client_ca: ca.clone(), ca }
}

fn trunk(target: SocketAddr, name: &str) -> Trunk {
    Trunk {
        name: name.to_owned(),
        peers: Vec::new(),
        target: Some(target),
        host: None,
        transport: Transport::Tls,
        tls_name: Some(name.to_owned()),
        tcp_when_large: false,
        keep_alive: None,
        terms: crate::switchboard::TrunkSettings::default(),
    }
}

#[tokio::test]
async fn two_services_meet_over_tls_and_prove_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let tls = || Tls::new(certificates(folder.path(), "sbc.example").read().unwrap());
    let mut ours = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.1:0", tls());
    let mut theirs = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.2:0", tls());
    ours.table.set_trunks(&[trunk(theirs.at, "sbc.example")]);
    theirs.table.set_trunks(&[trunk(ours.at, "sbc.example"), trunk(ours.at, "other.example")]);
    let flow = Flow::any(Transport::Tls, ours.at, theirs.at);
    assert!(ours.table.send(&transmit(flow, OPTIONS)));
    let Came::Proven { names, flow: proven } = theirs.came().await else { panic!("no proof") };
    assert_eq!(names, ["sbc.example"]);
    assert_eq!(theirs.message().await, (proven, Bytes::from_static(OPTIONS.as_bytes())));
    assert!(matches!(ours.came().await, Came::Proven { .. }));
    assert!(theirs.table.send(&transmit(proven, OPTIONS)));
    assert_eq!(ours.message().await.1.as_ref(), OPTIONS.as_bytes());
}

#[tokio::test]
async fn a_trunk_with_another_name_is_not_sent_to() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::new(certificates(folder.path(), "sbc.example").read().unwrap());
    let mut ours = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.1:0", tls.clone());
    let mut theirs = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.2:0", tls);
    ours.table.set_trunks(&[trunk(theirs.at, "other.example")]);
    let flow = Flow::any(Transport::Tls, ours.at, theirs.at);
    assert!(ours.table.send(&transmit(flow, OPTIONS)));
    let lost = tokio::select! {
        came = ours.came() => came,
        came = theirs.turn() => panic!("{came:?}"),
    };
    assert!(matches!(lost, Came::Lost(_)), "{lost:?}");
}

#[tokio::test]
async fn new_certificates_are_for_new_connections_and_broken_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let old = certificates(folder.path(), "old.example").read().unwrap();
    let mut theirs = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.2:0", Tls::new(old.clone()));
    let mut ours = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.1:0", Tls::new(old));
    ours.table.set_trunks(&[trunk(theirs.at, "old.example")]);
    let flow = Flow::any(Transport::Tls, ours.at, theirs.at);
    assert!(ours.table.send(&transmit(flow, OPTIONS)));
    let (standing, _) = theirs.message().await;
    theirs.table.set_tls(Tls::new(certificates(folder.path(), "new.example").read().unwrap()));
    assert!(ours.table.send(&transmit(flow, OPTIONS)), "the connection stands");
    assert_eq!(theirs.message().await.0, standing);
    // A connection that requires the new name gets the new certificate.
    let mut third = Bench::listening(Caps::default(), patient(), Transport::Tls, "127.0.0.3:0", ours.table.tls.clone());
    third.table.set_trunks(&[trunk(theirs.at, "new.example")]);
    assert!(third.table.send(&transmit(Flow::any(Transport::Tls, third.at, theirs.at), OPTIONS)));
    assert_ne!(theirs.message().await.0, standing);

    let files = certificates(folder.path(), "newer.example");
    std::fs::write(&files.key, "not a key").unwrap();
    assert_eq!(files.read().unwrap_err().key, "sip.tls.key");
    std::fs::copy(folder.path().join("ca.key"), &files.key).unwrap();
    assert_eq!(files.read().unwrap_err().key, "sip.tls.certificate", "a key that does not belong to it");
}

#[tokio::test]
async fn a_peer_that_half_closes_its_connection_still_gets_its_responses() {
    let response = |status: &str| {
        let via = "Via: SIP/2.0/TCP b;branch=z9hG4bK1";
        format!("SIP/2.0 {status}\r\n{via}\r\nContent-Length: 0\r\n\r\n")
    };
    let mut bench = Bench::new(Caps::default(), patient());
    let (mut peer, flow) = bench.known_peer().await;
    peer.write_all(OPTIONS.as_bytes()).await.unwrap();
    bench.message().await;
    peer.shutdown().await.unwrap();
    for status in ["100 Trying", "200 OK", "200 OK"] {
        // The connection's task reads the peer's end in the meantime; it does not report that.
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(bench.table.send(&transmit(flow, &response(status))), "{status}");
    }
    let rest = bench.until_closed(&mut peer).await;
    let rest = String::from_utf8(rest).unwrap();
    assert_eq!(rest.matches("SIP/2.0 200 OK").count(), 2, "{rest}");
    assert_eq!(bench.came().await, Came::Lost(flow), "all is answered");
}

#[tokio::test]
async fn a_peer_that_closes_its_connection_altogether_is_gone_at_once() {
    let mut bench = Bench::new(Caps::default(), patient());
    let (peer, flow) = bench.known_peer().await;
    let start = tokio::time::Instant::now();
    drop(peer);
    assert_eq!(bench.came().await, Came::Lost(flow), "what it is owed goes over another connection");
    assert!(start.elapsed() < Duration::from_secs(5));
}
