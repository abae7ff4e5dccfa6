//! Whether every phone of a ready operator is rung after a restart, and whether phones that did not respond are marked again.

use super::*;

impl City {
    /// Each binding over UDP that was marked as unreachable is marked again, unless it is the last reachable one of the centre.
    pub(super) fn marks_are_restored<'a>(&mut self, saved: impl Iterator<Item = &'a AccountState>) {
        let now = self.now.wall;
        let live = |account_state: &'a AccountState| {
            let away = now.millis_since(account_state.at);
            account_state.bindings.iter().filter(move |one| one.lasts_ms > away && !one.transport.is_reliable())
        };
        let (mut all, mut missing) = (0, Vec::new());
        let mut reachable = 0;
        for account_state in saved {
            let restored = self.restarts.account_states.get(&account_state.account).map(|one| one.bindings.as_slice());
            for binding in live(account_state) {
                let found = restored.into_iter().flatten().find(|one| one.uri == binding.uri);
                let found = found.unwrap_or_else(|| panic!("{binding:?} is not restored: {restored:#?}"));
                all += 1;
                reachable += usize::from(!found.unreachable);
                if found.unreachable != binding.unreachable {
                    missing.push((binding, found));
                }
            }
        }
        match missing.as_slice() {
            [] => {}
            [(binding, _)] if binding.unreachable && reachable == 1 => {}
            other => panic!("{reachable} of {all} bindings are reachable, with other marks than before: {other:#?}"),
        }
        self.restarts.survived.marked += (all - reachable) as u64;
    }

    /// So many callers dial at once that every ready operator is rung, at each of the phones.
    pub(super) fn all_are_rung(&mut self, phones: &[SocketAddr]) {
        self.step(Input::Console { request: 7, by: admin(), command: ConsoleCommand::Mode });
        let normal = matches!(self.replied.take(), Some(ConsoleReply::Mode { mode: OperatingMode::Normal, .. }));
        let unlimited = self.settings.trunks[0].terms.max_calls == 0;
        if !normal || !unlimited || self.story.pairs != PAIRS || self.is_closed() {
            return;
        }
        self.restarts.rung.clear();
        for _ in 0..2 * OPERATORS {
            if phones.iter().all(|phone| self.restarts.rung.contains(phone)) {
                break;
            }
            self.restarts.last_said = Some(String::new());
            self.one_dials();
            // It is on its way as others are; one copy arrives at once.
            let invite = self.restarts.last_said.take().unwrap();
            self.reaches_service(TRUNK.parse().unwrap(), &invite);
        }
        let rung = &self.restarts.rung;
        assert!(phones.iter().all(|phone| rung.contains(phone)), "rung: {rung:?}, of the registered {phones:?}");
        self.restarts.survived.rung += phones.len() as u64;
    }
}
