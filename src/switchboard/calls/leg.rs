//! Legs: one SIP dialog and one media stream each, to the caller, an operator's phone or a number over a trunk.

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

/// A 2xx to an INVITE that waits for its ACK and is retransmitted until then (RFC 3261 §13.3.1.4).
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Unacked {
    pub(in crate::switchboard) server: ServerId,
    /// The CSeq number of the INVITE and the ACK.
    pub(in crate::switchboard) cseq: u32,
    pub(in crate::switchboard) bytes: Bytes,
    pub(in crate::switchboard) repeat_at: Instant,
    pub(in crate::switchboard) interval: Duration,
    pub(in crate::switchboard) give_up_at: Instant,
}

impl Unacked {
    /// The time of the next retransmission, or of giving up.
    pub(in crate::switchboard) fn due(&self) -> Instant {
        self.repeat_at.min(self.give_up_at)
    }
}

/// Credentials of an outgoing INVITE, which its ACK repeats (RFC 3261 §13.2.2.4). They are never logged.
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

/// The media session of one leg.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Sound {
    pub(in crate::switchboard) anchor: AnchorId,
    pub(in crate::switchboard) local: Local,
    /// The position of siaga's media stream in the peer's last offer.
    pub(in crate::switchboard) places: Places,
    pub(in crate::switchboard) agreed: Option<Agreed>,
    /// True if RTP of the peer has arrived.
    pub(in crate::switchboard) heard: bool,
    /// True if the peer's RTP has stopped since the remote address was last set.
    pub(in crate::switchboard) silent: bool,
    /// True while an offer of siaga has no answer.
    pub(in crate::switchboard) offered: bool,
}

impl Sound {
    /// The peer's side of the session as media uses it.
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

    /// Stores the negotiated session. Once a leg has used SRTP, siaga's later offers require the same.
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

    /// siaga's side for the answer to a new offer. If the peer has a new SRTP key, siaga uses a new key too, so that
    /// the packet counters of both ends restart. With an unchanged key, both continue.
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

    /// False while the peer need not send: it only receives, or has put siaga on hold. Its silence is then expected.
    pub(in crate::switchboard) fn peer_sends(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.direction == Direction::SendRecv)
    }

    /// True while the peer has put siaga on hold (`sendonly`, `inactive` or the address 0.0.0.0).
    pub(in crate::switchboard) fn peer_holds(&self) -> bool {
        self.agreed.is_some_and(|agreed| matches!(agreed.direction, Direction::RecvOnly | Direction::Inactive))
    }

    /// True while RTP of the peer arrives.
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

/// The SRTP keys in the types of media.
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

/// The state that every leg has.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Line {
    /// The transport, connection and address of the peer.
    pub(in crate::switchboard) flow: Flow,
    /// The source of the last request in the dialog; None if the peer has sent none.
    pub(in crate::switchboard) host: Option<IpAddr>,
    /// True for trunks: requests go to the route set or Contact. False for phones, which may be behind NAT: requests
    /// use `flow`.
    pub(in crate::switchboard) follow_target: bool,
    /// The next hop if its host is a name, and the address that the name was resolved to.
    pub(in crate::switchboard) hop: Option<(Bytes, SocketAddr)>,
    pub(in crate::switchboard) dialog: Option<Dialog>,
    pub(in crate::switchboard) sound: Option<Sound>,
    pub(in crate::switchboard) unacked: Option<Unacked>,
    /// The session has ended, but the BYE must wait for the ACK (RFC 3261 §15).
    pub(in crate::switchboard) bye_due: bool,
    /// True if the peer's Allow contains UPDATE.
    pub(in crate::switchboard) allows_update: bool,
    pub(in crate::switchboard) session: Option<Session>,
    /// An outgoing request in the dialog that waits for its final response.
    pub(in crate::switchboard) asked: Option<Asked>,
    /// An OPTIONS to a silent peer.
    pub(in crate::switchboard) inquiry: Option<Inquiry>,
    /// The result of these OPTIONS.
    pub(in crate::switchboard) found: Found,
    /// The last answered re-INVITE of siaga and its CSeq: its 2xx may be retransmitted.
    pub(in crate::switchboard) reinvited: Option<(ClientId, u32)>,
    /// True if the peer may have lost the dialog: the leg is lost as soon as its media stops.
    pub(in crate::switchboard) doubted: bool,
    /// True if the peer may be gone: it gets OPTIONS as soon as its media stops.
    pub(in crate::switchboard) suspected: bool,
    /// A re-INVITE of siaga without a response in time.
    pub(in crate::switchboard) unanswered: Option<Unanswered>,
    pub(in crate::switchboard) credentials: Option<Credentials>,
    /// The Reason header field of the BYE or CANCEL (RFC 3326).
    pub(in crate::switchboard) reason: Option<Bytes>,
    pub(in crate::switchboard) digits: Digits,
    /// The To tags of unwanted dialogs that have already got a BYE: a repeated 2xx gets only the ACK.
    pub(in crate::switchboard) hung_up: BTreeSet<Bytes>,
    /// The transfers that the peer has requested, with the NOTIFYs of their progress.
    pub(in crate::switchboard) refers: Refers,
    /// The peer's BYE, while an earlier request may still arrive.
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
            suspected: false,
            unanswered: None,
            credentials: None,
            reason: None,
            digits: Digits::default(),
            hung_up: BTreeSet::new(),
            refers: Refers::default(),
            held_bye: None,
        }
    }

    /// Updates `allows_update` from the Allow of a message, if it has one.
    pub(in crate::switchboard) fn learn(&mut self, message: &Message<'_>) {
        if message.first(Name::Allow).is_some() {
            self.allows_update = message.list(Name::Allow).any(|method| method == b"UPDATE");
        }
    }

    /// The result of siaga's offer and the answer in a message. None if there is no usable answer.
    pub(in crate::switchboard) fn answer_in(&self, message: &Message<'_>) -> Option<Agreed> {
        let answer = sdp::read(session_description(message)?).ok()?;
        offer_answer::accept(&answer, self.sound.as_ref()?.local).ok()
    }

    /// The ACK of a 2xx to the INVITE with this CSeq, in its dialog.
    pub(in crate::switchboard) fn ack(&self, dialog: &Dialog, cseq: u32) -> Builder {
        let ack = dialog.ack(cseq);
        match self.credentials.as_ref().filter(|credentials| credentials.cseq == cseq) {
            Some(Credentials { name, value, .. }) => ack.header(*name, value),
            None => ack,
        }
    }

    /// Stores the dialog of an unwanted 2xx. Returns true if it needs a BYE: it is not the leg's own and has not got
    /// one yet.
    pub(in crate::switchboard) fn hangs_up(&mut self, dialog: &Dialog) -> bool {
        let is_own = self.dialog.as_ref().is_some_and(|own| own.key() == dialog.key());
        !is_own && self.hung_up.len() < EARLY_DIALOGS_MAX && self.hung_up.insert(dialog.key().remote_tag.clone())
    }

    /// The flow for the next request in the dialog.
    pub(in crate::switchboard) fn next_flow(&self) -> Flow {
        self.dialog.as_ref().map_or(self.flow, |dialog| self.flow_in(dialog))
    }

    /// The flow for the next request in this dialog of the leg: forks may have different addresses
    /// (RFC 3261 §12.2.1.1).
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

