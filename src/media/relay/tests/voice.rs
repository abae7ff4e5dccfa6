//! What is played to one who is bridged, and whose voice is waited for.

use super::*;

/// What plays sends its next frame; where to.
fn plays(bench: &mut Bench) -> Vec<u32> {
    bench.play().into_iter().map(|(slot, _)| slot).collect()
}

fn told(bench: &mut Bench) -> Vec<Event> {
    bench.relay.look_for_silence(bench.now, &mut bench.out);
    bench.events()
}

#[test]
fn a_prompt_replaces_the_audio_of_a_bridge_in_one_direction_only() {
    let (mut bench, mut caller, mut operator) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    let passes = |bench: &mut Bench, phone: &mut Phone| {
        let packet = phone.sound(4_000);
        bench.from(phone.address, phone.anchor, &packet).1
    };
    let (before, _) = passes(&mut bench, &mut operator).expect("the talk");
    passes(&mut bench, &mut caller).expect("the talk");
    bench.command(Command::Play { anchor: CALLER, first: Some(Prompt::Confirm), then: None });
    for _ in 0..2 {
        assert_eq!(plays(&mut bench), [CALLER.slot]);
        assert!(passes(&mut bench, &mut operator).is_none(), "the operator hears the prompt");
        assert!(passes(&mut bench, &mut caller).is_some(), "the caller is heard");
    }
    bench.events();
    assert_eq!(plays(&mut bench), [0; 0]);
    assert_eq!(bench.events(), [Event::Played { anchor: CALLER }]);
    let (after, _) = passes(&mut bench, &mut operator).expect("the talk again");
    assert_eq!(after.ssrc, before.ssrc);
    assert_eq!(after.sequence, before.sequence.wrapping_add(3), "two packets of the prompt between: no gap");
    assert!(after.marker, "a new talk spurt");
    bench.command(Command::Play { anchor: CALLER, first: Some(Prompt::Confirm), then: None });
    bench.command(Command::Bridge { a: CALLER, b: OPERATOR });
    assert!(passes(&mut bench, &mut operator).is_some(), "a bridge ends it");
}

#[test]
fn a_voice_is_waited_for_until_it_is_heard_or_the_time_is_over() {
    for (level, heard) in [(4_000, true), (60, false)] {
        let (mut bench, mut caller, _) = Bench::bridged(Codec::Pcmu, Codec::Pcma);
        bench.command(Command::AwaitVoice { anchor: CALLER, limit: Duration::from_secs(3) });
        for _ in 0..20 {
            let packet = caller.sound(level);
            bench.from(caller.address, CALLER, &packet);
        }
        bench.advance(2_599);
        assert!(!told(&mut bench).contains(&Event::NoVoice { anchor: CALLER }), "too early");
        bench.advance(1);
        assert_eq!(told(&mut bench).contains(&Event::NoVoice { anchor: CALLER }), !heard, "level {level}");
        bench.advance(5_000);
        assert!(!told(&mut bench).contains(&Event::NoVoice { anchor: CALLER }), "told once");
    }
}

#[test]
fn a_caller_who_sends_nothing_has_no_voice_either() {
    let (mut bench, ..) = Bench::bridged(Codec::Pcma, Codec::Pcma);
    bench.command(Command::AwaitVoice { anchor: CALLER, limit: Duration::from_secs(3) });
    bench.advance(3_000);
    assert_eq!(told(&mut bench), [Event::NoVoice { anchor: CALLER }]);
}
