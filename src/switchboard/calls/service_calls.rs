//! Calls to siaga itself: operators' feature codes and test calls.

use crate::switchboard::admission::request_checks::ALLOW;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::state::service_call::ServiceCall;
use crate::switchboard::feature_codes::Feature;
use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::incoming_request::IncomingRequest;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::ids::OperatorId;
use crate::media::command::{Command, Prompt};
use crate::sip::dialog::Dialog;
use crate::sip::location::session_description;
use crate::sip::message::ResponseTemplate;
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
        taken: &IncomingRequest<'_, '_>,
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
            Feature::LogIn => self.log_in_operator(net, now, operator).is_ok(),
            Feature::LogOut => self.log_out_operator(net, now, operator).is_ok(),
            Feature::Pause(nth) => {
                let reasons = &self.settings.operators.break_reasons;
                let reason = match nth {
                    None => reasons.first().map(String::as_str).or(Some("phone")),
                    Some(nth) => nth.checked_sub(1).and_then(|nth| reasons.get(nth)).map(String::as_str),
                };
                let reason = reason.map(str::to_owned);
                reason.is_some_and(|reason| self.pauses(step, operator, &reason).is_ok())
            }
            Feature::Resume => self.acd.resume(now, operator).is_ok(),
            Feature::WrapUp => {
                let by = self.settings.operators.wrap_up_extension;
                self.acd.extend_wrap_up(now, operator, by).unwrap_or(false)
            }
        }
    }

    /// Handles a test call (`urn:service:test.sos`): siaga answers, plays the confirmation and hangs up. It is never
    /// queued and never an emergency call.
    pub(in crate::switchboard) fn test_call(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        taken: &IncomingRequest<'_, '_>,
    ) {
        self.serve(net, step, taken, None, Prompt::Confirm);
    }

    /// The status that rejects another service call: 486 if the account has its maximum, 503 if the service has its
    /// maximum or conversations need the ports. None if it is accepted.
    fn rejects_service_call(&self, net: &NetworkParts, account: Option<&OperatorId>, peer: IpAddr) -> Option<u16> {
        if account.is_some_and(|account| self.service_call_index.of(account) >= PHONE_CALLS_PER_ACCOUNT_MAX) {
            return Some(486);
        }
        let has_port = self.has_pair_to_spare(net, self.settings.media.family_towards(peer));
        (self.service_calls.len() >= PHONE_CALLS_MAX || !has_port).then_some(503)
    }

    /// Checks that the service calls of each account are counted.
    pub(in crate::switchboard) fn verify_service_calls(&self) -> Result<(), String> {
        let live =
            self.service_calls.iter().filter_map(|(service_call, call)| Some((call.account.clone()?, *service_call)));
        let counted = self.service_call_index.of.iter();
        let counted =
            counted.flat_map(|(account, all)| all.iter().map(|service_call| (account.clone(), *service_call)));
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
        taken: &IncomingRequest<'_, '_>,
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
        self.service_call_index.last += 1;
        let who = LegRef::Service(self.service_call_index.last);
        let read = session_description(taken.message)
            .ok_or(SdpError::NoAudio)
            .and_then(|body| self.settings.media.read_offer(body));
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
        let contact = self.settings.site.contact(taken.flow);
        let bytes: Bytes = ResponseTemplate::of(taken.message, taken.flow)
            .response(200, Some(tag.as_str()))
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, ALLOW)
            .body("application/sdp", &body)
            .encode();
        net.wire.respond(step, taken.server, 200, bytes.clone());
        net.wire.bind(dialog.key().clone(), who);
        let mut session = Session::of_answered(taken.flow, dialog, media);
        session.send_peer_address(net, step, who);
        session.await_ack(step, who, taken.invite(), bytes);
        let over_at = now.mono + PHONE_CALL_MAX;
        let service_call = self.service_call_index.last;
        self.service_call_index.begins(account.clone(), service_call);
        self.service_calls.insert(self.service_call_index.last, ServiceCall { session, account, over_at, entry: None });
        step.out.media.push(Command::Play { anchor, first: Some(prompt), then: None });
        step.timers.insert(over_at, TimerKind::ServiceCallOver(self.service_call_index.last));
        Some(self.service_call_index.last)
    }

    /// Hangs up when the prompt has ended, unless a PIN is being entered.
    pub(in crate::switchboard) fn prompt_played(&mut self, net: &mut NetworkParts, step: &mut Step, service_call: u64) {
        if self.service_calls.get(&service_call).is_some_and(|call| call.entry.is_none()) {
            self.end_service_call(net, step, service_call, true);
        }
    }

    /// Ends a service call, with a BYE if `bye` is true.
    pub(in crate::switchboard) fn end_service_call(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        service_call: u64,
        bye: bool,
    ) {
        let who = LegRef::Service(service_call);
        if !self.service_calls.contains_key(&service_call) {
            return;
        }
        if let Some(session) = self.session_mut(who) {
            if bye {
                session.bye(net, step, who);
            }
            session.stop_waiting_for_ack(step, who);
            session.close(net, step, who);
        }
        if let Some(gone) = self.service_calls.remove(&service_call) {
            step.timers.remove(gone.over_at, TimerKind::ServiceCallOver(service_call));
            net.wire.drop_dialog(gone.session.dialog());
            self.service_call_index.ends(gone.account, service_call);
        }
    }
}
