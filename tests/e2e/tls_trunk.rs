//! A trunk over TLS is who its certificate says (RFC 5922 §7), both ways, and operators under TLS hear callers under SRTP.

use std::path::Path;

use super::kamailio::Kamailio;
use super::pjsua::Pjsua;
use super::process::until;
use super::raw::Raw;
use super::sbc::{calls_through, fallback_call};
use super::service::{Service, make_certificates};

const NAME: &str = "sbc.telco.example";

/// What kamailio says of certificates: which it shows to siaga, and whose it believes. As a server it must have one.
fn tls(service: &Service, shown: Option<&Path>) -> String {
    let ca = service.path().join("tls/ca.pem");
    let common =
        format!("method = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\nca_list = {}\n", ca.display());
    let pair = |folder: &Path| {
        let folder = folder.display();
        format!("certificate = {folder}/server.pem\nprivate_key = {folder}/server.key\n")
    };
    let as_server = pair(shown.unwrap_or(&service.path().join("tls")));
    let as_client = shown.map(pair).unwrap_or_default();
    format!("[server:default]\n{common}{as_server}[client:default]\n{common}{as_client}")
}

/// The final status of an INVITE that comes through kamailio.
fn answered_through(service: &Service, kamailio: &Kamailio, port: u16) -> u16 {
    let mut caller = Raw::udp(&format!("{}:{port}", service.host(8)), &kamailio.address());
    caller.invites()
}

#[test]
fn a_trunk_with_the_right_certificate_calls_phones_under_tls_and_srtp() {
    let trunk = format!("transport = \"tls\"\ntls_name = \"{NAME}\"");
    let service = Service::with(95, 1, "wrap_up_seconds = 0", &["udp", "tls"], "", &trunk, "srtp = \"offer\"");
    let kamailio = Kamailio::over_tls(&service, &tls(&service, Some(&service.make_certificates_for(NAME))));
    // The phone has no certificate, and listens nowhere that siaga could connect to.
    let phone = Pjsua::secret_over_tls(&service, 1, 440);
    calls_through(&service, &kamailio, phone);
}

#[test]
fn a_trunk_without_the_right_certificate_is_a_stranger() {
    let trunk = format!("transport = \"tls\"\ntls_name = \"{NAME}\"");
    let service = Service::start_over(97, 1, "answer = \"queue\"", &["udp", "tls"], "", &trunk);
    let right = service.make_certificates_for(NAME);
    let another = service.make_certificates_for("sbc.other.example");
    let foreign = service.path().join("foreign");
    make_certificates(&foreign, NAME);
    let statuses = [Some(&*right), Some(&*another), None, Some(&*foreign)].map(|shown| {
        let kamailio = Kamailio::over_tls(&service, &tls(&service, shown));
        answered_through(&service, &kamailio, 5_070)
    });
    assert_eq!(statuses[..3], [200, 401, 401], "right, wrong, and no certificate");
    assert!(statuses[3] >= 400, "one of an unknown issuer does not even connect: {}", statuses[3]);
    let records = service.records(1, |_| true);
    assert_eq!(records.len(), 1, "only the first was a call: {records:#?}");
}

#[test]
fn a_trunk_over_tls_is_called_when_its_certificate_is_right_and_not_when_it_is_wrong() {
    let trunk = format!(
        "tls_name = \"{NAME}\"\nuri = \"sip:127.7.98.2:5061\"\ntransport = \"tls\"\nkeep_alive_seconds = 1\ndown_after = 1\nup_after = 1"
    );
    let queue = "fallback_number = \"0725112233\"\nfallback_ring_seconds = 20";
    let service = Service::start_over(98, 1, queue, &["udp", "tls"], "", &trunk);
    let is_up = |up: u8| {
        until(&format!("the trunk's state is {up}"), || {
            service.shows(&format!("siaga_trunk_up{{trunk=\"telco\"}} {up}")).then_some(())
        });
    };
    let right = tls(&service, Some(&service.make_certificates_for(NAME)));
    let kamailio = Kamailio::over_tls(&service, &right);
    is_up(1);
    // kamailio asks for a certificate too: siaga shows its own.
    fallback_call(&service, &kamailio);
    drop(kamailio);
    is_up(0);
    let wrong = Kamailio::over_tls(&service, &tls(&service, Some(&service.make_certificates_for("sbc.other.example"))));
    until("the wrong certificate is refused", || {
        service.log().contains("its certificate must prove this name").then_some(())
    });
    assert!(service.shows("siaga_trunk_up{trunk=\"telco\"} 0"), "{}", wrong.log());
    drop(wrong);
    let _kamailio = Kamailio::over_tls(&service, &right);
    is_up(1);
}
