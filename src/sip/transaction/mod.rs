//! The four transactions of RFC 3261 §17 with the corrections of RFC 6026, for both directions, in one table.
//!
//! Owns retransmission, matching and absorption. Does not depend on dialogs, calls or the meaning of requests.

mod client;
mod hop;
mod key;
mod server;
mod sorted;
#[cfg(test)]
mod tests;
mod timers;
mod verify;

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use self::client::{Cancelling, Client, Expired, Step};
use self::key::{Key, KeyBuffer, Wanted};
use self::server::{Acknowledged, Server};
use super::flow::{Flow, Transmit};
use super::message::response_flow;
use super::wire::{self, Message, Method, Name, Parsed};
use crate::clock::{Deadlines, Instant};
use crate::limits::TRANSACTIONS_MAX;

/// A server transaction; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ServerId(u64);

/// A client transaction; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ClientId(u64);

/// The result of matching a request from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A new server transaction: the user responds soon with `respond`.
    New(ServerId),
    /// A new CANCEL (a separate server transaction, RFC 3261 §9.2), and its INVITE if that still exists.
    Cancel { cancel: ServerId, invite: Option<ServerId> },
    /// An ACK of a 2xx, for the dialog.
    Ack,
    /// A retransmission, or the ACK of a final response that is not a 2xx: nothing to do.
    Absorbed,
    /// `limits::TRANSACTIONS_MAX` is reached: respond 503 without state.
    Full,
}

/// The result of matching a response from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// For the user: provisional, final, or (RFC 6026) a repeated or further 2xx of an INVITE.
    ToUser(ClientId, Method),
    /// A repetition.
    Absorbed,
    /// Matches no client transaction, or is a 2xx to an INVITE that has failed (sent by a proxy that forks).
    Stray,
}

/// Events for the user from timers or the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Event {
    /// No final response in time (timers B, F): acts as 408 (RFC 3261 §8.1.3.1).
    Timeout(ClientId),
    /// The transport failed: acts as 503.
    TransportFailed(ClientId),
    /// A final response that is not a 2xx was never acknowledged (timer H).
    AckTimeout(ServerId),
}

/// The transaction of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
enum Owner {
    Client(ClientId),
    Server(ServerId),
}

/// The table of all transactions.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Transactions {
    #[serde(serialize_with = "sorted::serialize")]
    servers: HashMap<ServerId, Server>,
    #[serde(serialize_with = "sorted::serialize")]
    clients: HashMap<ClientId, Client>,
    #[serde(serialize_with = "sorted::serialize")]
    server_keys: HashMap<Key, ServerId>,
    #[serde(serialize_with = "sorted::serialize")]
    client_keys: HashMap<Key, ClientId>,
    /// Clients by flow, for the transport's failures.
    flows: BTreeSet<(Flow, ClientId)>,
    /// At most one for each transaction: the earliest of its timers.
    deadlines: Deadlines<Owner>,
    buffer: KeyBuffer,
    last_id: u64,
    max: usize,
    /// The most recent final response of all server transactions.
    answered: Option<(ServerId, Bytes)>,
}

impl Default for Transactions {
    fn default() -> Self {
        Self::with_max(TRANSACTIONS_MAX)
    }
}

impl Transactions {
    /// Creates a table with a limit of transactions.
    pub fn with_max(max: usize) -> Self {
        Self {
            servers: HashMap::new(),
            clients: HashMap::new(),
            server_keys: HashMap::new(),
            client_keys: HashMap::new(),
            flows: BTreeSet::new(),
            deadlines: Deadlines::default(),
            buffer: KeyBuffer::default(),
            last_id: 0,
            max,
            answered: None,
        }
    }

    /// Matches a request (RFC 3261 §17.2.3, with the RFC 2543 fall-back), and repeats the last response to retransmissions.
    pub fn receive_request(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message<'_>,
        out: &mut Vec<Transmit>,
    ) -> Received {
        if request.method() == Some(Method::Ack) {
            return self.receive_ack(now, request);
        }
        let (Some(method), Ok(via)) = (request.method(), request.via()) else { return Received::Absorbed };
        let Some(key) = self.buffer.server(request, Wanted::Own) else { return Received::Absorbed };
        if let Some(server) = self.server_keys.get(key).and_then(|id| self.servers.get(id)) {
            server.retransmitted(out);
            return Received::Absorbed;
        }
        if self.servers.len() + self.clients.len() >= self.max {
            return Received::Full;
        }
        let key = Key::from(key);
        self.last_id += 1;
        let id = ServerId(self.last_id);
        let server = Server::new(now, key.clone(), response_flow(flow, &via), method == Method::Invite);
        self.server_keys.insert(key, id);
        self.servers.insert(id, server);
        self.settle_server(id);
        if method == Method::Cancel {
            let invite = self.buffer.server(request, Wanted::Invite).and_then(|key| self.server_keys.get(key)).copied();
            return Received::Cancel { cancel: id, invite };
        }
        Received::New(id)
    }

