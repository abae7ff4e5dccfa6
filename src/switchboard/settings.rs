//! The settings of the switchboard.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::acd;
use crate::ids::OperatorId;
use crate::media::source::AddressRange;
use crate::sip::digest::Algorithm;
use crate::sip::flow::{Flow, Transport};
use crate::switchboard::feature_codes::FeatureCodes;

pub(in crate::switchboard) mod media;
pub(in crate::switchboard) mod numbers;
pub(in crate::switchboard) mod sections;
mod site;

pub use media::{MediaSettings, SrtpOffer};
pub use numbers::{Agency, Category, DeskCalls, NumberPlan};
pub use sections::{CallerSettings, GuardSettings, ModeSettings, Registration, TrunkSettings};
pub use site::{Listener, Site};

/// An address block in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Parses `127.0.0.2`, `10.1.0.0/16` or `2001:db8::/32`. Returns None if the text is no address or the prefix is too long.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        if prefix > longest {
            return None;
        }
        // A block of IPv4-mapped addresses counts as the block of IPv4 addresses (RFC 4291 §2.5.5.2).
        Some(match address.to_canonical() {
            v4 @ IpAddr::V4(_) if address.is_ipv6() && prefix >= 96 => Self { address: v4, prefix: prefix - 96 },
            IpAddr::V4(_) | IpAddr::V6(_) => Self { address, prefix },
        })
    }

    /// An address of the block, and the length of its prefix.
    pub fn block(&self) -> (IpAddr, u8) {
        (self.address, self.prefix)
    }

    /// The block from its first to its last address. A block of IPv4-mapped IPv6 addresses counts as one of IPv4.
    pub(in crate::switchboard) fn range(&self) -> AddressRange {
        let host_bits = match self.address {
            IpAddr::V4(_) => 32 - u32::from(self.prefix),
            IpAddr::V6(_) => 128 - u32::from(self.prefix),
        };
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        let ends = |bits: u128| [bits & mask, bits | !mask];
        let [first, last] = match self.address {
            IpAddr::V4(v4) => ends(u128::from(v4.to_bits())).map(|bits| {
                IpAddr::V4(std::net::Ipv4Addr::from_bits(u32::try_from(bits & u128::from(u32::MAX)).unwrap_or(0)))
            }),
            IpAddr::V6(v6) => ends(v6.to_bits()).map(|bits| IpAddr::V6(std::net::Ipv6Addr::from_bits(bits))),
        };
        AddressRange::new(first.to_canonical(), last.to_canonical())
    }

    /// True if `address` lies in the block. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => (false, u128::from(v4.to_bits()) << 96),
            IpAddr::V6(v6) => (true, v6.to_bits()),
        };
        let (mine, theirs) = (bits(self.address), bits(address));
        let mask = if self.prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(self.prefix)) };
        mine.0 == theirs.0 && (mine.1 ^ theirs.1) & mask == 0
    }
}

/// The host name in a trunk's URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkHost {
    pub name: String,
    /// None: SRV records have the port (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// The transports that may be used, in order of preference.
    pub transports: Vec<Transport>,
    /// True if the configuration names the transports. False: NAPTR records have them (RFC 3263 §4.1).
    pub transport_named: bool,
    /// The URI has the sips scheme: only TLS is allowed.
    pub secure: bool,
}

impl TrunkHost {
    /// The transport if no DNS record has one (RFC 3263 §4.1).
    pub fn usual_transport(&self) -> Transport {
        let udp = self.transports.iter().find(|transport| **transport == Transport::Udp);
        udp.or(self.transports.first()).copied().unwrap_or(Transport::Udp)
    }
}

/// A SIP connection to the telephone network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    pub name: String,
    /// The sources that may send calls without authentication.
    pub peers: Vec<Network>,
    /// The destination of outgoing calls and keep-alives; None if the trunk is for incoming calls only.
    pub target: Option<SocketAddr>,
    /// The host name of the trunk's servers, which `Input::Targets` provides; None if `target` is the only server.
    pub host: Option<TrunkHost>,
    /// The transport to `target`.
    pub transport: Transport,
    /// The name that the peer's certificate must have; None if the peer's address is enough.
    pub tls_name: Option<String>,
    /// Requests that are too long for a datagram are sent over TCP.
    pub tcp_when_large: bool,
    /// Interval of OPTIONS; None if none are sent.
    pub keep_alive: Option<Duration>,
    pub terms: TrunkSettings,
}

/// When a trunk's INVITE gets its 200.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerMode {
    /// When the operator answers. Until then waiting callers hear early media (183).
    #[default]
    Operator,
    /// At once.
    Queue,
}

/// The settings for callers who cannot speak and are asked to press a digit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SilentSettings {
    /// If no audio of an answered caller arrives for this long, the prompt is played once. None: it is only played on request.
    pub after: Option<Duration>,
    /// The digits and their meanings.
    pub choices: Vec<(char, String)>,
    /// The start of the text to operators and supervisors about a party that is present and sends no audio; the party follows.
    pub notice: String,
}

