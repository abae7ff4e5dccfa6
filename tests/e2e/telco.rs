//! A telco that asks for our password: registration, and an outgoing call to the fallback number. One that is taken leave of.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::{Arc, Mutex};

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

/// A registrar that grants all that it is asked; what it has heard, as Expires values.
fn registrar(host: &str) -> Arc<Mutex<Vec<String>>> {
    let socket = UdpSocket::bind((host, 5060)).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            if let Some(expires) = line("Expires: ").strip_prefix("Expires: ").filter(|_| text.starts_with("REGISTER "))
            {
                told.lock().unwrap().push(expires.to_owned());
            }
            let kept = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "].map(line).join("\r\n");
            let answer = format!("SIP/2.0 200 OK\r\n{kept}\r\nContent-Length: 0\r\n\r\n");
            socket.send_to(answer.as_bytes(), from).unwrap();
        }
    });
    heard
}

#[test]
fn a_telco_that_is_taken_out_of_the_configuration_is_deregistered_at_once_and_again_when_the_service_ends() {
    let host = "127.7.53.9";
    let heard = registrar(host);
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "rahasia\n").unwrap();
    let trunk = format!(
        "[[trunk]]\nname = \"outwards\"\npeers = [\"{host}\"]\nuri = \"sip:{host}:5060\"\nkeep_alive_seconds = 0\n\
         username = \"siaga\"\npassword_file = \"{}\"\nregister = true\n",
        password.display()
    );
    let mut service = Service::start(53, 1, &trunk);
    let registered = "siaga_trunk_registered{trunk=\"outwards\"} 1";
    let hears = |wanted: &[&str]| (*heard.lock().unwrap() == wanted).then_some(());
    until("the telco has our registration", || service.shows(registered).then_some(()));
    let file = service.path().join("siaga.toml");
    let with = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, with.replace(&trunk, "")).unwrap();
    service.running().signal(1);
    until("the telco hears that we leave", || hears(&["600", "0"]));
    until("the trunk shows no more", || {
        (!service.shows(registered) && !service.shows(&registered.replace("} 1", "} 0"))).then_some(())
    });
    std::fs::write(&file, with).unwrap();
    service.running().signal(1);
    until("the telco has our registration again", || service.shows(registered).then_some(()));
    service.end();
    until("the telco hears that we end", || hears(&["600", "0", "600", "0"]));
}
