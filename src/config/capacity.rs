//! The number of calls for which the RTP ports are sufficient.

use crate::limits::CALLS_MAX;

use super::source::Source;
use super::{Config, Fault, Media};

impl Config {
    /// Maximum simultaneous calls: `[site] max_calls`, or half of the RTP port pairs, because a conversation takes two.
    pub fn calls_max(&self) -> usize {
        self.site.max_calls.unwrap_or_else(|| self.media.calls())
    }
}

impl Media {
    /// RTP port pairs of each address.
    pub fn pairs(&self) -> usize {
        let (first, last) = self.ports;
        usize::from(last.saturating_sub(first)).div_ceil(2)
    }

    /// Maximum simultaneous conversations.
    fn calls(&self) -> usize {
        (self.pairs() / 2).clamp(1, CALLS_MAX)
    }

    /// The warning that the ports are not sufficient for the configured number of calls.
    pub(super) fn too_few_ports(&self, source: &Source, max_calls: Option<usize>) -> Option<Fault> {
        let (calls, pairs, most) = (max_calls?, self.pairs(), self.calls());
        let wrong = format!(
            "{calls} calls, while media.ports has {pairs} pairs of ports: only {most} callers can talk at once, others wait without \
             an announcement"
        );
        let right = format!("at most {most}, or more ports");
        (calls > most).then(|| source.warning("site.max_calls", wrong, right))
    }
}
