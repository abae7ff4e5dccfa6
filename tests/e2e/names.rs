//! A name server on loopback: dnsmasq, with the records that it is given (RFC 1035, RFC 2782, RFC 3403).

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;

use super::process::{Running, until};

/// One record.
pub(crate) enum Record {
    /// Or AAAA, as the address is.
    A(&'static str, IpAddr),
    Srv {
        name: &'static str,
        priority: u16,
        port: u16,
        host: &'static str,
    },
    /// With the flag `s`.
    Naptr {
        name: &'static str,
        order: u16,
        service: &'static str,
        replacement: &'static str,
    },
}

impl Record {
    fn argument(&self) -> String {
        match self {
            Self::A(name, address) => format!("--host-record={name},{address}"),
            Self::Srv { name, priority, port, host } => format!("--srv-host={name},{host},{port},{priority},1"),
            Self::Naptr { name, order, service, replacement } => {
                format!("--naptr-record={name},{order},1,s,{service},,{replacement}")
            }
        }
    }
}

/// Answers as long as it lives.
pub(crate) struct Names {
    pub(crate) at: SocketAddr,
    _running: Running,
    _folder: tempfile::TempDir,
}

impl Names {
    pub(crate) fn serve(at: &str, records: &[Record]) -> Self {
        let at: SocketAddr = at.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("/usr/sbin/dnsmasq");
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
        ]);
        command.args(["--user=", "--group=", "--pid-file=", "--log-facility=-", "--log-queries"]);
        command.arg(format!("--listen-address={}", at.ip())).arg(format!("--port={}", at.port()));
        command.args(records.iter().map(Record::argument));
        let running = Running::start("dnsmasq", folder.path(), &mut command);
        until("dnsmasq listens", || TcpStream::connect(at).ok());
        Self { at, _running: running, _folder: folder }
    }
}
