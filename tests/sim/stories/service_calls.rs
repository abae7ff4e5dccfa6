//! Calls of phones without an operator, and feature codes: which requests count in their dialogs, and how many calls one account has.

use super::attended::Placed;
use super::stations::{DESK1, room};
use super::*;

const NEW: &str = "127.0.0.13:5072";

#[test]
fn a_station_without_an_operator_shows_its_credentials_in_its_own_emergency_call() {
    for registers in [true, false] {
        let mut world = room();
        world.register("sari", SARI);
        let mut placed = Placed::to(&mut world, "desk1", DESK1, "112");
        answers(&mut world, SARI);
        let answer = placed.is_answered(&mut world);
        let shows = |world: &mut World, who: &str, cseq: u32| {
            world.asks(NEW, &answer, "BYE", cseq, "", "");
            let challenge = world.take(NEW, "SIP/2.0 401");
            let proof = credentials(&challenge, who, "BYE", "sip:siaga@127.0.0.1:5060");
            world.asks(NEW, &answer, "BYE", cseq + 1, &proof, "");
            world.take(NEW, "SIP/2.0")[8..11].to_owned()
        };
        assert_eq!(shows(&mut world, "desk2", 3), "403");
        assert_eq!(endings(&world), []);
        if registers {
            world.register("desk1", NEW);
            world.asks(NEW, &answer, "BYE", 5, "", "");
            world.take(NEW, "SIP/2.0 200");
        } else {
            assert_eq!(shows(&mut world, "desk1", 5), "200");
        }
        assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    }
}

#[test]
fn a_phone_that_moves_ends_its_feature_code_call_with_its_credentials() {
    let mut world = room();
    let mut code = Placed::to(&mut world, "desk1", DESK1, "*17101");
    let answer = code.is_answered(&mut world);
    world.asks(NEW, &answer, "BYE", 3, "", "");
    let challenge = world.take(NEW, "SIP/2.0 401");
    let proof = credentials(&challenge, "desk1", "BYE", "sip:siaga@127.0.0.1:5060");
    world.asks(NEW, &answer, "BYE", 4, &proof, "");
    world.take(NEW, "SIP/2.0 200");
    world.assert_empty_in_the_end();
}

#[test]
fn an_account_has_two_service_calls_at_once_and_takes_no_port_that_a_conversation_needs() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut first = Placed::to(&mut world, "budi", BUDI, "*14");
    first.is_answered(&mut world);
    Placed::to(&mut world, "budi", BUDI, "*11").is_answered(&mut world);
    for _ in 0..3 {
        Placed::to(&mut world, "budi", BUDI, "*14");
        world.take(BUDI, "SIP/2.0 486");
    }
    assert_eq!(world.switchboard.gauges().anchors, 2);
    Placed::to(&mut world, "sari", SARI, "*14").is_answered(&mut world);
    first.asks(&mut world, "BYE", 3, "");
    world.take(BUDI, "SIP/2.0 200");
    Placed::to(&mut world, "budi", BUDI, "*14").is_answered(&mut world);
    world.pass(Duration::from_secs(20));
    Placed::to(&mut world, "budi", BUDI, "*14").is_answered(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();

    let mut world = World::with_ports(settings(), &["budi", "sari"], 3);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    Placed::to(&mut world, "budi", BUDI, "*14").is_answered(&mut world);
    Placed::to(&mut world, "sari", SARI, "*14");
    world.take(SARI, "SIP/2.0 503");
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
}
