//! Requests in dialogs, CANCEL and 2xx from hosts that have nothing to do with them: whatever they name rightly, no call ends, moves
//! or waits because of them (RFC 3261 §22, §26.1).

use siaga::cdr::fact::Callee;
use siaga::sip::flow::{ConnectionId, Transport};
use siaga::sip::locate::Target;
use siaga::switchboard::{Network, Output};

use super::super::watch::Watch;
use super::super::world::SERVER;
use super::attended::Placed;
use super::conference::{joins, staffed as three_on_the_floor};
use super::transfer::{DAMKAR, is_hung_up, refers};
use super::*;

pub(super) const STRANGER: &str = "203.0.113.9:5060";
const NEW: &str = "127.0.0.13:5072";

/// The same credentials with another response.
pub(super) fn spoiled(credentials: &str) -> String {
    let (front, back) = credentials.split_once("response=\"").unwrap();
    let (digit, rest) = back.split_at(1);
    format!("{front}response=\"{}{rest}", if digit == "0" { "1" } else { "0" })
}

/// What a stranger asks for in a dialog.
pub(super) const METHODS: [&str; 10] =
    ["BYE", "INVITE", "UPDATE", "INFO", "REFER", "OPTIONS", "MESSAGE", "PRACK", "NOTIFY", "SUBSCRIBE"];

/// What the stranger gets; nothing else happens.
pub(super) fn gets(world: &mut World, text: &str) -> String {
    gets_at(world, STRANGER, text)
}

/// The same for a request from another address.
pub(super) fn gets_at(world: &mut World, at: &str, text: &str) -> String {
    let before = world.switchboard.gauges();
    let remote = at.parse().unwrap();
    world.receive(at, text);
    let mut status = String::new();
    for output in &world.last_step {
        match output {
            Output::Send(transmit) if transmit.flow.remote == remote => {
                let said = std::str::from_utf8(&transmit.bytes).unwrap();
                assert!(status.is_empty() && said.starts_with("SIP/2.0 "), "{said}");
                status = said[8..11].to_owned();
            }
            Output::Rejected(_) => {}
            other => panic!("{text}\nleads to {other:?}"),
        }
    }
    assert_eq!(world.switchboard.gauges(), before, "{text}");
    world.sent.retain(|(to, _)| *to != remote);
    status
}

