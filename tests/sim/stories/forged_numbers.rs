//! Numbers, URIs and sequence numbers that a caller or a phone writes as it likes.

use siaga::sip::digest::client::Identity;
use siaga::switchboard::Registration;

use super::call_back::{abandons, calls_back, list};
use super::transfer::{floor, is_hung_up};
use super::*;

const GOOD: &str = "+628123456789";

fn listed(world: &mut World) -> Vec<String> {
    list(world).into_iter().map(|one| one.number).collect()
}

#[test]
fn a_call_back_never_goes_to_the_centre_to_short_numbers_or_where_config_forbids() {
    let mut world = floor();
    world.step(Input::Configure(Box::new({
        let mut settings = settings();
        settings.trunks[0].target = Some(TRUNK.parse().unwrap());
        settings.trunks[0].terms.country = "62".to_owned();
        settings.trunks[0].terms.called = vec!["021500".to_owned()];
        settings.numbers.emergency = "11200".to_owned();
        settings.callers.call_back_never = ["0900", "+882"].map(str::to_owned).into();
        settings
    })));
    let forged = ["112", "113", "11200", "02150011200", "1500888", "09001234567", "+62900123456", "+88213123456"];
    for number in forged.into_iter().chain([GOOD]) {
        // The site's number is another one here: the caller dials it.
        let invite = Caller::invite_of(&mut world);
        let own = header(&invite, "P-Asserted-Identity").split(['<', ':', '@']).nth(2).unwrap().to_owned();
        let invite = invite.replace(&own, number).replace("sip:112@", "sip:11200@");
        world.receive(TRUNK, &invite);
        let phone = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&phone, BUDI, "180 Ringing", ""));
        world.pass(Duration::from_secs(1));
        let cancel = invite.replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL");
        let cancel = format!("{}\r\nContent-Length: 0\r\n\r\n", cancel.split("\r\nContent-").next().unwrap());
        world.receive(TRUNK, &cancel);
        let gone = world.take(BUDI, "CANCEL");
        world.receive(BUDI, &response(&gone, BUDI, "200 OK", ""));
        world.receive(BUDI, &response(&phone, BUDI, "487 Request Terminated", ""));
        world.pass(Duration::from_secs(40));
    }
    assert_eq!(endings(&world).len(), forged.len() + 1);
    assert_eq!(listed(&mut world), [GOOD]);
}

#[test]
fn a_number_leaves_the_list_when_new_settings_forbid_it() {
    let mut world = floor();
    abandons(&mut world, "081355501", 8);
    abandons(&mut world, "+6281355502", 8);
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.trunks[0].terms.country = "62".to_owned();
    settings.callers.call_back_prefixes = vec!["0813".to_owned()];
    world.step(Input::Configure(Box::new(settings.clone())));
    assert_eq!(listed(&mut world), ["081355501", "+6281355502"], "one prefix is enough for both forms of a number");
    settings.callers.call_back_prefixes = vec!["+1".to_owned()];
    world.step(Input::Configure(Box::new(settings.clone())));
    assert_eq!(listed(&mut world), [""; 0]);
    settings.callers.call_back_prefixes.clear();
    world.step(Input::Configure(Box::new(settings)));
    abandons(&mut world, "081355503", 8);
    let (_, out) = calls_back(&mut world);
    assert!(out.starts_with("INVITE sip:+6281355503@"), "{out}");
}

