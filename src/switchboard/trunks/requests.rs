//! Requests to trunks whose responses no leg waits for.

use bytes::Bytes;

use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::{Flow, Transmit};
use crate::sip::message::Builder;
use crate::sip::wire::{Message, Method, Name};
use crate::switchboard::ids::LegRef;
use crate::switchboard::step::Step;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;

impl Trunks {
    /// Sends a request whose response is not needed, except for a challenge, which is answered.
    #[expect(clippy::too_many_arguments, reason = "the parts of a request, each made by another step")]
    pub(in crate::switchboard) fn send_and_forget(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        who: LegRef,
        purpose: Purpose,
        method: Method,
        flow: Flow,
        branch: &str,
        (bytes, cseq): (Bytes, u32),
    ) {
        let sent = wire.request(step, flow, method, branch, bytes.clone());
        let Some(client) = sent else { return };
        match self.account_of_leg(who) {
            Some(account) => {
                wire.expect(client, purpose);
                wire.keep_with_account(client, Some(account), flow, bytes, cseq);
            }
            None => wire.drop_transaction(client),
        }
    }

    /// Sends this ACK and, if `hangs_up`, the BYE of its dialog.
    pub(in crate::switchboard) fn decline_over(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        who: LegRef,
        flow: Flow,
        (ack, hangs_up): (Builder, bool),
        mut dialog: Dialog,
    ) {
        let branch = format!("z9hG4bK{}", step.rng.token());
        let sent_by = self.settings.site.advertised(flow).to_owned();
        let bytes = ack.via(flow.transport, &sent_by, &branch).encode();
        step.out.transmits.push(Transmit { flow, bytes });
        if !hangs_up {
            return;
        }
        let branch = format!("z9hG4bK{}", step.rng.token());
        let (builder, cseq) = dialog.request(Method::Bye);
        let bytes = builder.via(flow.transport, &sent_by, &branch).encode();
        self.send_and_forget(wire, step, who, Purpose::Bye, Method::Bye, flow, &branch, (bytes, cseq));
    }

    pub(in crate::switchboard) fn send_prack(
        &mut self,
        wire: &mut Wire,
        step: &mut Step,
        (who, key): (LegRef, DialogKey),
        flow: Flow,
        (builder, number, rseq): (Builder, u32, u32),
        message: &Message<'_>,
    ) {
        let cseq = message.cseq().map_or(0, |cseq| cseq.number);
        let branch = format!("z9hG4bK{}", step.rng.token());
        let rack = format!("{rseq} {cseq} INVITE");
        let bytes = builder
            .header(Name::RAck, rack.as_bytes())
            .via(flow.transport, self.settings.site.advertised(flow), &branch)
            .encode();
        self.send_and_forget(wire, step, who, Purpose::Prack(who, key), Method::Prack, flow, &branch, (bytes, number));
    }
}
