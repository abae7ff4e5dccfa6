//! Locations as trunks send them, and as they break.

use proptest::prelude::*;

use super::*;
use crate::sip::wire::{Parsed, parse};

fn invite(headers: &str, body: &str) -> String {
    format!(
        "INVITE sip:112@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:112@h>\r\n\
         Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h>\r\nMax-Forwards: 70\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn with<T>(text: &str, look: impl FnOnce(&Message<'_>) -> T) -> T {
    match parse(text.as_bytes()) {
        Parsed::Good(message) => look(&message),
        Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_) => panic!("not a good message: {text}"),
    }
}

const CIRCLE: &str = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\" \
    xmlns:gs=\"http://www.opengis.net/pidflo/1.0\" xmlns:gml=\"http://www.opengis.net/gml\"><tuple id=\"a\"><status><gp:geopriv>\
    <gp:location-info><gs:Circle srsName=\"urn:ogc:def:crs:EPSG::4326\"><gml:pos>-5.1131 105.3067</gml:pos>\
    <gs:radius uom=\"urn:ogc:def:uom:EPSG::9001\">50</gs:radius></gs:Circle></gp:location-info></gp:geopriv></status></tuple></presence>";

fn enclosed(pidf: &str) -> String {
    let body = format!(
        "--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b1\r\nContent-Type: application/pidf+xml\r\n\
         Content-ID: <l@h>\r\n\r\n{pidf}\r\n--b1--\r\n"
    );
    invite("Geolocation: <cid:l@h>\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n", &body)
}

#[test]
fn a_circle_beside_a_session_description_is_read_and_both_are_found() {
    with(&enclosed(CIRCLE), |message| {
        assert_eq!(session_description(message), Some(b"v=0\r\n".as_slice()));
        let found = read(message);
        let circle = Shape::Circle { latitude: -5.1131, longitude: 105.3067, radius_m: 50.0 };
        assert_eq!(
            found.iter().map(|l| (l.source, l.shape.clone())).collect::<Vec<_>>(),
            [(Source::PidfLo, Some(circle))]
        );
        assert_eq!(found[0].brief(), "-5.1131,105.3067 ±50 m");
    });
}

#[test]
fn a_civic_address_is_read_by_its_elements() {
    let civic = "<p><civicAddress xmlns=\"urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr\"><country>ID</country><A3>Metro</A3>\
                 <RD>Jl. \"Sudirman\"</RD><HNO>12</HNO></civicAddress></p>";
    with(&enclosed(civic), |message| {
        let found = read(message);
        assert_eq!(found[0].civic.get("A3").map(String::as_str), Some("Metro"));
        assert_eq!(found[0].brief(), "Jl. Sudirman 12, Metro");
    });
}

#[test]
fn what_cannot_be_read_is_kept_with_its_fault() {
    for broken in [
        "<presence><unclosed>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a/>",
        "<Point><pos>100 200</pos></Point>",
    ] {
        with(&enclosed(broken), |message| {
            let found = read(message);
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].raw.as_str(), found[0].fault.is_some()), (broken, true));
            assert!(session_description(message).is_some());
        });
    }
}

#[test]
fn nested_parts_and_a_missing_end_are_read_too() {
    let body = "preamble\r\n--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\ncontent-type: application/sdp\r\n\r\nv=0\r\n";
    let text = invite("Content-Type: multipart/mixed;boundary=o\r\n", body);
    with(&text, |message| assert_eq!(session_description(message), Some(b"v=0".as_slice())));
}

#[test]
fn references_and_the_access_network_are_kept() {
    let text = invite(
        "Geolocation: <https://lis.example/1>\r\nP-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=\"5101\"\r\n",
        "",
    );
    with(&text, |message| {
        let found = read(message);
        assert_eq!(found.iter().map(|l| l.source).collect::<Vec<_>>(), [Source::AccessNetwork, Source::Reference]);
        assert_eq!(found[0].access.get("utran-cell-id-3gpp").map(String::as_str), Some("5101"));
        assert_eq!(session_description(message), None);
    });
}

