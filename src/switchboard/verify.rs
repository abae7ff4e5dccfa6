//! Checks the invariants after a step (ARCHITECTURE.md, "Invariant:"). Tests and the simulator use it; a running service does not.

mod waiting;

use std::collections::BTreeSet;

use crate::cdr::fact::Callee;
use crate::clock::Instant;
use crate::ids::{CallId, OperatorId};
use crate::limits::LIVE_LEGS_PER_CALL_MAX;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::{OutgoingState, RingAttempt};
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::session::{Session, SessionState};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;

impl Parts {
    /// Checks all invariants. The error names the first broken one.
    pub(in crate::switchboard) fn verify(&self) -> Result<(), String> {
        self.calls.acd.verify(true)?;
        self.net.admission.guard.verify()?;
        let mut busy: BTreeSet<&OperatorId> = BTreeSet::new();
        for (id, call) in self.calls.calls.iter() {
            self.calls.verify_call(*id, call).map_err(|what| format!("call {id}: {what}"))?;
            self.calls.verify_ring(*id, call)?;
            for leg in call.legs.values().filter(|leg| leg.state == OutgoingState::Talking) {
                if let Callee::Operator(operator) = &leg.to
                    && !busy.insert(operator)
                {
                    return Err(format!("operator {operator} has two live legs"));
                }
            }
            // Several phones of one operator may ring for one call.
            let ringing = call.legs.values().filter(|leg| leg.is_ringing()).filter_map(|leg| leg.operator());
            for operator in ringing.collect::<BTreeSet<_>>() {
                if !busy.insert(operator) {
                    return Err(format!("operator {operator} is rung for two calls"));
                }
            }
        }
        self.calls.verify_open_invites()?;
        self.mode.verify_mode(&self.calls, &self.step)?;
        self.calls.verify_stations(&self.net)?;
        self.calls.numbers.callers.verify()?;
        self.calls.numbers.call_backs.verify(|id| self.calls.calls.get(id).is_some_and(|call| !call.is_over()))?;
        if self.calls.numbers.last_calls.keys().any(|operator| !self.net.phones.has_account(operator)) {
            return Err("a removed operator has a last call".to_owned());
        }
        self.net.wire.lookups.verify(|who| self.calls.session(who).is_some())?;
        self.verify_owners()?;
        self.calls.verify_clients(&self.net)?;
        self.verify_waiting()?;
        self.verify_alarms()
    }
}

