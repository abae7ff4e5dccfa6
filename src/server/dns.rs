//! Finds what a trunk's name stands for (RFC 3263 §4.2), and looks again when that is out of date. Lives off the signalling loop,
//! which goes on with what was found last.
//!
//! The configuration names the transport, as a `transport` parameter would: NAPTR is not asked for (RFC 3263 §4.1).

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::task::AbortHandle;

use crate::ids::Rng;
use crate::limits::TARGETS_MAX;
use crate::sip::flow::Transport;
use crate::sip::locate::{Service, in_order};
use crate::switchboard::{Trunk, TrunkHost};

use super::desk::Desk;
use super::signalling::Inbound;

/// What was found is used so long at least, and at most.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3_600);
/// Wait after a question without an answer.
const AGAIN: Duration = Duration::from_secs(15);

/// Asks name servers.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    resolver: TokioResolver,
}

impl Finder {
    /// Asks these name servers; those of the system when there are none.
    pub(super) fn new(name_servers: &[SocketAddr]) -> Result<Self, NetError> {
        let mut builder = if name_servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let server = |address: &SocketAddr| {
                let at_port = |mut connection: ConnectionConfig| {
                    connection.port = address.port();
                    connection
                };
                let ways = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
                NameServerConfig::new(address.ip(), true, ways)
            };
            let config = ResolverConfig::from_parts(None, Vec::new(), name_servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(Self { resolver: builder.build()? })
    }

    /// The servers of a name, best first, and how long that holds. With a port in the URI, or without SRV records, they are the
    /// addresses of the name itself.
    pub(super) async fn find(
        &self,
        host: &TrunkHost,
        transport: Transport,
        rng: &mut Rng,
    ) -> Result<(Vec<SocketAddr>, Duration), NetError> {
        let name = host.name.trim_end_matches('.');
        if host.port.is_none() {
            let service = match transport {
                Transport::Udp => "_sip._udp",
                Transport::Tcp => "_sip._tcp",
                Transport::Tls => "_sips._tcp",
            };
            // Without such records, or without an answer, the name itself may have addresses.
            if let Ok(found) = self.resolver.srv_lookup(format!("{service}.{name}.")).await {
                let services = found.answers().iter().filter_map(|record| {
                    let RData::SRV(srv) = &record.data else { return None };
                    let host = srv.target.to_utf8();
                    Some(Service { priority: srv.priority, weight: srv.weight, port: srv.port, host })
                });
                let services = in_order(services.filter(|service| service.host != ".").collect(), rng);
                let targets = self.addresses(&services).await;
                if !targets.is_empty() {
                    let seconds = found.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
                    return Ok((targets, Duration::from_secs(seconds.into())));
                }
            }
        }
        let usual = if transport == Transport::Tls { 5061 } else { 5060 };
        let port = host.port.unwrap_or(usual);
        let found = self.resolver.lookup_ip(format!("{name}.")).await?;
        let seconds = found.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or(0);
        let targets = found.iter().map(|address| SocketAddr::new(address, port)).take(TARGETS_MAX).collect();
        Ok((targets, Duration::from_secs(seconds.into())))
    }

    async fn addresses(&self, services: &[Service]) -> Vec<SocketAddr> {
        let mut targets = Vec::new();
        for service in services.iter().take(TARGETS_MAX) {
            match self.resolver.lookup_ip(service.host.as_str()).await {
                Ok(found) => targets.extend(found.iter().map(|address| SocketAddr::new(address, service.port))),
                Err(error) => tracing::warn!(host = service.host, %error, "a server of a trunk has no address"),
            }
        }
        targets.truncate(TARGETS_MAX);
        targets
    }
}

/// The tasks that keep the loop told of trunks' servers.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<AbortHandle>);

impl Followers {
    /// Starts one for each trunk with a name, in place of those that were there.
    pub(super) fn follow(&mut self, trunks: &[Trunk], name_servers: &[SocketAddr], desk: &Desk) {
        self.0.drain(..).for_each(|task| task.abort());
        let named: Vec<&Trunk> = trunks.iter().filter(|trunk| trunk.host.is_some()).collect();
        if named.is_empty() {
            return;
        }
        let mut seed = [0; 32];
        let finder = match (Finder::new(name_servers), getrandom::fill(&mut seed)) {
            (Ok(finder), Ok(())) => finder,
            (Err(error), _) => {
                return tracing::error!(%error, "no name server can be asked: trunks with a name stay unreachable");
            }
            (_, Err(error)) => return tracing::error!(%error, "no randomness: trunks with a name stay unreachable"),
        };
        let mut rng = Rng::from_seed(seed);
        for trunk in named {
            let rng = Rng::from_number(rng.next_u64());
            self.0.push(tokio::spawn(follow(finder.clone(), trunk.clone(), desk.clone(), rng)).abort_handle());
        }
    }
}

/// Keeps the loop told of a trunk's servers. Ends with the loop.
async fn follow(finder: Finder, trunk: Trunk, desk: Desk, mut rng: Rng) {
    let Some(host) = &trunk.host else { return };
    loop {
        let wait = match finder.find(host, trunk.transport, &mut rng).await {
            Ok((targets, valid)) => {
                tracing::debug!(trunk = trunk.name, host = host.name, ?targets, "the trunk's servers");
                if !desk.tell(Inbound::Targets { trunk: trunk.name.clone(), targets }).await {
                    return;
                }
                valid.clamp(SHORTEST, LONGEST)
            }
            Err(error) => {
                tracing::warn!(trunk = trunk.name, host = host.name, %error, "the trunk's servers are not found");
                AGAIN
            }
        };
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests;
