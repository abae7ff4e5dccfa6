//! One emergency call: the caller, the legs that were offered, and where it stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::acd::desk::DeskNo;
use crate::cdr::fact::{Callee, FactKind};
use crate::clock::{Instant, Now};
use crate::ids::{CallId, LegNo, OperatorId};
use crate::media::command::{Command, Place, Prompt};
use crate::sip::locate::Target;
use crate::sip::wire::Name;

use super::Output;
use super::call_back::CallBack;
use super::guests::Guest;
use super::leg::{CallerLeg, OfferLeg, OfferState, Unacked, Who};
use super::parts::MergeKey;
use super::silent::Silent;
use super::timers::{Alarm, TELL_AGAIN};
use super::transfer::Transfer;
use super::trunk::NextWay;
use crate::switchboard::{Calls, NetworkParts, Step};

/// Where a call stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits in the queue.
    Queued,
    /// The phones of one or more operators are rung.
    Offered,
    /// Nobody is on shift: every phone is rung until then, next the fallback number.
    AllPhones { until: Instant },
    /// The fallback number is rung.
    Number,
    /// Connected with that leg.
    Talking { leg: LegNo },
    /// The operator at `from`, unless they have left, transfers the caller: the phones of the target ring, or its number.
    Transfer { from: Option<LegNo> },
    /// It is placed for an operator: his own phones are rung, and who he wants is called when he answers.
    OwnPhones { to: Callee },
    /// An operator has placed it, and who he wants is rung.
    Placed,
    /// Over; lives on only while legs finish their transactions.
    Ended,
}

/// What operators are shown of a caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// The number in the operator's From: asserted before presented.
    pub(super) number: Option<String>,
    /// The desk or service that was called, for the display, if it is not the site's number.
    pub(super) service: Option<String>,
    /// What is known of him, for the display.
    pub(super) notice: Option<String>,
    /// A short location for the display.
    pub(super) location: Option<String>,
    /// Header fields passed on as they came.
    pub(super) headers: Vec<(Name, Vec<u8>)>,
    /// Those that only trunks get on which the call goes on.
    pub(super) onward: Vec<(Name, Vec<u8>)>,
    /// `Geolocation` for the operator's phone, a `geo:` URI (RFC 5870).
    pub(super) geo: Option<String>,
}

/// The phone of the centre from which an emergency call comes.
#[derive(Debug)]
pub(super) struct Internal {
    pub(super) account: OperatorId,
    /// The operator at that phone. None: no operator is at the station.
    pub(super) operator: Option<OperatorId>,
}

