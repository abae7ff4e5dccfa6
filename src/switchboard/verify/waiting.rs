//! Checks that each state that waits has its deadline, and that tables fit the indexes that find their entries.

use crate::ids::CallId;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::session::SessionState;
use crate::switchboard::timers::TimerKind;

impl Parts {
    /// Checks that the deadlines of calls, service calls, texts, keep-alives, registrations, subscriptions and the operating mode are set.
    pub(super) fn verify_waiting(&self) -> Result<(), String> {
        let of_calls = self.calls.calls.iter().flat_map(|(id, call)| waits(*id, call));
        let services = self
            .calls
            .service_calls
            .iter()
            .map(|(service_call, call)| (call.over_at, TimerKind::ServiceCallOver(*service_call)));
        let texts = self.messages.texts.all.keys().flat_map(|id| {
            let due = self.messages.texts.due(*id).map(|at| (at, TimerKind::Text(*id)));
            due.into_iter().chain(self.messages.texts.seconds_at(*id).map(|at| (at, TimerKind::TextAgain(*id))))
        });
        let pings = self.net.trunks.pings().map(|(index, at)| (at, TimerKind::PingTrunk(index)));
        let registrations = self
            .net
            .trunks
            .states
            .iter()
            .enumerate()
            .filter_map(|(index, state)| Some((state.binding.as_ref()?.next?, TimerKind::RegisterTrunk(index))));
        let phones = self.net.phones.pings.phones().map(|(account, at)| (at, TimerKind::PingPhone(account.clone())));
        let watches = self.subscriptions.table.iter().filter_map(|(id, one)| Some((one.armed?, TimerKind::Watch(id))));
        let mode = self.mode.state.due.map(|at| (at, TimerKind::Mode));
        let of_phones = services.chain(texts).chain(pings).chain(registrations).chain(phones).chain(watches);
        let mut all = of_calls.chain(of_phones).chain(mode);
        match all.find(|(at, timer)| !self.step.timers.contains(*at, timer.clone())) {
            Some((_, timer)) => Err(format!("{timer:?} is not set")),
            None => Ok(()),
        }
    }

    /// Checks indexes that would take long to check after every step: those of transactions, bindings, ports and dialogs.
    pub(in crate::switchboard) fn verify_tables(&self) -> Result<(), String> {
        self.net.wire.transactions.verify()?;
        self.net.phones.registrar.verify()?;
        self.net.media.ports.verify(self.net.media.anchors.keys())?;
        for (key, who) in self.net.wire.dialogs.iter() {
            if !self.calls.session(*who).is_some_and(|session| session.has_dialog(key)) {
                return Err(format!("{who:?} does not have a dialog that names it"));
            }
        }
        for (who, session) in self.calls.sessions() {
            let is_over = matches!(session.state(), SessionState::Ending | SessionState::Ended);
            let key = session.dialog().map(|dialog| dialog.key()).filter(|_| !is_over);
            if key.is_some_and(|key| self.net.wire.dialogs.get(key) != Some(&who)) {
                return Err(format!("the dialog of {who:?} is not found"));
            }
        }
        Ok(())
    }
}

/// The deadlines of a call.
fn waits(id: CallId, call: &Call) -> Vec<(crate::clock::Instant, TimerKind)> {
    let phones = match &call.stage {
        Stage::AllPhones { until } => Some(*until),
        Stage::Queued
        | Stage::Offered
        | Stage::Number
        | Stage::Talking { .. }
        | Stage::Transfer { .. }
        | Stage::OwnPhones { .. }
        | Stage::Placed
        | Stage::Ended => None,
    };
    let all = [
        ((!call.is_over()).then_some(call.times.over_at()), TimerKind::TooLong(id)),
        (phones, TimerKind::AllPhonesOver(id)),
        (call.times.expires_at(), TimerKind::InviteExpires(id)),
        (call.caller.disconnected.and_then(|gone| gone.decided_at), TimerKind::Disconnected(id)),
    ];
    all.into_iter().filter_map(|(at, timer)| Some((at?, timer))).collect()
}
