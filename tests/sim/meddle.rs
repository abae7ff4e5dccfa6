//! What is done to the city from outside its calls: at the console, and by new configurations.

use std::time::Duration;

use siaga::acd::OperatingMode;
use siaga::cdr::fact::FactKind;
use siaga::ids::{CallId, OperatorId};
use siaga::switchboard::{ConsoleCommand, Input, Supervision};

use super::agenda::Event;
use super::city::{City, OPERATORS};
use super::trunks;
use super::world::admin;

impl City {
    /// Supervisors, cron jobs and the like.
    pub(super) fn meddles(&mut self) {
        if !self.is_closed() {
            let after = Duration::from_millis(1_000 + self.rng.below(60_000));
            self.schedule(after, Event::Meddle);
        }
        if self.restarts.down {
            return;
        }
        let operator = OperatorId::parse(&format!("op{}", self.rng.below(u64::from(OPERATORS)))).unwrap();
        let command = match self.rng.below(20) {
            0 => ConsoleCommand::LogOut { operator },
            1..=3 => ConsoleCommand::LogIn { operator },
            4 => ConsoleCommand::Pause { operator, reason: "tea".to_owned() },
            5..=7 => ConsoleCommand::Resume { operator },
            8 if self.rng.below(2) == 0 => ConsoleCommand::Calls,
            8 => match self.facts.keys().next_back() {
                Some(call) => ConsoleCommand::SilentPrompt { call: *call },
                None => ConsoleCommand::Calls,
            },
            14..=15 => self.supervises(operator),
            16..=17 => match self.any_call() {
                Some(call) => ConsoleCommand::OfferTo { call, operator },
                None => ConsoleCommand::Calls,
            },
            18..=19 => {
                let to = ["op0", "op3", "op5", "damkar", "0812"][usize::try_from(self.rng.below(5)).unwrap()];
                ConsoleCommand::Place { operator, to: self.wanted(to) }
            }
            13 => {
                let any = usize::try_from(self.rng.below(8)).unwrap();
                let mode = OperatingMode::ALL.get(any).copied().unwrap_or_default();
                let hours = (self.rng.below(2) == 0).then_some(1);
                ConsoleCommand::SetMode { mode, hours }
            }
            12 => {
                let operator = (self.rng.below(3) > 0).then_some(operator);
                ConsoleCommand::Message { operator, text: "rapat".to_owned() }
            }
            9 => {
                if let Some(anchor) = self.sound.any(&mut self.rng) {
                    let digit = ['5', '1', '2', '3', '4'][usize::try_from(self.rng.below(5)).unwrap()];
                    let digit = siaga::media::command::Event::Digit { anchor, digit };
                    self.step(Input::Media(digit));
                }
                ConsoleCommand::Operators
            }
            10 => {
                let fewer = OPERATORS - u16::from(self.rng.below(2) == 0);
                self.restarts.accounts = fewer;
                return self.reads_accounts();
            }
            _ => {
                self.settings.calls.ring = Duration::from_secs(10 + self.rng.below(6));
                if self.rng.below(3) == 0 {
                    trunks::reload(&mut self.settings, &mut self.rng);
                }
                return self.step(Input::Configure(Box::new(self.settings.clone())));
            }
        };
        self.told = false;
        self.step(Input::Console { request: 7, by: admin(), command });
        assert!(self.told || self.drained_at.is_some() || self.restarts.down, "the console gets no answer");
    }

    /// The target of an operator's call; a number is that of a caller who waits for a call-back.
    fn wanted(&mut self, to: &str) -> String {
        let listed = self.facts.values().rev().take(30).flatten().find_map(|fact| match &fact.kind {
            FactKind::Received { asserted: Some(number), .. } => Some(number.clone()),
            _ => None,
        });
        listed.filter(|_| to.starts_with('0')).unwrap_or_else(|| to.to_owned())
    }

    /// One of the last calls.
    fn any_call(&mut self) -> Option<CallId> {
        let nth = usize::try_from(self.rng.below(4)).unwrap();
        self.facts.keys().rev().nth(nth).copied()
    }

    /// A supervisor is rung for a call, or changes the mode there.
    fn supervises(&mut self, operator: OperatorId) -> ConsoleCommand {
        let mode = Supervision::ALL[usize::try_from(self.rng.below(4)).unwrap()];
        match self.any_call() {
            Some(call) => ConsoleCommand::Supervise { call, mode, by: Some(operator) },
            None => ConsoleCommand::Operators,
        }
    }
}
