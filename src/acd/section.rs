//! The configuration sections of the queue, the shifts and the operators. `faults` checks the values and returns all errors at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::desk::Strategy;
use crate::limits::ESCALATION_STEPS_MAX;

/// When the trunk's INVITE gets its 200.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// When the operator answers; waiting callers hear early media (183).
    #[default]
    Operator,
    /// At once.
    Queue,
}

/// What callers hear between announcements while they wait or are on hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// The ringing tone.
    #[default]
    Ringback,
    /// A file in the folder of the prompts.
    Music,
}

/// When an operator counts as logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// A registered operator is logged in.
    #[default]
    OnRegister,
    /// The operator logs in by feature code or console.
    Explicit,
}

/// An invalid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionFault {
    /// The key within its section.
    pub key: &'static str,
    /// The invalid value.
    pub found: String,
    /// The expected value.
    pub expected: &'static str,
}

/// `[queue]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueSection {
    /// `"operator"`: the trunk gets a 200 when the operator answers; waiting callers hear early media. `"queue"`: 200 at once.
    pub answer: Answer,
    /// Interval, in seconds (10 to 600), at which a waiting caller hears the position and the estimated waiting time; 0: never.
    pub announce_seconds: u64,
    /// `"ringback"` or `"music"`: what callers hear between announcements while they wait or are on hold.
    pub waiting: Waiting,
    /// If an answered caller stays silent for this long, siaga plays the press-a-digit prompt, in seconds (5 to 60); 0:
    /// only if the operator requests it.
    pub silent_prompt_seconds: u64,
    /// Target time of the desk's service level, for reports and metrics, in seconds (0 to 3600). Absent: that of `[report]`.
    pub service_level_seconds: Option<u64>,
    /// Target share of calls that are answered within this time, in per cent (1 to 100). Absent: that of `[report]`.
    pub service_level_percent: Option<u8>,
    /// Duration of one ring attempt before the next operator is rung, in seconds (1 to 300).
    pub ring_seconds: u64,
    /// Time after a call in which its operator is rung for no other call, in seconds (0 to 3600).
    pub wrap_up_seconds: u64,
    /// Time by which the feature code extends a wrap-up, in seconds (1 to 3600).
    pub wrap_up_extension_seconds: u64,
    /// Rest of an operator after an unanswered ring attempt, in seconds (1 to 600).
    pub rest_seconds: u64,
    /// Number of consecutive unanswered ring attempts after which the operator is set on a break, unless every other
    /// operator is on a break or not at work; 0: never.
    pub unanswered_max: u32,
    /// Which operators the queue rings first, and how many at once.
    pub strategy: Strategy,
    /// With `"ring-progressively"`: the time after which one more operator rings, in seconds (1 to 300).
    pub progress_seconds: u64,
    /// Steps that offer the calls to additional desks over time.
    pub escalation: Vec<EscalationStep>,
    /// Priority among the desks: calls with lower numbers are served first, then earlier calls.
    pub priority: u8,
    /// The operators who take the calls, with their levels; lower levels are rung first. Absent: all operators.
    pub operators: Option<BTreeMap<String, u8>>,
    /// True: if the operator's leg is lost, the caller returns to the former place in the queue. False: the call ends.
    pub requeue_on_operator_lost: bool,
    /// A party that sends no RTP for this long gets OPTIONS, in seconds. Its call or leg ends only if it does not
    /// respond. 0: silence ends no call.
    pub silence_seconds: u64,
    pub long_call_seconds: u64,
    /// The number that the fallback calls if no phone answers. Absent: none.
    pub fallback_number: Option<String>,
    /// How long the fallback rings all phones, and then how long it rings the number, in seconds each (1 to 300).
    pub fallback_ring_seconds: u64,
    /// Time that a call waits after a failed fallback before the fallback starts again, in seconds (1 to 600).
    pub fallback_retry_seconds: u64,
    /// Seconds (1 to 600) after which a waiting call rings operators on a break, while no operator of its desks is ready or rung.
    pub none_ready_seconds: u64,
}

