//! Operators' phones: they register, ring, are answered or not, hang up, lose power and come back.

mod errands;
mod operator;
mod place;
mod session;
mod transfer;
mod watching;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use siaga::clock::Instant;

use super::endpoint::{Heard, Io, PATIENCE, Pace, RepeatId, Repeats, Said};
use errands::{Registration, again_as};
pub(crate) use place::{PLACES_APART, phone_at, place, source};
use watching::Colleagues;

/// What a phone wakes up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    Again(RepeatId),
    /// Its registration of this life is to be begun, refreshed or ended.
    Register(u32),
    PowerCut,
    PowerBack,
    /// The operator at leg so-and-so does the next thing.
    Leg(u32, Deed),
    /// The operator dials a feature code.
    Dial,
    /// Leaves the call of another operator.
    Leave(u32),
    /// Whatever rings is picked up at once.
    PickUpNow,
    /// Registers once more, whatever is under way.
    RegisterNow,
    /// The phone refreshes its subscriptions, or its operator sends a text.
    Colleagues,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    PickUp,
    PickUpUnusably,
    Refuse(&'static str),
    HangUp,
    Hold,
    Refresh,
    PassOn,
    Consult,
    Forget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Has seen the INVITE and says nothing at all.
    Deaf,
    Ringing,
    /// 200 sent, not yet acknowledged.
    PickedUp,
    Talking,
    /// A final response other than 200 sent.
    Refused,
    /// BYE sent.
    Leaving,
    Over,
}

/// One call at a phone.
#[derive(Debug)]
struct Leg {
    id: u32,
    call_id: String,
    branch: String,
    /// From and To of our requests: the other way round than in the INVITE.
    local: String,
    remote: String,
    state: State,
    /// The first response, without what is not for all of them.
    plain: String,
    /// What a repeated INVITE gets again.
    last: String,
    final_response: Option<RepeatId>,
    bye: Option<RepeatId>,
    reinvite: Option<RepeatId>,
    on_hold: bool,
    /// Offered under SRTP.
    secret: bool,
    cseq: u32,
    /// CSeq of the INVITE.
    invited: u32,
    /// CSeq of the last hold or resume, and of the last refresh.
    hold_cseq: u32,
    update_cseq: u32,
    rseq: u32,
    reliable: Option<RepeatId>,
    /// Its answer was in a reliable response.
    described: bool,
    update: Option<RepeatId>,
    refreshes: bool,
    /// It owes refreshes that it does not send.
    lazy: bool,
    /// An earlier copy of its INVITE has found the power off, and the service may know that: perhaps it rings for no call.
    stale: bool,
    begun: Instant,
    /// The service has heard something of it in time: else it may not cancel it (RFC 3261 §9.1), and gives up (§17.1.1.2, timer B).
    heard_of: bool,
    /// Its operator holds in the moment in which the service refreshes.
    collides: bool,
    /// What it has answered to the service's last request in the dialog.
    answering: Option<(u32, String, Option<RepeatId>)>,
    passing: transfer::Passing,
}

/// One operator's phone.
#[derive(Debug)]
pub(crate) struct Phone {
    index: u16,
    pub(crate) name: String,
    pub(crate) at: SocketAddr,
    host_port: String,
    port_base: u16,
    pub(crate) power: bool,
    /// Operators take turns at it.
    station: bool,
    /// The working day is over: it registers no more.
    pub(crate) closing: bool,
    registration: Registration,
    legs: Vec<Leg>,
    next_leg: u32,
    said: Repeats,
    /// The feature code that is dialled: Call-ID number, credentials sent, what is asked.
    dialled: Option<(u32, RepeatId, &'static str)>,
    colleagues: Colleagues,
    /// Branches of the INVITEs that have found the power off.
    missed: BTreeSet<String>,
    /// The call to a colleague that was answered: its number, and To.
    consulted: Option<(u32, String)>,
    serial: u32,
    pub(crate) hung_up: u32,
    /// It always responds, and stays registered.
    pub(crate) attentive: bool,
    /// REGISTERs that got no response, repeated for 32 s.
    pub(crate) unheard_registers: u32,
    /// Until then the service may reject a REGISTER because it has just started.
    pub(crate) unready_until: Option<Instant>,
}

impl Phone {
    pub(crate) fn new(index: u16, io: &mut Io<'_, Alarm>) -> Self {
        let host_port = place(index, 0);
        let when = io.between(0, 20_000);
        io.wake(when, Alarm::Register(0));
        let cut = io.between(60_000, 1_200_000);
        io.wake(cut, Alarm::PowerCut);
        let dial = io.between(60_000, 2_000_000);
        io.wake(dial, Alarm::Dial);
        io.wake(dial / 4, Alarm::Colleagues);
        Self {
            index,
            name: format!("op{index}"),
            at: host_port.parse().unwrap(),
            host_port,
            port_base: 10_000 + index * 1_000,
            power: true,
            station: false,
            closing: false,
            registration: Registration::default(),
            legs: Vec::new(),
            next_leg: 0,
            said: Repeats::default(),
            dialled: None,
            colleagues: Colleagues::default(),
            missed: BTreeSet::new(),
            consulted: None,
            serial: 0,
            hung_up: 0,
            attentive: false,
            unheard_registers: 0,
            unready_until: None,
        }
    }