/// A presence document of those tuples' `location-info` contents.
fn presence(infos: &[&str]) -> String {
    let tuple = |info: &&str| {
        format!(
            "<tuple id='t'><status><gp:geopriv><gp:location-info>{info}</gp:location-info></gp:geopriv></status></tuple>"
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:gml=\"http://www.opengis.net/gml\" \
         xmlns:gs=\"http://www.opengis.net/pidflo/1.0\" xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\" \
         xmlns:ca=\"urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr\" entity=\"pres:a@b\">{}</presence>",
        infos.iter().map(tuple).collect::<String>()
    )
}

fn alone(pidf: &str) -> Vec<Location> {
    with(&invite("Content-Type: application/pidf+xml\r\n", pidf), read)
}

fn point(pos: &str, more: &str) -> String {
    format!("<gml:Point {more}><gml:pos>{pos}</gml:pos></gml:Point>")
}

#[test]
fn a_geolocation_value_finds_its_part_however_the_ids_are_written() {
    for (value, id) in [
        ("<cid:l@h>", "<l@h>"),
        ("<cid:l@h>", "l@h"),
        ("<CID:l@h>;inserted-by=\"<sip:p@h>\"", "<L@H>"),
        ("<cid:l%40h>;routing-allowed=yes", "<l@h>"),
        ("cid:l@h", " <l@h> "),
    ] {
        // Only a reference makes a text/xml part a location.
        let body = format!("--b\r\nContent-Type: text/xml\r\ncontent-id: {id}\r\n\r\n{CIRCLE}\r\n--b--");
        let text = invite(&format!("Geolocation: {value}\r\nContent-Type: Multipart/Mixed;x=y; Boundary=b\r\n"), &body);
        let found = with(&text, read);
        assert!(found.len() == 1 && found[0].shape.is_some(), "{value} {id}: {found:?}");
    }
    let found = with(&enclosed(CIRCLE).replace("<cid:l@h>", "<cid:x@h>"), read);
    assert!(found[0].shape.is_some(), "a document without a reference counts");
    assert_eq!(found[1].fault.as_deref(), Some("no body part of this Content-ID"));
    let twice = with(&enclosed(CIRCLE).replace("<cid:l@h>", "<cid:l@h>, <cid:l@h>"), read);
    assert_eq!(twice.len(), 1);
}

#[test]
fn several_locations_come_in_the_order_of_their_use() {
    let civic = "<ca:civicAddress><ca:A3>Metro</ca:A3><ca:A3>Bandung</ca:A3><ca:RD>\n Jl.  Ahmad\n Yani</ca:RD></ca:civicAddress>";
    let document = presence(&["<gml:Polygon/>", civic, &point("-5.1 105.3", "srsName='urn:ogc:def:crs:EPSG::4326'")]);
    let found = alone(&document);
    assert_eq!(found[0].shape, Some(Shape::Point { latitude: -5.1, longitude: 105.3 }));
    assert_eq!(found[1].brief(), "Jl. Ahmad Yani, Metro");
    assert_eq!(found[2].fault.as_deref(), Some("a shape other than point and circle"));
    assert!(found.iter().all(|location| location.raw.starts_with("<gp:geopriv>") && document.contains(&location.raw)));
}

#[test]
fn a_shape_and_an_address_of_one_place_make_one_location() {
    let both = format!("{}<ca:civicAddress><ca:A1>Lampung</ca:A1></ca:civicAddress>", point("-5.1 105.3", ""));
    let found = alone(&presence(&[&both]));
    assert_eq!((found.len(), found[0].civic["A1"].as_str()), (1, "Lampung"));
    assert_eq!(found[0].brief(), "-5.1,105.3");
    // The older namespace of RFC 4119, with the road in A6.
    let old = "<x:civicAddress xmlns:x='urn:ietf:params:xml:ns:pidf:geopriv10:civicLoc'><x:A6>Jl. Veteran</x:A6><x:HNO>3</x:HNO>\
               <x:HNS>A</x:HNS><x:A2>Lampung Timur</x:A2></x:civicAddress>";
    assert_eq!(alone(&presence(&[old]))[0].brief(), "Jl. Veteran 3A, Lampung Timur");
}

#[test]
fn shapes_that_cannot_be_trusted_are_faults() {
    let circle = |radius: &str| format!("<gs:Circle><gml:pos>-5.1 105.3</gml:pos>{radius}</gs:Circle>");
    for (shape, fault) in [
        (
            point("105.3 -5.1", "srsName='urn:ogc:def:crs:OGC:1.3:CRS84'"),
            "a coordinate reference system other than WGS 84",
        ),
        (point("105.3 -5.1", ""), "a latitude that is none"),
        (point("-5.1 180.1", ""), "a longitude that is none"),
        (point("NaN inf", ""), "a latitude that is none"),
        (point("-5.1", ""), "a longitude that is none"),
        ("<gml:Point/>".to_owned(), "a shape without a position"),
        (circle(""), "a circle without a radius"),
        (circle("<gs:radius uom='urn:ogc:def:uom:EPSG::9001'>-1</gs:radius>"), "a radius that is none"),
        (circle("<gs:radius>1e9</gs:radius>"), "a radius that is none"),
        (circle("<gs:radius uom='urn:ogc:def:uom:EPSG::9002'>5</gs:radius>"), "a radius that is not in metres"),
        (String::new(), "no location in it"),
    ] {
        let found = alone(&presence(&[&shape]));
        assert_eq!((found.len(), found[0].fault.as_deref()), (1, Some(fault)), "{shape}");
    }
    let height = point("-5.1 105.3 12", "srsName='urn:ogc:def:crs:EPSG::4979'");
    assert!(alone(&presence(&[&height]))[0].shape.is_some());
}

#[test]
fn documents_are_bounded() {
    let many = presence(&vec!["<gml:Point/>"; 200]);
    assert_eq!(alone(&many)[0].fault.as_deref(), Some("longer than the limit: not read"));
    assert_eq!(alone(&many)[0].raw.len(), LOCATION_BYTES_MAX);
    assert_eq!(alone(&presence(&["<gml:Point/>"; 30])).len(), LOCATIONS_MAX);
    let deep = "<a>".repeat(5_000);
    assert!(alone(&deep)[0].fault.is_some());
    let closed = format!("{}{}", "<a>".repeat(2_300), "</a>".repeat(2_300));
    assert_eq!(alone(&closed)[0].fault.as_deref(), Some("no location in it"));
    let values = "<https://l>,".repeat(100);
    assert_eq!(with(&invite(&format!("Geolocation: {values}\r\n"), ""), read).len(), LOCATIONS_MAX);
    let split = "é".repeat(LOCATION_BYTES_MAX / 2 + 9);
    assert_eq!(alone(&format!("x{split}"))[0].raw.len(), LOCATION_BYTES_MAX - 1);
}

#[test]
fn multipart_bodies_are_cut_at_whole_delimiter_lines_only() {
    for (boundary, body, sdp) in [
        (
            "b",
            "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=--b\r\n--bc\r\n\r\n--b--\r\nepilogue",
            "v=0\r\ns=--b\r\n--bc\r\n",
        ),
        ("b", "preamble --b\n--b \t\nContent-Type: APPLICATION/SDP;x=y\n\nv=0\n--b--", "v=0"),
        ("\"b: (c)\"", "\r\n--b: (c)\r\nContent-Type:\r\n application/sdp\r\n\r\nv=0", "v=0"),
        (
            "o",
            "--o\r\nContent-Type: multipart/mixed;boundary=oo\r\n\r\n--oo\r\n\r\nx\r\n--oo\r\nContent-Type: application/sdp\r\n\r\nv=1\r\n--oo--\r\n--o--",
            "v=1",
        ),
    ] {
        let text = invite(&format!("Content-Type: multipart/mixed;boundary={boundary}\r\n"), body);
        assert_eq!(with(&text, |message| session_description(message).map(<[u8]>::to_vec)), Some(sdp.into()), "{body}");
    }
    // Without the parameter, the first line with two hyphens is the boundary.
    let text = invite("Content-Type: multipart/mixed\r\n", "--q\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--q--");
    assert!(with(&text, |message| session_description(message) == Some(b"v=0")));
    for (kind, body) in
        [("text/plain", "v=0"), ("multipart/mixed;boundary=b", "v=0"), ("multipart/mixed;boundary=b", "--b\r\n\r\nv=0")]
    {
        assert!(
            with(&invite(&format!("Content-Type: {kind}\r\n"), body), |message| session_description(message).is_none()),
            "{body}"
        );
    }
    assert!(with(&invite("", "v=0\r\n"), |message| session_description(message).is_some()));
}

#[test]
fn parts_beyond_the_cap_are_not_looked_at() {
    let filler = "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n".repeat(1_000);
    let text = invite(
        "Content-Type: multipart/mixed;boundary=b\r\n",
        &format!("{filler}--b\r\nContent-Type: application/sdp\r\n\r\nv=0"),
    );
    assert!(with(&text, |message| multipart::parts(message).len() <= BODY_PARTS_MAX
        && session_description(message).is_none()));
}

#[test]
fn a_document_in_base64_is_decoded() {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(CIRCLE);
    let body = format!(
        "--b\r\nContent-Type: application/pidf+xml\r\nContent-Transfer-Encoding: Base64\r\n\r\n{}\r\n{}\r\n--b--",
        &encoded[..76],
        &encoded[76..]
    );
    let found = with(&invite("Content-Type: multipart/mixed;boundary=b\r\n", &body), read);
    assert!(found[0].shape.is_some() && found[0].raw == CIRCLE);
}

#[test]
fn access_networks_are_read_with_and_without_quotes_and_values() {
    let text = invite(
        "P-Access-Network-Info: IEEE-802.11;i-wlan-node-id=00BB, 3GPP-UTRAN-TDD; UTRAN-Cell-ID-3gpp=\"5101\\\"0\";network-provided\r\n\
         P-Access-Network-Info: \"no\" type;x=y\r\n",
        "",
    );
    let found = with(&text, read);
    assert_eq!(found[0].brief(), "IEEE-802.11 00BB");
    let expected = [("network-provided", ""), ("type", "3GPP-UTRAN-TDD"), ("utran-cell-id-3gpp", "5101\"0")];
    assert!(found[1].access.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    assert_eq!(found[2].fault.as_deref(), Some("no access type"));
}

#[test]
fn what_is_shown_is_short_and_harmless() {
    let shape = |radius_m| Location {
        shape: Some(Shape::Circle { latitude: -0.000_001, longitude: 105.0, radius_m }),
        ..Location::empty(Source::PidfLo, String::new())
    };
    assert_eq!(shape(850.24).brief(), "0,105 ±850 m");
    assert_eq!(shape(12_400.0).brief(), "0,105 ±12 km");
    let civic = format!("<ca:civicAddress><ca:RD>a\"b\\&lt;c&gt;&#13;{}</ca:RD></ca:civicAddress>", "é".repeat(200));
    let brief = alone(&presence(&[&civic]))[0].brief();
    assert!(brief.starts_with("abc é") && brief.chars().count() == 60, "{brief}");
    assert_eq!(Location::empty(Source::Reference, "<https://x>".into()).brief(), "");
}

#[test]
fn documents_go_on_to_the_operator_as_they_came() {
    let text = enclosed(CIRCLE);
    let found = with(&text, enclosures);
    assert_eq!(found, [Enclosure { content_id: "l@h".into(), body: CIRCLE.into() }]);
    let (content_type, body) = multipart(b"v=0\r\n", &found, "b1\u{2d}l@h");
    let text = invite(
        &format!("Geolocation: {}\r\nContent-Type: {content_type}\r\n", geolocation(&found)),
        &String::from_utf8(body).unwrap(),
    );
    with(&text, |message| {
        assert_eq!(session_description(message), Some(b"v=0\r\n".as_slice()));
        assert_eq!((enclosures(message), read(message).len()), (found, 1));
    });
    // An id that could break out of a header field is replaced, a boundary that a part holds grows.
    let odd = with(&enclosed(CIRCLE).replace("Content-ID: <l@h>", "Content-ID: <l> \"x\">"), enclosures);
    assert_eq!(odd[0].content_id, "location-0@siaga.invalid");
    assert_eq!(multipart(b"v=0", &odd, "presence").0, "multipart/mixed;boundary=presencex");
    assert_eq!(with(&invite("", "v=0"), enclosures), []);
}

#[test]
fn locations_keep_their_json() {
    let found = with(&enclosed(CIRCLE), read);
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(json["source"], "pidf-lo");
    assert_eq!(
        json["shape"],
        serde_json::json!({"shape": "circle", "latitude": -5.1131, "longitude": 105.3067, "radius_m": 50.0})
    );
    assert_eq!(serde_json::from_value::<Location>(json).unwrap(), found[0]);
}

proptest! {
    #[test]
    fn no_body_can_break_the_reader(body in "(--b\r?\n|Content-Type: (application/(sdp|pidf\\+xml)|multipart/mixed;boundary=b)\r?\n|\r?\n|<[ab:]{1,4}( x='1')?/?>|<p><Point><pos>|[ -~é]{0,6}|--b--){0,24}",
        headers in "(Geolocation: [ -~]{0,30}\r\n|P-Access-Network-Info: [ -~]{0,30}\r\n){0,3}") {
        for kind in ["multipart/mixed;boundary=b", "multipart/x", "application/pidf+xml"] {
            let text = invite(&format!("{headers}Content-Type: {kind}\r\n"), &body);
            if let Parsed::Good(message) | Parsed::Bad(message, _) = parse(text.as_bytes()) {
                let found = read(&message);
                prop_assert!(found.len() <= LOCATIONS_MAX && found.iter().all(|location| location.brief().chars().count() <= 60));
                let sdp = session_description(&message).unwrap_or_default();
                prop_assert!(message.body.windows(sdp.len().max(1)).any(|window| window == sdp) || sdp.is_empty());
                enclosures(&message);
            }
        }
    }
}