impl Calls {
    fn verify_call(&self, id: CallId, call: &Call) -> Result<(), &'static str> {
        self.verify_participants(id, call)?;
        Self::verify_silent(call)?;
        self.verify_ports(id, call)?;
        if call.ringing() >= LIVE_LEGS_PER_CALL_MAX {
            return Err("it rings at too many phones");
        }
        Self::verify_stage(call)?;
        if call.legs.values().any(|leg| leg.dialled.is_some() && leg.operator().is_some()) {
            return Err("a phone's failure would count against a trunk's server");
        }
        let passes_on = matches!(call.stage, Stage::Transfer { .. });
        if call.transfer.is_some() != passes_on || passes_on && call.kind.is_placed() {
            return Err("its transfer does not fit its stage");
        }
        let caller = &call.caller.session;
        if call.is_over() && (caller.is_timed() || caller.has_pending_request()) {
            return Err("it is over but its session is timed");
        }
        if call.is_over() != matches!(caller.state(), SessionState::Ending | SessionState::Ended) {
            return Err("the session of its caller does not end with it");
        }
        if call.legs.values().any(|leg| leg.state == OutgoingState::Cancelling && leg.session.has_early_dialogs()) {
            return Err("a cancelled leg has early dialogs");
        }
        let holds = |session: Option<&Session>| session.and_then(Session::media).is_some_and(MediaSession::peer_holds);
        if let Stage::Talking { leg } = call.stage {
            let operator = call.legs.get(&leg).map(|leg| &leg.session);
            if call.audio.holding() != (holds(Some(caller)), holds(operator)) {
                return Err("who is on hold is not what was agreed");
            }
        }
        let legs = call.legs.values().map(|leg| &leg.session);
        if legs.chain([caller]).filter_map(Session::media).any(MediaSession::breaks_srtp_policy) {
            return Err("a leg that must be secret is not");
        }
        if call.is_over() && caller.media().is_some() {
            return Err("it is over but holds a port");
        }
        // While a placed call rings the operator's own phones, it has no caller yet.
        let is_fetched = matches!(call.stage, Stage::OwnPhones { .. });
        if !call.is_over() && !is_fetched && !caller.invite_is_pending() && !caller.is_answered() {
            return Err("it is alive but its caller has been refused");
        }
        if call.is_over() && call.legs.is_empty() && !caller.awaits_ack() {
            return Err("it is over but was not forgotten");
        }
        Ok(())
    }

    /// Checks that the legs of a call fit its stage.
    fn verify_stage(call: &Call) -> Result<(), &'static str> {
        let own = || call.legs.iter().filter(|(no, _)| !call.participants.contains_key(no)).map(|(_, leg)| leg);
        let ringing = own().filter(|leg| leg.is_ringing()).count();
        let talking = own().filter(|leg| matches!(leg.state, OutgoingState::Talking)).count();
        let good = match &call.stage {
            Stage::Queued | Stage::Ended => ringing == 0 && talking == 0,
            Stage::Number => {
                own().filter(|leg| leg.is_ringing() && leg.operator().is_none()).count() == 1 && talking == 0
            }
            Stage::Offered | Stage::AllPhones { .. } => ringing >= 1 && talking == 0,
            Stage::Talking { leg } => ringing == 0 && talking == 1 && call.legs.contains_key(leg),
            Stage::Transfer { from } => {
                let talks =
                    from.is_none_or(|leg| call.legs.get(&leg).is_some_and(|leg| leg.state == OutgoingState::Talking));
                ringing >= 1 && talking == usize::from(from.is_some()) && talks
            }
            Stage::OwnPhones { .. } => ringing >= 1 && talking == 0 && call.kind.is_placed(),
            Stage::Placed => ringing >= 1 && talking == 0 && call.kind.is_placed(),
        };
        if !good {
            return Err("its legs do not fit its stage");
        }
        let rung = || own().filter(|leg| leg.is_ringing());
        let one_callee = rung().all(|leg| rung().next().is_some_and(|first| first.to == leg.to));
        if matches!(call.stage, Stage::Transfer { .. } | Stage::Placed) && !one_callee {
            return Err("it rings two callees");
        }
        Ok(())
    }

    /// Checks that the operators who are reserved for a ringing call are exactly those who are rung for it.
    fn verify_ring(&self, id: CallId, call: &Call) -> Result<(), String> {
        if !(matches!(call.stage, Stage::Offered | Stage::OwnPhones { .. }) || call.is_falling_back()) {
            return Ok(());
        }
        let rung: BTreeSet<&OperatorId> =
            call.legs.values().filter(|leg| leg.is_ringing()).filter_map(|leg| leg.operator()).collect();
        let reserved: BTreeSet<&OperatorId> = self.acd.rung_for(id).collect();
        if rung == reserved {
            Ok(())
        } else {
            Err(format!("call {id} rings {rung:?}, {reserved:?} are reserved for it"))
        }
    }
}

impl Parts {
    /// Checks that ports, dialogs, transactions and INVITEs in use belong to live legs.
    fn verify_owners(&self) -> Result<(), String> {
        let alive = |who: &LegRef| match who {
            LegRef::Caller(call) => self.calls.calls.contains_key(call),
            LegRef::Outgoing(call, leg) => self.calls.calls.get(call).is_some_and(|call| call.legs.contains_key(leg)),
            LegRef::Service(service_call) => self.calls.service_calls.contains_key(service_call),
        };
        if let Some((anchor, who)) = self.net.media.anchors.iter().find(|(_, who)| !alive(who)) {
            return Err(format!("port {anchor:?} belongs to {who:?}, who is gone"));
        }
        if self.net.media.anchors.len() != self.net.media.ports.lent() {
            return Err(format!(
                "{} ports are lent, {} are known",
                self.net.media.ports.lent(),
                self.net.media.anchors.len()
            ));
        }
        if let Some((_, who)) = self.net.wire.dialogs.iter().find(|(_, who)| !alive(who)) {
            return Err(format!("a dialog belongs to {who:?}, who is gone"));
        }
        if let Some((_, who)) = self.net.wire.invites.iter().find(|(_, who)| !alive(who)) {
            return Err(format!("an INVITE belongs to {who:?}, who is gone"));
        }
        if self.calls.live_calls != self.calls.calls.values().filter(|call| !call.is_over()).count() {
            return Err(format!("{} live calls are counted", self.calls.live_calls));
        }
        self.net.trunks.verify_trunks(&self.net.wire, alive)?;
        self.calls.verify_internal()?;
        self.calls.verify_service_calls()?;
        self.calls.verify_disconnected(&self.net)?;
        self.subscriptions.verify_watches(&self.calls, &self.net)?;
        self.messages.verify_texts(&self.net)?;
        let dead = |id: &crate::ids::CallId| !self.calls.calls.contains_key(id);
        for (connection, calls) in self.net.wire.streams.iter() {
            let over_it = |id| {
                self.calls.calls.get(id).is_some_and(|call: &Call| call.caller.session.flow().connection == *connection)
            };
            if calls.is_empty() || !calls.iter().all(over_it) {
                return Err(format!("calls are held to go over {connection:?}, and do not"));
            }
        }
        let live = || self.calls.calls.iter().filter(|(_, call)| !call.is_over());
        self.calls.placed.verify(live().filter_map(|(id, call)| Some((*id, call.kind.placed_by()?))))?;
        let emergencies = live().filter(|(_, call)| !call.kind.is_placed());
        self.calls.numbers.numbers_in_call.verify(emergencies.map(|(_, call)| call.shown.number.as_deref()))?;
        if self.calls.service_state.unstaffed != self.calls.acd.is_unstaffed()
            || self.calls.service_state.none_ready != self.calls.acd.is_none_ready()
        {
            return Err("the last report about staffed and ready operators is wrong".to_owned());
        }
        if self.net.wire.merged.values().any(dead) {
            return Err("a merge key belongs to a call that is gone".to_owned());
        }
        Ok(())
    }
}

