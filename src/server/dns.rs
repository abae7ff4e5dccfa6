//! Resolves the names of trunks (RFC 3263 §4), and again when a result expires. Runs outside the signalling loop, which continues with the
//! last result.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use crate::ids::Rng;
use crate::limits::{LOOKUPS_AT_ONCE, LOOKUPS_MAX, TARGETS_MAX};
use crate::sip::flow::Transport;
use crate::sip::locate::{Pointer, Service, Target, in_order, offered, service_name};
use crate::switchboard::{Trunk, TrunkHost};

use super::loop_sender::LoopSender;
use super::signalling::Inbound;

/// Minimum and maximum validity of a result.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long `siaga check` waits for the servers of one name.
const CHECK_PATIENCE: Duration = Duration::from_secs(10);
/// Wait after a query without an answer.
const AGAIN: Duration = Duration::from_secs(15);

/// Sends queries to name servers.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    resolver: TokioResolver,
}

impl Finder {
    /// Uses these name servers, or those of the system if the list is empty.
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

    /// The servers of a name, best first, and how long this result is valid. NAPTR records give the transports if the configuration has
    /// none (RFC 3263 §4.1), and SRV records give the servers. With a port in the URI, or without SRV records, the servers are the
    /// addresses of the name itself (RFC 3263 §4.2). If a query fails, the `known` servers follow those that were found.
    pub(super) async fn find(
        &self,
        host: &TrunkHost,
        known: &[Target],
        rng: &mut Rng,
    ) -> Result<(Vec<Target>, Duration), NetError> {
        let name = host.name.trim_end_matches('.');
        let mut found = Found::default();
        if host.port.is_none() {
            for (transport, services) in self.ways(host, name, &mut found).await {
                self.add_services(transport, &services, rng, &mut found).await;
            }
            if let Some(error) = found.fault.take() {
                return found.with(known).ok_or(error);
            }
            if !found.targets.is_empty() {
                return Ok(found.best());
            }
        }
        let transport = host.usual_transport();
        let port = host.port.unwrap_or(if transport == Transport::Tls { 5061 } else { 5060 });
        let addresses = self.resolver.lookup_ip(format!("{name}.")).await?;
        found.hold(addresses.as_lookup().answers());
        found.add(transport, addresses.iter(), port);
        Ok(found.best())
    }

    /// The transports to try, each with the name whose SRV records list its servers.
    async fn ways(&self, host: &TrunkHost, name: &str, found: &mut Found) -> Vec<(Transport, String)> {
        if !host.transport_named {
            // Without NAPTR records, or without an answer, each supported transport is queried.
            match self.resolver.lookup(format!("{name}."), RecordType::NAPTR).await {
                Ok(records) => {
                    found.hold(records.answers());
                    let pointers = records.answers().iter().filter_map(pointer).collect();
                    let ways = offered(pointers, &host.transports, host.secure);
                    if !ways.is_empty() {
                        return ways;
                    }
                }
                Err(error) => found.fails(error),
            }
        }
        host.transports.iter().map(|transport| (*transport, service_name(*transport, name))).collect()
    }

    async fn add_services(&self, transport: Transport, name: &str, rng: &mut Rng, found: &mut Found) {
        let records = match self.resolver.srv_lookup(name).await {
            Ok(records) => records,
            Err(error) => return found.fails(error),
        };
        found.hold(records.answers());
        let services = records.answers().iter().filter_map(|record| {
            let RData::SRV(srv) = &record.data else { return None };
            let host = srv.target.to_utf8();
            Some(Service { priority: srv.priority, weight: srv.weight, port: srv.port, host })
        });
        let services = in_order(services.filter(|service| service.host != ".").collect(), rng);
        for service in services.iter().take(TARGETS_MAX) {
            match self.resolver.lookup_ip(service.host.as_str()).await {
                Ok(addresses) => found.add(transport, addresses.iter(), service.port),
                Err(error) => {
                    tracing::warn!(host = service.host, %error, "a server of a trunk has no address");
                    found.fails(error);
                }
            }
        }
    }
}

/// The results so far.
#[derive(Debug, Default)]
struct Found {
    targets: Vec<Target>,
    /// The shortest TTL, in seconds.
    holds: Option<u32>,
    /// The error of a query, except that there are no records.
    fault: Option<NetError>,
}

impl Found {
    fn hold(&mut self, records: &[Record]) {
        self.holds = records.iter().map(|record| record.ttl).chain(self.holds).min();
    }

    fn add(&mut self, transport: Transport, addresses: impl Iterator<Item = IpAddr>, port: u16) {
        for address in addresses {
            let target = Target { transport, address: SocketAddr::new(address, port) };
            if self.targets.len() < TARGETS_MAX && !self.targets.contains(&target) {
                self.targets.push(target);
            }
        }
    }

    fn fails(&mut self, error: NetError) {
        if !error.is_no_records_found() && !error.is_nx_domain() {
            self.fault = Some(error);
        }
    }

    /// The servers that were found, then those known before, until the next query. None if there are neither.
    fn with(mut self, known: &[Target]) -> Option<(Vec<Target>, Duration)> {
        for target in known {
            self.add(target.transport, std::iter::once(target.address.ip()), target.address.port());
        }
        (!self.targets.is_empty()).then_some((self.targets, AGAIN))
    }

    fn best(self) -> (Vec<Target>, Duration) {
        (self.targets, Duration::from_secs(self.holds.unwrap_or(0).into()))
    }
}

