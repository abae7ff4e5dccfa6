//! Feature codes: the functions that a phone requests by dialling a code.

use crate::acd::OperatingMode;
use crate::cdr::fact::{Class, Role};

/// The codes of supervisors. The name of an operator, or a position in the queue, may follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SupervisorCodes {
    /// Followed by an operator's name: listen, whisper, barge in, and take over.
    pub listen: String,
    pub whisper: String,
    pub barge: String,
    pub take_over: String,
    /// Picks up the first waiting call, or the call at the position that follows the code.
    pub pick_up: String,
    /// Sets the operating mode.
    pub modes: Vec<(String, OperatingMode)>,
}

/// The codes that operators dial: to change their state, to class a call, or to call back a caller. Some are followed
/// by the name of a party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureCodes {
    pub log_in: String,
    pub log_out: String,
    /// Followed by an operator's number, at a station: the operator logs in at the station.
    pub station: String,
    /// Followed by the number of a reason, from 1, for a break with this reason. Alone: with the first reason.
    pub pause: String,
    pub resume: String,
    /// Followed by the name of a colleague or an agency, as the target of a transfer: this party joins the call.
    pub conference: String,
    /// Extends the wrap-up.
    pub wrap_up: String,
    /// The code of each class. The code of a category may follow.
    pub classes: Vec<(String, Class)>,
    /// Calls the next number on the list of call-backs.
    pub call_back: String,
    /// Pressed by an operator in a call: asks the caller to press a digit if they cannot speak.
    pub silent_prompt: String,
    pub supervisors: SupervisorCodes,
}

/// How a supervisor takes part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Supervision {
    /// No party hears the supervisor.
    Listen,
    /// Only the operator hears the supervisor.
    Whisper,
    /// All parties hear the supervisor.
    Barge,
    /// The supervisor replaces the operator.
    TakeOver,
}

impl Supervision {
    /// All variants.
    pub const ALL: [Self; 4] = [Self::Listen, Self::Whisper, Self::Barge, Self::TakeOver];

    /// The name in facts and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Whisper => "whisper",
            Self::Barge => "barge",
            Self::TakeOver => "take-over",
        }
    }

    /// The supervisor's role besides the operator; None if the supervisor replaces the operator.
    pub(in crate::switchboard) const fn role(self) -> Option<Role> {
        match self {
            Self::Listen => Some(Role::Listener),
            Self::Whisper => Some(Role::Whisperer),
            Self::Barge => Some(Role::Barger),
            Self::TakeOver => None,
        }
    }
}

/// A function that a supervisor requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Errand {
    Supervise(Supervision),
    PickUp,
}

/// A change of the operator's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Feature {
    LogIn,
    LogOut,
    /// The number of the break reason, from 1; None for the default reason.
    Pause(Option<usize>),
    Resume,
    WrapUp,
}

/// The function that an operator requests by dialling a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum Wanted<'a> {
    /// Classes the operator's present or last call. The code of a category may follow.
    Class(Class, Option<&'a str>),
    CallBack,
    SilentPrompt,
    Mode(OperatingMode),
    /// A supervisor's request, and the operator's name or the position in the queue after the code.
    Supervise(Errand, &'a str),
    Change(Feature),
}

impl FeatureCodes {
    /// All codes.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let (accounts, calls) = (
            [&self.log_in, &self.log_out, &self.station, &self.pause, &self.resume, &self.wrap_up],
            [&self.call_back, &self.silent_prompt, &self.conference],
        );
        let of = &self.supervisors;
        let supervision = [&of.listen, &of.whisper, &of.barge, &of.take_over, &of.pick_up];
        let single = accounts.into_iter().chain(calls).chain(supervision);
        let classes = self.classes.iter().map(|(code, _)| code);
        single.chain(classes).chain(of.modes.iter().map(|(code, _)| code)).map(String::as_str)
    }

    /// The operator's number after the station code; None if another code was dialled.
    pub(in crate::switchboard) fn operator_at_station<'a>(&self, dialled: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(dialled.strip_prefix(self.station.as_bytes())?).ok()
    }

    /// The function that an operator requests; None if no code was dialled.
    pub(in crate::switchboard) fn wanted<'a>(&self, dialled: &'a [u8]) -> Option<Wanted<'a>> {
        let dialled = std::str::from_utf8(dialled).ok()?;
        let mut classes = self.classes.iter();
        if let Some((class, category)) =
            classes.find_map(|(code, class)| Some((*class, dialled.strip_prefix(code.as_str())?)))
        {
            return Some(Wanted::Class(class, Some(category).filter(|code| !code.is_empty())));
        }
        if dialled == self.call_back {
            return Some(Wanted::CallBack);
        }
        if dialled == self.silent_prompt {
            return Some(Wanted::SilentPrompt);
        }
        let mut modes = self.supervisors.modes.iter();
        if let Some((_, mode)) = modes.find(|(code, _)| code == dialled) {
            return Some(Wanted::Mode(*mode));
        }
        let supervision = self.supervisors.wanted(dialled);
        supervision.or_else(|| self.change(dialled).map(Wanted::Change))
    }

    fn change(&self, dialled: &str) -> Option<Feature> {
        if dialled == self.log_in {
            Some(Feature::LogIn)
        } else if dialled == self.log_out {
            Some(Feature::LogOut)
        } else if dialled == self.resume {
            Some(Feature::Resume)
        } else if dialled == self.wrap_up {
            Some(Feature::WrapUp)
        } else {
            match dialled.strip_prefix(self.pause.as_str())? {
                "" => Some(Feature::Pause(None)),
                digits if digits.len() <= 2 && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                    Some(Feature::Pause(digits.parse().ok()))
                }
                _ => None,
            }
        }
    }
}