impl Calls {
    /// Checks that a state waits for the response to each pending request.
    fn verify_clients(&self, net: &NetworkParts) -> Result<(), String> {
        net.wire.clients.verify()?;
        for (client, purpose) in net.wire.clients.iter() {
            let good = match purpose {
                Purpose::Invite(LegRef::Outgoing(call, leg)) => self
                    .calls
                    .get(call)
                    .and_then(|call| call.legs.get(leg))
                    .is_some_and(|leg| leg.client == Some(*client) || leg.attempt.second.client() == Some(*client)),
                Purpose::Invite(LegRef::Caller(call)) => self
                    .calls
                    .get(call)
                    .and_then(|call| call.caller.origination_invite.as_ref())
                    .is_some_and(|fetched| fetched.client == *client),
                Purpose::Invite(LegRef::Service(_)) => false,
                Purpose::ReferNotify(who) | Purpose::Digit(who) | Purpose::Inquiry(who) | Purpose::Refresh(who) => {
                    self.session(*who).is_some_and(|session| session.awaits(purpose, *client))
                }
                Purpose::TrunkPing(..)
                | Purpose::TrunkRegister(..)
                | Purpose::PhonePing(..)
                | Purpose::Prack(..)
                | Purpose::Deregister { .. }
                | Purpose::Notify(_)
                | Purpose::Message(_)
                | Purpose::Bye => true,
            };
            if !good {
                return Err(format!("no part waits for the response to {purpose:?}"));
            }
        }
        Ok(())
    }
}

