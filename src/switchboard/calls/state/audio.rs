//! How the audio of a call is joined.

/// How the audio of a call is joined: bridged or mixed, and held by which side.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Audio {
    /// The audio is mixed and not bridged, because a participant talks.
    mixed: bool,
    /// Whether the caller, and the operator, has put the other side on hold.
    holding: (bool, bool),
}

impl Audio {
    pub(in crate::switchboard) fn is_mixed(&self) -> bool {
        self.mixed
    }

    pub(in crate::switchboard) fn mix(&mut self) {
        self.mixed = true;
    }

    /// Ends the mixing. Returns true if the audio was mixed.
    pub(in crate::switchboard) fn unmix(&mut self) -> bool {
        std::mem::take(&mut self.mixed)
    }

    /// Whether the caller, and the operator, has put the other side on hold.
    pub(in crate::switchboard) fn holding(&self) -> (bool, bool) {
        self.holding
    }

    pub(in crate::switchboard) fn is_held(&self) -> bool {
        self.holding != (false, false)
    }

    /// Sets who holds. Returns who has held before.
    pub(in crate::switchboard) fn set_holds(&mut self, holding: (bool, bool)) -> (bool, bool) {
        std::mem::replace(&mut self.holding, holding)
    }
}
