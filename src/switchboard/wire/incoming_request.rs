//! A received request with its server transaction.

use crate::sip::flow::Flow;
use crate::sip::transaction::ServerId;
use crate::sip::wire::Message;

/// A received request with its server transaction.
pub(in crate::switchboard) struct IncomingRequest<'a, 'b> {
    pub(in crate::switchboard) flow: Flow,
    pub(in crate::switchboard) message: &'a Message<'b>,
    pub(in crate::switchboard) server: ServerId,
}

impl IncomingRequest<'_, '_> {
    /// The transaction of an INVITE, and the CSeq number of its ACK.
    pub(in crate::switchboard) fn invite(&self) -> (ServerId, u32) {
        (self.server, self.message.cseq().map_or(0, |cseq| cseq.number))
    }
}
