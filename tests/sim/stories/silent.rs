//! Callers who cannot speak: they are asked to press a digit, and what they press is shown and kept.

use siaga::cdr::Cdr;
use siaga::cdr::fact::ConsoleRole;
use siaga::ids::CallId;
use siaga::media::command::Prompt;
use siaga::switchboard::{Actor, AnswerMode, CallView, ConsoleCommand, ConsoleReply, Output, Settings, SilentSettings};

use super::*;

const INFO: &str = "Content-Type: application/dtmf-relay\r\n";

fn terms() -> Settings {
    let choices = [('1', "cannot speak"), ('2', "police")].map(|(digit, text)| (digit, text.to_owned()));
    changed(settings(), |settings| {
        settings.calls.silent = SilentSettings { choices: choices.to_vec(), ..SilentSettings::default() }
    })
}

fn floor(settings: Settings) -> World {
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// Budi talks with a caller; returns Budi's INVITE, and the caller's port.
fn talking(world: &mut World) -> (Caller, String) {
    let mut caller = Caller::dials_as(world, "081234");
    let invite = answers(world, BUDI);
    caller.is_answered(world);
    world.media.clear();
    (caller, invite)
}

/// Budi keys digits in the call (INFO).
fn keys(world: &mut World, invite: &str, from: u32, digits: &str) {
    for (cseq, digit) in (from..).zip(digits.chars()) {
        let body = format!("Signal={digit}\r\n");
        world.asks(BUDI, invite, "INFO", cseq, INFO, &body);
        world.take(BUDI, "SIP/2.0 200");
    }
}

/// The caller presses a digit (RFC 4733).
fn presses(world: &mut World, digit: char) {
    let anchor = world.media.iter().rev().find_map(|command| match command {
        Command::SetRemote { anchor, remote }
            if remote.rtp.ip() == "127.0.0.2".parse::<std::net::IpAddr>().unwrap() =>
        {
            Some(*anchor)
        }
        _ => None,
    });
    world.step(Input::Media(Event::Digit { anchor: anchor.unwrap(), digit }));
}

/// The texts that Budi's phone has got, answered.
fn texts(world: &mut World) -> Vec<String> {
    let mut all = Vec::new();
    while world.has(BUDI, "MESSAGE") {
        let message = world.take(BUDI, "MESSAGE");
        world.receive(BUDI, &response(&message, BUDI, "200 OK", ""));
        all.push(message.split_once("\r\n\r\n").unwrap().1.to_owned());
    }
    all
}

/// What a console's command is answered with.
fn commands(world: &mut World, name: &str, role: ConsoleRole, command: ConsoleCommand) -> ConsoleReply {
    let (mut out, by) = (Vec::new(), Actor { name: name.to_owned(), role });
    world.switchboard.handle(world.now, Input::Console { request: 3, by, command }, &mut out);
    world.switchboard.verify().unwrap();
    let mut told = None;
    for output in out {
        match output {
            Output::Reply { reply, .. } => told = Some(reply),
            Output::Fact(fact) => world.facts.push(fact),
            Output::Media(command) => world.media.push(command),
            Output::Send(transmit) => {
                world.sent.push((transmit.flow.remote, String::from_utf8(transmit.bytes.to_vec()).unwrap()));
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    told.unwrap()
}

fn live(world: &mut World) -> CallView {
    match commands(world, "ani", ConsoleRole::Admin, ConsoleCommand::Calls) {
        ConsoleReply::Calls { mut calls } => calls.remove(0),
        other => panic!("unexpected: {other:?}"),
    }
}

fn record(world: &World) -> Cdr {
    let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call.is_some()).cloned().collect();
    Cdr::fold(&facts).unwrap()
}

fn chosen(cdr: &Cdr) -> Vec<(char, &str, bool)> {
    cdr.choices.iter().map(|choice| (choice.digit, choice.text.as_str(), choice.waiting)).collect()
}

fn prompts(world: &World) -> usize {
    world.media.iter().filter(|one| matches!(one, Command::Play { first: Some(Prompt::Silent), .. })).count()
}

#[test]
fn an_operators_keys_prompt_the_caller_and_the_digits_are_shown_and_recorded() {
    let mut world = floor(terms());
    let mut caller = Caller::dials_as(&mut world, "081234");
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let (a, b) = ports(&world);
    presses(&mut world, '1');
    assert_eq!(live(&mut world).choices, [], "nobody has asked him");
    keys(&mut world, &invite, 2, "1*1");
    assert_eq!(prompts(&world), 0);
    keys(&mut world, &invite, 5, "6");
    let asked = [
        Command::Play { anchor: a, first: Some(Prompt::Silent), then: None },
        Command::Play { anchor: b, first: Some(Prompt::Confirm), then: None },
    ];
    assert_eq!(world.media[world.media.len() - 2..], asked, "the talk itself goes on");
    presses(&mut world, '2');
    presses(&mut world, '9');
    assert_eq!(texts(&mut world), ["081234 [2 police]", "081234 [9]"]);
    let view = live(&mut world);
    assert!(view.silent_prompt);
    assert_eq!(view.choices.iter().map(|choice| choice.digit).collect::<String>(), "29");
    let stopped = world.media.iter().any(|one| matches!(one, Command::StopRecord { .. } | Command::Unbridge { .. }));
    assert!(!stopped, "what is recorded goes on");
    caller.hangs_up(&mut world);
    let cdr = record(&world);
    assert_eq!(chosen(&cdr), [('2', "police", false), ('9', "", false)]);
    assert_eq!(cdr.silent_prompts[0].by.as_deref(), Some("budi"));
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    world.assert_empty_in_the_end();
}

#[test]
fn the_code_works_again_and_only_from_the_phone_that_has_the_caller() {
    let mut world = floor(terms());
    let (caller, invite) = talking(&mut world);
    keys(&mut world, &invite, 2, "*16");
    keys(&mut world, &invite, 5, "6");
    assert_eq!(prompts(&world), 1, "its last key alone is not the code");
    keys(&mut world, &invite, 6, "**16");
    assert_eq!(prompts(&world), 2);
    for (cseq, digit) in (3..).zip("*16".chars()) {
        caller.asks_of(&mut world, "INFO", cseq, INFO, &format!("Signal={digit}\r\n"));
        world.take(TRUNK, "SIP/2.0 200");
    }
    assert_eq!(prompts(&world), 2, "the caller asks nobody");
    assert_eq!(chosen(&record(&world)), [('*', "", false), ('1', "cannot speak", false), ('6', "", false)]);
    texts(&mut world);
    caller.hangs_up_as(&mut world, 9);
    world.assert_empty_in_the_end();
}

#[test]
fn the_code_may_be_dialled_on_another_line_during_a_call() {
    let mut world = floor(terms());
    assert!(!super::waiting::dials(&mut world, "*16"), "he has no caller");
    let (caller, _) = talking(&mut world);
    assert!(super::waiting::dials(&mut world, "*16"));
    assert_eq!((prompts(&world), live(&mut world).silent_prompt), (1, true));
    caller.hangs_up(&mut world);
    assert_eq!(record(&world).silent_prompts[0].by.as_deref(), Some("budi"));
    assert!(!super::waiting::dials(&mut world, "*16"), "the call is over");
    assert_eq!(prompts(&world), 1);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_silent_caller_gets_the_prompt_automatically_once() {
    let mut settings = terms();
    settings.calls.silent.after = Some(Duration::from_secs(8));
    let mut world = floor(settings);
    let mut caller = Caller::dials_as(&mut world, "081234");
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let (a, b) = ports(&world);
    assert!(world.media.contains(&Command::AwaitVoice { anchor: a, limit: Duration::from_secs(8) }));
    world.step(Input::Media(Event::NoVoice { anchor: b }));
    assert_eq!(prompts(&world), 0, "an operator may be silent");
    world.step(Input::Media(Event::NoVoice { anchor: a }));
    assert_eq!(texts(&mut world), ["081234 ? [1 cannot speak] [2 police]"]);
    world.step(Input::Media(Event::NoVoice { anchor: a }));
    assert_eq!(prompts(&world), 1);
    caller.hangs_up(&mut world);
    assert_eq!(record(&world).silent_prompts.iter().map(|prompt| prompt.by.clone()).collect::<Vec<_>>(), [None]);
    world.assert_empty_in_the_end();
}

#[test]
fn no_caller_is_prompted_without_the_setting_or_after_the_operator_was_lost() {
    for after in [None, Some(Duration::from_secs(8))] {
        let mut settings = terms();
        settings.calls.silent.after = after;
        let mut world = floor(settings);
        world.register("sari", SARI);
        let mut caller = Caller::dials(&mut world);
        answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        let (a, b) = ports(&world);
        world.step(Input::Media(Event::Silent { anchor: b, limit: None }));
        world.step(Input::Media(Event::NoVoice { anchor: a }));
        assert_eq!(prompts(&world), 0, "he waits again");
        answers(&mut world, SARI);
        let waits = world.media.iter().filter(|one| matches!(one, Command::AwaitVoice { .. })).count();
        assert_eq!(waits, usize::from(after.is_some()), "only the first answer waits for a voice");
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn the_console_prompts_only_the_operators_own_caller() {
    let mut world = floor(terms());
    let mut caller = Caller::dials_as(&mut world, "081234");
    let call = live(&mut world).call;
    let asks = |world: &mut World, name: &str, role, call: CallId| {
        commands(world, name, role, ConsoleCommand::SilentPrompt { call })
    };
    assert_eq!(asks(&mut world, "ani", ConsoleRole::Supervisor, call), ConsoleReply::NotTalking);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    assert_eq!(asks(&mut world, "sari", ConsoleRole::Operator, call), ConsoleReply::NotOwner);
    assert_eq!(prompts(&world), 0);
    assert_eq!(asks(&mut world, "budi", ConsoleRole::Operator, call), ConsoleReply::Done);
    assert_eq!(asks(&mut world, "ani", ConsoleRole::Supervisor, call), ConsoleReply::Done);
    assert_eq!((prompts(&world), texts(&mut world).len()), (2, 2));
    let commanded = |kind: &FactKind| matches!(kind, FactKind::Commanded { command, .. } if command == "silent-prompt");
    assert_eq!(world.count(commanded), 4, "the trail has those that were refused too");
    caller.hangs_up(&mut world);
    assert_eq!(asks(&mut world, "ani", ConsoleRole::Supervisor, call), ConsoleReply::UnknownCall);
    world.assert_empty_in_the_end();
}

#[test]
fn a_digit_of_a_caller_who_waits_stands_in_the_display_and_in_a_text_at_the_answer() {
    for answer in [AnswerMode::Queue, AnswerMode::Operator] {
        let mut world = World::new(changed(terms(), |settings| settings.calls.answer = answer), &["budi"]);
        let mut caller = Caller::dials_as(&mut world, "081234");
        if answer == AnswerMode::Queue {
            caller.is_answered(&mut world);
        }
        world.pass(Duration::from_secs(1));
        presses(&mut world, '2');
        assert_eq!(live(&mut world).choices[0].text, "police");
        world.register("budi", BUDI);
        world.pass(Duration::from_secs(11));
        let invite = answers(&mut world, BUDI);
        assert!(header(&invite, "From").starts_with("\"081234 [2 police]\""), "{invite}");
        if answer == AnswerMode::Operator {
            caller.is_answered(&mut world);
        }
        assert_eq!(texts(&mut world), ["081234 [2 police]"]);
        presses(&mut world, '1');
        assert_eq!(texts(&mut world).len(), 0, "in the talk he was asked nothing");
        caller.hangs_up(&mut world);
        assert_eq!(chosen(&record(&world)), [('2', "police", true)]);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_held_caller_hears_the_tone_again_after_the_prompt_and_the_operator_hears_nothing() {
    let mut world = floor(terms());
    let (caller, invite) = talking(&mut world);
    world.asks(BUDI, &invite, "INVITE", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    world.take(BUDI, "SIP/2.0 200");
    world.asks(BUDI, &invite, "ACK", 1, "", "");
    world.media.clear();
    keys(&mut world, &invite, 2, "*16");
    let [Command::Play { first: Some(Prompt::Silent), then: Some(Prompt::HoldTone), .. }] = world.media.as_slice()
    else {
        panic!("{:#?}", world.media);
    };
    caller.asks(&mut world, "UPDATE", 2, "", &sdp(TRUNK, 30_000).replace("sendrecv", "sendonly"));
    world.media.clear();
    keys(&mut world, &invite, 5, "*16");
    assert_eq!(world.media, [], "he does not want to hear us");
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn callers_who_wait_or_are_on_hold_hear_music_where_it_is_wanted() {
    let mut settings = settings();
    settings.media.waiting = Prompt::Music;
    settings.calls.announce_each = Some(Duration::from_secs(20));
    let mut world = floor(settings);
    let (caller, invite) = talking(&mut world);
    world.asks(BUDI, &invite, "INVITE", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    assert!(matches!(world.media.last(), Some(Command::Play { then: Some(Prompt::Music), .. })), "{:?}", world.media);
    world.media.clear();
    let second = Caller::dials(&mut world);
    world.pass(Duration::from_secs(21));
    let looped = |one: &Command| match one {
        Command::Play { then, .. } => Some(*then),
        _ => None,
    };
    let heard: Vec<_> = world.media.iter().filter_map(looped).collect();
    assert_eq!(heard, [Some(Prompt::Music); 2], "after the queue's announcement, and after that of his place");
    second.cancels(&mut world);
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}
