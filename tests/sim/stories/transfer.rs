//! Transfers: blind (RFC 5589 §6), attended (§7), and calls that are picked up (RFC 3891).

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Callee, Destination};
use siaga::media::command::Prompt;
use siaga::switchboard::Agency;

use super::*;

pub(super) const DAMKAR: &str = "0725113";
pub(super) const TO_SARI: &str = "Refer-To: <sip:sari@127.0.0.1>\r\n";

/// Budi and Sari at their phones, a trunk that takes calls, and the fire brigade behind it.
pub(super) fn floor() -> World {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.numbers.agencies = vec![Agency { name: "damkar".to_owned(), number: DAMKAR.to_owned() }];
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// Budi talks with a caller; Sari's phone is there.
pub(super) fn talking(world: &mut World) -> (Caller, String) {
    let mut caller = Caller::dials(world);
    let invite = answers(world, BUDI);
    caller.is_answered(world);
    world.register("sari", SARI);
    (caller, invite)
}

/// Budi's REFER, accepted; the first NOTIFY is answered.
pub(super) fn refers(world: &mut World, invite: &str, cseq: u32, more: &str) {
    asks(world, BUDI, invite, "REFER", cseq, more, "");
    world.take(BUDI, "SIP/2.0 202");
    assert_eq!(is_notified(world, BUDI), "SIP/2.0 100 Trying");
}

/// What a phone is told of its transfer, beside that it rings.
pub(super) fn is_notified(world: &mut World, at: &str) -> String {
    loop {
        let told = is_told(world, at);
        if told != "SIP/2.0 180 Ringing" {
            return told;
        }
    }
}

/// Takes a NOTIFY and answers it; gives the status line in it.
pub(super) fn is_told(world: &mut World, at: &str) -> String {
    let notify = world.take(at, "NOTIFY");
    world.receive(at, &response(&notify, at, "200 OK", ""));
    fragment(&notify)
}

fn fragment(notify: &str) -> String {
    assert_eq!(header(notify, "Content-Type"), "message/sipfrag;version=2.0");
    let line = notify.split("\r\n\r\n").nth(1).unwrap().trim_end();
    let over = header(notify, "Subscription-State") == "terminated;reason=noresource";
    assert_eq!(over, !line.starts_with("SIP/2.0 1"), "{notify}");
    line.to_owned()
}

/// Takes our BYE at a phone and answers it.
pub(super) fn is_hung_up(world: &mut World, at: &str) {
    let bye = world.take(at, "BYE");
    world.receive(at, &response(&bye, at, "200 OK", ""));
}

pub(super) fn refuses(world: &mut World, at: &str, invite: &str, status: &str) {
    world.receive(at, &response(invite, at, status, ""));
    world.take(at, "ACK");
}

/// The record of the one emergency call.
pub(super) fn record(world: &World) -> Cdr {
    let is_received = |fact: &&siaga::cdr::fact::Fact| matches!(fact.kind, FactKind::Received { .. });
    let call = world.facts.iter().find(is_received).unwrap().call;
    let facts: Vec<_> = world.facts.iter().filter(|fact| fact.call == call).cloned().collect();
    Cdr::fold(&facts).unwrap()
}

/// The operators who talked, the seconds, and whether they transferred the caller.
pub(super) fn talks(world: &World) -> Vec<(String, u64, bool)> {
    let name = |with: &Callee| match with {
        Callee::Operator(operator) => operator.to_string(),
        Callee::Number(number) => number.clone(),
    };
    record(world).talks.iter().map(|talk| (name(&talk.with), talk.millis() / 1_000, talk.transferred)).collect()
}

pub(super) fn talk(who: &str, seconds: u64, transferred: bool) -> (String, u64, bool) {
    (who.to_owned(), seconds, transferred)
}

pub(super) fn outcomes(world: &World) -> Vec<(OfferOutcome, Option<u16>)> {
    record(world).transfers.iter().map(|one| (one.outcome.unwrap(), one.sip_status)).collect()
}

fn bridges(world: &World) -> usize {
    world.media.iter().filter(|command| matches!(command, Command::Bridge { .. })).count()
}

#[test]
fn a_caller_is_passed_on_to_a_colleague_and_hears_the_tone_meanwhile() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let (a, b) = ports(&world);
    world.pass(Duration::from_secs(10));
    world.media.clear();
    refers(&mut world, &invite, 1, &format!("{TO_SARI}Referred-By: <sip:budi@127.0.0.1>\r\n"));
    let tone = Command::Play { anchor: a, first: None, then: Some(Prompt::HoldTone) };
    assert_eq!(world.media[..2], [Command::Unbridge { anchor: a }, tone]);
    let offered = world.take(SARI, "INVITE");
    assert!(header(&offered, "From").contains("sip:0812"), "she sees the caller: {offered}");
    assert_eq!(header(&offered, "Referred-By"), "<sip:budi@127.0.0.1>");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    assert_eq!(is_told(&mut world, BUDI), "SIP/2.0 180 Ringing");
    world.receive(SARI, &response(&offered, SARI, "183 Session Progress", ""));
    assert!(!world.has(BUDI, "NOTIFY"), "that it rings is told once");
    world.pass(Duration::from_secs(5));
    world.receive(SARI, &response(&offered, SARI, "200 OK", &sdp(SARI, 31_000)));
    world.take(SARI, "ACK");
    assert_eq!(is_told(&mut world, BUDI), "SIP/2.0 200 OK");
    is_hung_up(&mut world, BUDI);
    let (caller_now, sari) = ports(&world);
    assert!(caller_now == a && sari != b, "the caller's port stays, the other is hers");
    assert!(world.media.iter().any(|command| matches!(command, Command::Record { operator, .. } if *operator == sari)));
    world.pass(Duration::from_secs(20));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    assert_eq!(talks(&world), [talk("budi", 10, true), talk("sari", 20, false)]);
    assert_eq!(outcomes(&world), [(OfferOutcome::Answered, None)]);
    assert_eq!((record(&world).returned, record(&world).talk_ms), (0, 30_000));
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    world.assert_empty_in_the_end();
    assert_eq!(world.count(|kind| matches!(kind, FactKind::WrappedUp { .. })), 2);
}

