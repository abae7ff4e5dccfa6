//! The config sections of the queue, its shifts and its operators, as they stand in TOML. Values are checked together
//! with `faults`, so that every fault is told at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::desk::Strategy;
use crate::limits::ESCALATION_STEPS_MAX;

/// When the trunk's INVITE gets its 200.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// With the operator's; waiting callers hear early media (183).
    #[default]
    Operator,
    /// At once.
    Queue,
}

/// What callers who wait, or are on hold, hear beside announcements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// The tone of a phone that rings.
    #[default]
    Ringback,
    /// A file of the announcements' folder.
    Music,
}

/// When an operator counts as logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// A registered operator is logged in.
    #[default]
    OnRegister,
    /// He logs in by feature code or console.
    Explicit,
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionFault {
    /// The key within its section.
    pub key: &'static str,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub expected: &'static str,
}

/// `[queue]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueSection {
    /// `"operator"`: the trunk's 200 follows the operator's, waiting callers hear early media. `"queue"`: 200 at once.
    pub answer: Answer,
    /// A caller who waits hears his place and how long it may take so often, in seconds (10 to 600); 0: never.
    pub announce_seconds: u64,
    /// `"ringback"` or `"music"`: what callers who wait, or are on hold, hear between announcements.
    pub waiting: Waiting,
    /// Who was answered and is not heard for so long is asked by itself to press a digit if he cannot speak, in seconds (5 to 60); 0:
    /// nobody is.
    pub silent_prompt_seconds: u64,
    /// So many seconds are the desk's service level, for reports and metrics (0 to 3600). Absent: that of `[report]`.
    pub service_level_seconds: Option<u64>,
    /// So many per cent of its calls shall be answered within it (1 to 100). Absent: that of `[report]`.
    pub service_level_percent: Option<u8>,
    /// How long one offer rings before the next operator gets it, in seconds (1 to 300).
    pub ring_seconds: u64,
    /// Time after a call in which its operator gets no other, in seconds (0 to 3600).
    pub wrap_up_seconds: u64,
    /// By so much the feature code prolongs it, in seconds (1 to 3600).
    pub wrap_up_extension_seconds: u64,
    /// Rest of an operator after an offer that he did not take, in seconds (1 to 600).
    pub rest_seconds: u64,
    /// So many offers in a row unanswered send him on a break, unless nobody else would be left at work; 0: never.
    pub unanswered_max: u32,
    /// Whom it rings first, and how many at once.
    pub strategy: Strategy,
    /// With `"ring-progressively"`: after so long one more operator rings, in seconds (1 to 300).
    pub progress_seconds: u64,
    /// Desks to which its calls go besides, over time.
    pub escalation: Vec<EscalationStep>,
    /// Place among the desks' calls: lower ones are served first, then earlier ones.
    pub priority: u8,
    /// Who takes its calls, and at which level: lower ones first. Absent: everybody.
    pub operators: Option<BTreeMap<String, u8>>,
    /// True: when the operator's leg is lost, the caller goes back to his old place in the queue. False: the call ends.
    pub requeue_on_operator_lost: bool,
    /// A connected call ends when its caller sends no sound for so long, in seconds; 0: never.
    pub silence_seconds: u64,
    pub long_call_seconds: u64,
    /// Dialled on the first trunk that takes calls when nobody is staffed and no phone was answered. Absent: none.
    pub fallback_number: Option<String>,
    /// How long the fallback rings all phones, and then the number, in seconds each (1 to 300).
    pub fallback_ring_seconds: u64,
    /// After all of the fallback failed, a call waits so long before it is tried again, in seconds (1 to 600).
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
    /// Everything in the section that cannot be used.
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

    /// `wrap_up_seconds` as a span.
    pub const fn wrap_up(&self) -> Duration {
        Duration::from_secs(self.wrap_up_seconds)
    }

    /// `rest_seconds` as a span.
    pub const fn rest(&self) -> Duration {
        Duration::from_secs(self.rest_seconds)
    }

    /// `none_ready_seconds` as a duration.
    pub const fn none_ready(&self) -> Duration {
        Duration::from_secs(self.none_ready_seconds)
    }

    /// `fallback_retry_seconds` as a span.
    pub const fn fallback_retry(&self) -> Duration {
        Duration::from_secs(self.fallback_retry_seconds)
    }
}

