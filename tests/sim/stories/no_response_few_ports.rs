//! Phones that do not respond within five seconds, where RTP ports are few: a late answer has the ports that were kept for it, and a phone
//! that does not respond keeps no port from an operator who is ready.

use siaga::switchboard::ConsoleCommand;

use super::call_commands::named;
use super::few_ports::{lent, talks, waits, without_port};
use super::ring_all::{outcomes, rings, states};
use super::*;

/// Two pairs. The phone of the only ready operator has not responded to the ring attempt of the only caller; the other operator is on a
/// break.
fn unheard() -> (World, Caller, String) {
    let mut settings = settings();
    settings.acd.none_ready = seconds(600);
    let mut world = World::with_ports(settings, &["budi", "sari"], 2);
    let caller = waits(&mut world);
    world.register("sari", SARI);
    let sari = rings(&mut world, SARI);
    world.receive(SARI, &response(&sari, SARI, "486 Busy Here", ""));
    world.take(SARI, "ACK");
    world.orders(ConsoleCommand::Pause { operator: named("sari"), reason: "meal".to_owned() });
    world.register("budi", BUDI);
    let invite = world.take(BUDI, "INVITE");
    world.pass(seconds(5));
    assert_eq!(states(&world)[0], 1, "the phone that does not respond is unreachable");
    assert_eq!((lent(&world), without_port(&world)), (2, 0), "both ports are kept for a late answer");
    world.sent.clear();
    (world, caller, invite)
}

#[test]
fn a_late_answer_has_the_ports_that_were_kept_for_it() {
    for after in [0, 1, 7, 26] {
        let (mut world, mut caller, invite) = unheard();
        world.pass(seconds(after));
        world.sent.clear();
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
        world.take(BUDI, "ACK");
        talks(&mut world, &mut caller, &invite);
        assert_eq!(outcomes(&world, OfferOutcome::Answered), 1, "{after}");
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_late_answer_serves_the_first_caller_while_another_waits_without_a_port() {
    let (mut world, mut caller, invite) = unheard();
    let second = waits(&mut world);
    assert_eq!((lent(&world), without_port(&world)), (2, 1));
    world.pass(seconds(3));
    world.sent.clear();
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    talks(&mut world, &mut caller, &invite);
    assert_eq!((lent(&world), without_port(&world)), (2, 1));
    caller.hangs_up(&mut world);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    second.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_does_not_respond_keeps_no_port_from_a_ready_operator() {
    let (mut world, mut caller, invite) = unheard();
    world.pass(seconds(5));
    world.orders(ConsoleCommand::Resume { operator: named("sari") });
    let next = rings(&mut world, SARI);
    assert_eq!((lent(&world), outcomes(&world, OfferOutcome::Withdrawn)), (2, 1));
    world.receive(SARI, &response(&next, SARI, "200 OK", &sdp(SARI, 31_000)));
    world.take(SARI, "ACK");
    caller.is_answered(&mut world);
    assert_eq!(outcomes(&world, OfferOutcome::Answered), 1);
    // The answer that was withdrawn is acknowledged and ended (RFC 3261 §13.2.2.4).
    world.sent.clear();
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    assert_eq!(endings(&world), []);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_returns_the_port_when_the_invite_without_a_response_is_over() {
    let (mut world, caller, invite) = unheard();
    world.pass(seconds(10));
    world.orders(ConsoleCommand::Pause { operator: named("budi"), reason: "meal".to_owned() });
    assert_eq!((lent(&world), without_port(&world)), (2, 0));
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    world.take(BUDI, "ACK");
    assert_eq!((lent(&world), without_port(&world)), (0, 1));
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
