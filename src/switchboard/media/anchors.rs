//! Local media addresses, the anchors of legs, and bridging of anchors.

use std::net::{IpAddr, SocketAddr};

use crate::cdr::fact::FactKind;
use crate::ids::LegNo;
use crate::media::command::{AnchorId, Command, Prompt, Quality};
use crate::sip::sdes::Terms;
use crate::sip::sdp::{Formats, Local};
use crate::switchboard::facts::Facts;
use crate::switchboard::ids::LegRef;
use crate::switchboard::media::MediaPorts;
use crate::switchboard::step::Step;

impl MediaPorts {
    /// True for an RTP or RTCP port of this service: media that is sent there would loop.
    pub(in crate::switchboard) fn is_own_port(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let listeners = self.settings.site.listeners.iter().map(|listener| listener.local.ip());
        let advertised = self.settings.media.addresses.iter().copied();
        // A wildcard address covers each address of the host.
        let bound = self.ports.addresses().any(|bound| bound == ip || (bound.is_unspecified() && ip.is_loopback()));
        self.ports.number(address.port()) && (bound || listeners.chain(advertised).any(|ours| ours == ip))
    }

    /// The local side of a media session whose port is bound at this address.
    pub(in crate::switchboard) fn local_at(&mut self, step: &mut Step, bound: SocketAddr) -> Local {
        let session = step.rng.next_u64() >> 2;
        let terms = Terms::new(step.master_key());
        let mut advertised = self.settings.media.addresses.iter().copied();
        let address = advertised.find(|ip| ip.is_ipv4() == bound.is_ipv4()).unwrap_or(bound.ip());
        Local { address, port: bound.port(), session, version: 1, terms, formats: Formats::ANY }
    }

    /// Lends a port of the address family of `towards` to a leg, and opens it. Returns the address to which it is bound.
    pub(in crate::switchboard) fn lend(
        &mut self,
        step: &mut Step,
        leg: LegRef,
        towards: IpAddr,
    ) -> Option<(AnchorId, SocketAddr)> {
        let (anchor, bound) = self.ports.lend(towards)?;
        self.anchors.insert(anchor, leg);
        step.out.media.push(Command::Open { anchor });
        Some((anchor, bound))
    }

    /// Closes and returns the port of a leg. Its final statistics arrive later.
    pub(in crate::switchboard) fn close(&mut self, step: &mut Step, leg: LegRef, anchor: AnchorId) {
        self.anchors.remove(&anchor);
        self.ports.give_back(anchor);
        step.out.media.push(Command::Close { anchor });
        self.closing.insert(anchor.slot, (anchor, leg));
    }

    /// Emits the final statistics of a closed port.
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
            LegRef::Caller(id) => (id, LegNo::CALLER),
            LegRef::Outgoing(id, leg) => (id, leg),
            LegRef::Service(_) => return,
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

    /// Returns the port of an anchor that no leg has taken over.
    pub(in crate::switchboard) fn return_anchor(&mut self, step: &mut Step, anchor: AnchorId) {
        self.anchors.remove(&anchor);
        self.ports.give_back(anchor);
        step.out.media.push(Command::Close { anchor });
    }

    /// Separates or bridges two anchors after the hold state of one side has changed.
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

    /// Bridges two separate anchors. If one side holds, the other hears a tone: an operator on hold the hold tone, a
    /// caller the prompt for waiting callers.
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
            (false, true) => step.out.media.push(tone(a, self.settings.media.waiting)),
            (true, true) => {}
        }
    }
}
