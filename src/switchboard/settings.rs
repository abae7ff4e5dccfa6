//! What the switchboard is told by config.

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

use crate::switchboard::admission::guard::GuardSettings;
use crate::switchboard::calls::callers::CallerTerms;
use crate::switchboard::mode::posture::PostureTerms;
use crate::switchboard::trunks::trunk::TrunkTerms;

/// An address block in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `127.0.0.2`, `10.1.0.0/16`, `2001:db8::/32`. None when it is neither, or the prefix is too long.
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

    /// True when `address` lies in the block. An IPv4-mapped IPv6 address counts as IPv4.
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

/// One socket that the service listens on, and how peers are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    pub local: SocketAddr,
    /// `host:port` for Via and Contact; brackets around IPv6.
    pub advertised: String,
}

impl Listener {
    /// The source address of its own requests: the address that it listens on, or for a wildcard the advertised one, which peers expect.
    pub fn source(&self) -> SocketAddr {
        let told = self.advertised.rsplit_once(':').map_or(self.advertised.as_str(), |(host, _)| host);
        let told = told.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let told = told.filter(|told| self.local.ip().is_unspecified() && told.is_ipv4() == self.local.is_ipv4());
        told.map_or(self.local, |told| SocketAddr::new(told, self.local.port()))
    }
}

/// A name in a trunk's URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkHost {
    pub name: String,
    /// Without one, SRV records tell it (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// What it may be called over, most wanted first.
    pub transports: Vec<Transport>,
    /// They are named by the configuration; false: NAPTR records tell them (RFC 3263 §4.1).
    pub transport_named: bool,
    /// The URI is of the sips scheme: nothing but TLS.
    pub secure: bool,
}

impl TrunkHost {
    /// The transport when no record tells one (RFC 3263 §4.1).
    pub fn usual_transport(&self) -> Transport {
        let udp = self.transports.iter().find(|transport| **transport == Transport::Udp);
        udp.or(self.transports.first()).copied().unwrap_or(Transport::Udp)
    }
}

/// One way to the telephone network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    pub name: String,
    /// Who may send calls without authentication.
    pub peers: Vec<Network>,
    /// Where outgoing calls and keep-alives go; None: only incoming.
    pub target: Option<SocketAddr>,
    /// The name that stands for its targets, which `Input::Targets` tells; None: `target` is all.
    pub host: Option<TrunkHost>,
    /// How `target` is called.
    pub transport: Transport,
    /// The name that its certificate must prove; None: its address is enough.
    pub tls_name: Option<String>,
    /// Requests that are too long for a datagram go over TCP.
    pub tcp_when_large: bool,
    /// OPTIONS interval; None: none are sent.
    pub keep_alive: Option<Duration>,
    pub terms: TrunkTerms,
}

/// When the trunk's INVITE gets its 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerMode {
    /// With the operator's; waiting callers hear early media (183).
    Operator,
    /// At once.
    Queue,
}

/// Which operators' phones are offered SRTP (RFC 4568). The trunk gets what it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpOffer {
    /// None.
    Never,
    /// Those whose signalling is under TLS.
    UnderTls,
    /// All, and plain sound is refused.
    Always,
}

/// What operators dial: to change their state, to class a call, to call back; and before the name of whom else they want in
/// a call, or whose call they want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureCodes {
    pub log_in: String,
    pub log_out: String,
    /// Followed by an operator's number, at a station: he logs in there.
    pub station: String,
    /// Followed by the number of a reason, from 1: for that reason; alone: for the first.
    pub pause: String,
    pub resume: String,
    /// Before a colleague or an agency, as the target of a transfer: he joins the call.
    pub conference: String,
    /// Before an operator, by supervisors: nobody hears them, the operator alone does, all do, they take his place.
    pub listen: String,
    pub whisper: String,
    pub barge: String,
    pub take_over: String,
    /// By supervisors: takes the first caller who waits, or the one at the place behind it.
    pub pick_up: String,
    /// Prolongs the wrap-up.
    pub wrap_up: String,
    /// The code of each class; that of a category may follow.
    pub classes: Vec<(String, Class)>,
    /// By supervisors: how the house works from now on.
    pub postures: Vec<(String, Posture)>,
    /// Calls back the next of those whom nobody has answered.
    pub call_back: String,
    /// Keyed by an operator in his call: the caller is asked to press a digit if he cannot speak.
    pub silent_prompt: String,
}

impl FeatureCodes {
    /// Every code.
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

/// What a call can be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Digits, dialled behind the code of a class.
    pub code: String,
    pub name: String,
    /// Whose matter it is.
    pub agency: Option<String>,
}

