//! Anchors: lent, bridged and returned.

use std::net::{IpAddr, SocketAddr};

use crate::cdr::fact::{Callee, FactKind};
use crate::ids::LegNo;
use crate::media::command::{AnchorId, Command, Prompt, Quality};
use crate::sip::dialog::Dialog;
use crate::sip::location::session_description;
use crate::sip::offer_answer;
use crate::sip::sdes::Terms;
use crate::sip::sdp::{AudioDescription, Formats, Local, Places};
use crate::switchboard::alarm::Alarm;
use crate::switchboard::calls::inquiry::Inquiry;
use crate::switchboard::ids::Who;
use crate::switchboard::session::leg::{OfferLeg, OfferState, Sound};
use crate::switchboard::wire::past_dialogs::Arriving;
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Facts, MediaPorts, Step, Trunks, Wire};

impl MediaPorts {
    /// True for an RTP or RTCP port of this service: media that is sent there would loop.
    pub(in crate::switchboard) fn is_own_port(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let listeners = self.settings.listeners.iter().map(|listener| listener.local.ip());
        let advertised = self.settings.media_addresses.iter().copied();
        // A wildcard listens on each address of the machine.
        let bound = self.ports.addresses().any(|bound| bound == ip || (bound.is_unspecified() && ip.is_loopback()));
        self.ports.number(address.port()) && (bound || listeners.chain(advertised).any(|ours| ours == ip))
    }
}

impl MediaPorts {
    /// All that belongs to a leg is another's from now on. Its session is moved by `move_session`, when it is there.
    pub(in crate::switchboard) fn follow_leg(
        &mut self,
        wire: &mut Wire,
        trunks: &mut Trunks,
        step: &mut Step,
        leg: &OfferLeg,
        was: Who,
        is: Who,
    ) {
        let confirmed = leg.line.dialog.iter().map(|dialog| dialog.key());
        for key in confirmed.chain(leg.early.keys()) {
            wire.dialogs.insert(key.clone(), is);
        }
        if let Some(sound) = &leg.line.sound {
            self.anchors.insert(sound.anchor, is);
        }
        wire.clients.move_leg(was, is);
        wire.lookups.follow(was, is);
        let rung = &leg.rung;
        for (at, alarm) in [
            (rung.second.due(), Alarm::SecondWay as fn(Who) -> Alarm),
            (rung.respond_by, Alarm::Unheard),
            (rung.ends_at, Alarm::BindingGone),
        ] {
            if let Some(at) = at.filter(|at| step.alarms.remove(*at, alarm(was))) {
                step.alarms.insert(at, alarm(is));
            }
        }
        if let OfferState::Ringing { ring_until, .. } = leg.state
            && step.alarms.remove(ring_until, Alarm::RingOver(was))
        {
            step.alarms.insert(ring_until, Alarm::RingOver(is));
        }
        if let Some(until) = leg.line.inquiry.as_ref().and_then(Inquiry::due)
            && step.alarms.remove(until, Alarm::Inquiry(was))
        {
            step.alarms.insert(until, Alarm::Inquiry(is));
        }
        if let Some(unacked) = &leg.line.unacked
            && step.alarms.remove(unacked.due(), Alarm::Unacked(was))
        {
            step.alarms.insert(unacked.due(), Alarm::Unacked(is));
        }
        if let Some(trunk) = trunks.trunk_with(was) {
            trunks.leave_seat(was);
            trunks.take_seat(trunk, is);
        }
        step.stir(&leg.to);
    }
}

impl MediaPorts {
    /// Lends a port of the address family of `towards`, and opens it.
    pub(in crate::switchboard) fn lend_sound(&mut self, step: &mut Step, who: Who, towards: IpAddr) -> Option<Sound> {
        let (anchor, bound) = self.ports.lend(towards)?;
        self.anchors.insert(anchor, who);
        step.out.media.push(Command::Open { anchor });
        Some(Sound {
            anchor,
            local: self.local_at(step, bound),
            places: Places::default(),
            agreed: None,
            heard: false,
            silent: false,
            offered: false,
        })
    }

