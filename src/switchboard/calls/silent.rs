//! Callers who cannot speak. An operator can make siaga ask a silent caller to press a digit, by keys in the call or
//! through the console. The digits are shown to the operator and recorded. Digits that callers press while they wait
//! are treated in the same way. No call ends because of them.

use crate::cdr::fact::{ConsoleRole, FactKind};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::limits::CHOICES_MAX;
use crate::media::command::{Command, Prompt};
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::leg::OutgoingLeg;
use crate::switchboard::calls::state::call::{Call, Stage};
use crate::switchboard::calls::state::silent::Silent;
use crate::switchboard::input::Actor;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::output::{ChoiceView, ConsoleReply};
use crate::switchboard::step::Step;

/// Maximum digits of a waiting caller on the display of the ringing phone.
const SHOWN_MAX: usize = 3;
/// Maximum characters of a feature code.
const CODE_MAX: usize = 8;

impl Call {
    /// The operator who has the caller, and the operator's leg.
    pub(in crate::switchboard) fn main_party(&self) -> Option<(LegNo, &OperatorId)> {
        let Stage::Talking { leg } = self.stage else { return None };
        Some((leg, self.legs.get(&leg).and_then(OutgoingLeg::operator)?))
    }
}

impl Calls {
    /// Handles a key of an operator's phone in a call. When the operator who has the caller has completed the
    /// silent-caller code, the caller is asked to press a digit.
    pub(in crate::switchboard) fn typed(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        id: CallId,
        leg: LegNo,
        digit: char,
    ) {
        let (calls, settings) = (&mut self.calls, &self.settings);
        let Some(call) = calls.get_mut(&id).filter(|call| !call.kind.is_placed()) else { return };
        let Some(operator) =
            call.main_party().filter(|(main_party, _)| *main_party == leg).map(|(_, operator)| operator.to_string())
        else {
            return;
        };
        let (code, typed) = (&settings.feature_codes.silent_prompt, &mut call.silent.typed);
        typed.push(digit);
        // Digits are ASCII, so a character is one byte.
        typed.drain(..typed.len().saturating_sub(code.len()));
        if !code.is_empty() && typed == code {
            typed.clear();
            self.ask_silently(net, step, id, Some(operator));
        }
    }

    /// Handles the silent-caller code dialled on another line of the operator's phone. Returns false if the operator
    /// has no caller.
    pub(in crate::switchboard) fn asked_by_code(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        operator: &OperatorId,
    ) -> bool {
        let call = self.acd.view(operator).and_then(|view| view.call);
        let his = |id: &CallId| {
            self.calls.get(id).and_then(Call::main_party).is_some_and(|(_, main_party)| main_party == operator)
        };
        call.filter(his).is_some_and(|id| self.ask_silently(net, step, id, Some(operator.to_string())))
    }

    /// Handles a digit of the caller. While the caller waits, or after they were asked, it is shown and recorded.
    pub(in crate::switchboard) fn pressed(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, digit: char) {
        let (calls, settings) = (&mut self.calls, &self.settings);
        let Some(call) = calls.get_mut(&id).filter(|call| !call.kind.is_placed() && !call.is_over()) else { return };
        let waiting = !matches!(call.stage, Stage::Talking { .. });
        if !(waiting || call.silent.asked) || call.silent.choices.len() >= CHOICES_MAX {
            return;
        }
        let known = settings.calls.silent.choices.iter().find(|(of, _)| *of == digit);
        let text = known.map(|(_, text)| text.clone()).unwrap_or_default();
        let choice = ChoiceView { digit, text: text.clone() };
        if waiting && call.silent.choices.len() < SHOWN_MAX {
            let notice = call.shown.notice.get_or_insert_default();
            *notice = format!("{notice} {choice}").trim_start().to_owned();
        }
        call.silent.choices.push(choice);
        self.fact(net, step, id, FactKind::Chosen { digit, text, waiting });
        self.tell_choices(step, id, 1);
    }