/// The default text for the last ready operator who pauses.
const LAST_READY_TEXT: &str =
    "Anda operator terakhir yang siap: panggilan yang menunggu akan tetap masuk ke telepon Anda.";

/// One more operator rings after so long, unless the file says otherwise.
const PROGRESS_SECONDS: u64 = 5;

/// One step of an escalation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalationStep {
    /// So long after its arrival a call takes it, in seconds (1 to 3600).
    pub after_seconds: u64,
    /// Desks by name to which it goes besides. Empty, or absent where no number stands: to everybody.
    pub to: Option<Vec<String>>,
    /// A number outside that is rung as well, while the call keeps its place.
    pub number: Option<String>,
}

/// What in an escalation cannot be used, whatever desks there are.
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

/// One `[[desk]]`: calls of some kind, with the operators who take them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeskSection {
    pub name: String,
    /// Services whose calls are its own: `fire` stands for `urn:service:sos.fire` and all below (RFC 5031).
    pub services: Vec<String>,
    /// Dialled numbers whose calls are its own, besides the site's: `113`.
    pub numbers: Vec<String>,
    /// Place among all calls: lower ones are served first, then earlier ones.
    pub priority: u8,
    /// Whom it rings first, and how many at once.
    pub strategy: Strategy,
    /// With `"ring-progressively"`: after so long one more operator rings, in seconds (1 to 300).
    pub progress_seconds: u64,
    /// Who takes its calls, and at which level: lower ones first. Absent: everybody.
    pub operators: Option<BTreeMap<String, u8>>,
    /// So many seconds are the desk's service level, for reports and metrics (0 to 3600). Absent: that of `[report]`.
    pub service_level_seconds: Option<u64>,
    /// So many per cent of its calls shall be answered within it (1 to 100). Absent: that of `[report]`.
    pub service_level_percent: Option<u8>,
    /// After so long its calls go to `overflow` as well, in seconds (1 to 3600). Absent: never.
    pub overflow_seconds: Option<u64>,
    /// A call that finds so many waiting goes there at once (1 to 10000). Absent: never.
    pub overflow_length: Option<usize>,
    /// Desks by name. Empty: to everybody.
    pub overflow: Vec<String>,
    /// Desks to which its calls go besides, over time.
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
    /// What in it cannot be used, whatever else there is.
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
    /// The roster names shifts by it.
    pub name: String,
    /// Local time at which it starts, `HH:MM`.
    pub start: String,
    /// Local time at which it ends, `HH:MM`; at or before `start`: on the next day. `24:00` is midnight.
    pub end: String,
}

/// `[operators]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorsSection {
    /// `"on-register"`: a registered operator is logged in. `"explicit"`: he logs in by feature code or console.
    pub login: Login,
    /// Path of the roster (CSV with the header `operator,date,shift`). Absent: everybody is on every shift.
    pub roster: Option<String>,
    /// Why operators may pause, in the order of the feature codes. Empty: for any reason.
    pub break_reasons: Vec<String>,
    /// Sent to the phone of the last ready operator when the operator pauses; empty: not sent.
    pub last_ready_text: String,
    /// Who may listen to, whisper into, barge in on and take over the calls of others.
    pub supervisors: Vec<String>,
    /// Path of what changes the roster (the same columns): `leave`, `swap:NAME`, or one more shift.
    pub changes: Option<String>,
    /// Path of the decrees (CSV with the header `operator,decree,valid_from,valid_to`): who is appointed when.
    pub decrees: Option<String>,
    /// The crew of a shift stays on shift for so long after its end, in minutes (0 to 240).
    pub overlap_minutes: u64,
    /// `siaga check roster` tells times with fewer on shift.
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
    /// What in it cannot be used.
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

/// A number that a trunk can be asked for.
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