#[test]
fn a_transfer_that_fails_gives_the_caller_back_to_the_operator() {
    for (status, told, outcome) in [
        ("486 Busy Here", 486, OfferOutcome::Busy),
        ("603 Decline", 603, OfferOutcome::Rejected),
        ("302 Moved Temporarily", 480, OfferOutcome::Redirected),
        ("500 Server Internal Error", 500, OfferOutcome::Rejected),
    ] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        let (a, b) = ports(&world);
        refers(&mut world, &invite, 1, TO_SARI);
        let offered = world.take(SARI, "INVITE");
        world.pass(Duration::from_secs(3));
        refuses(&mut world, SARI, &offered, status);
        assert!(is_notified(&mut world, BUDI).starts_with(&format!("SIP/2.0 {told} ")));
        assert_eq!(world.media.last(), Some(&Command::Bridge { a, b }));
        world.pass(Duration::from_secs(4));
        // Now the operator knows that it has failed, and the BYE ends the call as usual.
        asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
        world.take(BUDI, "SIP/2.0 200");
        caller.is_hung_up(&mut world);
        assert_eq!(outcomes(&world), [(outcome, Some(told))]);
        assert_eq!(talks(&world), [talk("budi", 0, true), talk("budi", 4, false)]);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_colleague_who_does_not_answer_in_time_is_cancelled_and_a_hold_goes_on() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let (a, _) = ports(&world);
    asks(&mut world, BUDI, &invite, "INVITE", 1, "", &sdp(BUDI, 31_000).replace("sendrecv", "sendonly"));
    world.take(BUDI, "SIP/2.0 200");
    asks(&mut world, BUDI, &invite, "ACK", 1, "", "");
    refers(&mut world, &invite, 2, TO_SARI);
    let offered = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    world.pass(Duration::from_secs(16));
    world.take(SARI, "CANCEL");
    refuses(&mut world, SARI, &offered, "487 Request Terminated");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 480 Temporarily Unavailable");
    let tone = Command::Play { anchor: a, first: None, then: Some(Prompt::HoldTone) };
    assert_eq!(world.media.last(), Some(&tone), "he still has the caller on hold");
    caller.hangs_up(&mut world);
    assert_eq!(outcomes(&world), [(OfferOutcome::NoAnswer, Some(480))]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_transfer_to_an_unreachable_target_is_rejected_at_once_and_the_talk_continues() {
    let mut world = floor();
    let mut caller = Caller::dials(&mut world);
    let invite = answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    // Sari has no phone yet.
    refers(&mut world, &invite, 1, TO_SARI);
    assert!(is_notified(&mut world, BUDI).starts_with("SIP/2.0 480 "));
    // Sari has an own caller.
    world.register("sari", SARI);
    Caller::dials(&mut world);
    answers(&mut world, SARI);
    refers(&mut world, &invite, 2, TO_SARI);
    assert!(is_notified(&mut world, BUDI).starts_with("SIP/2.0 486 "));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferFailed { back: true, .. })), 2);
    caller.hangs_up(&mut world);
}

