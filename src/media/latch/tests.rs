//! The ranks of sources in sequences of packets.

use super::*;
use crate::media::source::AddressRange;

const SIGNALLED: &str = "192.0.2.1:4000";
const OTHER_PORT: &str = "192.0.2.1:61000";
const GATEWAY: &str = "198.51.100.9:4000";
const STRANGER: &str = "203.0.113.66:4000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn sources() -> Sources {
    let network = AddressRange::new("198.51.100.0".parse().unwrap(), "198.51.100.255".parse().unwrap());
    Sources { host: Some("203.0.113.7".parse().unwrap()), networks: [network].into() }
}

/// A latch with a clock; each packet comes 20 ms after the one before.
struct Bench {
    latch: Latch,
    now: Instant,
    sequence: u16,
}

impl Bench {
    fn new(signalled: &str) -> Self {
        Self { latch: Latch::new(address(signalled), sources()), now: Instant::from_nanos(1), sequence: 65_530 }
    }

    fn hears(&mut self, from: &str) -> bool {
        self.hears_ssrc(from, 7)
    }

    fn hears_ssrc(&mut self, from: &str, ssrc: u32) -> bool {
        self.pass(20);
        self.sequence = self.sequence.wrapping_add(1);
        self.latch.judge(self.now, address(from), ssrc, self.sequence) == Verdict::Peer
    }

