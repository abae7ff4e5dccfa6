//! How many calls the RTP ports are enough for.

use crate::limits::CALLS_MAX;

use super::source::Source;
use super::{Config, Fault, Media};

impl Config {
    /// Calls at once: what `[site] max_calls` says, or half of the RTP port pairs. A conversation takes two.
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

    /// Conversations at once.
    fn calls(&self) -> usize {
        (self.pairs() / 2).clamp(1, CALLS_MAX)
    }

    /// The warning about calls that the ports are not enough for.
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