impl Category {
    /// True when `text` names it.
    pub(super) fn is(&self, text: &str) -> bool {
        self.code == text || self.name.eq_ignore_ascii_case(text)
    }
}

/// How callers who cannot speak are asked to press a digit, and what the digits mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SilentTerms {
    /// Who has not been heard for so long after the answer is asked by itself, once; None: nobody is.
    pub after: Option<Duration>,
    /// A digit, and what who presses it says by it.
    pub choices: Vec<(char, String)>,
    /// The start of the text to operators and supervisors about a party that is present and sends no audio; the party follows.
    pub notice: String,
}

/// Which calls a desk of the ACD takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskCalls {
    /// What follows `urn:service:sos.`; services below count too.
    pub services: Vec<String>,
    pub numbers: Vec<String>,
    /// Lower ones are served first.
    pub priority: u8,
    /// After how long which number outside is tried as well, in the order of time.
    pub outside: Vec<(Duration, String)>,
}

/// An agency that operators may call and pass callers on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agency {
    /// May be dialled instead of the number.
    pub name: String,
    pub number: String,
}

/// Everything that the switchboard is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The emergency number: `112`.
    pub number: String,
    /// SIP domain of the operators, and realm of their passwords.
    pub domain: String,
    pub listeners: Vec<Listener>,
    pub trunks: Vec<Trunk>,
    /// Calls at once, emergencies and others; at most `limits::CALLS_MAX`.
    pub calls_max: usize,
    /// The addresses in SDP: one, or one of each family.
    pub media_addresses: Vec<IpAddr>,
    /// Networks from which phones' media is accepted, besides the hosts in their SDP and of their SIP messages.
    pub phone_media: Vec<Network>,
    pub srtp: SrtpOffer,
    pub answer: AnswerMode,
    /// How long one offer rings.
    pub ring: Duration,
    /// A caller who waits is told his place so often; None: never.
    pub announce_each: Option<Duration>,
    /// What callers who wait, or are on hold, hear: `Prompt::HoldTone` or `Prompt::Music`.
    pub waiting: Prompt,
    pub silent: SilentTerms,
    /// A lost operator's caller goes back to the head of the queue; false: the call ends.
    pub requeue_on_operator_lost: bool,
    /// An answered leg whose sound has stopped is taken for dead (media times it); false: silence changes nothing.
    pub silence_ends_call: bool,
    /// A call that lasts longer raises the alarm, and ends only if no audio arrives.
    pub long_call: Duration,
    /// Dialled over the trunks with a target, one after the other, when nobody is on shift and no phone was answered.
    pub fallback_number: Option<String>,
    /// How long the fallback rings all phones, then the number.
    pub fallback_ring: Duration,
    /// The only numbers outside that operators may dial.
    pub agencies: Vec<Agency>,
    /// What calls can be about; none: anything.
    pub categories: Vec<Category>,
    pub callers: CallerTerms,
    pub posture: PostureTerms,
    /// Record answered calls.
    pub record: bool,
    pub feature_codes: FeatureCodes,
    /// Why operators may pause, in the order of the codes; none: for any reason.
    pub break_reasons: Vec<String>,
    /// Sent to the phone of the last ready operator when the operator pauses; empty: not sent.
    pub last_ready_text: String,
    /// By so much a feature code prolongs a wrap-up.
    pub wrap_up_extension: Duration,
    /// The operators who may listen to, and take, the calls of others.
    pub supervisors: BTreeSet<OperatorId>,
    /// Bindings: shortest, default and longest expiry.
    pub expires_min: Duration,
    pub expires_default: Duration,
    pub expires_max: Duration,
    /// OPTIONS interval to operators' phones; None: none are sent.
    pub binding_keep_alive: Option<Duration>,
    /// Digest algorithms offered to phones, most wanted first.
    pub digest: Vec<Algorithm>,
    pub nonce_life: Duration,
    /// Provisional responses to callers are reliable (RFC 3262) when they support it; false: only when they require it.
    pub reliable_when_supported: bool,
    /// The session interval that we ask for, in seconds (RFC 4028); None: only what peers ask for.
    pub session_seconds: Option<u32>,
    /// `Server` of our answers and `User-Agent` of our requests; None: neither stands there.
    pub server_header: Option<String>,
    /// Display names of operators.
    pub names: BTreeMap<OperatorId, String>,
    pub acd: acd::Settings,
    /// In the order of `acd.desks`.
    pub desks: Vec<DeskCalls>,
    pub guard: GuardSettings,
}
