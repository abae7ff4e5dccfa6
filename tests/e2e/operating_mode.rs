//! A major incident, set by a supervisor's phone: every phone rings, one answers, the others stop; and a killed service goes on so.

use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::trunk::{Caller, Manner};

#[test]
fn in_a_major_incident_a_call_rings_all_three_phones() {
    let more = "wrap_up_seconds = 1\n[operators]\nsupervisors = [\"op1\"]";
    let mut service = Service::start(171, 3, more);
    let mut phones = [(1, 440), (2, 550), (3, 660)].map(|(n, hertz)| Pjsua::start(&service, n, hertz));
    let told = |service: &Service| service.siaga(&["mode", "--config", "siaga.toml"]);
    assert_eq!(told(&service), "normal\n");
    phones[0].dial(&format!("sip:*61@{}", service.host(1)));
    phones[0].is_answered();
    phones[0].is_hung_up();
    assert!(told(&service).starts_with("major-incident since "), "{}", told(&service));
    assert!(service.shows("siaga_mode{mode=\"major-incident\"} 1"));
    assert!(service.shows("siaga_mode{mode=\"normal\"} 0"));

    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phones.iter_mut().for_each(|phone| phone.rings_for(&caller.number));
    phones[1].answers();
    service.wait_for_call(&caller.number, "talking");
    phones[0].is_hung_up();
    phones[2].is_hung_up();
    service.sound_flows(2, 1);
    phones[1].hangs_up();
    caller.ends();
    let record = &service.records(1, |_| true)[0];
    assert_eq!((&record["posture"], &record["operator"]), (&"major-incident".into(), &"op2".into()), "{record:#}");
    assert_eq!(record["offers"].as_array().unwrap().len(), 3);

    service.kill();
    service.go();
    until("the mode is known again", || told(&service).starts_with("major-incident since ").then_some(()));
    until("the log tells of it", || service.log().contains("the operating mode has changed").then_some(()));
    let set = service.siaga(&["mode", "normal", "--config", "siaga.toml"]);
    assert!(set.starts_with("normal since ") && set.contains("by console"), "{set}");
    service.end();
}
