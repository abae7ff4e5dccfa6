//! kamailio as the telco's SBC: SIPp calls behind it, siaga stands before it. Or as a plain proxy, whose every way leads to siaga.

use std::net::UdpSocket;
use std::process::Command;

use super::process::{Running, until};
use super::service::Service;

const SBC: &str = include_str!("../kamailio/sbc.cfg");
const PROXY: &str = include_str!("../kamailio/proxy.cfg");

pub(crate) struct Kamailio {
    host: String,
    running: Running,
}

impl Kamailio {
    /// Stands between the service and who is behind it, all over UDP.
    pub(crate) fn start(service: &Service) -> Self {
        Self::with(service, SBC, "", &[])
    }

    /// The same, asking the service for a password (407).
    pub(crate) fn asking(service: &Service) -> Self {
        Self::with(service, SBC, "", &["WITH_AUTH"])
    }

    /// Speaks TLS with the service; `tls` is what its own file says of certificates.
    pub(crate) fn over_tls(service: &Service, tls: &str) -> Self {
        Self::with(service, SBC, tls, &["WITH_TLS"])
    }

    /// Proxies everything to the service, what comes from there too.
    pub(crate) fn returning(service: &Service) -> Self {
        Self::with(service, PROXY, "", &[])
    }

    /// The same, and each INVITE goes there twice.
    pub(crate) fn forking(service: &Service) -> Self {
        Self::with(service, PROXY, "", &["WITH_FORK"])
    }

    fn with(service: &Service, text: &str, tls: &str, defines: &[&str]) -> Self {
        let folder = service.path().join("kamailio");
        std::fs::create_dir_all(&folder).unwrap();
        let host = service.host(2);
        let (config, tls_config) = (folder.join("sbc.cfg"), folder.join("tls.cfg"));
        std::fs::write(&tls_config, tls).unwrap();
        let text = text
            .replace("@HOST@", &host)
            .replace("@SERVICE@", &service.host(1))
            .replace("@TELCO@", &service.host(8))
            .replace("@TLS@", &tls_config.display().to_string());
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(&config).args(["-DD", "-E", "-m", "32", "-M", "4", "-n", "1"]);
        command.arg("-w").arg(&folder).arg("-Y").arg(&folder).arg("-P").arg(folder.join("pid"));
        for define in defines {
            command.args(["-A", define]);
        }
        command.current_dir(&folder);
        let running = Running::start("kamailio", &folder, &mut command);
        let this = Self { host, running };
        until("kamailio answers", || this.answers());
        this
    }

    /// Where the other side finds it.
    pub(crate) fn address(&self) -> String {
        format!("{}:5060", self.host)
    }

    pub(crate) fn log(&self) -> String {
        self.running.output()
    }

    fn answers(&self) -> Option<()> {
        let socket = UdpSocket::bind((self.host.as_str(), 0)).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let at = socket.local_addr().unwrap();
        let options = format!(
            "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{1}\r\nFrom: <sip:t@{at}>;tag=t\r\nTo: <sip:{0}>\r\n\
             Call-ID: {1}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 9\r\nContent-Length: 0\r\n\r\n",
            self.host,
            at.port()
        );
        socket.send_to(options.as_bytes(), self.address()).ok()?;
        socket.recv(&mut [0; 2_048]).ok().map(|_| ())
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its children end with it only when it is asked to end.
        if !self.running.has_ended() {
            self.running.signal(15);
            drop(self.running.child.wait());
        }
    }
}