/// One emergency call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) seq: u32,
    pub(super) received: Now,
    /// Whose call it is.
    pub(super) desk: DeskNo,
    pub(super) shown: Caller,
    /// The first text on the display of a phone that is rung now for another purpose than to answer an emergency call.
    pub(super) rung_to: Option<String>,
    pub(super) caller: CallerLeg,
    pub(super) legs: BTreeMap<LegNo, OfferLeg>,
    /// Operators of whose phones one has said something since they were rung.
    pub(super) heard_from: BTreeSet<OperatorId>,
    pub(super) next_leg: u32,
    pub(super) stage: Stage,
    /// The caller hears the announcement or the hold tone.
    pub(super) announced: bool,
    /// When he is told his place in the queue.
    pub(super) place_told_at: Option<Instant>,
    /// Somebody has answered, now or before he was lost.
    pub(super) talked: bool,
    /// Nobody was on shift at some time while it waited.
    pub(super) unstaffed: bool,
    /// No call lasts longer.
    pub(super) over_at: Instant,
    /// The alarm `long-call` is raised for it.
    pub(super) long: bool,
    /// When an operator's own INVITE expires.
    pub(super) expires_at: Option<Instant>,
    pub(super) digits: u16,
    /// What is left of the caller's Max-Forwards.
    pub(super) hops: u32,
    /// The trunks over which a number was tried; the one that is dialled or has failed last, and which of its servers.
    pub(super) tried: BTreeSet<usize>,
    pub(super) dialling: Option<(usize, Option<Target>)>,
    /// When which number outside is tried while the call waits, the last one first.
    pub(super) outside: Vec<(Instant, String)>,
    /// How to dial again the number that failed last.
    pub(super) next_way: Option<NextWay>,
    pub(super) merge_key: MergeKey,
    /// The caller, and the operator, has put the other on hold.
    pub(super) holding: (bool, bool),
    /// Legs beside the one that has the caller: they ring or talk. Only while he talks with somebody.
    pub(super) guests: BTreeMap<LegNo, Guest>,
    /// The sound is a room, and no bridge: some guest talks.
    pub(super) mixed: bool,
    /// What an operator wants of the stage `Transfer`.
    pub(super) transfer: Option<Transfer>,
    /// Whom he calls is to join his caller, when the two calls become one.
    pub(super) confers: bool,
    /// The operator whose call it is; None: an emergency call.
    pub(super) placed_by: Option<OperatorId>,
    /// An emergency call from a phone of the centre.
    pub(super) internal: Option<Internal>,
    /// Whom he calls back with it.
    pub(super) call_back: Option<CallBack>,
    /// Its number in the order of arrival, when a number outside had it.
    pub(super) arrival: Option<u64>,
    /// Operators who have talked with the caller.
    pub(super) worked_by: BTreeSet<OperatorId>,
    /// How far it waits behind other calls of its desk.
    pub(super) penalty: u8,
    pub(super) silent: Silent,
}

impl Call {
    pub(super) fn is_falling_back(&self) -> bool {
        match self.stage {
            Stage::AllPhones { .. } | Stage::Number => true,
            Stage::Queued
            | Stage::Offered
            | Stage::Talking { .. }
            | Stage::Transfer { .. }
            | Stage::OwnPhones { .. }
            | Stage::Placed
            | Stage::Ended => false,
        }
    }

    /// Was, or is, connected with somebody.
    pub(super) fn has_talked(&self) -> bool {
        self.talked
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// A leg that rings this operator.
    pub(super) fn leg_of(&self, operator: &OperatorId) -> Option<LegNo> {
        let his = |to: &Callee| matches!(to, Callee::Operator(name) if name == operator);
        self.legs.iter().find(|(_, leg)| his(&leg.to) && leg.is_ringing()).map(|(no, _)| *no)
    }

    /// Somebody is rung.
    pub(super) fn rings(&self) -> bool {
        self.legs.values().any(OfferLeg::is_ringing)
    }

    /// How many legs ring.
    pub(super) fn ringing(&self) -> usize {
        self.legs.values().filter(|leg| leg.is_ringing()).count()
    }

    /// How many legs ring, or are open without a response.
    pub(super) fn ringing_or_open(&self) -> usize {
        self.legs.values().filter(|leg| leg.is_ringing() || leg.state == OfferState::Unheard).count()
    }

    /// A leg that rings beside another one of the same operator.
    pub(super) fn second_phone(&self) -> Option<LegNo> {
        let mut seen = BTreeSet::new();
        let ringing = self.legs.iter().filter(|(_, leg)| leg.is_ringing());
        ringing
            .filter_map(|(no, leg)| Some((no, leg.operator()?)))
            .find(|(_, operator)| !seen.insert(*operator))
            .map(|(no, _)| *no)
    }

    /// Counts a new leg.
    pub(super) fn take_leg_no(&mut self) -> LegNo {
        self.next_leg = self.next_leg.saturating_add(1);
        LegNo(self.next_leg)
    }
}

impl Calls {
    /// Adds a call that begins.
    pub(super) fn add_call(&mut self, id: CallId, call: Call) {
        self.live += 1;
        self.calls.insert(id, call);
    }