impl SupervisorCodes {
    /// The function whose code a dialled number begins with. The longest matching code applies.
    fn wanted<'a>(&self, dialled: &'a str) -> Option<Wanted<'a>> {
        let errands = [
            (&self.listen, Errand::Supervise(Supervision::Listen)),
            (&self.whisper, Errand::Supervise(Supervision::Whisper)),
            (&self.barge, Errand::Supervise(Supervision::Barge)),
            (&self.take_over, Errand::Supervise(Supervision::TakeOver)),
            (&self.pick_up, Errand::PickUp),
        ];
        let fits = |(code, errand): (&String, Errand)| {
            let whose = dialled.strip_prefix(code.as_str())?;
            (!code.is_empty()).then_some((code.len(), errand, whose))
        };
        let found = errands.into_iter().filter_map(fits).max_by_key(|(length, _, _)| *length);
        found.map(|(_, errand, whose)| Wanted::Supervise(errand, whose))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> FeatureCodes {
        let [log_in, log_out, pause, resume, wrap_up] = ["*11", "*12", "*13", "*14", "*15"].map(str::to_owned);
        let [listen, pick_up] = ["*21", "*2"].map(str::to_owned);
        FeatureCodes {
            log_in,
            log_out,
            pause,
            resume,
            wrap_up,
            station: "*17".to_owned(),
            conference: "*30".to_owned(),
            call_back: "*50".to_owned(),
            silent_prompt: "*16".to_owned(),
            classes: vec![("*43".to_owned(), Class::Prank)],
            supervisors: SupervisorCodes {
                listen,
                pick_up,
                modes: vec![("*61".to_owned(), OperatingMode::Drill)],
                ..SupervisorCodes::default()
            },
        }
    }

    #[test]
    fn a_pause_may_be_followed_by_the_number_of_its_reason() {
        for (dialled, feature) in [
            ("*11", Some(Feature::LogIn)),
            ("*12", Some(Feature::LogOut)),
            ("*13", Some(Feature::Pause(None))),
            ("*131", Some(Feature::Pause(Some(1)))),
            ("*1312", Some(Feature::Pause(Some(12)))),
            ("*13123", None),
            ("*13*", None),
            ("*14", Some(Feature::Resume)),
            ("*15", Some(Feature::WrapUp)),
            ("*151", None),
            ("budi", None),
        ] {
            assert_eq!(codes().wanted(dialled.as_bytes()), feature.map(Wanted::Change), "{dialled}");
        }
    }

    #[test]
    fn each_code_is_read_with_what_follows_it() {
        let supervise = Wanted::Supervise(Errand::Supervise(Supervision::Listen), "budi");
        for (dialled, wanted) in [
            ("*43", Some(Wanted::Class(Class::Prank, None))),
            ("*437", Some(Wanted::Class(Class::Prank, Some("7")))),
            ("*50", Some(Wanted::CallBack)),
            ("*501", None),
            ("*16", Some(Wanted::SilentPrompt)),
            ("*61", Some(Wanted::Mode(OperatingMode::Drill))),
            ("*21budi", Some(supervise)),
            ("*23", Some(Wanted::Supervise(Errand::PickUp, "3"))),
            ("*30", None),
        ] {
            assert_eq!(codes().wanted(dialled.as_bytes()), wanted, "{dialled}");
        }
        assert_eq!(codes().operator_at_station(b"*17sari"), Some("sari"));
        assert_eq!(codes().operator_at_station(b"sari"), None);
    }
}
