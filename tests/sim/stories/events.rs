//! Operators watch operators: lamps, presence, waiting messages (RFC 6665, RFC 3856, RFC 4235, RFC 3842).

use std::time::Duration;

use siaga::ids::OperatorId;
use siaga::switchboard::{ConsoleCommand, Input};

use super::super::watch::Watch;
use super::attended::Placed;
use super::ring_all::{is_cancelled, picks_up, rings};
use super::*;

const ONE_SECOND: Duration = Duration::from_millis(1_001);

pub(super) fn floor() -> World {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    pauses(&mut world, "sari");
    world
}

/// Sari has a lamp for Budi, which is dark.
fn watched() -> (World, Watch) {
    let mut world = floor();
    let watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    watch.hears(&mut world);
    world.pass(ONE_SECOND);
    (world, watch)
}

pub(super) fn pauses(world: &mut World, who: &str) {
    let operator = OperatorId::parse(who).unwrap();
    world.step(Input::Console {
        request: 1,
        by: admin(),
        command: ConsoleCommand::Pause { operator, reason: "meal".to_owned() },
    });
}

pub(super) fn resumes(world: &mut World, who: &str) {
    let operator = OperatorId::parse(who).unwrap();
    world.step(Input::Console { request: 1, by: admin(), command: ConsoleCommand::Resume { operator } });
}

pub(super) fn watchers(world: &World) -> usize {
    world.switchboard.gauges().subscriptions
}

/// Id, state and remote of a dialog.
type Lamp = (String, String, Option<String>);

/// Version, extent and dialogs of a document.
pub(super) fn dialogs(notify: &str) -> (u32, String, Vec<Lamp>) {
    assert_eq!(header(notify, "Content-Type"), "application/dialog-info+xml");
    let (_, body) = notify.split_once("\r\n\r\n").unwrap();
    let document = roxmltree::Document::parse(body).unwrap();
    let root = document.root_element();
    let text = |node: roxmltree::Node<'_, '_>, name: &str| {
        let found = node.descendants().find(|child| child.tag_name().name() == name)?;
        found.descendants().find_map(|child| child.text().map(str::to_owned))
    };
    let all = root.children().filter(roxmltree::Node::is_element);
    let all =
        all.map(|one| (one.attribute("id").unwrap().to_owned(), text(one, "state").unwrap(), text(one, "remote")));
    (root.attribute("version").unwrap().parse().unwrap(), root.attribute("state").unwrap().to_owned(), all.collect())
}

/// Call-ID, local and remote tag of the first dialog of a document.
pub(super) fn names(notify: &str) -> Option<[String; 3]> {
    let (_, body) = notify.split_once("\r\n\r\n").unwrap();
    let document = roxmltree::Document::parse(body).unwrap();
    let dialog = document.root_element().first_element_child()?;
    let all = ["call-id", "local-tag", "remote-tag"].map(|name| dialog.attribute(name).map(str::to_owned));
    match all {
        [Some(call_id), Some(local), Some(remote)] => Some([call_id, local, remote]),
        partly => {
            assert_eq!(partly, [None, None, None]);
            None
        }
    }
}

/// Basic status and note.
pub(super) fn presence(notify: &str) -> (String, String) {
    assert_eq!(header(notify, "Content-Type"), "application/pidf+xml");
    let (_, body) = notify.split_once("\r\n\r\n").unwrap();
    let document = roxmltree::Document::parse(body).unwrap();
    let text = |name: &str| document.descendants().find(|node| node.tag_name().name() == name).unwrap().text().unwrap();
    (text("basic").to_owned(), text("note").to_owned())
}