impl Default for QueueSection {
    fn default() -> Self {
        Self {
            answer: Answer::Operator,
            announce_seconds: 0,
            waiting: Waiting::Ringback,
            silent_prompt_seconds: 0,
            service_level_seconds: None,
            service_level_percent: None,
            ring_seconds: 15,
            wrap_up_seconds: 30,
            wrap_up_extension_seconds: 60,
            rest_seconds: 10,
            unanswered_max: 0,
            strategy: Strategy::LongestIdle,
            progress_seconds: PROGRESS_SECONDS,
            escalation: Vec::new(),
            priority: 0,
            operators: None,
            requeue_on_operator_lost: true,
            silence_seconds: 60,
            long_call_seconds: 21_600,
            fallback_number: None,
            fallback_ring_seconds: 30,
            fallback_retry_seconds: 10,
            none_ready_seconds: 15,
        }
    }
}

impl QueueSection {
    /// All invalid values in the section.
    pub fn faults(&self) -> Vec<SectionFault> {
        let mut faults = Vec::new();
        let mut within = |key, value: u64, low: u64, high: u64, expected| {
            if !(low..=high).contains(&value) {
                faults.push(SectionFault { key, found: value.to_string(), expected });
            }
        };
        if self.announce_seconds > 0 {
            within("announce_seconds", self.announce_seconds, 10, 600, "10 to 600 seconds, or 0: never");
        }
        if self.silent_prompt_seconds > 0 {
            within("silent_prompt_seconds", self.silent_prompt_seconds, 5, 60, "5 to 60 seconds, or 0: never");
        }
        within("ring_seconds", self.ring_seconds, 1, 300, "1 to 300 seconds");
        within("progress_seconds", self.progress_seconds, 1, 300, "1 to 300 seconds");
        within("wrap_up_seconds", self.wrap_up_seconds, 0, 3600, "0 to 3600 seconds");
        within("wrap_up_extension_seconds", self.wrap_up_extension_seconds, 1, 3600, "1 to 3600 seconds");
        within("rest_seconds", self.rest_seconds, 1, 600, "1 to 600 seconds");
        within("long_call_seconds", self.long_call_seconds, 600, 604_800, "600 to 604800 seconds");
        within("silence_seconds", self.silence_seconds, 0, 86_400, "0 (never) to 86400 seconds");
        within("fallback_ring_seconds", self.fallback_ring_seconds, 1, 300, "1 to 300 seconds");
        within("fallback_retry_seconds", self.fallback_retry_seconds, 1, 600, "1 to 600 seconds");
        within("none_ready_seconds", self.none_ready_seconds, 1, 600, "1 to 600 seconds");
        faults.extend(escalation_faults(&self.escalation));
        if let Some(number) = &self.fallback_number
            && !is_dialable(number)
        {
            faults.push(SectionFault {
                key: "fallback_number",
                found: number.clone(),
                expected: "3 to 20 digits, with or without a leading +",
            });
        }
        faults
    }

    /// `wrap_up_seconds` as a duration.
    pub const fn wrap_up(&self) -> Duration {
        Duration::from_secs(self.wrap_up_seconds)
    }

    /// `rest_seconds` as a duration.
    pub const fn rest(&self) -> Duration {
        Duration::from_secs(self.rest_seconds)
    }

    /// `none_ready_seconds` as a duration.
    pub const fn none_ready(&self) -> Duration {
        Duration::from_secs(self.none_ready_seconds)
    }

    /// `fallback_retry_seconds` as a duration.
    pub const fn fallback_retry(&self) -> Duration {
        Duration::from_secs(self.fallback_retry_seconds)
    }
}

/// The default text for the last ready operator who pauses.
const LAST_READY_TEXT: &str =
    "Anda operator terakhir yang siap: panggilan yang menunggu akan tetap masuk ke telepon Anda.";

