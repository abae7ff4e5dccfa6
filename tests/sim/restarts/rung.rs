//! Whether every phone of a ready operator is rung after a restart.

use super::*;

impl City {
    /// So many callers dial at once that every ready operator is rung, at each of the phones.
    pub(super) fn all_are_rung(&mut self, phones: &[SocketAddr]) {
        self.step(Input::Console { request: 7, by: admin(), command: ConsoleCommand::Posture });
        let normal = matches!(self.replied.take(), Some(ConsoleReply::Posture { posture: Posture::Normal, .. }));
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