    /// The caller waits and does not hear why: announces the queue, as early media (183) or in the answered call.
    pub(super) fn announce(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.announced) else { return };
        if call.stage == Stage::Offered && call.caller.answered {
            return self.play_tone(net, step, id);
        }
        if call.stage != Stage::Queued && !call.is_falling_back() {
            return;
        }
        if call.caller.port_is_uncertain() {
            return self.tell_caller(net, step, id, 180);
        }
        call.announced = true;
        let early = !call.caller.answered;
        if let Some(sound) = &call.caller.line.sound {
            let anchor = sound.anchor;
            self.aim(net, step, Who::Caller(id));
            let (first, then) = (Some(Prompt::Queue), Some(self.settings.waiting));
            step.out.media.push(Command::Play { anchor, first, then });
        }
        if early {
            self.tell_caller(net, step, id, 183);
        }
        self.fact(net, step, id, FactKind::Announced { early });
        self.tell_place_later(step, id);
    }

    /// Who has been answered already hears the tone while the first phone rings for him: silence would be taken for a dead line.
    pub(super) fn play_tone(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let sound = self.calls.get(&id).and_then(|call| call.caller.line.sound.as_ref());
        let Some(anchor) = sound.map(|sound| sound.anchor) else { return };
        self.aim(net, step, Who::Caller(id));
        step.out.media.push(Command::Play { anchor, first: None, then: Some(Prompt::HoldTone) });
    }