    /// Shows earlier digits to the operator who now has the caller. After the first answer, media also waits for the
    /// caller's voice.
    pub(in crate::switchboard) fn start_silent_detection(&mut self, step: &mut Step, id: CallId, first: bool) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.kind.is_placed() && call.main_party().is_some())
        else {
            return;
        };
        let (pressed, asked) = (call.silent.choices.len(), call.silent.asked);
        if let (Some(sound), Some(limit)) = (call.caller.session.media(), self.settings.calls.silent.after)
            && first
            && !asked
        {
            step.out.media.push(Command::AwaitVoice { anchor: sound.anchor(), limit });
        }
        if pressed > 0 {
            self.tell_choices(step, id, pressed);
        }
    }

    /// Handles the report that the caller has not spoken in time.
    pub(in crate::switchboard) fn has_no_voice(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let fits = self.calls.get(&id).is_some_and(|call| !call.silent.asked && !call.audio.is_held());
        if fits && self.ask_silently(net, step, id, None) {
            self.tell_asked(step, id);
        }
    }

    /// Asks a caller to press a digit on request of the console. An operator may request it only for their own caller.
    pub(in crate::switchboard) fn silent_prompt(
        &mut self,
        net: &mut NetworkParts,
        step: &mut Step,
        by: &Actor,
        id: CallId,
    ) -> ConsoleReply {
        let Some(call) = self.calls.get(&id).filter(|call| !call.kind.is_placed() && !call.is_over()) else {
            return ConsoleReply::UnknownCall;
        };
        let main_party = call.main_party().map(|(_, operator)| operator.as_str());
        if by.role == ConsoleRole::Operator && main_party.is_some_and(|main_party| main_party != by.name) {
            return ConsoleReply::NotOwner;
        }
        if !self.ask_silently(net, step, id, Some(by.name.clone())) {
            return ConsoleReply::NotTalking;
        }
        self.tell_asked(step, id);
        ConsoleReply::Done
    }

    /// Plays the press-a-digit prompt to the caller. The caller does not hear the others during the prompt; the others
    /// still hear the caller, and the operator hears a short confirmation. Returns false if the caller has no operator,
    /// or holds the call.
    fn ask_silently(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, by: Option<String>) -> bool {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.kind.is_placed()) else { return false };
        let Some((main_party, _)) = call.main_party() else { return false };
        let operator = call.legs.get(&main_party).and_then(|leg| leg.session.media());
        let (caller_holds, operator_holds) = call.audio.holding();
        let (Some(caller), Some(operator), false) = (call.caller.session.media(), operator, caller_holds) else {
            return false;
        };
        let (caller, operator) = (caller.anchor(), operator.anchor());
        // A caller on hold hears the waiting tone again after the prompt.
        let then = (operator_holds && !call.audio.is_mixed()).then_some(self.settings.media.waiting);
        call.silent.asked = true;
        step.out.media.push(Command::Play { anchor: caller, first: Some(Prompt::Silent), then });
        if !operator_holds {
            step.out.media.push(Command::Play { anchor: operator, first: Some(Prompt::Confirm), then: None });
        }
        self.fact(net, step, id, FactKind::SilentAsked { by });
        true
    }

    /// Shows all digits with their meanings to the operator, if the operator has not started the prompt by phone.
    fn tell_asked(&mut self, step: &mut Step, id: CallId) {
        let choices = self.settings.calls.silent.choices.iter();
        let words: Vec<String> =
            choices.map(|(digit, text)| ChoiceView { digit: *digit, text: text.clone() }.to_string()).collect();
        self.text_active_operator(step, id, |number| format!("{number} ? {}", words.join(" ")));
    }

    /// Shows the last `last` digits of the caller on the operator's phone.
    fn tell_choices(&mut self, step: &mut Step, id: CallId, last: usize) {
        let Some(call) = self.calls.get(&id) else { return };
        let skipped = call.silent.choices.len().saturating_sub(last);
        let words: Vec<String> = call.silent.choices.iter().skip(skipped).map(ToString::to_string).collect();
        self.text_active_operator(step, id, |number| format!("{number} {}", words.join(" ")));
    }

    /// Sends a text to the phones of the operator who has the caller. Operators whose phones accept no texts see it in
    /// the console.
    fn text_active_operator(&mut self, step: &mut Step, id: CallId, text: impl FnOnce(&str) -> String) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(operator) = call.main_party().map(|(_, operator)| operator.clone()) else { return };
        let text = text(call.shown.number.as_deref().unwrap_or("anonymous"));
        step.notify_operator(operator, text);
    }

    /// Checks the stored digits of a caller (`verify`).
    pub(in crate::switchboard) fn verify_silent(call: &Call) -> Result<(), &'static str> {
        let Silent { asked, choices, typed } = &call.silent;
        if choices.len() > CHOICES_MAX || typed.len() > CODE_MAX {
            return Err("more was pressed in it than is kept");
        }
        if call.kind.is_placed() && (*asked || !choices.is_empty()) {
            return Err("an operator's own call was taken for a silent one");
        }
        if *asked && !call.has_talked() {
            return Err("an unanswered caller was prompted");
        }
        Ok(())
    }
}

impl std::fmt::Display for ChoiceView {
    /// The format is `[1 cannot speak]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { digit, text } = self;
        if text.is_empty() { write!(f, "[{digit}]") } else { write!(f, "[{digit} {text}]") }
    }
}
