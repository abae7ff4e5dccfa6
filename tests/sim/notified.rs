//! What a trunk tells of a caller, and what operators and records get of it: number, location, what was dialled, why it ended.

use siaga::cdr::fact::FactKind;
use siaga::media::command::{Command, Event};
use siaga::sip::location::{Location, Shape};
use siaga::switchboard::Input;

use super::text::{header, response, sdp};
use super::world::{TRUNK, World, settings};

const BUDI: &str = "127.0.0.3:5091";
const SITI: &str = "127.0.0.3:5092";

fn staffed() -> World {
    let mut world = World::new(settings(), &["budi"]);
    world.register("budi", BUDI);
    world
}

/// An INVITE of the trunk: Request-URI, more header fields, body with its type.
fn invite(world: &mut World, uri: &str, from: &str, more: &str, kind: &str, body: &str) {
    let n = world.next_serial();
    let text = format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKtold{n}\r\nFrom: {from};tag=t{n}\r\nTo: <{uri}>\r\n\
         Call-ID: told-{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:telco@{TRUNK}>\r\nMax-Forwards: 70\r\n{more}\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    world.receive(TRUNK, &text);
}

fn plain(world: &mut World, uri: &str, from: &str, more: &str) {
    invite(world, uri, from, more, "application/sdp", &sdp(TRUNK, 30_000));
}

/// A description and a document of the caller's location in one body.
fn with_location(world: &mut World, more: &str, document: &str) {
    let body = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b\r\nContent-Type: application/pidf+xml\r\n\
         Content-ID: <here@telco>\r\n\r\n{document}\r\n--b--\r\n",
        sdp(TRUNK, 30_000)
    );
    let more = format!("Geolocation: <cid:here@telco>\r\n{more}");
    invite(world, "sip:112@127.0.0.1:5060", "<sip:0812@127.0.0.2>", &more, "multipart/mixed;boundary=b", &body);
}

fn received(world: &World) -> (Option<String>, Option<String>, String, Vec<String>) {
    let found = world.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Received { asserted, presented, called, headers, .. } => {
            Some((asserted.clone(), presented.clone(), called.clone(), headers.clone()))
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no call was received: {:#?}", world.facts))
}

fn locations(world: &World) -> Vec<Location> {
    let located = world.facts.iter().filter_map(|fact| match &fact.kind {
        FactKind::Located { location } => Some(location.clone()),
        _ => None,
    });
    located.collect()
}

#[test]
fn every_way_to_dial_the_emergency_number_reaches_the_queue() {
    for (uri, called) in [
        ("sip:112@127.0.0.1:5060", "112"),
        ("sip:112@127.0.0.1;user=phone", "112"),
        ("tel:112", "112"),
        ("tel:112;phone-context=+62", "112"),
        ("urn:service:sos", "urn:service:sos"),
        ("urn:service:sos.fire", "urn:service:sos.fire"),
        ("URN:SERVICE:SOS.Police", "urn:service:sos.police"),
    ] {
        let mut world = staffed();
        plain(&mut world, uri, "<sip:0812@127.0.0.2>", "");
        world.take(TRUNK, "SIP/2.0 100");
        assert!(world.has(BUDI, "INVITE"), "{uri}");
        assert_eq!(received(&world).2, called, "{uri}");
    }
}

#[test]
fn a_call_goes_to_the_desk_of_its_service_or_number() {
    let config = "[[trunk]]\nname = 'telco'\npeers = ['127.0.0.2']\n[queue]\npriority = 1\n\
                  [[desk]]\nname = 'damkar'\nservices = ['fire']\nnumbers = ['113']\noperators = { siti = 1 }\n";
    let desks = siaga::config::Config::parse("test.toml", config).unwrap().switchboard();
    for (uri, phone, desk, priority) in [
        ("sip:112@127.0.0.1:5060", BUDI, "", 1),
        ("urn:service:sos.fire.forest", SITI, "damkar", 0),
        ("sip:113@127.0.0.1:5060", SITI, "damkar", 0),
        ("tel:113", SITI, "damkar", 0),
    ] {
        let mut settings = settings();
        settings.numbers.desks.clone_from(&desks.numbers.desks);
        settings.acd.desks.clone_from(&desks.acd.desks);
        let mut world = World::new(settings, &["budi", "siti"]);
        world.register("budi", BUDI);
        world.register("siti", SITI);
        plain(&mut world, uri, "<sip:0812@127.0.0.2>", "");
        assert!(world.has(phone, "INVITE"), "{uri}");
        let queued = world.facts.iter().find_map(|fact| match &fact.kind {
            FactKind::Queued { priority, desk, returned: false } => Some((desk.as_str(), *priority)),
            _ => None,
        });
        assert_eq!(queued, Some((desk, priority)), "{uri}");
    }
}

#[test]
fn another_number_is_not_ours() {
    for uri in ["sip:113@127.0.0.1:5060", "tel:1120", "urn:service:counseling", "sip:127.0.0.1"] {
        let mut world = staffed();
        plain(&mut world, uri, "<sip:0812@127.0.0.2>", "");
        world.take(TRUNK, "SIP/2.0 404");
        assert_eq!(world.count(|kind| matches!(kind, FactKind::Received { .. })), 0, "{uri}");
    }
}

#[test]
fn a_test_call_is_confirmed_and_hung_up_and_is_no_call() {
    let mut world = staffed();
    plain(&mut world, "urn:service:test.sos", "<sip:0812@127.0.0.2>", "");
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert!(!world.has(BUDI, "INVITE"));
    world.asks(TRUNK, &answer, "ACK", 1, "", "");
    let played = world.media.iter().find_map(|command| match command {
        Command::Play { anchor, .. } => Some(*anchor),
        _ => None,
    });
    world.step(Input::Media(Event::Played { anchor: played.unwrap() }));
    let bye = world.take(TRUNK, "BYE");
    world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Received { .. } | FactKind::Ended { .. })), 0);
    world.assert_empty_in_the_end();
}

