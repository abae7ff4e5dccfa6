//! An agency behind a trunk of its own: SIPp plays its signalling, `Voice` its sound.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use super::process::{Running, until};
use super::service::Service;
use super::voice::{Heard, Voice};

/// Lines of configuration behind those of `[queue]`: the trunk to the agency, and that it may be called `damkar`.
pub(crate) fn lines(net: u8) -> String {
    let host = host(net);
    format!(
        "[[trunk]]\nname = \"outwards\"\npeers = [\"{host}\"]\nuri = \"sip:{host}:5060\"\nkeep_alive_seconds = 0\n\
         [[agency]]\nname = \"damkar\"\nnumber = \"0725113\"\n"
    )
}

/// Where it is.
pub(crate) fn host(net: u8) -> String {
    format!("127.7.{net}.9")
}

pub(crate) struct Agency {
    sipp: Running,
    voice: Voice,
}

impl Agency {
    /// Takes one call, after it has rung for so long.
    pub(crate) fn takes_a_call(service: &Service, hertz: u32, after_ms: u32) -> Self {
        Self::takes_a_call_over(service, hertz, after_ms, "u1")
    }

    /// Takes it over a transport in SIPp's words: `u1` UDP, `t1` TCP.
    pub(crate) fn takes_a_call_over(service: &Service, hertz: u32, after_ms: u32, transport: &str) -> Self {
        let host = host(service.net);
        let voice = Voice::start(&format!("{host}:26000"), hertz);
        let mut command = Command::new("sipp");
        command.args(["-i", &host, "-p", "5060", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]);
        command.args(["-sf", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sipp/agency.xml")]);
        command
            .args(["-t", transport, "-d", &after_ms.to_string(), "-key", "voice_port", "26000"])
            .current_dir(service.path());
        let sipp = Running::start("agency", service.path(), &mut command);
        // What is bound cannot be bound again.
        until("the agency listens", || match transport {
            "u1" => UdpSocket::bind((host.as_str(), 5060)).is_err().then_some(()),
            _ => TcpListener::bind((host.as_str(), 5060)).is_err().then_some(()),
        });
        Self { sipp, voice }
    }

    /// It was hung up on; what it has heard.
    pub(crate) fn ends(mut self) -> Heard {
        let status = self.sipp.wait();
        assert!(status.success(), "the agency's call did not go as it should: {}", self.sipp.output());
        self.voice.stop()
    }
}
