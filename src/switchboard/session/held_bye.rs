//! Handles a BYE of an operator's phone that overtakes an earlier request of its dialog. A gap before the CSeq of the
//! BYE shows that such a request may still arrive. If it is a REFER, the BYE belongs to the transfer and must not end
//! the call. The BYE therefore gets 200 at once, and takes effect when the missing requests have arrived, or after a
//! short time.

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::SessionEvent;
use crate::switchboard::session::reason::q850;
use crate::switchboard::session::state::held_bye::HeldBye;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use std::time::Duration;

use crate::sip::dialog::{CSEQ_END, DialogKey};
use crate::sip::wire::Method;

/// Time for missing requests to arrive.
const MISSING_FOR: Duration = Duration::from_millis(500);
/// The shorter time if the phone has sent no request before its BYE. It is then uncertain whether one is missing, since
/// the first CSeq may be any number (RFC 3261 §12.2.1.1).
const UNCERTAIN_FOR: Duration = Duration::from_millis(200);

/// What happens with a request, because of a BYE that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Hold {
    /// The request is carried out.
    CarriedOut,
    /// The request has got its response.
    Answered,
    /// The request has got its response, and the held BYE takes effect.
    Released(SessionEvent),
}

impl Session {
    /// Handles a request in a dialog with a held BYE, and a BYE that must be held: one that would end its call
    /// (`ends_call`) although an earlier request may still arrive.
    pub(in crate::switchboard) fn hold(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        (taken, method): (&IncomingRequest<'_, '_>, Method),
        (leg, key): (LegRef, &DialogKey),
        ends_call: bool,
    ) -> Hold {
        let Ok(cseq) = taken.message.cseq().map(|cseq| cseq.number) else { return Hold::CarriedOut };
        let Some(held) = self.closing.held_bye.as_mut() else {
            let holds = method == Method::Bye && ends_call && self.hold_bye(net, step, taken, cseq, (leg, key));
            return if holds { Hold::Answered } else { Hold::CarriedOut };
        };
        if method == Method::Bye {
            net.wire.reply(step, taken, 200, &[]);
        } else if cseq >= held.cseq {
            net.wire.reply(step, taken, 481, &[]);
        } else if method == Method::Refer {
            return Hold::CarriedOut;
        } else {
            held.missing = held.missing.map(|missing| missing.saturating_sub(1));
            let is_last = held.missing == Some(0);
            // The dialog has had a request with a higher number (RFC 3261 §12.2.2).
            net.wire.reply(step, taken, 500, &[]);
            if is_last && let Some(event) = self.release_bye(step, leg) {
                return Hold::Released(event);
            }
        }
        Hold::Answered
    }

    fn hold_bye(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        cseq: u32,
        (leg, key): (LegRef, &DialogKey),
    ) -> bool {
        if !self.is_confirmed(key) || cseq >= CSEQ_END {
            return false;
        }
        let Some(last) = self.dialog_mut(key).map(|dialog| dialog.remote_cseq()) else { return false };
        let (missing, span) = match last {
            None if cseq > 1 => (None, UNCERTAIN_FOR),
            Some(last) if cseq > last.saturating_add(1) => (Some(cseq - last - 1), MISSING_FOR),
            None | Some(_) => return false,
        };
        let due = step.now.mono + span;
        self.closing.held_bye = Some(HeldBye { due, cseq, q850: q850(taken.message), missing });
        step.timers.insert(due, TimerKind::HeldBye(leg));
        net.wire.reply(step, taken, 200, &[]);
        true
    }

    /// Lets a held BYE take effect.
    pub(in crate::switchboard) fn release_bye(&mut self, step: &mut Step, leg: LegRef) -> Option<SessionEvent> {
        let held = self.drop_held_bye(step, leg)?;
        Some(SessionEvent::HungUp { q850: held.q850 })
    }

    /// Removes the held BYE of a leg that has ended.
    pub(super) fn drop_held_bye(&mut self, step: &mut Step, leg: LegRef) -> Option<HeldBye> {
        let held = self.closing.held_bye.take()?;
        step.timers.remove(held.due, TimerKind::HeldBye(leg));
        Some(held)
    }
}
