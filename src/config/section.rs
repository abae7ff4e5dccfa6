//! The sections of the configuration in TOML that belong to the whole service. The others are beside their users.

use serde::Deserialize;

use crate::acd::section::{DeskSection, OperatorsSection, QueueSection, ShiftSection};
use crate::switchboard::section::{AgencySection, CallersSection, CategorySection, ModeSection, SilentSection};

pub use crate::media::section::{EngineName, SrtpName};
pub(super) use crate::media::section::{Media, Prompts};
pub(super) use crate::sip::section::{DtmfName, Guard, Reliability, Sip, TransportName, Trunk};
pub(super) use crate::switchboard::section::Features;

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
    pub(super) agency: Vec<AgencySection>,
    pub(super) category: Vec<CategorySection>,
    pub(super) silent_choice: Vec<SilentSection>,
    pub(super) callers: CallersSection,
    #[serde(alias = "posture")]
    pub(super) mode: ModeSection,
    pub(super) operators: OperatorsSection,
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) recording: Recording,
    pub(super) retention: super::retention::Retention,
    pub(super) console: Console,
    pub(super) report: Report,
    pub(super) web: super::pages::Web,
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
    pub(super) insecure: bool,
    pub(super) tls: Option<super::page_tls::Section>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8112".to_owned(),
            token_file: "data/console.token".to_owned(),
            insecure: false,
            tls: None,
        }
    }
}

/// `[report]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Report {
    pub(super) listen: String,
    pub(super) store_url: Option<String>,
    pub(super) insecure: bool,
    pub(super) tls: Option<super::page_tls::Section>,
    pub(super) scheme: Option<String>,
    pub(super) emblem: Option<String>,
    pub(super) template: Option<String>,
    pub(super) signatories: Vec<super::letter::Signatory>,
    pub(super) schedule: Vec<super::schedule::Section>,
    pub(super) smtp: Option<super::smtp::Section>,
    pub(super) spool: String,
    pub(super) service_level_seconds: u64,
    pub(super) service_level_percent: u8,
    pub(super) short_abandon_seconds: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8113".to_owned(),
            store_url: None,
            insecure: false,
            tls: None,
            scheme: None,
            emblem: None,
            template: None,
            signatories: Vec::new(),
            schedule: Vec::new(),
            smtp: None,
            spool: "data/spool".to_owned(),
            service_level_seconds: 10,
            service_level_percent: 90,
            short_abandon_seconds: 5,
        }
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
