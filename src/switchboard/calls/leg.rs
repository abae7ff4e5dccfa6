//! Legs: one SIP dialog and one stream of sound each, towards the caller, an operator's phone or a number on the trunk.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use crate::cdr::fact::{Callee, OfferOutcome};
use crate::clock::Instant;
use crate::ids::Token;
use crate::limits::EARLY_DIALOGS_MAX;
use crate::media::command::{AnchorId, Codec, Remote};
use crate::media::source::Sources;
use crate::media::srtp;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::Flow;
use crate::sip::locate::Target;
use crate::sip::location::session_description;
use crate::sip::message::{Builder, Stencil};
use crate::sip::offer_answer::Agreed;
use crate::sip::sdes::{Crypto, Secrecy};
use crate::sip::sdp::{AudioCodec, AudioDescription, Direction, Local, Places};
use crate::sip::transaction::{ClientId, ServerId};
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Name};
use crate::sip::{offer_answer, sdes, sdp};
use crate::switchboard::calls::digits::Digits;
use crate::switchboard::calls::inquiry::{Found, Inquiry};
use crate::switchboard::calls::overtaken::HeldBye;
use crate::switchboard::calls::referral::Refers;
use crate::switchboard::calls::refresh::{Agreement, Asked, Session, Unanswered};
use crate::switchboard::calls::reliable::{Early, Reliable};
use crate::switchboard::calls::without_port::WithoutPort;
use crate::switchboard::ids::BoundPhone;
use crate::switchboard::phones::ways::SecondWay;
use crate::switchboard::wire::connections::Disconnected;

/// A 2xx to an INVITE that waits for its ACK: its user repeats it (RFC 3261 §13.3.1.4).
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Unacked {
    pub(in crate::switchboard) server: ServerId,
    /// Of the INVITE, and of the ACK.
    pub(in crate::switchboard) cseq: u32,
    pub(in crate::switchboard) bytes: Bytes,
    pub(in crate::switchboard) repeat_at: Instant,
    pub(in crate::switchboard) interval: Duration,
    pub(in crate::switchboard) give_up_at: Instant,
}

impl Unacked {
    /// When something is to be done next.
    pub(in crate::switchboard) fn due(&self) -> Instant {
        self.repeat_at.min(self.give_up_at)
    }
}

/// Credentials that an INVITE of ours had: its ACK has the same (RFC 3261 §13.2.2.4). They show in no log.
#[derive(Clone)]
pub(in crate::switchboard) struct Credentials {
    cseq: u32,
    name: Name,
    value: Bytes,
}

impl Credentials {
    pub(in crate::switchboard) fn of(cseq: u32, name: Name, value: &[u8]) -> Self {
        Self { cseq, name, value: Bytes::copy_from_slice(value) }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("cseq", &self.cseq).finish_non_exhaustive()
    }
}

/// The stream of sound of one leg.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Sound {
    pub(in crate::switchboard) anchor: AnchorId,
    pub(in crate::switchboard) local: Local,
    /// Where our stream stands among those of the peer's last offer.
    pub(in crate::switchboard) places: Places,
    pub(in crate::switchboard) agreed: Option<Agreed>,
    /// The peer's RTP has arrived.
    pub(in crate::switchboard) heard: bool,
    /// It has stopped since it was aimed.
    pub(in crate::switchboard) silent: bool,
    /// An offer of ours has no answer yet.
    pub(in crate::switchboard) offered: bool,
}

impl Sound {
    /// What media is told of the peer's end.
    pub(in crate::switchboard) fn remote(&self) -> Option<Remote> {
        self.agreed.map(|agreed| Remote {
            rtp: agreed.rtp,
            rtcp: agreed.rtcp,
            sources: Sources::default(),
            codec: media_codec(agreed.codec),
            payload_type: agreed.payload_type,
            dtmf: agreed.dtmf,
            dtmf_heard: agreed.dtmf_heard,
            send: matches!(agreed.direction, Direction::SendRecv | Direction::SendOnly),
            srtp: agreed.crypto.map(srtp_keys),
        })
    }

