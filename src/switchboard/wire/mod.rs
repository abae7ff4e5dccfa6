//! SIP transactions, and the leg that each belongs to.

pub(in crate::switchboard) mod clients;
pub(in crate::switchboard) mod connections;
pub(in crate::switchboard) mod lookups;
pub(in crate::switchboard) mod outgoing;
pub(in crate::switchboard) mod past_dialogs;
pub(in crate::switchboard) mod read;
pub(in crate::switchboard) mod replies;
pub(in crate::switchboard) mod requests;
pub(in crate::switchboard) mod taken;
pub(in crate::switchboard) mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::counted::Map;
use crate::ids::CallId;
use crate::sip::dialog::DialogKey;
use crate::sip::flow::ConnectionId;
use crate::sip::transaction::{ClientId, Event, ServerId, Transactions};
use crate::switchboard::ids::{MergeKey, Who};
use crate::switchboard::settings::Settings;

/// SIP transactions, and what of them belongs to which leg.
#[derive(Debug)]
pub(in crate::switchboard) struct Wire {
    pub(in crate::switchboard) settings: Arc<Settings>,
    pub(in crate::switchboard) transactions: Transactions,
    pub(in crate::switchboard) clients: crate::switchboard::wire::clients::Clients,
    pub(in crate::switchboard) dialogs: Map<DialogKey, Who>,
    /// Dialogs that are over, for those who would replace them.
    pub(in crate::switchboard) past: crate::switchboard::wire::past_dialogs::Past,
    /// INVITEs that have no final response yet.
    pub(in crate::switchboard) invites: Map<ServerId, Who>,
    pub(in crate::switchboard) merged: Map<MergeKey, CallId>,
    /// Callers' legs by the connection that they go over.
    pub(in crate::switchboard) streams: Map<ConnectionId, BTreeSet<CallId>>,
    pub(in crate::switchboard) ways_back: crate::switchboard::wire::connections::WaysBack,
    pub(in crate::switchboard) closed: crate::switchboard::wire::connections::Closed,
    /// Requests whose final response may ask for another try.
    pub(in crate::switchboard) retries: Map<ClientId, crate::switchboard::wire::requests::Asked>,
    pub(in crate::switchboard) lookups: crate::switchboard::wire::lookups::Lookups,
    pub(in crate::switchboard) events: Vec<Event>,
}

impl Wire {
    pub(in crate::switchboard) fn new(settings: Arc<Settings>) -> Self {
        Self {
            transactions: Transactions::with_max(settings.guard.transactions_max),
            settings,
            clients: crate::switchboard::wire::clients::Clients::default(),
            dialogs: Map::new(),
            past: crate::switchboard::wire::past_dialogs::Past::default(),
            invites: Map::new(),
            merged: Map::new(),
            streams: Map::new(),
            ways_back: BTreeMap::new(),
            closed: crate::switchboard::wire::connections::Closed::default(),
            retries: Map::new(),
            lookups: crate::switchboard::wire::lookups::Lookups::default(),
            events: Vec::new(),
        }
    }
}
