//! The parts of the switchboard, and the steps that run through them.

use std::net::SocketAddr;

use crate::acd::{Acd, Decision};
use crate::cdr::fact::FactKind;
use crate::clock::{Instant, Now, earliest};
use crate::ids::{CallId, Rng};
use crate::sip::digest::Authenticator;
use crate::switchboard::admission::Admission;
use crate::switchboard::calls::Calls;
use crate::switchboard::facts::Facts;
use crate::switchboard::input::Input;
use crate::switchboard::media::MediaPorts;
use crate::switchboard::messages::Messages;
use crate::switchboard::mode::Mode;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{Gauges, Output};
use crate::switchboard::phones::Phones;
use crate::switchboard::settings::Settings;
use crate::switchboard::step::Step;
use crate::switchboard::subscriptions::Subscriptions;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;

/// All parts of the switchboard.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Parts {
    #[serde(skip)]
    pub(in crate::switchboard) settings: Settings,
    pub(in crate::switchboard) step: Step,
    pub(in crate::switchboard) net: NetworkParts,
    pub(in crate::switchboard) calls: Calls,
    pub(in crate::switchboard) subscriptions: Subscriptions,
    pub(in crate::switchboard) messages: Messages,
    pub(in crate::switchboard) mode: Mode,
}

impl Parts {
    /// Starts without calls. `rtp_ports` are the even ports that media has bound; RTCP uses the next odd port. The slot
    /// of an `AnchorId` is an index into `rtp_ports`.
    pub(in crate::switchboard) fn new(now: Now, settings: Settings, rtp_ports: Vec<SocketAddr>, mut rng: Rng) -> Self {
        let authenticator = Authenticator::new(
            &settings.site.domain,
            settings.phones.digest.clone(),
            settings.phones.nonce_life,
            &mut rng,
        );
        let acd = Acd::new(now, settings.acd.clone(), Rng::from_number(rng.next_u64()));
        let facts = Facts::new(now, CallId::new(now.wall, &mut rng));
        let stateless_tags = crate::sip::stateless::StatelessTags::new(&mut rng);
        let net = NetworkParts {
            facts,
            wire: Wire::new(&settings),
            phones: Phones::new(now.mono, &settings),
            trunks: Trunks::new(&settings),
            admission: Admission::new(&settings, authenticator, stateless_tags),
            media: MediaPorts::new(&settings, rtp_ports),
        };
        let mut parts = Self {
            calls: Calls::new(&settings, acd),
            subscriptions: Subscriptions::new(&settings),
            messages: Messages::new(&settings),
            mode: Mode::new(&settings, now),
            step: Step::new(now, rng),
            net,
            settings,
        };
        let Self { net, step, calls, .. } = &mut parts;
        net.facts.service_fact(step, FactKind::Started { version: env!("CARGO_PKG_VERSION").to_owned() });
        calls.align_trunks(net, step, &[]);
        net.trunks.begin_keep_alives(step);
        parts
    }