/// The settings of registrations and authentication.
#[derive(Clone, Debug, Default)]
pub struct PhoneSettings {
    /// The shortest, default and longest expiry of bindings.
    pub expires_min: Duration,
    pub expires_default: Duration,
    pub expires_max: Duration,
    /// Interval of OPTIONS to operators' phones; None if none are sent.
    pub keep_alive: Option<Duration>,
    /// The digest algorithms that are offered to phones, in order of preference.
    pub digest: Vec<Algorithm>,
    pub nonce_life: Duration,
}

/// The settings of the session of a leg.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionSettings {
    /// True if an answered leg counts as lost when its media has stopped (media measures the time). False: silence has no effect.
    pub silence_ends_call: bool,
    /// True if provisional responses to callers are reliable (RFC 3262) when the caller supports it. False: only when the caller requires
    /// it.
    pub reliable_when_supported: bool,
    /// The session interval that siaga requests, in seconds (RFC 4028). None: siaga only accepts the intervals that peers request.
    pub seconds: Option<u32>,
}

/// The settings of calls.
#[derive(Clone, Debug, Default)]
pub struct CallSettings {
    /// Maximum number of simultaneous calls, emergency and placed; at most `limits::CALLS_MAX`.
    pub max: usize,
    pub answer: AnswerMode,
    /// The length of one ring attempt.
    pub ring: Duration,
    /// Interval of the announcements of the position in the queue; None if it is not announced.
    pub announce_each: Option<Duration>,
    pub silent: SilentSettings,
    /// True if the caller of a lost operator returns to the head of the queue. False: the call ends.
    pub requeue_on_operator_lost: bool,
    /// A call that lasts longer raises an alarm, and ends only if no audio arrives and no party responds.
    pub long_call: Duration,
    /// True if answered calls are recorded.
    pub record: bool,
}

/// The settings of the fallback.
#[derive(Clone, Debug, Default)]
pub struct FallbackSettings {
    /// The outside number of the fallback. It is called over the trunks that have a target, one after the other, if no phone answers.
    pub number: Option<String>,
    /// The length for which the fallback rings all phones, and then the number.
    pub ring: Duration,
}

/// What operators may do.
#[derive(Clone, Debug, Default)]
pub struct OperatorSettings {
    /// The reasons for a break, in the order of their codes. If there are none, any reason is accepted.
    pub break_reasons: Vec<String>,
    /// Sent to the phone of the last ready operator when the operator pauses; empty: not sent.
    pub last_ready_text: String,
    /// The time by which the feature code extends a wrap-up.
    pub wrap_up_extension: Duration,
    /// The operators who may supervise and pick up the calls of others.
    pub supervisors: BTreeSet<OperatorId>,
}

/// All settings of the switchboard.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub site: Site,
    pub trunks: Vec<Trunk>,
    pub guard: GuardSettings,
    pub phones: PhoneSettings,
    pub media: MediaSettings,
    pub session: SessionSettings,
    pub numbers: NumberPlan,
    pub calls: CallSettings,
    pub fallback: FallbackSettings,
    pub callers: CallerSettings,
    pub operators: OperatorSettings,
    pub mode: ModeSettings,
    pub feature_codes: FeatureCodes,
    pub acd: acd::Settings,
}

/// The networks that are never limited or banned: the peers of trunks, and `allow`.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct Vouched(Vec<Network>);

impl Vouched {
    pub(in crate::switchboard) fn contains(&self, source: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(source))
    }
}

impl Settings {
    pub(in crate::switchboard) fn vouched(&self) -> Vouched {
        let peers = self.trunks.iter().flat_map(|trunk| &trunk.peers);
        Vouched(peers.chain(&self.guard.allow).copied().collect())
    }
}

impl Trunk {
    /// True for a flow from a network in `peers`.
    pub(in crate::switchboard) fn is_peer(&self, flow: Flow) -> bool {
        self.peers.iter().any(|peer| peer.contains(flow.remote.ip()))
    }

    /// The networks of its media gateways: those of its peers if none are set.
    pub(in crate::switchboard) fn media_networks(&self) -> &[Network] {
        if self.terms.media.is_empty() { &self.peers } else { &self.terms.media }
    }
}

impl OperatorSettings {
    /// The valid reason of a break: one of those of the settings if there are any, and the first of them if none is
    /// given.
    pub(in crate::switchboard) fn break_reason(&self, given: &str) -> Option<String> {
        let known = &self.break_reasons;
        match known.first() {
            None => Some(given.to_owned()),
            Some(first) if given.is_empty() => Some(first.clone()),
            Some(_) => known.iter().find(|reason| reason.as_str() == given).cloned(),
        }
    }
}