/// A request of a stranger in the dialog of a message that one of its ends has got from us.
pub(super) fn forged(world: &mut World, got: &str, method: &str) -> String {
    let more = match method {
        "REFER" => "Refer-To: <sip:sari@127.0.0.1>\r\n",
        "PRACK" => "RAck: 1 1 INVITE\r\n",
        "SUBSCRIBE" | "NOTIFY" => "Event: dialog\r\nSubscription-State: active\r\n",
        _ => "",
    };
    let body = if matches!(method, "INVITE" | "UPDATE") { sdp(STRANGER, 31_900) } else { String::new() };
    let (to, from) = (header(got, "To"), header(got, "From"));
    let answered = format!("{to};tag=phone");
    let answered = if to.contains("tag=") { to } else { answered.as_str() };
    let (from, to) = if got.starts_with("SIP/2.0") { (from, to) } else { (answered, from) };
    let branch = format!("z9hG4bKf{}", world.next_serial());
    let (uri, call_id) = ("sip:siaga@127.0.0.1:5060", header(got, "Call-ID"));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
         To: {to}\r\nCall-ID: {call_id}\r\nCSeq: 900 {method}\r\nContact: <sip:me@{STRANGER}>\r\n{more}{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Strangers try every method in a dialog, with its tags and with others.
fn tries_everything(world: &mut World, got: &str, expected: &str) {
    for method in METHODS {
        let right = forged(world, got, method);
        assert_eq!(gets(world, &right), expected, "{method}");
        let wrong = right.replace(";tag=", ";tag=x");
        assert_eq!(gets(world, &wrong), "481", "{method} with other tags");
    }
    let ack = forged(world, got, "ACK");
    assert_eq!(gets(world, &ack), "");
}

#[test]
fn no_request_of_a_stranger_changes_the_leg_of_a_caller_or_of_an_operator() {
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    let early = world.take(TRUNK, "SIP/2.0 180");
    tries_everything(&mut world, &early, "403");
    tries_everything(&mut world, &invite, "401");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    let answer = world.take(TRUNK, "SIP/2.0 200");
    world.asks(TRUNK, &answer, "ACK", 1, "", "");
    tries_everything(&mut world, &answer, "403");
    tries_everything(&mut world, &invite, "401");
    // Their CSeq of 900 is not remembered.
    world.asks(TRUNK, &answer, "UPDATE", 2, "", "");
    world.take(TRUNK, "SIP/2.0 200");
    operator_hangs_up(&mut world, BUDI, &invite);
    let bye = world.take(TRUNK, "BYE");
    world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
    assert_eq!(endings(&world), [(Side::Operator, EndCause::Normal)]);
    drop(caller);
    world.assert_empty_in_the_end();
}

#[test]
fn no_request_of_a_stranger_changes_the_leg_of_a_participant_or_of_an_agency() {
    let (mut world, caller, invite) = three_on_the_floor();
    let participant = joins(&mut world, &invite, 1);
    tries_everything(&mut world, &participant, "401");
    operator_hangs_up(&mut world, SARI, &participant);
    refers(&mut world, &invite, 2, "Refer-To: <sip:damkar@127.0.0.1>\r\n");
    let agency = answers(&mut world, TRUNK);
    is_hung_up(&mut world, BUDI);
    tries_everything(&mut world, &agency, "403");
    let with_agency =
        |kind: &FactKind| matches!(kind, FactKind::Answered { by: Callee::Number(number), .. } if number == DAMKAR);
    assert_eq!(world.count(with_agency), 1);
    caller.hangs_up(&mut world);
    let bye = world.take(TRUNK, "BYE");
    assert_eq!(header(&bye, "Call-ID"), header(&agency, "Call-ID"));
    world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
}

#[test]
fn no_request_of_a_stranger_changes_a_call_that_an_operator_places_or_a_feature_code() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut placed = Placed::to(&mut world, "budi", BUDI, "sari");
    answers(&mut world, SARI);
    let answer = placed.is_answered(&mut world);
    tries_everything(&mut world, &answer, "401");
    let mut code = Placed::to(&mut world, "sari", SARI, "*13");
    let answer = code.is_answered(&mut world);
    tries_everything(&mut world, &answer, "401");
}

#[test]
fn a_cancel_from_elsewhere_cancels_nothing() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    world.sent.retain(|(_, text)| !text.starts_with("SIP/2.0"));
    let before = world.facts.len();
    caller.sends_cancel_from(&mut world, STRANGER);
    assert_eq!(world.take(TRUNK, "SIP/2.0")[8..11], *"481");
    assert_eq!(world.facts.len(), before);
    // The INVITE of an operator's phone is cancelled by no one else either.
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
}

#[test]
fn a_cancel_from_another_server_of_the_trunk_counts() {
    let mut settings = settings();
    settings.trunks[0].peers.push(Network::parse("127.0.0.64/28").unwrap());
    let mut world = World::new(settings, &["budi"]);
    let caller = Caller::dials(&mut world);
    caller.sends_cancel_from(&mut world, "127.0.0.70:5060");
    world.take(TRUNK, "SIP/2.0 487");
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Abandoned)]);
}

#[test]
fn every_server_of_a_trunk_speaks_for_its_calls() {
    let targets =
        |hosts: [&str; 2]| hosts.map(|host| Target { transport: Transport::Udp, address: host.parse().unwrap() });
    let contact = "Contact: <sip:c@127.0.0.99:5066>";
    for (from, expected) in [
        ("127.0.0.70:5060", "200"),
        ("127.0.0.2:6000", "200"),
        ("127.0.0.99:7000", "200"),
        ("127.0.0.98:5060", "200"),
        ("127.0.0.51:5060", "200"),
        ("127.0.0.71:5060", "200"),
        ("127.0.0.3:5091", "403"),
        ("127.0.0.80:5060", "403"),
    ] {
        let mut settings = settings();
        settings.trunks[0].peers.push(Network::parse("127.0.0.64/28").unwrap());
        let mut world = World::new(settings, &["budi"]);
        world.register("budi", BUDI);
        world.step(Input::Targets {
            trunk: "telco".to_owned(),
            targets: targets(["127.0.0.50:5060", "127.0.0.51:5060"]).to_vec(),
        });
        let invite = Caller::invite_of(&mut world);
        let old = format!("Contact: {}", header(&invite, "Contact"));
        let route = "Record-Route: <sip:127.0.0.98:5066;lr>\r\n";
        world.receive(TRUNK, &invite.replace(&old, &format!("{route}{contact}")));
        answers(&mut world, BUDI);
        let answer = world.take(TRUNK, "SIP/2.0 200");
        world.asks(from, &answer, "BYE", 2, "", "");
        assert_eq!(world.take(from, "SIP/2.0")[8..11], *expected, "{from}");
        assert_eq!(endings(&world).len(), usize::from(expected == "200"), "{from}");
        let setting = world.rejections.iter().filter_map(|one| one.setting.as_deref()).next_back();
        let host = from.split(':').next().unwrap();
        let wanted = format!("peers = [\"{host}\"] in the [[trunk]] with name = \"telco\"");
        assert_eq!(setting, (expected == "403").then_some(wanted.as_str()));
    }
}

