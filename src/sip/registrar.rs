//! The registrar (RFC 3261 §10): addresses of record and their bindings. Checks no credentials.

mod binding;
mod contact;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::binding::{Binding, Reach};
use self::contact::{Contact, Contacts};
use super::flow::Flow;
use super::guard::source_network;
use super::wire::{Fault, Message, Name};
use crate::clock::{Deadlines, Instant, Now};
use crate::limits::BINDINGS_PER_AOR_MAX;

/// How much a binding is needed, which decides the one that a new binding replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Its phone rings or talks: the binding is never replaced.
    InUse,
    Idle,
    /// Its phone does not respond: the binding is replaced first.
    Unreachable,
}

/// Bindings of phones that have moved: the old one and the new one.
pub type Moves = Vec<(Binding, Binding)>;

/// Removed bindings, each with the URI of the Contact that has replaced it.
type Replaced = Vec<(Binding, Bytes)>;

/// The result of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// 200 with these Contact values (`<uri>;expires=N`). `was` and `is`: whether the user had, and has, a binding. `moved`: the old and
    /// the new binding of phones whose flow or Contact has changed.
    Done { contacts: Vec<Vec<u8>>, was: bool, is: bool, moved: Moves },
    /// 423 with Min-Expires (seconds).
    TooBrief { min_expires: u32 },
    /// Another final status (400, 403, 500 for a CSeq out of order).
    Refused(Fault),
}

/// The bindings of one user, best first, and the deadline for the first expiry.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Record {
    bindings: Vec<Binding>,
    armed: Option<Instant>,
}

impl Record {
    fn unreachable(&self) -> usize {
        self.bindings.iter().filter(|binding| binding.reach.unreachable).count()
    }
}

/// All bindings. The key is the operator's user name instead of an AoR, because siaga serves one domain.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Registrar {
    min: Duration,
    default: Duration,
    max: Duration,
    records: BTreeMap<Arc<str>, Record>,
    deadlines: Deadlines<Arc<str>>,
    /// Users by stream flow, for streams that close.
    streams: BTreeSet<(Flow, Arc<str>)>,
    /// Number of bindings by the network and address from which they were registered.
    sources: BTreeMap<(IpAddr, IpAddr, u16), usize>,
    /// Users by the address from which a binding was registered, and by the one in its Contact.
    hosts: BTreeSet<(IpAddr, Arc<str>)>,
    /// Users whose bindings have changed since `take_changed`.
    changed: BTreeSet<Arc<str>>,
    /// Users with a binding that was marked as unreachable, or whose mark was removed.
    remarked: BTreeSet<Arc<str>>,
    /// Number of bindings, and number of those that count as unreachable.
    total: usize,
    unreachable: usize,
}

impl Registrar {
    /// Expiry is limited to `min` and `max`; `default` applies if the phone requests none.
    pub fn new(min: Duration, default: Duration, max: Duration) -> Self {
        Self {
            min,
            default,
            max,
            records: BTreeMap::new(),
            deadlines: Deadlines::default(),
            streams: BTreeSet::new(),
            sources: BTreeMap::new(),
            hosts: BTreeSet::new(),
            changed: BTreeSet::new(),
            remarked: BTreeSet::new(),
            total: 0,
            unreachable: 0,
        }
    }

    /// Applies new limits to the next REGISTER of each phone. The bindings keep their expiry.
    pub fn configure(&mut self, min: Duration, default: Duration, max: Duration) {
        (self.min, self.default, self.max) = (min, default, max);
    }

    /// Carries out one authenticated REGISTER, all or nothing (RFC 3261 §10.3 steps 6-8). If the user already has the maximum number of
    /// bindings, a new one replaces an unreachable one, else the one that was refreshed longest ago; never one that is in use.
    pub fn register(
        &mut self,
        now: Now,
        user: &str,
        request: &Message<'_>,
        flow: Flow,
        need: impl Fn(&Binding) -> Need,
    ) -> Registered {
        let now = now.mono;
        let old = self.bindings(user);
        let was = !old.is_empty();
        let live: Vec<Binding> = old.iter().filter(|binding| binding.expires_at > now).cloned().collect();
        let (new, left) = match self.carry_out(now, live, request, flow, need) {
            Ok(done) => done,
            Err(refusal) => return refusal,
        };
        let moves = |(old, uri): (Binding, Bytes)| {
            // The binding that the phone registers while it removes another one.
            let fresh = |binding: &&Binding| binding.flow == flow && binding.registered_at == now;
            let new = new.iter().find(|binding| binding.uri == uri).or_else(|| new.iter().find(fresh))?.clone();
            (new.flow != old.flow || new.uri != old.uri).then_some((old, new))
        };
        let moved = left.into_iter().filter_map(moves).collect();
        let contacts = new.iter().map(|binding| contact_value(now, binding)).collect();
        let is = !new.is_empty();
        self.replace(user, new);
        Registered::Done { contacts, was, is, moved }
    }

