//! The facts that a run of the service could not write because it was killed: the end of an open call, or of a wrap-up. A later run adds
//! them.

use crate::clock::Timestamp;
use crate::ids::CallId;

use super::Cdr;
use super::fact::{EndCause, Fact, FactId, FactKind, Side};

/// The number of the end that a recovery adds to a call. It is higher than all numbers of the call itself, so that the call's own end
/// counts if it is found later.
const END: u32 = 0x7fff_ffff;
/// The number of the end of a wrap-up that a recovery adds.
const WRAP_UP: u32 = 0xffff_ffff;
/// A wrap-up that began earlier than this before the end of its run had ended: only its fact is missing.
const WRAP_UP_MAX_MS: u64 = 3_600_000;

/// The missing end of a call or of a wrap-up, from all facts of the call. None if neither is missing. `run_ended` returns when the run
/// that wrote the fact of that time ended.
pub fn missing_end(call: CallId, facts: &[Fact], run_ended: impl FnOnce(Timestamp) -> Timestamp) -> Option<Fact> {
    let cdr = Cdr::fold(facts)?;
    if cdr.is_settled() {
        return None;
    }
    let own = facts.iter().filter(|fact| fact.id.seq < END);
    let last = own.map(|fact| fact.at).max().unwrap_or(cdr.received);
    let at = run_ended(last);
    let fact = |seq, kind| Fact { id: FactId { stream: call, seq }, call: Some(call), at, up: None, kind };
    if !cdr.is_closed() {
        let kind = FactKind::Ended { by: Side::Service, cause: EndCause::Interrupted, sip_status: None, q850: None };
        return Some(fact(END, kind));
    }
    wrap_up_ends(&cdr, facts, at).map(|kind| fact(WRAP_UP, kind))
}

/// The end of a wrap-up that a kill interrupted.
fn wrap_up_ends(cdr: &Cdr, facts: &[Fact], at: Timestamp) -> Option<FactKind> {
    let ended = facts.iter().find(|fact| matches!(fact.kind, FactKind::Ended { .. }))?;
    let operator = cdr.operator.clone()?;
    (at.millis_since(ended.at) <= WRAP_UP_MAX_MS).then_some(FactKind::WrappedUp { operator })
}
