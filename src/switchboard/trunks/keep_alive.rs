//! Keep-alive OPTIONS to trunks.

use crate::clock::Instant;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::connections::uri_over;

impl Trunks {
    /// The times of the next keep-alives, each with its trunk.
    pub(in crate::switchboard) fn pings(&self) -> impl Iterator<Item = (usize, Instant)> {
        self.pings.iter().map(|(index, at)| (*index, *at))
    }

    /// Starts the keep-alives to trunks, at once.
    pub(in crate::switchboard) fn begin_keep_alives(&mut self, step: &mut Step) {
        let now = step.now.mono;
        for (index, at) in std::mem::take(&mut self.pings) {
            step.timers.remove(at, TimerKind::PingTrunk(index));
        }
        for (index, trunk) in self.settings.trunks.iter().enumerate() {
            if trunk.keep_alive.is_some() && (trunk.target.is_some() || trunk.host.is_some()) {
                step.timers.insert(now, TimerKind::PingTrunk(index));
                self.pings.insert(index, now);
            }
        }
    }

    pub(in crate::switchboard) fn ping_trunk_at_once(&mut self, step: &mut Step, index: usize) {
        if let Some(at) = self.pings.remove(&index) {
            step.timers.remove(at, TimerKind::PingTrunk(index));
            let now = step.now.mono;
            step.timers.insert(now, TimerKind::PingTrunk(index));
            self.pings.insert(index, now);
        }
    }

    pub(in crate::switchboard) fn ping_trunk(&mut self, wire: &mut Wire, step: &mut Step, index: usize) {
        let now = step.now;
        let Some(trunk) = self.settings.trunks.get(index) else { return };
        let way = self.trunk_target(trunk).zip(self.trunk_flow(trunk));
        let Some(every) = trunk.keep_alive else { return };
        let next = now.mono + every;
        step.timers.insert(next, TimerKind::PingTrunk(index));
        self.pings.insert(index, next);
        if let Some((target, flow)) = way {
            wire.ping(step, flow, &uri_over(flow, None), Purpose::TrunkPing(index, target));
        }
    }
}
