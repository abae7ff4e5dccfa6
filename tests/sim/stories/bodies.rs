//! Bodies that siaga cannot read or does not need: no emergency call is rejected for them.

use super::transfer::{floor, is_hung_up, record, talking};
use super::*;

const PIDF: &str = "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
    xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\" xmlns:gml=\"http://www.opengis.net/gml\" entity=\"pres:x\">\
    <tuple id=\"x\"><status><gp:geopriv><gp:location-info><gml:Point srsName=\"urn:ogc:def:crs:EPSG::4326\">\
    <gml:pos>-5.1 105.3</gml:pos></gml:Point></gp:location-info></gp:geopriv></status></tuple></presence>";

/// A caller whose INVITE has this body and these lines, the first of which is the Content-Type.
fn dials(world: &mut World, kind: &str, body: &str) -> Caller {
    Caller::dials_of(world, kind, body)
}

/// The caller's INVITE had no offer: ours is in the 200, and the ACK answers it.
fn is_served_without_offer(world: &mut World, caller: &mut Caller) {
    answers(world, BUDI);
    let answer = caller.hears(world, "SIP/2.0 200");
    // An answer to the caller's descriptions has one codec only.
    let formats = answer.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap_or_default();
    assert!(["0", "8"].iter().all(|codec| formats.split(' ').any(|format| format == *codec)), "our offer: {answer}");
    caller.acknowledges_with(world, &sdp(TRUNK, 30_000));
    caller.hangs_up(world);
    is_hung_up(world, BUDI);
    world.assert_empty_in_the_end();
}

#[test]
fn a_location_alone_is_an_invite_without_offer_and_counts() {
    let mut world = floor();
    let kind = "Content-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\nGeolocation: <cid:a@b>\r\n";
    let mut caller = dials(&mut world, kind, PIDF);
    is_served_without_offer(&mut world, &mut caller);
    assert_eq!(record(&world).locations.len(), 1);
}

#[test]
fn a_body_that_cannot_be_read_is_written_down_and_ignored_whatever_its_handling() {
    for disposition in
        ["", "Content-Disposition: signal;handling=optional\r\n", "Content-Disposition: x;handling=required\r\n"]
    {
        let mut world = floor();
        let mut caller = dials(&mut world, &format!("Content-Type: application/isup\r\n{disposition}"), "isup it is");
        is_served_without_offer(&mut world, &mut caller);
        let kept = record(&world).headers;
        assert!(kept.iter().any(|line| line.contains("application/isup") && line.ends_with("isup it is")), "{kept:?}");
    }
}

