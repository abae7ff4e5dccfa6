//! Converts the configuration to the switchboard's settings.

use std::time::Duration;

use crate::acd;
use crate::acd::section::{Answer, Login, Waiting};
use crate::media::command::Prompt;
use crate::switchboard::{
    AnswerMode, CallSettings, FallbackSettings, MediaSettings, NumberPlan, OperatorSettings, PhoneSettings,
    SessionSettings, Settings, Site, SrtpOffer,
};

use super::{Config, SrtpName};

impl Config {
    /// The settings of the switchboard.
    pub fn switchboard(&self) -> Settings {
        let queue = &self.queue;
        Settings {
            site: Site {
                domain: self.sip.domain.clone(),
                listeners: self.sip.listeners.clone(),
                server_header: self.sip.server_header.clone(),
            },
            trunks: self.trunks.clone(),
            guard: self.guard.clone(),
            phones: PhoneSettings {
                expires_min: self.sip.expires_min,
                expires_default: self.sip.expires_default,
                expires_max: self.sip.expires_max,
                keep_alive: self.sip.keep_alive,
                digest: self.sip.digest.clone(),
                nonce_life: self.sip.nonce_life,
            },
            media: MediaSettings {
                addresses: self.media.advertised.clone(),
                phones: self.media.phones.clone(),
                srtp: match self.media.srtp {
                    SrtpName::Off => SrtpOffer::Never,
                    SrtpName::Offer => SrtpOffer::UnderTls,
                    SrtpName::Require => SrtpOffer::Always,
                },
                waiting: match queue.waiting {
                    Waiting::Ringback => Prompt::HoldTone,
                    Waiting::Music => Prompt::Music,
                },
            },
            session: SessionSettings {
                silence_ends_call: queue.silence_seconds > 0,
                reliable_when_supported: self.sip.reliable_when_supported,
                seconds: self.sip.session_seconds,
            },
            numbers: NumberPlan {
                emergency: self.site.number.clone(),
                desks: self.desks.1.clone(),
                agencies: self.agencies.clone(),
                categories: self.categories.clone(),
            },
            calls: self.call_settings(),
            fallback: FallbackSettings {
                number: queue.fallback_number.clone(),
                ring: Duration::from_secs(queue.fallback_ring_seconds),
            },
            callers: self.callers.clone(),
            operators: OperatorSettings {
                break_reasons: self.operators.break_reasons.clone(),
                last_ready_text: self.operators.last_ready_text.clone(),
                wrap_up_extension: Duration::from_secs(queue.wrap_up_extension_seconds),
                supervisors: self.supervisors.clone(),
            },
            mode: self.mode.terms.clone(),
            feature_codes: self.features.clone(),
            acd: self.acd_settings(),
        }
    }

    fn call_settings(&self) -> CallSettings {
        let queue = &self.queue;
        CallSettings {
            max: self.calls_max(),
            answer: match queue.answer {
                Answer::Operator => AnswerMode::Operator,
                Answer::Queue => AnswerMode::Queue,
            },
            ring: Duration::from_secs(queue.ring_seconds),
            announce_each: Some(Duration::from_secs(queue.announce_seconds)).filter(|each| !each.is_zero()),
            silent: self.silent.clone(),
            requeue_on_operator_lost: queue.requeue_on_operator_lost,
            long_call: Duration::from_secs(queue.long_call_seconds),
            record: self.recording.enabled,
        }
    }

    fn acd_settings(&self) -> acd::Settings {
        let queue = &self.queue;
        acd::Settings {
            wrap_up: queue.wrap_up(),
            incident_wrap_up: self.mode.incident_wrap_up,
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
        }
    }
}
