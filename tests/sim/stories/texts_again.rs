//! Texts to phones that register from one address and listen at another.

use siaga::ids::OperatorId;
use siaga::switchboard::ConsoleCommand;

use super::*;

/// Where budi's phone registers from, while it names `BUDI`.
const SOURCE: &str = "127.0.0.3:49152";

fn apart() -> World {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register_as("budi", SOURCE, &format!("<sip:budi@{BUDI}>"), 600, "");
    world.register("sari", SARI);
    let (operator, text) = (Some(OperatorId::parse("budi").unwrap()), "rapat".to_owned());
    world.orders(ConsoleCommand::Message { operator, text });
    world
}

#[test]
fn a_text_goes_where_the_phone_registers_from_if_its_contact_does_not_respond() {
    let mut world = apart();
    let first = world.take(BUDI, "MESSAGE");
    world.pass(Duration::from_millis(999));
    assert!(!world.has(SOURCE, "MESSAGE"));
    world.pass(Duration::from_millis(1));
    let second = world.take(SOURCE, "MESSAGE");
    assert_eq!(header(&first, "Call-ID"), header(&second, "Call-ID"), "the same text");
    world.receive(SOURCE, &response(&second, SOURCE, "200 OK", ""));
    world.sent.clear();
    world.pass(Duration::from_secs(10));
    assert!(!world.has(SOURCE, "MESSAGE"), "it has been taken");
    world.assert_empty_in_the_end();
}

#[test]
fn a_text_that_the_contact_has_taken_goes_nowhere_else() {
    let mut world = apart();
    let first = world.take(BUDI, "MESSAGE");
    world.receive(BUDI, &response(&first, BUDI, "200 OK", ""));
    world.pass(Duration::from_secs(10));
    assert!(!world.has(SOURCE, "MESSAGE"));
    world.assert_empty_in_the_end();
}

#[test]
fn a_text_is_rejected_only_when_neither_address_takes_it() {
    for takes in [true, false] {
        let mut world = apart();
        world.icmp(BUDI);
        world.pass(Duration::from_secs(1));
        let second = world.take(SOURCE, "MESSAGE");
        let status = if takes { "200 OK" } else { "415 Unsupported Media Type" };
        world.receive(SOURCE, &response(&second, SOURCE, status, ""));
        world.assert_empty_in_the_end();
    }
}
