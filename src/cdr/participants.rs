//! Participants in the computation of a record: their times and roles, and which times count as talk.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::ids::LegNo;

use super::fact::{Callee, FactKind, Role};
use super::step::Step;
use super::{Cdr, Talk, Visit};

/// The current participants.
#[derive(Default)]
pub(super) struct Participants {
    open: BTreeMap<LegNo, (Callee, Role, Timestamp)>,
}

impl Participants {
    /// Applies one fact, before the talk itself does, so that participants' talks come before it. Other facts are ignored.
    pub(super) fn take(&mut self, fact: &Step<'_>, cdr: &mut Cdr) {
        if let FactKind::GuestJoined { leg, who, role } = fact.kind {
            self.leave(*leg, fact.at, cdr);
            self.open.insert(*leg, (who.clone(), *role, fact.at));
        } else if let FactKind::GuestLeft { leg, .. } = fact.kind {
            self.leave(*leg, fact.at, cdr);
        } else if let FactKind::Ended { .. } = fact.kind {
            while let Some(leg) = self.open.keys().next().copied() {
                self.leave(leg, fact.at, cdr);
            }
        }
    }

    /// Ends the computation. The time of participants who are still in the call is not recorded.
    pub(super) fn close(mut self, cdr: &mut Cdr) {
        while let Some((leg, (_, _, from))) = self.open.first_key_value() {
            let (leg, from) = (*leg, *from);
            self.leave(leg, from, cdr);
        }
    }

    fn leave(&mut self, leg: LegNo, to: Timestamp, cdr: &mut Cdr) {
        let Some((who, role, from)) = self.open.remove(&leg) else { return };
        if role.talks() {
            cdr.talks.push(Talk { leg, with: who.clone(), from, to, lost: false, transferred: false, guest: true });
        }
        cdr.guests.push(Visit { leg, who, role, from, to });
    }
}