    /// Takes what was agreed. A leg that is secret once stays so in our own offers.
    pub(in crate::switchboard) fn agree(&mut self, agreed: Agreed) {
        if let Some(crypto) = agreed.crypto {
            let terms = &mut self.local.terms;
            terms.suite = crypto.theirs.suite;
            terms.secrecy = match terms.secrecy {
                Secrecy::AsOffered | Secrecy::Wanted => Secrecy::Wanted,
                Secrecy::Required => Secrecy::Required,
            };
        }
        self.agreed = Some(agreed);
    }

    /// Our side for the answer to a new offer. A peer that comes with a new key gets a new one of ours, so that the counters
    /// of both ends start anew; with the same key, both go on.
    pub(in crate::switchboard) fn renewed(&self, offer: &AudioDescription, fresh: sdes::MasterKey) -> Local {
        let mut local = Local { version: self.local.version + 1, ..self.local };
        let known = self.agreed.and_then(|agreed| agreed.crypto);
        if let (Some(known), Some(line)) = (known, offer.crypto.first())
            && (known.theirs.key, known.theirs.suite) != (line.key, line.suite)
        {
            local.terms.key = fresh;
        }
        local
    }

    /// False while the peer need not send: it listens only, or has put us on hold. Its silence means nothing then.
    pub(in crate::switchboard) fn peer_sends(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.direction == Direction::SendRecv)
    }

    /// True while the peer has put us on hold: it does not want to hear (`sendonly`, `inactive`, an address of zeros).
    pub(in crate::switchboard) fn peer_holds(&self) -> bool {
        self.agreed.is_some_and(|agreed| matches!(agreed.direction, Direction::RecvOnly | Direction::Inactive))
    }

    /// The peer's voice is there, as far as media has told.
    pub(in crate::switchboard) fn is_heard(&self) -> bool {
        self.heard && !self.silent
    }
}

fn media_codec(codec: AudioCodec) -> Codec {
    match codec {
        AudioCodec::Pcma => Codec::Pcma,
        AudioCodec::Pcmu => Codec::Pcmu,
    }
}

/// The keys in media's words.
fn srtp_keys(crypto: Crypto) -> srtp::Keys {
    let master = |key: sdes::MasterKey| srtp::MasterKey { key: key.key(), salt: key.salt() };
    srtp::Keys {
        suite: match crypto.theirs.suite {
            sdes::Suite::Sha1_80 => srtp::Suite::Sha1_80,
            sdes::Suite::Sha1_32 => srtp::Suite::Sha1_32,
        },
        ours: master(crypto.ours),
        theirs: master(crypto.theirs.key),
        mki_bytes: crypto.theirs.mki_bytes,
    }
}

/// What every leg has.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Line {
    /// How the peer is reached.
    pub(in crate::switchboard) flow: Flow,
    /// The source of the last request of the dialog; None: the peer has sent none.
    pub(in crate::switchboard) host: Option<IpAddr>,
    /// Trunks are sent to where their route set or Contact says; phones, who stand behind NAT, over their flow.
    pub(in crate::switchboard) follow_target: bool,
    /// The next hop if its host is a name, and the address that the name was resolved to.
    pub(in crate::switchboard) hop: Option<(Bytes, SocketAddr)>,
    pub(in crate::switchboard) dialog: Option<Dialog>,
    pub(in crate::switchboard) sound: Option<Sound>,
    pub(in crate::switchboard) unacked: Option<Unacked>,
    /// The session is over, but the BYE must wait for the ACK (RFC 3261 §15).
    pub(in crate::switchboard) bye_due: bool,
    /// The peer's Allow names UPDATE.
    pub(in crate::switchboard) allows_update: bool,
    pub(in crate::switchboard) session: Option<Session>,
    /// A request of ours in the dialog that waits for its final response.
    pub(in crate::switchboard) asked: Option<Asked>,
    /// Our OPTIONS to a silent peer.
    pub(in crate::switchboard) inquiry: Option<Inquiry>,
    /// What such requests have shown.
    pub(in crate::switchboard) found: Found,
    /// Our last re-INVITE that was answered, and its CSeq: its 2xx may come again.
    pub(in crate::switchboard) reinvited: Option<(ClientId, u32)>,
    /// The peer may have lost the dialog: it is lost as soon as its media stops.
    pub(in crate::switchboard) doubted: bool,
    /// A re-INVITE of ours that nobody has answered in time.
    pub(in crate::switchboard) unanswered: Option<Unanswered>,
    pub(in crate::switchboard) credentials: Option<Credentials>,
    /// What our BYE or CANCEL says of why (RFC 3326).
    pub(in crate::switchboard) reason: Option<Bytes>,
    pub(in crate::switchboard) digits: Digits,
    /// The To tags of unwanted dialogs that already got a BYE: a repeated 2xx gets only the ACK.
    pub(in crate::switchboard) hung_up: BTreeSet<Bytes>,
    /// The peer has asked to pass somebody on, and is told what becomes of it.
    pub(in crate::switchboard) refers: Refers,
    /// The peer's BYE, while an earlier request may be under way.
    pub(in crate::switchboard) held_bye: Option<HeldBye>,
}

