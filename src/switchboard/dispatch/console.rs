//! Dispatches the commands of the console.

use crate::acd::UnknownOperator;
use crate::cdr::fact::FactKind;
use crate::switchboard::dispatch::parts::Parts;
use crate::switchboard::input::{Actor, ConsoleCommand};
use crate::switchboard::output::{ConsoleReply, Output};

impl Parts {
    pub(in crate::switchboard) fn console(&mut self, request: u64, by: Actor, command: ConsoleCommand) {
        let now = self.step.now;
        let change = command.change();
        let changed = |result: Result<(), UnknownOperator>| match result {
            Ok(()) => ConsoleReply::Done,
            Err(UnknownOperator) => ConsoleReply::UnknownOperator,
        };
        let reply = match command {
            ConsoleCommand::LogIn { operator } => changed(self.calls.log_in_operator(&mut self.net, now, &operator)),
            ConsoleCommand::LogOut { operator } => changed(self.calls.log_out_operator(&mut self.net, now, &operator)),
            ConsoleCommand::Pause { operator, reason } => match self.settings.operators.break_reason(&reason) {
                Some(reason) => changed(self.calls.pauses(&mut self.step, &operator, &reason)),
                None => ConsoleReply::UnknownReason { known: self.settings.operators.break_reasons.clone() },
            },
            ConsoleCommand::Resume { operator } => changed(self.calls.acd.resume(now, &operator)),
            ConsoleCommand::WrapUp { operator } => {
                match self.calls.acd.extend_wrap_up(now, &operator, self.settings.operators.wrap_up_extension) {
                    Ok(true) => ConsoleReply::Done,
                    Ok(false) => ConsoleReply::NotWrappingUp,
                    Err(UnknownOperator) => ConsoleReply::UnknownOperator,
                }
            }
            ConsoleCommand::SetDisposition { call, class, category, note, by } => {
                self.calls.dispose(&mut self.net, &mut self.step, call, (class, category, note), by)
            }
            ConsoleCommand::SilentPrompt { call } => self.calls.silent_prompt(&mut self.net, &mut self.step, &by, call),
            ConsoleCommand::CallBacks => self.calls.call_backs(now),
            ConsoleCommand::AssignCallBack { number, operator } => self.mean_call_back(number.as_deref(), operator),
            ConsoleCommand::Marks => ConsoleReply::Marks { marks: self.calls.marks(now) },
            ConsoleCommand::MarkCaller { number, hours, by } => {
                self.calls.mark_caller(&mut self.net, &mut self.step, &number, hours, by)
            }
            ConsoleCommand::Worked { call, operator } if self.calls.has_worked(call, &operator) => ConsoleReply::Done,
            ConsoleCommand::Worked { .. } => ConsoleReply::NotOwner,
            ConsoleCommand::InviteParticipant { call, to } => {
                self.calls.ask_in(&mut self.net, &mut self.step, &by, call, &to)
            }
            ConsoleCommand::DisconnectParticipant { call, leg } => {
                self.calls.send_away(&mut self.net, &mut self.step, &by, call, leg)
            }
            ConsoleCommand::Transfer { call, to } => {
                self.calls.transfer_by(&mut self.net, &mut self.step, &by, call, &to)
            }
            ConsoleCommand::Supervise { call, mode, by: supervisor } => {
                self.calls.supervise_by(&mut self.net, &mut self.step, &by, call, mode, supervisor)
            }
            ConsoleCommand::OfferTo { call, operator } => {
                self.calls.offer_to(&mut self.net, &mut self.step, &by, call, operator)
            }
            ConsoleCommand::Place { operator, to } => {
                self.calls.place_by(&mut self.net, &mut self.step, &by, operator, &to)
            }
            ConsoleCommand::Mode => self.mode.mode_view(),
            ConsoleCommand::SetMode { mode, hours } => {
                self.mode.set_mode(&mut self.calls, &mut self.net, &mut self.step, mode, hours, by.name.clone())
            }
            ConsoleCommand::Message { operator, text } => {
                self.messages.announce_text(&mut self.net, &mut self.step, operator, &text)
            }
            ConsoleCommand::Operators => self.calls.floor_view(&self.net),
            ConsoleCommand::Guard => ConsoleReply::Guard { bans: self.net.admission.guard.bans(now.mono) },
            ConsoleCommand::LiftBan { address } if self.net.admission.lift_ban(address) => ConsoleReply::Done,
            ConsoleCommand::LiftBan { .. } => ConsoleReply::NotBanned,
            ConsoleCommand::Calls => ConsoleReply::Calls { calls: self.calls.call_views() },
        };
        if let Some((word, of)) = change {
            let done = reply.is_done();
            let (Actor { name: by, role }, command) = (by, word.to_owned());
            self.net.facts.service_fact(&mut self.step, FactKind::Commanded { by, role, command, of, done });
        }
        self.step.say(Output::Reply { request, reply });
    }
}