/// An outgoing INVITE whose called party has become the caller. Its 2xx may be repeated, or arrive from a fork.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Fetched {
    pub(in crate::switchboard) client: ClientId,
    pub(in crate::switchboard) cseq: u32,
    /// The From of the INVITE with its tag.
    pub(in crate::switchboard) from: Bytes,
}

/// The caller's leg.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct CallerLeg {
    pub(in crate::switchboard) line: Line,
    /// The INVITE's server transaction, until its final response.
    pub(in crate::switchboard) invite: Option<ServerId>,
    /// The base of responses to the INVITE. None if siaga has called this party.
    pub(in crate::switchboard) stencil: Option<Stencil>,
    /// siaga's INVITE that the party has answered, if the operator's own phone was rung.
    pub(in crate::switchboard) fetched: Option<Fetched>,
    pub(in crate::switchboard) tag: Token,
    /// siaga's SDP: the answer, or the offer if the INVITE had none.
    pub(in crate::switchboard) sdp: Bytes,
    /// The INVITE had no offer: the answer arrives in the ACK (RFC 3261 §13.2.1).
    pub(in crate::switchboard) delayed_offer: bool,
    /// Set while the caller waits without a port, or has one only while a phone rings.
    pub(in crate::switchboard) without_port: Option<WithoutPort>,
    /// The highest provisional status that was sent to the caller.
    pub(in crate::switchboard) told: u16,
    /// The time at which the provisional response is repeated.
    pub(in crate::switchboard) tell_again_at: Option<Instant>,
    /// The time at which audio is offered to the caller again.
    pub(in crate::switchboard) audio_again_at: Option<Instant>,
    pub(in crate::switchboard) answered: bool,
    /// The state of reliable provisional responses; None if they are not reliable.
    pub(in crate::switchboard) reliable: Option<Reliable>,
    /// The session timer that the 200 will have.
    pub(in crate::switchboard) session: Agreement,
    /// The connection was closed before the final response or its ACK.
    pub(in crate::switchboard) disconnected: Option<Disconnected>,
}

/// The state of an outgoing leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum OfferState {
    /// INVITE sent; the leg is cancelled at `ring_until`. `rang`: 180 has arrived.
    Ringing { ring_until: Instant, rang: bool },
    /// No phone has responded to the INVITE in time. It stays open, and its operator is not reserved for the call.
    Unheard,
    /// Cancelled; waits for the final response.
    Cancelling,
    /// Connected.
    Talking,
}

/// The ringing of a leg's phone.
#[derive(Clone, Debug, Default)]
pub(in crate::switchboard) struct Rung {
    /// The phone; None for a number over a trunk, or if the phone has called siaga.
    pub(in crate::switchboard) phone: Option<BoundPhone>,
    pub(in crate::switchboard) second: SecondWay,
    /// True if any response has arrived.
    pub(in crate::switchboard) heard: bool,
    /// The deadline for the first response.
    pub(in crate::switchboard) respond_by: Option<Instant>,
    /// The binding has been removed: the leg ends at this time unless a response arrives.
    pub(in crate::switchboard) ends_at: Option<Instant>,
}

/// A leg to an operator's phone or to an outside number.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct OfferLeg {
    pub(in crate::switchboard) line: Line,
    pub(in crate::switchboard) to: Callee,
    /// The INVITE transaction; None if the phone has called siaga to replace another leg.
    pub(in crate::switchboard) client: Option<ClientId>,
    /// The From of the INVITE with its tag, and the Call-ID.
    pub(in crate::switchboard) from: Bytes,
    pub(in crate::switchboard) call_id: Bytes,
    pub(in crate::switchboard) cseq: u32,
    pub(in crate::switchboard) state: OfferState,
    pub(in crate::switchboard) early: BTreeMap<DialogKey, Early>,
    /// The trunk and its server over which a number was dialled: a failure counts against this server.
    pub(in crate::switchboard) dialled: Option<(usize, Target)>,
    /// True if the leg rang for a party other than the caller with whom it is connected.
    pub(in crate::switchboard) shows_another: bool,
    pub(in crate::switchboard) rung: Rung,
}

/// The recorded outcome for a final response of a phone.
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
