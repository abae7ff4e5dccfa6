//! Challenges, and responses to unauthenticated senders.

use std::net::SocketAddr;

use crate::cdr::fact::FactKind;
use crate::ids::OperatorId;
use crate::limits::WRONG_PINS_MAX;
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::Binding;
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Name};
use crate::switchboard::admission::Admission;
use crate::switchboard::facts::Facts;
use crate::switchboard::ids::{LegRef, WatchId};
use crate::switchboard::input::Account;
use crate::switchboard::phones::Phones;
use crate::switchboard::phones::registrations::ACCOUNTS_PATIENCE;
use crate::switchboard::phones::stations::{LOCKED, WRONG_MAX, WrongPins};
use crate::switchboard::step::Step;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::incoming_request::IncomingRequest;

/// The use of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Usage {
    Leg(LegRef),
    Watch(WatchId),
}

/// What the source of a request must share with a phone's dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Proof {
    /// The connection, or the address and port.
    Address,
    /// The host.
    Host,
}

impl Admission {
    /// Responds to a request for an unknown or ended dialog.
    pub(in crate::switchboard) fn unknown_dialog(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        status: u16,
    ) {
        if !wire.repeats(step, message) {
            self.respond_statelessly(wire, step, flow, message, status);
        }
    }
}

/// True if a message came over this connection, or as a datagram from this address and port.
pub(in crate::switchboard) fn is_end(one: Flow, flow: Flow) -> bool {
    match flow.is_connection() {
        true => one.connection == flow.connection,
        false => one.transport == Transport::Udp && is_datagram_of(one.remote, flow),
    }
}

/// True for a datagram from this address and port.
pub(in crate::switchboard) fn is_datagram_of(end: SocketAddr, flow: Flow) -> bool {
    let same_host = end.ip().to_canonical() == flow.remote.ip().to_canonical();
    flow.transport == Transport::Udp && same_host && end.port() == flow.remote.port()
}

pub(in crate::switchboard) fn contact_of(phone: &Binding) -> Option<SocketAddr> {
    Uri::parse(&phone.uri).ok()?.socket_address()
}

pub(in crate::switchboard) fn ends_of<'a>(uris: impl Iterator<Item = &'a [u8]>) -> Vec<SocketAddr> {
    uris.filter_map(|uri| Uri::parse(uri).ok()?.socket_address()).collect()
}

impl Admission {
    /// Handles a request that needs an account while the accounts are unknown because the database is down. It gets no
    /// response, so the phone repeats it; after `ACCOUNTS_PATIENCE` it gets 503 with Retry-After. It never counts as
    /// wrong credentials.
    pub(in crate::switchboard) fn await_accounts(
        &mut self,
        phones: &mut Phones,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
    ) {
        let now = step.now;
        if now.mono.since(phones.started) >= ACCOUNTS_PATIENCE {
            self.refuse(step, flow, message, 503, &[(Name::RetryAfter, b"5")]);
        }
    }

    /// Sends a challenge without keeping state.
    pub(in crate::switchboard) fn challenge(
        &mut self,
        step: &mut Step,
        flow: Flow,
        message: &Message<'_>,
        stale: bool,
    ) {
        let challenges = self.challenges(step, flow, stale);
        let headers: Vec<(Name, &[u8])> =
            challenges.iter().map(|challenge| (Name::WwwAuthenticate, challenge.as_bytes())).collect();
        self.refuse(step, flow, message, 401, &headers);
    }

    pub(in crate::switchboard) fn reply_challenge(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        stale: bool,
    ) {
        let challenges = self.challenges(step, taken.flow, stale);
        let headers: Vec<(Name, &[u8])> =
            challenges.iter().map(|challenge| (Name::WwwAuthenticate, challenge.as_bytes())).collect();
        self.reply_and_forget(wire, step, taken, 401, &headers);
    }

    fn challenges(&mut self, step: &mut Step, flow: Flow, stale: bool) -> Vec<String> {
        let now = step.now;
        self.authenticator.challenge(now, flow.remote.ip(), stale, &mut step.rng)
    }

    /// The operator with this number and PIN; None if the PIN is wrong or locked.
    pub(in crate::switchboard) fn operator_by_pin(
        &mut self,
        facts: &mut Facts,
        phones: &mut Phones,
        step: &mut Step,
        station: &OperatorId,
        number: &str,
        digits: &str,
    ) -> Option<OperatorId> {
        let now = step.now;
        let has = |account: &&Account| {
            account.station_login.as_ref().is_some_and(|station_login| station_login.number == number)
        };
        let Account { operator, station_login, .. } = phones.accounts.values().find(has)?.clone();
        let pin = station_login?.pin;
        let key = (operator.clone(), station.clone());
        if phones.stations.wrong_pins.len() >= WRONG_PINS_MAX && !phones.stations.wrong_pins.contains_key(&key) {
            phones.stations.wrong_pins.pop_first();
        }
        let wrong = phones.stations.wrong_pins.entry(key.clone()).or_default();
        if wrong.locked_until.is_some_and(|until| until <= now.mono) {
            *wrong = WrongPins::default();
        }
        if wrong.locked_until.is_none() && pin.is(digits) {
            phones.stations.wrong_pins.remove(&key);
            return Some(operator);
        }
        wrong.times = wrong.times.saturating_add(1);
        if wrong.times >= WRONG_MAX && wrong.locked_until.is_none() {
            wrong.locked_until = Some(now.mono + LOCKED);
        }
        let locked = wrong.locked_until.is_some();
        if locked && let Some(source) = phones.registrar.bindings(station.as_str()).first() {
            let source = source.flow.remote.ip();
            self.pin_guessed(step, &operator, source, LOCKED);
        }
        facts.service_fact(step, FactKind::PinRefused { station: station.clone(), operator, locked });
        None
    }
}
