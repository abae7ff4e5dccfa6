//! Converts the configuration to the switchboard's settings.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::acd;
use crate::acd::section::{Answer, Login, Waiting};
use crate::media::command::Prompt;
use crate::switchboard::{AnswerMode, Settings, SrtpOffer};

use super::{Config, SrtpName};

impl Config {
    /// The settings of the switchboard.
    pub fn switchboard(&self) -> Settings {
        let queue = &self.queue;
        Settings {
            number: self.site.number.clone(),
            domain: self.sip.domain.clone(),
            listeners: self.sip.listeners.clone(),
            trunks: self.trunks.clone(),
            calls_max: self.calls_max(),
            media_addresses: self.media.advertised.clone(),
            phone_media: self.media.phones.clone(),
            srtp: match self.media.srtp {
                SrtpName::Off => SrtpOffer::Never,
                SrtpName::Offer => SrtpOffer::UnderTls,
                SrtpName::Require => SrtpOffer::Always,
            },
            answer: match queue.answer {
                Answer::Operator => AnswerMode::Operator,
                Answer::Queue => AnswerMode::Queue,
            },
            ring: Duration::from_secs(queue.ring_seconds),
            announce_each: Some(Duration::from_secs(queue.announce_seconds)).filter(|each| !each.is_zero()),
            waiting: match queue.waiting {
                Waiting::Ringback => Prompt::HoldTone,
                Waiting::Music => Prompt::Music,
            },
            silent: self.silent.clone(),
            requeue_on_operator_lost: queue.requeue_on_operator_lost,
            silence_ends_call: queue.silence_seconds > 0,
            long_call: Duration::from_secs(queue.long_call_seconds),
            fallback_number: queue.fallback_number.clone(),
            fallback_ring: Duration::from_secs(queue.fallback_ring_seconds),
            agencies: self.agencies.clone(),
            categories: self.categories.clone(),
            callers: self.callers.clone(),
            posture: self.posture.terms.clone(),
            record: self.recording.enabled,
            feature_codes: self.features.clone(),
            break_reasons: self.operators.break_reasons.clone(),
            last_ready_text: self.operators.last_ready_text.clone(),
            wrap_up_extension: Duration::from_secs(queue.wrap_up_extension_seconds),
            supervisors: self.supervisors.clone(),
            expires_min: self.sip.expires_min,
            expires_default: self.sip.expires_default,
            expires_max: self.sip.expires_max,
            binding_keep_alive: self.sip.keep_alive,
            digest: self.sip.digest.clone(),
            nonce_life: self.sip.nonce_life,
            reliable_when_supported: self.sip.reliable_when_supported,
            session_seconds: self.sip.session_seconds,
            server_header: self.sip.server_header.clone(),
            names: BTreeMap::new(),
            desks: self.desks.1.clone(),
            guard: self.guard.clone(),
            acd: acd::Settings {
                wrap_up: queue.wrap_up(),
                incident_wrap_up: self.posture.incident_wrap_up,
                rest: queue.rest(),
                unanswered_max: queue.unanswered_max,
                fallback_retry: queue.fallback_retry(),
                none_ready: queue.none_ready(),
                login_on_register: match self.operators.login {
                    Login::OnRegister => true,
                    Login::Explicit => false,
                },
                plan: self.rostered.plan.clone(),
                desks: self.desks.0.clone(),
            },
        }
    }
}
