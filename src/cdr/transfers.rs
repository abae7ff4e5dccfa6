//! Transfers in the computation of a record: the transferring operator, the target, and the talks that end.

use crate::ids::LegNo;

use super::fact::{Callee, FactKind, OfferOutcome};
use super::step::{Step, Talking};
use super::{Cdr, Talk, Transfer};

/// The transfer in progress.
#[derive(Default)]
pub(super) struct Transfers {
    /// The party that had the caller when the transfer started.
    parted: Option<(LegNo, Callee)>,
}

impl Transfers {
    /// Applies one fact. Other facts are ignored.
    pub(super) fn take(&mut self, fact: &Step<'_>, cdr: &mut Cdr, talking: &mut Talking) {
        match fact.kind {
            FactKind::TransferAsked { leg, by, to, consulted, .. } => {
                self.parted = Some((*leg, Callee::Operator(by.clone())));
                part(fact, cdr, talking, false);
                cdr.transfers.push(Transfer {
                    by: by.clone(),
                    to: to.clone(),
                    consulted: *consulted,
                    asked: fact.at,
                    ended: None,
                    outcome: None,
                    sip_status: None,
                });
            }
            FactKind::TransferDone { .. } => {
                self.parted = None;
                end(fact, cdr, OfferOutcome::Answered, None);
            }
            FactKind::TransferFailed { why, sip_status, back, .. } => {
                let parted = self.parted.take().filter(|_| *back && talking.is_none());
                if let Some((leg, with)) = parted {
                    *talking = Some((leg, with, fact.at));
                }
                end(fact, cdr, *why, Some(*sip_status));
            }
            FactKind::TakenOver { .. } | FactKind::TransferorLeft { .. } => part(fact, cdr, talking, false),
            FactKind::LeadLeft { lost, .. } => part(fact, cdr, talking, *lost),
            FactKind::Received { .. }
            | FactKind::Located { .. }
            | FactKind::CallerKnown { .. }
            | FactKind::Queued { .. }
            | FactKind::Announced { .. }
            | FactKind::Offered { .. }
            | FactKind::Ringing { .. }
            | FactKind::OfferEnded { .. }
            | FactKind::Answered { .. }
            | FactKind::OperatorLost { .. }
            | FactKind::GuestJoined { .. }
            | FactKind::GuestLeft { .. }
            | FactKind::Ended { .. }
            | FactKind::WrappedUp { .. }
            | FactKind::Disposed { .. }
            | FactKind::CalledBack { .. }
            | FactKind::CallBackLost
            | FactKind::Recorded { .. }
            | FactKind::RecordingFailed { .. }
            | FactKind::Sound { .. }
            | FactKind::NobodyOnShift
            | FactKind::Held { .. }
            | FactKind::Resumed { .. }
            | FactKind::SessionExpired { .. }
            | FactKind::SilentLegPresent { .. }
            | FactKind::Digit { .. }
            | FactKind::SilentAsked { .. }
            | FactKind::Chosen { .. }
            | FactKind::Breach { .. }
            | FactKind::Erased { .. }
            | FactKind::Placed { .. }
            | FactKind::Started { .. }
            | FactKind::Stopped
            | FactKind::OperatorState { .. }
            | FactKind::Stationed { .. }
            | FactKind::PinRefused { .. }
            | FactKind::PasswordGuessed { .. }
            | FactKind::Commanded { .. }
            | FactKind::ModeSet { .. }
            | FactKind::CallerMarked { .. } => {}
        }
    }
}

/// Ends the talk because the caller is transferred or because its leg was `lost`, and credits its time to the operator who talked.
fn part(fact: &Step<'_>, cdr: &mut Cdr, talking: &mut Talking, lost: bool) {
    if let Some((leg, with, from)) = talking.take() {
        cdr.talks.push(Talk { leg, with, from, to: fact.at, lost, transferred: !lost, guest: false });
    }
}

fn end(fact: &Step<'_>, cdr: &mut Cdr, outcome: OfferOutcome, sip_status: Option<u16>) {
    if let Some(transfer) = cdr.transfers.last_mut().filter(|transfer| transfer.ended.is_none()) {
        (transfer.ended, transfer.outcome, transfer.sip_status) = (Some(fact.at), Some(outcome), sip_status);
    }
}
