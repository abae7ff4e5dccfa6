//! Calls to siaga itself: operators' feature codes and test calls.

use crate::switchboard::admission::door::ALLOW;
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::service_call::{Feature, ServiceCall};
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::step::Step;
use crate::switchboard::wire::taken::Taken;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::ids::OperatorId;
use crate::media::command::{Command, Prompt};
use crate::sip::dialog::Dialog;
use crate::sip::location::session_description;
use crate::sip::message::Stencil;
use crate::sip::offer_answer;
use crate::sip::sdp::SdpError;
use crate::sip::wire::Name;

/// Maximum duration of a service call.
const PHONE_CALL_MAX: Duration = Duration::from_secs(15);
/// Maximum number of service calls; further ones get 503 with Retry-After.
const PHONE_CALLS_MAX: usize = 1_000;

/// Maximum number of service calls of one account: a phone may still hear the last tone when its user dials the next
/// code.
const PHONE_CALLS_PER_ACCOUNT_MAX: usize = 2;

impl Calls {
    /// Answers a feature code with the confirmation tone if it was carried out, otherwise with the rejection tone.
    pub(in crate::switchboard) fn confirm(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        account: OperatorId,
        done: bool,
    ) {
        self.serve(net, step, taken, Some(account), if done { Prompt::Confirm } else { Prompt::Refused });
    }

    /// Carries out a feature code. Returns false for an unknown operator or break reason, or without a wrap-up to
    /// prolong.
    pub(in crate::switchboard) fn carry_out(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        operator: &OperatorId,
        feature: Feature,
    ) -> bool {
        let now = step.now;
        match feature {
            Feature::LogIn => self.logs_in(net, now, operator).is_ok(),
            Feature::LogOut => self.logs_out(net, now, operator).is_ok(),
            Feature::Pause(nth) => {
                let reasons = &self.settings.break_reasons;
                let reason = match nth {
                    None => reasons.first().map(String::as_str).or(Some("phone")),
                    Some(nth) => nth.checked_sub(1).and_then(|nth| reasons.get(nth)).map(String::as_str),
                };
                let reason = reason.map(str::to_owned);
                reason.is_some_and(|reason| self.pauses(step, operator, &reason).is_ok())
            }
            Feature::Resume => self.acd.resume(now, operator).is_ok(),
            Feature::WrapUp => {
                let by = self.settings.wrap_up_extension;
                self.acd.extend_wrap_up(now, operator, by).unwrap_or(false)
            }
        }
    }

    /// Handles a test call (`urn:service:test.sos`): siaga answers, plays the confirmation and hangs up. It is never
    /// queued and never an emergency call.
    pub(in crate::switchboard) fn test_call(&mut self, net: &mut NetworkParts, step: &mut Step, taken: &Taken<'_, '_>) {
        self.serve(net, step, taken, None, Prompt::Confirm);
    }

    /// The status that rejects another service call: 486 if the account has its maximum, 503 if the service has its
    /// maximum or conversations need the ports. None if it is accepted.
    fn rejects_service_call(&self, net: &NetworkParts, account: Option<&OperatorId>, peer: IpAddr) -> Option<u16> {
        if account.is_some_and(|account| self.service_calls.of(account) >= PHONE_CALLS_PER_ACCOUNT_MAX) {
            return Some(486);
        }
        let has_port = self.has_pair_to_spare(net, self.settings.family_towards(peer));
        (self.services.len() >= PHONE_CALLS_MAX || !has_port).then_some(503)
    }

    /// Checks that the service calls of each account are counted.
    pub(in crate::switchboard) fn verify_service_calls(&self) -> Result<(), String> {
        let live = self.services.iter().filter_map(|(phone, call)| Some((call.account.clone()?, *phone)));
        let counted = self.service_calls.of.iter();
        let counted = counted.flat_map(|(account, all)| all.iter().map(|phone| (account.clone(), *phone)));
        if live.collect::<BTreeSet<_>>() != counted.collect::<BTreeSet<_>>() {
            return Err("the service calls of the accounts are not those that are counted".to_owned());
        }
        Ok(())
    }

