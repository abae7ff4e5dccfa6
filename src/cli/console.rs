//! Sends requests to the console of a running service, with the token from its file.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::config::Config;
use crate::ids::OperatorId;
use crate::server::token::Token;

use super::Named;
use super::output::print_line;

const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum bytes of a response.
const ANSWER_MAX: u64 = 16 << 20;

#[derive(Debug, Deserialize)]
struct Messages {
    sent: Vec<OperatorId>,
    unsent: Vec<OperatorId>,
}

/// Changes one operator's state.
pub(super) fn change(named: &Named, change: &str, reason: Option<&str>) -> anyhow::Result<()> {
    let operator = OperatorId::parse(&named.operator)?;
    let config = Config::load_to_serve(&named.file.config)?;
    let body = reason.map(|reason| serde_json::json!({ "reason": reason }).to_string()).unwrap_or_default();
    let path = format!("/v1/operators/{operator}/{change}");
    match ask(&config, "POST", &path, &body)? {
        (200, _) => {
            print_line!("{operator}: {change} done");
            Ok(())
        }
        (404, _) => anyhow::bail!("no operator is named {operator}"),
        (status, answer) => Err(rejected(status, &answer)),
    }
}

/// Places a call for an operator, whose own phones ring first.
pub(super) fn place(config: &Config, operator: &str, to: &str) -> anyhow::Result<()> {
    let operator = OperatorId::parse(operator)?;
    order(config, &format!("/v1/operators/{operator}/calls"), &serde_json::json!({ "to": to }))?;
    print_line!("{operator}: their own phones ring first, then {to} is called");
    Ok(())
}

/// Sends a command to the running service. An error has the service's reason.
pub(super) fn order(config: &Config, path: &str, body: &serde_json::Value) -> anyhow::Result<()> {
    match ask(config, "POST", path, &body.to_string())? {
        (200, _) => Ok(()),
        (403 | 404 | 409, answer) => anyhow::bail!("{}", fault(&answer)),
        (status, answer) => Err(rejected(status, &answer)),
    }
}

/// Sends a text to one operator, or to all.
pub(super) fn message(config: &Config, operator: Option<&str>, text: &str) -> anyhow::Result<()> {
    let operator = operator.map(OperatorId::parse).transpose()?;
    let body = serde_json::json!({ "to": operator, "text": text }).to_string();
    let Messages { sent, unsent } = match ask(config, "POST", "/v1/messages", &body)? {
        (200, answer) => read(&answer)?,
        (404, _) => anyhow::bail!("no operator has that name"),
        (status, answer) => return Err(rejected(status, &answer)),
    };
    for operator in &sent {
        print_line!("{operator}: sent");
    }
    for operator in &unsent {
        print_line!("{operator}: not sent, no phone is registered");
    }
    anyhow::ensure!(!sent.is_empty(), "no phone has received the message");
    Ok(())
}

/// Requests `path` from the running service and parses the response.
pub(super) fn get<T: serde::de::DeserializeOwned>(config: &Config, path: &str) -> anyhow::Result<T> {
    match ask(config, "GET", path, "")? {
        (200, answer) => read(&answer),
        (status, answer) => Err(rejected(status, &answer)),
    }
}

/// Parses a response of the service. The parser's own error message is not shown: it does not help an administrator.
pub(super) fn read<T: serde::de::DeserializeOwned>(answer: &str) -> anyhow::Result<T> {
    serde_json::from_str(answer).map_err(|_| {
        anyhow::anyhow!("the service's response cannot be read; expected: a service of this program's version")
    })
}

/// Why the service rejected a request, with the text of its response.
pub(super) fn rejected(status: u16, answer: &str) -> anyhow::Error {
    let why = match status {
        401 => "the token is not valid; expected: the token in [console] token_file".to_owned(),
        _ => fault(answer),
    };
    anyhow::anyhow!("the service rejected the request ({status}): {why}")
}

/// Sends one request. Returns status and body of the response.
pub(super) fn ask(config: &Config, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let token = Token::read(&config.console.token_file)?;
    let address = reachable(config.console.listen);
    let stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("no service responds at {address}; expected: siaga serve with this configuration"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut stream: Box<dyn ReadWrite> = match &config.console.tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = rustls::pki_types::ServerName::IpAddress(address.ip().into());
            Box::new(rustls::StreamOwned::new(rustls::ClientConnection::new(tls.client()?, name)?, stream))
        }
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        token.bearer(),
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).context("the service does not respond")?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the response is not HTTP; expected: a siaga service at [console] listen")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the response is not HTTP; expected: a siaga service at [console] listen")?;
    Ok((status, body.to_owned()))
}

/// A connection with or without TLS.
trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// The address to which a client connects, because a listener may have the wildcard address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Why the service rejected a request: the text of its response.
pub(super) fn fault(answer: &str) -> String {
    #[derive(Deserialize)]
    struct Fault {
        fault: String,
    }
    match serde_json::from_str::<Fault>(answer) {
        Ok(told) => told.fault,
        Err(_) if answer.trim().is_empty() => "no reason is given".to_owned(),
        Err(_) => answer.lines().next().unwrap_or_default().chars().take(200).collect(),
    }
}