#[test]
fn a_lamp_follows_a_call_and_names_no_caller_to_a_colleague() {
    let mut world = floor();
    let colleague = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    let own = Watch::begins(&mut world, "budi", BUDI, "budi", "dialog;id=1");
    let notify = colleague.hears(&mut world);
    assert_eq!(header(&notify, "Subscription-State"), "active;expires=600");
    assert_eq!(dialogs(&notify), (0, "full".to_owned(), vec![]));
    own.hears(&mut world);
    world.pass(ONE_SECOND);

    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    assert!(!world.has(SARI, "NOTIFY"), "nothing is early before the phone says that it rings");
    world.receive(BUDI, &response(&invite, BUDI, "180 Ringing", ""));
    let (version, extent, early) = dialogs(&colleague.hears(&mut world));
    assert_eq!((version, extent.as_str(), early.len()), (1, "partial", 1));
    let (id, state, remote) = early[0].clone();
    assert_eq!((state.as_str(), remote), ("early", None));
    let number = header(&invite, "P-Asserted-Identity").trim_matches(['<', '>']).to_owned();
    let (_, _, his) = dialogs(&own.hears(&mut world));
    assert_eq!(his, [(id.clone(), "early".to_owned(), Some(number))]);
    world.pass(ONE_SECOND);

    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    world.take(BUDI, "ACK");
    assert_eq!(
        dialogs(&colleague.hears(&mut world)),
        (2, "partial".to_owned(), vec![(id.clone(), "confirmed".into(), None)])
    );
    own.hears(&mut world);
    caller.is_answered(&mut world);
    world.pass(ONE_SECOND);

    caller.hangs_up(&mut world);
    assert_eq!(dialogs(&colleague.hears(&mut world)), (3, "partial".to_owned(), vec![(id, "terminated".into(), None)]));
    own.hears(&mut world);
    world.pass(Duration::from_secs(20));
    colleague.hears_nothing(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_who_rings_at_a_colleague_is_taken_by_what_the_lamp_tells_and_a_talk_is_not() {
    for swapped in [false, true] {
        let (mut world, watch) = watched();
        let mut caller = Caller::dials(&mut world);
        let invite = rings(&mut world, BUDI);
        let [call_id, local, remote] = names(&watch.hears(&mut world)).unwrap();
        let tag = header(&invite, "From").split(";tag=").nth(1).unwrap().to_owned();
        assert_ne!(call_id, header(&invite, "Call-ID"));
        assert!(!["phone", tag.as_str()].iter().any(|real| local == *real || remote == *real), "{local} {remote}");
        // As the one who calls, and as the one who rings, would name it.
        let (to, from) = if swapped { (local, remote) } else { (remote, local) };
        let replaces = format!("Replaces: {call_id};to-tag={to};from-tag={from};early-only\r\n");
        let mut taken = Placed::with(&mut world, "sari", SARI, "budi", &replaces);
        taken.is_answered(&mut world);
        is_cancelled(&mut world, BUDI, &invite);
        caller.is_answered(&mut world);
        caller.hangs_up(&mut world);
        world.sent.clear();
        world.pass(Duration::from_secs(40));
        Placed::with(&mut world, "sari", SARI, "budi", &replaces);
        world.take(SARI, "SIP/2.0 481");
        let by_sari = |kind: &FactKind| matches!(kind, FactKind::TakenOver { by, .. } if by.as_str() == "sari");
        assert_eq!(world.count(by_sari), 1);
    }
    let (mut world, watch) = watched();
    Caller::dials(&mut world);
    answers(&mut world, BUDI);
    watch.hears(&mut world);
    world.pass(ONE_SECOND);
    let talk = watch.hears(&mut world);
    assert_eq!((dialogs(&talk).2[0].1.as_str(), names(&talk)), ("confirmed", None));
}

#[test]
fn what_the_lamp_tells_of_a_ringing_leg_lets_no_request_into_its_dialog_and_takes_no_conversation() {
    let (mut world, watch) = watched();
    let mut caller = Caller::dials(&mut world);
    let invite = rings(&mut world, BUDI);
    let [call_id, local, remote] = names(&watch.hears(&mut world)).unwrap();
    let tries = |world: &mut World, orders: &[(&String, &String)]| {
        for (to, from) in orders {
            for method in ["BYE", "INVITE", "UPDATE", "INFO", "REFER", "MESSAGE", "PRACK", "OPTIONS", "SUBSCRIBE"] {
                let got = format!(
                    "SIP/2.0 200 OK\r\nFrom: <sip:sari@127.0.0.1>;tag={from}\r\nTo: <sip:a@b>;tag={to}\r\nCall-ID: {call_id}\r\n"
                );
                world.asks(SARI, &got, method, 900, "", "");
                assert_eq!(world.take(SARI, "SIP/2.0")[8..11], *"481", "{method}");
            }
        }
    };
    tries(&mut world, &[(&local, &remote), (&remote, &local)]);
    let named = format!("Replaces: {call_id};to-tag={remote};from-tag={local}\r\n");
    for wrong in
        [named.replace(&remote, "x"), named.replace(&call_id, "x-1"), named.replace(&call_id, &format!("{call_id}1"))]
    {
        Placed::with(&mut world, "sari", SARI, "budi", &wrong);
        world.take(SARI, "SIP/2.0 481");
    }
    picks_up(&mut world, BUDI, &invite);
    caller.is_answered(&mut world);
    tries(&mut world, &[(&local, &remote), (&remote, &local)]);
    Placed::with(&mut world, "sari", SARI, "budi", &named);
    world.take(SARI, "SIP/2.0 403");
    Placed::with(&mut world, "sari", SARI, "budi", &named.replace("\r\n", ";early-only\r\n"));
    world.take(SARI, "SIP/2.0 486");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TakenOver { .. })), 0);
    operator_hangs_up(&mut world, BUDI, &invite);
    caller.is_hung_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_offer_that_fails_leaves_the_lamp_and_the_next_call_is_another_dialog() {
    let (mut world, watch) = watched();
    let mut caller = Caller::dials(&mut world);
    let invite = rings(&mut world, BUDI);
    let first = dialogs(&watch.hears(&mut world)).2;
    world.pass(ONE_SECOND);
    world.receive(BUDI, &response(&invite, BUDI, "486 Busy Here", ""));
    world.sent.retain(|(_, text)| !text.starts_with("INVITE"));
    let gone = dialogs(&watch.hears(&mut world)).2;
    assert_eq!((&gone[0].0, gone[0].1.as_str()), (&first[0].0, "terminated"));
    world.pass(Duration::from_secs(6));
    let again = rings(&mut world, BUDI);
    let second = dialogs(&watch.hears(&mut world)).2;
    assert_eq!(second[0].1, "early");
    assert_ne!(second[0].0, first[0].0, "another leg is another dialog");
    picks_up(&mut world, BUDI, &again);
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn presence_follows_the_operators_state() {
    let mut world = floor();
    let watch = Watch::begins(&mut world, "sari", SARI, "budi", "presence");
    let next = |world: &mut World| {
        world.pass(Duration::from_millis(5_001));
        presence(&watch.hears(world))
    };
    let shown = |basic: &str, note: &str| (basic.to_owned(), note.to_owned());
    assert_eq!(presence(&watch.hears(&mut world)), shown("open", "Available"));
    pauses(&mut world, "budi");
    assert_eq!(next(&mut world), shown("closed", "Away"));
    resumes(&mut world, "budi");
    assert_eq!(next(&mut world), shown("open", "Available"));
    let mut caller = Caller::dials(&mut world);
    assert_eq!(next(&mut world), shown("open", "On the phone"));
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(6));
    watch.hears_nothing(&mut world);
    caller.hangs_up(&mut world);
    assert_eq!(next(&mut world), shown("open", "Busy"));
    world.pass(Duration::from_secs(6));
    assert_eq!(presence(&watch.hears(&mut world)), shown("open", "Available"));
    world.register_for("budi", BUDI, 0);
    assert_eq!(next(&mut world), shown("closed", "Offline"));
    world.assert_empty_in_the_end();
}