    /// Repeats the last response to a retransmission. Returns false if the request belongs to no transaction.
    pub fn repeats(&mut self, request: &Message<'_>, out: &mut Vec<Transmit>) -> bool {
        let Some(key) = self.buffer.server(request, Wanted::Own) else { return false };
        let server = self.server_keys.get(key).and_then(|id| self.servers.get(id));
        server.inspect(|server| server.retransmitted(out)).is_some()
    }

    /// The INVITE of a CANCEL, while it exists.
    pub fn invite_of(&mut self, cancel: &Message<'_>) -> Option<ServerId> {
        self.buffer.server(cancel, Wanted::Invite).and_then(|key| self.server_keys.get(key)).copied()
    }

    /// The destination of the responses of a server transaction.
    pub fn flow_of(&self, id: ServerId) -> Option<Flow> {
        self.servers.get(&id).map(|server| server.flow)
    }

    /// Sends a response of the user. Returns false if the transaction has ended or has sent a final response before (a 2xx to an INVITE
    /// may be sent again: RFC 6026 §7.1, the user retransmits those).
    ///
    /// The user also sends the 100 (Trying) of an INVITE, at once: this layer sends none after 200 ms.
    pub fn respond(&mut self, now: Instant, id: ServerId, status: u16, bytes: Bytes, out: &mut Vec<Transmit>) -> bool {
        let Some(server) = self.servers.get_mut(&id) else { return false };
        let sent = server.respond(now, status, bytes.clone(), out);
        if sent && status >= 200 {
            self.answered = Some((id, bytes));
        }
        self.settle_server(id);
        sent
    }

    /// The final response of a server transaction, if it is the most recent of all.
    pub fn answer_of(&self, id: ServerId) -> Option<Bytes> {
        self.answered.as_ref().filter(|(answered, _)| *answered == id).map(|(_, response)| response.clone())
    }

    /// Sends a final response and keeps no state for it, as a stateless server does (RFC 3261 §8.2.7): for unknown peers, whose requests
    /// must not fill the table. Returns false if the transaction has ended or has sent a final response before.
    pub fn refuse(&mut self, now: Instant, id: ServerId, status: u16, bytes: Bytes, out: &mut Vec<Transmit>) -> bool {
        let Some(server) = self.servers.get_mut(&id) else { return false };
        let sent = server.respond(now, status, bytes, out);
        if sent {
            server.state = server::State::Terminated;
        }
        self.settle_server(id);
        sent
    }

    /// Sends a request that contains our Via with `branch` (not for the ACK to a 2xx, which has no transaction). The layer sends the ACK
    /// to a non-2xx itself (RFC 3261 §17.1.1.3). None if the table is full, or the branch is in use.
    pub fn send(
        &mut self,
        now: Instant,
        flow: Flow,
        method: Method,
        branch: &str,
        bytes: Bytes,
        out: &mut Vec<Transmit>,
    ) -> Option<ClientId> {
        let key = Key::from(self.buffer.client(branch.as_bytes(), method));
        self.start_client(now, key, flow, method, bytes, out)
    }

    /// Sends a request without a response once more, at once. Its timers continue.
    pub fn resend(&mut self, id: ClientId, out: &mut Vec<Transmit>) {
        if let Some(client) = self.clients.get(&id).filter(|client| client.is_unheard()) {
            out.push(Transmit { flow: client.flow, bytes: client.request.clone() });
        }
    }

    /// Builds and sends the CANCEL of an INVITE that has a provisional but no final response (RFC 3261 §9.1). Before the first provisional
    /// response it is postponed until that arrives. Returns false if it is too late. `reason` is the value of its Reason (RFC 3326 §2).
    ///
    /// Without a final response within 64*T1 after the CANCEL the INVITE ends with `Event::Timeout`.
    pub fn cancel(&mut self, now: Instant, invite: ClientId, reason: Option<Bytes>, out: &mut Vec<Transmit>) -> bool {
        let Some(client) = self.clients.get_mut(&invite) else { return false };
        client.reason = reason;
        match client.cancel(now) {
            Cancelling::Send => self.send_cancel(now, invite, out),
            Cancelling::Noted => {}
            Cancelling::TooLate => return false,
        }
        self.settle_client(invite);
        true
    }

