//! Calls that operators place, and attended transfers (RFC 5589 §7).

use super::transfer::{
    TO_SARI, floor, is_hung_up, is_notified, is_told, outcomes, record, refuses, talk, talking, talks,
};
use super::*;

/// A call that an operator's phone makes.
pub(super) struct Placed {
    name: &'static str,
    at: &'static str,
    n: u32,
    uri: String,
    to: String,
}

impl Placed {
    /// Sends the INVITE, through the challenge.
    pub(super) fn to(world: &mut World, name: &'static str, at: &'static str, whom: &str) -> Self {
        Self::with(world, name, at, whom, "")
    }

    pub(super) fn with(world: &mut World, name: &'static str, at: &'static str, whom: &str, more: &str) -> Self {
        Self::sends(world, name, at, format!("sip:{whom}@127.0.0.1"), more)
    }

    /// Sends the INVITE to any URI.
    pub(super) fn by_uri(world: &mut World, name: &'static str, at: &'static str, uri: &str) -> Self {
        Self::sends(world, name, at, uri.to_owned(), "")
    }

    fn sends(world: &mut World, name: &'static str, at: &'static str, uri: String, more: &str) -> Self {
        let n = world.next_serial();
        let mut call = Self { name, at, n, to: format!("<{uri}>"), uri };
        world.receive(at, &call.request("INVITE", 1, more, &sdp(at, 33_000)));
        let challenge = world.take(at, "SIP/2.0 401");
        let authorization = credentials(&challenge, name, "INVITE", &call.uri);
        call.n = world.next_serial();
        world.receive(at, &call.request("INVITE", 2, &format!("{authorization}{more}"), &sdp(at, 33_000)));
        call
    }

