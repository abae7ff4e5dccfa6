//! Descriptions in unreliable provisional responses: one of them is the answer if the 2xx has none (RFC 3261 §13.2.1).

use siaga::media::command::Remote;

use super::transfer::{floor, is_hung_up, is_notified, refers, talking};
use super::*;

/// The address to which media for the callee is sent.
fn aimed(world: &World) -> Remote {
    let (_, operator) = ports(world);
    let aim = world.media.iter().rev().find_map(|command| match command {
        Command::SetRemote { anchor, remote } if *anchor == operator => Some(remote.clone()),
        _ => None,
    });
    aim.unwrap()
}

/// Answers siaga's INVITE with these bodies in provisional responses and this one in the 200.
fn answers_with(world: &mut World, at: &str, invite: &str, early: &[&str], last: &str) {
    for body in early {
        world.receive(at, &response(invite, at, "183 Session Progress", body));
    }
    world.receive(at, &response(invite, at, "200 OK", last));
    world.take(at, "ACK");
}

#[test]
fn a_200_without_description_is_an_answer_when_a_183_had_one() {
    let (first, second) = (sdp(BUDI, 31_000), sdp(BUDI, 32_000));
    let unusable = first.replace("RTP/AVP 8 101", "RTP/AVP 97").replace("rtpmap:8 PCMA", "rtpmap:97 opus");
    for (early, last, port) in [
        (vec![first.as_str()], "", 31_000),
        (vec!["", &first], "", 31_000),
        // The first description counts; one in the 200 has the phone's present address.
        (vec![&first, &second], "", 31_000),
        (vec![&first], second.as_str(), 32_000),
        (vec![&first], unusable.as_str(), 31_000),
        (vec![&unusable, &first], "", 31_000),
    ] {
        let mut world = staffed();
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        answers_with(&mut world, BUDI, &invite, &early, last);
        caller.is_answered(&mut world);
        assert!(!world.has(BUDI, "BYE"));
        assert_eq!(aimed(&world).rtp.port(), port);
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_description_of_another_fork_is_no_answer() {
    let mut world = staffed();
    let caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    // It is another phone: its Contact differs.
    let early = response(&invite, SARI, "183 Session Progress", &sdp(SARI, 31_000));
    world.receive(BUDI, &early.replace(";tag=phone", ";tag=fork"));
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", ""));
    world.take(BUDI, "ACK");
    is_hung_up(&mut world, BUDI);
    caller.cancels(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_gateway_that_changes_its_tag_after_the_description_is_connected_and_two_forks_are_not() {
    for forks in [1, 2] {
        let mut world = staffed();
        let mut caller = Caller::dials(&mut world);
        let invite = world.take(BUDI, "INVITE");
        for fork in 0..forks {
            let early = response(&invite, BUDI, "183 Session Progress", &sdp(BUDI, 32_000 + 2 * fork));
            world.receive(BUDI, &early.replace(";tag=phone", &format!(";tag=fork{fork}")));
        }
        world.receive(BUDI, &response(&invite, BUDI, "200 OK", ""));
        world.take(BUDI, "ACK");
        if forks == 1 {
            caller.is_answered(&mut world);
            assert!(!world.has(BUDI, "BYE"));
            assert_eq!(aimed(&world).rtp.port(), 32_000);
            caller.hangs_up(&mut world);
            is_hung_up(&mut world, BUDI);
        } else {
            is_hung_up(&mut world, BUDI);
            caller.cancels(&mut world);
        }
        world.assert_empty_in_the_end();
    }
}

#[test]
fn the_fallback_number_may_describe_itself_in_a_183_only() {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.fallback.number = Some("0725113".to_owned());
    let mut world = World::new(settings, &[]);
    let mut caller = Caller::dials(&mut world);
    let out = world.take(TRUNK, "INVITE");
    answers_with(&mut world, TRUNK, &out, &[&sdp(TRUNK, 32_000)], "");
    caller.is_answered(&mut world);
    assert_eq!(aimed(&world).rtp.port(), 32_000);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, TRUNK);
    world.assert_empty_in_the_end();
}

#[test]
fn an_agency_and_a_participant_may_describe_themselves_in_a_183_only() {
    for to in ["damkar", "*30damkar"] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        refers(&mut world, &invite, 1, &format!("Refer-To: <sip:{to}@127.0.0.1>\r\n"));
        let out = world.take(TRUNK, "INVITE");
        answers_with(&mut world, TRUNK, &out, &[&sdp(TRUNK, 32_000)], "");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
        let aims =
            |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 32_000);
        assert!(world.media.iter().any(aims) && !world.has(TRUNK, "BYE"));
        is_hung_up_if(&mut world, to == "damkar");
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

fn is_hung_up_if(world: &mut World, passed_on: bool) {
    if passed_on {
        is_hung_up(world, BUDI);
    }
}
