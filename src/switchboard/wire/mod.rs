//! SIP transactions, dialogs and connections, with the leg of each.

pub(in crate::switchboard) mod call_connections;
pub(in crate::switchboard) mod clients;
pub(in crate::switchboard) mod connections;
pub(in crate::switchboard) mod incoming_request;
pub(in crate::switchboard) mod lookups;
pub(in crate::switchboard) mod outgoing;
pub(in crate::switchboard) mod past_dialogs;
pub(in crate::switchboard) mod past_requests;
pub(in crate::switchboard) mod read;
pub(in crate::switchboard) mod replies;
pub(in crate::switchboard) mod requests;
pub(in crate::switchboard) mod text;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::counted::Map;
use crate::ids::CallId;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::{ConnectionId, Flow, Transmit};
use crate::sip::transaction::{ClientId, Event, ServerId, Transactions};
use crate::sip::wire::{Message, Method};
use crate::switchboard::ids::{LegRef, MergeKey};
use crate::switchboard::settings::{SessionSettings, Settings, Site, Trunk};
use crate::switchboard::step::Step;
use crate::switchboard::wire::clients::{Purpose, RetryableRequest};

/// The settings of this part and of sessions.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct WireConfig {
    pub(in crate::switchboard) site: Site,
    pub(in crate::switchboard) trunks: Vec<Trunk>,
    pub(in crate::switchboard) session: SessionSettings,
}

impl WireConfig {
    fn of(settings: &Settings) -> Self {
        Self { site: settings.site.clone(), trunks: settings.trunks.clone(), session: settings.session }
    }
}

/// SIP transactions, dialogs and connections, with the leg of each.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Wire {
    #[serde(skip)]
    pub(in crate::switchboard) settings: WireConfig,
    pub(in crate::switchboard) transactions: Transactions,
    pub(in crate::switchboard) clients: clients::Clients,
    pub(in crate::switchboard) dialogs: Map<DialogKey, LegRef>,
    /// Dialogs that have ended; an INVITE with Replaces for one of them gets 603.
    pub(in crate::switchboard) past: past_dialogs::EndedDialogs,
    /// Received INVITEs without a final response.
    pub(in crate::switchboard) invites: Map<ServerId, LegRef>,
    pub(in crate::switchboard) merged: Map<MergeKey, CallId>,
    /// Calls by the connection of the caller's leg.
    pub(in crate::switchboard) streams: Map<ConnectionId, BTreeSet<CallId>>,
    pub(in crate::switchboard) ways_back: call_connections::WaysBack,
    pub(in crate::switchboard) closed: call_connections::Closed,
    /// Requests that may be repeated after a challenge or a 422.
    pub(in crate::switchboard) retries: Map<ClientId, RetryableRequest>,
    pub(in crate::switchboard) lookups: lookups::Lookups,
    pub(in crate::switchboard) events: Vec<Event>,
}

impl Wire {
    /// Applies new settings.
    pub(in crate::switchboard) fn configure(&mut self, settings: &Settings) {
        self.settings = WireConfig::of(settings);
    }

    pub(in crate::switchboard) fn new(settings: &Settings) -> Self {
        Self {
            transactions: Transactions::with_max(settings.guard.transactions_max),
            settings: WireConfig::of(settings),
            clients: clients::Clients::default(),
            dialogs: Map::new(),
            past: past_dialogs::EndedDialogs::default(),
            invites: Map::new(),
            merged: Map::new(),
            streams: Map::new(),
            ways_back: BTreeMap::new(),
            closed: call_connections::Closed::default(),
            retries: Map::new(),
            lookups: lookups::Lookups::default(),
            events: Vec::new(),
        }
    }

    /// Sends a response. A final response ends the transaction.
    pub(in crate::switchboard) fn respond(&mut self, step: &mut Step, server: ServerId, status: u16, bytes: Bytes) {
        self.transactions.respond(step.now.mono, server, status, bytes, &mut step.out.transmits);
    }

    /// Sends a request. Returns None if no transaction is free.
    pub(in crate::switchboard) fn request(
        &mut self,
        step: &mut Step,
        flow: Flow,
        method: Method,
        branch: &str,
        bytes: Bytes,
    ) -> Option<ClientId> {
        self.transactions.send(step.now.mono, flow, method, branch, bytes, &mut step.out.transmits)
    }

    /// Sends the CANCEL of an outgoing INVITE, after its first provisional response (RFC 3261 §9.1).
    pub(in crate::switchboard) fn cancel(&mut self, step: &mut Step, client: ClientId, reason: Option<Bytes>) {
        self.transactions.cancel(step.now.mono, client, reason, &mut step.out.transmits);
    }

