//! A phone's addresses for SIP and media: from time to time it returns at another port, as after a restart or behind another NAT. Two phones register from
//! one port and name another one of the same host in their Contact.

use std::net::SocketAddr;

use super::super::world::{sdp, secret};
use super::{Leg, Phone};

/// How many ports are between the places of one phone.
pub(crate) const PLACES_APART: u16 = 100;
/// The phone that registers from another port than it listens at.
const SENDS_ELSEWHERE: u16 = 3;
/// The phone whose Contact names a port at which nothing listens.
const NAMES_ELSEWHERE: u16 = 4;
/// From a phone's port to that from which it registers, and to that which its Contact names.
const SOURCE: u16 = 10;
const DEAD: u16 = 20;

/// The address of a phone after `moves` moves.
pub(crate) fn place(index: u16, moves: u16) -> String {
    format!("127.0.0.3:{}", 5_100 + index + moves % 300 * PLACES_APART)
}

/// The phone of a port, and whether it listens there: a port from which it only registers takes responses.
pub(crate) fn phone_at(port: u16, is_response: bool) -> (usize, bool) {
    let place = (port - 5_100) % PLACES_APART;
    (usize::from(place % SOURCE), place < SOURCE || (place < DEAD && is_response))
}

/// Where a message that a phone sends from `at` comes from.
pub(crate) fn source(at: SocketAddr, text: &str) -> SocketAddr {
    let elsewhere = text.starts_with("REGISTER") && (at.port() - 5_100) % PLACES_APART == SENDS_ELSEWHERE;
    SocketAddr::new(at.ip(), at.port() + if elsewhere { SOURCE } else { 0 })
}

impl Phone {
    /// Every second start is at a port that the phone has not used: its old binding stays for a while.
    pub(super) fn moves(&mut self) {
        let next_life = u16::try_from(self.registration.life + 1).unwrap();
        self.host_port = place(self.index, next_life.div_ceil(2));
        self.at = self.host_port.parse().unwrap();
    }

    /// A REGISTER as this phone sends it, with its Contact.
    pub(super) fn with_contact(&self, register: String) -> String {
        if self.index != NAMES_ELSEWHERE {
            return register;
        }
        let named = SocketAddr::new(self.at.ip(), self.at.port() + DEAD);
        register.replace(&format!("<sip:me@{}>", self.host_port), &format!("<sip:me@{named}>"))
    }

    pub(super) fn rtp_port(&self, leg: u32) -> u16 {
        self.port_base + u16::try_from(leg % 400).unwrap() * 2
    }

    pub(super) fn rtp(&self, leg: u32) -> SocketAddr {
        SocketAddr::new(self.at.ip(), self.rtp_port(leg))
    }

    pub(super) fn described(&self, leg: &Leg, direction: &str) -> String {
        let plain = self.sdp(leg.id, direction);
        if leg.secret { secret(&plain) } else { plain }
    }

    pub(super) fn sdp(&self, leg: u32, direction: &str) -> String {
        sdp(&self.host_port, self.rtp_port(leg)).replace("sendrecv", direction)
    }
}
