//! Results of DNS look-ups for trunks.

use crate::sip::locate::Target;
use crate::switchboard::settings::Trunk;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::trunks::targets::Targets;
use crate::switchboard::wire::Wire;

impl Trunks {
    /// The current server of a trunk.
    pub(in crate::switchboard) fn trunk_target(&self, trunk: &Trunk) -> Option<Target> {
        let fixed = trunk.target.map(|address| Target { transport: trunk.transport, address });
        fixed.or_else(|| self.targets.get(&trunk.name).and_then(Targets::current))
    }

    /// True if this is the current server of the trunk.
    pub(in crate::switchboard) fn uses(&self, index: usize, server: Target) -> bool {
        self.settings.trunks.get(index).and_then(|trunk| self.trunk_target(trunk)) == Some(server)
    }

    /// Stores the resolved servers of a trunk. If the current server changes, siaga sends it a keep-alive and a
    /// REGISTER.
    pub(in crate::switchboard) fn set_targets(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        name: String,
        all: Vec<Target>,
    ) {
        let Some(index) = self.settings.trunks.iter().position(|trunk| trunk.name == name) else { return };
        let targets = self.targets.entry(name).or_default();
        let before = targets.current();
        targets.renew(all);
        if targets.current() != before {
            self.ping_trunk_at_once(step, index);
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

    /// Handles a keep-alive without a response: sends one to the next server at once, or counts it against the trunk if
    /// no server is left. A keep-alive to a server that is no longer in use is ignored.
    pub(in crate::switchboard) fn trunk_silent(&mut self, step: &mut Step, index: usize, asked: Target) {
        if !self.uses(index, asked) {
            return;
        }
        if self.target_fails(index, asked) {
            self.ping_trunk_at_once(step, index);
        } else {
            self.trunk_pinged(step, index, false);
        }
    }
}
