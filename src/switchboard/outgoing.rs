//! The last touch to what leaves: our name where it is wanted, and to trunks that ask for it how crowded we are (RFC 7339).

use crate::limits::CALLS_SOFT_PERCENT;
use crate::sip::message;
use crate::sip::overload;
use crate::switchboard::{Calls, NetworkParts, Step};

/// The start of every response. One to a source that may be forged does not have the banner.
const RESPONSE: &[u8] = b"SIP/2.0 ";

impl Calls {
    /// Here, and not where messages are built, so that none can miss it: acknowledgements and repeats of transactions neither.
    pub(super) fn finish_transmits(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        let mut transmits = std::mem::take(&mut step.out.transmits);
        for transmit in &mut transmits {
            if let Some(told) = overload::told(&transmit.bytes, self.loss_percent(net), now.wall)
                && net.trunks.trunk_of(transmit.flow).is_some()
            {
                transmit.bytes = told;
            }
            if let Some(banner) = &self.settings.server_header
                && (!transmit.bytes.starts_with(RESPONSE) || net.phones.is_known(transmit.flow.remote.ip()))
            {
                transmit.bytes = message::with_banner(&transmit.bytes, banner);
            }
        }
        step.out.transmits = transmits;
    }

    /// What a trunk is asked to hold back. It is for the trunk to let emergency calls suffer last (RFC 7339 §5.10.1), and whatever
    /// comes all the same is taken until there is no room at all.
    fn loss_percent(&self, net: &NetworkParts) -> u8 {
        let transactions =
            crowded(net.wire.transactions.len(), self.settings.guard.crowded_at, self.settings.guard.transactions_max);
        let calls_max = self.settings.calls_max;
        transactions.max(crowded(self.live, calls_max * CALLS_SOFT_PERCENT / 100, calls_max))
    }
}

/// How much of the room between a soft and a hard cap is taken, in percent: 0 below the soft one, at least 1 from there on.
fn crowded(taken: usize, soft: usize, hard: usize) -> u8 {
    if taken < soft {
        return 0;
    }
    let percent = (taken - soft) * 100 / hard.saturating_sub(soft).max(1);
    u8::try_from(percent.clamp(1, 100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::crowded;

    #[test]
    fn the_room_above_the_soft_cap_is_what_counts() {
        let percents = [0, 299, 300, 301, 350, 399, 400, 1_000].map(|taken| crowded(taken, 300, 400));
        assert_eq!(percents, [0, 0, 1, 1, 50, 99, 100, 100]);
        assert_eq!(crowded(7, 7, 7), 1, "no room between them");
    }
}