/// Default of `progress_seconds`.
const PROGRESS_SECONDS: u64 = 5;

/// One step of an escalation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalationStep {
    /// Time after a call's arrival at which the step takes effect, in seconds (1 to 3600).
    pub after_seconds: u64,
    /// Names of additional desks. Empty, or absent without `number`: all operators.
    pub to: Option<Vec<String>>,
    /// An outside number that is rung as well, while the call keeps its place.
    pub number: Option<String>,
}

/// Errors of an escalation that do not depend on the other desks.
fn escalation_faults(steps: &[EscalationStep]) -> Vec<SectionFault> {
    let mut faults = Vec::new();
    let mut fault = |found: String, expected| faults.push(SectionFault { key: "escalation", found, expected });
    if steps.len() > ESCALATION_STEPS_MAX {
        fault(format!("{} steps", steps.len()), "at most 8 steps");
    }
    for step in steps.iter().filter(|step| !(1..=3600).contains(&step.after_seconds)) {
        fault(format!("after_seconds = {}", step.after_seconds), "1 to 3600 seconds");
    }
    for number in steps.iter().filter_map(|step| step.number.as_ref()).filter(|number| !is_dialable(number)) {
        fault(format!("number = {number}"), "3 to 20 digits, with or without a leading +");
    }
    if !steps.is_sorted_by(|a, b| a.after_seconds < b.after_seconds) {
        fault("steps out of order".to_owned(), "each step later than the one before");
    }
    faults
}

/// One `[[desk]]`: a group of calls, with the operators who take them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeskSection {
    pub name: String,
    /// Services whose calls belong to this desk: `fire` stands for `urn:service:sos.fire` and all services below it (RFC 5031).
    pub services: Vec<String>,
    /// Dialled numbers whose calls belong to this desk, in addition to the site's numbers: `113`.
    pub numbers: Vec<String>,
    /// Priority among all calls: lower numbers are served first, then earlier calls.
    pub priority: u8,
    /// Which operators the desk rings first, and how many at once.
    pub strategy: Strategy,
    /// With `"ring-progressively"`: the time after which one more operator rings, in seconds (1 to 300).
    pub progress_seconds: u64,
    /// The operators who take the calls, with their levels; lower levels are rung first. Absent: all operators.
    pub operators: Option<BTreeMap<String, u8>>,
    /// Target time of the desk's service level, for reports and metrics, in seconds (0 to 3600). Absent: that of `[report]`.
    pub service_level_seconds: Option<u64>,
    /// Target share of calls that are answered within this time, in per cent (1 to 100). Absent: that of `[report]`.
    pub service_level_percent: Option<u8>,
    /// Time after which a waiting call is also offered to the `overflow` desks, in seconds (1 to 3600). Absent: never.
    pub overflow_seconds: Option<u64>,
    /// Number of waiting calls at which a new call overflows at once (1 to 10000). Absent: never.
    pub overflow_length: Option<usize>,
    /// Names of desks. Empty: all operators.
    pub overflow: Vec<String>,
    /// Steps that offer the calls to additional desks over time.
    pub escalation: Vec<EscalationStep>,
}

impl Default for DeskSection {
    fn default() -> Self {
        Self {
            name: String::new(),
            services: Vec::new(),
            numbers: Vec::new(),
            priority: 0,
            strategy: Strategy::default(),
            progress_seconds: PROGRESS_SECONDS,
            operators: None,
            service_level_seconds: None,
            service_level_percent: None,
            overflow_seconds: None,
            overflow_length: None,
            overflow: Vec::new(),
            escalation: Vec::new(),
        }
    }
}