#[test]
fn the_second_transfer_of_a_dialog_has_an_id_in_its_notifications() {
    let mut world = floor();
    let (_caller, invite) = talking(&mut world);
    for (cseq, event) in [(1, "refer"), (3, "refer;id=3")] {
        asks(&mut world, BUDI, &invite, "REFER", cseq, TO_SARI, "");
        world.take(BUDI, "SIP/2.0 202");
        let notify = world.take(BUDI, "NOTIFY");
        assert_eq!(header(&notify, "Event"), event);
        assert!(header(&notify, "Subscription-State").starts_with("active;expires="));
        world.receive(BUDI, &response(&notify, BUDI, "200 OK", ""));
        // Another one at the same time is too much.
        asks(&mut world, BUDI, &invite, "REFER", cseq + 1, TO_SARI, "");
        world.take(BUDI, "SIP/2.0 491");
        let offered = world.take(SARI, "INVITE");
        refuses(&mut world, SARI, &offered, "603 Decline");
        is_notified(&mut world, BUDI);
        world.pass(Duration::from_secs(6));
    }
}

#[test]
fn a_transferor_without_a_subscription_gets_no_notify() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    asks(&mut world, BUDI, &invite, "REFER", 1, &format!("{TO_SARI}Refer-Sub: false\r\nRequire: norefersub\r\n"), "");
    assert_eq!(header(&world.take(BUDI, "SIP/2.0 202"), "Refer-Sub"), "false");
    answers(&mut world, SARI);
    is_hung_up(&mut world, BUDI);
    assert!(!world.has(BUDI, "NOTIFY"));
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn the_transferors_bye_ends_only_the_own_leg() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
    world.take(BUDI, "SIP/2.0 200");
    assert!(!world.has(TRUNK, "BYE") && endings(&world).is_empty());
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferorLeft { .. })), 1);
    assert_eq!(outcomes(&world), [(OfferOutcome::Answered, None)]);
    world.assert_empty_in_the_end();
}

#[test]
fn an_untaken_caller_rings_the_former_transferor_first() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
    let offered = world.take(SARI, "INVITE");
    refuses(&mut world, SARI, &offered, "486 Busy Here");
    let again = answers(&mut world, BUDI);
    assert_ne!(header(&again, "Call-ID"), header(&invite, "Call-ID"));
    caller.hangs_up(&mut world);
    assert_eq!(record(&world).returned, 1);
    assert_eq!(record(&world).operator.unwrap().as_str(), "budi");
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_taken_by_neither_goes_to_the_head_of_the_queue() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
    let offered = world.take(SARI, "INVITE");
    // A later caller must not be served before.
    Caller::dials(&mut world);
    refuses(&mut world, SARI, &offered, "486 Busy Here");
    let again = world.take(BUDI, "INVITE");
    // Sari's rest ends before Budi's.
    world.pass(Duration::from_secs(2));
    refuses(&mut world, BUDI, &again, "486 Busy Here");
    let first = header(&invite, "From").split(';').next().unwrap().to_owned();
    world.pass(Duration::from_secs(4));
    let next = world.take(SARI, "INVITE");
    assert!(header(&next, "From").starts_with(&first), "{first}: {next}");
    caller.hangs_up(&mut world);
}