    /// Matches a response (RFC 3261 §17.1.3). A response with a second Via is discarded (RFC 3261 §8.1.3.3).
    pub fn receive_response(&mut self, now: Instant, response: &Message<'_>, out: &mut Vec<Transmit>) -> Answered {
        let (Some(status), Ok(via), Ok(cseq)) = (response.status(), response.via(), response.cseq()) else {
            return Answered::Stray;
        };
        let Some(branch) = via.branch() else { return Answered::Stray };
        let Some(&id) = self.client_keys.get(self.buffer.client(&branch, cseq.method)) else { return Answered::Stray };
        let Some(client) = self.clients.get_mut(&id) else { return Answered::Stray };
        if response.list(Name::Via).nth(1).is_some() {
            return Answered::Stray;
        }
        let failed = matches!(client.state, client::State::InviteCompleted { .. });
        if failed && matches!(status, 200..=299) {
            return Answered::Stray;
        }
        let step = client.receive(now, status, response, out);
        // An answered INVITE needs an ACK and a BYE even if the user has abandoned it.
        let answered = client.method == Method::Invite && matches!(status, 200..=299);
        let last_ack = client.last_ack.clone().filter(|_| answered);
        let (reported, method) = (client.reported || answered && last_ack.is_none(), client.method);
        out.extend(last_ack);
        if step == Step::ToUserThenCancel {
            self.send_cancel(now, id, out);
        }
        self.settle_client(id);
        match step {
            Step::ToUser | Step::ToUserThenCancel if reported => Answered::ToUser(id, method),
            Step::Absorbed | Step::ToUser | Step::ToUserThenCancel => Answered::Absorbed,
        }
    }

    /// The peer of a flow cannot be reached. A closed connection ends the client transactions on it. An ICMP error, which may be forged,
    /// ends only requests without any response, and only if none arrives within a second (RFC 5927).
    pub fn transport_failed(&mut self, now: Instant, flow: Flow, events: &mut Vec<Event>) {
        let on_flow = (flow, ClientId(0))..=(flow, ClientId(u64::MAX));
        let ids: Vec<ClientId> = self.flows.range(on_flow).map(|&(_, id)| id).collect();
        for id in ids {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            if !flow.transport.is_reliable() {
                client.doubt(now);
            } else if client.transport_failed() && client.reported {
                events.push(Event::TransportFailed(id));
            }
            self.settle_client(id);
        }
    }

    /// True if a request of ours with this branch is in progress.
    pub fn is_under_way(&mut self, method: Method, branch: &[u8]) -> bool {
        self.client_keys.contains_key(self.buffer.client(branch, method))
    }

