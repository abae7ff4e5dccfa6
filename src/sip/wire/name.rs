//! Header field names that siaga reads.

/// Header field names that siaga reads, in the long and the compact form (RFC 3261 §7.3.3). All others are `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Name {
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    Allow,
    AllowEvents,
    AlertInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentId,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    Event,
    Expires,
    FlowTimer,
    From,
    Geolocation,
    GeolocationRouting,
    HistoryInfo,
    InfoPackage,
    MaxForwards,
    MinExpires,
    MinSe,
    PAccessNetworkInfo,
    PAssertedIdentity,
    PCalledPartyId,
    PChargingVector,
    PPreferredIdentity,
    PVisitedNetworkId,
    Path,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    RSeq,
    Reason,
    RecordRoute,
    RecvInfo,
    ReferSub,
    ReferTo,
    ReferredBy,
    Replaces,
    Require,
    ResourcePriority,
    RetryAfter,
    Route,
    Server,
    SessionExpires,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    /// A header field that siaga does not read.
    Other,
}

impl Name {
    /// Parses a name, long or compact, in any case. Length and first letter select the few candidates.
    pub fn of(text: &[u8]) -> Self {
        let Some(first) = text.first() else { return Self::Other };
        let first = first.to_ascii_lowercase();
        if text.len() == 1 {
            return Self::of_compact(first);
        }
        for name in Self::candidates(text.len(), first) {
            if name.as_str().as_bytes().eq_ignore_ascii_case(text) {
                return *name;
            }
        }
        Self::Other
    }

    /// True if the values are lists of addresses, each with an optional display name.
    pub(super) const fn holds_addresses(self) -> bool {
        matches!(
            self,
            Self::Contact
                | Self::Diversion
                | Self::HistoryInfo
                | Self::PAssertedIdentity
                | Self::PPreferredIdentity
                | Self::Path
                | Self::RecordRoute
                | Self::Route
        )
    }

    const fn of_compact(letter: u8) -> Self {
        match letter {
            b'b' => Self::ReferredBy,
            b'i' => Self::CallId,
            b'm' => Self::Contact,
            b'e' => Self::ContentEncoding,
            b'l' => Self::ContentLength,
            b'c' => Self::ContentType,
            b'o' => Self::Event,
            b'f' => Self::From,
            b'r' => Self::ReferTo,
            b'x' => Self::SessionExpires,
            b's' => Self::Subject,
            b'k' => Self::Supported,
            b't' => Self::To,
            b'u' => Self::AllowEvents,
            b'v' => Self::Via,
            _ => Self::Other,
        }
    }

