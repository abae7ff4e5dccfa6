//! The settings of the switchboard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::acd::{self, Posture};
use crate::cdr::fact::Class;
use crate::ids::OperatorId;
use crate::media::command::Prompt;
use crate::media::source::AddressRange;
use crate::sip::digest::Algorithm;
use crate::sip::flow::Transport;

pub(in crate::switchboard) mod terms;

pub use terms::{CallerTerms, GuardSettings, PostureTerms, Registration, TrunkTerms};

/// An address block in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(super) fn range(&self) -> AddressRange {
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

/// One socket on which the service listens, and its advertised address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    pub local: SocketAddr,
    /// `host:port` for Via and Contact; brackets around IPv6.
    pub advertised: String,
}

impl Listener {
    /// The source address of the listener's requests: the address on which it listens, or for a wildcard the advertised address, which
    /// peers expect.
    pub fn source(&self) -> SocketAddr {
        let told = self.advertised.rsplit_once(':').map_or(self.advertised.as_str(), |(host, _)| host);
        let told = told.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let told = told.filter(|told| self.local.ip().is_unspecified() && told.is_ipv4() == self.local.is_ipv4());
        told.map_or(self.local, |told| SocketAddr::new(told, self.local.port()))
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
    pub terms: TrunkTerms,
}

/// When a trunk's INVITE gets its 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerMode {
    /// When the operator answers. Until then waiting callers hear early media (183).
    Operator,
    /// At once.
    Queue,
}

/// Which operators' phones are offered SRTP (RFC 4568). A trunk gets the media profile that it has offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpOffer {
    /// No phones.
    Never,
    /// Phones that use TLS for signalling.
    UnderTls,
    /// All phones. Answers without SRTP are rejected.
    Always,
}

/// The codes that operators dial: to change their state, to class a call, to make a call-back; or before the name of a party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureCodes {
    pub log_in: String,
    pub log_out: String,
    /// Followed by an operator's number, at a station: the operator logs in at the station.
    pub station: String,
    /// Followed by the number of a reason, from 1, for a break with this reason. Alone: with the first reason.
    pub pause: String,
    pub resume: String,
    /// Before a colleague or an agency, as the target of a transfer: this party joins the call.
    pub conference: String,
    /// Before an operator's name, for supervisors: listen, whisper, barge in, and take over.
    pub listen: String,
    pub whisper: String,
    pub barge: String,
    pub take_over: String,
    /// For supervisors: picks up the first waiting call, or the call at the position that follows the code.
    pub pick_up: String,
    /// Extends the wrap-up.
    pub wrap_up: String,
    /// The code of each class. The code of a category may follow.
    pub classes: Vec<(String, Class)>,
    /// For supervisors: sets the operating mode.
    pub postures: Vec<(String, Posture)>,
    /// Calls the next number on the list of call-backs.
    pub call_back: String,
    /// Pressed by an operator in a call: asks the caller to press a digit if they cannot speak.
    pub silent_prompt: String,
}

impl FeatureCodes {
    /// All codes.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let (accounts, calls) = (
            [&self.log_in, &self.log_out, &self.station, &self.pause, &self.resume, &self.wrap_up],
            [&self.call_back, &self.silent_prompt, &self.conference, &self.pick_up],
        );
        let supervision = [&self.listen, &self.whisper, &self.barge, &self.take_over];
        let single = accounts.into_iter().chain(calls).chain(supervision);
        let classes = self.classes.iter().map(|(code, _)| code);
        single.chain(classes).chain(self.postures.iter().map(|(code, _)| code)).map(String::as_str)
    }
}

/// The subject of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Digits that are dialled after the code of a class.
    pub code: String,
    pub name: String,
    /// The agency in charge.
    pub agency: Option<String>,
}

impl Category {
    /// True if `text` is the code or the name of the category.
    pub(super) fn is(&self, text: &str) -> bool {
        self.code == text || self.name.eq_ignore_ascii_case(text)
    }
}

/// The settings for callers who cannot speak and are asked to press a digit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SilentTerms {
    /// If no audio of an answered caller arrives for this long, the prompt is played once. None: it is only played on request.
    pub after: Option<Duration>,
    /// The digits and their meanings.
    pub choices: Vec<(char, String)>,
    /// The start of the text to operators and supervisors about a party that is present and sends no audio; the party follows.
    pub notice: String,
}

/// The calls that belong to a desk of the ACD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskCalls {
    /// The part of the URN after `urn:service:sos.`. Services below count too.
    pub services: Vec<String>,
    pub numbers: Vec<String>,
    /// Calls with lower priorities are served first.
    pub priority: u8,
    /// The outside numbers that are tried too, each after this waiting time, in the order of time.
    pub outside: Vec<(Duration, String)>,
}

/// An agency that operators may call, and to which they may transfer callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agency {
    /// The name that can be dialled instead of the number.
    pub name: String,
    pub number: String,
}