fn pointer(record: &Record) -> Option<Pointer> {
    let RData::NAPTR(naptr) = &record.data else { return None };
    Some(Pointer {
        order: naptr.order,
        preference: naptr.preference,
        flags: naptr.flags.to_vec(),
        service: naptr.services.to_vec(),
        regexp: naptr.regexp.to_vec(),
        replacement: naptr.replacement.to_utf8(),
    })
}

/// The loop's queue of host names to look up. Never waits: if it is full, the name counts as not found.
#[derive(Clone, Debug)]
pub(super) struct Names {
    queue: mpsc::Sender<(Bytes, TrunkHost)>,
    loop_sender: LoopSender,
}

impl Names {
    /// Starts to look up names with these name servers; the results go to the loop.
    pub(super) fn new(name_servers: &[SocketAddr], loop_sender: &LoopSender) -> Self {
        let (queue, mut questions) = mpsc::channel::<(Bytes, TrunkHost)>(LOOKUPS_MAX);
        let names = Self { queue, loop_sender: loop_sender.clone() };
        let (finder, loop_sender) = (Finder::new(name_servers), loop_sender.clone());
        tokio::spawn(async move {
            let Ok(finder) = finder.inspect_err(|error| tracing::error!(%error, "no name server can be used")) else {
                // Each query gets a response.
                while let Some((uri, _)) = questions.recv().await {
                    loop_sender.tell(Inbound::Found { uri, targets: Vec::new() }).await;
                }
                return;
            };
            let room = Arc::new(Semaphore::new(LOOKUPS_AT_ONCE));
            while let (Some((uri, host)), Ok(place)) = (questions.recv().await, Arc::clone(&room).acquire_owned().await)
            {
                let (finder, loop_sender) = (finder.clone(), loop_sender.clone());
                tokio::spawn(async move {
                    let targets = match finder.find(&host, &[], &mut Rng::from_number(0)).await {
                        Ok((targets, _)) => targets,
                        Err(error) => {
                            tracing::warn!(host = host.name, %error, "the host name in a trunk's Contact or Record-Route is not found");
                            Vec::new()
                        }
                    };
                    loop_sender.tell(Inbound::Found { uri, targets }).await;
                    drop(place);
                });
            }
        });
        names
    }

    pub(super) fn look_up(&self, uri: Bytes, host: TrunkHost) {
        if let Err(unsent) = self.queue.try_send((uri, host)) {
            let (uri, _) = unsent.into_inner();
            tracing::debug!("too many names are being looked up: one counts as not found");
            self.loop_sender.not_found(uri);
        }
    }
}

/// Looks up the names of trunks once and returns a remark for each problem: a server that is not in the trunk's `peers`, whose
/// requests would be rejected, or a name that is not found.
pub fn remarks(trunks: &[Trunk], name_servers: &[SocketAddr]) -> Vec<String> {
    let named: Vec<(&Trunk, &TrunkHost)> =
        trunks.iter().filter_map(|trunk| Some((trunk, trunk.host.as_ref()?))).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let look = async {
        let finder = match Finder::new(name_servers) {
            Ok(finder) => finder,
            Err(error) => return vec![format!("sip.name_servers: no name server can be used: {error}")],
        };
        let (mut remarks, mut rng) = (Vec::new(), Rng::from_number(0));
        for (trunk, host) in named {
            let found = finder.find(host, &[], &mut rng);
            match tokio::time::timeout(CHECK_PATIENCE, found).await {
                Ok(Ok((targets, _))) => remarks.extend(targets.iter().filter_map(|target| stranger(trunk, target))),
                Ok(Err(error)) => remarks.push(not_found(trunk, &error.to_string())),
                Err(_) => remarks.push(not_found(trunk, "no response in time")),
            }
        }
        remarks
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(look),
        Err(error) => vec![format!("the names of trunks are not checked: {error}")],
    }
}

fn not_found(trunk: &Trunk, why: &str) -> String {
    format!("trunk {}: the name in its uri is not found: {why}; expected: a name that DNS has", trunk.name)
}

fn stranger(trunk: &Trunk, target: &Target) -> Option<String> {
    let address = target.address.ip();
    let known = trunk.peers.iter().any(|peer| peer.contains(address));
    let wrong = format!("trunk {}: the name in its uri has the address {address}, which is not in peers", trunk.name);
    (!known).then(|| format!("{wrong}: calls from there are rejected; expected: every address of the trunk in peers"))
}

/// The tasks that update the loop's list of trunks' servers.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<AbortHandle>);

impl Followers {
    /// Starts one task for each trunk with a name.
    pub(super) fn new(trunks: &[Trunk], name_servers: &[SocketAddr], loop_sender: &LoopSender) -> Self {
        let mut followers = Self::default();
        followers.follow(trunks, name_servers, loop_sender);
        followers
    }

    /// Starts one task for each trunk with a name, and stops the former tasks.
    pub(super) fn follow(&mut self, trunks: &[Trunk], name_servers: &[SocketAddr], loop_sender: &LoopSender) {
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
            self.0.push(tokio::spawn(follow(finder.clone(), trunk.clone(), loop_sender.clone(), rng)).abort_handle());
        }
    }
}

/// Sends the loop a trunk's servers after each resolution. Ends with the loop.
async fn follow(finder: Finder, trunk: Trunk, loop_sender: LoopSender, mut rng: Rng) {
    let Some(host) = &trunk.host else { return };
    let mut known = Vec::new();
    loop {
        let wait = match finder.find(host, &known, &mut rng).await {
            Ok((targets, valid)) => {
                known.clone_from(&targets);
                tracing::debug!(trunk = trunk.name, host = host.name, ?targets, "the trunk's servers");
                if !loop_sender.tell(Inbound::Targets { trunk: trunk.name.clone(), targets }).await {
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
