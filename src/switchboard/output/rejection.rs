//! Reports of rejected INVITEs.

use crate::sip::wire::Fault;
use std::net::IpAddr;

/// Why an INVITE did not become a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejected {
    /// The called number is neither the site's nor a desk's.
    UnknownNumber,
    /// The source address belongs to no trunk.
    UnknownPeer,
    /// The message, or a header field that a dialog needs, cannot be parsed.
    Malformed,
    /// The Request-URI has a scheme that is not supported.
    Scheme,
    /// The body has an encoding or a type that is not supported.
    Body,
    /// The same INVITE has arrived over two paths, or an INVITE of siaga has come back (RFC 3261 §8.2.2.2, §16.3).
    Repeated,
    /// The limit `[site] max_calls` is reached.
    SiteFull,
    /// The limit `[[trunk]] max_calls` of this trunk is reached.
    TrunkFull,
    /// The table of transactions is full.
    Overload,
    /// A drain has begun.
    Draining,
    /// A request in the dialog of a trunk's call has come from an address that is not the trunk's.
    ForeignHost,
}

impl Rejected {
    pub const ALL: [Self; 11] = [
        Self::UnknownNumber,
        Self::UnknownPeer,
        Self::Malformed,
        Self::Scheme,
        Self::Body,
        Self::Repeated,
        Self::SiteFull,
        Self::TrunkFull,
        Self::Overload,
        Self::Draining,
        Self::ForeignHost,
    ];

    /// The word in metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownNumber => "unknown-number",
            Self::UnknownPeer => "unknown-peer",
            Self::Malformed => "malformed",
            Self::Scheme => "scheme",
            Self::Body => "body",
            Self::Repeated => "repeated",
            Self::SiteFull => "site-full",
            Self::TrunkFull => "trunk-full",
            Self::Overload => "overload",
            Self::Draining => "draining",
            Self::ForeignHost => "foreign-host",
        }
    }

    /// The reason for an error in a message.
    pub(in crate::switchboard) fn of(fault: Fault) -> Self {
        match fault.status {
            415 => Self::Body,
            416 => Self::Scheme,
            _ => Self::Malformed,
        }
    }
}

/// One rejected INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Rejected,
    pub status: u16,
    pub source: IpAddr,
    /// None if the source belongs to no trunk.
    pub trunk: Option<String>,
    /// The called number or service, unchanged.
    pub called: String,
    pub caller: Option<String>,
    /// The part of the message that could not be parsed.
    pub why: Option<&'static str>,
    /// The setting that would accept the INVITE, as a line for the configuration file.
    pub setting: Option<String>,
}
