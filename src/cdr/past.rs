//! The records of earlier runs that a new run of the service needs.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::ids::{CallId, OperatorId};

use super::fact::{Callee, Class, Fact};
use super::{CallBack, Cdr};

/// The data of one call of an earlier run that a later run needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    pub call: CallId,
    pub number: Option<String>,
    pub received: Timestamp,
    pub answered: Option<Timestamp>,
    pub ended: Timestamp,
    pub waited_ms: u64,
    /// The operators who have had the caller, each with the time since when.
    pub worked_by: BTreeMap<OperatorId, Timestamp>,
    pub call_backs: Vec<CallBack>,
    /// When it was classified as a prank, if that is the last classification.
    pub prank: Option<Timestamp>,
}

impl PastCall {
    /// None while the call is open.
    pub fn of(cdr: &Cdr) -> Option<Self> {
        let own = cdr.talks.iter().filter(|talk| !talk.guest);
        let worked_by = own.filter_map(|talk| match &talk.with {
            Callee::Operator(operator) => Some((operator.clone(), talk.from)),
            Callee::Number(_) => None,
        });
        let prank = cdr.disposition.as_ref().filter(|disposition| disposition.class == Class::Prank);
        Some(Self {
            call: cdr.call,
            number: cdr.number().map(str::to_owned),
            received: cdr.received,
            answered: cdr.answered,
            ended: cdr.ended?,
            waited_ms: cdr.waited_ms,
            worked_by: worked_by.collect(),
            call_backs: cdr.call_backs.clone(),
            prank: prank.map(|disposition| disposition.at),
        })
    }
}

/// All records of earlier runs; calls in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    pub calls: Vec<PastCall>,
    /// Facts of the service that are still in effect: `CallerMarked`, `Stationed`, and the last `ModeSet`; each kind in the order of
    /// time.
    pub facts: Vec<Fact>,
}
