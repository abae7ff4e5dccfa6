//! The telco's trunk: SIPp plays one caller's signalling, `Voice` the audio.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use super::process::{Running, until};
use super::scenario::Scenario;
use super::service::Service;
use super::voice::{Heard, Voice};

/// How a caller behaves after the answer.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Hangs up after so many milliseconds.
    HangsUpAfter(u32),
    /// Stays until the service hangs up.
    Stays,
    /// Wants reliable responses; in the call: UPDATE, hold for so many milliseconds, resume, four more seconds.
    HoldsFor(u32),
    /// Has no offer in the INVITE, comes a long way, offers video and fax too after so many milliseconds, and hangs up after as many
    /// again.
    FromCore(u32),
    /// Cancels so many milliseconds after the first provisional response of 180 or 183.
    CancelsAfter(u32),
}

/// One caller.
pub(crate) struct Caller {
    pub(crate) number: String,
    pub(crate) hertz: u32,
    sipp: Running,
    voice: Voice,
}

impl Caller {
    /// Calls 112. `n` tells callers of one test apart.
    pub(crate) fn calls(service: &Service, n: u16, hertz: u32, manner: Manner) -> Self {
        Self::calls_over(service, n, hertz, manner, "u1")
    }

    /// Calls 112 over a transport in SIPp's words: `u1` UDP, `t1` TCP.
    pub(crate) fn calls_over(service: &Service, n: u16, hertz: u32, manner: Manner, transport: &str) -> Self {
        Self::calls_from(service, &service.host(2), &service.address(), n, hertz, manner, transport)
    }

    /// Calls 112 through a proxy, over UDP, from an address that the service does not know.
    pub(crate) fn calls_through(service: &Service, proxy: &str, n: u16, hertz: u32, manner: Manner) -> Self {
        Self::calls_from(service, &service.host(8), proxy, n, hertz, manner, "u1")
    }

    fn calls_from(
        service: &Service,
        host: &str,
        towards: &str,
        n: u16,
        hertz: u32,
        manner: Manner,
        transport: &str,
    ) -> Self {
        let number = format!("08120000{n:04}");
        let (scenario, millis) = match manner {
            Manner::HangsUpAfter(millis) => ("caller_hangs_up.xml", millis),
            Manner::Stays => ("caller_stays.xml", 0),
            Manner::HoldsFor(millis) => ("caller_holds.xml", millis),
            Manner::FromCore(millis) => ("caller_from_core.xml", millis),
            Manner::CancelsAfter(millis) => ("caller_cancels.xml", millis),
        };
        let scenario = format!("{}/tests/sipp/{scenario}", env!("CARGO_MANIFEST_DIR"));
        let voice_port = 25_000 + 2 * n;
        let voice = Voice::start(&format!("{host}:{voice_port}"), hertz);
        let mut command = sipp(service, host, 15_000 + n, voice_port, &number, scenario.as_ref());
        command.arg(towards).args(["-s", "112", "-t", transport, "-d", &millis.to_string()]);
        let sipp = Running::start(&format!("sipp-{n}"), service.path(), &mut command);
        Self { number, hertz, sipp, voice }
    }

    /// Calls 112 as a scenario says, with a tone for each part of the call (see `Voice::at`).
    pub(crate) fn plays(service: &Service, n: u16, tones: &[u32], scenario: &Scenario) -> Self {
        let (number, host, voice_port) = (format!("08120000{n:04}"), service.host(2), 25_000 + 2 * n);
        let voice = Voice::at(&two_ports(&host, voice_port), tones);
        let file = scenario.write(service.path(), &format!("caller-{n}"));
        let mut command = sipp(service, &host, 15_000 + n, voice_port, &number, &file);
        command.arg(service.address()).args(["-s", "112"]);
        let sipp = Running::start(&format!("sipp-{n}"), service.path(), &mut command);
        Self { number, hertz: tones[0], sipp, voice }
    }

    /// Presses a digit (RFC 4733).
    pub(crate) fn presses(&self, digit: u8) {
        self.voice.presses(digit);
    }

    /// The number of samples that were heard so far.
    pub(crate) fn heard_so_far(&self) -> usize {
        self.voice.heard_so_far()
    }

    /// The call is over, as its scenario wanted; what was heard.
    pub(crate) fn ends(mut self) -> Heard {
        let status = self.sipp.wait();
        assert!(status.success(), "{}'s call did not go as it should: {status}", self.number);
        self.voice.stop()
    }
}

/// A trunk that is called, at port 5060 of the callers' host, as a scenario says.
pub(crate) struct Callee {
    sipp: Running,
    voice: Voice,
}

impl Callee {
    pub(crate) fn plays(service: &Service, tones: &[u32], scenario: &Scenario) -> Self {
        Self::plays_at(service, 2, tones, scenario)
    }

    /// The same at another host: a phone, say.
    pub(crate) fn plays_at(service: &Service, host: u8, tones: &[u32], scenario: &Scenario) -> Self {
        let host = service.host(host);
        let voice = Voice::at(&two_ports(&host, 26_000), tones);
        let file = scenario.write(service.path(), "callee");
        let mut command = sipp(service, &host, 5_060, 26_000, "callee", &file);
        let sipp = Running::start("callee", service.path(), &mut command);
        until("the callee listens", || UdpSocket::bind((host.as_str(), 5_060)).is_err().then_some(()));
        Self { sipp, voice }
    }

    /// The call is over, as its scenario wanted; what was heard.
    pub(crate) fn ends(mut self) -> Heard {
        let status = self.sipp.wait();
        assert!(status.success(), "the call out did not go as it should: {status}");
        self.voice.stop()
    }
}

/// A voice's first port, and the one to which it moves.
fn two_ports(host: &str, first: u16) -> [String; 2] {
    [first, first + 1_000].map(|port| format!("{host}:{port}"))
}

fn sipp(service: &Service, host: &str, port: u16, voice_port: u16, number: &str, scenario: &Path) -> Command {
    let mut command = Command::new("sipp");
    command.args(["-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]).arg("-sf").arg(scenario);
    command.args(["-i", host, "-p", &port.to_string(), "-key", "number", number]);
    command.args(["-key", "voice_port", &voice_port.to_string()]);
    command.args(["-key", "moved_port", &(voice_port + 1_000).to_string()]).current_dir(service.path());
    command
}
