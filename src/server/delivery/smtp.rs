//! Sends one e-mail to the server of `[report.smtp]`.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::config::{Smtp, SmtpTls};

/// For each command.
const COMMAND: Duration = Duration::from_secs(30);
/// For the whole e-mail.
const WHOLE: Duration = Duration::from_secs(300);
/// Replies about the log-in (RFC 4954 §6, RFC 3207 §4): the e-mail is right, the settings are not.
const LOG_IN: [u16; 5] = [454, 530, 534, 535, 538];

/// Why an e-mail was not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// The server will never take it.
    Rejected(String),
    /// The server does not take this e-mail now.
    Later(String),
    /// No e-mail can be sent now.
    Down(String),
}

pub(super) async fn send(smtp: &Smtp, to: &str, message: &[u8]) -> Result<(), SendError> {
    let transport = transport(smtp).map_err(SendError::Down)?;
    let envelope = envelope(smtp, to).map_err(SendError::Rejected)?;
    match tokio::time::timeout(WHOLE, transport.send_raw(&envelope, message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(fault)) => Err(kind(&fault)),
        Err(_) => Err(SendError::Down("the server does not respond".to_owned())),
    }
}

fn envelope(smtp: &Smtp, to: &str) -> Result<Envelope, String> {
    let from: Mailbox = smtp.from.parse().map_err(|fault| format!("from: {fault}"))?;
    let to = to.parse().map_err(|fault| format!("{to}: {fault}"))?;
    Envelope::new(Some(from.email), vec![to]).map_err(|fault| fault.to_string())
}

fn transport(smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let tls = match smtp.tls {
        SmtpTls::Starttls => Tls::Required(parameters(smtp)?),
        SmtpTls::Tls => Tls::Wrapper(parameters(smtp)?),
        SmtpTls::None => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host);
    let mut builder = builder.port(smtp.port).timeout(Some(COMMAND)).tls(tls);
    if let Some((user, file)) = &smtp.log_in {
        builder = builder.credentials(Credentials::new(user.clone(), Smtp::password(file)?));
    }
    Ok(builder.build())
}

/// The trusted certificates. They are read for each e-mail, so that changed files apply at once.
fn parameters(smtp: &Smtp) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(path) = &smtp.ca {
        let pem = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let ca = Certificate::from_pem(&pem).map_err(|fault| format!("{}: {fault}", path.display()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(ca);
    }
    builder.build().map_err(|fault| words(&fault))
}

fn kind(fault: &Error) -> SendError {
    let is_log_in = fault.status().is_some_and(|code| LOG_IN.contains(&u16::from(code)));
    match (fault.status().is_some() && !is_log_in, fault.is_permanent()) {
        (true, true) => SendError::Rejected(words(fault)),
        (true, false) => SendError::Later(words(fault)),
        (false, _) => SendError::Down(words(fault)),
    }
}

/// An error with its causes.
fn words(fault: &dyn std::error::Error) -> String {
    let mut words = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = inner.source();
    }
    words
}