    pub(super) fn request(&self, method: &str, cseq: u32, more: &str, body: &str) -> String {
        let Self { name, at, n, uri, to } = self;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKd{n}x{cseq}{method};rport\r\n\
             From: <sip:{name}@127.0.0.1>;tag=d{n}\r\nTo: {to}\r\nCall-ID: direct-{n}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{name}@{at}>\r\nMax-Forwards: 70\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Takes the 200 and acknowledges it; gives the 200.
    pub(super) fn is_answered(&mut self, world: &mut World) -> String {
        let answer = world.take(self.at, "SIP/2.0 200");
        assert_eq!(header(&answer, "CSeq"), "2 INVITE");
        self.to = header(&answer, "To").to_owned();
        world.receive(self.at, &self.request("ACK", 2, "", ""));
        answer
    }

    pub(super) fn asks(&self, world: &mut World, method: &str, cseq: u32, more: &str) {
        world.receive(self.at, &self.request(method, cseq, more, ""));
    }

    /// The Refer-To that names this dialog: it is seen from the far end (RFC 5589 §7).
    pub(super) fn replaced_by(&self, whom: &str) -> String {
        self.replaced_as(&self.to, whom)
    }

    /// The same, of a dialog whose To is this.
    pub(super) fn replaced_as(&self, to: &str, whom: &str) -> String {
        let tag = to.split(";tag=").nth(1).unwrap();
        let n = self.n;
        format!(
            "Refer-To: <sip:{whom}@127.0.0.1?Replaces=direct-{n}%3Bto-tag%3D{tag}%3Bfrom-tag%3Dd{n}&Require=replaces>\r\n"
        )
    }
}

/// Budi talks with a caller, and with Sari, whose INVITE is given.
pub(super) fn consulting(world: &mut World) -> (Caller, String, Placed, String) {
    let (caller, invite) = talking(world);
    let mut placed = Placed::to(world, "budi", BUDI, "sari");
    let offered = answers(world, SARI);
    world.take(BUDI, "SIP/2.0 180");
    placed.is_answered(world);
    (caller, invite, placed, offered)
}

pub(super) fn replaces(invite: &str, to_tag_of: &str) -> String {
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
    let (call_id, ours) = (header(invite, "Call-ID"), tag(header(invite, "From")));
    format!("Replaces: {call_id};to-tag={ours};from-tag={to_tag_of}\r\n")
}

#[test]
fn an_operator_calls_a_colleague_and_it_is_no_emergency_call() {
    let mut world = floor();
    world.register("sari", SARI);
    let mut placed = Placed::to(&mut world, "budi", BUDI, "sari");
    world.take(BUDI, "SIP/2.0 100");
    let offered = world.take(SARI, "INVITE");
    assert!(header(&offered, "From").contains("<sip:budi@127.0.0.1>") && !offered.contains("emergency"), "{offered}");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    world.take(BUDI, "SIP/2.0 180");
    // Both are taken: a caller waits.
    Caller::dials(&mut world);
    assert!(!world.has(BUDI, "INVITE") && !world.has(SARI, "INVITE"));
    world.receive(SARI, &response(&offered, SARI, "200 OK", &sdp(SARI, 31_000)));
    world.take(SARI, "ACK");
    placed.is_answered(&mut world);
    assert!(world.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    placed.asks(&mut world, "BYE", 3, "");
    world.take(BUDI, "SIP/2.0 200");
    is_hung_up(&mut world, SARI);
    // The colleague has no wrap-up; the operator may have one.
    world.take(SARI, "INVITE");
    let facts: Vec<_> = world.facts.iter().filter(|fact| matches!(fact.kind, FactKind::Placed { .. })).collect();
    let of_it: Vec<_> = world.facts.iter().filter(|fact| fact.call == facts[0].call).cloned().collect();
    assert!(siaga::cdr::Cdr::fold(&of_it).is_none(), "it has no record");
    assert!(of_it.iter().any(|fact| matches!(fact.kind, FactKind::Ended { .. })));
}

#[test]
fn an_operator_gets_the_reason_why_a_number_cannot_be_called() {
    let mut world = floor();
    for (whom, status) in [("sari", 480), ("nobody", 404), ("08119999", 403), ("budi", 404)] {
        Placed::to(&mut world, "budi", BUDI, whom);
        world.take(BUDI, &format!("SIP/2.0 {status}"));
    }
    world.register("sari", SARI);
    Placed::to(&mut world, "budi", BUDI, "sari");
    let offered = world.take(SARI, "INVITE");
    refuses(&mut world, SARI, &offered, "486 Busy Here");
    world.take(BUDI, "SIP/2.0 486");
    Placed::to(&mut world, "budi", BUDI, "damkar");
    let out = world.take(TRUNK, "INVITE");
    assert!(header(&out, "From").contains("<sip:112@"), "{out}");
    refuses(&mut world, TRUNK, &out, "404 Not Found");
    world.take(BUDI, "SIP/2.0 404");
    world.assert_empty_in_the_end();
}

#[test]
fn an_operator_who_gives_up_cancels_the_placed_call() {
    let mut world = floor();
    world.register("sari", SARI);
    let placed = Placed::to(&mut world, "budi", BUDI, "sari");
    let offered = world.take(SARI, "INVITE");
    world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
    let cancel = placed.request("CANCEL", 2, "", "").replace("2CANCEL;rport", "2INVITE;rport");
    world.receive(BUDI, &cancel);
    world.take(BUDI, "SIP/2.0 200");
    world.take(BUDI, "SIP/2.0 487");
    world.take(SARI, "CANCEL");
    world.assert_empty_in_the_end();
}

#[test]
fn caller_and_colleague_are_joined_when_the_operator_asks_in_either_dialog() {
    for in_the_callers in [true, false] {
        let mut world = floor();
        let (caller, invite, placed, offered) = consulting(&mut world);
        let sari = ports(&world).1;
        world.pass(Duration::from_secs(6));
        world.media.clear();
        if in_the_callers {
            asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by("sari"), "");
        } else {
            let named = replaces(&invite, "phone").replace("Replaces: ", "").trim_end().to_owned();
            let named = named.replace(';', "%3B").replace("=", "%3D");
            placed.asks(&mut world, "REFER", 3, &format!("Refer-To: <sip:budi@127.0.0.1?Replaces={named}>\r\n"));
        }
        world.take(BUDI, "SIP/2.0 202");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 100 Trying");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
        is_hung_up(&mut world, BUDI);
        is_hung_up(&mut world, BUDI);
        assert_eq!(ports(&world).1, sari, "she keeps her port");
        world.pass(Duration::from_secs(8));
        operator_hangs_up(&mut world, SARI, &offered);
        caller.is_hung_up(&mut world);
        assert_eq!(talks(&world), [talk("budi", 6, true), talk("sari", 8, false)]);
        assert!(record(&world).transfers[0].consulted.is_some());
        assert_eq!(record(&world).operator.unwrap().as_str(), "sari");
        world.assert_empty_in_the_end();
    }
}

/// Sari's phone answers; it takes UPDATE.
fn answers_with_update(world: &mut World, offered: &str) {
    let answer = response(offered, SARI, "200 OK", &sdp(SARI, 31_000));
    world.receive(SARI, &answer.replacen("Contact", "Allow: INVITE, ACK, BYE, UPDATE\r\nContact", 1));
    world.take(SARI, "ACK");
}

#[test]
fn a_phone_with_update_support_gets_the_identity_of_the_new_party() {
    for rings_still in [false, true] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        let mut placed = Placed::to(&mut world, "budi", BUDI, "sari");
        let offered = world.take(SARI, "INVITE");
        assert!(header(&offered, "P-Asserted-Identity").contains("<sip:budi@"), "{offered}");
        world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
        placed.to = header(&world.take(BUDI, "SIP/2.0 180"), "To").to_owned();
        if !rings_still {
            answers_with_update(&mut world, &offered);
            placed.is_answered(&mut world);
        }
        asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by("sari"), "");
        assert_eq!(is_told(&mut world, BUDI), "SIP/2.0 100 Trying");
        if rings_still {
            assert_eq!(is_told(&mut world, BUDI), "SIP/2.0 180 Ringing");
            assert!(!world.has(SARI, "UPDATE"));
            answers_with_update(&mut world, &offered);
        }
        assert_eq!(is_told(&mut world, BUDI), "SIP/2.0 200 OK");
        let update = world.take(SARI, "UPDATE");
        assert!(header(&update, "P-Asserted-Identity").contains("<sip:0812"), "{update}");
        assert!(!update.contains("Session-Expires") && !update.contains("m=audio"), "{update}");
        world.receive(SARI, &response(&update, SARI, "200 OK", ""));
        world.sent.retain(|(to, _)| *to != BUDI.parse().unwrap());
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, SARI);
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}

