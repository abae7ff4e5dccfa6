//! Assigns calls to desks, by the called service or number (RFC 5031).

use crate::acd::Entry;
use crate::acd::desk::DeskNo;
use crate::cdr::fact::FactKind;
use crate::ids::CallId;

use crate::switchboard::calls::Calls;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::settings::DeskCalls;
use crate::switchboard::step::Step;

/// The start of the URN of every emergency service.
pub(in crate::switchboard) const SERVICES: &str = "urn:service:sos.";

impl Calls {
    /// Puts a call into the queue of its desk.
    pub(in crate::switchboard) fn enter_queue(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        if !self.calls.contains_key(&id) {
            return;
        }
        self.acd.enter(now, id, self.entry_of(id));
        self.plan_outside(step, id);
        self.queued(net, step, id, false);
    }

    /// Emits that a call waits. `returned`: the call has waited before.
    pub(in crate::switchboard) fn queued(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        returned: bool,
    ) {
        let Some(desk) = self.calls.get(&id).map(|call| call.waiting.desk()) else { return };
        let name = self.settings.desk_names.get(usize::from(desk.0)).cloned();
        let (priority, desk) = (self.priority_of(id), name.unwrap_or_default());
        self.fact(net, step, id, FactKind::Queued { priority, desk, returned });
    }

    /// The entry of a call in the queue, for the first time or again. A caller whose connection was closed keeps the order of arrival, and
    /// gets the call's usual priority.
    pub(in crate::switchboard) fn entry_of(&self, id: CallId) -> Entry {
        let (arrival, desk) =
            self.calls.get(&id).map(|call| (call.waiting.arrival(), call.waiting.desk())).unwrap_or_default();
        Entry { priority: self.priority_of(id), arrival, desk }
    }

    /// The priority of the call's desk, plus the penalty of a flagged number.
    pub(in crate::switchboard) fn priority_of(&self, id: CallId) -> u8 {
        let Some(call) = self.calls.get(&id) else { return 0 };
        let desk = self.settings.numbers.desks.get(usize::from(call.waiting.desk().0));
        call.waiting.priority_at(desk.map_or(0, |desk| desk.priority))
    }
}

/// The desk for a call to `called`: the one with the longest matching service, or with the number; otherwise the first desk.
pub(in crate::switchboard) fn desk_of(desks: &[DeskCalls], called: &str) -> DeskNo {
    let service = called.strip_prefix(SERVICES);
    let fits = |desk: &DeskCalls| match service {
        Some(service) => desk.services.iter().filter(|own| covers(own, service)).map(String::len).max(),
        None => desk.numbers.iter().any(|number| number == called).then_some(0),
    };
    let best = (0..).map(DeskNo).zip(desks).filter_map(|(no, desk)| Some((fits(desk)?, no))).max();
    best.map(|(_, no)| no).unwrap_or_default()
}

/// True for the service itself and all services below it: `fire` covers `fire` and `fire.forest`.
fn covers(own: &str, service: &str) -> bool {
    let head = service.get(..own.len()).unwrap_or_default();
    let tail = service.get(own.len()..).unwrap_or_default();
    head.eq_ignore_ascii_case(own) && (tail.is_empty() || tail.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_service_that_fits_and_the_number_tell_the_desk() {
        let desk = |services: &[&str], numbers: &[&str]| DeskCalls {
            services: services.iter().map(|text| (*text).to_owned()).collect(),
            numbers: numbers.iter().map(|text| (*text).to_owned()).collect(),
            ..DeskCalls::default()
        };
        let desks = [desk(&[], &[]), desk(&["fire"], &["113"]), desk(&["fire.forest", "police"], &["110"])];
        for (called, expected) in [
            ("112", 0),
            ("113", 1),
            ("110", 2),
            ("1130", 0),
            ("urn:service:sos", 0),
            ("urn:service:sos.fire", 1),
            ("urn:service:sos.FIRE", 1),
            ("urn:service:sos.fire.house", 1),
            ("urn:service:sos.fire.forest", 2),
            ("urn:service:sos.firearms", 0),
            ("urn:service:sos.police", 2),
            ("urn:service:sos.ambulance", 0),
        ] {
            assert_eq!(desk_of(&desks, called), DeskNo(expected), "{called}");
        }
        assert_eq!(desk_of(&[], "112"), DeskNo(0));
    }
}
