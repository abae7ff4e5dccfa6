//! Offers in a call as trunks and phones make them: another codec, old and new ways of hold, several streams, with SIPp and pjsua2.

use super::glare::{dials, talks};
use super::pjsua::Pjsua;
use super::scenario::{Scenario, Sdp, described};
use super::service::Service;
use super::sessions::negotiates;
use super::three_callers::Phone;
use super::tone::share;

/// A re-INVITE that is answered with a description of which something is known.
fn offers(scenario: Scenario, fields: &str, body: &str, answer: &str, millis: u32) -> Scenario {
    let asked = scenario.asks("INVITE", fields, body).may_hear(100);
    asked.hears(200, &[("body", answer)]).acks("").waits(millis)
}

/// A caller who is answered, and talks for a time.
fn answered() -> Scenario {
    dials(Scenario::caller(), "").hears(200, &[]).acks("").waits(2_000)
}

#[test]
fn a_caller_changes_to_mu_law_and_back_and_both_are_heard_each_time() {
    let service = Service::start(128, 1, "");
    let changed = offers(answered(), "", &Sdp::MULAW.text(), "m=audio [1-9][0-9]* RTP/AVP 0 101", 2_000);
    let scenario = offers(changed, "", &Sdp::ALAW.text(), "m=audio [1-9][0-9]* RTP/AVP 8 101", 3_000).hangs_up();
    let (heard, spoken) = talks(&service, &scenario, &[700, 900, 1_100]);
    assert_eq!(heard.course(), [(0, 8), (0, 0), (0, 8)]);
    heard.assert_in_parts(0, 440);
    assert_in_turn(&spoken, &[700, 900, 1_100]);
}

#[test]
fn pjsua2_changes_to_mu_law_and_back_and_both_are_heard_each_time() {
    let service = Service::start(129, 1, "");
    let phone = <Pjsua as Phone>::start(&service, 1, 440);
    negotiates(&service, phone, &[Pjsua::holds, Pjsua::resumes, Pjsua::speaks_mulaw, Pjsua::speaks_alaw]);
}

#[test]
fn a_caller_holds_in_both_old_ways_and_is_heard_after_each() {
    let service = Service::start(130, 1, "");
    let held = offers(answered(), "", &described("0.0.0.0", &Sdp::ALAW.line()), "a=recvonly", 1_500);
    let back = offers(held, "", &Sdp::ALAW.text(), "a=sendrecv", 2_000);
    let held = offers(back, "", &Sdp::INACTIVE.text(), "a=inactive", 1_500);
    let scenario = offers(held, "", &Sdp::ALAW.text(), "a=sendrecv", 3_000).hangs_up();
    let (heard, spoken) = talks(&service, &scenario, &[700, 900, 1_100]);
    assert_eq!(heard.course(), [(0, 8), (0, 8), (0, 8)], "he is sent nothing while he holds: {:?}", heard.parts);
    heard.assert_in_parts(0, 440);
    assert_in_turn(&spoken, &[700, 900, 1_100]);
    let records = service.records(1, |_| true);
    assert!(records[0]["hold_ms"].as_u64().unwrap() > 2_000, "{:#}", records[0]);
}

/// Two streams that are of no use, one that is, and one too many.
fn four_streams() -> String {
    let of_no_use = "m=audio 0 RTP/AVP 8\nm=video 40000 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    described("[local_ip]", &format!("{of_no_use}{}{}", Sdp::MOVED.line(), Sdp::ALAW.line()))
}

#[test]
fn of_several_streams_the_first_that_can_be_used_is_and_our_own_offer_keeps_their_places() {
    let service = Service::start(131, 1, "");
    // RFC 3264 §8: an offer in a call has a line for each that there was.
    let places = "m=audio 0 RTP/AVP.*m=video 0 RTP/AVP.*m=audio [1-9][0-9]* RTP/AVP.*m=audio 0 RTP/AVP";
    let timer = "Supported: timer\nSession-Expires: 4;refresher=uas\nAllow: INVITE, ACK, BYE, CANCEL\n";
    let scenario = offers(answered(), timer, &four_streams(), places, 0)
        .gets("INVITE", &[("body", places)])
        .answers("200 OK", "Session-Expires: 90;refresher=uac\n", &four_streams())
        .gets("ACK", &[])
        .waits(3_000)
        .hangs_up();
    let (heard, spoken) = talks(&service, &scenario, &[700, 900]);
    assert_eq!(heard.course(), [(0, 8), (1, 8)]);
    heard.assert_in_parts(0, 440);
    assert_in_turn(&spoken, &[700, 900]);
}

/// Asserts that tones were heard one after the other.
fn assert_in_turn(samples: &[i16], tones: &[u32]) {
    let mut halves = samples.chunks(4_000).enumerate();
    for tone in tones {
        assert!(halves.any(|(_, half)| share(half, *tone) > 0.7), "{tone} Hz of {tones:?} is missing in its turn");
    }
}