    /// Adds bindings of an earlier run, except those that a phone has replaced since then.
    pub fn restore(&mut self, user: &str, bindings: Vec<Binding>) {
        let mut all = self.bindings(user).to_vec();
        for binding in bindings {
            let known = |one: &Binding| one.flow == binding.flow || super::uri::equivalent(&one.uri, &binding.uri);
            if !all.iter().any(known) && all.len() < BINDINGS_PER_AOR_MAX {
                all.push(binding);
            }
        }
        all.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        self.replace(user, all);
    }

    /// Removes and returns the users whose bindings have changed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.changed)
    }

    /// Removes and returns the users with a binding that was marked as unreachable, or whose mark was removed, since the last call.
    pub fn take_reach_changes(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.remarked)
    }

    /// Users whose bindings have changed since `take_changed`.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.changed.iter().map(AsRef::as_ref)
    }

    /// Sets whether the phone of a binding responds. Returns false if there is no such binding. The last reachable binding of all stays
    /// reachable.
    pub fn set_reach(&mut self, user: &str, (uri, flow): (&[u8], Flow), mut reach: Reach) -> bool {
        let last = self.total - self.unreachable <= 1;
        let record = self.records.get_mut(user);
        let binding =
            record.and_then(|record| record.bindings.iter_mut().find(|one| one.uri == uri && one.flow == flow));
        let Some(binding) = binding else { return false };
        let was = binding.reach.unreachable;
        reach.unreachable &= was || !last;
        binding.reach = reach;
        self.unreachable = self.unreachable + usize::from(reach.unreachable) - usize::from(was);
        if reach.unreachable != was {
            self.remarked.extend(self.records.get_key_value(user).map(|(user, _)| Arc::clone(user)));
        }
        true
    }

    /// True if there are bindings and all of them count as unreachable.
    pub fn all_unreachable(&self) -> bool {
        self.total > 0 && self.total == self.unreachable
    }

    /// Makes all bindings reachable. Scans all of them, so it is for rare events.
    pub fn forgive_all(&mut self) {
        for (user, record) in &mut self.records {
            if record.unreachable() > 0 {
                self.remarked.insert(Arc::clone(user));
            }
            record.bindings.iter_mut().for_each(|binding| binding.reach = Reach::default());
        }
        self.unreachable = 0;
    }

    /// Number of bindings that count as unreachable.
    pub const fn unreachable(&self) -> usize {
        self.unreachable
    }

    /// Removes every binding of a user whose account was removed.
    pub fn remove(&mut self, user: &str) {
        self.replace(user, Vec::new());
    }

    /// Removes the bindings of a closed stream. Returns the users that have none left.
    pub fn flow_closed(&mut self, flow: Flow) -> Vec<String> {
        let on_flow = (flow, Arc::from(""))..;
        let users: Vec<Arc<str>> = self
            .streams
            .range(on_flow)
            .take_while(|(other, _)| *other == flow)
            .map(|(_, user)| Arc::clone(user))
            .collect();
        users.into_iter().filter_map(|user| self.keep(&user, |binding| binding.flow != flow)).collect()
    }

    /// Removes expired bindings. Returns the users that have none left.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        let mut gone = Vec::new();
        while let Some((_, user)) = self.deadlines.pop_due(now) {
            gone.extend(self.keep(&user, |binding| binding.expires_at > now));
        }
        gone
    }

    /// When the next binding expires.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Live bindings of a user, best q first, then latest.
    pub fn bindings(&self, user: &str) -> &[Binding] {
        self.records.get(user).map(|record| record.bindings.as_slice()).unwrap_or_default()
    }

    /// True if a phone of this network (`source_network`) is registered.
    pub fn has_binding_at(&self, address: IpAddr) -> bool {
        let network = source_network(address);
        let first = (network, IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        self.sources.range(first..).next().is_some_and(|((other, _, _), _)| *other == network)
    }

    /// True if a phone is registered from exactly this address and port.
    pub fn has_binding_from(&self, source: SocketAddr) -> bool {
        self.sources.contains_key(&source_key(source))
    }

    /// True if a user other than these has a binding that was registered from this address, or has it in its Contact.
    pub fn others_at(&self, address: IpAddr, is_own: impl Fn(&str) -> bool) -> bool {
        let address = address.to_canonical();
        let there = self.hosts.range((address, Arc::from(""))..).take_while(|(other, _)| *other == address);
        there.map(|(_, user)| user).any(|user| !is_own(user))
    }

    /// All users with a binding, in order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(AsRef::as_ref)
    }

    /// Number of users with a binding.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if there is no binding.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The user's bindings after the request.
    fn carry_out(
        &self,
        now: Instant,
        live: Vec<Binding>,
        request: &Message<'_>,
        flow: Flow,
        need: impl Fn(&Binding) -> Need,
    ) -> Result<(Vec<Binding>, Replaced), Registered> {
        let (call_id, cseq) = match (request.call_id(), request.cseq()) {
            (Ok(call_id), Ok(cseq)) => (call_id, cseq.number),
            (Err(fault), _) | (_, Err(fault)) => return Err(Registered::Refused(fault)),
        };
        let late = |binding: &Binding| binding.call_id == call_id && cseq <= binding.cseq;
        let contacts = match contact::read(request).map_err(Registered::Refused)? {
            Contacts::None => return Ok((live, Vec::new())),
            Contacts::All if live.iter().any(late) => return Err(out_of_order()),
            Contacts::All => return Ok((Vec::new(), Vec::new())),
            Contacts::Some(contacts) => contacts,
        };
        if contacts.iter().any(|contact| live.iter().any(|binding| contact.is_of(binding) && late(binding))) {
            return Err(out_of_order());
        }
        let user_agent = request.first(Name::UserAgent).map(contact::brief);
        let (mut old, mut new, mut moved) = (live, Vec::new(), Vec::new());
        for contact in contacts {
            let span = self.span(&contact)?;
            // A contact with expiry 0 removes only the binding that it names.
            let goes = |binding: &Binding| contact.is_of(binding) || (!span.is_zero() && contact.replaces(binding));
            let gone = |binding: &mut Binding| goes(binding);
            // If a phone removes a binding and registers another one in the same request, it has moved.
            let moves = |binding: &Binding| !span.is_zero() || binding.call_id == call_id;
            moved.extend(old.extract_if(.., gone).filter(moves).map(|binding| (binding, contact.uri.clone())));
            new.retain(|binding| !contact.is_of(binding));
            if span.is_zero() {
                continue;
            }
            let Contact { uri, instance, reg_id, q, .. } = contact;
            let (call_id, user_agent) = (Bytes::copy_from_slice(call_id), user_agent.clone());
            let (expires_at, registered_at, reach) = (now + span, now, Reach::default());
            let binding =
                Binding { uri, instance, reg_id, flow, q, expires_at, registered_at, call_id, cseq, user_agent, reach };
            new.insert(0, binding);
        }
        if new.len() > BINDINGS_PER_AOR_MAX {
            return Err(Registered::Refused(Fault { status: 403, why: "too many contacts" }));
        }
        while new.len() + old.len() > BINDINGS_PER_AOR_MAX {
            let last = |wanted: Need| {
                old.iter().enumerate().rev().filter(|(_, b)| need(b) == wanted).min_by_key(|(_, b)| b.registered_at)
            };
            let Some((at, _)) = last(Need::Unreachable).or_else(|| last(Need::Idle)) else {
                return Err(Registered::Refused(Fault { status: 403, why: "too many contacts" }));
            };
            old.remove(at);
        }
        new.extend(old);
        new.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        Ok((new, moved))
    }

    /// The duration of the binding; zero removes it.
    fn span(&self, contact: &Contact) -> Result<Duration, Registered> {
        let asked = contact.expires.map_or(self.default, |seconds| Duration::from_secs(seconds.into()));
        if asked.is_zero() || asked >= self.min {
            return Ok(asked.min(self.max));
        }
        Err(Registered::TooBrief { min_expires: whole_seconds(self.min) })
    }

    /// Keeps some of a user's bindings. Returns the user if none is left.
    fn keep(&mut self, user: &Arc<str>, wanted: impl Fn(&Binding) -> bool) -> Option<String> {
        let kept: Vec<Binding> = self.bindings(user).iter().filter(|binding| wanted(binding)).cloned().collect();
        let last = kept.is_empty() && self.records.contains_key(user);
        self.replace(user, kept);
        last.then(|| user.as_ref().to_owned())
    }

    /// Replaces a user's bindings, with their deadline and streams.
    fn replace(&mut self, user: &str, bindings: Vec<Binding>) {
        let user = match self.records.remove_entry(user) {
            Some((user, old)) => {
                if let Some(at) = old.armed {
                    self.deadlines.remove(at, Arc::clone(&user));
                }
                self.total -= old.bindings.len();
                self.unreachable -= old.unreachable();
                for binding in &old.bindings {
                    for host in hosts_of(binding) {
                        self.hosts.remove(&(host, Arc::clone(&user)));
                    }
                    self.streams.remove(&(binding.flow, Arc::clone(&user)));
                    let key = source_key(binding.flow.remote);
                    match self.sources.get_mut(&key) {
                        Some(count) if *count > 1 => *count -= 1,
                        Some(_) | None => drop(self.sources.remove(&key)),
                    }
                }
                user
            }
            None => Arc::from(user),
        };
        self.changed.insert(Arc::clone(&user));
        let Some(first) = bindings.iter().map(|binding| binding.expires_at).min() else { return };
        self.deadlines.insert(first, Arc::clone(&user));
        for binding in bindings.iter().filter(|binding| binding.flow.transport.is_reliable()) {
            self.streams.insert((binding.flow, Arc::clone(&user)));
        }
        for binding in &bindings {
            self.hosts.extend(hosts_of(binding).map(|host| (host, Arc::clone(&user))));
            *self.sources.entry(source_key(binding.flow.remote)).or_default() += 1;
        }
        let record = Record { bindings, armed: Some(first) };
        self.total += record.bindings.len();
        self.unreachable += record.unreachable();
        self.records.insert(user, record);
    }
}

