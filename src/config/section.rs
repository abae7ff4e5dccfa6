//! The sections of the configuration in TOML. Those of the queue are in `acd::section`.

use serde::Deserialize;

use crate::acd::section::{DeskSection, OperatorsSection, QueueSection, ShiftSection};
use crate::limits::CONNECTIONS_PER_SOURCE_MAX;
use crate::sip::digest::Algorithm;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) site: Site,
    pub(super) sip: Sip,
    pub(super) trunk: Vec<Trunk>,
    pub(super) guard: Guard,
    pub(super) media: Media,
    pub(super) queue: QueueSection,
    pub(super) desk: Vec<DeskSection>,
    pub(super) shift: Vec<ShiftSection>,
    pub(super) agency: Vec<super::agency::Section>,
    pub(super) category: Vec<super::callers::CategorySection>,
    pub(super) silent_choice: Vec<super::silent::Section>,
    pub(super) callers: super::callers::Section,
    pub(super) posture: super::posture::Section,
    pub(super) operators: OperatorsSection,
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) recording: Recording,
    pub(super) console: Console,
    pub(super) report: Report,
    pub(super) features: Features,
    pub(super) prompts: Prompts,
    pub(super) log: super::log::Log,
    pub(super) shutdown: Shutdown,
}

/// `[site]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Name of the centre, shown in reports.
    pub name: String,
    /// The emergency number.
    pub number: String,
    /// IANA name of the time zone, for shifts and reports.
    pub timezone: String,
    /// Folder of the prompts within `[prompts] dir`.
    pub language: String,
    /// Maximum simultaneous calls; None: half of the RTP port pairs.
    pub max_calls: Option<usize>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            name: "Call Center 112".to_owned(),
            number: "112".to_owned(),
            timezone: "Asia/Jakarta".to_owned(),
            language: "id".to_owned(),
            max_calls: None,
        }
    }
}

/// `[sip]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sip {
    pub(super) domain: String,
    pub(super) listen: Vec<String>,
    pub(super) advertised: Option<String>,
    pub(super) expires_min_seconds: u64,
    pub(super) expires_default_seconds: u64,
    pub(super) expires_max_seconds: u64,
    pub(super) keep_alive_seconds: u64,
    pub(super) digest: Vec<Algorithm>,
    pub(super) nonce_seconds: u64,
    pub(super) connection_idle_seconds: u64,
    pub(super) connection_message_seconds: u64,
    pub(super) connection_stranger_seconds: u64,
    pub(super) connections_per_address: usize,
    pub(super) name_servers: Vec<String>,
    pub(super) tls: Option<super::tls::Section>,
    pub(super) reliable_provisionals: Reliability,
    pub(super) session_expires_seconds: u32,
    pub(super) server_header: Option<String>,
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
pub(super) enum Reliability {
    /// When the caller requires it.
    Required,
    /// When the caller supports it.
    Supported,
}

/// One `[[trunk]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Trunk {
    pub(super) name: String,
    pub(super) peers: Vec<String>,
    pub(super) media: Vec<String>,
    pub(super) uri: Option<String>,
    pub(super) transport: Option<TransportName>,
    pub(super) tls_name: Option<String>,
    pub(super) tcp_when_large: bool,
    pub(super) keep_alive_seconds: u64,
    pub(super) priority: u16,
    pub(super) max_calls: usize,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<String>,
    pub(super) register: bool,
    pub(super) registrar: Option<String>,
    pub(super) register_expires_seconds: u64,
    pub(super) number_format: String,
    pub(super) country: String,
    pub(super) called: Vec<String>,
    pub(super) down_after: u32,
    pub(super) up_after: u32,
    pub(super) codecs: Vec<String>,
    pub(super) dtmf: DtmfName,
    pub(super) dtmf_payload_type: u8,
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
pub(super) enum DtmfName {
    /// As telephone events in RTP (RFC 4733).
    Rtp,
    /// By INFO; telephone events are neither offered nor accepted.
    Info,
}

/// `[guard]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Guard {
    pub(super) scanners: Vec<String>,
    pub(super) allow: Vec<String>,
    pub(super) requests_per_second: u32,
    pub(super) burst: u32,
    pub(super) failures: u32,
    pub(super) ban_first_seconds: u64,
    pub(super) ban_longest_seconds: u64,
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