    /// Stops reporting events of a client transaction (it still absorbs and acknowledges). Only a 2xx to an INVITE is still reported,
    /// because only the user can acknowledge it.
    pub fn forget(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.reported = false;
        }
    }

    /// Ends a client transaction at once; its response no longer matches when it arrives. An INVITE stays, because its final response must
    /// be acknowledged.
    pub fn abandon(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id).filter(|client| client.method != Method::Invite) {
            client.state = client::State::Terminated;
            self.settle_client(id);
        }
    }

    /// Like `forget`, for a re-INVITE whose dialog ends before its final response: a late 2xx gets this ACK, however often it arrives (RFC
    /// 3261 §13.2.2.4).
    pub fn drop_with(&mut self, id: ClientId, ack: Transmit) {
        if let Some(client) = self.clients.get_mut(&id) {
            (client.reported, client.last_ack) = (false, Some(ack));
        }
    }

    /// The To tag of the last response in a server transaction, if it has one.
    pub fn to_tag(&self, id: ServerId) -> Option<Vec<u8>> {
        to_tag(self.servers.get(&id)?.said.as_ref()?)
    }

    /// Handles all due timers.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<Transmit>, events: &mut Vec<Event>) {
        while let Some((_, owner)) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Server(id) => self.expire_server(now, id, out, events),
                Owner::Client(id) => self.expire_client(now, id, out, events),
            }
        }
    }

    /// The next time at which `expire` must run.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// True if no transaction would retransmit: every request of ours has its final response (except those for which `ignored` returns
    /// true), and every rejected INVITE has its ACK.
    pub fn is_settled(&self, ignored: impl Fn(ClientId) -> bool) -> bool {
        let clients = self.clients.iter().all(|(id, client)| !client.is_waiting() || ignored(*id));
        clients && self.servers.values().all(|server| !server.is_waiting())
    }

    /// Number of transactions.
    pub fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// True if there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.clients.is_empty()
    }

    fn receive_ack(&mut self, now: Instant, ack: &Message<'_>) -> Received {
        let id = if key::is_legacy(ack) { self.legacy_acknowledged(ack) } else { self.acknowledged(ack) };
        let Some(server) = id.and_then(|id| self.servers.get_mut(&id)) else { return Received::Ack };
        let fate = server.acknowledge(now);
        if let Some(id) = id {
            self.settle_server(id);
        }
        match fate {
            Acknowledged::Absorbed => Received::Absorbed,
            Acknowledged::ToUser => Received::Ack,
        }
    }

    fn acknowledged(&mut self, ack: &Message<'_>) -> Option<ServerId> {
        self.server_keys.get(self.buffer.server(ack, Wanted::Invite)?).copied()
    }

    /// An ACK of RFC 2543 has the To tag of our response: the INVITE had none, or the same one (RFC 3261 §17.2.3).
    fn legacy_acknowledged(&mut self, ack: &Message<'_>) -> Option<ServerId> {
        let to = ack.to().ok()?;
        let tag = to.tag();
        for of_invite in [None, tag.as_deref()] {
            let key = self.buffer.legacy(ack, Wanted::Invite, of_invite)?;
            let Some(&id) = self.server_keys.get(key) else { continue };
            let sent = self.servers.get(&id).and_then(Server::unacknowledged);
            if sent.is_none_or(|response| to_tag(response).as_deref() == tag.as_deref()) {
                return Some(id);
            }
        }
        None
    }

    fn start_client(
        &mut self,
        now: Instant,
        key: Key,
        flow: Flow,
        method: Method,
        bytes: Bytes,
        out: &mut Vec<Transmit>,
    ) -> Option<ClientId> {
        if self.len() >= self.max || self.client_keys.contains_key(&key) {
            return None;
        }
        self.last_id += 1;
        let id = ClientId(self.last_id);
        out.push(Transmit { flow, bytes: bytes.clone() });
        self.client_keys.insert(key.clone(), id);
        self.flows.insert((flow, id));
        self.clients.insert(id, Client::new(now, key, flow, method, bytes));
        self.settle_client(id);
        Some(id)
    }

    /// Sends the CANCEL of a client INVITE in a separate transaction whose events are not reported. If the table is full, it is sent once
    /// without a transaction.
    fn send_cancel(&mut self, now: Instant, invite: ClientId, out: &mut Vec<Transmit>) {
        let Some(client) = self.clients.get(&invite) else { return };
        let (flow, Some(bytes)) = (client.flow, hop::cancel(&client.request, client.reason.as_deref())) else { return };
        let key = KeyBuffer::cancel_of(&client.key);
        match self.start_client(now, key, flow, Method::Cancel, bytes.clone(), out) {
            Some(id) => self.forget(id),
            None => out.push(Transmit { flow, bytes }),
        }
    }

    fn expire_server(&mut self, now: Instant, id: ServerId, out: &mut Vec<Transmit>, events: &mut Vec<Event>) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        server.armed = None;
        if server.expire(now, out) {
            events.push(Event::AckTimeout(id));
        }
        self.settle_server(id);
    }

    fn expire_client(&mut self, now: Instant, id: ClientId, out: &mut Vec<Transmit>, events: &mut Vec<Event>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.armed = None;
        match client.expire(now, out) {
            Expired::Quietly => {}
            Expired::Timeout => {
                if client.reported {
                    events.push(Event::Timeout(id));
                }
            }
            Expired::Unreachable => {
                if client.reported {
                    events.push(Event::TransportFailed(id));
                }
            }
            Expired::Cancel => self.send_cancel(now, id, out),
        }
        self.settle_client(id);
    }

    /// Updates a server transaction's deadline, or removes an ended transaction.
    fn settle_server(&mut self, id: ServerId) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let next = server.deadline();
        rearm(&mut self.deadlines, Owner::Server(id), &mut server.armed, next);
        if server.state == server::State::Terminated
            && let Some(server) = self.servers.remove(&id)
        {
            self.server_keys.remove(&server.key);
        }
    }

    /// Updates a client transaction's deadline, or removes an ended transaction.
    fn settle_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let next = client.deadline();
        rearm(&mut self.deadlines, Owner::Client(id), &mut client.armed, next);
        if client.state == client::State::Terminated
            && let Some(client) = self.clients.remove(&id)
        {
            self.client_keys.remove(&client.key);
            self.flows.remove(&(client.flow, id));
        }
    }
}

fn rearm(deadlines: &mut Deadlines<Owner>, owner: Owner, armed: &mut Option<Instant>, next: Option<Instant>) {
    if *armed == next {
        return;
    }
    if let Some(at) = *armed {
        deadlines.remove(at, owner);
    }
    if let Some(at) = next {
        deadlines.insert(at, owner);
    }
    *armed = next;
}

/// The To tag of a response that we have sent.
fn to_tag(response: &[u8]) -> Option<Vec<u8>> {
    match wire::parse(response) {
        Parsed::Good(message) | Parsed::Bad(message, _) => Some(message.to().ok()?.tag()?.into_owned()),
        Parsed::KeepAlive | Parsed::Garbage(_) => None,
    }
}