impl DeskSection {
    /// Errors of the section that do not depend on other sections.
    pub fn faults(&self) -> Vec<SectionFault> {
        let mut faults = Vec::new();
        let mut fault = |key, found: String, expected| faults.push(SectionFault { key, found, expected });
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !word(&self.name) {
            fault("name", self.name.clone(), "a word: letters, digits, '-', '_', '.'");
        }
        for service in self.services.iter().filter(|service| !word(service)) {
            fault("services", service.clone(), "what follows urn:service:sos. : \"fire\", \"police\", \"ambulance\"");
        }
        for number in self.numbers.iter().filter(|number| !is_dialable(number)) {
            fault("numbers", number.clone(), "3 to 20 digits, with or without a leading +");
        }
        if self.services.is_empty() && self.numbers.is_empty() {
            fault("services", "nothing".to_owned(), "services or numbers whose calls are the desk's");
        }
        if let Some(seconds) = self.overflow_seconds.filter(|seconds| !(1..=3600).contains(seconds)) {
            fault("overflow_seconds", seconds.to_string(), "1 to 3600 seconds");
        }
        if let Some(length) = self.overflow_length.filter(|length| !(1..=10_000).contains(length)) {
            fault("overflow_length", length.to_string(), "1 to 10000 calls");
        }
        if !self.overflow.is_empty() && self.overflow_seconds.is_none() && self.overflow_length.is_none() {
            fault("overflow", self.overflow.join(", "), "overflow_seconds or overflow_length beside it");
        }
        if !(1..=300).contains(&self.progress_seconds) {
            fault("progress_seconds", self.progress_seconds.to_string(), "1 to 300 seconds");
        }
        faults.extend(escalation_faults(&self.escalation));
        faults
    }
}

/// One `[[shift]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftSection {
    /// The name by which the roster refers to the shift.
    pub name: String,
    /// Local time at which it starts, `HH:MM`.
    pub start: String,
    /// Local time at which it ends, `HH:MM`. If it is not later than `start`, the shift ends on the next day. `24:00` is midnight.
    pub end: String,
}

/// `[operators]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorsSection {
    /// `"on-register"`: a registered operator is logged in. `"explicit"`: the operator logs in by feature code or console.
    pub login: Login,
    /// Path of the roster (CSV with the header `operator,date,shift`). Absent: all operators have every shift.
    pub roster: Option<String>,
    /// Reasons for a break, in the order of the feature codes. Empty: any reason.
    pub break_reasons: Vec<String>,
    /// Text that is sent to the phone of the last ready operator who starts a break; empty: none.
    pub last_ready_text: String,
    /// Operators who may listen to, whisper into, barge in on and take over the calls of others.
    pub supervisors: Vec<String>,
    /// Path of the changes of the roster (the same columns): `leave`, `swap:NAME`, or one more shift.
    pub changes: Option<String>,
    /// Path of the decrees (CSV with the header `operator,decree,valid_from,valid_to`), which appoint operators for a time.
    pub decrees: Option<String>,
    /// Time for which the operators of a shift stay on shift after its end, in minutes (0 to 240).
    pub overlap_minutes: u64,
    /// `siaga check roster` reports times with fewer operators on shift.
    pub minimum_on_shift: usize,
}

impl Default for OperatorsSection {
    fn default() -> Self {
        Self {
            login: Login::default(),
            roster: None,
            break_reasons: Vec::new(),
            last_ready_text: LAST_READY_TEXT.to_owned(),
            supervisors: Vec::new(),
            changes: None,
            decrees: None,
            overlap_minutes: 0,
            minimum_on_shift: 1,
        }
    }
}

impl OperatorsSection {
    /// All invalid values in the section.
    pub fn faults(&self) -> Vec<SectionFault> {
        let mut faults = Vec::new();
        if self.last_ready_text.len() > 700 || self.last_ready_text.chars().any(char::is_control) {
            let (key, found) = ("last_ready_text", format!("{} bytes", self.last_ready_text.len()));
            faults.push(SectionFault { key, found, expected: "one line of at most 700 bytes, \"\": no text" });
        }
        let mut fault = |found, expected| faults.push(SectionFault { key: "break_reasons", found, expected });
        let word = |text: &str| (1..=32).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if self.break_reasons.len() > 99 {
            fault(format!("{} reasons", self.break_reasons.len()), "at most 99 reasons");
        }
        for (i, reason) in self.break_reasons.iter().enumerate() {
            if !word(reason) {
                fault(reason.clone(), "1 to 32 characters");
            } else if self.break_reasons.iter().take(i).any(|earlier| earlier == reason) {
                fault(reason.clone(), "each reason once");
            }
        }
        faults
    }
}

