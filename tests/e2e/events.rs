//! Operators see each other and write to each other: pjsua2, baresip and SIPp as phones with lamps and presence.

use std::process::Command;

use super::baresip::Baresip;
use super::pjsua::Pjsua;
use super::process::{Running, until};
use super::service::Service;
use super::three_callers::Phone;
use super::tone::assert_heard;
use super::trunk::{Caller, Manner};

/// A watcher made of SIPp, beside the phones.
fn sipp(service: &Service, scenario: &str, watcher: &str, watched: &str) -> Running {
    let mut command = Command::new("sipp");
    command.arg(service.address()).args(["-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]);
    command.arg("-sf").arg(format!("{}/tests/sipp/{scenario}", env!("CARGO_MANIFEST_DIR")));
    command.args(["-i", &service.host(8), "-p", "5070", "-key", "watcher", watcher, "-key", "watched", watched]);
    // SIPp reads the password of a request from these.
    command.args(["-au", watcher, "-ap", &format!("pass-{watcher}")]).current_dir(service.path());
    Running::start(scenario, service.path(), &mut command)
}

fn wait_for_file(service: &Service, name: &str) {
    until(name, || service.path().join(name).exists().then_some(()));
}

#[test]
fn a_lamp_of_sipp_follows_a_call_of_a_colleague() {
    let service = Service::start(85, 2, "wrap_up_seconds = 1");
    let mut phone = Baresip::start(&service, 1, 440);
    let mut lamp = sipp(&service, "lamp.xml", "op2", "op1");
    wait_for_file(&service, "lamp-off");
    until("the subscription is counted", || service.shows("siaga_sip_subscriptions 1").then_some(()));
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    wait_for_file(&service, "lamp-blinks");
    phone.answers();
    wait_for_file(&service, "lamp-on");
    phone.hangs_up();
    caller.ends();
    assert!(lamp.wait().success(), "the lamp saw what it should: {}", lamp.output());
    until("the subscription is over", || service.shows("siaga_sip_subscriptions 0").then_some(()));
}

#[test]
fn a_caller_who_rings_is_taken_by_what_the_lamp_of_a_colleague_tells() {
    let service = Service::start(175, 2, "wrap_up_seconds = 1");
    let mut phone = Baresip::start(&service, 1, 440);
    let mut other = Pjsua::start(&service, 2, 600);
    service.siaga(&["operator", "pause", "op2", "--config", "siaga.toml"]);
    let mut lamp = sipp(&service, "lamp_names.xml", "op2", "op1");
    wait_for_file(&service, "lamp-off");
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    // As the phone that rings would be asked: its own tag is the one that the document calls local.
    let dialog = until("the lamp tells names", || {
        let names = std::fs::read_to_string(service.path().join("lamp-names")).ok()?;
        let [call_id, local, remote] = names.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        Some(format!("{call_id};to-tag={local};from-tag={remote}"))
    });
    other.replaces(&format!("sip:op1@{}", service.host(1)), &dialog);
    other.is_answered();
    phone.is_hung_up();
    service.wait_for_call(&caller.number, "talking");
    service.sound_flows(2, 4);
    other.hangs_up();
    let heard = caller.ends().samples;
    assert_heard("the caller", &heard[heard.len() - 16_000..], 600, &[440, 700]);
    assert_heard("who has taken him", other.heard().last().unwrap(), 700, &[440, 600]);
    assert!(lamp.wait().success(), "{}", lamp.output());
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(records[0]["operator"], "op2", "{:#}", records[0]);
}

#[test]
fn sipp_asks_whether_messages_wait() {
    let service = Service::start(86, 1, "");
    let mut asker = sipp(&service, "messages_wait.xml", "op1", "op1");
    assert!(asker.wait().success(), "{}", asker.output());
}

#[test]
fn pjsua2_phones_see_each_other_and_write_to_each_other() {
    let mut service = Service::start(87, 3, "wrap_up_seconds = 1");
    let mut first = Pjsua::start(&service, 1, 440);
    let mut second = Pjsua::start(&service, 2, 550);
    first.watches("op2");
    first.event("buddy op2 online Available");
    service.siaga(&["operator", "pause", "--config", "siaga.toml", "op2", "--reason", "meal"]);
    first.event("buddy op2 offline Away");
    service.siaga(&["operator", "pause", "--config", "siaga.toml", "op1"]);
    service.siaga(&["operator", "resume", "--config", "siaga.toml", "op2"]);
    first.event("buddy op2 online Available");
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    second.rings_for(&caller.number);
    first.event("buddy op2 online On the phone");
    second.answers();

    assert_eq!(first.writes("op2", "ambulans sudah jalan"), "200");
    let text = second.event("text ");
    assert!(text.contains("sip:op1@") && text.ends_with("text/plain ambulans sudah jalan"), "{text}");
    assert_eq!(second.writes("op1", "siap"), "200");
    assert!(first.event("text ").ends_with("siap"));
    assert_eq!(first.writes("op3", "halo"), "480");
    assert_eq!(first.writes("nobody", "halo"), "404");

    let all = service.siaga(&["operator", "message", "--config", "siaga.toml", "--all", "gempa, tetap tenang"]);
    assert_eq!(all, "op1: sent\nop2: sent\nop3: not sent, no phone is registered\n");
    for phone in [&mut first, &mut second] {
        let text = phone.event("text ");
        assert!(text.contains("sip:siaga@") && text.ends_with("gempa, tetap tenang"), "{text}");
    }
    let one = service.siaga(&["operator", "message", "--config", "siaga.toml", "op2", "hubungi saya"]);
    assert_eq!(one, "op2: sent\n");
    assert!(second.event("text ").ends_with("hubungi saya"));
    assert!(!service.log().contains("ambulans") && !service.log().contains("gempa"), "words are in no log");

    second.hangs_up();
    caller.ends();
    first.event("buddy op2 online Available");
    second.heard();
    first.event("buddy op2 offline Offline");
    service.end();
}

#[test]
fn baresip_phones_see_each_other() {
    let service = Service::start(88, 2, "");
    let contact = |n: u8| format!("\"Colleague\" <sip:op{n}@{}>;presence=p2p\n", service.host(1));
    let first = Baresip::with_contacts(&service, 1, 440, &contact(2));
    until("it watches", || service.shows("siaga_sip_subscriptions 1").then_some(()));
    let mut second = Baresip::with_contacts(&service, 2, 550, &contact(1));
    first.shows("from Offline to Online");
    until("both watch", || service.shows("siaga_sip_subscriptions 2").then_some(()));
    service.siaga(&["operator", "pause", "--config", "siaga.toml", "op1"]);
    second.shows("from Online to Offline");
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    second.rings_for(&caller.number);
    first.shows("from Online to Busy");
    second.answers();
    second.hangs_up();
    caller.ends();
}
