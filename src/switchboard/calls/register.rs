//! Authentication of operators' requests.

use crate::ids::OperatorId;
use crate::sip::digest::{Role, Verdict};
use crate::sip::guard::Standing;
use crate::sip::wire::{Method, Name};
use crate::switchboard::calls::Calls;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::step::Step;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Calls {
    /// Checks a request's credentials. If they are missing or wrong, responds and returns None. While an account's
    /// password is being guessed, a source without earlier valid credentials gets 503 with Retry-After until its wait
    /// is over (`Guesses`).
    pub(in crate::switchboard) fn authenticate(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
    ) -> Option<OperatorId> {
        let now = step.now;
        let claim = net.admission.authenticator.claim(taken.message, taken.flow.remote.ip());
        if let Some(wait) = claim
            .as_ref()
            .and_then(|claim| net.admission.guess_wait(&mut net.phones, now, taken.flow, taken.message, claim))
        {
            let seconds = wait.as_secs().saturating_add(1).to_string();
            let is_forgeable = claim.is_some_and(|claim| {
                net.admission.standing(&mut net.phones, taken.flow, taken.message, &claim) == Standing::Forgeable
            });
            if is_forgeable {
                // A phone that responds to this challenge proves its address.
                net.admission.reply_challenge(&mut net.wire, step, taken, false);
            } else {
                net.admission.reply_and_forget(
                    &mut net.wire,
                    step,
                    taken,
                    503,
                    &[(Name::RetryAfter, seconds.as_bytes())],
                );
            }
            return None;
        }
        let accounts = &net.phones.accounts;
        let verdict = net.admission.authenticator.verify(now, Role::Server, taken.message, |user| {
            OperatorId::parse(user).ok().and_then(|operator| accounts.get(&operator)).map(|account| &account.ha1)
        });
        match verdict {
            Verdict::Accepted(user) => {
                let operator = OperatorId::parse(&user).ok()?;
                if let Some(claim) = &claim {
                    net.admission.right_credentials(&mut net.phones, step, taken.flow, taken.message, claim, &operator);
                }
                if taken.message.method() != Some(Method::Register) {
                    self.activate_binding(net, step, &operator, taken.flow);
                    self.phone_responded(net, step, &operator, taken.flow);
                }
                return Some(operator);
            }
            Verdict::Challenge { stale } => {
                // Guesses with an invented nonce count too: `stale` would reveal that the guess is right.
                if !stale {
                    net.admission.wrong_credentials(
                        &mut net.facts,
                        &mut net.phones,
                        step,
                        taken.flow,
                        taken.message,
                        claim.as_ref(),
                    );
                }
                net.admission.reply_challenge(&mut net.wire, step, taken, stale);
            }
            Verdict::Refused => {
                net.admission.wrong_credentials(
                    &mut net.facts,
                    &mut net.phones,
                    step,
                    taken.flow,
                    taken.message,
                    claim.as_ref(),
                );
                net.admission.reply_and_forget(&mut net.wire, step, taken, 403, &[]);
            }
            Verdict::Malformed => net.admission.reply_and_forget(&mut net.wire, step, taken, 400, &[]),
        }
        None
    }
}
