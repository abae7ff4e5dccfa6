//! SIGKILL: who waits to be called back, and whose calls wait behind others, is known again after the start.

use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

#[test]
fn a_killed_service_knows_its_lists_again() {
    let host = "127.7.170.9";
    let more = format!(
        "wrap_up_seconds = 1\n[[trunk]]\nname = \"outwards\"\npeers = [\"{host}\"]\nuri = \"sip:{host}:5060\"\n\
         keep_alive_seconds = 0"
    );
    let mut service = Service::start(170, 1, &more);
    let mut phone = Pjsua::start(&service, 1, 440);
    let mut gives_up = |service: &Service, n| {
        let caller = Caller::calls(service, n, 700, Manner::CancelsAfter(300));
        let number = caller.number.clone();
        phone.rings_for(&number);
        caller.ends();
        phone.is_hung_up();
        service.wait_for_state("op1", "ready");
        number
    };
    let (waits, reached) = (gives_up(&service, 1), gives_up(&service, 2));
    let list = |service: &Service| service.siaga(&["callback", "list", "--config", "siaga.toml"]);
    until("both are on the list", || (list(&service).matches("0812").count() == 2).then_some(()));
    // The caller calls again and is answered.
    let caller = Caller::calls(&service, 2, 700, Manner::HangsUpAfter(300));
    phone.rings_for(&caller.number);
    phone.answers();
    caller.ends();
    service.siaga(&["caller", "mark", "0899", "prank", "--hours", "5", "--config", "siaga.toml"]);
    until("all is on the disk", || (service.metric("siaga_journal_backlog") == 0.0).then_some(()));
    service.kill();

    service.go();
    until("he is on the list", || list(&service).contains(&waits).then_some(()));
    assert!(!list(&service).contains(&reached), "{}", list(&service));
    let marks = service.siaga(&["caller", "list", "--config", "siaga.toml"]);
    assert!(marks.contains("0899") && marks.contains("flagged until"), "{marks}");
    service.end();
}