impl Line {
    pub(in crate::switchboard) fn new(flow: Flow, follow_target: bool) -> Self {
        Self {
            flow,
            host: None,
            follow_target,
            hop: None,
            dialog: None,
            sound: None,
            unacked: None,
            bye_due: false,
            allows_update: false,
            session: None,
            asked: None,
            inquiry: None,
            found: Found::default(),
            reinvited: None,
            doubted: false,
            unanswered: None,
            credentials: None,
            reason: None,
            digits: Digits::default(),
            hung_up: BTreeSet::new(),
            refers: Refers::default(),
            held_bye: None,
        }
    }

    /// Learns from the Allow of a peer's message, where there is one.
    pub(in crate::switchboard) fn learn(&mut self, message: &Message<'_>) {
        if message.first(Name::Allow).is_some() {
            self.allows_update = message.list(Name::Allow).any(|method| method == b"UPDATE");
        }
    }

    /// The result of our offer and the answer in a response. None if there is no answer, or one that cannot be used.
    pub(in crate::switchboard) fn answer_in(&self, message: &Message<'_>) -> Option<Agreed> {
        let answer = sdp::read(session_description(message)?).ok()?;
        offer_answer::accept(&answer, self.sound.as_ref()?.local).ok()
    }

    /// The ACK of a 2xx to the INVITE numbered `cseq`, in its dialog.
    pub(in crate::switchboard) fn ack(&self, dialog: &Dialog, cseq: u32) -> Builder {
        let ack = dialog.ack(cseq);
        match self.credentials.as_ref().filter(|credentials| credentials.cseq == cseq) {
            Some(Credentials { name, value, .. }) => ack.header(*name, value),
            None => ack,
        }
    }

    /// Takes the dialog of a 2xx that is not wanted. True if it gets a BYE: it is neither the leg's own, nor did it get one before.
    pub(in crate::switchboard) fn hangs_up(&mut self, dialog: &Dialog) -> bool {
        let is_own = self.dialog.as_ref().is_some_and(|own| own.key() == dialog.key());
        !is_own && self.hung_up.len() < EARLY_DIALOGS_MAX && self.hung_up.insert(dialog.key().remote_tag.clone())
    }

    /// Where the next request in the dialog goes.
    pub(in crate::switchboard) fn next_flow(&self) -> Flow {
        self.dialog.as_ref().map_or(self.flow, |dialog| self.flow_in(dialog))
    }

    /// The same for one of its dialogs: forks may be at several places (RFC 3261 §12.2.1.1).
    pub(in crate::switchboard) fn flow_in(&self, dialog: &Dialog) -> Flow {
        let hop = Some(dialog.next_hop()).filter(|_| self.follow_target);
        let named = |hop: &[u8]| self.hop.as_ref().filter(|(uri, _)| uri == hop).map(|(_, address)| *address);
        let target = hop.and_then(|hop| Uri::parse(hop).ok()?.socket_address().or_else(|| named(hop)));
        match target {
            Some(address) if !address.ip().is_unspecified() => self.flow.towards(address),
            Some(_) | None => self.flow,
        }
    }
}

/// An INVITE of ours that has made its callee a caller: its 2xx may come again, or from a fork.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Fetched {
    pub(in crate::switchboard) client: ClientId,
    pub(in crate::switchboard) cseq: u32,
    /// The From that we sent, tag included.
    pub(in crate::switchboard) from: Bytes,
}

