//! The desks of the ACD and their settings.

use super::Acd;
use super::desk::{Desk, DeskNo};
use crate::limits::DESKS_MAX;

impl Acd {
    /// The settings have at least one desk, and at most `DESKS_MAX`.
    pub(super) fn complete_desks(&mut self) {
        if self.settings.desks.is_empty() {
            self.settings.desks.push(Desk::default());
        }
        self.settings.desks.truncate(DESKS_MAX);
    }

    /// Applies the desks of the settings. Calls of the `former` desks move to the desk with the same name.
    pub(super) fn set_desks(&mut self, former: &[Desk]) {
        self.complete_desks();
        let mut desks = self.settings.desks.clone();
        self.all_operators = DeskNo(0);
        if let Some(first) = desks.first().filter(|first| first.members.is_some()).cloned() {
            self.all_operators = DeskNo(u8::try_from(desks.len()).unwrap_or(u8::MAX));
            desks.push(Desk { name: "everybody".to_owned(), strategy: first.strategy, ..Desk::default() });
        }
        let named = |name: &str| desks.iter().position(|desk| desk.name == name).and_then(|at| u8::try_from(at).ok());
        let renumbered = |desk: DeskNo| {
            DeskNo(former.get(usize::from(desk.0)).and_then(|desk| named(&desk.name)).unwrap_or_default())
        };
        // Since when the desk with this name had no ready operator; the last number is that of all operators.
        let since = |at: usize| match desks.get(at) {
            Some(desk) if at < self.settings.desks.len() => former.iter().position(|old| old.name == desk.name),
            _ => (self.none_ready_since.len() > former.len()).then_some(former.len()),
        };
        self.none_ready_since =
            (0..desks.len()).map(|at| self.none_ready_since.get(since(at)?).copied().flatten()).collect();
        let rings = desks.iter().map(Desk::ring).collect();
        self.queue.set_desks(rings, self.all_operators, renumbered);
        self.floor.set_desks(desks);
        self.apply_mode_to_queue();
    }
}
