//! The dialling of a number over trunks.

use crate::sip::locate::Target;
use crate::switchboard::trunks::trunk::NextRoute;
use std::collections::BTreeSet;

/// Over which trunks a call has dialled a number, and how it can be dialled again.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Dialling {
    /// The trunks over which the number was tried.
    tried: BTreeSet<usize>,
    /// The trunk and server that are dialled now or have failed last.
    current: Option<(usize, Option<Target>)>,
    /// How the number that failed last can be dialled again.
    next_route: Option<NextRoute>,
}

impl Dialling {
    /// A number is dialled from its first trunk.
    pub(in crate::switchboard) fn restart(&mut self) {
        self.tried.clear();
    }

    pub(in crate::switchboard) fn has_tried(&self, trunk: usize) -> bool {
        self.tried.contains(&trunk)
    }

    /// The number is dialled over this trunk.
    pub(in crate::switchboard) fn begin(&mut self, trunk: usize) {
        self.tried.insert(trunk);
        self.current = Some((trunk, None));
    }

    /// The trunk over which the number is dialled.
    pub(in crate::switchboard) fn trunk(&self) -> Option<usize> {
        self.current.map(|(trunk, _)| trunk)
    }

    /// The trunk and its server that have failed.
    pub(in crate::switchboard) fn failed(&self) -> Option<(usize, Target)> {
        let (trunk, server) = self.current?;
        Some((trunk, server?))
    }

    /// An attempt over this trunk and server has failed.
    pub(in crate::switchboard) fn fails_at(&mut self, trunk: usize, server: Target) {
        self.current = Some((trunk, Some(server)));
    }

    pub(in crate::switchboard) fn set_next_route(&mut self, route: Option<NextRoute>) {
        self.next_route = route;
    }

    pub(in crate::switchboard) fn take_next_route(&mut self) -> Option<NextRoute> {
        self.next_route.take()
    }

    /// Takes over the trunks of another call whose leg has moved here.
    pub(in crate::switchboard) fn follow(&mut self, other: Self) {
        (self.tried, self.current) = (other.tried, other.current);
    }

    /// Applies the new numbers of trunks. A removed trunk has none.
    pub(in crate::switchboard) fn renumber(&mut self, placed: impl Fn(usize) -> Option<usize>) {
        self.tried = self.tried.iter().filter_map(|index| placed(*index)).collect();
        self.current = self.current.and_then(|(index, server)| Some((placed(index)?, server)));
    }
}
