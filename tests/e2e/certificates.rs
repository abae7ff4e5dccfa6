//! Certificates as OpenSSL's own tools see them: a new one without a restart, and the name that we ask a trunk's server for.

use std::process::{Command, Stdio};

use super::pjsua::Pjsua;
use super::process::{Running, until};
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

/// The subject of a service's certificate, as seen by a peer that trusts its CA only.
fn shown(service: &Service) -> String {
    let at = format!("{}:5061", service.host(1));
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &at, "-CAfile", "tls/ca.pem", "-verify_return_error"]);
    let done = command.current_dir(service.path()).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told = String::from_utf8(done.stdout).unwrap();
    told.lines().find(|line| line.starts_with("subject=")).unwrap().to_owned()
}

#[test]
fn a_new_certificate_is_shown_without_a_restart_and_phones_keep_their_connections() {
    let mut service = Service::with(27, 1, "", &["udp", "tls"], "", "", "srtp = \"offer\"");
    let mut phone = Pjsua::secret_over_tls(&service, 1, 440);
    let old = shown(&service);
    assert!(old.contains(&service.host(1)), "{old}");
    service.make_certificates("phones.siaga.example");
    service.running().signal(1);
    until("the new certificate is shown", || shown(&service).contains("phones.siaga.example").then_some(()));
    // The phone believes the old one, and takes its call over the connection that it has.
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(1_000));
    phone.rings_for(&caller.number);
    phone.answers();
    phone.is_hung_up();
    caller.ends();
    assert!(service.shows("siaga_sip_connections 1"));
}

#[test]
fn a_trunks_server_is_asked_for_the_name_that_its_certificate_must_prove() {
    const NAME: &str = "sbc.telco.example";
    let trunk =
        format!("tls_name = \"{NAME}\"\nuri = \"sip:127.7.28.2:5061\"\ntransport = \"tls\"\nkeep_alive_seconds = 1");
    let service = Service::start_over(28, 1, "", &["udp", "tls"], "", &trunk);
    // A peer that requests this server's second name gets its second certificate; for another name it gets none.
    let right = service.make_certificates_for(NAME);
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.7.28.2:5061", "-cert", "tls/server.pem", "-key", "tls/server.key"]);
    command.args(["-servername", NAME, "-servername_fatal"]).stdin(Stdio::piped());
    command.arg("-cert2").arg(right.join("server.pem")).arg("-key2").arg(right.join("server.key"));
    let server = Running::start("s_server", service.path(), command.current_dir(service.path()));
    let options = "OPTIONS sip:127.7.28.2:5061;transport=tls SIP/2.0";
    until("a keep-alive comes through", || server.output().contains(options).then_some(()));
}
