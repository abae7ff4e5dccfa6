//! Carries out each row of the state table of `Session`.

use std::time::Duration;

use super::{TIMER, World, leg, request, sdp_of, server_of, with_message};
use crate::media::command::Command;
use crate::sip::dialog::DialogKey;
use crate::switchboard::session::events::{SessionEvent, SessionEvents};
use crate::switchboard::session::inputs::{SessionDeadline, SessionRequest};
use crate::switchboard::session::state::closing::Bye;
use crate::switchboard::session::state::presence::Patience;
use crate::switchboard::wire::incoming_request::IncomingRequest;

/// The event as the state table names it.
fn name_of(event: SessionEvent) -> String {
    let text = format!("{event:?}");
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// A session in a state of the table.
pub(super) fn in_state(state: &str) -> World {
    let active = sdp_of("sendrecv");
    let mut world = World::new(TIMER, &active);
    match state {
        "early" => {}
        "unacked" => drop(world.answer()),
        "unacked, offering" => {
            world = in_state("confirmed");
            world.ask("INVITE", SessionRequest::Invite, TIMER, "");
        }
        "confirmed" => {
            world.answer();
            world.ack("");
        }
        "confirmed, requesting" => {
            world = World::new(&format!("{TIMER}Allow: INVITE, ACK, BYE, UPDATE\r\n"), &active);
            world.answer();
            world.ack("");
            world.wait(SessionDeadline::Timer, None);
        }
        "confirmed, requesting, offering" => {
            world = in_state("confirmed");
            world.wait(SessionDeadline::Timer, None);
        }
        "confirmed, doubted" => {
            world = in_state("confirmed, requesting, offering");
            world.fail(408);
        }
        "confirmed, asking" => {
            world = in_state("confirmed");
            world.silence();
        }
        "confirmed, suspected" => {
            world = in_state("confirmed");
            world.session.suspect(&mut world.step, Patience::TimerF);
            let limit = Some(Duration::from_secs(2));
            assert!(
                matches!(world.step.out.media.last(), Some(Command::LimitSilence { limit: set, .. }) if *set == limit)
            );
        }
        "confirmed, suspected, asking" => {
            world = in_state("confirmed, suspected");
            world.silence();
        }
        "ending" => {
            world.answer();
            world.end(Bye::AfterAck);
        }
        "ended" => {
            world = in_state("confirmed");
            world.end(Bye::Received);
        }
        other => panic!("no state of the table: {other}"),
    }
    assert_eq!(world.state(), state);
    world.verify();
    world.messages();
    world
}

/// Applies an event of the table.
fn apply(world: &mut World, event: &str) -> SessionEvents {
    let (active, held) = (sdp_of("sendrecv"), sdp_of("sendonly"));
    match event {
        "the call answers" => world.answer(),
        "the call ends" => world.end(Bye::AfterAck),
        "the call ends, the peer is lost" => world.end(Bye::AtOnce),
        "ACK" => world.ack(""),
        "ACK with answer" => world.ack(&active),
        "T1 without ACK" => world.wait(SessionDeadline::Unacked, None),
        "64*T1 without ACK" => world.wait(SessionDeadline::Unacked, Some(Duration::from_secs(32))),
        "re-INVITE with offer" => world.ask("INVITE", SessionRequest::Invite, TIMER, &held),
        "re-INVITE without offer" => world.ask("INVITE", SessionRequest::Invite, TIMER, ""),
        "UPDATE with offer" => world.ask("UPDATE", SessionRequest::Update, TIMER, &held),
        "UPDATE without offer" => world.ask("UPDATE", SessionRequest::Update, TIMER, ""),
        "INFO with a digit" => {
            world.cseq += 1;
            let text = request("INFO", world.cseq, "Content-Type: application/dtmf\r\n", "");
            let text = text.replace("Content-Length: 0\r\n\r\n", "Content-Length: 1\r\n\r\n5");
            with_message(text.as_bytes(), |message| {
                let server = server_of(&mut world.net, &mut world.step, world.flow, message);
                let taken = IncomingRequest { flow: world.flow, message, server };
                let key = DialogKey::of_request(message).unwrap();
                let input = (&taken, SessionRequest::Info);
                world.session.request(&mut world.net, &mut world.step, input, leg(), &key)
            })
        }
        "OPTIONS" => world.ask("OPTIONS", SessionRequest::Options, "", ""),
        "BYE" => world.ask("BYE", SessionRequest::Bye, "", ""),
        "refresh is due" => world.wait(SessionDeadline::Timer, None),
        "timer expires" => world.wait(SessionDeadline::Timer, Some(Duration::from_secs(600))),
        "timer expires, media arrives" => {
            world.hear();
            world.wait(SessionDeadline::Timer, Some(Duration::from_secs(600)))
        }
        "2xx" => world.respond("200 OK", ""),
        "2xx with answer" => world.respond("200 OK", &active),
        "481" => world.respond("481 Call/Transaction Does Not Exist", ""),
        "491" => world.respond("491 Request Pending", ""),
        "no response" => world.fail(408),
        "it cannot be sent" => world.fail(503),
        "it cannot be sent, media stops" => {
            world.fail(503);
            world.silence()
        }
        "media stops" => world.silence(),
        other => panic!("no event of the table: {other}"),
    }
}

#[test]
fn every_row_of_the_state_table_is_so() {
    let table = include_str!("../mod.rs").lines().filter_map(|line| line.trim().strip_prefix("/// | "));
    let rows: Vec<Vec<&str>> = table.map(|row| row.trim_end_matches(" |").split(" | ").collect()).collect();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for row in rows.iter().skip(2) {
        let [state, event, next, effects] = row[..] else { panic!("{row:?}") };
        let mut world = in_state(state);
        let events = apply(&mut world, event);
        let done = world.messages().into_iter().chain(events.into_iter().map(name_of)).collect::<Vec<_>>();
        let done = if done.is_empty() { "-".to_owned() } else { done.join(", ") };
        assert_eq!((world.state().as_str(), done.as_str()), (next, effects), "{state} | {event}");
        world.verify();
    }
}
