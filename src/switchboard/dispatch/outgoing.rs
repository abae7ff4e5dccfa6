//! Adds the Server or User-Agent header field and, for trunks that request it, the load value (RFC 7339) to outgoing
//! messages.

use crate::limits::CALLS_SOFT_PERCENT;
use crate::sip::message;
use crate::sip::overload;
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::wire::outgoing::{RESPONSE, crowded};

impl Parts {
    /// Completes all outgoing messages here, so that ACKs and retransmissions are included too.
    pub(in crate::switchboard) fn finish_transmits(&mut self) {
        let now = self.step.now;
        let mut transmits = std::mem::take(&mut self.step.out.transmits);
        for transmit in &mut transmits {
            if let Some(told) = overload::told(&transmit.bytes, self.loss_percent(), now.wall)
                && self.net.trunks.trunk_of(transmit.flow).is_some()
            {
                transmit.bytes = told;
            }
            if let Some(banner) = &self.settings.site.server_header
                && (!transmit.bytes.starts_with(RESPONSE) || self.net.phones.is_known(transmit.flow.remote.ip()))
            {
                transmit.bytes = message::with_banner(&transmit.bytes, banner);
            }
        }
        self.step.out.transmits = transmits;
    }

    /// The share of calls that a trunk is asked to hold back. The trunk must hold back emergency calls last
    /// (RFC 7339 §5.10.1). siaga accepts calls until its hard limits are reached in any case.
    fn loss_percent(&self) -> u8 {
        let transactions = crowded(
            self.net.wire.transactions_open(),
            self.settings.guard.crowded_at,
            self.settings.guard.transactions_max,
        );
        let calls_max = self.settings.calls.max;
        transactions.max(crowded(self.calls.live_calls, calls_max * CALLS_SOFT_PERCENT / 100, calls_max))
    }
}