    /// Repeats an outgoing request.
    pub(in crate::switchboard) fn resend(&mut self, step: &mut Step, client: ClientId) {
        self.transactions.resend(client, &mut step.out.transmits);
    }

    /// True if the request is a repetition. The last response of its transaction is then sent again.
    pub(in crate::switchboard) fn repeats(&mut self, step: &mut Step, message: &Message<'_>) -> bool {
        self.transactions.repeats(message, &mut step.out.transmits)
    }

    /// Drops the transaction of an outgoing request; its purpose stays.
    pub(in crate::switchboard) fn drop_transaction(&mut self, client: ClientId) {
        self.transactions.forget(client);
    }

    /// Drops the transaction of an outgoing INVITE; further 2xx responses are acknowledged with `ack`.
    pub(in crate::switchboard) fn drop_with(&mut self, client: ClientId, ack: Transmit) {
        self.transactions.drop_with(client, ack);
    }

    /// The To tag of the responses to a request.
    pub(in crate::switchboard) fn to_tag(&self, server: ServerId) -> Option<Vec<u8>> {
        self.transactions.to_tag(server)
    }

    /// The flow from which a request came.
    pub(in crate::switchboard) fn flow_of(&self, server: ServerId) -> Option<Flow> {
        self.transactions.flow_of(server)
    }

    /// The last response to a request.
    pub(in crate::switchboard) fn answer_of(&self, server: ServerId) -> Option<Bytes> {
        self.transactions.answer_of(server)
    }

    /// The INVITE that a CANCEL is for (RFC 3261 §9.2).
    pub(in crate::switchboard) fn invite_of(&mut self, cancel: &Message<'_>) -> Option<ServerId> {
        self.transactions.invite_of(cancel)
    }

    /// The number of open transactions.
    pub(in crate::switchboard) fn transactions_open(&self) -> usize {
        self.transactions.len()
    }

    /// Stores the purpose of an outgoing request.
    pub(in crate::switchboard) fn expect(&mut self, client: ClientId, purpose: Purpose) {
        self.clients.insert(client, purpose);
    }

    /// The purpose of an outgoing request.
    pub(in crate::switchboard) fn purpose(&self, client: &ClientId) -> Option<&Purpose> {
        self.clients.get(client)
    }

    /// Removes and returns the purpose of an outgoing request.
    pub(in crate::switchboard) fn take_purpose(&mut self, client: &ClientId) -> Option<Purpose> {
        self.clients.remove(client)
    }

    /// The leg of a dialog.
    pub(in crate::switchboard) fn leg_in(&self, key: &DialogKey) -> Option<LegRef> {
        self.dialogs.get(key).copied()
    }

    pub(in crate::switchboard) fn has_dialog(&self, key: &DialogKey) -> bool {
        self.dialogs.contains_key(key)
    }

    /// Stores the leg of a dialog.
    pub(in crate::switchboard) fn bind(&mut self, key: DialogKey, who: LegRef) {
        self.dialogs.insert(key, who);
    }

    /// The leg of an INVITE without a final response.
    pub(in crate::switchboard) fn leg_of_invite(&self, server: &ServerId) -> Option<LegRef> {
        self.invites.get(server).copied()
    }

    /// Stores the leg of an INVITE until its final response.
    pub(in crate::switchboard) fn await_final(&mut self, server: ServerId, who: LegRef) {
        self.invites.insert(server, who);
    }

    /// Removes an INVITE that has got its final response.
    pub(in crate::switchboard) fn invite_over(&mut self, server: &ServerId) {
        self.invites.remove(server);
    }

    /// True if another copy of this INVITE has become a call (RFC 3261 §8.2.2.2).
    pub(in crate::switchboard) fn has_call(&self, key: &MergeKey) -> bool {
        self.merged.contains_key(key)
    }

    pub(in crate::switchboard) fn note_call(&mut self, key: MergeKey, call: CallId) {
        self.merged.insert(key, call);
    }

    pub(in crate::switchboard) fn drop_call(&mut self, key: &MergeKey) {
        self.merged.remove(key);
    }

    /// Stores an outgoing request that may be repeated with credentials or a longer session interval.
    pub(in crate::switchboard) fn may_retry(&mut self, client: ClientId, asked: RetryableRequest) {
        self.retries.insert(client, asked);
    }

    pub(in crate::switchboard) fn take_retry(&mut self, client: &ClientId) -> Option<RetryableRequest> {
        self.retries.remove(client)
    }
}
