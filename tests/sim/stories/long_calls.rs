//! Calls that last unusually long: no timer ends a call with live audio.

use super::*;
use siaga::ids::CallId;

const LONG: Duration = Duration::from_secs(600);

fn centre() -> World {
    let mut settings = settings();
    settings.calls.long_call = LONG;
    // Media reports silence, which has no effect here.
    settings.session.silence_ends_call = false;
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    world
}

fn only_call(world: &World) -> CallId {
    world.facts.iter().find(|fact| matches!(fact.kind, FactKind::Received { .. })).unwrap().call.unwrap()
}

#[test]
fn a_call_with_live_audio_is_never_ended_by_a_timer_and_raises_the_alarm_until_it_ends() {
    // Audio from both sides, and from one side only.
    for (caller_heard, operator_heard) in [(true, true), (true, false), (false, true)] {
        let mut world = centre();
        let mut caller = Caller::dials(&mut world);
        let invite = answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        let (a, b) = ports(&world);
        for (anchor, heard) in [(a, caller_heard), (b, operator_heard)] {
            world.step(Input::Media(Event::Heard { anchor }));
            if !heard {
                world.step(Input::Media(Event::Silent { anchor, limit: None }));
            }
        }
        world.pass(LONG - Duration::from_secs(1));
        assert_eq!(world.long_calls, []);
        world.pass(Duration::from_secs(2));
        let call = only_call(&world);
        assert_eq!(world.long_calls, [(call, false)], "the alarm begins");
        world.pass(Duration::from_secs(24 * 3_600));
        assert_eq!(endings(&world), [], "the call continues");
        assert!(!world.has(BUDI, "BYE") && !world.has(TRUNK, "BYE"));
        operator_hangs_up(&mut world, BUDI, &invite);
        caller.is_hung_up(&mut world);
        assert_eq!(world.long_calls.last(), Some(&(call, true)), "the alarm ends with the call");
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_caller_who_waits_long_with_live_audio_waits_on() {
    let mut settings = settings();
    settings.calls.long_call = LONG;
    let mut world = World::new(settings, &["budi"]);
    let caller = Caller::dials(&mut world);
    let anchor = world.media.iter().find_map(|command| match command {
        Command::SetRemote { anchor, .. } => Some(*anchor),
        _ => None,
    });
    world.step(Input::Media(Event::Heard { anchor: anchor.unwrap() }));
    world.pass(LONG * 3);
    assert_eq!(endings(&world), []);
    caller.cancels(&mut world);
    assert_eq!(world.long_calls.last(), Some(&(only_call(&world), true)));
}

#[test]
fn a_call_without_audio_whose_end_was_never_heard_of_ends() {
    let mut world = centre();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let (a, b) = ports(&world);
    for anchor in [a, b] {
        world.step(Input::Media(Event::Heard { anchor }));
        world.step(Input::Media(Event::Silent { anchor, limit: None }));
    }
    world.pass(LONG - Duration::from_secs(1));
    assert_eq!(endings(&world), []);
    world.pass(Duration::from_secs(2));
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
    assert_eq!(world.long_calls, [], "no alarm for a call that is gone");
}

#[test]
fn where_silence_ends_no_call_the_parties_of_a_long_one_are_asked_and_it_ends_when_none_is_there() {
    for (caller_responds, operator_responds) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = centre();
        let mut caller = Caller::dials(&mut world);
        answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        let (a, b) = ports(&world);
        for anchor in [a, b] {
            world.step(Input::Media(Event::Heard { anchor }));
        }
        for _ in 0..2 {
            world.media.clear();
            world.pass(LONG);
            for (anchor, at, responds) in [(a, TRUNK, caller_responds), (b, BUDI, operator_responds)] {
                let limited = |command: &Command| matches!(command, Command::LimitSilence { anchor: of, limit: Some(_) } if *of == anchor);
                assert!(world.media.iter().any(limited), "media reports the silence of {at}");
                assert!(!world.has(at, "OPTIONS"), "{at} speaks");
                world.step(Input::Media(Event::Silent { anchor, limit: None }));
                let options = world.take(at, "OPTIONS");
                if responds {
                    world.receive(at, &response(&options, at, "200 OK", ""));
                }
            }
            world.pass(Duration::from_secs(33));
            world.sent.retain(|(_, text)| !text.starts_with("OPTIONS"));
            if !(caller_responds || operator_responds) {
                break;
            }
            assert_eq!(endings(&world), [], "a party responds");
        }
        if caller_responds || operator_responds {
            caller.hangs_up(&mut world);
        } else {
            assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)]);
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_long_call_whose_silent_parties_respond_goes_on() {
    let mut settings = settings();
    settings.calls.long_call = LONG;
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let (a, b) = ports(&world);
    for (anchor, at) in [(a, TRUNK), (b, BUDI)] {
        world.step(Input::Media(Event::Heard { anchor }));
        world.step(Input::Media(Event::Silent { anchor, limit: None }));
        let options = world.take(at, "OPTIONS");
        world.receive(at, &response(&options, at, "200 OK", ""));
    }
    world.pass(LONG + Duration::from_secs(1));
    assert_eq!((endings(&world), world.long_calls.len()), (vec![], 1));
    caller.hangs_up(&mut world);
}

#[test]
fn a_party_that_was_found_gone_and_speaks_again_keeps_the_call_when_the_other_one_is_gone() {
    let mut world = centre();
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let (a, b) = ports(&world);
    for anchor in [a, b] {
        world.step(Input::Media(Event::Heard { anchor }));
    }
    world.pass(LONG);
    let is_silent = |world: &mut World, anchor| {
        world.step(Input::Media(Event::Silent { anchor, limit: None }));
        world.pass(Duration::from_secs(33));
        world.sent.retain(|(_, text)| !text.starts_with("OPTIONS"));
    };
    is_silent(&mut world, a);
    world.step(Input::Media(Event::Heard { anchor: a }));
    is_silent(&mut world, b);
    assert_eq!(endings(&world), [], "the caller speaks");
    is_silent(&mut world, a);
    assert_eq!(endings(&world), [(Side::Service, EndCause::CallerLost)], "both are gone");
    world.sent.clear();
    world.assert_empty_in_the_end();
}
