//! Emergency calls from phones of the centre. Every authenticated account may place one, even a station without an
//! operator. The call is handled like a trunk's, and its record has the account. The phone's operator counts as talking
//! and is not rung for the call.

use std::collections::BTreeSet;

use crate::cdr::fact::FactKind;
use crate::clock::Now;
use crate::ids::{CallId, OperatorId};
use crate::sip::wire::Message;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::caller::KEPT_CHARS_MAX;
use crate::switchboard::calls::state::call::Call;
use crate::switchboard::calls::state::kind::CallKind;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::wire::text::clean;

impl Calls {
    /// The first fact of such a call. A phone asserts no number, so the fact has the account instead.
    pub(in crate::switchboard) fn received_from(
        &self,
        account: &OperatorId,
        message: &Message<'_>,
        called: String,
    ) -> FactKind {
        FactKind::Received {
            mode: self.acd.mode(),
            trunk: String::new(),
            asserted: None,
            presented: Some(account.to_string()),
            called,
            sip_call_id: clean(message.call_id().unwrap_or_default(), KEPT_CHARS_MAX),
            headers: Vec::new(),
            internal: Some(account.clone()),
        }
    }

    /// Marks the phone's operator, if there is one, as talking until the call ends.
    pub(in crate::switchboard) fn begin_internal(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        id: CallId,
        account: &OperatorId,
    ) {
        let operator = net.phones.speaker(account.clone());
        if let Some(operator) = &operator {
            self.acd.begin_own_call(now, id, operator);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            // Requests go to the phone's connection or address, as for every phone.
            call.caller.session.use_flow_only();
            call.kind = CallKind::internal(account.clone(), operator);
        }
        self.internal.entry(account.clone()).or_default().insert(id);
    }

    /// Frees the operator after the call has ended.
    pub(in crate::switchboard) fn remove_internal_call(&mut self, id: CallId) {
        let Some(internal) = self.calls.get(&id).and_then(|call| call.kind.as_internal()) else { return };
        let (account, operator) = (internal.account.clone(), internal.operator.clone());
        if let Some(operator) = operator {
            self.acd.end_own_call(id, &operator);
        }
        if let Some(calls) = self.internal.get_mut(&account) {
            calls.remove(&id);
            if calls.is_empty() {
                self.internal.remove(&account);
            }
        }
    }

    /// True for the caller's leg of such a call.
    pub(in crate::switchboard) fn is_internal_caller(&self, who: LegRef) -> bool {
        let LegRef::Caller(id) = who else { return false };
        self.calls.get(&id).is_some_and(|call| call.kind.as_internal().is_some())
    }

    /// Checks that an operator counts as talking in their own emergency call exactly while the call lasts.
    pub(in crate::switchboard) fn verify_internal(&self) -> Result<(), String> {
        let own = |call: &Call| call.kind.as_internal().and_then(|internal| internal.operator.clone());
        let live = self.calls.iter().filter(|(_, call)| !call.is_over());
        let expected: BTreeSet<_> = live.filter_map(|(id, call)| Some((own(call)?, *id))).collect();
        for (operator, call) in self.acd.own_calls() {
            if !expected.contains(&(operator.clone(), call)) {
                return Err(format!("{operator} counts as talking in {call}, an emergency call that has ended"));
            }
        }
        let live = self.calls.iter().filter(|(_, call)| !call.is_over());
        let expected: BTreeSet<_> =
            live.filter_map(|(id, call)| Some((&call.kind.as_internal()?.account, *id))).collect();
        let listed = self.internal.iter().flat_map(|(account, ids)| ids.iter().map(move |id| (account, *id)));
        if listed.collect::<BTreeSet<_>>() != expected {
            return Err("the emergency calls of the centre's own phones are not those that are listed".to_owned());
        }
        Ok(())
    }
}
