//! Requests of phones: registrations, calls, feature codes and texts.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::ids::OperatorId;
use crate::sip::flow::Flow;
use crate::sip::message::ResponseTemplate;
use crate::sip::option_tag;
use crate::sip::registrar::{Binding, Registered};
use crate::sip::replaces::Replaces;
use crate::sip::transaction::ClientId;
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::calls::caller::Origin;
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::feature_codes::Wanted;
use crate::switchboard::ids::{LegRef, TextId};
use crate::switchboard::input::Account;
use crate::switchboard::messages::texts::{ANSWERED_IN, Answer, InCall, Letter, NOT_TAKEN, PendingTexts, fits};
use crate::switchboard::output::ConsoleReply;
use crate::switchboard::phones::registrations::{FLOW_TIMER_SECONDS, names, need};
use crate::switchboard::phones::second_address::PhoneAddresses;
use crate::switchboard::session::Session;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Parts {
    /// Assigns a number on the list of call-backs, or the next one, to an operator, and notifies the operator's phone.
    pub(in crate::switchboard) fn mean_call_back(
        &mut self,
        number: Option<&str>,
        operator: OperatorId,
    ) -> ConsoleReply {
        let now = self.step.now;
        if !self.net.phones.is_operator(&operator) {
            return ConsoleReply::UnknownOperator;
        }
        self.calls.numbers.call_backs.expire(now.wall, self.settings.callers.call_back);
        let number = match number {
            Some(number) => Some(self.calls.number_as_known(number)),
            None => self.calls.next_call_back(&operator).map(|(number, _)| number),
        };
        match number {
            Some(number) if self.calls.numbers.call_backs.assign(&number, &operator) => {
                let text = format!("{} -> {number}", self.settings.feature_codes.call_back);
                // If the phone accepts no texts, the operator sees the number on the console.
                let told = self.messages.announce_text(&mut self.net, &mut self.step, Some(operator), &text);
                let told = matches!(told, ConsoleReply::Messages { sent, .. } if !sent.is_empty());
                ConsoleReply::Meant { number, told }
            }
            Some(_) | None => ConsoleReply::UnknownNumber,
        }
    }

    /// Handles an INVITE that is not from a trunk. All phones may dial the emergency number. Operators may also dial feature codes,
    /// colleagues and agencies, and pick up calls of others (RFC 3891).
    pub(in crate::switchboard) fn phone_invited(&mut self, taken: &IncomingRequest<'_, '_>) {
        let Some(account) = self.calls.authenticate(&mut self.net, &mut self.step, taken) else { return };
        if let Some(called) = self.net.phones.emergency_dialled(taken.message) {
            return self.calls.receive_call(
                &mut self.net,
                &mut self.step,
                taken,
                &Origin::Phone(account),
                (called, false),
            );
        }
        let uri = taken.message.request_uri().unwrap_or_default();
        let dialled = Uri::parse(uri).ok().and_then(|uri| uri.user().map(|user| user.into_owned())).unwrap_or_default();
        if let Some(number) = self.settings.feature_codes.operator_at_station(&dialled) {
            return self.calls.ask_for_pin(&mut self.net, &mut self.step, taken, account, number);
        }
        let Some(operator) = self.net.phones.speaker(account.clone()) else {
            return self.net.wire.reply(&mut self.step, taken, 403, &[]);
        };
        match Replaces::read(taken.message) {
            Ok(None) => {}
            Ok(Some(replaces)) => {
                return self.calls.picks_up(&mut self.net, &mut self.step, taken, operator, &replaces);
            }
            Err(fault) => return self.net.wire.reply(&mut self.step, taken, fault.status, &[]),
        }
        let Some(wanted) = self.settings.feature_codes.wanted(&dialled) else {
            return self.calls.place(&mut self.net, &mut self.step, taken, operator);
        };
        let done = match wanted {
            Wanted::CallBack => return self.calls.calls_back(&mut self.net, &mut self.step, taken, account, operator),
            Wanted::Supervise(errand, whose) => {
                return self.calls.supervises(&mut self.net, &mut self.step, taken, operator, errand, whose);
            }
            Wanted::Mode(_) if !self.settings.operators.supervisors.contains(&operator) => {
                return self.net.wire.reply(&mut self.step, taken, 403, &[]);
            }
            Wanted::Mode(mode) => self
                .mode
                .set_mode(&mut self.calls, &mut self.net, &mut self.step, mode, None, operator.to_string())
                .is_done(),
            Wanted::Class(class, category) => {
                self.calls.classed_by_code(&mut self.net, &mut self.step, &operator, (class, category))
            }
            Wanted::SilentPrompt => self.calls.asked_by_code(&mut self.net, &mut self.step, &operator),
            Wanted::Change(feature) => self.calls.carry_out(&mut self.net, &mut self.step, &operator, feature),
        };
        self.calls.confirm(&mut self.net, &mut self.step, taken, account, done);
    }

    /// Handles REGISTER (RFC 3261 §10.3). An account may only register phones under its own name.
    pub(in crate::switchboard) fn register(&mut self, taken: &IncomingRequest<'_, '_>) {
        let now = self.step.now;
        let Some(operator) = self.calls.authenticate(&mut self.net, &mut self.step, taken) else { return };
        if !names(taken.message, &operator) {
            return self.net.wire.reply(&mut self.step, taken, 403, &[]);
        }
        let mut in_use = self.calls.lines_of(&self.net.phones.user_of(&operator));
        in_use.extend(self.calls.internal_lines(&operator));
        let before = self.net.phones.registrar.bindings(operator.as_str()).to_vec();
        let addresses = |one: &Binding| (one.uri.clone(), self.settings.site.addresses(one));
        let addresses: Vec<(Bytes, PhoneAddresses)> = before.iter().map(addresses).collect();
        let need = |binding: &Binding| need(binding, &addresses, &in_use);
        match self.net.phones.registrar.register(now, operator.as_str(), taken.message, taken.flow, need) {
            Registered::Done { contacts, was, is, moved } => {
                let mut headers: Vec<(Name, &[u8])> =
                    contacts.iter().map(|contact| (Name::Contact, contact.as_slice())).collect();
                if self.net.phones.keeps_flow(&operator, taken) {
                    headers.extend([(Name::Require, option_tag::OUTBOUND), (Name::FlowTimer, FLOW_TIMER_SECONDS)]);
                }
                self.net.wire.reply(&mut self.step, taken, 200, &headers);
                if is {
                    let user = self.net.phones.user_of(&operator);
                    self.calls.report_phones_to_acd(&mut self.net, now, &operator);
                    self.calls.acd.phone_responded(&user);
                    self.calls.registered_anew(&mut self.net, now, &operator, taken.flow);
                    self.net.phones.ping_phone_from(&mut self.step, &operator);
                    let phone = (taken.message.call_id().unwrap_or_default(), taken.flow.remote.ip());
                    self.calls.suspect_rebooted(&self.net, &mut self.step, &operator, phone, &before);
                    self.phone_moved(&operator, taken.flow, &moved);
                } else if was {
                    self.unregistered(operator.as_str());
                }
            }
            Registered::TooBrief { min_expires } => {
                self.net.wire.reply(
                    &mut self.step,
                    taken,
                    423,
                    &[(Name::MinExpires, min_expires.to_string().as_bytes())],
                );
            }
            Registered::Refused(fault) => {
                let tag = self.step.rng.token();
                let response =
                    ResponseTemplate::of(taken.message, taken.flow).response(fault.status, Some(tag.as_str()));
                let bytes = response.reason(fault.why).encode();
                self.net.wire.respond(&mut self.step, taken.server, fault.status, bytes);
            }
        }
    }

    /// Handles the end of a user's last binding.
    pub(in crate::switchboard) fn unregistered(&mut self, user: &str) {
        let now = self.step.now;
        if let Ok(operator) = OperatorId::parse(user) {
            self.calls.report_phones_to_acd(&mut self.net, now, &operator);
            self.net.phones.stop_phone_pings(&mut self.step, &operator);
            self.subscriptions.stop_watching(&mut self.calls, &mut self.net, &mut self.step, &operator);
        }
    }

    /// Sets the accounts. Phones of removed accounts can no longer register and get no more calls.
    pub(in crate::switchboard) fn set_accounts(&mut self, accounts: Vec<Account>) {
        let now = self.step.now;
        let kinds: BTreeMap<&OperatorId, bool> = accounts.iter().map(|one| (&one.operator, one.station)).collect();
        let gone = self.net.phones.accounts.values().filter(|old| kinds.get(&old.operator) != Some(&old.station));
        let gone: Vec<OperatorId> = gone.map(|old| old.operator.clone()).collect();
        self.calls.remove_station_logins(&mut self.net, &mut self.step, &gone);
        for operator in gone {
            self.net.phones.registrar.remove(operator.as_str());
            self.subscriptions.drop_watches(&mut self.calls, &mut self.net, &mut self.step, &operator);
            self.net.phones.drop_recovered(&operator);
            self.unregistered(operator.as_str());
        }
        self.net.phones.accounts = accounts.into_iter().map(|account| (account.operator.clone(), account)).collect();
        self.calls.trim_last_calls(&mut self.net);
        let operators: Vec<OperatorId> = self.net.phones.accounts.keys().cloned().collect();
        let stations = self.net.phones.accounts.values().filter(|account| account.station);
        let stations: BTreeSet<OperatorId> = stations.map(|account| account.operator.clone()).collect();
        self.calls.acd.set_operators(now, &operators);
        self.calls.acd.set_stations(&stations);
        let accounts = &self.net.phones.accounts;
        let exists = |name: &str| OperatorId::parse(name).is_ok_and(|operator| accounts.contains_key(&operator));
        self.net.admission.guard.guesses().keep_accounts(exists);
        self.net.phones.accounts_known = true;
        self.calls.restore_account_states(&mut self.net, &mut self.step);
    }

    /// Moves the legs of a phone that has registered again from its former flow to the new one (RFC 5626 §5.3). A leg of this phone on a
    /// closed connection moves too (RFC 5626 §3.1). The legs of the operator's other phones stay.
    pub(in crate::switchboard) fn phone_moved(&mut self, account: &OperatorId, to: Flow, moved: &[(Binding, Binding)]) {
        let operator = self.net.phones.user_of(account);
        let bindings = self.net.phones.registrar.bindings(account.as_str()).iter().filter(|binding| binding.flow == to);
        let contacts: Vec<Bytes> = bindings.map(|binding| binding.uri.clone()).collect();
        let mut addresses = Vec::new();
        for (old, new) in moved {
            addresses.push((old.flow, new.flow));
            addresses.push((self.settings.site.addresses(old).first, self.settings.site.addresses(new).first));
        }
        let mut lines = self.calls.lines_of(&operator);
        lines.extend(self.calls.internal_lines(account));
        for (who, old) in lines {
            let new = addresses.iter().find(|(before, _)| *before == old).map(|(_, new)| *new);
            let closed = old.is_connection() && self.net.wire.closed.holds(old.connection);
            let lost = || closed && self.calls.leads_to(who, &contacts);
            if let Some(new) = new.or_else(|| lost().then_some(to)) {
                let Some(session) = self.calls.session_mut(who) else { continue };
                session.seen_at(&mut self.net, &mut self.step, who, new.remote.ip());
                session.reroute(&mut self.net, who, new);
            }
        }
        self.subscriptions.watches_moved(&operator, &addresses);
    }

    /// Forwards a MESSAGE in the dialog of a leg to the other side of the conversation.
    pub(in crate::switchboard) fn messaged_in_call(&mut self, taken: &IncomingRequest<'_, '_>, who: LegRef) {
        let now = self.step.now;
        let Some(other) = self.calls.other_side(who) else {
            return self.net.wire.reply(&mut self.step, taken, NOT_TAKEN, &[]);
        };
        if !self.net.wire.is_fit(&mut self.step, taken) {
            return;
        }
        let Some(flow) = self.calls.session(other).map(Session::next_flow) else {
            return self.net.wire.reply(&mut self.step, taken, NOT_TAKEN, &[]);
        };
        let branch = format!("z9hG4bK{}", self.step.rng.token());
        let sent_by = self.settings.site.advertised(flow).to_owned();
        let Some(dialog) = self.calls.session_mut(other).and_then(Session::own_dialog_mut) else {
            return self.net.wire.reply(&mut self.step, taken, NOT_TAKEN, &[]);
        };
        let letter = Letter::of(taken.message, "", 0);
        let request = letter.write(dialog.request(Method::Message).0);
        let bytes = request.via(flow.transport, &sent_by, &branch).encode();
        if !fits(flow, &bytes) {
            return self.net.wire.refuse_text(&mut self.step, taken, 413);
        }
        match self.net.wire.request(&mut self.step, flow, Method::Message, &branch, bytes) {
            Some(client) => {
                let until = now.mono + ANSWERED_IN;
                let id = self.messages.await_answers(
                    &mut self.net,
                    taken,
                    PendingTexts::from([(client, None)]),
                    Some(InCall { to: other, until }),
                );
                self.messages.texts.came_by(id, taken.message);
                self.step.timers.insert(until, TimerKind::Text(id));
            }
            None => self.net.wire.reply(&mut self.step, taken, NOT_TAKEN, &[]),
        }
    }

    /// Handles a phone's final response to a text. The first 2xx counts, otherwise the best of all responses (RFC 3261 §16.7 item 6).
    pub(in crate::switchboard) fn text_answered(
        &mut self,
        id: TextId,
        client: ClientId,
        answer: Option<(&Message<'_>, u16)>,
    ) {
        self.net.wire.take_purpose(&client);
        let Some(text) = self.messages.texts.all.get_mut(&id) else { return };
        let phone = text.asked.remove(&client).flatten();
        if answer.is_some() {
            text.seconds.remove(&client);
            if let Some(phone) = phone {
                self.calls.phone_responds(&mut self.net, &mut self.step, &phone);
            }
        } else if let Some(phone) = phone {
            self.messages.send_text_again(&mut self.net, &mut self.step, id, (client, phone));
        }
        let Some(text) = self.messages.texts.all.get_mut(&id) else { return };
        if let (Some(InCall { to, .. }), Some((_, status))) = (text.in_call, answer) {
            let Self { net, step, calls, .. } = self;
            calls.in_session(net, step, to, |session, net, step| session.responded(net, step, to, status));
        }
        let Some(text) = self.messages.texts.all.get_mut(&id) else { return };
        if let Some(answer) = answer.map(|(message, status)| Answer::of(message, status)) {
            let better = text.best.as_ref().is_none_or(|best| answer.rank() < best.rank());
            text.best = if better { Some(answer) } else { text.best.take() };
        }
        let taken = text.best.as_ref().is_some_and(|best| best.status < 300);
        if !taken && !text.asked.is_empty() {
            return;
        }
        self.messages.conclude(&mut self.calls, &mut self.net, &mut self.step, id);
    }
}
