//! Session timers (RFC 4028): which side refreshes a session, how often, and when the session expires.

use std::time::Duration;

use super::option_tag::{TIMER, is_supported};
use super::wire::{Message, Name};

/// Minimum of session intervals (RFC 4028 §5) and of our own expiry.
pub const SECONDS_MIN: u32 = 90;

/// The side of a transaction that refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    Uac,
    Uas,
}

/// The interval is below our minimum: 422 with `Min-SE: 90` (RFC 4028 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall;

/// The negotiated session interval and refresher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    seconds: u32,
    pub we_refresh: bool,
}

impl Terms {
    /// The timer in our 2xx to this request; None: no timer (RFC 4028 §9, table 2).
    ///
    /// `ours` is the interval that we request ourselves. `lenient` accepts an interval below the minimum: §9 leaves the 422 to us, and a
    /// second INVITE would delay an emergency call. The interval may not be raised, so only our own expiry is later than negotiated
    /// (`expires_after`).
    pub fn as_uas(request: &Message<'_>, ours: Option<u32>, lenient: bool) -> Result<Option<Self>, TooSmall> {
        let supported = is_supported(request, TIMER);
        let Some((seconds, refresher)) = session_expires(request) else {
            let seconds = ours.filter(|_| supported).map(|ours| ours.max(min_se(request)));
            return Ok(seconds.map(|seconds| Self { seconds, we_refresh: true }));
        };
        // A proxy may have added the header for a peer that does not support timers: such a request cannot be rejected for it.
        if seconds < SECONDS_MIN && supported && !lenient {
            return Err(TooSmall);
        }
        Ok(Some(Self { seconds, we_refresh: !supported || refresher == Some(Refresher::Uas) }))
    }

    /// The timer in the 2xx to a request of ours; None: no timer (RFC 4028 §7.2).
    pub fn as_uac(response: &Message<'_>) -> Option<Self> {
        let (seconds, refresher) = session_expires(response)?;
        Some(Self { seconds, we_refresh: refresher != Some(Refresher::Uas) })
    }

    /// The value of Session-Expires in a message; `we_are_uac`: we are the client of its transaction.
    pub fn header(self, we_are_uac: bool) -> String {
        let refresher = if self.we_refresh == we_are_uac { "uac" } else { "uas" };
        format!("{};refresher={refresher}", self.seconds)
    }

    /// Half of the interval (RFC 4028 §10).
    pub fn refresh_after(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds.max(2))) / 2
    }

    /// The time by which the other side must have refreshed: a third of the interval or 32 s before its end, whichever is less (RFC 4028
    /// §10); the end of the interval if we refresh. Never below our minimum.
    pub fn expires_after(self) -> Duration {
        let seconds = self.seconds.max(SECONDS_MIN);
        let early = if self.we_refresh { 0 } else { (seconds / 3).min(32) };
        Duration::from_secs(u64::from(seconds - early))
    }

    /// The same terms with an interval of at least this many seconds, after a 422.
    #[must_use]
    pub fn at_least(self, seconds: u32) -> Self {
        Self { seconds: self.seconds.max(seconds), ..self }
    }

    /// The terms that we request as a client: we refresh.
    pub const fn wanted(seconds: u32) -> Self {
        Self { seconds, we_refresh: true }
    }
}

/// Min-SE, or its default (RFC 4028 §5).
pub fn min_se(message: &Message<'_>) -> u32 {
    message.first(Name::MinSe).and_then(seconds).unwrap_or(SECONDS_MIN).max(SECONDS_MIN)
}

fn session_expires(message: &Message<'_>) -> Option<(u32, Option<Refresher>)> {
    let value = message.first(Name::SessionExpires)?;
    let refresher = value.split(|byte| *byte == b';').skip(1).find_map(|param| {
        let mut parts = param.splitn(2, |byte| *byte == b'=');
        let name = parts.next()?.trim_ascii();
        let is = |word: &[u8], value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(word);
        let value = parts.next().filter(|_| name.eq_ignore_ascii_case(b"refresher"))?;
        match value {
            value if is(b"uac", value) => Some(Refresher::Uac),
            value if is(b"uas", value) => Some(Refresher::Uas),
            _ => None,
        }
    });
    seconds(value).map(|seconds| (seconds, refresher))
}

