//! Stations: shared phones with their own accounts. An operator who logs in at a station with a number and a PIN
//! receives calls at this phone, and codes that are dialled at it act for this operator, until the operator logs out or
//! another one logs in there.
//!
//! A station itself is not an operator. While no operator is logged in at it, it rings only in the fallback, as every
//! phone does.

use std::collections::{BTreeMap, BTreeSet};

use crate::acd::{Availability, State, UnknownOperator};
use crate::cdr::fact::FactKind;
use crate::cdr::past::Past;
use crate::clock::Now;
use crate::ids::OperatorId;
use crate::media::command::{Command, Prompt};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::service_call::ServiceCall;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::phones::stations::{ENTRY_MAX, PinEntry, REMEMBERED_MS};
use crate::switchboard::pin::{Pin, is_number};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Calls {
    /// Handles operators whose call has ended. The station of an operator who has logged out becomes free. An operator
    /// who still has a placed call is rung for no other call.
    pub(in crate::switchboard) fn handle_freed_operators(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        while let Some(operator) = self.acd.take_freed() {
            self.free_station(net, step, &operator);
            for call in self.placed.of(&operator) {
                self.acd.occupy(now, call);
            }
        }
    }

    /// Reports to the ACD whether the operator who uses an account's phones has a registered phone, and whether one of
    /// these phones is reachable.
    pub(in crate::switchboard) fn report_phones_to_acd(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        account: &OperatorId,
    ) {
        let operator = net.phones.user_of(account);
        let (has, responds) = net.phones.phones_known(&operator);
        self.acd.set_registered(now, &operator, has);
        self.acd.set_reachable(now, &operator, responds);
    }

    /// Handles the station code: asks for the PIN. The response does not reveal whether the number exists.
    pub(in crate::switchboard) fn ask_for_pin(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
        account: OperatorId,
        number: &str,
    ) {
        let now = step.now;
        if !net.phones.is_station(&account) || !is_number(number) {
            self.serve(net, step, taken, Some(account), Prompt::Refused);
            return;
        }
        let Some(service_call) = self.serve(net, step, taken, Some(account.clone()), Prompt::Pin) else { return };
        let entry = PinEntry { station: account, number: number.to_owned(), digits: String::new() };
        if let Some(call) = self.service_calls.get_mut(&service_call) {
            step.timers.remove(call.over_at, TimerKind::ServiceCallOver(service_call));
            call.over_at = now.mono + ENTRY_MAX;
            call.entry = Some(entry);
            step.timers.insert(call.over_at, TimerKind::ServiceCallOver(service_call));
        }
    }

    /// Handles a digit of a PIN: `#` ends the entry, `*` clears it. The digit is never logged or recorded.
    pub(in crate::switchboard) fn pin_digit(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        service_call: u64,
        digit: char,
    ) {
        let Some(entry) = self.service_calls.get_mut(&service_call).and_then(|call| call.entry.as_mut()) else {
            return;
        };
        match digit {
            '0'..='9' if entry.digits.len() <= *Pin::DIGITS.end() => entry.digits.push(digit),
            '*' => entry.digits.clear(),
            '#' => self.check_pin(net, step, service_call),
            _ => {}
        }
    }

    /// Checks the PIN, logs the operator in if it is right, and plays the result.
    fn check_pin(&mut self, net: &mut NetworkParts, step: &mut Step, service_call: u64) {
        let entry = self.service_calls.get_mut(&service_call).and_then(|call| call.entry.take());
        let Some(PinEntry { station, number, digits }) = entry else { return };
        let done = net
            .admission
            .operator_by_pin(&mut net.facts, &mut net.phones, step, &station, &number, &digits)
            .is_some_and(|operator| self.log_in_at_station(net, step, &station, operator));
        let anchor = self
            .service_calls
            .get(&service_call)
            .and_then(|call: &ServiceCall| call.session.media())
            .map(|media| media.anchor());
        let first = Some(if done { Prompt::Confirm } else { Prompt::Refused });
        step.out.media.extend(anchor.map(|anchor| Command::Play { anchor, first, then: None }));
    }

    /// Logs an operator in at a station. Returns false if the operator or the station's present user has a call, or the
    /// account is no station any more.
    fn log_in_at_station(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        station: &OperatorId,
        operator: OperatorId,
    ) -> bool {
        let now = step.now;
        // The station may have been removed during the entry of the PIN.
        if !net.phones.is_station(station) {
            return false;
        }
        let former = net.phones.stations.operator_at.get(station).cloned();
        if former.as_ref() != Some(&operator) {
            let there = former.as_ref().unwrap_or(station);
            if self.has_call(&operator) || self.has_call(there) {
                return false;
            }
            if let Some(old) = net.phones.stations.station_of.get(&operator).cloned() {
                self.clear_station(net, step, &old, false);
            }
            self.clear_station(net, step, station, true);
            self.assign_station(net, now, station, &operator);
            let fact = FactKind::Stationed { station: station.clone(), operator: Some(operator.clone()) };
            self.station_fact(net, step, station, fact);
        }
        net.phones.stations.free_after_call.remove(station);
        net.phones.set_logged_in(&operator, true);
        self.acd.log_in(now, &operator).is_ok()
    }

    fn assign_station(&mut self, net: &mut NetworkParts, now: Now, station: &OperatorId, operator: &OperatorId) {
        net.phones.stations.operator_at.insert(station.clone(), operator.clone());
        net.phones.stations.station_of.insert(operator.clone(), station.clone());
        net.phones.stations.changed.insert(station.clone());
        self.acd.set_registered(now, station, false);
        self.report_phones_to_acd(net, now, operator);
    }

    /// Removes the operator from a station. If `log_out` is true and the operator has no other phone, the operator is
    /// logged out.
    fn clear_station(&mut self, net: &mut NetworkParts, step: &mut Step, station: &OperatorId, log_out: bool) {
        let now = step.now;
        net.phones.stations.free_after_call.remove(station);
        let Some(operator) = net.phones.stations.operator_at.remove(station) else { return };
        net.phones.stations.station_of.remove(&operator);
        net.phones.stations.changed.insert(station.clone());
        self.report_phones_to_acd(net, now, station);
        self.report_phones_to_acd(net, now, &operator);
        if log_out && net.phones.phones_of(&operator).next().is_none() && net.phones.has_account(&operator) {
            net.phones.set_logged_in(&operator, false);
            self.acd.log_out(now, &operator).unwrap_or_default();
        }
        self.station_fact(net, step, station, FactKind::Stationed { station: station.clone(), operator: None });
    }

    fn station_fact(&mut self, net: &mut NetworkParts, step: &mut Step, station: &OperatorId, kind: FactKind) {
        if let Some(meanwhile) = &mut self.numbers.changes_since_start {
            meanwhile.stations.insert(station.clone());
        }
        net.facts.service_fact(step, kind);
    }

    /// Logs an operator in, by any method. An operator at a station stays there.
    pub(in crate::switchboard) fn log_in_operator(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        operator: &OperatorId,
    ) -> Result<(), UnknownOperator> {
        if let Some(station) = net.phones.stations.station_of.get(operator) {
            net.phones.stations.free_after_call.remove(station);
        }
        net.phones.set_logged_in(operator, true);
        self.acd.log_in(now, operator)
    }

    /// Logs an operator out, by any method. The operator's station becomes free at once, or when the operator's call
    /// ends.
    pub(in crate::switchboard) fn log_out_operator(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        operator: &OperatorId,
    ) -> Result<(), UnknownOperator> {
        if let Some(station) = net.phones.stations.station_of.get(operator) {
            net.phones.stations.free_after_call.insert(station.clone());
        }
        self.acd.mark_freed(operator);
        net.phones.set_logged_in(operator, false);
        self.acd.log_out(now, operator)
    }

    /// Frees the station of an operator who has logged out and has no call.
    pub(in crate::switchboard) fn free_station(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        operator: &OperatorId,
    ) {
        let Some(station) = net.phones.stations.station_of.get(operator) else { return };
        if net.phones.stations.free_after_call.contains(station) && !self.has_call(operator) {
            let station = station.clone();
            self.clear_station(net, step, &station, true);
        }
    }

    /// Ends the log-ins at stations of accounts that are about to be removed: as stations, or as operators.
    pub(in crate::switchboard) fn remove_station_logins(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        gone: &[OperatorId],
    ) {
        for account in gone {
            net.phones.stations.wrong_pins.retain(|(operator, station), _| operator != account && station != account);
            let station = net.phones.stations.station_of.get(account).unwrap_or(account).clone();
            self.clear_station(net, step, &station, true);
        }
    }

    /// Restores the operators at stations from the last run, unless an operator has logged in or out at the station
    /// since.
    pub(in crate::switchboard) fn restore_stations(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        past: &Past,
        changed: &BTreeSet<OperatorId>,
    ) {
        let mut last: BTreeMap<&OperatorId, Option<&OperatorId>> = BTreeMap::new();
        for fact in past.facts.iter().filter(|fact| now.wall.millis_since(fact.at) < REMEMBERED_MS) {
            if let FactKind::Stationed { station, operator } = &fact.kind {
                last.insert(station, operator.as_ref());
            }
        }
        for (station, operator) in last {
            let Some(operator) = operator else { continue };
            let fits = net.phones.is_station(station) && net.phones.is_operator(operator);
            let free = !changed.contains(station)
                && !net.phones.stations.station_of.contains_key(operator)
                && !net.phones.stations.operator_at.contains_key(station);
            if fits && free && !self.has_call(station) {
                self.assign_station(net, now, station, operator);
                net.phones.set_logged_in(operator, true);
                self.acd.log_in(now, operator).unwrap_or_default();
            }
        }
    }

    /// Restores an operator's log-in at a station from the local copy. Marks the station as changed since the start, so
    /// that an older fact in the database does not replace this log-in.
    pub(in crate::switchboard) fn restore_station(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        station: &OperatorId,
        operator: &OperatorId,
    ) {
        let fits = net.phones.is_station(station) && net.phones.is_operator(operator);
        let free = !net.phones.stations.station_of.contains_key(operator)
            && !net.phones.stations.operator_at.contains_key(station);
        if fits && free {
            self.assign_station(net, now, station, operator);
            if let Some(meanwhile) = &mut self.numbers.changes_since_start {
                meanwhile.stations.insert(station.clone());
            }
        }
    }

    /// True if the operator rings or talks; a wrap-up is no call.
    fn has_call(&self, operator: &OperatorId) -> bool {
        let wraps_up = self.acd.view(operator).is_some_and(|view| view.state == State::WrapUp);
        self.acd.availability(operator) == Availability::Busy && !wraps_up
    }

    /// Checks the invariants of stations.
    pub(in crate::switchboard) fn verify_stations(&self, net: &NetworkParts) -> Result<(), String> {
        for (station, operator) in &net.phones.stations.operator_at {
            if net.phones.stations.station_of.get(operator) != Some(station) {
                return Err(format!("{operator} sits at {station}, and does not"));
            }
            if !net.phones.is_station(station) || !net.phones.is_operator(operator) {
                return Err(format!("{operator} cannot sit at {station}"));
            }
        }
        if net.phones.stations.station_of.len() != net.phones.stations.operator_at.len()
            || net
                .phones
                .stations
                .free_after_call
                .iter()
                .any(|station| !net.phones.stations.operator_at.contains_key(station))
            || net.phones.stations.wrong_pins.keys().any(|(operator, _)| !net.phones.has_account(operator))
        {
            return Err("the stations do not fit together".to_owned());
        }
        let misled = net.phones.accounts.keys().find(|account| {
            let (has, responds) = net.phones.phones_known(account);
            self.acd.view(account).is_none_or(|view| view.registered != has || has && view.reachable != responds)
        });
        match misled {
            Some(account) => Err(format!("the ACD does not know whether {account} has a phone that responds")),
            None => Ok(()),
        }
    }
}