    const fn candidates(length: usize, first: u8) -> &'static [Self] {
        match (length, first) {
            (2, b't') => &[Self::To],
            (3, b'v') => &[Self::Via],
            (4, b'c') => &[Self::CSeq],
            (4, b'd') => &[Self::Date],
            (4, b'f') => &[Self::From],
            (4, b'p') => &[Self::Path],
            (4, b'r') => &[Self::RAck, Self::RSeq],
            (5, b'a') => &[Self::Allow],
            (5, b'e') => &[Self::Event],
            (5, b'r') => &[Self::Route],
            (15, b'a') => &[Self::AcceptEncoding, Self::AcceptLanguage],
            (6, b'a') => &[Self::Accept],
            (6, b'm') => &[Self::MinSe],
            (6, b'r') => &[Self::Reason],
            (6, b's') => &[Self::Server],
            (7, b'c') => &[Self::CallId, Self::Contact],
            (7, b'e') => &[Self::Expires],
            (7, b'p') => &[Self::Privacy],
            (7, b'r') => &[Self::Require],
            (7, b's') => &[Self::Subject],
            (7, b'w') => &[Self::Warning],
            (8, b'p') => &[Self::Priority],
            (8, b'r') => &[Self::ReferTo, Self::Replaces],
            (9, b'c') => &[Self::CallInfo],
            (9, b'd') => &[Self::Diversion],
            (9, b'r') => &[Self::RecvInfo, Self::ReferSub],
            (9, b's') => &[Self::Supported],
            (9, b't') => &[Self::Timestamp],
            (10, b'a') => &[Self::AlertInfo],
            (10, b'c') => &[Self::ContentId],
            (10, b'f') => &[Self::FlowTimer],
            (10, b'u') => &[Self::UserAgent],
            (11, b'g') => &[Self::Geolocation],
            (11, b'm') => &[Self::MinExpires],
            (11, b'r') => &[Self::ReferredBy, Self::RetryAfter],
            (11, b'u') => &[Self::Unsupported],
            (12, b'a') => &[Self::AllowEvents],
            (12, b'c') => &[Self::ContentType],
            (12, b'h') => &[Self::HistoryInfo],
            (12, b'i') => &[Self::InfoPackage],
            (12, b'm') => &[Self::MaxForwards],
            (12, b'r') => &[Self::RecordRoute],
            (13, b'a') => &[Self::Authorization],
            (13, b'p') => &[Self::ProxyRequire],
            (14, b'c') => &[Self::ContentLength],
            (15, b's') => &[Self::SessionExpires],
            (16, b'c') => &[Self::ContentEncoding],
            (16, b'w') => &[Self::WwwAuthenticate],
            (17, b'p') => &[Self::PCalledPartyId, Self::PChargingVector],
            (17, b'r') => &[Self::ResourcePriority],
            (18, b'p') => &[Self::ProxyAuthenticate],
            (18, b's') => &[Self::SubscriptionState],
            (19, b'c') => &[Self::ContentDisposition],
            (19, b'g') => &[Self::GeolocationRouting],
            (19, b'p') => &[Self::PAssertedIdentity, Self::ProxyAuthorization],
            (20, b'p') => &[Self::PPreferredIdentity, Self::PVisitedNetworkId],
            (21, b'p') => &[Self::PAccessNetworkInfo],
            _ => &[],
        }
    }

    /// The long form as in the RFCs; empty for `Other`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::AcceptEncoding => "Accept-Encoding",
            Self::AcceptLanguage => "Accept-Language",
            Self::Allow => "Allow",
            Self::AllowEvents => "Allow-Events",
            Self::AlertInfo => "Alert-Info",
            Self::Authorization => "Authorization",
            Self::CallId => "Call-ID",
            Self::CallInfo => "Call-Info",
            Self::Contact => "Contact",
            Self::ContentDisposition => "Content-Disposition",
            Self::ContentEncoding => "Content-Encoding",
            Self::ContentId => "Content-ID",
            Self::ContentLength => "Content-Length",
            Self::ContentType => "Content-Type",
            Self::CSeq => "CSeq",
            Self::Date => "Date",
            Self::Diversion => "Diversion",
            Self::Event => "Event",
            Self::Expires => "Expires",
            Self::FlowTimer => "Flow-Timer",
            Self::From => "From",
            Self::Geolocation => "Geolocation",
            Self::GeolocationRouting => "Geolocation-Routing",
            Self::HistoryInfo => "History-Info",
            Self::InfoPackage => "Info-Package",
            Self::MaxForwards => "Max-Forwards",
            Self::MinExpires => "Min-Expires",
            Self::MinSe => "Min-SE",
            Self::PAccessNetworkInfo => "P-Access-Network-Info",
            Self::PAssertedIdentity => "P-Asserted-Identity",
            Self::PCalledPartyId => "P-Called-Party-ID",
            Self::PChargingVector => "P-Charging-Vector",
            Self::PPreferredIdentity => "P-Preferred-Identity",
            Self::PVisitedNetworkId => "P-Visited-Network-ID",
            Self::Path => "Path",
            Self::Priority => "Priority",
            Self::Privacy => "Privacy",
            Self::ProxyAuthenticate => "Proxy-Authenticate",
            Self::ProxyAuthorization => "Proxy-Authorization",
            Self::ProxyRequire => "Proxy-Require",
            Self::RAck => "RAck",
            Self::RSeq => "RSeq",
            Self::Reason => "Reason",
            Self::RecordRoute => "Record-Route",
            Self::RecvInfo => "Recv-Info",
            Self::ReferSub => "Refer-Sub",
            Self::ReferTo => "Refer-To",
            Self::ReferredBy => "Referred-By",
            Self::Replaces => "Replaces",
            Self::Require => "Require",
            Self::ResourcePriority => "Resource-Priority",
            Self::RetryAfter => "Retry-After",
            Self::Route => "Route",
            Self::Server => "Server",
            Self::SessionExpires => "Session-Expires",
            Self::Subject => "Subject",
            Self::SubscriptionState => "Subscription-State",
            Self::Supported => "Supported",
            Self::Timestamp => "Timestamp",
            Self::To => "To",
            Self::Unsupported => "Unsupported",
            Self::UserAgent => "User-Agent",
            Self::Via => "Via",
            Self::Warning => "Warning",
            Self::WwwAuthenticate => "WWW-Authenticate",
            Self::Other => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_known_in_any_case() {
        for length in 0..32 {
            for first in 0..=255 {
                for name in Name::candidates(length, first) {
                    assert_eq!(Name::of(name.as_str().to_ascii_uppercase().as_bytes()), *name);
                    assert_eq!(Name::of(name.as_str().to_ascii_lowercase().as_bytes()), *name);
                }
            }
        }
        assert_eq!(Name::of(b"WWW-Authenticate"), Name::WwwAuthenticate);
        assert_eq!(Name::of(b"Geolocation"), Name::Geolocation);
    }

    #[test]
    fn compact_names_are_their_long_forms() {
        let table: [(&[u8], Name); 8] = [
            (b"v", Name::Via),
            (b"F", Name::From),
            (b"t", Name::To),
            (b"i", Name::CallId),
            (b"m", Name::Contact),
            (b"L", Name::ContentLength),
            (b"c", Name::ContentType),
            (b"x", Name::SessionExpires),
        ];
        for (text, name) in table {
            assert_eq!(Name::of(text), name);
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for text in [&b""[..], b"z", b"Vias", b"X-Via", b"From ", b"Call_ID"] {
            assert_eq!(Name::of(text), Name::Other, "{}", text.escape_ascii());
        }
    }
}
