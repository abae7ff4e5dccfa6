//! What becomes of watchers: lost messages, phones that vanish, bursts, limits, and the end of the service (RFC 6665 §4.2).

use std::time::Duration;

use siaga::limits::SUBSCRIPTIONS_PER_OPERATOR_MAX;
use siaga::sip::flow::{ConnectionId, Flow, Transport};
use siaga::switchboard::{Input, Listener, Network};

use super::super::watch::Watch;
use super::super::world::{SERVER, account};
use super::events::{dialogs, floor, pauses, presence, resumes, watchers};
use super::*;

#[test]
fn a_lost_notify_is_repeated_and_what_changes_meanwhile_is_told_once() {
    let mut world = floor();
    let watch = Watch::begins(&mut world, "sari", SARI, "budi", "presence");
    let first = watch.unanswered(&mut world).unwrap();
    for _ in 0..20 {
        pauses(&mut world, "budi");
        resumes(&mut world, "budi");
    }
    pauses(&mut world, "budi");
    world.pass(Duration::from_secs(6));
    let mut again = 0;
    while let Some(notify) = watch.unanswered(&mut world) {
        assert_eq!(notify, first, "one is under way at a time");
        again += 1;
    }
    assert!(again >= 3, "it is repeated: {again}");
    world.receive(SARI, &response(&first, SARI, "200 OK", ""));
    assert_eq!(presence(&watch.hears(&mut world)).0, "closed", "the last state is told");
    world.pass(Duration::from_secs(20));
    watch.hears_nothing(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_burst_of_changes_is_told_at_a_bearable_rate() {
    let mut world = floor();
    let watch = Watch::begins(&mut world, "sari", SARI, "budi", "presence");
    watch.hears(&mut world);
    let (mut told, mut last) = (0, String::new());
    for n in 0..100 {
        if n % 2 == 0 {
            pauses(&mut world, "budi")
        } else {
            resumes(&mut world, "budi")
        }
        world.pass(Duration::from_millis(300));
        while let Some(notify) = watch.unanswered(&mut world) {
            world.receive(SARI, &response(&notify, SARI, "200 OK", ""));
            (told, last) = (told + 1, notify);
        }
    }
    assert!((1..=7).contains(&told), "{told} in 30 s");
    pauses(&mut world, "budi");
    world.pass(Duration::from_secs(6));
    while let Some(notify) = watch.unanswered(&mut world) {
        world.receive(SARI, &response(&notify, SARI, "200 OK", ""));
        last = notify;
    }
    assert_eq!(presence(&last).0, "closed", "what holds in the end is told");
    world.assert_empty_in_the_end();
}

/// A call goes by, and no watcher hears of it.
fn nobody_is_told(mut world: World) {
    let caller = Caller::dials(&mut world);
    assert!(!world.has(SARI, "NOTIFY"));
    caller.cancels(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_watcher_who_is_gone_is_told_nothing_any_more() {
    // No response; the phone has no such subscription; it wants no more; its host is down.
    for end in ["silence", "481 Subscription Does Not Exist", "500 Server Internal Error", "unreachable"] {
        let mut world = floor();
        let mut watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
        let notify = watch.unanswered(&mut world).unwrap();
        match end {
            "silence" => world.pass(Duration::from_secs(33)),
            "unreachable" => world.is_unreachable(SARI),
            status => world.receive(SARI, &response(&notify, SARI, status, "")),
        }
        assert_eq!(watchers(&world), 0, "{end}");
        world.sent.clear();
        assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 481"));
        nobody_is_told(world);
    }
}

#[test]
fn a_watcher_who_asks_for_patience_is_told_everything_later() {
    let mut world = floor();
    let watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    let notify = watch.unanswered(&mut world).unwrap();
    let later = response(&notify, SARI, "503 Service Unavailable", "");
    world.receive(SARI, &later.replace("Content-Length", "Retry-After: 30\r\nContent-Length"));
    world.pass(Duration::from_secs(29));
    watch.hears_nothing(&mut world);
    world.pass(Duration::from_secs(2));
    assert_eq!(dialogs(&watch.hears(&mut world)).1, "full");
    world.assert_empty_in_the_end();
}

#[test]
fn an_unregistered_watcher_loses_the_subscription_and_may_subscribe_again() {
    let mut world = floor();
    let mut watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    watch.hears(&mut world);
    world.register_for("sari", SARI, 0);
    let notify = watch.hears(&mut world);
    assert_eq!(header(&notify, "Subscription-State"), "terminated;reason=probation;retry-after=10");
    assert_eq!(watchers(&world), 0);
    assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 481"));
    let again = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    again.hears(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_removed_account_neither_watches_nor_is_watched() {
    let mut world = World::new(settings(), &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    let of_removed = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    let by_removed = Watch::begins(&mut world, "budi", BUDI, "sari", "presence");
    let stays = Watch::begins(&mut world, "sari", SARI, "sari", "presence");
    of_removed.hears(&mut world);
    stays.hears(&mut world);
    // The first NOTIFY is still under way: the last one waits for it.
    let first = by_removed.unanswered(&mut world).unwrap();
    world.step(Input::Accounts(vec![account("sari")]));
    let notify = of_removed.hears(&mut world);
    assert_eq!(header(&notify, "Subscription-State"), "terminated;reason=noresource");
    by_removed.hears_nothing(&mut world);
    world.receive(BUDI, &response(&first, BUDI, "200 OK", ""));
    let notify = by_removed.hears(&mut world);
    assert_eq!(header(&notify, "Subscription-State"), "terminated;reason=rejected");
    assert_eq!(watchers(&world), 1);
    world.assert_empty_in_the_end();
}

#[test]
fn a_connection_that_closes_takes_its_watchers_along() {
    let mut with_tcp = settings();
    let local = SERVER.parse().unwrap();
    with_tcp.site.listeners.push(Listener { transport: Transport::Tcp, local, advertised: SERVER.to_owned() });
    let mut world = World::new(with_tcp, &["budi", "sari"]);
    world.register("budi", BUDI);
    let flow = Flow { transport: Transport::Tcp, local, remote: SARI.parse().unwrap(), connection: ConnectionId(7) };
    world.streams.insert(flow.remote, flow);
    world.register("sari", SARI);
    let watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    watch.hears(&mut world);
    assert!(world.ways.iter().all(|(way, line)| !line.starts_with("NOTIFY") || *way == flow), "{:#?}", world.ways);
    world.step(Input::Unreachable { flow });
    assert_eq!(watchers(&world), 0);
    nobody_is_told(world);
}

#[test]
fn two_subscriptions_of_one_phone_for_one_colleague_both_live() {
    let mut world = floor();
    let mut watches: Vec<Watch> = (0..2).map(|_| Watch::begins(&mut world, "sari", SARI, "budi", "dialog")).collect();
    watches.iter().for_each(|watch| drop(watch.hears(&mut world)));
    assert_eq!(watchers(&world), 2);
    for watch in &mut watches {
        assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 200"));
        watch.hears(&mut world);
    }
    let caller = Caller::dials(&mut world);
    let invite = super::ring_all::rings(&mut world, BUDI);
    world.pass(Duration::from_secs(2));
    for watch in &watches {
        assert!(watch.hears(&mut world).contains("early"), "both are notified that the phone rings");
    }
    caller.cancels(&mut world);
    super::ring_all::is_cancelled(&mut world, BUDI, &invite);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_starts_again_loses_its_former_subscription_with_the_next_notification() {
    let mut world = floor();
    let former = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    former.hears(&mut world);
    let mut new = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    new.hears(&mut world);
    let caller = Caller::dials(&mut world);
    let invite = super::ring_all::rings(&mut world, BUDI);
    world.pass(Duration::from_secs(2));
    let notify = former.unanswered(&mut world).unwrap();
    world.receive(SARI, &response(&notify, SARI, "481 Subscription Does Not Exist", ""));
    new.hears(&mut world);
    caller.cancels(&mut world);
    super::ring_all::is_cancelled(&mut world, BUDI, &invite);
    world.pass(Duration::from_secs(2));
    new.hears(&mut world);
    assert_eq!(watchers(&world), 1);
    let other = Watch::begins(&mut world, "sari", SARI, "budi", "dialog;id=2");
    other.hears(&mut world);
    assert_eq!(watchers(&world), 2, "another id is another subscription");
    // The same request by another way (RFC 3261 §8.2.2.2).
    new.to = "<sip:budi@127.0.0.1>".to_owned();
    new.cseq -= 2;
    assert!(new.asks_as_operator(&mut world, "").starts_with("SIP/2.0 482"));
    assert_eq!(watchers(&world), 2);
    world.assert_empty_in_the_end();
}

#[test]
fn a_dialog_holds_one_subscription_and_no_call() {
    let mut world = floor();
    let mut watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    watch.hears(&mut world);
    watch.event = "presence".to_owned();
    assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 403"));
    watch.event = "reg".to_owned();
    assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 489"));
    watch.event = "dialog".to_owned();
    assert!(watch.refreshes(&mut world, 10).starts_with("SIP/2.0 423"));
    watch.cseq = 1;
    assert!(watch.refreshes(&mut world, 600).starts_with("SIP/2.0 500"), "out of order (RFC 3261 §12.2.2)");
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    asks(&mut world, BUDI, &invite, "SUBSCRIBE", 1, "Event: dialog\r\n", "");
    world.take(BUDI, "SIP/2.0 403");
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_operators_phones_watch_so_many_and_no_more() {
    let mut open = settings();
    open.guard.allow = vec![Network::parse("127.0.0.3").unwrap()];
    let mut world = World::new(open, &["budi", "sari"]);
    world.register("budi", BUDI);
    world.register("sari", SARI);
    for n in 0..SUBSCRIPTIONS_PER_OPERATOR_MAX {
        let watch = Watch::begins(&mut world, "sari", SARI, "budi", &format!("dialog;id={n}"));
        watch.hears(&mut world);
    }
    let mut one_more = Watch::new(&mut world, "sari", SARI, "budi", "dialog");
    let answer = one_more.asks_as_operator(&mut world, "");
    assert!(answer.starts_with("SIP/2.0 503") && answer.contains("Retry-After"), "{answer}");
    Watch::begins(&mut world, "budi", BUDI, "sari", "dialog").hears(&mut world);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_service_that_ends_sends_its_watchers_away_for_a_while() {
    let mut world = floor();
    let watch = Watch::begins(&mut world, "sari", SARI, "budi", "dialog");
    watch.hears(&mut world);
    let mut caller = Caller::dials(&mut world);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.step(Input::Drain);
    world.pass(Duration::from_secs(2));
    assert!(
        header(&watch.hears(&mut world), "Subscription-State").starts_with("active"),
        "calls go on, and so do lamps"
    );
    caller.hangs_up(&mut world);
    world.pass(Duration::from_secs(2));
    watch.hears(&mut world);
    // The answer to our BYE never comes.
    world.pass(Duration::from_secs(31));
    assert!(world.drained);
    let notify = watch.hears(&mut world);
    assert_eq!(header(&notify, "Subscription-State"), "terminated;reason=probation;retry-after=30");
    assert_eq!(watchers(&world), 0);
}