#[test]
fn a_bye_that_crosses_the_news_of_the_failure_does_not_cut_the_caller_off() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    let offered = world.take(SARI, "INVITE");
    refuses(&mut world, SARI, &offered, "486 Busy Here");
    // The operator was not notified.
    asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
    world.take(BUDI, "SIP/2.0 200");
    assert!(endings(&world).is_empty());
    answers(&mut world, BUDI);
    caller.hangs_up(&mut world);
    assert_eq!(record(&world).returned, 1);
    world.assert_empty_in_the_end();
}

#[test]
fn a_phone_that_hangs_up_by_itself_when_its_transfer_has_failed_does_not_cut_the_caller_off() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    let offered = world.take(SARI, "INVITE");
    refuses(&mut world, SARI, &offered, "486 Busy Here");
    is_notified(&mut world, BUDI);
    world.pass(Duration::from_millis(10));
    asks(&mut world, BUDI, &invite, "BYE", 2, "", "");
    world.take(BUDI, "SIP/2.0 200");
    assert!(endings(&world).is_empty());
    answers(&mut world, BUDI);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn back_to_the_queue_means_the_one_who_is_free_next() {
    for to in ["<sip:112@127.0.0.1>", "<tel:112>", "<urn:service:sos>"] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        refers(&mut world, &invite, 1, &format!("Refer-To: {to}\r\n"));
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
        is_hung_up(&mut world, BUDI);
        answers(&mut world, SARI);
        caller.hangs_up(&mut world);
        assert_eq!(record(&world).transfers[0].to, Destination::Queue);
        assert_eq!((record(&world).returned, record(&world).operator.unwrap().as_str()), (1, "sari"));
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_agency_is_called_over_the_trunk_and_gets_the_caller() {
    for to in ["<sip:0725113@127.0.0.1>", "<sip:DamKar@127.0.0.1>", "<tel:0725-113>"] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        refers(&mut world, &invite, 1, &format!("Refer-To: {to}\r\n"));
        let out = world.take(TRUNK, "INVITE");
        assert!(out.starts_with("INVITE sip:0725113@127.0.0.2:5080 ") && header(&out, "Max-Forwards") == "69", "{out}");
        world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 32_000)));
        world.take(TRUNK, "ACK");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
        is_hung_up(&mut world, BUDI);
        world.pass(Duration::from_secs(9));
        caller.hangs_up(&mut world);
        assert_eq!(talks(&world), [talk("budi", 0, true), talk(DAMKAR, 9, false)]);
        assert_eq!(record(&world).operator, None);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_agency_that_is_busy_gives_the_caller_back() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, "Refer-To: <sip:damkar@127.0.0.1>\r\n");
    let out = world.take(TRUNK, "INVITE");
    refuses(&mut world, TRUNK, &out, "486 Busy Here");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 486 Busy Here");
    assert_eq!(bridges(&world), 2);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn what_cannot_be_asked_for_is_refused_and_changes_nothing() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    world.media.clear();
    for (cseq, (to, status)) in (1..).zip([
        ("", 400),
        ("Refer-To: <sip:sari@127.0.0.1>\r\nRefer-To: <sip:budi@127.0.0.1>\r\n", 400),
        ("Refer-To: <http://127.0.0.1/>\r\n", 403),
        ("Refer-To: <sip:nobody@127.0.0.1>\r\n", 403),
        ("Refer-To: <sip:sari@evil.example>\r\n", 403),
        ("Refer-To: <sip:08119999@127.0.0.1>\r\n", 403),
        ("Refer-To: <tel:+6281234>\r\n", 403),
        ("Refer-To: <sip:budi@127.0.0.1>\r\n", 403),
        ("Refer-To: <sip:sari@127.0.0.1;method=BYE>\r\n", 403),
        ("Refer-To: <sip:sari@127.0.0.1>\r\nRequire: x-new\r\n", 420),
    ]) {
        asks(&mut world, BUDI, &invite, "REFER", cseq, to, "");
        world.take(BUDI, &format!("SIP/2.0 {status}"));
    }
    caller.asks(&mut world, "REFER", 2, TO_SARI, "");
    world.take(TRUNK, "SIP/2.0 403");
    assert_eq!((world.media.len(), world.has(BUDI, "NOTIFY"), world.has(SARI, "INVITE")), (0, false, false));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferAsked { .. })), 0);
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_refer_outside_a_dialog_transfers_no_caller() {
    let mut world = floor();
    let (_caller, invite) = talking(&mut world);
    asks(&mut world, BUDI, &invite.replace(";tag=", ";x="), "REFER", 1, TO_SARI, "");
    world.take(BUDI, "SIP/2.0 403");
    asks(&mut world, BUDI, &invite.replace(";tag=", ";tag=x"), "REFER", 1, TO_SARI, "");
    world.take(BUDI, "SIP/2.0 481");
}

