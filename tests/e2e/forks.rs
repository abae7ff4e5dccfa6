//! A number outside that rings at two places (RFC 3261 §13.2.2.4), with SIPp as the trunk.

use super::glare::fallback;
use super::scenario::{Scenario, Sdp};
use super::tone::assert_heard;
use super::trunk::{Callee, Caller, Manner};

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

#[test]
fn of_two_that_ring_the_first_to_answer_is_heard_and_the_second_is_hung_up() {
    let service = fallback(123);
    let second = "Contact: <sip:second@[local_ip]:[local_port]>\n";
    let scenario = Scenario::callee(&[])
        .answers_as("a", "180 Ringing", second, "")
        .answers_as("t", "180 Ringing", "", "")
        // The caller hears the queue meanwhile, and answers it.
        .waits(500)
        .answers_as("t", "200 OK", "", &Sdp::ALAW.text())
        .gets("ACK", &[("To:", ";tag=[0-9]+t"), ("msg", "^ACK sip:callee@")])
        .answers_invite_as("a", "200 OK", second, &Sdp::MOVED.text())
        .gets("ACK", &[("To:", ";tag=[0-9]+a"), ("msg", "^ACK sip:second@")])
        .gets_bye(&[("To:", ";tag=[0-9]+a"), ("msg", "^BYE sip:second@")])
        .waits(3_000)
        .gets_bye(&[("To:", ";tag=[0-9]+t"), ("msg", "^BYE sip:callee@")]);
    let callee = Callee::plays(&service, &[900], &scenario);
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(5_000));
    service.wait_for_call(&caller.number, "talking");
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 900, &[700]);
    let heard = callee.ends();
    assert_heard("the number outside", &heard.samples, 700, &[900]);
    assert_eq!(heard.course(), [(0, 8)], "the second place is sent nothing");
    let records = service.records(1, |record| record["outcome"] == "answered");
    let record = super::three_callers::of(&records, &number);
    assert_eq!(record["offers"].as_array().unwrap().len(), 1, "{record:#}");
}
