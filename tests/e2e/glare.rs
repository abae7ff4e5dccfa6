//! Two who negotiate at the same time (RFC 3261 §14.1), with SIPp as the trunk: who is refused with 491 comes again.

use super::pjsua::Pjsua;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::trunk::{Callee, Caller, Manner};
use super::voice::Heard;

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;
/// siaga has to refresh the session each two seconds, by re-INVITE: UPDATE is not allowed.
const TIMER: &str = "Supported: timer\nSession-Expires: 4;refresher=uas\nAllow: INVITE, ACK, BYE, CANCEL\n";
const AGREED: &str = "Supported: timer\nRequire: timer\nSession-Expires: 4;refresher=uac\n";
const REFRESH: [(&str, &str); 2] = [("Session-Expires:", "4;refresher=uac"), ("body", "m=audio [1-9][0-9]* RTP/AVP 8")];

/// A caller's INVITE.
pub(crate) fn dials(scenario: Scenario, fields: &str) -> Scenario {
    let identity = "P-Asserted-Identity: <sip:[number]@[local_ip]>\n";
    let asked = scenario.asks("INVITE", &format!("{identity}{fields}"), &Sdp::ALAW.text());
    asked.may_hear(100).may_hear(183).may_hear(180)
}

/// Plays a caller who ends the call; at the end the two have heard each other. Returns what caller and operator have heard.
pub(crate) fn talks(service: &Service, scenario: &Scenario, tones: &[u32]) -> (Heard, Vec<i16>) {
    let mut phone = Pjsua::start(service, 1, 440);
    let caller = Caller::plays(service, 1, tones, scenario);
    phone.rings_for(&caller.number);
    phone.answers();
    phone.is_hung_up();
    let number = caller.number.clone();
    let heard = caller.ends();
    assert_heard("the caller in the end", &heard.samples[heard.samples.len() - LAST..], 440, tones);
    let spoken = phone.heard().pop().unwrap();
    assert_heard("the operator in the end", &spoken[spoken.len() - LAST..], *tones.last().unwrap(), &[440]);
    let records = service.records(1, |_| true);
    let record = of(&records, &number);
    assert_eq!((&record["outcome"], &record["ended_by"]), (&"answered".into(), &"caller".into()));
    (heard, spoken)
}

#[test]
fn our_reinvite_that_a_caller_refuses_with_491_comes_again_and_both_are_heard() {
    let service = Service::start(120, 1, "");
    let scenario = dials(Scenario::caller(), TIMER)
        .hears(200, &[("Session-Expires:", "4;refresher=uas")])
        .acks("")
        .gets("INVITE", &[("CSeq:", "1 INVITE"), REFRESH[0], REFRESH[1]])
        .answers("491 Request Pending", "", "")
        .gets("ACK", &[("CSeq:", "1 ACK")])
        .gets("INVITE", &[("CSeq:", "2 INVITE"), REFRESH[0], REFRESH[1]])
        .answers("200 OK", AGREED, &Sdp::ALAW.text())
        .gets("ACK", &[("CSeq:", "2 ACK")])
        .gets("INVITE", &[("CSeq:", "3 INVITE"), REFRESH[0], REFRESH[1]])
        .answers("200 OK", "Session-Expires: 90;refresher=uac\n", &Sdp::ALAW.text())
        .gets("ACK", &[("CSeq:", "3 ACK")])
        .waits(3_000)
        .hangs_up();
    let (heard, _) = talks(&service, &scenario, &[700]);
    assert_eq!(heard.course(), [(0, 8)], "nothing was interrupted");
}

#[test]
fn a_callers_crossing_reinvite_gets_491_and_the_second_one_changes_the_codec() {
    let service = Service::start(121, 1, "");
    let scenario = dials(Scenario::caller(), TIMER)
        .hears(200, &[])
        .acks("")
        .gets_and_keeps("INVITE")
        .answers_kept("100 Trying", "", "")
        .asks("INVITE", "", &Sdp::MULAW.text())
        .may_hear(100)
        .hears(491, &[])
        .acks_refusal()
        .answers_kept("200 OK", "Session-Expires: 90;refresher=uac\n", &Sdp::ALAW.text())
        .gets("ACK", &[("CSeq:", "1 ACK")])
        .waits(1_000)
        .asks("INVITE", "", &Sdp::MULAW.text())
        .may_hear(100)
        .hears(200, &[("body", "m=audio [1-9][0-9]* RTP/AVP 0 101")])
        .acks("")
        .waits(3_000)
        .hangs_up();
    let (heard, _) = talks(&service, &scenario, &[700, 900]);
    assert_eq!(heard.course(), [(0, 8), (0, 0)]);
    heard.assert_in_parts(1, 440);
}

/// A trunk over which siaga calls: here its Call-ID is ours, so that we wait longer than who was called.
#[test]
fn our_reinvite_to_a_number_outside_is_refused_with_491_and_comes_again() {
    let service = fallback(122);
    let scenario = Scenario::callee(&[("Via:", "!;oc")])
        .answers_as("t", "180 Ringing", "", "")
        // The caller hears the queue meanwhile, and answers it.
        .waits(500)
        .answers_as("t", "200 OK", "Session-Expires: 4;refresher=uac\n", &Sdp::ALAW.text())
        .gets("ACK", &[])
        .gets("INVITE", &[("CSeq:", "2 INVITE")])
        .answers("491 Request Pending", "", "")
        .gets("ACK", &[("CSeq:", "2 ACK")])
        .gets("INVITE", &[("CSeq:", "3 INVITE")])
        .answers("200 OK", "Session-Expires: 90;refresher=uac\n", &Sdp::ALAW.text())
        .gets("ACK", &[("CSeq:", "3 ACK")])
        .waits(2_500)
        .hangs_up();
    let callee = Callee::plays(&service, &[900], &scenario);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    let heard = callee.ends().samples;
    assert_heard("the number outside", &heard[heard.len() - LAST..], 700, &[900]);
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 900, &[700]);
}

/// An unstaffed service that calls a number over the trunk.
pub(crate) fn fallback(net: u8) -> Service {
    let trunk = format!("uri = \"sip:127.7.{net}.2:5060\"\nkeep_alive_seconds = 0");
    let queue = "fallback_number = \"0725112233\"\nfallback_ring_seconds = 20";
    Service::start_over(net, 1, queue, &["udp"], "", &trunk)
}