#[test]
fn a_phone_that_moves_without_registering_shows_its_credentials_and_only_its_own() {
    for (who, expected) in [("sari", "403"), ("budi", "200")] {
        let mut world = staffed();
        let mut caller = Caller::dials(&mut world);
        let invite = answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        world.media.clear();
        world.asks(NEW, &invite, "INVITE", 1, "", &sdp(NEW, 31_010));
        let challenge = world.take(NEW, "SIP/2.0 401");
        world.asks(NEW, &invite, "ACK", 1, "", "");
        assert_eq!(world.media, []);
        let proof = credentials(&challenge, who, "INVITE", "sip:siaga@127.0.0.1:5060");
        world.asks(NEW, &invite, "INVITE", 2, &proof, &sdp(NEW, 31_010));
        assert_eq!(world.take(NEW, "SIP/2.0")[8..11], *expected);
        world.asks(NEW, &invite, "ACK", 2, "", "");
        caller.hangs_up(&mut world);
        let at = if expected == "200" { NEW } else { BUDI };
        is_hung_up(&mut world, at);
        let moved = world.media.iter().any(|command| matches!(command, Command::SetRemote { .. }));
        assert_eq!(moved, expected == "200");
        world.assert_empty_in_the_end();
    }
}

#[test]
fn wrong_credentials_in_a_dialog_change_nothing() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.asks(NEW, &invite, "BYE", 1, "", "");
    let challenge = world.take(NEW, "SIP/2.0 401");
    let proof = spoiled(&credentials(&challenge, "budi", "BYE", "sip:siaga@127.0.0.1:5060"));
    world.asks(NEW, &invite, "BYE", 2, &proof, "");
    assert_eq!(world.take(NEW, "SIP/2.0")[8..11], *"403");
    assert_eq!(endings(&world), []);
    operator_hangs_up(&mut world, BUDI, &invite);
}