#[test]
fn an_agency_that_was_asked_before_takes_the_caller_over() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let mut placed = Placed::to(&mut world, "budi", BUDI, "damkar");
    let out = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&out, TRUNK, "200 OK", &sdp(TRUNK, 32_000)));
    world.take(TRUNK, "ACK");
    placed.is_answered(&mut world);
    asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by("damkar"), "");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 100 Trying");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
    is_hung_up(&mut world, BUDI);
    is_hung_up(&mut world, BUDI);
    caller.hangs_up(&mut world);
    let bye = world.take(TRUNK, "BYE");
    world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
    assert_eq!(talks(&world), [talk("budi", 0, true), talk("0725113", 0, false)]);
    world.assert_empty_in_the_end();
}

#[test]
fn one_who_still_rings_goes_on_ringing_for_the_caller() {
    for answered in [true, false] {
        let mut world = floor();
        let (caller, invite) = talking(&mut world);
        let mut placed = Placed::to(&mut world, "budi", BUDI, "sari");
        let offered = world.take(SARI, "INVITE");
        world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
        placed.to = header(&world.take(BUDI, "SIP/2.0 180"), "To").to_owned();
        asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by("sari"), "");
        assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 100 Trying");
        world.take(BUDI, "SIP/2.0 487");
        if answered {
            world.receive(SARI, &response(&offered, SARI, "200 OK", &sdp(SARI, 31_000)));
            world.take(SARI, "ACK");
            assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 200 OK");
            is_hung_up(&mut world, BUDI);
        } else {
            world.pass(Duration::from_secs(16));
            world.take(SARI, "CANCEL");
            assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 480 Temporarily Unavailable");
        }
        caller.hangs_up(&mut world);
        let outcome = if answered { OfferOutcome::Answered } else { OfferOutcome::NoAnswer };
        assert_eq!(outcomes(&world)[0].0, outcome);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_dialog_that_is_none_of_ours_cannot_be_joined() {
    let mut world = floor();
    let (caller, invite, placed, _) = consulting(&mut world);
    let unknown = placed.replaced_by("sari").replace("direct-", "elsewhere-");
    asks(&mut world, BUDI, &invite, "REFER", 1, &unknown, "");
    assert_eq!(is_notified(&mut world, BUDI), "SIP/2.0 100 Trying");
    assert!(is_notified(&mut world, BUDI).starts_with("SIP/2.0 481 "));
    // Neither the caller's own dialog nor a colleague's call can be transferred.
    let own = replaces(&invite, "phone").replace("Replaces: ", "").trim_end().replace(';', "%3B").replace("=", "%3D");
    asks(&mut world, BUDI, &invite, "REFER", 2, &format!("Refer-To: <sip:sari@127.0.0.1?Replaces={own}>\r\n"), "");
    world.take(BUDI, "SIP/2.0 403");
    placed.asks(&mut world, "REFER", 3, "Refer-To: <sip:damkar@127.0.0.1>\r\n");
    world.take(BUDI, "SIP/2.0 403");
    caller.hangs_up(&mut world);
    // Budi still talks with Sari, and gets no call.
    is_hung_up(&mut world, BUDI);
    world.pass(Duration::from_secs(20));
    Caller::dials(&mut world);
    assert!(!world.has(BUDI, "INVITE"));
    placed.asks(&mut world, "BYE", 4, "");
    world.take(SARI, "INVITE");
}

#[test]
fn a_caller_who_leaves_before_the_transfer_leaves_the_two_alone() {
    let mut world = floor();
    let (caller, invite, placed, _) = consulting(&mut world);
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by("sari"), "");
    world.take(BUDI, "SIP/2.0 481");
    assert!(!world.has(SARI, "BYE"));
    placed.asks(&mut world, "BYE", 3, "");
    is_hung_up(&mut world, SARI);
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_who_hangs_up_leaves_the_caller_with_the_operator() {
    let mut world = floor();
    let (caller, _, _, offered) = consulting(&mut world);
    operator_hangs_up(&mut world, SARI, &offered);
    is_hung_up(&mut world, BUDI);
    assert!(endings(&world).len() == 1 && !world.has(TRUNK, "BYE"));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, BUDI);
    world.assert_empty_in_the_end();
}

