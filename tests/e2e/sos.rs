//! Calls to the emergency service by its name (RFC 5031), with where the caller is (RFC 4119, RFC 6442), and test calls (RFC 6881 §15):
//! SIPp as a telco that routes by service, baresip as the phones of two desks.

use super::baresip::Baresip;
use super::scenario::{Scenario, Sdp};
use super::service::Service;
use super::three_callers::{Phone as _, of};
use super::tone::assert_heard;
use super::trunk::Caller;

/// The last seconds of what a party heard, in samples.
const LAST: usize = 2 * 8_000;

/// Where the caller is: a circle of 50 m.
const HERE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:gml=\"http://www.opengis.net/gml\"
 xmlns:gs=\"http://www.opengis.net/pidflo/1.0\" xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\" entity=\"pres:a@b\">
<tuple id=\"t\"><status><gp:geopriv><gp:location-info><gs:Circle srsName=\"urn:ogc:def:crs:EPSG::4326\">
<gml:pos>-5.1131 105.3067</gml:pos><gs:radius uom=\"urn:ogc:def:uom:EPSG::9001\">50</gs:radius></gs:Circle>
</gp:location-info></gp:geopriv></status></tuple></presence>
";

#[test]
fn a_call_by_the_name_of_a_service_reaches_its_desk_with_the_callers_place() {
    let desk = "[[desk]]\nname = \"damkar\"\nservices = [\"fire\"]\noperators = { op2 = 1 }";
    let service = Service::start(156, 2, &format!("wrap_up_seconds = 0\n{desk}"));
    let _police = Baresip::start(&service, 1, 550);
    let mut fire = Baresip::start(&service, 2, 440);
    let fields = "P-Asserted-Identity: <sip:[number]@[local_ip]>\nGeolocation: <cid:here@telco>\nGeolocation-Routing: yes\n\
                  P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=5101\nContent-Type: multipart/mixed;boundary=b\n";
    let body = format!(
        "--b\nContent-Type: application/sdp\n\n{}--b\nContent-Type: application/pidf+xml\nContent-ID: <here@telco>\n\n{HERE}--b--\n",
        Sdp::ALAW.text()
    );
    let scenario = Scenario::caller()
        .calling("urn:service:sos.fire")
        .asks("INVITE", fields, &body)
        .may_hear(100)
        .may_hear(183)
        .may_hear(180)
        .hears(200, &[])
        .acks("")
        .waits(3_000)
        .hangs_up();
    let caller = Caller::plays(&service, 1, &[700], &scenario);
    fire.rings_for(&caller.number);
    fire.shows("Geolocation: <geo:-5.1131,105.3067;u=50>");
    fire.shows("-5.1131,105.3067 ±50 m\"");
    fire.shows("P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=5101");
    assert_eq!(service.state("op1"), "ready", "it is not the police's call");
    fire.answers();
    fire.is_hung_up();
    let number = caller.number.clone();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - LAST..], 440, &[700]);
    assert_heard("the operator", fire.heard().last().unwrap(), 700, &[440]);
    let records = service.records(1, |record| record["outcome"] == "answered");
    let record = of(&records, &number);
    assert_eq!((&record["called"], &record["desk"]), (&"urn:service:sos.fire".into(), &"damkar".into()), "{record:#}");
    let places = record["locations"].to_string();
    assert!(places.contains("-5.1131") && places.contains("105.3067") && places.contains("5101"), "{places}");

    // A test call is confirmed and hung up, rings no operator, and is no call.
    let scenario = Scenario::caller()
        .calling("urn:service:test.sos")
        .asks("INVITE", "", &Sdp::ALAW.text())
        .may_hear(100)
        .hears(200, &[])
        .acks("")
        .gets_bye(&[]);
    let heard = Caller::plays(&service, 2, &[700], &scenario).ends().samples;
    assert!(heard.iter().any(|sample| sample.abs() > 1_000), "something is said");
    assert_eq!(["op1", "op2"].map(|operator| service.state(operator)), ["ready", "ready"]);
    assert_eq!(service.records(1, |_| true).len(), 1);
}