#[test]
fn the_answer_in_a_strangers_ack_moves_no_media() {
    let mut world = staffed();
    let caller = Caller::dials_with(&mut world, "", false);
    answers(&mut world, BUDI);
    let answer = world.take(TRUNK, "SIP/2.0 200");
    world.media.clear();
    let ack = forged(&mut world, &answer, "ACK");
    let ack = ack.replace("CSeq: 900", "CSeq: 1").replace("Content-Length: 0\r\n\r\n", "");
    let body = sdp(STRANGER, 31_900);
    let ack = format!("{ack}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(gets(&mut world, &ack), "");
    assert_eq!(world.media, []);
    world.asks(TRUNK, &answer, "ACK", 1, "", &sdp(TRUNK, 30_000));
    assert!(world.media.iter().any(|command| matches!(command, Command::SetRemote { .. })));
    drop(caller);
}

#[test]
fn a_dialog_that_tls_protects_is_not_spoken_in_over_udp() {
    let (local, remote) = (SERVER.parse().unwrap(), TRUNK.parse().unwrap());
    let over = |n| Flow { transport: Transport::Tls, local, remote, connection: ConnectionId(n) };
    for (flow, named, expected) in [
        (Flow::udp(local, remote), false, "403"),
        (over(4), false, "200"),
        (over(5), false, "200"),
        (Flow::udp(local, remote), true, "403"),
        (over(4), true, "200"),
        // Another connection, whose peer has not proven the name.
        (over(5), true, "403"),
    ] {
        let mut settings = settings();
        settings.trunks[0].tls_name = named.then(|| "sbc.example".to_owned());
        let mut world = World::new(settings, &["budi"]);
        world.register("budi", BUDI);
        world.streams.insert(remote, over(4));
        world.step(Input::Proven { flow: over(4), names: vec!["sbc.example".to_owned()] });
        Caller::dials(&mut world);
        answers(&mut world, BUDI);
        let answer = world.take(TRUNK, "SIP/2.0 200");
        world.streams.insert(remote, flow);
        world.sent.clear();
        world.asks(TRUNK, &answer, "BYE", 2, "", "");
        assert_eq!(world.take(TRUNK, "SIP/2.0 ")[8..11], *expected, "{flow}, {named}");
    }
}

#[test]
fn a_subscription_is_ended_by_its_own_phone_only() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let mut watch = Watch::begins(&mut world, "sari", SARI, "budi", "presence");
    watch.hears(&mut world);
    let got = format!(
        "SIP/2.0 200 OK\r\nFrom: <sip:sari@127.0.0.1>;tag=w\r\nTo: {}\r\nCall-ID: {}\r\n",
        watch.to,
        watch.call_id()
    );
    let ends = forged(&mut world, &got, "SUBSCRIBE").replace("Event: dialog", "Event: presence\r\nExpires: 0");
    assert_eq!(gets(&mut world, &ends), "401");
    // A NAT has given the phone another port. As long as a colleague has the same address, the phone shows its credentials.
    watch.at = "127.0.0.3:6092";
    assert!(watch.asks_as_operator(&mut world, "Expires: 600\r\n").starts_with("SIP/2.0 200"));
    world.register_for("budi", BUDI, 0);
    watch.at = "127.0.0.3:6093";
    assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 200"));
}

#[test]
fn a_late_2xx_counts_only_from_the_peer_that_was_asked() {
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.is_unreachable(BUDI);
    let answer = response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000));
    assert_eq!(gets(&mut world, &answer.replace(BUDI, STRANGER)), "", "no ACK and no BYE for a stranger");
    world.receive(BUDI, &answer);
    world.take(BUDI, "ACK");
    is_hung_up(&mut world, BUDI);
    caller.cancels(&mut world);
}

#[test]
fn an_ack_and_a_cancel_from_an_unknown_server_of_the_trunk_are_reported_with_the_setting() {
    let elsewhere = "127.0.0.80:5060";
    let setting = "peers = [\"127.0.0.80\"] in the [[trunk]] with name = \"telco\"";
    let reported = |world: &World| {
        let one = |rejection: &siaga::switchboard::Rejection| {
            (rejection.reason.word(), rejection.status, rejection.setting.clone().unwrap())
        };
        world.rejections.iter().map(one).collect::<Vec<_>>()
    };
    let foreign = |world: &World| world.switchboard.guard_figures().counts[5];
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    caller.sends_cancel_from(&mut world, elsewhere);
    let of_cancel = ("foreign-host", 481, setting.to_owned());
    assert_eq!((reported(&world), foreign(&world)), (vec![of_cancel.clone()], 1));
    answers(&mut world, BUDI);
    let answer = world.take(TRUNK, "SIP/2.0 200");
    world.asks(elsewhere, &answer, "ACK", 1, "", "");
    let of_ack = ("foreign-host", 403, setting.to_owned());
    assert_eq!((reported(&world), foreign(&world)), (vec![of_cancel.clone(), of_ack.clone()], 2));
    assert!(!world.has(elsewhere, ""), "an ACK has no response");
    world.pass(Duration::from_secs(1));
    world.take(TRUNK, "SIP/2.0 200");
    world.asks(TRUNK, &answer, "ACK", 1, "", "");
    // A stranger's ACK for a phone's leg is counted; no setting accepts it.
    let mut placed = Placed::to(&mut world, "budi", BUDI, "*14");
    let answer = placed.is_answered(&mut world);
    world.asks(STRANGER, &answer, "ACK", 2, "", "");
    assert_eq!((reported(&world), foreign(&world)), (vec![of_cancel, of_ack], 3));
}

#[test]
fn a_phone_of_another_operator_has_no_say_in_a_colleagues_dialog() {
    let mut world = staffed();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.register("sari", STRANGER);
    tries_everything(&mut world, &invite, "401");
    assert_eq!(endings(&world), []);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    world.assert_empty_in_the_end();
}
