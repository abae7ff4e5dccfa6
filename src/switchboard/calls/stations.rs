//! Stations: phones of the room that have an account of their own, and at which operators take turns. Who logs in there by his number
//! and his PIN is reached at that phone, and speaks for himself from it, until he logs out or another takes his place.
//!
//! A station itself is never at work. While nobody sits there it rings in the fallback, as every phone does.

use std::collections::{BTreeMap, BTreeSet};

use crate::acd::{Standing, State, UnknownOperator};
use crate::cdr::fact::FactKind;
use crate::cdr::past::Past;
use crate::clock::Now;
use crate::ids::OperatorId;
use crate::media::command::{Command, Prompt};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::service_calls::PhoneCall;
use crate::switchboard::phones::pin::Pin;
use crate::switchboard::phones::stations::{ENTRY_MAX, PinEntry, REMEMBERED_MS, is_number};
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Calls, NetworkParts, Step};

impl Calls {
    /// Looks at the operators who have no call any more: one who has logged out leaves the station, and one who still has a call that they
    /// placed is offered no other one.
    pub(in crate::switchboard) fn look_at_freed(&mut self, net: &mut NetworkParts, step: &mut Step) {
        let now = step.now;
        while let Some(operator) = self.acd.take_freed() {
            self.free_station(net, step, &operator);
            for call in self.placed.of(&operator) {
                self.acd.occupy(now, call);
            }
        }
    }
}

impl Calls {
    /// An account's phones have changed, or whose they are: the ACD learns whether he has any, and whether one responds.
    pub(in crate::switchboard) fn align_phones(&mut self, net: &mut NetworkParts, now: Now, account: &OperatorId) {
        let operator = net.phones.user_of(account);
        let (has, responds) = net.phones.phones_known(&operator);
        self.acd.set_registered(now, &operator, has);
        self.acd.set_reachable(now, &operator, responds);
    }
}

impl Calls {
    /// Somebody wants to log in: his PIN is asked for. Whether the number is anybody's he is not told.
    pub(in crate::switchboard) fn asks_pin(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        account: OperatorId,
        number: &str,
    ) {
        let now = step.now;
        if !net.phones.is_station(&account) || !is_number(number) {
            self.serve(net, step, taken, Some(account), Prompt::Refused);
            return;
        }
        let Some(phone) = self.serve(net, step, taken, Some(account.clone()), Prompt::Pin) else { return };
        let entry = PinEntry { station: account, number: number.to_owned(), digits: String::new() };
        if let Some(call) = self.services.get_mut(&phone) {
            step.alarms.remove(call.over_at, Alarm::PhoneOver(phone));
            call.over_at = now.mono + ENTRY_MAX;
            call.entry = Some(entry);
            step.alarms.insert(call.over_at, Alarm::PhoneOver(phone));
        }
    }

    /// A digit of a PIN: `#` ends it, `*` begins it anew. It is told nowhere.
    pub(in crate::switchboard) fn keyed(&mut self, net: &mut NetworkParts, step: &mut Step, phone: u64, digit: char) {
        let Some(entry) = self.services.get_mut(&phone).and_then(|call| call.entry.as_mut()) else { return };
        match digit {
            '0'..='9' if entry.digits.len() <= *Pin::DIGITS.end() => entry.digits.push(digit),
            '*' => entry.digits.clear(),
            '#' => self.pin_is_keyed(net, step, phone),
            _ => {}
        }
    }

    /// Lets him in or not, and says which.
    fn pin_is_keyed(&mut self, net: &mut NetworkParts, step: &mut Step, phone: u64) {
        let entry = self.services.get_mut(&phone).and_then(|call| call.entry.take());
        let Some(PinEntry { station, number, digits }) = entry else { return };
        let done = net
            .admission
            .opens(&mut net.facts, &mut net.phones, step, &station, &number, &digits)
            .is_some_and(|operator| self.sit(net, step, &station, operator));
        let anchor = self.services.get(&phone).and_then(|call: &PhoneCall| call.line.sound.as_ref()).map(|s| s.anchor);
        let first = Some(if done { Prompt::Confirm } else { Prompt::Refused });
        step.out.media.extend(anchor.map(|anchor| Command::Play { anchor, first, then: None }));
    }
}

impl Calls {
    /// Logs an operator in at a station. False: he, or whoever is there, has a call, or it is none any more.
    fn sit(&mut self, net: &mut NetworkParts, step: &mut Step, station: &OperatorId, operator: OperatorId) -> bool {
        let now = step.now;
        // It may have been removed while he was keying.
        if !net.phones.is_station(station) {
            return false;
        }
        let former = net.phones.stations.at.get(station).cloned();
        if former.as_ref() != Some(&operator) {
            let there = former.as_ref().unwrap_or(station);
            if self.has_call(&operator) || self.has_call(there) {
                return false;
            }
            if let Some(old) = net.phones.stations.of.get(&operator).cloned() {
                self.vacate(net, step, &old, false);
            }
            self.vacate(net, step, station, true);
            self.seat_at(net, now, station, &operator);
            let fact = FactKind::Stationed { station: station.clone(), operator: Some(operator.clone()) };
            self.station_fact(net, step, station, fact);
        }
        net.phones.stations.leaving.remove(station);
        net.phones.logged(&operator, true);
        self.acd.log_in(now, &operator).is_ok()
    }

