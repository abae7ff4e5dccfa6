//! Sound before the answer that moves to another port (RFC 3311 §5.2, RFC 3262 §5), with SIPp on the trunk.

use super::baresip::Baresip;
use super::glare::fallback;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::three_callers::Phone as _;
use super::tone::{assert_heard, share};
use super::trunk::{Callee, Caller, Manner};

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;
const RELIABLE: &str = "Require: 100rel\nAllow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\n";

#[test]
fn a_waiting_caller_moves_by_update_and_the_media_follows() {
    let service = Service::start(126, 1, "");
    let scenario = dials_reliably()
        .hears_reliably(183, &[("body", "m=audio [1-9]")])
        .asks("PRACK", "RAck: [$rseq] 1 INVITE\n", "")
        .hears(200, &[])
        .waits(1_500)
        .asks("UPDATE", "", &Sdp::MOVED.text())
        .hears(200, &[("CSeq:", "3 UPDATE"), ("body", "m=audio [1-9]")])
        .hears(200, &[("CSeq:", "1 INVITE"), ("msg", "!m=audio")])
        .acks("")
        .waits(4_000)
        .hangs_up();
    let mut phone = Baresip::start(&service, 1, 440);
    let order = |what: &str| service.siaga(&["operator", what, "op1", "--config", "siaga.toml"]);
    order("pause");
    let caller = Caller::plays(&service, 1, &[700], &scenario);
    service.wait_for_call(&caller.number, "queued");
    // The caller has heard the queue at both ports when the operator answers.
    service.sound_flows(1, 4);
    order("resume");
    phone.rings_for(&caller.number);
    phone.answers();
    phone.is_hung_up();
    let heard = caller.ends();
    assert_heard("the caller", &heard.samples[heard.samples.len() - LAST..], 440, &[700]);
    let ports: Vec<usize> = heard.parts.iter().map(|part| part.port).collect();
    assert!(ports.is_sorted() && ports.contains(&0) && ports.contains(&1), "{:?}", heard.parts);
    let last_at_first = heard.parts.iter().rfind(|part| part.port == 0).unwrap();
    let first_at_second = heard.parts.iter().find(|part| part.port == 1).unwrap();
    assert!(first_at_second.begin == last_at_first.end && first_at_second.begin > 8_000, "{:?}", heard.parts);
    let heard = phone.heard();
    let heard = heard.last().unwrap();
    assert_heard("the operator", &heard[heard.len() - LAST..], 700, &[440]);
}

fn dials_reliably() -> Scenario {
    let invite = Scenario::caller().asks(
        "INVITE",
        &format!("P-Asserted-Identity: <sip:[number]@[local_ip]>\n{RELIABLE}"),
        &Sdp::ALAW.text(),
    );
    invite.may_hear(100)
}

#[test]
fn a_caller_answered_by_the_queue_hears_the_tone_while_a_phone_rings() {
    let service = Service::start(139, 1, "answer = \"queue\"");
    let mut phone = Baresip::start(&service, 1, 440);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    service.sound_flows(1, 3);
    phone.answers();
    service.sound_flows(2, 4);
    phone.hangs_up();
    let heard = caller.ends().samples;
    assert!(heard[..16_000].chunks(4_000).any(|half| share(half, 425) > 0.7), "the tone, and not silence");
    assert_heard("the caller", &heard[heard.len() - LAST..], 440, &[700]);
}

#[test]
fn a_number_outside_moves_by_update_before_it_answers_and_a_later_183_moves_nothing() {
    let service = fallback(127);
    let scenario = Scenario::callee(&[("Supported:", "100rel")])
        .answers_as("t", "183 Session Progress", &format!("{RELIABLE}RSeq: 7\n"), &Sdp::ALAW.text())
        .gets("PRACK", &[("RAck:", "7 1 INVITE")])
        .answers("200 OK", "", "")
        .asks("UPDATE", "", &Sdp::MOVED.text())
        .hears(200, &[("body", "m=audio [1-9]")])
        // Its answer has been given: what a second one says means nothing (RFC 6337 §2.2).
        .answers_invite_as("t", "183 Session Progress", &format!("{RELIABLE}RSeq: 8\n"), &Sdp::ALAW.text())
        .gets("PRACK", &[("RAck:", "8 1 INVITE")])
        .answers("200 OK", "", "")
        // The caller hears the queue meanwhile, and answers it.
        .waits(500)
        .answers_invite_as("t", "200 OK", "", "")
        .gets("ACK", &[])
        .gets_bye(&[]);
    let callee = Callee::plays(&service, &[900], &scenario);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(4_000));
    service.wait_for_call(&caller.number, "talking");
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 900, &[700]);
    let heard = callee.ends();
    assert_eq!(heard.course(), [(1, 8)], "it is heard where it has moved to");
    assert_heard("the number outside", &heard.samples, 700, &[900]);
}