#[test]
fn the_summary_has_no_message_and_is_not_given_to_other_accounts() {
    let mut world = floor();
    let watch = Watch::begins(&mut world, "budi", BUDI, "budi", "message-summary");
    let notify = watch.hears(&mut world);
    assert_eq!(header(&notify, "Content-Type"), "application/simple-message-summary");
    assert!(notify.ends_with("\r\n\r\nMessages-Waiting: no\r\nMessage-Account: sip:budi@127.0.0.1\r\n"), "{notify}");
    let mut nosy = Watch::new(&mut world, "sari", SARI, "budi", "message-summary");
    assert!(nosy.asks_as_operator(&mut world, "").starts_with("SIP/2.0 403"));
    let caller = Caller::dials(&mut world);
    world.pass(Duration::from_secs(10));
    watch.hears_nothing(&mut world);
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_refresh_goes_on_and_is_told_everything_and_the_end_is_told_too() {
    let mut world = floor();
    let mut watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    watch.hears(&mut world);
    world.pass(Duration::from_secs(590));
    let answer = watch.refreshes(&mut world, 5_000);
    assert_eq!(header(&answer, "Expires"), "3600", "no longer than that: {answer}");
    let notify = watch.hears(&mut world);
    assert_eq!((dialogs(&notify), header(&notify, "CSeq")), ((1, "full".to_owned(), vec![]), "2 NOTIFY"));
    world.register_for("sari", SARI, 3_600);
    world.pass(Duration::from_secs(3_595));
    watch.hears_nothing(&mut world);
    assert_eq!(watchers(&world), 1);
    world.register_for("sari", SARI, 3_600);
    world.pass(Duration::from_secs(10));
    let notify = watch.hears(&mut world);
    assert_eq!(header(&notify, "Subscription-State"), "terminated;reason=timeout");
    assert_eq!(watchers(&world), 0);
    assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 481"));
    world.assert_empty_in_the_end();
}

#[test]
fn unsubscribing_gives_one_last_notify_and_so_does_a_mere_question() {
    let mut world = floor();
    let mut watch = Watch::begins(&mut world, "sari", SARI, "budi", "presence");
    watch.hears(&mut world);
    let answer = watch.refreshes(&mut world, 0);
    assert_eq!(header(&answer, "Expires"), "0");
    let notify = watch.hears(&mut world);
    assert_eq!(header(&notify, "Subscription-State"), "terminated;reason=timeout");
    assert_eq!(presence(&notify).0, "open", "the last word is the state: {notify}");
    let mut once = Watch::new(&mut world, "sari", SARI, "budi", "presence");
    let answer = once.asks_as_operator(&mut world, "Expires: 0\r\n");
    once.to = header(&answer, "To").to_owned();
    let notify = once.hears(&mut world);
    assert!(header(&notify, "Subscription-State").starts_with("terminated"), "{notify}");
    assert_eq!(watchers(&world), 0);
    pauses(&mut world, "budi");
    world.pass(Duration::from_secs(10));
    assert!(!world.has(SARI, "NOTIFY"));
    world.assert_empty_in_the_end();
}

#[test]
fn what_cannot_be_watched_is_refused_with_the_reason() {
    let mut world = floor();
    let table = [
        ("budi", "reg", "", "489"),
        ("budi", "", "", "489"),
        ("budi", "presence.winfo", "", "489"),
        ("nobody", "dialog", "", "404"),
        ("112", "dialog", "", "404"),
        ("*11", "presence", "", "404"),
        ("budi", "dialog", "Expires: 59\r\n", "423"),
        ("budi", "dialog", "Expires: x\r\n", "400"),
        ("budi", "dialog", "Accept: application/pidf+xml\r\n", "406"),
        ("budi", "dialog", "Require: eventlist\r\n", "420"),
    ];
    for (whom, event, more, status) in table {
        let mut watch = Watch::new(&mut world, "sari", SARI, whom, event);
        // An invalid request is rejected before any challenge.
        let answer =
            if status == "420" { watch.asks(&mut world, more) } else { watch.asks_as_operator(&mut world, more) };
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{whom} {event} {more}: {answer}");
        match status {
            "489" => assert_eq!(header(&answer, "Allow-Events"), "presence, dialog, message-summary"),
            "423" => assert_eq!(header(&answer, "Min-Expires"), "60"),
            _ => {}
        }
    }
    assert_eq!(watchers(&world), 0);
    assert!(!world.has(SARI, "NOTIFY"));
    world.assert_empty_in_the_end();
}

#[test]
fn trunks_and_unknown_sources_cannot_subscribe() {
    let mut world = floor();
    let before = world.switchboard.gauges();
    let mut trunk = Watch::new(&mut world, "telco", TRUNK, "budi", "dialog");
    assert!(trunk.asks(&mut world, "").starts_with("SIP/2.0 403"));
    let mut stranger = Watch::new(&mut world, "eve", "127.0.0.9:5060", "budi", "dialog");
    assert!(stranger.asks(&mut world, "").starts_with("SIP/2.0 401"));
    assert_eq!(world.switchboard.gauges(), before, "and leave no state");
    let mut guesser = Watch::new(&mut world, "nobody", SARI, "budi", "dialog");
    assert!(!guesser.asks_as_operator(&mut world, "").starts_with("SIP/2.0 2"));
    assert_eq!(watchers(&world), 0);
}

#[test]
fn options_tells_what_is_taken_and_all_else_is_refused() {
    let mut world = floor();
    let ask = |world: &mut World, method: &str| {
        let n = world.next_serial();
        let text = format!(
            "{method} sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {SARI};branch=z9hG4bKo{n}\r\nFrom: <sip:sari@127.0.0.1>;tag=o\r\n\
             To: <sip:127.0.0.1>\r\nCall-ID: o{n}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        world.receive(SARI, &text);
        world.take(SARI, "SIP/2.0")
    };
    let abilities = ask(&mut world, "OPTIONS");
    assert_eq!(header(&abilities, "Allow-Events"), "presence, dialog, message-summary");
    assert_eq!(header(&abilities, "Supported"), "100rel, timer, replaces, norefersub");
    let allowed: Vec<&str> = header(&abilities, "Allow").split(", ").collect();
    let all = [
        "REGISTER",
        "INVITE",
        "OPTIONS",
        "SUBSCRIBE",
        "MESSAGE",
        "BYE",
        "PRACK",
        "UPDATE",
        "INFO",
        "NOTIFY",
        "REFER",
        "PUBLISH",
    ];
    for method in all {
        let answer = ask(&mut world, method);
        let refused = answer.starts_with("SIP/2.0 405") || answer.starts_with("SIP/2.0 501");
        assert_eq!(refused, !allowed.contains(&method), "{method}: {answer}");
    }
}