#[test]
fn a_part_that_cannot_be_read_is_written_down_and_ignored() {
    for coding in ["", "Content-Encoding: gzip\r\n"] {
        let mut world = floor();
        let offer = sdp(TRUNK, 30_000);
        let body = format!(
            "--b\r\nContent-Type: application/x-odd\r\n{coding}\r\nodd\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{offer}\r\n--b--\r\n"
        );
        let mut caller = dials(&mut world, "Content-Type: multipart/mixed;boundary=b\r\n", &body);
        answers(&mut world, BUDI);
        caller.is_answered(&mut world);
        let kept = record(&world).headers;
        assert!(kept.iter().any(|line| line.contains("application/x-odd") && line.ends_with("odd")), "{kept:?}");
        caller.hangs_up(&mut world);
        is_hung_up(&mut world, BUDI);
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_compressed_description_in_a_part_is_not_read() {
    let mut world = floor();
    let offer = sdp(TRUNK, 30_900);
    let part = format!("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n\r\n{offer}");
    let body = format!("--b\r\n{part}\r\n--b--\r\n");
    let mut caller = dials(&mut world, "Content-Type: multipart/mixed;boundary=b\r\n", &body);
    is_served_without_offer(&mut world, &mut caller);
    let aimed = |command: &Command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == 30_900);
    assert!(!world.media.iter().any(aimed), "nothing is sent to the address in it");
}

#[test]
fn only_a_compressed_body_gets_415_which_says_what_we_read() {
    let mut world = floor();
    let gzip = "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n";
    dials(&mut world, gzip, "\u{1f}gz");
    let rejected = world.take(TRUNK, "SIP/2.0 415");
    assert_eq!(header(&rejected, "Accept-Encoding"), "identity");
    assert!(header(&rejected, "Accept").contains("application/sdp"));
    // An optional body is ignored.
    let optional = format!("{gzip}Content-Disposition: session;handling=optional\r\n");
    let mut caller = dials(&mut world, &optional, "\u{1f}gz");
    is_served_without_offer(&mut world, &mut caller);
    // `identity` does not count as a coding.
    let plain = "Content-Type: application/sdp\r\nContent-Encoding: identity\r\n";
    world.register("budi", BUDI);
    let caller = dials(&mut world, plain, &sdp(TRUNK, 30_000));
    caller.cancels(&mut world);
}

#[test]
fn an_update_of_an_unknown_type_gets_415_and_the_call_goes_on() {
    let mut world = floor();
    let (caller, invite) = talking(&mut world);
    for (kind, status) in [
        ("Content-Type: application/x-odd\r\n", 415),
        ("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", 415),
        ("Content-Type: application/x-odd\r\nContent-Disposition: x;handling=optional\r\n", 200),
        ("Content-Type: application/pidf+xml\r\n", 200),
    ] {
        let serial = world.next_serial();
        world.sent.clear();
        caller.asks_of(&mut world, "UPDATE", 10 + serial, kind, "odd");
        let answer = world.take(TRUNK, "SIP/2.0");
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{kind}: {answer}");
        assert_eq!(answer.contains("Accept-Encoding: identity"), status == 415);
    }
    asks(&mut world, BUDI, &invite, "UPDATE", 1, "Content-Encoding: gzip\r\n", &sdp(BUDI, 31_000));
    world.take(BUDI, "SIP/2.0 415");
    // A re-INVITE with a body of an unknown type refreshes the session: it counts as one without an offer.
    caller.asks_of(&mut world, "INVITE", 90, "Content-Type: application/x-odd\r\n", "odd");
    assert!(world.take(TRUNK, "SIP/2.0 200").contains("m=audio"));
    caller.asks(&mut world, "ACK", 90, "", &sdp(TRUNK, 30_000));
    assert!(endings(&world).is_empty());
    caller.hangs_up_as(&mut world, 91);
    is_hung_up(&mut world, BUDI);
    world.assert_empty_in_the_end();
}

#[test]
fn the_200_to_a_cancel_has_the_invites_to_tag() {
    // Stages: only 100 was sent; the phone rings; the call is answered at the same time.
    for stage in 0..3 {
        let mut world = floor();
        let mut caller = Caller::dials(&mut world);
        match stage {
            0 => {}
            1 => {
                super::ring_all::rings(&mut world, BUDI);
            }
            _ => {
                answers(&mut world, BUDI);
            }
        }
        caller.sends_cancel(&mut world, "");
        let cancelled = (0..9).map(|_| world.take(TRUNK, "SIP/2.0")).find(|said| said.contains(" CANCEL\r\n")).unwrap();
        let tag = header(&cancelled, "To").to_owned();
        if stage == 2 {
            // The answer is repeated until its ACK.
            world.pass(Duration::from_millis(600));
            let answer = caller.hears(&mut world, "SIP/2.0 200");
            assert_eq!(header(&answer, "To"), tag);
            caller.acknowledges(&mut world);
            caller.hangs_up(&mut world);
        } else {
            assert_eq!(header(&world.take(TRUNK, "SIP/2.0 487"), "To"), tag);
            world.sent.clear();
        }
        world.sent.clear();
        world.assert_empty_in_the_end();
    }
}
