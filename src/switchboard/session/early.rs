//! Early dialogs of an outgoing INVITE (RFC 3261 §12.1.2), and the reliable provisional responses in them
//! (RFC 3262 §4).

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::state::early::Early;
use crate::switchboard::session::state::timer::Agreement;
use crate::switchboard::step::Step;

use crate::limits::EARLY_DIALOGS_MAX;
use crate::sip::dialog::Dialog;
use crate::sip::offer_answer::Agreed;
use crate::sip::reliable::{self, Heard, Order};
use crate::sip::wire::{Fault, Message, Method};

impl Session {
    /// True if the leg has early dialogs.
    pub(in crate::switchboard) fn has_early_dialogs(&self) -> bool {
        !self.early.is_empty()
    }

    /// Handles a provisional response of a phone to the INVITE with this From and CSeq: stores its early dialog, and
    /// acknowledges it if it is reliable (RFC 3262 §4). Returns false if it must be ignored: it is a repetition, or out
    /// of order.
    pub(in crate::switchboard) fn early_response(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        (from, cseq): (&[u8], u32),
        message: &Message<'_>,
    ) -> bool {
        let rseq = reliable::rseq(message);
        let Ok(dialog) = Dialog::as_caller(from, cseq, message) else { return rseq.is_none() };
        let key = dialog.key().clone();
        if key.remote_tag.is_empty() {
            return rseq.is_none();
        }
        if !self.early.contains_key(&key) {
            if self.early.len() >= EARLY_DIALOGS_MAX {
                return rseq.is_none();
            }
            self.early.insert(key.clone(), Early { dialog, order: Order::default(), agreed: None, previewed: None });
            net.wire.bind(key.clone(), leg);
        }
        let answer = self.answer_in(message);
        let Some(early) = self.early.get_mut(&key) else { return false };
        let Some(rseq) = rseq else {
            early.previewed = early.previewed.or(answer);
            return true;
        };
        match early.order.take(rseq) {
            Heard::New => {}
            Heard::Again | Heard::TooEarly => return false,
        }
        early.agreed = early.agreed.or(answer);
        let (builder, number) = early.dialog.request(Method::Prack);
        let flow = self.route.flow_in(&early.dialog);
        net.trunks.send_prack(&mut net.wire, step, (leg, key), flow, (builder, number, rseq), message);
        true
    }

    /// The negotiated session if a 2xx confirms this dialog. After a reliable answer, SDP in the 2xx is ignored
    /// (RFC 6337 §2.2). If the 2xx has no SDP, an earlier response, reliable or not, has the answer. Some gateways
    /// change the To tag in between: then the only SDP of all early dialogs is used if it came from the same Contact,
    /// since otherwise an answered leg would be ended.
    pub(in crate::switchboard) fn agreed_by(&self, dialog: &Dialog, answer: &Message<'_>) -> Option<Agreed> {
        let early = self.early.get(dialog.key());
        let reliably = early.and_then(|early| early.agreed);
        let described = reliably.or_else(|| self.answer_in(answer)).or_else(|| early?.previewed);
        described.or_else(|| self.only_description_from(dialog.target()))
    }

    /// The negotiated session of the only early dialog with SDP, if its Contact is this one.
    fn only_description_from(&self, target: &[u8]) -> Option<Agreed> {
        let mut described = self.early.values().filter_map(|one| Some((&one.dialog, one.agreed.or(one.previewed)?)));
        match (described.next(), described.next()) {
            (Some((dialog, agreed)), None) if dialog.target() == target => Some(agreed),
            _ => None,
        }
    }

    /// The dialog that this response to the INVITE with this From and CSeq belongs to or creates.
    pub(in crate::switchboard) fn dialog_of(
        &self,
        (from, cseq): (&[u8], u32),
        message: &Message<'_>,
    ) -> Result<Dialog, Fault> {
        let dialog = Dialog::as_caller(from, cseq, message)?;
        Ok(match self.early.get(dialog.key()) {
            Some(early) => dialog.after(&early.dialog),
            None => dialog,
        })
    }

    /// Confirms the dialog of the 2xx that was agreed, and starts its session timer. The ACK is sent.
    pub(in crate::switchboard) fn confirm(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        leg: LegRef,
        (dialog, cseq, agreed): (Dialog, u32, Agreed),
        answer: &Message<'_>,
    ) {
        net.wire.bind(dialog.key().clone(), leg);
        self.dialog = Some(dialog);
        self.read_allow(answer);
        if let Some(media) = &mut self.media {
            media.agree(agreed);
        }
        self.look_up(net, step, leg);
        self.ack(net, step, cseq);
        self.begin_timer(step, leg, Agreement::of_answer(answer));
    }

    /// Removes the early dialogs, except the one that has been confirmed.
    pub(in crate::switchboard) fn drop_early(&mut self, net: &mut NetworkParts) {
        let early = std::mem::take(&mut self.early);
        let confirmed = self.dialog.as_ref().map(Dialog::key);
        for key in early.keys().filter(|key| Some(*key) != confirmed) {
            net.wire.dialogs.remove(key);
        }
    }
}
