//! The sections `[sip]`, `[sip.tls]`, `[[trunk]]` and `[guard]` of the configuration in TOML.

use serde::Deserialize;

use crate::limits::CONNECTIONS_PER_SOURCE_MAX;
use crate::sip::digest::Algorithm;

/// `[sip]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    pub domain: String,
    pub listen: Vec<String>,
    pub advertised: Option<String>,
    pub expires_min_seconds: u64,
    pub expires_default_seconds: u64,
    pub expires_max_seconds: u64,
    pub keep_alive_seconds: u64,
    pub digest: Vec<Algorithm>,
    pub nonce_seconds: u64,
    pub connection_idle_seconds: u64,
    pub connection_message_seconds: u64,
    pub connection_stranger_seconds: u64,
    pub connections_per_address: usize,
    pub name_servers: Vec<String>,
    pub tls: Option<Tls>,
    pub reliable_provisionals: Reliability,
    pub session_expires_seconds: u32,
    pub server_header: Option<String>,
}

impl Default for Sip {
    fn default() -> Self {
        Self {
            domain: "127.0.0.1".to_owned(),
            listen: vec!["udp:127.0.0.1:5060".to_owned()],
            advertised: None,
            expires_min_seconds: 60,
            expires_default_seconds: 600,
            expires_max_seconds: 3600,
            keep_alive_seconds: 30,
            digest: vec![Algorithm::Md5],
            nonce_seconds: 300,
            connection_idle_seconds: 3_900,
            connection_message_seconds: 30,
            connection_stranger_seconds: 60,
            connections_per_address: CONNECTIONS_PER_SOURCE_MAX,
            name_servers: Vec::new(),
            tls: None,
            reliable_provisionals: Reliability::Required,
            session_expires_seconds: 1800,
            server_header: None,
        }
    }
}

/// When provisional responses to callers are reliable (RFC 3262).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reliability {
    /// When the caller requires it.
    Required,
    /// When the caller supports it.
    Supported,
}

/// A transport as named in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportName {
    Udp,
    Tcp,
    Tls,
}

/// One `[[trunk]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trunk {
    pub name: String,
    pub peers: Vec<String>,
    pub media: Vec<String>,
    pub uri: Option<String>,
    pub transport: Option<TransportName>,
    pub tls_name: Option<String>,
    pub tcp_when_large: bool,
    pub keep_alive_seconds: u64,
    pub priority: u16,
    pub max_calls: usize,
    pub username: Option<String>,
    pub password_file: Option<String>,
    pub register: bool,
    pub registrar: Option<String>,
    pub register_expires_seconds: u64,
    pub number_format: String,
    pub country: String,
    pub called: Vec<String>,
    pub down_after: u32,
    pub up_after: u32,
    pub codecs: Vec<String>,
    pub dtmf: DtmfName,
    pub dtmf_payload_type: u8,
}

impl Default for Trunk {
    fn default() -> Self {
        Self {
            name: String::new(),
            peers: Vec::new(),
            media: Vec::new(),
            uri: None,
            transport: None,
            tls_name: None,
            tcp_when_large: false,
            keep_alive_seconds: 30,
            priority: 10,
            max_calls: 0,
            username: None,
            password_file: None,
            register: false,
            registrar: None,
            register_expires_seconds: 600,
            number_format: "as-dialled".to_owned(),
            country: String::new(),
            called: Vec::new(),
            down_after: 3,
            up_after: 2,
            codecs: Vec::new(),
            dtmf: DtmfName::Rtp,
            dtmf_payload_type: 101,
        }
    }
}

/// How a trunk sends digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DtmfName {
    /// As telephone events in RTP (RFC 4733).
    Rtp,
    /// By INFO; telephone events are neither offered nor accepted.
    Info,
}

/// `[guard]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    pub scanners: Vec<String>,
    pub allow: Vec<String>,
    pub requests_per_second: u32,
    pub burst: u32,
    pub failures: u32,
    pub ban_first_seconds: u64,
    pub ban_longest_seconds: u64,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            scanners: Vec::new(),
            allow: Vec::new(),
            requests_per_second: 20,
            burst: 200,
            failures: 10,
            ban_first_seconds: 60,
            ban_longest_seconds: 3_600,
        }
    }
}

/// `[sip.tls]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    pub certificate: String,
    pub key: String,
    pub client_ca: Option<String>,
    pub ca: Option<String>,
}

impl Tls {
    /// Every path of the section.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut String> {
        let needed = [&mut self.certificate, &mut self.key];
        needed.into_iter().chain([&mut self.client_ca, &mut self.ca].into_iter().flatten())
    }

    pub fn asks_for_no_certificate(&self) -> bool {
        self.client_ca.is_none()
    }
}