    /// Handles one input and appends the resulting outputs to `out`.
    pub(in crate::switchboard) fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        self.step.now = now;
        self.follow_calendar();
        match input {
            Input::Received { flow, bytes } => self.receive(flow, bytes),
            Input::Unreachable { flow } => self.unreachable(flow),
            Input::Proven { flow, names } => self.net.trunks.proven(flow, names),
            Input::Targets { trunk, targets } => {
                self.net.trunks.set_targets(&mut self.net.wire, &mut self.step, trunk, targets)
            }
            Input::Found { uri, targets } => self.calls.found(&mut self.net, &uri, &targets),
            Input::Media(event) => self.calls.media_event(&mut self.net, &mut self.step, event),
            Input::Console { request, by, command } => self.console(request, by, command),
            Input::Accounts(accounts) => self.set_accounts(accounts),
            Input::Remember(past) => self.merge_history(*past),
            Input::Forget(number) => self.calls.forget_number(&number),
            Input::Restore(restored) => self.restore(*restored),
            Input::Configure(settings) => self.configure(*settings),
            Input::Drain => {
                if !std::mem::replace(&mut self.calls.service_state.draining, true) {
                    self.net.trunks.leave_trunks(&mut self.net.wire, &mut self.step);
                }
            }
            Input::HangUpAll => self.calls.hang_up_all(&mut self.net, &mut self.step),
            Input::Tick => {}
        }
        self.expire();
        self.settle();
        self.calls.emit_account_states(&mut self.net, now, out);
        out.extend(self.step.out.facts.drain(..).map(Output::Fact));
        out.extend(self.step.out.media.drain(..).map(Output::Media));
        self.finish_transmits();
        out.extend(self.step.out.transmits.drain(..).map(Output::Send));
        out.append(&mut self.step.out.others);
    }

    /// The time at which `Input::Tick` is needed.
    pub(in crate::switchboard) fn poll_timeout(&self) -> Option<Instant> {
        let machines = earliest(self.net.wire.transactions.poll_timeout(), self.net.phones.registrar.poll_timeout());
        earliest(
            earliest(machines, self.net.admission.guard.poll_timeout()),
            earliest(self.calls.acd.poll_timeout(), self.step.timers.next()),
        )
    }

    /// Values for the metrics.
    pub(in crate::switchboard) fn gauges(&self) -> Gauges {
        let (waiting, operators) = self.calls.acd.counts();
        Gauges {
            calls: self.calls.live_calls,
            waiting,
            operators,
            transactions: self.net.wire.transactions_open(),
            subscriptions: self.subscriptions.table.len(),
            anchors: self.net.media.ports.lent(),
            ports: self.net.media.ports.len(),
            without_port: self.calls.without_port.len(),
            phones: self.net.phones.registrar.len(),
            bindings_unreachable: self.net.phones.registrar.unreachable(),
            accounts_known: self.net.phones.accounts_known,
        }
    }

    /// True if nothing is left: no call, service call, transaction, binding, connection, subscription, text or look-up
    /// of a host name.
    pub(in crate::switchboard) fn is_idle(&self) -> bool {
        self.calls.calls.is_empty()
            && self.calls.service_calls.is_empty()
            && self.net.wire.transactions.is_empty()
            && self.net.phones.registrar.is_empty()
            && self.net.wire.streams.is_empty()
            && self.subscriptions.table.is_empty()
            && self.messages.texts.is_empty()
            && self.net.wire.lookups.is_empty()
    }

    /// Applies new settings. Calls in progress keep the settings with which they began.
    pub(in crate::switchboard) fn configure(&mut self, settings: Settings) {
        let now = self.step.now;
        self.calls.acd.configure(now, settings.acd.clone());
        self.net.trunks.leave_old_trunks(&mut self.net.wire, &mut self.step, &settings.trunks);
        self.calls.reconfigure(&settings);
        self.net.wire.configure(&settings);
        let pings_change = self.settings.phones.keep_alive != settings.phones.keep_alive;
        self.net.phones.configure(&settings);
        self.net.trunks.configure(&settings);
        self.net.admission.configure(&settings);
        self.net.media.configure(&settings);
        self.subscriptions.configure(&settings);
        self.messages.configure(&settings);
        self.mode.configure(&settings);
        let old = std::mem::replace(&mut self.settings, settings).trunks.clone();
        self.calls.align_trunks(&mut self.net, &mut self.step, &old);
        self.net.trunks.prune_targets(&old);
        self.calls.prune_call_backs();
        self.net.trunks.begin_keep_alives(&mut self.step);
        if pings_change {
            self.net.phones.restart_pings(&mut self.step);
        }
    }

    /// Adds these settings to all parts of a state that was read. They must be those with which it was written.
    pub(in crate::switchboard) fn use_settings(&mut self, settings: &Settings) {
        self.calls.acd.use_settings(settings.acd.clone());
        self.calls.use_settings(settings);
        self.net.wire.configure(settings);
        self.net.wire.restore_passwords();
        self.net.phones.configure(settings);
        self.net.trunks.configure(settings);
        self.net.admission.configure(settings);
        self.net.media.configure(settings);
        self.subscriptions.configure(settings);
        self.messages.configure(settings);
        self.mode.configure(settings);
        self.settings = settings.clone();
    }

    /// Ends the step: assigns operators to waiting calls, plays announcements, and emits facts for changed states.
    pub(in crate::switchboard) fn settle(&mut self) {
        self.calls.handle_freed_operators(&mut self.net, &mut self.step);
        self.calls.watch_bindings(&mut self.net, &mut self.step);
        while let Some(decision) = self.calls.next_decision(&mut self.net, &mut self.step) {
            match decision {
                Decision::Offer { call, operator, why } => {
                    self.calls.ring_operator(&mut self.net, &mut self.step, call, operator, why)
                }
                Decision::Fallback { call, operators } => {
                    self.calls.fall_back(&mut self.net, &mut self.step, call, operators)
                }
                Decision::Withdraw { call, operator } => {
                    self.calls.withdraw(&mut self.net, &mut self.step, call, &operator)
                }
            }
            self.calls.handle_freed_operators(&mut self.net, &mut self.step);
        }
        self.calls.lend_beyond_reserve(&mut self.net, &mut self.step);
        self.calls.acd.set_free_pairs(self.net.media.ports.free());
        for (operator, text) in std::mem::take(&mut self.step.out.notices) {
            self.messages.announce_text(&mut self.net, &mut self.step, Some(operator), &text);
        }
        while let Some(call) = self.calls.announcements_due.pop() {
            self.calls.announce(&mut self.net, &mut self.step, call);
        }
        for change in self.calls.acd.take_changes() {
            self.subscriptions.notify_watchers(&mut self.calls, &mut self.net, &mut self.step, &change.operator);
            if let Some(call) = change.wrapped_up {
                self.net.facts.late_fact(
                    &mut self.step,
                    call,
                    FactKind::WrappedUp { operator: change.operator.clone() },
                );
            }
            let (operator, state) = (change.operator, crate::switchboard::facts::state_word(change.state).to_owned());
            if self.net.phones.is_station(&operator) {
                continue;
            }
            self.net
                .facts
                .service_fact(&mut self.step, FactKind::OperatorState { operator, state, reason: change.reason });
        }
        while let Some(operator) = self.step.out.changed.pop_first() {
            self.subscriptions.notify_watchers(&mut self.calls, &mut self.net, &mut self.step, &operator);
        }
        self.report_staffing();
        self.report_ports();
        if self.calls.service_state.draining
            && !self.calls.service_state.drained
            && self.calls.calls.is_empty()
            && self.calls.service_calls.is_empty()
            && self.is_teardown_complete()
        {
            self.calls.service_state.drained = true;
            self.subscriptions.leave_watches(&mut self.calls, &mut self.net, &mut self.step);
            self.calls.end_wrap_ups(&mut self.net, &mut self.step);
            self.net.facts.service_fact(&mut self.step, FactKind::Stopped);
            self.step.out.others.push(Output::Drained);
        }
    }

    /// True if no BYE or final response can still be lost. Requests that serve no call do not count. A deregistration is awaited for a
    /// short time.
    pub(in crate::switchboard) fn is_teardown_complete(&self) -> bool {
        self.net.wire.transactions.is_settled(|client| match self.net.wire.purpose(&client) {
            Some(
                Purpose::TrunkPing(..)
                | Purpose::PhonePing(..)
                | Purpose::TrunkRegister(..)
                | Purpose::Notify(_)
                | Purpose::Message(_),
            ) => true,
            Some(Purpose::Deregister { awaited }) => !awaited,
            Some(
                Purpose::Invite(_)
                | Purpose::Refresh(_)
                | Purpose::Prack(..)
                | Purpose::ReferNotify(_)
                | Purpose::Digit(_)
                | Purpose::Inquiry(_)
                | Purpose::Bye,
            )
            | None => false,
        })
    }
}