    /// Operators take turns at it.
    pub(crate) fn stands_in_the_room(&mut self) {
        self.station = true;
    }

    /// How much it was told of colleagues, and by them.
    pub(crate) fn news(&self) -> u32 {
        self.colleagues.read
    }

    /// The service gets a response of its own.
    pub(crate) fn is_heard_of(&mut self, text: &str, now: Instant) {
        let in_time = |leg: &Leg| now < leg.begun + Duration::from_secs(31) && text.contains(&leg.branch);
        self.legs.iter_mut().filter(|leg| in_time(leg)).for_each(|leg| leg.heard_of = true);
    }

    /// It rings.
    pub(crate) fn is_ringing(&self) -> bool {
        self.power && self.legs.iter().any(|leg| leg.state == State::Ringing)
    }

    /// Its answer is under way, or the ACK.
    pub(crate) fn has_picked_up(&self) -> bool {
        self.power && self.legs.iter().any(|leg| leg.state == State::PickedUp)
    }

    /// It thinks that a call is open.
    pub(crate) fn is_open(&self) -> bool {
        let open = |leg: &Leg| match leg.state {
            State::Ringing | State::PickedUp | State::Talking | State::Leaving => true,
            State::Deaf | State::Refused | State::Over => false,
        };
        self.power && self.legs.iter().any(open)
    }

    pub(crate) fn wakes(&mut self, alarm: Alarm, io: &mut Io<'_, Alarm>) {
        match alarm {
            Alarm::PowerCut | Alarm::PowerBack | Alarm::Dial if self.closing => {}
            Alarm::PowerBack => {
                self.power = true;
                self.registration = Registration { life: self.registration.life + 1, ..Registration::default() };
                self.registers(io);
            }
            Alarm::PowerCut => {
                self.power = false;
                self.moves();
                self.said.forget_all();
                for leg in std::mem::take(&mut self.legs) {
                    io.voices.remove(&self.rtp(leg.id));
                }
                self.dialled = None;
                io.voices.remove(&self.rtp(0));
                self.colleagues.forget_all();
                if io.chance(95) {
                    let back = io.between(1_000, 60_000);
                    io.wake(back, Alarm::PowerBack);
                }
                let next = io.between(100_000, 1_500_000);
                io.wake(next, Alarm::PowerCut);
            }
            Alarm::Again(_)
            | Alarm::Register(_)
            | Alarm::Leg(..)
            | Alarm::Dial
            | Alarm::Leave(_)
            | Alarm::PickUpNow
            | Alarm::RegisterNow
                if !self.power => {}
            Alarm::Colleagues if self.closing => {}
            Alarm::Colleagues if !self.power => io.wake(Duration::from_secs(60), Alarm::Colleagues),
            Alarm::Colleagues => self.looks_around(io),
            Alarm::Again(id) => {
                if self.said.again(io, id, Alarm::Again) {
                    self.unheard(id, io);
                }
            }
            Alarm::Register(life) if life == self.registration.life => self.registers(io),
            Alarm::Register(_) => {}
            Alarm::RegisterNow => self.registers(io),
            Alarm::PickUpNow => {
                let ringing: Vec<u32> =
                    self.legs.iter().filter(|leg| leg.state == State::Ringing).map(|leg| leg.id).collect();
                ringing.into_iter().for_each(|id| self.wakes(Alarm::Leg(id, Deed::PickUp), io));
            }
            Alarm::Dial => self.dials(io),
            Alarm::Leave(n) => self.leaves(n, io),
            Alarm::Leg(id, deed) => {
                if let Some(at) = self.legs.iter().position(|leg| leg.id == id) {
                    self.does(at, deed, io);
                }
            }
        }
    }

