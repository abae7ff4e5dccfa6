//! The session timer (RFC 4028).

use crate::clock::Instant;
use crate::sip::option_tag;
use crate::sip::session_timer::{SECONDS_MIN, Terms};
use crate::sip::wire::{Message, Name};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::settings::SessionSettings;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use std::time::Duration;

/// Interval before a refresh that could not be sent or was rejected is sent again.
pub(in crate::switchboard::session) const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Maximum number of immediate repetitions of a refresh, for a peer that requires a longer interval or another method.
pub(in crate::switchboard::session) const AT_ONCE_MAX: u8 = 3;

/// The session timer of a leg.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard::session) struct SessionTimer {
    pub(in crate::switchboard::session) terms: Terms,
    /// The next deadline: the next refresh by siaga, or the expiry.
    pub(in crate::switchboard::session) at: Instant,
    pub(in crate::switchboard::session) ends_at: Instant,
    /// The number of immediate repetitions in a row.
    pub(in crate::switchboard::session) at_once: u8,
    /// True if the session has expired once and was kept because the peer's audio arrives.
    pub(in crate::switchboard::session) overdue: bool,
}

impl SessionTimer {
    pub(in crate::switchboard::session) fn due(&self) -> Instant {
        self.at
    }

    pub(in crate::switchboard::session) fn terms(&self) -> Terms {
        self.terms
    }

    /// Raises the interval to what the peer requires.
    pub(in crate::switchboard::session) fn retry_with_min_se(&mut self, seconds: u32) {
        self.terms = self.terms.at_least(seconds);
    }

    /// The interval until the refresh is repeated: zero for the first repetitions.
    pub(in crate::switchboard::session) fn hurries(&mut self) -> Duration {
        self.at_once = self.at_once.saturating_add(1);
        if self.at_once > AT_ONCE_MAX { TRY_AGAIN } else { Duration::ZERO }
    }
}

/// The session timer in a 2xx.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Agreement(pub(in crate::switchboard::session) Option<Terms>);

/// The header fields of an agreement.
pub(in crate::switchboard) struct SessionHeaders {
    expires: String,
    require: bool,
}

impl Agreement {
    /// The session timer in the 2xx to a caller's INVITE. It starts with this 2xx.
    pub(in crate::switchboard) fn of_invite(settings: SessionSettings, invite: &Message<'_>) -> Self {
        Self(Terms::as_uas(invite, settings.seconds, true).unwrap_or(None))
    }

    /// The session timer in a peer's 2xx.
    pub(in crate::switchboard) fn of_answer(response: &Message<'_>) -> Self {
        Self(Terms::as_uac(response))
    }

    /// The session timer for a request of the peer. Returns None if the request was rejected with 422; an emergency
    /// caller's request never is.
    pub(in crate::switchboard::session) fn of_request(
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        leg: LegRef,
    ) -> Option<Self> {
        let ours = net.wire.settings.session.seconds;
        let lenient = match leg {
            LegRef::Caller(_) => true,
            LegRef::Outgoing(..) => false,
            // A service call ends before any session timer.
            LegRef::Service(_) => return Some(Self(None)),
        };
        match Terms::as_uas(taken.message, ours, lenient) {
            Ok(terms) => Some(Self(terms)),
            Err(_too_small) => {
                let least = SECONDS_MIN.to_string();
                net.wire.reply(step, taken, 422, &[(Name::MinSe, least.as_bytes())]);
                None
            }
        }
    }

    /// If the peer must refresh, Require ensures that it knows (RFC 4028 §9).
    pub(in crate::switchboard) fn headers(self) -> SessionHeaders {
        let expires = self.0.map(|terms| terms.header(false)).unwrap_or_default();
        SessionHeaders { expires, require: self.0.is_some_and(|terms| !terms.we_refresh) }
    }
}

impl SessionHeaders {
    pub(in crate::switchboard) fn as_headers(&self) -> Vec<(Name, &[u8])> {
        let mut headers = Vec::new();
        if !self.expires.is_empty() {
            headers.push((Name::SessionExpires, self.expires.as_bytes()));
        }
        if self.require {
            headers.push((Name::Require, option_tag::TIMER));
        }
        headers
    }
}