#[test]
fn a_caller_who_hangs_up_meanwhile_ends_it_all() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    let offered = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    caller.hangs_up(&mut world);
    world.take(SARI, "CANCEL");
    refuses(&mut world, SARI, &offered, "487 Request Terminated");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 487 Request Terminated");
    is_hung_up(&mut world, BUDI);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    assert_eq!(outcomes(&world), [(OfferOutcome::CallerLeft, Some(487))]);
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_whose_answer_crosses_the_callers_bye_is_hung_up() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    let offered = world.take(SARI, "INVITE");
    caller.hangs_up(&mut world);
    world.receive(SARI, &response(&offered, SARI, "200 OK", &sdp(SARI, 31_000)));
    world.take(SARI, "ACK");
    is_hung_up(&mut world, SARI);
    world.assert_empty_in_the_end();
}

#[test]
fn a_transfer_continues_when_the_transferors_phone_dies() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let (_, b) = ports(&world);
    asks(&mut world, BUDI, &invite, "REFER", 1, TO_SARI, "");
    world.step(Input::Media(Event::Silent { anchor: b, limit: None }));
    world.take(BUDI, "BYE");
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);
    assert_eq!(talks(&world).len(), 2);
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_who_logs_out_while_it_rings_gives_the_caller_back() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    refers(&mut world, &invite, 1, TO_SARI);
    let offered = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    world.step(Input::Accounts(Vec::new()));
    world.take(SARI, "CANCEL");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 480 Temporarily Unavailable");
    caller.hangs_up(&mut world);
}

#[test]
fn a_notification_that_is_refused_or_lost_ends_the_subscription_and_not_the_transfer() {
    for refused in [true, false] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        asks(&mut world, BUDI, &invite, "REFER", 1, "Refer-To: <sip:damkar@127.0.0.1>\r\n", "");
        let notify = world.take(BUDI, "NOTIFY");
        if refused {
            world.receive(BUDI, &response(&notify, BUDI, "481 Call/Transaction Does Not Exist", ""));
        }
        let out = world.take(TRUNK, "INVITE");
        world.receive(TRUNK, &response(&out, TRUNK, "180 Ringing", ""));
        world.pass(Duration::from_secs(if refused { 1 } else { 19 }));
        assert_eq!(world.has(BUDI, "NOTIFY"), !refused, "it is repeated until it is heard");
        world.sent.retain(|(_, text)| !text.starts_with("NOTIFY"));
        world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 32_000)));
        assert_eq!(world.has(BUDI, "NOTIFY"), !refused);
        is_hung_up(&mut world, BUDI);
        caller.hangs_up(&mut world);
        world.assert_empty_in_the_end();
    }
}
