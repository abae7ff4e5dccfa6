//! Repetitions of texts in calls before their final response, and the invariants of all texts.

use crate::limits::TEXTS_MAX;
use crate::sip::dialog::DialogKey;
use crate::sip::message::ResponseTemplate;
use crate::sip::transaction::ClientId;
use crate::sip::wire::Method;
use crate::switchboard::ids::TextId;
use crate::switchboard::messages::Messages;
use crate::switchboard::messages::texts::{Asker, REPEATS_MAX};
use crate::switchboard::network::NetworkParts;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::incoming_request::IncomingRequest;

impl Messages {
    /// Handles a repetition of the last request in a dialog before its final response. A text gets the same response
    /// later; returns false for any other request.
    pub(in crate::switchboard) fn text_repeats(&mut self, taken: &IncomingRequest<'_, '_>, key: &DialogKey) -> bool {
        let cseq = taken.message.cseq().ok().filter(|cseq| cseq.method == Method::Message).map(|cseq| cseq.number);
        let id = self.texts.by_dialog.get(key).copied();
        let text = id.and_then(|id| self.texts.all.get_mut(&id)).filter(|text| text.repeats.len() < REPEATS_MAX);
        let Some(text) = text.filter(|text| cseq.is_some() && text.sender.as_ref().map(|(_, of)| *of) == cseq) else {
            return false;
        };
        text.repeats.push(Asker { server: taken.server, stencil: ResponseTemplate::of(taken.message, taken.flow) });
        true
    }

    /// Checks that every text has a pending request, and every pending MESSAGE has its text.
    pub(in crate::switchboard) fn verify_texts(&self, net: &NetworkParts) -> Result<(), String> {
        let waits =
            |id: &TextId, client: &ClientId| self.texts.all.get(id).is_some_and(|text| text.asked.contains_key(client));
        let mut under_way = 0;
        for (client, purpose) in net.wire.clients.iter() {
            if let Purpose::Message(id) = purpose {
                under_way += 1;
                if !waits(id, client) {
                    return Err(format!("a MESSAGE is under way for {id:?}, which does not wait for it"));
                }
            }
        }
        let asked: usize = self.texts.all.values().map(|text| text.asked.len()).sum();
        if asked != under_way || self.texts.all.len() > TEXTS_MAX || self.texts.all.values().any(|t| t.asked.is_empty())
        {
            return Err(format!("{} texts wait for {asked} answers, {under_way} are under way", self.texts.all.len()));
        }
        let sent_in = |(key, id): (&DialogKey, &TextId)| {
            let sender = self.texts.all.get(id).and_then(|text| text.sender.as_ref());
            sender.is_some_and(|(of, _)| of == key)
        };
        if !self.texts.by_dialog.iter().all(sent_in) {
            return Err("a dialog names a text that is not its own".to_owned());
        }
        Ok(())
    }
}