    /// Answers a service call and plays a prompt. Returns the number of the service call; None if it was rejected.
    pub(in crate::switchboard) fn serve(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        account: Option<OperatorId>,
        prompt: Prompt,
    ) -> Option<u64> {
        let now = step.now;
        if let Some(status) = self.rejects_service_call(net, account.as_ref(), taken.flow.remote.ip()) {
            match status {
                503 => net.wire.reply(step, taken, status, &[(Name::RetryAfter, b"5")]),
                _ => net.wire.reply(step, taken, status, &[]),
            }
            return None;
        }
        let tag = step.rng.token();
        let dialog = match Dialog::as_callee(taken.message, tag.as_str()) {
            Ok(dialog) => dialog,
            Err(fault) => {
                net.wire.reply(step, taken, fault.status, &[]);
                return None;
            }
        };
        self.service_calls.last += 1;
        let who = LegRef::Service(self.service_calls.last);
        let read =
            session_description(taken.message).ok_or(SdpError::NoAudio).and_then(|body| self.settings.read_offer(body));
        let offer = match read {
            Ok(offer) => offer,
            Err(why) => {
                net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())]);
                return None;
            }
        };
        let sender = taken.flow.remote.ip();
        let Some(mut media) = MediaSession::lend_for(&mut net.media, step, who, Some(&offer), sender) else {
            net.wire.reply(step, taken, 503, &[(Name::RetryAfter, b"5")]);
            return None;
        };
        let (body, agreed) = match offer_answer::answer(&offer, media.local(), None) {
            Ok(answer) => answer,
            Err(why) => {
                net.media.return_anchor(step, media.anchor());
                net.wire.reply(step, taken, 488, &[(Name::Warning, why.warning())]);
                return None;
            }
        };
        media.agree(agreed);
        let anchor = media.anchor();
        let contact = self.settings.contact(taken.flow);
        let bytes: Bytes = Stencil::of(taken.message, taken.flow)
            .response(200, Some(tag.as_str()))
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .body("application/sdp", &body)
            .encode();
        net.wire.respond(step, taken.server, 200, bytes.clone());
        net.wire.bind(dialog.key().clone(), who);
        let mut session = Session::of_answered(taken.flow, dialog, media);
        session.aim(net, step, who);
        session.await_ack(step, who, taken.invite(), bytes);
        let over_at = now.mono + PHONE_CALL_MAX;
        let phone = self.service_calls.last;
        self.service_calls.begins(account.clone(), phone);
        self.services.insert(self.service_calls.last, ServiceCall { session, account, over_at, entry: None });
        step.out.media.push(Command::Play { anchor, first: Some(prompt), then: None });
        step.alarms.insert(over_at, Alarm::PhoneOver(self.service_calls.last));
        Some(self.service_calls.last)
    }

    /// Hangs up when the prompt has ended, unless a PIN is being entered.
    pub(in crate::switchboard) fn phone_played(&mut self, net: &mut NetworkParts, step: &mut Step, phone: u64) {
        if self.services.get(&phone).is_some_and(|call| call.entry.is_none()) {
            self.end_phone(net, step, phone, true);
        }
    }

    /// Ends a service call, with a BYE if `bye` is true.
    pub(in crate::switchboard) fn end_phone(&mut self, net: &mut NetworkParts, step: &mut Step, phone: u64, bye: bool) {
        let who = LegRef::Service(phone);
        if !self.services.contains_key(&phone) {
            return;
        }
        if let Some(session) = self.session_mut(who) {
            if bye {
                session.bye(net, step, who);
            }
            session.stop_waiting_for_ack(step, who);
            session.close(net, step, who);
        }
        if let Some(gone) = self.services.remove(&phone) {
            step.alarms.remove(gone.over_at, Alarm::PhoneOver(phone));
            net.wire.forget_dialog(gone.session.dialog());
            self.service_calls.ends(gone.account, phone);
        }
    }
}