#[test]
fn the_header_part_of_a_contact_is_not_sent_back() {
    let mut world = staffed();
    let evil = format!("<sip:sari@{SARI};method=BYE;x=1?X-Evil=1&Route=%3Csip:203.0.113.9%3E>");
    let mut ringing = World::new(settings(), &["sari"]);
    ringing.register_as("sari", SARI, &evil, 600, "");
    Caller::dials(&mut ringing);
    let invite = ringing.take(SARI, "INVITE");
    assert!(invite.starts_with(&format!("INVITE sip:sari@{SARI};x=1 SIP/2.0\r\n")), "{invite}");
    assert_eq!(header(&invite, "To"), format!("<sip:sari@{SARI};x=1>"));
    // In a dialog, and in a route.
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    let contact = format!("Contact: {}", header(&answer, "Contact"));
    let route = format!("Record-Route: <sip:{BUDI};lr?X-Evil=1>;y=2\r\n");
    let answer = answer.replace(&contact, &format!("{route}Contact: <sip:budi@{BUDI}?X-Evil=1&Subject=x>"));
    world.receive(BUDI, &answer);
    let ack = world.take(BUDI, "ACK");
    assert!(ack.starts_with(&format!("ACK sip:budi@{BUDI} SIP/2.0\r\n")), "{ack}");
    assert_eq!(header(&ack, "Route"), format!("<sip:{BUDI};lr>;y=2"));
    caller.is_answered(&mut world);
    // In a transfer.
    world.register("sari", SARI);
    world.asks(BUDI, &invite, "REFER", 1, "Refer-To: <sip:sari@127.0.0.1?X-Evil=1>\r\n", "");
    world.take(BUDI, "SIP/2.0 202");
    let offered = world.take(SARI, "INVITE");
    assert!(!offered.contains("Evil"), "{offered}");
}

#[test]
fn a_sequence_number_that_leaves_none_for_later_is_rejected_and_not_remembered() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    for cseq in [1 << 31, u32::MAX] {
        for method in ["INVITE", "UPDATE", "INFO", "BYE"] {
            world.asks(BUDI, &invite, method, cseq, "", "");
            world.take(BUDI, "SIP/2.0 400");
            caller.asks(&mut world, method, cseq, "", "");
            world.take(TRUNK, "SIP/2.0 400");
        }
    }
    caller.asks(&mut world, "UPDATE", (1 << 31) - 1, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    world.asks(BUDI, &invite, "BYE", 1, "", "");
    world.take(BUDI, "SIP/2.0 200");
    caller.is_hung_up(&mut world);
    // Outside dialogs too.
    let register = format!(
        "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {BUDI};branch=z9hG4bKbig;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:budi@127.0.0.1>;tag=r\r\nTo: <sip:budi@127.0.0.1>\r\nCall-ID: big\r\nCSeq: 2147483648 REGISTER\r\n\
         Content-Length: 0\r\n\r\n"
    );
    world.receive(BUDI, &register);
    world.take(BUDI, "SIP/2.0 400");
}

#[test]
fn an_emergency_call_with_such_a_number_is_served_and_can_be_ended() {
    let mut world = staffed();
    let invite = Caller::invite_of(&mut world).replace("CSeq: 1 INVITE", "CSeq: 4000000000 INVITE");
    world.receive(TRUNK, &invite);
    answers(&mut world, BUDI);
    let answer = world.take(TRUNK, "SIP/2.0 200");
    world.asks(TRUNK, &answer, "ACK", 4_000_000_000, "", "");
    world.asks(TRUNK, &answer, "BYE", 4_000_000_001, "", "");
    assert_eq!(header(&world.take(TRUNK, "SIP/2.0 200"), "CSeq"), "4000000001 BYE");
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    is_hung_up(&mut world, BUDI);
}

#[test]
fn a_call_back_never_goes_to_a_name_with_which_the_centre_is_registered() {
    // Telcos write the number with and without its plus sign.
    for plus in ["+", ""] {
        let mut world = floor();
        let mut settings = super::super::world::settings();
        settings.trunks[0].target = Some(TRUNK.parse().unwrap());
        let terms = &mut settings.trunks[0].terms;
        terms.country = "62".to_owned();
        terms.identity = Some(Identity { user: "02155501120".to_owned(), password: "rahasia".to_owned() });
        let (registrar, aor) = ("sip:telco.example".to_owned(), format!("sip:{plus}622155501121@telco.example"));
        let register = Registration { registrar, aor, expires: Duration::from_secs(600) };
        let own = ["02155501120", "+622155501120", "622155501120", "02155501121", "+622155501121"];
        for register in [Some(register), None] {
            settings.trunks[0].terms.register = register.clone();
            world.step(Input::Configure(Box::new(settings.clone())));
            for number in [GOOD].into_iter().chain(own) {
                abandons(&mut world, number, 8);
            }
            let listed = listed(&mut world);
            assert_eq!(listed == [GOOD], register.is_some(), "{listed:?}");
        }
    }
}