#[test]
fn a_repeated_refer_is_one_transfer() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    let refer = format!(
        "REFER sip:siaga@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {BUDI};branch=z9hG4bKrefer\r\nFrom: {};tag=phone\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: 1 REFER\r\nContact: <sip:phone@{BUDI}>\r\nMax-Forwards: 70\r\n{TO_SARI}\
         Content-Length: 0\r\n\r\n",
        header(&invite, "To"),
        header(&invite, "From"),
        header(&invite, "Call-ID")
    );
    world.receive(BUDI, &refer);
    world.receive(BUDI, &refer);
    let accepted = |(_, text): &&(std::net::SocketAddr, String)| text.starts_with("SIP/2.0 202");
    assert_eq!(world.sent.iter().filter(accepted).count(), 2, "the second is a repetition");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::TransferAsked { .. })), 1);
    answers(&mut world, SARI);
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn a_colleague_who_has_been_removed_meanwhile_gets_the_caller_and_leaves_no_trace() {
    let mut world = floor();
    world.register("sari", SARI);
    let (caller, invite, placed, _) = consulting(&mut world);
    world.step(Input::Accounts(vec![super::super::world::account("budi")]));
    asks(&mut world, BUDI, &invite, "REFER", 1, &placed.replaced_by("sari"), "");
    world.take(BUDI, "SIP/2.0 202");
    world.pass(Duration::from_secs(10));
    caller.hangs_up(&mut world);
    is_hung_up(&mut world, SARI);
    assert_eq!(talks(&world).last().unwrap().0, "sari", "the talk was hers");
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn a_full_centre_refuses_operators_calls_first_and_emergency_calls_last() {
    let mut terms = settings();
    terms.calls.max = 4;
    let mut world = World::new(terms, &["budi", "sari"]);
    world.register("budi", BUDI);
    let mut callers = vec![Caller::dials(&mut world), Caller::dials(&mut world)];
    // Half is taken: an operator's own call waits.
    Placed::to(&mut world, "sari", SARI, "budi");
    assert_eq!(header(&world.take(SARI, "SIP/2.0 503"), "Retry-After"), "5");
    callers.extend([Caller::dials(&mut world), Caller::dials(&mut world)]);
    assert_eq!(header(&Caller::dials_and_is_rejected(&mut world), "Retry-After"), "5");
    assert_eq!(world.switchboard.guard_figures().counts[4], 1, "a call that is refused is counted");
    // A place that is free again is taken.
    callers.pop().unwrap().cancels(&mut world);
    callers.push(Caller::dials(&mut world));
    callers.iter().for_each(|caller| caller.cancels(&mut world));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Received { .. })), 5);
}

#[test]
fn an_operators_own_invite_ends_when_its_expires_is_over() {
    for answered in [false, true] {
        let mut world = floor();
        world.register("sari", SARI);
        let mut placed = Placed::with(&mut world, "budi", BUDI, "sari", "Expires: 5\r\n");
        let offered = world.take(SARI, "INVITE");
        world.receive(SARI, &response(&offered, SARI, "180 Ringing", ""));
        if answered {
            world.receive(SARI, &response(&offered, SARI, "200 OK", &sdp(SARI, 31_000)));
            placed.is_answered(&mut world);
        }
        world.pass(Duration::from_secs(4));
        assert!(!world.has(BUDI, "SIP/2.0 487"));
        world.pass(Duration::from_secs(2));
        assert_eq!(world.has(BUDI, "SIP/2.0 487"), !answered);
        assert_eq!(world.has(SARI, "CANCEL"), !answered);
        assert!(!world.has(SARI, "BYE"), "a talk continues");
    }
}