/// Delta-seconds; larger values than the type can hold are limited.
fn seconds(value: &[u8]) -> Option<u32> {
    let digits = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.is_empty())?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::wire::sample::invite_with;
    use super::*;

    fn as_uas(fields: &str, ours: Option<u32>, lenient: bool) -> Result<Option<Terms>, TooSmall> {
        invite_with(fields, |message| Terms::as_uas(message, ours, lenient))
    }

    fn terms(seconds: u32, we_refresh: bool) -> Terms {
        Terms { seconds, we_refresh }
    }

    #[test]
    fn the_refresher_of_a_2xx_is_that_of_table_2() {
        let table = [
            ("Session-Expires: 600\r\n", Some(terms(600, true))),
            ("Session-Expires: 600;refresher=uas\r\n", Some(terms(600, true))),
            ("Supported: timer\r\nSession-Expires: 600\r\n", Some(terms(600, false))),
            ("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", Some(terms(600, false))),
            ("Supported: timer\r\nx: 600 ; refresher = UAS\r\n", Some(terms(600, true))),
            ("Supported: timer\r\n", Some(terms(1800, true))),
            ("Supported: timer\r\nMin-SE: 3600\r\n", Some(terms(3600, true))),
            ("Supported: 100rel\r\n", None),
        ];
        for (fields, wanted) in table {
            assert_eq!(as_uas(fields, Some(1800), false), Ok(wanted), "{fields}");
        }
        assert_eq!(as_uas("Supported: timer\r\n", None, false), Ok(None));
    }

    #[test]
    fn a_too_small_interval_is_422_only_for_a_peer_with_timer_support() {
        let small = "Supported: timer\r\nSession-Expires: 89\r\n";
        assert_eq!(as_uas(small, None, false), Err(TooSmall));
        assert_eq!(as_uas(small, None, true), Ok(Some(terms(89, false))), "the value is not raised");
        assert_eq!(as_uas("Session-Expires: 89\r\n", None, false), Ok(Some(terms(89, true))));
        assert_eq!(as_uas("Supported: timer\r\nSession-Expires: 90\r\n", None, false), Ok(Some(terms(90, false))));
    }

    #[test]
    fn what_cannot_be_read_is_no_timer() {
        for value in ["", "x", "-1", "1.5", ";refresher=uac"] {
            let fields = format!("Session-Expires: {value}\r\n");
            assert_eq!(as_uas(&fields, None, false), Ok(None), "{value}");
        }
        let endless = as_uas("Session-Expires: 99999999999\r\n", None, false).unwrap().unwrap();
        assert_eq!(endless, terms(u32::MAX, true));
    }

    #[test]
    fn the_header_names_the_refresher_by_role_in_the_transaction() {
        assert_eq!(terms(1800, true).header(true), "1800;refresher=uac");
        assert_eq!(terms(1800, true).header(false), "1800;refresher=uas");
        assert_eq!(terms(1800, false).header(true), "1800;refresher=uas");
        assert_eq!(terms(1800, false).header(false), "1800;refresher=uac");
    }

    #[test]
    fn a_session_is_refreshed_at_half_time_and_given_up_before_its_end() {
        let seconds = Duration::from_secs;
        assert_eq!(terms(1800, true).refresh_after(), seconds(900));
        assert_eq!(terms(1800, true).expires_after(), seconds(1800));
        assert_eq!(terms(1800, false).expires_after(), seconds(1768));
        assert_eq!(terms(90, false).expires_after(), seconds(60));
        assert_eq!(terms(4, false).expires_after(), seconds(60), "ours is never shorter than the minimum's");
        assert!(terms(0, true).refresh_after() > Duration::ZERO);
    }
}
