//! A telco that asks for our password: registration, and an outgoing call to the fallback number.

use std::process::Command;

use super::process::{Running, until};
use super::service::Service;
use super::trunk::{Caller, Manner};

#[test]
fn a_telco_that_asks_for_a_password_gets_the_registration_and_the_fallback_call() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("password"), "rahasia\n").unwrap();
    std::fs::write(at("roster.csv"), "operator,date,shift\n").unwrap();
    let telco_host = "127.7.70.9";
    let mut command = Command::new("sipp");
    command.args(["-i", telco_host, "-p", "5060", "-m", "2", "-nostdin", "-timeout", "60", "-timeout_error"]);
    command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/telco.xml")]).current_dir(folder.path());
    let mut telco = Running::start("telco", folder.path(), &mut command);
    let listens = || std::net::UdpSocket::bind((telco_host, 5060)).is_err().then_some(());
    until("the telco listens", listens);
    let more = format!(
        "fallback_number = \"0725112233\"\n[[shift]]\nname = \"pagi\"\nstart = \"07:00\"\nend = \"19:00\"\n\
         [operators]\nroster = \"{}\"\n[[trunk]]\nname = \"outwards\"\npeers = [\"{telco_host}\"]\n\
         uri = \"sip:{telco_host}:5060\"\nkeep_alive_seconds = 0\nusername = \"siaga\"\npassword_file = \"{}\"\n\
         register = true\nregistrar = \"sip:telco.example\"\ncountry = \"62\"\nnumber_format = \"+62\"",
        at("roster.csv"),
        at("password")
    );
    let service = Service::start(70, 1, &more);
    until("the telco has our registration", || {
        service.shows("siaga_trunk_registered{trunk=\"outwards\"} 1").then_some(())
    });
    let caller = Caller::calls(&service, 1, 700, Manner::HangsUpAfter(1_500));
    service.wait_for_call(&caller.number, "talking");
    caller.ends();
    assert!(telco.wait().success(), "both were let in, and the call was hung up");
    let records = service.records(1, |record| record["outcome"] == "answered");
    assert_eq!(records[0]["offers"][0]["to"]["number"], "0725112233", "{:#}", records[0]);
}
