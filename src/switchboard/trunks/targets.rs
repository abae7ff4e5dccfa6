//! The resolved servers of a trunk (RFC 3263): the current one, and the next one after a failure.

use std::net::IpAddr;

use crate::sip::locate::Target;

use crate::switchboard::settings::Trunk;
use crate::switchboard::{Phones, Step, Trunks, Wire};

/// The servers of one trunk, best first.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Targets {
    all: Vec<Target>,
    /// The index of the server in use.
    current: usize,
    /// The number of failures since the last response.
    failures: usize,
}

impl Targets {
    fn current(&self) -> Option<Target> {
        self.all.get(self.current).copied()
    }

    /// The addresses of all servers.
    pub(in crate::switchboard) fn hosts(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.all.iter().map(|target| target.address.ip())
    }

    /// Replaces the list. The current server stays in use if the new list contains it.
    fn renew(&mut self, all: Vec<Target>) {
        let kept = self.current().and_then(|used| all.iter().position(|target| *target == used));
        *self = Self { current: kept.unwrap_or(0), failures: if kept.is_some() { self.failures } else { 0 }, all };
    }

    /// Selects the next server. Returns false if all servers have failed since the last response.
    fn fail(&mut self) -> bool {
        self.failures += 1;
        self.current = (self.current + 1) % self.all.len().max(1);
        let more = self.failures < self.all.len();
        if !more {
            self.failures = 0;
        }
        more
    }
}

impl Trunks {
    /// The current server of a trunk.
    pub(in crate::switchboard) fn trunk_target(&self, trunk: &Trunk) -> Option<Target> {
        let fixed = trunk.target.map(|address| Target { transport: trunk.transport, address });
        fixed.or_else(|| self.targets.get(&trunk.name).and_then(Targets::current))
    }

    /// Stores the resolved servers of a trunk. If the current server changes, siaga sends it a keep-alive and a
    /// REGISTER.
    pub(in crate::switchboard) fn set_targets(
        &mut self,
        wire: &mut Wire,
        phones: &mut Phones,
        step: &mut Step,
        name: String,
        all: Vec<Target>,
    ) {
        let Some(index) = self.settings.trunks.iter().position(|trunk| trunk.name == name) else { return };
        let targets = self.targets.entry(name).or_default();
        let before = targets.current();
        targets.renew(all);
        if targets.current() != before {
            phones.ping_trunk_at_once(step, index);
            self.register_at_once(wire, step, index);
        }
    }

    /// Removes the servers of trunks that were removed or whose host name has changed or been removed.
    pub(in crate::switchboard) fn prune_targets(&mut self, old: &[Trunk]) {
        let trunks = &self.settings.trunks;
        self.targets.retain(|name, _| {
            let of =
                |trunks: &[Trunk]| trunks.iter().find(|trunk| trunk.name == *name).and_then(|one| one.host.clone());
            of(trunks).is_some_and(|host| of(old) == Some(host))
        });
    }

    /// Handles a response from the current server of a trunk.
    pub(in crate::switchboard) fn trunk_answers(&mut self, step: &mut Step, index: usize) {
        self.trunk_pinged(step, index, true);
        if let Some(targets) = self.settings.trunks.get(index).and_then(|trunk| self.targets.get_mut(&trunk.name)) {
            targets.failures = 0;
        }
    }

    /// Handles a server that has not responded or has sent 503 (RFC 3263 §4.3). Returns true if another server can be
    /// tried: the next one, or the current one if it was selected after this server failed.
    pub(in crate::switchboard) fn target_fails(&mut self, index: usize, failed: Target) -> bool {
        let targets = self.settings.trunks.get(index).and_then(|trunk| self.targets.get_mut(&trunk.name));
        targets.is_some_and(|targets| targets.current().is_some_and(|used| used != failed) || targets.fail())
    }
}

impl Trunks {
    /// Handles a keep-alive without a response: sends one to the next server at once, or counts it against the trunk if
    /// no server is left. A keep-alive to a server that is no longer in use is ignored.
    pub(in crate::switchboard) fn trunk_silent(
        &mut self,
        phones: &mut Phones,
        step: &mut Step,
        index: usize,
        asked: Target,
    ) {
        let used = self.settings.trunks.get(index).and_then(|trunk| self.trunk_target(trunk));
        if used != Some(asked) {
            return;
        }
        if self.target_fails(index, asked) {
            phones.ping_trunk_at_once(step, index);
        } else {
            self.trunk_pinged(step, index, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::flow::Transport;

    fn addresses(hosts: &[u8]) -> Vec<Target> {
        let target = |host: &u8| Target { transport: Transport::Udp, address: ([10, 0, 0, *host], 5060).into() };
        hosts.iter().map(target).collect()
    }

    #[test]
    fn each_server_is_tried_once_before_all_have_failed() {
        let mut targets = Targets::default();
        assert_eq!(targets.current(), None);
        assert!(!targets.fail());
        targets.renew(addresses(&[1, 2, 3]));
        assert_eq!((targets.fail(), targets.current()), (true, Some(addresses(&[2])[0])));
        assert_eq!((targets.fail(), targets.current()), (true, Some(addresses(&[3])[0])));
        assert_eq!((targets.fail(), targets.current()), (false, Some(addresses(&[1])[0])));
        assert!(targets.fail(), "another round");
    }

    #[test]
    fn the_server_in_use_stays_when_the_list_changes_around_it() {
        let mut targets = Targets::default();
        targets.renew(addresses(&[1, 2]));
        targets.fail();
        targets.renew(addresses(&[3, 1, 2]));
        assert_eq!(targets.current(), Some(addresses(&[2])[0]));
        targets.renew(addresses(&[4, 5]));
        assert_eq!(targets.current(), Some(addresses(&[4])[0]));
        targets.renew(Vec::new());
        assert_eq!(targets.current(), None);
    }
}