    fn tell_place_later(&mut self, step: &mut Step, id: CallId) {
        let now = step.now;
        self.stop_telling_place(step, id);
        let Some(each) = self.settings.announce_each else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            let at = now.mono + each;
            call.place_told_at = Some(at);
            step.alarms.insert(at, Alarm::TellPlace(id));
        }
    }

    /// The caller waits no more.
    pub(super) fn stop_telling_place(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.place_told_at.take()) {
            step.alarms.remove(at, Alarm::TellPlace(id));
        }
    }

    /// A caller who has waited on hears his place and how long it may take; the hold tone follows. While somebody's phone rings
    /// for him, and while nobody is at work, there is nothing to tell.
    pub(super) fn tell_place(&mut self, step: &mut Step, id: CallId) {
        self.tell_place_later(step, id);
        let Some(call) = self.calls.get(&id).filter(|call| call.stage == Stage::Queued && call.announced) else {
            return;
        };
        let Some(outlook) = self.acd.outlook(id) else { return };
        let number = u8::try_from(outlook.position).unwrap_or(u8::MAX);
        let minutes = outlook.wait.map(|wait| u8::try_from(wait.as_secs() / 60).unwrap_or(u8::MAX));
        if let Some(sound) = &call.caller.line.sound {
            let (anchor, first) = (sound.anchor, Some(Prompt::Place(Place { number, minutes })));
            step.out.media.push(Command::Play { anchor, first, then: Some(self.settings.waiting) });
        }
    }

    /// Sends the caller a provisional response unless he has been told so, or more, before.
    pub(super) fn tell_caller(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, status: u16) {
        if self.calls.get(&id).is_some_and(|call| call.caller.told < status) {
            self.tell(net, step, id, status);
        }
    }

    /// Tells the caller again that he waits.
    pub(super) fn tell_again(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        if let Some(told) = self.calls.get(&id).map(|call| call.caller.told) {
            self.tell(net, step, id, told);
        }
    }

    fn tell(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, status: u16) {
        let now = step.now;
        self.stop_telling(step, id);
        if self.must_wait_to_tell(id, status) {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(server), Some(stencil)) = (call.caller.invite, &call.caller.stencil) else { return };
        let contact = self.settings.contact(call.caller.line.flow);
        let mut response = stencil.response(status, Some(call.caller.tag.as_str()));
        response = response.header(Name::Contact, contact.as_bytes()).header(Name::Allow, super::door::ALLOW);
        if let Some(identity) = self.call_back_identity(id) {
            response = response.header(Name::PAssertedIdentity, identity.as_bytes());
        }
        let bytes = self.encode_provisional(step, id, status, response);
        net.wire.transactions.respond(now.mono, server, status, bytes, &mut step.out.transmits);
        if let Some(call) = self.calls.get_mut(&id) {
            let again = now.mono + TELL_AGAIN;
            (call.caller.told, call.caller.tell_again_at) = (status, Some(again));
            step.alarms.insert(again, Alarm::TellAgain(id));
        }
    }

    /// The caller gets no more provisional responses.
    pub(super) fn stop_telling(&mut self, step: &mut Step, id: CallId) {
        if let Some(at) = self.calls.get_mut(&id).and_then(|call| call.caller.tell_again_at.take()) {
            step.alarms.remove(at, Alarm::TellAgain(id));
        }
    }

    /// Sends the caller's 200 and repeats it until the ACK comes.
    pub(super) fn answer_caller(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId) {
        let now = step.now;
        self.stop_telling(step, id);
        if self.must_wait_to_answer(id) {
            return;
        }
        self.stop_provisional(step, id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.caller.without_port = None;
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(server), Some(stencil)) = (call.caller.invite, &call.caller.stencil) else { return };
        let contact = self.settings.contact(call.caller.line.flow);
        let (agreement, described) = (call.caller.session, call.caller.describes_answer());
        let session = agreement.headers();
        let response = stencil.response(200, Some(call.caller.tag.as_str()));
        let mut response = response
            .header(Name::Contact, contact.as_bytes())
            .header(Name::Allow, super::door::ALLOW)
            .header(Name::Supported, super::door::SUPPORTED);
        for (name, value) in session.as_headers() {
            response = response.header(name, value);
        }
        if let Some(identity) = self.call_back_identity(id) {
            response = response.header(Name::PAssertedIdentity, identity.as_bytes());
        }
        if described {
            response = response.body("application/sdp", &call.caller.sdp);
        }
        let (bytes, cseq) = (response.encode(), call.merge_key.2);
        net.wire.transactions.respond(now.mono, server, 200, bytes.clone(), &mut step.out.transmits);
        net.wire.invites.remove(&server);
        self.await_ack(step, Who::Caller(id), (server, cseq), bytes);
        self.begin_session(step, Who::Caller(id), agreement);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.caller.invite = None;
        call.caller.answered = true;
        // Aimed again, so that silence is counted from the answer: many trunks send no sound before it.
        self.aim(net, step, Who::Caller(id));
    }

    /// Starts to wait for the ACK of a 2xx of ours.
    pub(super) fn await_ack(
        &mut self,
        step: &mut Step,
        who: Who,
        (server, cseq): (crate::sip::transaction::ServerId, u32),
        bytes: bytes::Bytes,
    ) {
        let now = step.now;
        let interval = super::timers::T1;
        let unacked = Unacked {
            server,
            cseq,
            bytes,
            repeat_at: now.mono + interval,
            interval,
            give_up_at: now.mono + super::timers::T1 * 64,
        };
        self.stop_waiting_for_ack(step, who);
        let due = unacked.due();
        if let Some(line) = self.line_mut(who) {
            line.unacked = Some(unacked);
            step.alarms.insert(due, Alarm::Unacked(who));
        }
    }

    /// The ACK is there, or no longer matters.
    pub(super) fn stop_waiting_for_ack(&mut self, step: &mut Step, who: Who) -> bool {
        let unacked = self.line_mut(who).and_then(|line| line.unacked.take());
        unacked.is_some_and(|unacked| step.alarms.remove(unacked.due(), Alarm::Unacked(who)))
    }

    /// Something that must not be possible has happened to a call: it is ended, counted and written down.
    pub(super) fn breach(&mut self, net: &mut NetworkParts, step: &mut Step, id: CallId, what: &str) {
        debug_assert!(false, "breach in {id}: {what}");
        self.fact(net, step, id, FactKind::Breach { what: what.to_owned() });
        self.end_for_fault(net, step, id);
    }
}

impl Step {
    /// Pushes an output that is neither fact, sound nor message.
    pub(super) fn say(&mut self, output: Output) {
        self.out.others.push(output);
    }
}