impl Registrar {
    /// Checks the deadlines, indexes and counts. The error names the first one that is wrong.
    pub fn verify(&self) -> Result<(), String> {
        let all = || self.records.iter().flat_map(|(user, record)| record.bindings.iter().map(move |one| (user, one)));
        let streams = all().filter(|(_, binding)| binding.flow.transport.is_reliable());
        let streams: BTreeSet<_> = streams.map(|(user, binding)| (binding.flow, Arc::clone(user))).collect();
        let hosts: BTreeSet<_> =
            all().flat_map(|(user, binding)| hosts_of(binding).map(|host| (host, Arc::clone(user)))).collect();
        let mut sources: BTreeMap<(IpAddr, IpAddr, u16), usize> = BTreeMap::new();
        for (_, binding) in all() {
            *sources.entry(source_key(binding.flow.remote)).or_default() += 1;
        }
        if (&streams, &hosts, &sources) != (&self.streams, &self.hosts, &self.sources) {
            return Err("an index of bindings differs from them".to_owned());
        }
        let unreachable = self.records.values().map(Record::unreachable).sum::<usize>();
        if (self.total, self.unreachable) != (all().count(), unreachable) {
            return Err(format!("{} bindings are counted, and {} as unreachable", self.total, self.unreachable));
        }
        let is_armed = |(user, record): (&Arc<str>, &Record)| {
            let first = record.bindings.iter().map(|binding| binding.expires_at).min();
            first.is_some()
                && record.armed == first
                && first.is_some_and(|first| self.deadlines.contains(first, Arc::clone(user)))
        };
        match self.records.len() == self.deadlines.len() && self.records.iter().all(is_armed) {
            true => Ok(()),
            false => Err("the deadlines of bindings are not those of the users".to_owned()),
        }
    }
}

