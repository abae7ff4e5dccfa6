//! A phone's address: from time to time it returns at another port, as after a restart or behind another NAT.

use super::Phone;

/// How many ports are between the places of one phone.
pub(crate) const PLACES_APART: u16 = 100;

/// The address of a phone after `moves` moves.
pub(crate) fn place(index: u16, moves: u16) -> String {
    format!("127.0.0.3:{}", 5_100 + index + moves % 300 * PLACES_APART)
}

impl Phone {
    /// Every second start is at a port that the phone has not used: its old binding stays for a while.
    pub(super) fn moves(&mut self) {
        let next_life = u16::try_from(self.registration.life + 1).unwrap();
        self.host_port = place(self.index, next_life.div_ceil(2));
        self.at = self.host_port.parse().unwrap();
    }
}