    pub(crate) fn hears(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        if !self.power {
            if heard.status().is_none() && heard.method == "INVITE" {
                self.missed.insert(heard.branch().to_owned());
            }
            return;
        }
        match (heard.status(), heard.method) {
            (Some(status), "REGISTER") => self.registered(heard, status, io),
            (Some(status), _) if heard.call_id.starts_with("code-") => self.code_answered(heard, status, io),
            (Some(status), "BYE") if status >= 200 => {
                if let Some(leg) = self.leg_mut(heard) {
                    let bye = leg.bye.take();
                    self.said.stop(bye);
                    self.is_over(heard.call_id, io);
                }
            }
            (Some(status), "SUBSCRIBE") => self.subscribed(heard, status, io),
            (Some(status), "MESSAGE") => self.replied(heard, status, io),
            (Some(status), "UPDATE") => self.update_answered(heard, status, io),
            (Some(status), "INVITE") => self.reanswered(heard, status, io),
            (Some(status), "REFER") => self.refer_answered(heard, status, io),
            (None, "NOTIFY") if heard.field("Event").is_some_and(|event| event.starts_with("refer")) => {
                self.is_notified(heard, io);
            }
            (Some(_), _) => {}
            (None, "INVITE") if heard.to.contains("tag=") => self.is_refreshed(heard, io),
            (None, "UPDATE") => self.is_refreshed(heard, io),
            (None, "PRACK") => self.is_pracked(heard, io),
            (None, "ACK") if self.refresh_acknowledged(heard) => {}
            (None, "INVITE") => self.invited(heard, io),
            (None, "ACK") => self.acknowledged(heard, io),
            (None, "NOTIFY") => self.notified(heard, io),
            (None, "MESSAGE") => self.is_written_to(heard, io),
            (None, "CANCEL") => self.cancelled(heard, io),
            (None, "BYE") => self.bye(heard, io),
            (None, "OPTIONS") => self.asked_whether_present(heard, io),
            (None, method) => panic!("the service does not send {method}: {}", heard.text),
        }
    }

    fn invited(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        if let Some(leg) = self.legs.iter().find(|leg| leg.branch == heard.branch()) {
            if !matches!(leg.state, State::Deaf | State::Over | State::Talking) && !leg.last.is_empty() {
                io.say(leg.last.clone());
            }
            return;
        }
        // The same call again, with a longer session.
        if let Some(at) = self.legs.iter().position(|leg| leg.call_id == heard.call_id) {
            // A copy of the first that was long on its way.
            if heard.cseq < self.legs[at].invited {
                return;
            }
            let old = self.legs.remove(at);
            assert!(matches!(old.state, State::Refused | State::Over), "rung twice: {old:#?}");
            self.said.stop(old.final_response);
        }
        self.next_leg += 1;
        let id = self.next_leg;
        let mut leg = Leg {
            id,
            call_id: heard.call_id.to_owned(),
            branch: heard.branch().to_owned(),
            local: self.tagged(heard),
            remote: heard.from.to_owned(),
            state: State::Ringing,
            last: String::new(),
            final_response: None,
            bye: None,
            reinvite: None,
            on_hold: false,
            secret: heard.text.contains("RTP/SAVP"),
            cseq: 0,
            invited: heard.cseq,
            plain: String::new(),
            hold_cseq: 0,
            update_cseq: 0,
            rseq: 0,
            reliable: None,
            described: false,
            update: None,
            refreshes: false,
            lazy: false,
            stale: self.missed.contains(heard.branch()),
            begun: io.now,
            heard_of: false,
            collides: false,
            answering: None,
            passing: transfer::Passing::default(),
        };
        io.wake(Duration::from_secs(400), Alarm::Leg(id, Deed::Forget));
        if self.is_open() {
            self.refuses(&mut leg, "486 Busy Here", heard, io);
        } else {
            self.plans(&mut leg, heard, io);
        }
        self.legs.push(leg);
    }

    fn refuses(&mut self, leg: &mut Leg, status: &str, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let text = heard.answer(status, &leg.local, &self.contact(), "");
        self.ends_with(leg, text, io);
    }

    /// A final response that is not 200: repeated until its ACK.
    fn ends_with(&mut self, leg: &mut Leg, text: String, io: &mut Io<'_, Alarm>) {
        leg.last.clone_from(&text);
        leg.state = State::Refused;
        leg.final_response = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
    }