/// All settings of the switchboard.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The emergency number: `112`.
    pub number: String,
    /// The SIP domain of the operators, and the realm of their passwords.
    pub domain: String,
    pub listeners: Vec<Listener>,
    pub trunks: Vec<Trunk>,
    /// Maximum number of simultaneous calls, emergency and placed; at most `limits::CALLS_MAX`.
    pub calls_max: usize,
    /// The media addresses in SDP: one, or one of each family.
    pub media_addresses: Vec<IpAddr>,
    /// Networks from which media of phones is accepted, besides the hosts in their SDP and the sources of their SIP messages.
    pub phone_media: Vec<Network>,
    pub srtp: SrtpOffer,
    pub answer: AnswerMode,
    /// The length of one ring attempt.
    pub ring: Duration,
    /// Interval of the announcements of the position in the queue; None if it is not announced.
    pub announce_each: Option<Duration>,
    /// The audio for callers who wait or are on hold: `Prompt::HoldTone` or `Prompt::Music`.
    pub waiting: Prompt,
    pub silent: SilentTerms,
    /// True if the caller of a lost operator returns to the head of the queue. False: the call ends.
    pub requeue_on_operator_lost: bool,
    /// True if an answered leg counts as lost when its media has stopped (media measures the time). False: silence has no effect.
    pub silence_ends_call: bool,
    /// A call that lasts longer raises an alarm, and ends only if no audio arrives.
    pub long_call: Duration,
    /// The outside number of the fallback. It is called over the trunks that have a target, one after the other, if no phone answers.
    pub fallback_number: Option<String>,
    /// The length for which the fallback rings all phones, and then the number.
    pub fallback_ring: Duration,
    /// The only outside numbers that operators may dial.
    pub agencies: Vec<Agency>,
    /// The categories. If there are none, any category is accepted.
    pub categories: Vec<Category>,
    pub callers: CallerTerms,
    pub posture: PostureTerms,
    /// True if answered calls are recorded.
    pub record: bool,
    pub feature_codes: FeatureCodes,
    /// The reasons for a break, in the order of their codes. If there are none, any reason is accepted.
    pub break_reasons: Vec<String>,
    /// Sent to the phone of the last ready operator when the operator pauses; empty: not sent.
    pub last_ready_text: String,
    /// The time by which the feature code extends a wrap-up.
    pub wrap_up_extension: Duration,
    /// The operators who may supervise and pick up the calls of others.
    pub supervisors: BTreeSet<OperatorId>,
    /// The shortest, default and longest expiry of bindings.
    pub expires_min: Duration,
    pub expires_default: Duration,
    pub expires_max: Duration,
    /// Interval of OPTIONS to operators' phones; None if none are sent.
    pub binding_keep_alive: Option<Duration>,
    /// The digest algorithms that are offered to phones, in order of preference.
    pub digest: Vec<Algorithm>,
    pub nonce_life: Duration,
    /// True if provisional responses to callers are reliable (RFC 3262) when the caller supports it. False: only when the caller requires
    /// it.
    pub reliable_when_supported: bool,
    /// The session interval that siaga requests, in seconds (RFC 4028). None: siaga only accepts the intervals that peers request.
    pub session_seconds: Option<u32>,
    /// The value of `Server` in responses and `User-Agent` in requests; None if neither is sent.
    pub server_header: Option<String>,
    /// Display names of operators.
    pub names: BTreeMap<OperatorId, String>,
    pub acd: acd::Settings,
    /// In the order of `acd.desks`.
    pub desks: Vec<DeskCalls>,
    pub guard: GuardSettings,
}

impl Settings {
    /// Stands in for the settings of a state that was just read, until it gets them: one listener, and no trunk or desk.
    pub(in crate::switchboard) fn placeholder() -> Self {
        let seconds = Duration::from_secs;
        let local = SocketAddr::from(([192, 0, 2, 1], 5060));
        Self {
            number: "112".to_owned(),
            domain: "192.0.2.1".to_owned(),
            listeners: vec![Listener { transport: Transport::Udp, local, advertised: local.to_string() }],
            trunks: Vec::new(),
            calls_max: 100,
            media_addresses: vec![local.ip()],
            phone_media: Vec::new(),
            srtp: SrtpOffer::Never,
            answer: AnswerMode::Operator,
            ring: seconds(15),
            announce_each: None,
            waiting: Prompt::HoldTone,
            silent: SilentTerms::default(),
            requeue_on_operator_lost: true,
            silence_ends_call: true,
            long_call: seconds(6 * 3600),
            fallback_number: None,
            fallback_ring: seconds(20),
            agencies: Vec::new(),
            categories: Vec::new(),
            callers: CallerTerms::default(),
            posture: PostureTerms::default(),
            record: false,
            feature_codes: FeatureCodes::default(),
            break_reasons: Vec::new(),
            last_ready_text: String::new(),
            wrap_up_extension: seconds(60),
            supervisors: BTreeSet::new(),
            expires_min: seconds(60),
            expires_default: seconds(600),
            expires_max: seconds(3600),
            binding_keep_alive: None,
            digest: vec![Algorithm::Sha256],
            nonce_life: seconds(300),
            reliable_when_supported: true,
            session_seconds: None,
            server_header: None,
            names: BTreeMap::new(),
            acd: acd::Settings {
                wrap_up: seconds(10),
                incident_wrap_up: seconds(3),
                rest: seconds(5),
                unanswered_max: 0,
                fallback_retry: seconds(10),
                none_ready: seconds(15),
                login_on_register: true,
                plan: acd::shift::Plan::default(),
                desks: Vec::new(),
            },
            desks: Vec::new(),
            guard: GuardSettings::default(),
        }
    }
}

/// Stands in for the shared settings of a part that was just read, until it gets them.
pub(in crate::switchboard) fn placeholder() -> std::sync::Arc<Settings> {
    std::sync::Arc::new(Settings::placeholder())
}
