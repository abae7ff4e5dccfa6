//! The telco's trunk: SIPp plays one caller's signalling, `Voice` his sound.

use std::process::Command;

use super::process::Running;
use super::service::Service;
use super::voice::{Heard, Voice};

/// How a caller behaves after the answer.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Hangs up after so many milliseconds.
    HangsUpAfter(u32),
    /// Stays until he is hung up on.
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
        let (port, voice_port) = (15_000 + n, 25_000 + 2 * n);
        let (scenario, millis) = match manner {
            Manner::HangsUpAfter(millis) => ("caller_hangs_up.xml", millis),
            Manner::Stays => ("caller_stays.xml", 0),
            Manner::HoldsFor(millis) => ("caller_holds.xml", millis),
            Manner::FromCore(millis) => ("caller_from_core.xml", millis),
            Manner::CancelsAfter(millis) => ("caller_cancels.xml", millis),
        };
        let voice = Voice::start(&format!("{host}:{voice_port}"), hertz);
        let mut command = Command::new("sipp");
        command.arg(towards).args(["-s", "112", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error"]);
        command.args(["-t", transport]);
        command.arg("-sf").arg(format!("{}/tests/sipp/{scenario}", env!("CARGO_MANIFEST_DIR")));
        command.args(["-i", host, "-p", &port.to_string(), "-d", &millis.to_string()]);
        command.args(["-key", "number", &number, "-key", "voice_port", &voice_port.to_string()]);
        command.current_dir(service.path());
        let sipp = Running::start(&format!("sipp-{n}"), service.path(), &mut command);
        Self { number, hertz, sipp, voice }
    }

    /// Presses a digit (RFC 4733).
    pub(crate) fn presses(&self, digit: u8) {
        self.voice.presses(digit);
    }

    /// The call is over, as its scenario wanted; what was heard.
    pub(crate) fn ends(mut self) -> Heard {
        let status = self.sipp.wait();
        assert!(status.success(), "{}'s call did not go as it should: {status}", self.number);
        self.voice.stop()
    }
}