#[test]
fn the_asserted_number_is_shown_before_the_presented_one_and_both_are_kept() {
    let mut world = staffed();
    let more = "P-Asserted-Identity: \"Siti\" <sip:+62811@telco>, <tel:+62811>\r\nPrivacy: id\r\nHistory-Info: <sip:110@telco>;index=1\r\n";
    plain(&mut world, "sip:112@127.0.0.1:5060", "\"Anonymous\" <sip:anonymous@anonymous.invalid>", more);
    let (asserted, presented, _, headers) = received(&world);
    assert_eq!((asserted.as_deref(), presented), (Some("+62811"), None));
    let from = headers.first().is_some_and(|from| from.starts_with("From: \"Anonymous\" <sip:anonymous@"));
    assert!(from, "what is no number is kept as it came: {headers:?}");
    assert_eq!(headers[1..], ["History-Info: <sip:110@telco>;index=1", "Privacy: id"]);
    let offer = world.take(BUDI, "INVITE");
    assert!(header(&offer, "From").starts_with("\"+62811\" <sip:+62811@127.0.0.1>"), "{offer}");
    assert_eq!(header(&offer, "P-Asserted-Identity"), "<sip:+62811@127.0.0.1>");

    let mut world = staffed();
    plain(
        &mut world,
        "sip:112@127.0.0.1:5060",
        "<sip:0725123@127.0.0.2>",
        "P-Asserted-Identity: <sip:+62725123@telco>\r\n",
    );
    let (asserted, presented, ..) = received(&world);
    assert_eq!((asserted.as_deref(), presented.as_deref()), (Some("+62725123"), Some("0725123")));
}

#[test]
fn a_caller_without_a_number_is_served_as_anonymous() {
    let mut world = staffed();
    plain(
        &mut world,
        "sip:112@127.0.0.1:5060",
        "<sip:anonymous@anonymous.invalid>",
        "P-Asserted-Identity: nonsense\r\n",
    );
    let (asserted, presented, ..) = received(&world);
    assert_eq!((asserted, presented), (None, None));
    let offer = world.take(BUDI, "INVITE");
    assert!(header(&offer, "From").contains("<sip:anonymous@127.0.0.1>"), "{offer}");
    assert!(!offer.contains("P-Asserted-Identity"), "nobody was asserted: {offer}");
}

#[test]
fn a_location_by_value_reaches_the_record_and_the_operators_phone() {
    let circle = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:gml=\"http://www.opengis.net/gml\" \
        xmlns:gs=\"http://www.opengis.net/pidflo/1.0\" xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\" entity=\"pres:a@b\">\
        <tuple id=\"t\"><status><gp:geopriv><gp:location-info><gs:Circle srsName=\"urn:ogc:def:crs:EPSG::4326\">\
        <gml:pos>-5.1131 105.3067</gml:pos><gs:radius uom=\"urn:ogc:def:uom:EPSG::9001\">50</gs:radius></gs:Circle>\
        </gp:location-info></gp:geopriv></status></tuple></presence>";
    let mut world = staffed();
    with_location(&mut world, "P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=5101\r\n", circle);
    world.take(TRUNK, "SIP/2.0 100");
    let found = locations(&world);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0].shape, Some(Shape::Circle { latitude: -5.1131, longitude: 105.3067, radius_m: 50.0 }));
    assert_eq!(found[1].access.get("utran-cell-id-3gpp").map(String::as_str), Some("5101"));
    let offer = world.take(BUDI, "INVITE");
    assert!(header(&offer, "From").starts_with("\"0812 -5.1131,105.3067 ±50 m\" <sip:0812@"), "{offer}");
    assert_eq!(header(&offer, "Geolocation"), "<geo:-5.1131,105.3067;u=50>");
    assert_eq!(header(&offer, "P-Access-Network-Info"), "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=5101");
}

#[test]
fn a_location_that_cannot_be_read_delays_nothing_and_is_kept() {
    for document in ["<presence", "", "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>", "\u{0}\u{1}"] {
        let mut world = staffed();
        with_location(&mut world, "P-Access-Network-Info: ;;=\r\n", document);
        world.take(TRUNK, "SIP/2.0 100");
        assert!(world.has(BUDI, "INVITE"), "{document:?}: {:#?}", world.sent);
        let found = locations(&world);
        assert!(found.iter().any(|location| location.fault.is_some()), "{document:?}: {found:#?}");
    }
}

#[test]
fn the_q850_cause_of_a_bye_is_written_down() {
    for (reason, cause) in [
        ("Reason: Q.850;cause=16;text=\"Normal call clearing\"\r\n", Some(16)),
        ("Reason: SIP;cause=200, q.850 ; cause=31\r\n", Some(31)),
        ("Reason: Q.850;cause=999\r\n", None),
        ("", None),
    ] {
        let mut world = staffed();
        plain(&mut world, "sip:112@127.0.0.1:5060", "<sip:0812@127.0.0.2>", "");
        let offer = world.take(BUDI, "INVITE");
        world.receive(BUDI, &response(&offer, BUDI, "200 OK", &sdp(BUDI, 31_000)));
        let answer = world.take(TRUNK, "SIP/2.0 200");
        world.asks(TRUNK, &answer, "ACK", 1, "", "");
        world.asks(TRUNK, &answer, "BYE", 2, reason, "");
        let ended = world.facts.iter().find_map(|fact| match fact.kind {
            FactKind::Ended { q850, .. } => Some(q850),
            _ => None,
        });
        assert_eq!(ended, Some(cause), "{reason:?}");
    }
}