    /// Our side of a session whose port is bound there.
    pub(in crate::switchboard) fn local_at(&mut self, step: &mut Step, bound: SocketAddr) -> Local {
        let session = step.rng.next_u64() >> 2;
        let terms = Terms::new(step.master_key());
        let mut advertised = self.settings.media_addresses.iter().copied();
        let address = advertised.find(|ip| ip.is_ipv4() == bound.is_ipv4()).unwrap_or(bound.ip());
        Local { address, port: bound.port(), session, version: 1, terms, formats: Formats::ANY }
    }
}

impl MediaPorts {
    /// Lends a port for the answer to an offer.
    pub(in crate::switchboard) fn lend_for(
        &mut self,
        step: &mut Step,
        who: Who,
        offer: Option<&AudioDescription>,
        sender: IpAddr,
    ) -> Option<Sound> {
        self.lend_sound(step, who, self.settings.media_towards(offer, sender))
    }
}

impl MediaPorts {
    /// Gives a port back that no leg has taken over.
    pub(in crate::switchboard) fn return_anchor(&mut self, step: &mut Step, anchor: AnchorId) {
        self.anchors.remove(&anchor);
        self.ports.give_back(anchor);
        step.out.media.push(Command::Close { anchor });
    }
}

impl MediaPorts {
    /// Reads the INVITE and lends it a port; the status of its refusal when it cannot be used.
    pub(in crate::switchboard) fn arrives(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        who: Who,
        to: &Callee,
    ) -> Result<Arriving, u16> {
        let tag = step.rng.token();
        let dialog = Dialog::as_callee(taken.message, tag.as_str()).map_err(|fault| fault.status)?;
        let offer =
            session_description(taken.message).and_then(|body| self.settings.read_offer(body).ok()).ok_or(488_u16)?;
        let mut sound = self.lend_for(step, who, Some(&offer), taken.flow.remote.ip()).ok_or(503_u16)?;
        sound.local.terms.secrecy = self.settings.secrecy(to, taken.flow);
        let Ok((body, agreed)) = offer_answer::answer(&offer, sound.local, None) else {
            self.return_anchor(step, sound.anchor);
            return Err(488);
        };
        sound.places = Places::of(&offer);
        sound.agree(agreed);
        Ok(Arriving { dialog, sound, body })
    }
}

impl MediaPorts {
    /// Takes a bridge apart, or makes it again, as the holds of its two sides have changed.
    pub(in crate::switchboard) fn hold_apart(
        &mut self,
        step: &mut Step,
        (a, b): (AnchorId, AnchorId),
        was: (bool, bool),
        is: (bool, bool),
    ) {
        let held = |holding: (bool, bool)| holding.0 || holding.1;
        if held(was) {
            step.out.media.push(Command::Stop { anchor: a });
            step.out.media.push(Command::Stop { anchor: b });
        } else {
            step.out.media.push(Command::Unbridge { anchor: a });
        }
        self.bridge(step, (a, b), is);
    }

    /// Bridges two that are apart; an operator who is on hold hears the tone instead, a caller what callers who wait hear.
    pub(in crate::switchboard) fn bridge(
        &mut self,
        step: &mut Step,
        (a, b): (AnchorId, AnchorId),
        holding: (bool, bool),
    ) {
        let tone = |anchor, sound| Command::Play { anchor, first: None, then: Some(sound) };
        match holding {
            (false, false) => step.out.media.push(Command::Bridge { a, b }),
            (true, false) => step.out.media.push(tone(b, Prompt::HoldTone)),
            (false, true) => step.out.media.push(tone(a, self.settings.waiting)),
            (true, true) => {}
        }
    }
}

impl MediaPorts {
    pub(in crate::switchboard) fn closed(
        &mut self,
        facts: &mut Facts,
        step: &mut Step,
        anchor: AnchorId,
        quality: Quality,
    ) {
        let Some((closed, who)) = self.closing.get(&anchor.slot).copied() else { return };
        if closed != anchor {
            return;
        }
        self.closing.remove(&anchor.slot);
        let (id, leg) = match who {
            Who::Caller(id) => (id, LegNo::CALLER),
            Who::Offer(id, leg) => (id, leg),
            Who::Phone(_) => return,
        };
        if quality.packets_in == 0 && quality.packets_out == 0 {
            return;
        }
        let Quality { packets_in, packets_out, packets_lost, packets_foreign, jitter_us } = quality;
        facts.late_fact(
            step,
            id,
            FactKind::Sound { leg, packets_in, packets_out, packets_lost, packets_foreign, jitter_us },
        );
    }
}