/// A transport as named in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TransportName {
    Udp,
    Tcp,
    Tls,
}

/// One text, or a list of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// `[media]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Media {
    pub(super) listen: Texts,
    pub(super) advertised: Option<Texts>,
    pub(super) ports: Vec<u16>,
    pub(super) threads: usize,
    pub(super) engine: EngineName,
    pub(super) srtp: SrtpName,
    pub(super) phones: Vec<String>,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            listen: Texts::One("127.0.0.1".to_owned()),
            advertised: None,
            ports: vec![20_000, 29_999],
            threads: 0,
            engine: EngineName::Auto,
            srtp: SrtpName::Off,
            phones: Vec::new(),
        }
    }
}

/// The phones that are offered SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SrtpName {
    /// No phone.
    Off,
    /// Phones that use TLS.
    Offer,
    /// All phones.
    Require,
}

/// How media uses its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// io_uring if the kernel supports it, else epoll.
    Auto,
    /// io_uring.
    IoUring,
    /// epoll with batched calls.
    Epoll,
}

/// `[store]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) url: String,
    pub(super) group: Option<String>,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:data/siaga.db".to_owned(), group: None }
    }
}

/// `[journal]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Journal {
    pub(super) dir: String,
    pub(super) keep_days: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { dir: "data/journal".to_owned(), keep_days: 7 }
    }
}

/// `[recording]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Recording {
    pub(super) enabled: bool,
    pub(super) dir: String,
}

impl Default for Recording {
    fn default() -> Self {
        Self { enabled: true, dir: "data/recordings".to_owned() }
    }
}

/// `[console]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Console {
    pub(super) listen: String,
    pub(super) token_file: String,
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8112".to_owned(), token_file: "data/console.token".to_owned() }
    }
}

/// `[report]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Report {
    pub(super) listen: String,
    pub(super) service_level_seconds: u64,
    pub(super) service_level_percent: u8,
    pub(super) short_abandon_seconds: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8113".to_owned(),
            service_level_seconds: 10,
            service_level_percent: 90,
            short_abandon_seconds: 5,
        }
    }
}

/// `[features]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Features {
    pub(super) log_in: String,
    pub(super) log_out: String,
    pub(super) station: String,
    pub(super) pause: String,
    pub(super) resume: String,
    pub(super) class_normal: String,
    pub(super) class_ghost: String,
    pub(super) class_prank: String,
    pub(super) class_information: String,
    pub(super) class_test: String,
    pub(super) class_drill: String,
    pub(super) call_back: String,
    pub(super) wrap_up: String,
    pub(super) conference: String,
    pub(super) listen: String,
    pub(super) whisper: String,
    pub(super) barge: String,
    pub(super) take_over: String,
    pub(super) pick_up: String,
    pub(super) silent_prompt: String,
    pub(super) posture_normal: String,
    pub(super) posture_incident: String,
    pub(super) posture_drill: String,
    pub(super) posture_fallback: String,
}

impl Default for Features {
    fn default() -> Self {
        let code = |text: &str| text.to_owned();
        Self {
            log_in: code("*11"),
            log_out: code("*12"),
            station: code("*17"),
            pause: code("*13"),
            resume: code("*14"),
            class_normal: code("*41"),
            class_ghost: code("*42"),
            class_prank: code("*43"),
            class_information: code("*44"),
            class_test: code("*45"),
            class_drill: code("*46"),
            call_back: code("*50"),
            wrap_up: code("*15"),
            conference: code("*30"),
            listen: code("*21"),
            whisper: code("*22"),
            barge: code("*23"),
            take_over: code("*24"),
            pick_up: code("*25"),
            silent_prompt: code("*16"),
            posture_normal: code("*60"),
            posture_incident: code("*61"),
            posture_drill: code("*62"),
            posture_fallback: code("*63"),
        }
    }
}

/// `[prompts]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Prompts {
    pub(super) dir: String,
}

impl Default for Prompts {
    fn default() -> Self {
        Self { dir: "prompts".to_owned() }
    }
}

/// `[shutdown]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shutdown {
    pub(super) drain_seconds: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain_seconds: 300 }
    }
}