impl Parts {
    /// Checks that every deadline belongs to a state that waits for it, and that every waiting state of a session, a leg and the queue has
    /// its deadline; `verify_waiting` checks the others.
    fn verify_alarms(&self) -> Result<(), String> {
        for (at, timer) in self.step.timers.iter() {
            let at = Some(*at);
            let good = match timer {
                TimerKind::Unacked(who)
                | TimerKind::Unpracked(who)
                | TimerKind::Session(who)
                | TimerKind::Inquiry(who)
                | TimerKind::HeldBye(who)
                | TimerKind::RepeatProvisional(who)
                | TimerKind::OfferAudio(who) => self.calls.session(*who).is_some_and(|session| {
                    session.deadlines(*who).iter().any(|(due, waited)| Some(*due) == at && waited == timer)
                }),
                TimerKind::SecondInvite(who) => {
                    self.calls.attempt_of(*who).and_then(|attempt| attempt.second.due()) == at
                }
                TimerKind::NoResponse(who) => self.calls.attempt_of(*who).and_then(|attempt| attempt.respond_by) == at,
                TimerKind::BindingGone(who) => self.calls.attempt_of(*who).and_then(|attempt| attempt.ends_at) == at,
                TimerKind::RingOver(who) => self.calls.rings_until(*who) == at,
                TimerKind::AllPhonesOver(call) => match self.calls.calls.get(call).map(|call| &call.stage) {
                    Some(Stage::AllPhones { until }) => Some(*until) == at,
                    Some(
                        Stage::Queued
                        | Stage::Offered
                        | Stage::Number
                        | Stage::Talking { .. }
                        | Stage::Transfer { .. }
                        | Stage::OwnPhones { .. }
                        | Stage::Placed
                        | Stage::Ended,
                    )
                    | None => false,
                },
                TimerKind::Disconnected(call) => self.calls.disconnected_until(*call) == at,
                TimerKind::TooLong(call) => {
                    self.calls.calls.get(call).filter(|call| !call.is_over()).map(|call| call.times.over_at()) == at
                }
                TimerKind::InviteExpires(call) => {
                    self.calls.calls.get(call).and_then(|call| call.times.expires_at()) == at
                }
                TimerKind::AnnouncePosition(call) => {
                    self.calls.calls.get(call).and_then(|call| call.waiting.position_at()) == at
                }
                TimerKind::Outside(call) => {
                    self.calls.calls.get(call).and_then(|call| call.waiting.outside.next_at()) == at
                }
                TimerKind::ServiceCallOver(service_call) => {
                    self.calls.service_calls.get(service_call).map(|phone| phone.over_at) == at
                }
                TimerKind::Text(text) => self.messages.texts.due(*text) == at,
                TimerKind::TextAgain(text) => self.messages.texts.seconds_at(*text) == at,
                TimerKind::Watch(watch) => self.subscriptions.table.get(*watch).and_then(|one| one.armed) == at,
                TimerKind::Mode => self.mode.state.due == at,
                TimerKind::DeregistrationsOver => self.calls.service_state.draining,
                TimerKind::PingTrunk(index) => {
                    self.net.trunks.pings().any(|(pinged, due)| pinged == *index && Some(due) == at)
                }
                TimerKind::RegisterTrunk(index) => {
                    let state = self.net.trunks.states.get(*index);
                    state.and_then(|state| state.binding.as_ref()).and_then(|binding| binding.next) == at
                }
                TimerKind::PingPhone(operator) => self.net.phones.pings.phone(operator) == at,
            };
            if !good {
                return Err(format!("no part waits for {timer:?}"));
            }
        }
        self.verify_plans()?;
        self.calls.verify_legs_deadlines(&self.step)
    }

    /// Checks that announcements of the position and attempts to reach an outside number have their deadline.
    fn verify_plans(&self) -> Result<(), String> {
        let told = |(id, call): (&CallId, &Call)| {
            let at = call.waiting.position_at()?;
            (!call.waiting.is_announced() || !self.step.timers.contains(at, TimerKind::AnnouncePosition(*id)))
                .then_some(*id)
        };
        if let Some(id) = self.calls.calls.iter().find_map(told) {
            return Err(format!("call {id} is to be told its place, and will not be"));
        }
        let planned = |(id, call): (&CallId, &Call)| {
            let at = call.waiting.outside.next_at()?;
            (call.is_over() || !self.step.timers.contains(at, TimerKind::Outside(*id))).then_some(*id)
        };
        if let Some(id) = self.calls.calls.iter().find_map(planned) {
            return Err(format!("call {id} is to be tried outside, and will not be"));
        }
        Ok(())
    }
}

impl Calls {
    fn verify_legs_deadlines(&self, step: &Step) -> Result<(), String> {
        for (who, session) in self.sessions() {
            let ringing = self.rings_until(who).map(|at| (at, TimerKind::RingOver(who)));
            let attempt = self.attempt_of(who);
            let second = attempt.and_then(|attempt| attempt.second.due()).map(|at| (at, TimerKind::SecondInvite(who)));
            let response = attempt.and_then(|attempt| attempt.respond_by).map(|at| (at, TimerKind::NoResponse(who)));
            let gone = attempt.and_then(|attempt| attempt.ends_at).map(|at| (at, TimerKind::BindingGone(who)));
            let of_leg = [ringing, second, response, gone].into_iter().flatten();
            let mut wanted = session.deadlines(who).into_iter().chain(of_leg);
            if let Some((_, timer)) = wanted.find(|(at, timer)| !step.timers.contains(*at, timer.clone())) {
                return Err(format!("the deadline {timer:?} is not set"));
            }
        }
        Ok(())
    }

    fn rings_until(&self, who: LegRef) -> Option<Instant> {
        let LegRef::Outgoing(call, leg) = who else { return None };
        match self.calls.get(&call)?.legs.get(&leg)?.state {
            OutgoingState::Ringing { ring_until, .. } => Some(ring_until),
            OutgoingState::NoResponse | OutgoingState::Cancelling | OutgoingState::Talking => None,
        }
    }

    fn attempt_of(&self, who: LegRef) -> Option<&RingAttempt> {
        let LegRef::Outgoing(call, leg) = who else { return None };
        self.calls.get(&call)?.legs.get(&leg).map(|leg| &leg.attempt)
    }
}