    fn seat_at(&mut self, net: &mut NetworkParts, now: Now, station: &OperatorId, operator: &OperatorId) {
        net.phones.stations.at.insert(station.clone(), operator.clone());
        net.phones.stations.of.insert(operator.clone(), station.clone());
        net.phones.stations.changed.insert(station.clone());
        self.acd.set_registered(now, station, false);
        self.align_phones(net, now, operator);
    }

    /// Nobody sits there any more. Who did is logged out, if he goes home or has no other phone.
    fn vacate(&mut self, net: &mut NetworkParts, step: &mut Step, station: &OperatorId, goes: bool) {
        let now = step.now;
        net.phones.stations.leaving.remove(station);
        let Some(operator) = net.phones.stations.at.remove(station) else { return };
        net.phones.stations.of.remove(&operator);
        net.phones.stations.changed.insert(station.clone());
        self.align_phones(net, now, station);
        self.align_phones(net, now, &operator);
        if goes && net.phones.phones_of(&operator).next().is_none() && net.phones.has_account(&operator) {
            net.phones.logged(&operator, false);
            self.acd.log_out(now, &operator).unwrap_or_default();
        }
        self.station_fact(net, step, station, FactKind::Stationed { station: station.clone(), operator: None });
    }

    fn station_fact(&mut self, net: &mut NetworkParts, step: &mut Step, station: &OperatorId, kind: FactKind) {
        if let Some(meanwhile) = &mut self.numbers.meanwhile {
            meanwhile.stations.insert(station.clone());
        }
        net.facts.service_fact(step, kind);
    }

    /// Logs an operator in, by whatever way; he stays at his station, if he has one.
    pub(in crate::switchboard) fn logs_in(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        operator: &OperatorId,
    ) -> Result<(), UnknownOperator> {
        if let Some(station) = net.phones.stations.of.get(operator) {
            net.phones.stations.leaving.remove(station);
        }
        net.phones.logged(operator, true);
        self.acd.log_in(now, operator)
    }

    /// Logs an operator out, by whatever way; his station is free, at once or when his call is over.
    pub(in crate::switchboard) fn logs_out(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        operator: &OperatorId,
    ) -> Result<(), UnknownOperator> {
        if let Some(station) = net.phones.stations.of.get(operator) {
            net.phones.stations.leaving.insert(station.clone());
        }
        self.acd.mark_freed(operator);
        net.phones.logged(operator, false);
        self.acd.log_out(now, operator)
    }

    /// Frees the station of an operator who has logged out and has no call any more.
    pub(in crate::switchboard) fn free_station(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        operator: &OperatorId,
    ) {
        let Some(station) = net.phones.stations.of.get(operator) else { return };
        if net.phones.stations.leaving.contains(station) && !self.has_call(operator) {
            let station = station.clone();
            self.vacate(net, step, &station, true);
        }
    }

    /// Accounts are gone, as these are about to be: stations and operators among them.
    pub(in crate::switchboard) fn forget_stations(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        gone: &[OperatorId],
    ) {
        for account in gone {
            net.phones.stations.wrong.retain(|(operator, station), _| operator != account && station != account);
            let station = net.phones.stations.of.get(account).unwrap_or(account).clone();
            self.vacate(net, step, &station, true);
        }
    }

    /// Who sat where when the last run ended sits there still, unless the station has been taken since.
    pub(in crate::switchboard) fn remember_stations(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        past: &Past,
        taken: &BTreeSet<OperatorId>,
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
            let free = !taken.contains(station)
                && !net.phones.stations.of.contains_key(operator)
                && !net.phones.stations.at.contains_key(station);
            if fits && free && !self.has_call(station) {
                self.seat_at(net, now, station, operator);
                net.phones.logged(operator, true);
                self.acd.log_in(now, operator).unwrap_or_default();
            }
        }
    }

    /// Logs an operator in at a station as before a restart, so that the database's older fact does not replace it.
    pub(in crate::switchboard) fn seat_again(
        &mut self,
        net: &mut NetworkParts,
        now: Now,
        station: &OperatorId,
        operator: &OperatorId,
    ) {
        let fits = net.phones.is_station(station) && net.phones.is_operator(operator);
        let free = !net.phones.stations.of.contains_key(operator) && !net.phones.stations.at.contains_key(station);
        if fits && free {
            self.seat_at(net, now, station, operator);
            if let Some(meanwhile) = &mut self.numbers.meanwhile {
                meanwhile.stations.insert(station.clone());
            }
        }
    }
}

impl Calls {
    /// He rings or talks; a wrap-up is no call.
    fn has_call(&self, operator: &OperatorId) -> bool {
        let wraps_up = self.acd.view(operator).is_some_and(|view| view.state == State::WrapUp);
        self.acd.standing(operator) == Standing::Busy && !wraps_up
    }

    /// What must hold of stations after every step.
    pub(in crate::switchboard) fn verify_stations(&self, net: &NetworkParts) -> Result<(), String> {
        for (station, operator) in &net.phones.stations.at {
            if net.phones.stations.of.get(operator) != Some(station) {
                return Err(format!("{operator} sits at {station}, and does not"));
            }
            if !net.phones.is_station(station) || !net.phones.is_operator(operator) {
                return Err(format!("{operator} cannot sit at {station}"));
            }
        }
        if net.phones.stations.of.len() != net.phones.stations.at.len()
            || net.phones.stations.leaving.iter().any(|station| !net.phones.stations.at.contains_key(station))
            || net.phones.stations.wrong.keys().any(|(operator, _)| !net.phones.has_account(operator))
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