    fn acknowledged(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let Some(leg) = self.leg_mut(heard).filter(|leg| leg.invited == heard.cseq) else { return };
        let (id, response) = (leg.id, leg.final_response.take());
        let picked_up = leg.state == State::PickedUp;
        if picked_up {
            leg.state = State::Talking;
            let collides = leg.collides;
            self.talks(id, collides, io);
        } else if leg.state == State::Refused {
            leg.state = State::Over;
        }
        self.said.stop(response);
    }

    fn cancelled(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let at = self.legs.iter().position(|leg| leg.branch == heard.branch());
        let status = if at.is_some() { "200 OK" } else { "481 Call/Transaction Does Not Exist" };
        io.say(heard.answer(status, &self.tagged(heard), &self.contact(), ""));
        let Some(at) = at.filter(|at| matches!(self.legs[*at].state, State::Ringing | State::Deaf)) else { return };
        let mut leg = self.legs.remove(at);
        let text = heard.answer("487 Request Terminated", &leg.local, &self.contact(), "");
        let text = text.replace(&format!("CSeq: {} CANCEL", heard.cseq), &format!("CSeq: {} INVITE", heard.cseq));
        self.ends_with(&mut leg, text, io);
        self.legs.insert(at, leg);
    }

    fn bye(&mut self, heard: &Heard<'_>, io: &mut Io<'_, Alarm>) {
        let code = self.dialled.is_some_and(|(n, _, _)| heard.call_id == format!("code-{}-{n}", self.name));
        let known = self.leg_mut(heard).is_some() || code;
        let status = if known { "200 OK" } else { "481 Call/Transaction Does Not Exist" };
        io.say(heard.answer(status, heard.to, &self.contact(), ""));
        if code {
            let asked = self.dialled.take().map(|(_, asked, _)| asked);
            self.said.stop(asked);
            io.voices.remove(&self.rtp(0));
        } else if known {
            self.is_over(heard.call_id, io);
        }
    }

    fn is_over(&mut self, call_id: &str, io: &mut Io<'_, Alarm>) {
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.call_id == call_id) else { return };
        leg.state = State::Over;
        let answering = leg.answering.take().and_then(|(_, _, id)| id);
        let said =
            [leg.final_response.take(), leg.bye.take(), leg.reinvite.take(), leg.reliable.take(), leg.update.take()];
        let (id, said) = (leg.id, said.into_iter().chain([answering, leg.passing.take()]));
        said.for_each(|said| self.said.stop(said));
        io.voices.remove(&self.rtp(id));
    }

    // The operator's own wishes in a call.

    fn hangs_up(&mut self, leg: &mut Leg, io: &mut Io<'_, Alarm>) {
        leg.state = State::Leaving;
        self.hung_up += 1;
        self.said.stop(leg.reinvite.take());
        self.said.stop(leg.update.take());
        io.voices.remove(&self.rtp(leg.id));
        let text = self.in_dialog(leg, "BYE", "");
        leg.bye = Some(self.said.start(io, Pace::Other, text, Alarm::Again));
    }

    fn acks(&self, leg: &Leg, heard: &Heard<'_>, status: u16) -> String {
        let branch =
            if status < 300 { format!("z9hG4bKk{}x{}", leg.id, heard.cseq) } else { heard.branch().to_owned() };
        self.request(leg, "ACK", heard.cseq, &branch, heard.to, "")
    }

    fn in_dialog(&self, leg: &mut Leg, method: &str, body: &str) -> String {
        leg.cseq += 1;
        let branch = format!("z9hG4bKd{}x{}", leg.id, leg.cseq);
        self.request(leg, method, leg.cseq, &branch, &leg.remote, body)
    }

    fn request(&self, leg: &Leg, method: &str, cseq: u32, branch: &str, to: &str, body: &str) -> String {
        let (at, from, call_id) = (self.host_port.as_str(), leg.local.as_str(), leg.call_id.as_str());
        Said { method, uri: "sip:siaga@127.0.0.1:5060", at, branch, from, to, call_id, cseq, more: "", body }.text()
    }

    // Feature codes.

    fn leg_mut(&mut self, heard: &Heard<'_>) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.call_id == heard.call_id)
    }

    /// To with this phone's tag.
    fn tagged(&self, heard: &Heard<'_>) -> String {
        if heard.to.contains("tag=") {
            return heard.to.to_owned();
        }
        format!("{};tag={}-{}", heard.to, self.name, self.registration.life)
    }

    fn contact(&self) -> String {
        format!("sip:{}@{}", self.name, self.host_port)
    }
}

const _: () = assert!(PATIENCE.as_secs() < 60, "a leg is forgotten only when nothing of it is said any more");