    /// The number of packets that are dropped before the first one is heard.
    fn drops(&mut self, from: &str) -> usize {
        (0..500).position(|_| self.hears(from)).unwrap_or(500)
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    fn target(&self) -> Option<SocketAddr> {
        self.latch.target(self.now)
    }

    fn moves(&mut self, signalled: &str) {
        self.latch.aim(self.now, address(signalled), sources());
    }
}

#[test]
fn the_signalled_address_is_heard_at_once_and_a_steady_stream_of_another_rank_after_five_packets() {
    for (from, dropped) in [(SIGNALLED, 0), (OTHER_PORT, 4), (GATEWAY, 4), ("203.0.113.7:9", 4), (STRANGER, 500)] {
        let mut bench = Bench::new(SIGNALLED);
        assert_eq!(bench.target(), Some(address(SIGNALLED)), "until a source is accepted");
        assert_eq!(bench.drops(from), dropped, "{from}");
        let target = if from == STRANGER { SIGNALLED } else { from };
        assert_eq!(bench.target(), Some(address(target)));
    }
}

#[test]
fn a_peer_whose_media_moves_in_mid_call_is_heard_again_after_one_second() {
    for moved in [OTHER_PORT, GATEWAY] {
        let mut bench = Bench::new(SIGNALLED);
        assert!((0..50).all(|_| bench.hears(SIGNALLED)));
        // The fiftieth packet after the last one of the old source arrives a second later.
        assert_eq!(bench.drops(moved), 49, "{moved}");
        assert_eq!(bench.target(), Some(address(moved)));
        // Another SSRC, and a move back to the better rank.
        assert!(bench.hears_ssrc(moved, 8));
        assert!(bench.hears(SIGNALLED));
        assert!(!bench.hears(moved), "a better rank replaces it at once");
        assert_eq!(bench.target(), Some(address(SIGNALLED)));
    }
}

#[test]
fn a_source_that_still_sends_gives_way_to_a_better_rank_only() {
    let mut bench = Bench::new(SIGNALLED);
    assert_eq!(bench.drops(GATEWAY), 4);
    for _ in 0..200 {
        assert!(!bench.hears("198.51.100.10:4000"), "the same rank");
        assert!(bench.hears(GATEWAY));
    }
    assert_eq!(bench.drops(OTHER_PORT), 4, "a better rank replaces it although it still sends");
    for _ in 0..200 {
        assert!(!bench.hears(GATEWAY), "a worse rank");
        assert!(bench.hears(OTHER_PORT));
    }
    assert_eq!(bench.drops("192.0.2.1:61002"), 49, "the same rank, once the other one is silent");
}

#[test]
fn single_forged_packets_with_the_address_of_the_description_do_not_silence_a_peer_elsewhere() {
    let mut bench = Bench::new(SIGNALLED);
    assert_eq!(bench.drops(GATEWAY), 4);
    for round in 0..200_u16 {
        let forged = bench.latch.judge(bench.now, address(OTHER_PORT), 99, round.wrapping_mul(1_000));
        assert_eq!(forged, Verdict::Foreign);
        assert!(bench.hears(GATEWAY));
        assert_eq!(bench.target(), Some(address(GATEWAY)));
    }
}

#[test]
fn a_peer_that_pauses_gets_its_place_back_from_a_source_that_has_used_the_pause() {
    let (phone, thief) = ("203.0.113.7:40001", "203.0.113.7:666");
    let mut bench = Bench::new("10.0.0.5:4000");
    assert_eq!(bench.drops(phone), 4);
    for _ in 0..3 {
        bench.pass(1_000);
        assert!((0..5).any(|_| bench.hears_ssrc(thief, 66)), "the peer could have moved there");
        assert!(bench.hears(phone), "its address and its SSRC");
        assert_eq!(bench.target(), Some(address(phone)));
        for _ in 0..100 {
            assert!(!bench.hears_ssrc(thief, 66));
            assert!(bench.hears(phone));
        }
    }
    // Another SSRC from the old address is another stream, and a minute later nothing is known of the old one.
    bench.pass(1_000);
    assert!((0..5).any(|_| bench.hears_ssrc(thief, 66)));
    assert!(!bench.hears_ssrc(phone, 8));
    (0..3_000).for_each(|_| assert!(bench.hears_ssrc(thief, 66)));
    assert!(!bench.hears(phone));
}

#[test]
fn packets_that_are_not_in_a_row_are_never_accepted() {
    let mut bench = Bench::new(SIGNALLED);
    for (ssrc, sequence) in [(1, 1), (2, 2), (3, 3), (3, 500), (3, 90), (4, 91), (4, 92), (4, 93), (4, 94), (5, 95)] {
        bench.pass(20);
        let verdict = bench.latch.judge(bench.now, address(OTHER_PORT), ssrc, sequence);
        assert_eq!(verdict, Verdict::Foreign, "{ssrc} {sequence}");
    }
    assert_eq!(bench.target(), Some(address(SIGNALLED)));
}

#[test]
fn a_candidate_is_disturbed_by_a_better_rank_only_and_does_not_block_for_ever() {
    let mut bench = Bench::new(SIGNALLED);
    let candidate = address(GATEWAY);
    for sequence in 0..3 {
        assert!(!bench.hears("198.51.100.10:4000"));
        assert_eq!(bench.latch.judge(bench.now, candidate, 9, sequence), Verdict::Foreign);
    }
    // The first candidate continues alone and stops; then the second one is accepted.
    bench.pass(600);
    assert_eq!(bench.drops(GATEWAY), 4);
}

#[test]
fn packets_of_a_source_without_a_better_rank_do_not_interrupt_a_candidate() {
    let mut bench = Bench::new(SIGNALLED);
    for sequence in 0..4 {
        assert_eq!(bench.latch.judge(bench.now, address(GATEWAY), 9, sequence), Verdict::Foreign);
        assert!(!bench.hears("198.51.100.10:4000"));
    }
    assert_eq!(bench.latch.judge(bench.now, address(GATEWAY), 9, 4), Verdict::Peer, "the fifth in a row");
}

#[test]
fn packets_from_where_a_peer_was_are_heard_and_are_not_sent_to() {
    let new = "192.0.2.1:5000";
    let mut bench = Bench::new(SIGNALLED);
    assert!(bench.hears(SIGNALLED));
    bench.moves(new);
    for _ in 0..200 {
        assert!(
            bench.hears(SIGNALLED),
            "they were already on the network, or a gateway sends from a different address"
        );
        assert_eq!(bench.target(), Some(address(new)), "it is sent to where it wants it");
    }
    assert!(bench.hears(new));
    assert!(!bench.hears(SIGNALLED), "now the peer is seen at its new address");
}

#[test]
fn packets_of_a_host_that_the_peer_has_left_are_heard_for_two_seconds() {
    let mut bench = Bench::new(SIGNALLED);
    assert!(bench.hears(SIGNALLED));
    bench.moves("192.0.2.200:4000");
    let heard = (0..500).filter(|_| bench.hears(SIGNALLED)).count();
    assert_eq!(heard, 99);
    assert_eq!(bench.target(), Some(address("192.0.2.200:4000")));
}

#[test]
fn a_peer_behind_a_nat_is_reached_where_it_was_until_it_is_seen_elsewhere() {
    let (was, is) = ("203.0.113.7:40001", "203.0.113.7:40002");
    let mut bench = Bench::new("10.0.0.5:4000");
    assert_eq!(bench.drops(was), 4);
    bench.moves("10.0.0.5:4002");
    assert!((0..10).all(|_| bench.hears(was)), "the last packets of the old stream");
    assert_eq!(bench.target(), Some(address(was)));
    assert_eq!(bench.drops(is), 4);
    assert_eq!((bench.target(), bench.hears(was)), (Some(address(is)), false));
    // Another peer stays at its source, whatever its description says.
    let mut bench = Bench::new("10.0.0.5:4000");
    assert_eq!(bench.drops(was), 4);
    bench.moves("10.0.0.5:4002");
    assert!((0..60).all(|_| bench.hears(was)));
    assert!((0..20).all(|_| !bench.hears(is)));
    assert_eq!(bench.target(), Some(address(was)));
    // A third peer sends nothing more: only its new signalled address is known.
    let mut bench = Bench::new("10.0.0.5:4000");
    assert_eq!(bench.drops(was), 4);
    bench.moves("10.0.0.5:4002");
    bench.pass(1_000);
    assert_eq!(bench.target(), Some(address("10.0.0.5:4002")));
}

#[test]
fn a_description_without_an_address_is_reached_where_its_media_comes_from() {
    for nowhere in ["0.0.0.0:4000", "[::]:4000"] {
        let mut bench = Bench::new(nowhere);
        assert_eq!(bench.target(), None);
        assert_eq!(bench.drops(STRANGER), 500);
        assert_eq!(bench.drops(GATEWAY), 4);
        assert_eq!(bench.target(), Some(address(GATEWAY)));
        bench.moves(nowhere);
        assert!(bench.hears(GATEWAY), "hold changes nothing");
    }
}

#[test]
fn a_source_that_is_not_allowed_any_more_is_left() {
    let mut bench = Bench::new(SIGNALLED);
    assert_eq!(bench.drops("203.0.113.7:9"), 4);
    bench.latch.aim(bench.now, address(SIGNALLED), Sources { host: None, ..sources() });
    assert_eq!(bench.target(), Some(address(SIGNALLED)));
    assert!(bench.hears("203.0.113.7:9"), "packets that were already on the network");
    bench.pass(2_000);
    assert_eq!(bench.drops("203.0.113.7:9"), 500);
}

proptest::proptest! {
    /// For any order of packets: none of a foreign source is accepted, and nothing is sent to one.
    #[test]
    fn no_order_of_packets_lets_a_stranger_in(steps in proptest::collection::vec((0_usize..5, 0_u32..3, 0_u64..1_500), 0..200)) {
        const ALL: [&str; 5] = [SIGNALLED, OTHER_PORT, GATEWAY, STRANGER, "192.0.2.1:5000"];
        let mut bench = Bench::new(SIGNALLED);
        for (which, ssrc, ms) in steps {
            bench.pass(ms);
            let heard = bench.hears_ssrc(ALL[which], ssrc);
            proptest::prop_assert!(!heard || ALL[which] != STRANGER);
            proptest::prop_assert!(bench.target() != Some(address(STRANGER)) && bench.target().is_some());
            if ssrc == 2 && ms > 1_000 {
                bench.moves(ALL[which % 2 * 4]);
            }
        }
    }
}
