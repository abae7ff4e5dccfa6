//! Settings of the parts: guard, trunks, operating mode and history of callers.

use crate::limits::{TRANSACTIONS_MAX, TRANSACTIONS_SOFT_MAX};
use crate::sip::digest::client::Identity;
use crate::sip::guard::{Scanners, Terms};
use crate::sip::number::NumberFormat;
use crate::sip::sdp::Formats;
use crate::switchboard::settings::Network;
use std::time::Duration;

/// The settings of the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    pub terms: Terms,
    pub scanners: Scanners,
    /// Networks that are never limited or banned, such as the operators' network.
    pub allow: Vec<Network>,
    /// Number of transactions from which requests that can be repeated later are rejected.
    pub crowded_at: usize,
    /// Maximum number of transactions.
    pub transactions_max: usize,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            terms: Terms::default(),
            scanners: Scanners::default(),
            allow: Vec::new(),
            crowded_at: TRANSACTIONS_SOFT_MAX,
            transactions_max: TRANSACTIONS_MAX,
        }
    }
}

/// The settings of a trunk beside its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkSettings {
    /// Trunks with a lower value are tried first for outgoing calls.
    pub priority: u16,
    /// Maximum concurrent calls in both directions; 0 means no limit. Outgoing legs may exceed it.
    pub max_calls: usize,
    /// Credentials for the telco's challenges.
    pub identity: Option<Identity>,
    pub register: Option<Registration>,
    pub number_format: NumberFormat,
    /// Country code of national numbers, without `+`. If empty, numbers stay unchanged.
    pub country: String,
    /// Prefixes that the trunk may write before a called number of this site.
    pub called: Vec<String>,
    /// Keep-alives without a response after which the trunk is down, and responses after which it is up again
    /// (`up_after`).
    pub down_after: u32,
    pub up_after: u32,
    /// Codecs and DTMF format of the trunk's legs.
    pub formats: Formats,
    /// Networks of the trunk's media gateways; if empty, the networks of its peers.
    pub media: Vec<Network>,
}

impl Default for TrunkSettings {
    fn default() -> Self {
        Self {
            priority: 10,
            max_calls: 0,
            identity: None,
            register: None,
            number_format: NumberFormat::AsDialled,
            country: String::new(),
            called: Vec::new(),
            down_after: 3,
            up_after: 2,
            formats: Formats::default(),
            media: Vec::new(),
        }
    }
}

/// The registrar and address of record for a registration with a telco.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The Request-URI, such as `sip:telco.example`.
    pub registrar: String,
    /// The address of record, such as `sip:user@telco.example`.
    pub aor: String,
    pub expires: Duration,
}

/// The settings of the operating mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModeSettings {
    /// Default duration of an operating mode in hours; 0: until it is changed.
    pub hours: u32,
    /// The text to operators on a break when a major incident begins; if empty, no text is sent.
    pub incident_text: String,
}

/// Settings of the history of callers and of call-backs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerSettings {
    /// Calls of one number within this time are counted.
    pub repeat: Duration,
    /// This many prank calls within `prank` give the number's calls a lower priority. 0: only flags of people do.
    pub prank_calls: usize,
    pub prank: Duration,
    /// The number that is added to the priority of their calls. Lower priorities are served first.
    pub prank_penalty: u8,
    /// The time for which an unanswered caller stays on the list of call-backs.
    pub call_back: Duration,
    /// Only numbers with one of these prefixes are called back; empty: all.
    pub call_back_prefixes: Vec<String>,
    /// Numbers with one of these prefixes are not called back.
    pub call_back_never: Vec<String>,
    /// An unanswered call with a shorter wait counts as a short abandoned call.
    pub short_abandon: Duration,
}

impl Default for CallerSettings {
    fn default() -> Self {
        Self {
            repeat: Duration::from_secs(30 * 60),
            prank_calls: 2,
            prank: Duration::from_secs(24 * 3600),
            prank_penalty: 10,
            call_back: Duration::from_secs(4 * 3600),
            call_back_prefixes: Vec::new(),
            call_back_never: Vec::new(),
            short_abandon: Duration::from_secs(5),
        }
    }
}