/// True if a trunk can call this number.
pub fn is_dialable(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    (3..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default_and_has_no_faults() {
        let queue: QueueSection = toml::from_str("").unwrap();
        assert_eq!(queue, QueueSection::default());
        assert_eq!(queue.faults(), []);
        let operators: OperatorsSection = toml::from_str("login = 'explicit'\nroster = 'roster.csv'").unwrap();
        assert_eq!(operators.login, Login::Explicit);
    }

    #[test]
    fn a_reason_of_a_break_stands_there_once_and_is_a_few_words() {
        let faults = |reasons: &[&str]| {
            let break_reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            OperatorsSection { break_reasons, ..OperatorsSection::default() }.faults().len()
        };
        assert_eq!((faults(&[]), faults(&["makan", "salat zuhur"])), (0, 0));
        assert_eq!(faults(&["makan", "", "makan", "a\nb", "x".repeat(33).as_str()]), 4);
        assert_eq!(
            faults(&(0..100).map(|n| n.to_string()).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>()),
            1
        );
    }

    #[test]
    fn all_faults_of_a_section_are_told_at_once() {
        let queue: QueueSection =
            toml::from_str("ring_seconds = 0\nrest_seconds = 9999\nfallback_number = '1 2'").unwrap();
        let keys: Vec<_> = queue.faults().iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["ring_seconds", "rest_seconds", "fallback_number"]);
    }

    #[test]
    fn all_faults_of_a_desk_are_told_at_once() {
        let desk: DeskSection = toml::from_str(
            "name = 'fire desk'\nservices = ['sos fire']\nnumbers = ['1-3']\noverflow_seconds = 0\noverflow_length = 0",
        )
        .unwrap();
        let keys: Vec<_> = desk.faults().iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["name", "services", "numbers", "overflow_seconds", "overflow_length"]);
        let empty: DeskSection = toml::from_str("name = 'fire'\noverflow = ['police']").unwrap();
        let keys: Vec<_> = empty.faults().iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["services", "overflow"], "it would get no call, and none would leave it");
    }

    #[test]
    fn the_steps_of_an_escalation_come_one_after_the_other() {
        let faults = |steps: &str| {
            let text = format!("name = 'fire'\nnumbers = ['113']\nprogress_seconds = 1\nescalation = [{steps}]");
            toml::from_str::<DeskSection>(&text)
                .unwrap()
                .faults()
                .into_iter()
                .map(|fault| fault.found)
                .collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(faults("{ after_seconds = 20, to = ['police'] }, { after_seconds = 40 }"), none);
        assert_eq!(faults("{ after_seconds = 40 }, { after_seconds = 40 }"), ["steps out of order"]);
        assert_eq!(faults("{ after_seconds = 9, number = '0725113' }"), none);
        assert_eq!(faults("{ after_seconds = 9, number = 'pmk' }"), ["number = pmk"]);
        assert_eq!(faults("{ after_seconds = 0 }"), ["after_seconds = 0"]);
        let nine = (1..10).map(|after| format!("{{ after_seconds = {after} }}")).collect::<Vec<_>>().join(", ");
        assert_eq!(faults(&nine), ["9 steps"]);
        assert!(toml::from_str::<DeskSection>("escalation = [{ to = [] }]").is_err(), "a step has its time");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<QueueSection>("ring_second = 3").is_err());
        assert!(toml::from_str::<ShiftSection>("name='day'\nstart='07:00'\nend='19:00'\ncolour='red'").is_err());
        assert!(toml::from_str::<OperatorsSection>("log_in = 'explicit'").is_err());
    }
}
