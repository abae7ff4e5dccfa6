//! Handles a BYE of an operator's phone that overtakes an earlier request of its dialog. A gap before the CSeq of the
//! BYE shows that such a request may still arrive. If it is a REFER, the BYE belongs to the transfer and must not end
//! the call. The BYE therefore gets 200 at once, and takes effect when the missing requests have arrived, or after a
//! short time.

use std::time::Duration;

use crate::clock::Instant;
use crate::sip::dialog::{CSEQ_END, DialogKey};
use crate::sip::wire::Method;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::dialogs::q850;
use crate::switchboard::ids::Who;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::taken::Taken;

/// Time for missing requests to arrive.
const MISSING_FOR: Duration = Duration::from_millis(500);
/// The shorter time if the phone has sent no request before its BYE. It is then uncertain whether one is missing, since
/// the first CSeq may be any number (RFC 3261 §12.2.1.1).
const UNCERTAIN_FOR: Duration = Duration::from_millis(200);

/// A BYE that has got its 200 and has not taken effect.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct HeldBye {
    pub(in crate::switchboard) due: Instant,
    cseq: u32,
    q850: Option<u8>,
    /// The number of earlier requests that have not arrived; None if it is uncertain.
    missing: Option<u32>,
}

impl Calls {
    /// Handles a request in a dialog with a held BYE, and a BYE that must be held. Returns false if the request must be
    /// carried out now.
    pub(in crate::switchboard) fn is_held(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        method: Method,
        (who, key): (Who, &DialogKey),
    ) -> bool {
        let Ok(cseq) = taken.message.cseq().map(|cseq| cseq.number) else { return false };
        let held = self.line_mut(who).and_then(|line| line.held_bye.as_mut());
        let Some(held) = held else {
            return method == Method::Bye && self.hold_bye(net, step, taken, cseq, (who, key));
        };
        if method == Method::Bye {
            net.wire.reply(step, taken, 200, &[]);
        } else if cseq >= held.cseq {
            net.wire.reply(step, taken, 481, &[]);
        } else if method == Method::Refer {
            return false;
        } else {
            held.missing = held.missing.map(|missing| missing.saturating_sub(1));
            let is_last = held.missing == Some(0);
            // The dialog has had a request with a higher number (RFC 3261 §12.2.2).
            net.wire.reply(step, taken, 500, &[]);
            if is_last {
                self.release_bye(net, step, who);
            }
        }
        true
    }

    /// Holds a BYE that would end an emergency call although an earlier request may still arrive.
    fn hold_bye(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        cseq: u32,
        (who, key): (Who, &DialogKey),
    ) -> bool {
        let now = step.now;
        let Who::Offer(call, leg) = who else { return false };
        let ends_call = self.referor(who).is_ok() && !self.has_guests(call) && !self.is_passing_on(now, call, leg);
        if !ends_call || !self.is_confirmed(who, key) || cseq >= CSEQ_END {
            return false;
        }
        let Some(last) = self.dialog_mut(who, key).map(|dialog| dialog.remote_cseq()) else { return false };
        let (missing, span) = match last {
            None if cseq > 1 => (None, UNCERTAIN_FOR),
            Some(last) if cseq > last.saturating_add(1) => (Some(cseq - last - 1), MISSING_FOR),
            None | Some(_) => return false,
        };
        let due = now.mono + span;
        let Some(line) = self.line_mut(who) else { return false };
        line.held_bye = Some(HeldBye { due, cseq, q850: q850(taken.message), missing });
        step.alarms.insert(due, Alarm::HeldBye(who));
        net.wire.reply(step, taken, 200, &[]);
        true
    }

    /// Carries out the BYE after the missing REFER has been carried out.
    pub(in crate::switchboard) fn bye_follows(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        who: Who,
        method: Method,
    ) {
        if method == Method::Refer {
            self.release_bye(net, step, who);
        }
    }

    /// Carries out a held BYE.
    pub(in crate::switchboard) fn release_bye(&mut self, net: &mut NetworkParts, step: &mut Step, who: Who) {
        if let Some(held) = self.forget_held_bye(step, who) {
            self.hung_up(net, step, who, held.q850);
        }
    }

    /// Removes the held BYE of a leg that has ended.
    pub(in crate::switchboard) fn forget_held_bye(&mut self, step: &mut Step, who: Who) -> Option<HeldBye> {
        let held = self.line_mut(who).and_then(|line| line.held_bye.take())?;
        step.alarms.remove(held.due, Alarm::HeldBye(who));
        Some(held)
    }
}