/// The caller's leg.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct CallerLeg {
    pub(in crate::switchboard) line: Line,
    /// The INVITE's transaction until it has its final response.
    pub(in crate::switchboard) invite: Option<ServerId>,
    /// Of its responses. None: he has not called us, we have called him.
    pub(in crate::switchboard) stencil: Option<Stencil>,
    /// The INVITE of ours that he has answered, where his own phone was rung.
    pub(in crate::switchboard) fetched: Option<Fetched>,
    pub(in crate::switchboard) tag: Token,
    /// Our description: the answer, or the offer when the INVITE had none.
    pub(in crate::switchboard) sdp: Bytes,
    /// The INVITE had no offer: its answer comes in the ACK (RFC 3261 §13.2.1).
    pub(in crate::switchboard) delayed_offer: bool,
    /// The caller waits without a port, or has one only as long as a phone rings.
    pub(in crate::switchboard) without_port: Option<WithoutPort>,
    /// What the caller has been told: the highest provisional status.
    pub(in crate::switchboard) told: u16,
    /// When he is told again.
    pub(in crate::switchboard) tell_again_at: Option<Instant>,
    /// When he is offered audio again.
    pub(in crate::switchboard) audio_again_at: Option<Instant>,
    pub(in crate::switchboard) answered: bool,
    /// Provisional responses are reliable.
    pub(in crate::switchboard) reliable: Option<Reliable>,
    /// What the 200 will say of the session's timer.
    pub(in crate::switchboard) session: Agreement,
    /// The connection was closed before the final response or its ACK.
    pub(in crate::switchboard) disconnected: Option<Disconnected>,
}

/// Where an outgoing leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum OfferState {
    /// INVITE sent; ends by itself at `ring_until`.
    Ringing { ring_until: Instant, rang: bool },
    /// No phone has responded to the INVITE in time. It stays open, and its operator is not reserved for the call.
    Unheard,
    /// Cancelled; waits for the final response.
    Cancelling,
    /// Connected.
    Talking,
}

/// How the phone of a leg is rung.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct Rung {
    /// None: a number on a trunk, or the phone has called us.
    pub(in crate::switchboard) phone: Option<BoundPhone>,
    pub(in crate::switchboard) second: SecondWay,
    /// A response has come, whatever it says.
    pub(in crate::switchboard) heard: bool,
    /// Until then the first response is awaited.
    pub(in crate::switchboard) respond_by: Option<Instant>,
    /// The binding is gone: the leg ends then, unless a response comes.
    pub(in crate::switchboard) ends_at: Option<Instant>,
}

/// A leg to an operator's phone, or to the fallback number.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct OfferLeg {
    pub(in crate::switchboard) line: Line,
    pub(in crate::switchboard) to: Callee,
    /// The INVITE that we sent. None: the phone has called us to take the place of another.
    pub(in crate::switchboard) client: Option<ClientId>,
    /// The From that we sent, tag included, and the Call-ID.
    pub(in crate::switchboard) from: Bytes,
    pub(in crate::switchboard) call_id: Bytes,
    pub(in crate::switchboard) cseq: u32,
    pub(in crate::switchboard) state: OfferState,
    pub(in crate::switchboard) early: BTreeMap<DialogKey, Early>,
    /// The trunk and its server over which a number was dialled: a failure counts against this server.
    pub(in crate::switchboard) dialled: Option<(usize, Target)>,
    /// It rang for somebody else than the caller whom it gets.
    pub(in crate::switchboard) shows_another: bool,
    pub(in crate::switchboard) rung: Rung,
}

/// How a final response of a phone is recorded.
pub(in crate::switchboard) fn outcome_of(status: u16) -> OfferOutcome {
    match status {
        486 | 600 => OfferOutcome::Busy,
        408 | 480 => OfferOutcome::NoAnswer,
        404 | 410 | 503 => OfferOutcome::Unreachable,
        300..=399 => OfferOutcome::Redirected,
        400..=699 => OfferOutcome::Rejected,
        _ => OfferOutcome::Unreachable,
    }
}
