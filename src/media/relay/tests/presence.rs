//! A peer that falls silent and comes back: the switchboard learns of both, whatever happened in between.

use super::*;

/// The caller's silence is reported.
fn falls_silent(bench: &mut Bench) {
    bench.advance(10_000);
    bench.relay.look_for_silence(bench.now, &mut bench.out);
    assert!(bench.events().contains(&Event::Silent { anchor: CALLER, limit: None }));
}

/// A caller that was heard and has fallen silent.
fn silent() -> (Bench, Phone) {
    let (mut bench, mut caller, _) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    bench.from(caller.address, CALLER, &caller.sound(1));
    assert_eq!(bench.events(), [Event::Heard { anchor: CALLER }]);
    falls_silent(&mut bench);
    (bench, caller)
}

fn speaks(bench: &mut Bench, caller: &mut Phone) -> Vec<Event> {
    bench.from(caller.address, CALLER, &caller.sound(1));
    bench.events()
}

fn report() -> Vec<u8> {
    let mut report = vec![0x80, 200, 0, 6];
    report.resize(28, 0);
    report
}

#[test]
fn a_peer_that_speaks_after_its_silence_was_reported_is_heard_whatever_came_between() {
    let heard = [Event::Heard { anchor: CALLER }];
    let (mut bench, mut caller) = silent();
    bench.command(Command::SetRemote { anchor: CALLER, remote: caller.remote() });
    assert_eq!(speaks(&mut bench, &mut caller), heard, "aimed again");
    assert_eq!(speaks(&mut bench, &mut caller), []);

    let (mut bench, mut caller) = silent();
    bench.command(Command::LimitSilence { anchor: CALLER, limit: Some(Duration::from_secs(60)) });
    bench.command(Command::LimitSilence { anchor: CALLER, limit: None });
    assert_eq!(speaks(&mut bench, &mut caller), heard, "another limit");
    assert_eq!(speaks(&mut bench, &mut caller), []);
}

#[test]
fn a_report_or_a_packet_of_an_unknown_type_ends_the_silence_of_a_peer_that_was_heard() {
    let heard = [Event::Heard { anchor: CALLER }];
    let (mut bench, mut caller) = silent();
    assert_eq!(bench.reports(caller.remote().rtcp, &report()), Fate::Taken);
    assert_eq!(bench.events(), heard, "a report");
    assert_eq!(speaks(&mut bench, &mut caller), []);
    falls_silent(&mut bench);

    let (mut bench, mut caller) = silent();
    let noise = caller.packet(13, &[40]);
    assert_eq!(bench.from(caller.address, CALLER, &noise).0, Fate::Ignored);
    assert_eq!(bench.events(), heard, "comfort noise that was not agreed");
    assert_eq!(speaks(&mut bench, &mut caller), []);
    falls_silent(&mut bench);
}

#[test]
fn neither_a_stranger_nor_a_peer_that_never_spoke_ends_a_silence() {
    let (mut bench, mut caller) = silent();
    let stranger: SocketAddr = "198.51.100.66:4000".parse().unwrap();
    let packet = caller.sound(1);
    assert_eq!(bench.from(stranger, CALLER, &packet).0, Fate::Foreign);
    assert_eq!(bench.reports(stranger, &report()), Fate::Foreign);
    assert_eq!(bench.events(), []);

    let (mut bench, mut caller, _) = Bench::with_phones(Codec::Pcma, Codec::Pcma);
    falls_silent(&mut bench);
    bench.reports(caller.remote().rtcp, &report());
    assert_eq!(bench.events(), [], "it has sent no audio");
    assert_eq!(speaks(&mut bench, &mut caller), [Event::Heard { anchor: CALLER }]);
}
