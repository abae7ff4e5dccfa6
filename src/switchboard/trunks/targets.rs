//! The resolved servers of a trunk (RFC 3263): the current one, and the next one after a failure.

use std::net::IpAddr;

use crate::sip::locate::Target;

/// The servers of one trunk, best first.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Targets {
    all: Vec<Target>,
    /// The index of the server in use.
    current: usize,
    /// The number of failures since the last response.
    pub(in crate::switchboard) failures: usize,
}

impl Targets {
    pub(in crate::switchboard) fn current(&self) -> Option<Target> {
        self.all.get(self.current).copied()
    }

    /// The addresses of all servers.
    pub(in crate::switchboard) fn hosts(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.all.iter().map(|target| target.address.ip())
    }

    /// Replaces the list. The current server stays in use if the new list contains it.
    pub(in crate::switchboard) fn renew(&mut self, all: Vec<Target>) {
        let kept = self.current().and_then(|used| all.iter().position(|target| *target == used));
        *self = Self { current: kept.unwrap_or(0), failures: if kept.is_some() { self.failures } else { 0 }, all };
    }

    /// Selects the next server. Returns false if all servers have failed since the last response.
    pub(in crate::switchboard) fn fail(&mut self) -> bool {
        self.failures += 1;
        self.current = (self.current + 1) % self.all.len().max(1);
        let more = self.failures < self.all.len();
        if !more {
            self.failures = 0;
        }
        more
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
