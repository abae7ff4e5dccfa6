//! `[report.smtp]`: the server that takes e-mails with reports.

use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use serde::Deserialize;

use super::source::Source;

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmtpTls {
    /// After the greeting of the server (RFC 3207). A server without it gets no e-mail.
    #[default]
    Starttls,
    /// From the start.
    Tls,
    /// Not at all: only to this machine.
    None,
}

/// `[report.smtp]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    tls: SmtpTls,
    pub(super) ca: Option<String>,
    from: String,
    user: Option<String>,
    pub(super) password_file: Option<String>,
}

/// `[report.smtp]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    /// Trusted issuers of the server's certificate; None: those of the system.
    pub ca: Option<PathBuf>,
    pub from: String,
    /// The user, and the file whose first line is the password.
    pub log_in: Option<(String, PathBuf)>,
}

impl Smtp {
    /// Reads the password.
    pub fn password(path: &Path) -> Result<String, String> {
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let password = text.lines().next().unwrap_or_default().trim();
        if password.is_empty() {
            return Err(format!("{} has an empty first line", path.display()));
        }
        Ok(password.to_owned())
    }
}

pub(super) fn checked(source: &mut Source, section: Option<Section>) -> Option<Smtp> {
    let section = section?;
    let is_host = !section.host.is_empty() && !section.host.contains(|c: char| c.is_whitespace() || c == '/');
    if !is_host {
        source.fault("report.smtp.host", format!("{:?} is not a name or an address", section.host), "\"mail.example\"");
    }
    let is_loopback = section.host == "localhost"
        || section.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if section.tls == SmtpTls::None && !is_loopback {
        let wrong = format!("{} is not this machine, and e-mails would be sent without TLS", section.host);
        source.fault("report.smtp.tls", wrong, "\"starttls\" or \"tls\", or host = \"127.0.0.1\"");
    }
    if section.from.parse::<Mailbox>().is_err() {
        let right = "\"siaga@city.example\" or \"Layanan 112 <siaga@city.example>\"";
        source.fault("report.smtp.from", format!("{:?} is not an address", section.from), right);
    }
    let usual = match section.tls {
        SmtpTls::Starttls => 587,
        SmtpTls::Tls => 465,
        SmtpTls::None => 25,
    };
    let log_in = match (section.user, section.password_file) {
        (Some(user), Some(file)) => Some((user, PathBuf::from(file))),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            source.fault("report.smtp.user", "user and password_file go together", "both, or neither");
            None
        }
    };
    Some(Smtp {
        host: section.host,
        port: section.port.unwrap_or(usual),
        tls: section.tls,
        ca: section.ca.map(PathBuf::from),
        from: section.from,
        log_in,
    })
}
