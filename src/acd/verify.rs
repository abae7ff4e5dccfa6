//! Checks the invariants of call distribution by a scan of all data.

use super::{Acd, OperatingMode, Status, Work};
use crate::ids::{CallId, OperatorId};

impl Acd {
    /// Checks every invariant (one call per operator, no free operator while a call waits, order …). `settled` is true after `decide` has
    /// returned None.
    pub fn verify(&self, settled: bool) -> Result<(), String> {
        self.floor.verify()?;
        self.queue.verify()?;
        self.verify_operators()?;
        self.verify_pairs()?;
        self.verify_calls()?;
        if settled { self.verify_settled() } else { Ok(()) }
    }

    /// Checks that an operator has at most one call, and that the call refers to the operator.
    fn verify_operators(&self) -> Result<(), String> {
        for (operator, facts) in self.floor.iter() {
            let status = facts.call().and_then(|call| self.queue.status(call));
            let right = match (&facts.work, status) {
                // A participant in a call that another operator or an agency has.
                (Work::Offered { .. } | Work::Talking { .. }, Some(Status::Talking(other))) if facts.guest => {
                    other != operator
                }
                (Work::Offered { .. } | Work::Talking { .. }, None) if facts.guest => true,
                _ if facts.guest => false,
                (Work::Free, _) => true,
                (
                    Work::Offered { .. },
                    Some(Status::Offered { to: reserved, .. } | Status::Fallback { to: reserved, .. }),
                ) => reserved.contains(operator),
                (Work::Talking { .. }, Some(Status::Talking(talking))) => talking == operator,
                (
                    Work::Offered { .. } | Work::Talking { .. },
                    Some(Status::Transferring(engaged) | Status::Placed { engaged, .. }),
                ) => engaged.contains(operator),
                (Work::WrapUp { .. }, Some(Status::Transferring(engaged) | Status::Placed { engaged, .. })) => {
                    !engaged.contains(operator)
                }
                // A call whose operator was lost continues while the operator is in wrap-up.
                (Work::WrapUp { .. }, Some(Status::Talking(talking))) => talking != operator,
                (
                    Work::WrapUp { .. },
                    Some(Status::Offered { to: reserved, .. } | Status::Fallback { to: reserved, .. }),
                ) => !reserved.contains(operator),
                (Work::WrapUp { .. }, Some(Status::Waiting | Status::FallbackBackoff { .. }) | None) => true,
                (
                    Work::Offered { .. } | Work::Talking { .. },
                    Some(
                        Status::Waiting
                        | Status::FallbackBackoff { .. }
                        | Status::Offered { .. }
                        | Status::Fallback { .. }
                        | Status::Talking(_),
                    )
                    | None,
                ) => false,
            };
            if !right {
                return Err(format!("{operator} is {:?}, the call is {status:?}", facts.work));
            }
        }
        for operator in &self.withdrawals {
            let asked = self.floor.get(operator).is_some_and(|facts| match facts.work {
                Work::Offered { withdrawn, .. } => withdrawn,
                Work::Free | Work::Talking { .. } | Work::WrapUp { .. } => false,
            });
            if !asked {
                return Err(format!("{operator} is to be withdrawn from no offer"));
            }
        }
        Ok(())
    }

    /// Checks that each reservation belongs to a live call, and that call and operator refer to each other.
    fn verify_calls(&self) -> Result<(), String> {
        for (call, status) in self.queue.iter() {
            let right = match status {
                Status::Waiting | Status::FallbackBackoff { .. } => true,
                Status::Offered { to: operators, .. } | Status::Fallback { to: operators, .. } => {
                    operators.iter().all(|operator| self.is_offered(operator, call))
                }
                Status::Talking(operator) => {
                    self.floor.get(operator).is_some_and(|facts| facts.work == Work::Talking { call })
                }
                Status::Transferring(engaged) | Status::Placed { engaged, .. } => engaged.iter().all(|operator| {
                    self.floor.get(operator).is_some_and(|facts| match facts.work {
                        Work::Offered { call: his, .. } | Work::Talking { call: his } => his == call,
                        Work::Free | Work::WrapUp { .. } => false,
                    })
                }),
            };
            if !right {
                return Err(format!("call {call} is {status:?}, but not for this operator"));
            }
        }
        Ok(())
    }

    /// Checks that no call waits while an operator is free, that every call is handled, and that all changes have been reported.
    fn verify_settled(&self) -> Result<(), String> {
        for desk in self.desks() {
            let ready = self.floor.ready_count(self.stand_in(desk));
            if let Some((_, call)) = self.queue.first_offerable(desk).filter(|_| ready > 0) {
                return Err(format!("{ready} are free at desk {} while call {call} waits", desk.0));
            }
            if let Some((_, call)) = self.queue.first_may_ring_more(desk).filter(|_| ready > 0) {
                return Err(format!("{ready} are free at desk {} and do not ring for call {call}", desk.0));
            }
        }
        let fallback_first = self.mode == OperatingMode::Fallback;
        let silent = self.queue.first_may_fall_back().filter(|_| fallback_first || self.floor.staffed_count() == 0);
        if let Some(call) = silent.or(self.queue.first_spent()) {
            return Err(format!("call {call} waits, but no operator can come"));
        }
        self.verify_none_ready()?;
        if let Some(operator) = self.withdrawals.first() {
            return Err(format!("the withdrawal of {operator} is not told"));
        }
        Ok(())
    }

    fn is_offered(&self, operator: &OperatorId, call: CallId) -> bool {
        self.floor.get(operator).is_some_and(|facts| match facts.work {
            Work::Offered { call: offered, .. } => offered == call,
            Work::Free | Work::Talking { .. } | Work::WrapUp { .. } => false,
        })
    }
}