/// The address from which a binding was registered, and the one in its Contact.
fn hosts_of(binding: &Binding) -> impl Iterator<Item = IpAddr> {
    let contact = super::uri::Uri::parse(&binding.uri).ok().and_then(|uri| uri.socket_address());
    std::iter::once(binding.flow.remote.ip()).chain(contact.map(|end| end.ip())).map(|host| host.to_canonical())
}

fn source_key(source: SocketAddr) -> (IpAddr, IpAddr, u16) {
    (source_network(source.ip()), source.ip(), source.port())
}

fn out_of_order() -> Registered {
    Registered::Refused(Fault { status: 500, why: "CSeq out of order" })
}

/// `<uri>;expires=N`, with the parameters that identify the phone's flow.
fn contact_value(now: Instant, binding: &Binding) -> Vec<u8> {
    let mut value = [b"<", binding.uri.as_ref(), b">"].concat();
    if let Some(instance) = &binding.instance {
        value.extend_from_slice(b";+sip.instance=");
        value.extend_from_slice(instance);
    }
    if let Some(reg_id) = binding.reg_id {
        value.extend_from_slice(format!(";reg-id={reg_id}").as_bytes());
    }
    if binding.q < 1000 {
        value.extend_from_slice(format!(";q=0.{:03}", binding.q).as_bytes());
    }
    value.extend_from_slice(format!(";expires={}", whole_seconds(binding.expires_at.since(now))).as_bytes());
    value
}

/// Seconds, rounded up.
fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}
