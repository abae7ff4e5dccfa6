//! The SIP session and the media session of one leg: its dialog, offers and answers, session timer, own requests, and
//! end. It knows no call: what the call of the leg must do is returned as `SessionEvent`.

pub(in crate::switchboard) mod closing;
mod digits;
mod early;
pub(in crate::switchboard) mod events;
pub(in crate::switchboard) mod held_bye;
pub(in crate::switchboard) mod incoming;
mod info;
pub(in crate::switchboard) mod inputs;
mod inquiry;
mod lost_dialog;
pub(in crate::switchboard) mod media;
mod negotiate;
mod peer_probe;
pub(in crate::switchboard) mod reason;
mod referral;
mod refresh;
mod reliable;
mod route;
pub(in crate::switchboard) mod state;
#[cfg(test)]
mod tests;
pub(in crate::switchboard) mod timer;
mod unacked;

use crate::clock::Instant;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::Flow;
use crate::sip::transaction::ClientId;
use crate::switchboard::ids::LegRef;
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::session::state::closing::Closing;
use crate::switchboard::session::state::digits::Digits;
use crate::switchboard::session::state::early::EarlyDialogs;
use crate::switchboard::session::state::incoming::IncomingInvite;
use crate::switchboard::session::state::presence::Presence;
use crate::switchboard::session::state::refers::Refers;
use crate::switchboard::session::state::reliable::Reliable;
use crate::switchboard::session::state::requests::Requests;
use crate::switchboard::session::state::route::Route;
use crate::switchboard::session::state::timer::SessionTimer;
use crate::switchboard::session::state::unacked::Unacked;
use crate::switchboard::timers::TimerKind;
use crate::switchboard::wire::clients::Purpose;

/// The session of one leg.
///
/// The table shows the session of a caller. `SessionState` has the first word of a state. The marks are: `requesting`, a
/// re-INVITE or UPDATE of siaga has no response; `offering`, an offer of siaga has no answer; `doubted`, the peer may have
/// lost its dialog; `suspected`, the peer may be gone, and media reports its silence after 2 s; `asking`, an OPTIONS to the silent peer has
/// no response. The effects are the messages that are sent and
/// the events that are returned, in their order. A test carries out each row.
///
/// | state | event | next state | effects |
/// | --- | --- | --- | --- |
/// | early | the call answers | unacked | 200 |
/// | early | the call ends | ended | 480 |
/// | early | re-INVITE with offer | early | 500 |
/// | early | UPDATE with offer | early | 500 |
/// | early | UPDATE without offer | early | 200 |
/// | early | INFO with a digit | early | 200, Digit |
/// | early | BYE | early | 200, HungUp |
/// | unacked | ACK | confirmed | Acknowledged |
/// | unacked | T1 without ACK | unacked | 200 |
/// | unacked | 64*T1 without ACK | confirmed | NeverAcked |
/// | unacked | re-INVITE with offer | unacked | 491 |
/// | unacked | UPDATE with offer | unacked | 200, Negotiated |
/// | unacked | the call ends | ending | - |
/// | unacked | the call ends, the peer is lost | ended | BYE |
/// | unacked, offering | ACK with answer | confirmed | Negotiated, Acknowledged |
/// | unacked, offering | ACK | confirmed | Acknowledged |
/// | unacked, offering | UPDATE with offer | unacked, offering | 491 |
/// | unacked, offering | 64*T1 without ACK | confirmed | NeverAcked |
/// | unacked, offering | the call ends | ending | - |
/// | ending | T1 without ACK | ending | 200 |
/// | ending | ACK | ended | BYE, Acknowledged |
/// | ending | 64*T1 without ACK | ending | NeverAcked |
/// | confirmed | re-INVITE with offer | unacked | 200, Negotiated |
/// | confirmed | re-INVITE without offer | unacked, offering | 200 |
/// | confirmed | UPDATE with offer | confirmed | 200, Negotiated |
/// | confirmed | UPDATE without offer | confirmed | 200 |
/// | confirmed | OPTIONS | confirmed | 200 |
/// | confirmed | INFO with a digit | confirmed | 200, Digit |
/// | confirmed | BYE | confirmed | 200, HungUp |
/// | confirmed | refresh is due | confirmed, requesting, offering | INVITE |
/// | confirmed | timer expires | confirmed | Expired, Lost |
/// | confirmed | timer expires, media arrives | confirmed, doubted | Expired |
/// | confirmed | media stops | confirmed, asking | OPTIONS |
/// | confirmed | the call ends | ended | BYE |
/// | confirmed, requesting | 2xx | confirmed | - |
/// | confirmed, requesting | no response | confirmed, doubted | - |
/// | confirmed, requesting | 481 | confirmed, doubted | Expired |
/// | confirmed, requesting | re-INVITE with offer | unacked, requesting | 200, Negotiated |
/// | confirmed, requesting, offering | 2xx with answer | confirmed | ACK, Negotiated |
/// | confirmed, requesting, offering | 491 | confirmed | ACK |
/// | confirmed, requesting, offering | 481 | confirmed, doubted | ACK, Expired |
/// | confirmed, requesting, offering | no response | confirmed, doubted | - |
/// | confirmed, requesting, offering | re-INVITE with offer | confirmed, requesting, offering | 491 |
/// | confirmed, requesting, offering | UPDATE with offer | confirmed, requesting, offering | 491 |
/// | confirmed, requesting, offering | the call ends | ended | BYE |
/// | confirmed, doubted | media stops | confirmed, doubted | Lost |
/// | confirmed, doubted | OPTIONS | confirmed | 200 |
/// | confirmed, asking | 2xx | confirmed | SilentPeerPresent |
/// | confirmed, asking | 481 | confirmed | PeerGone |
/// | confirmed, asking | no response | confirmed | PeerGone |
/// | confirmed, asking | it cannot be sent | confirmed | - |
/// | confirmed, asking | OPTIONS | confirmed | 200, SilentPeerPresent |
/// | confirmed, suspected | media stops | confirmed, suspected, asking | OPTIONS |
/// | confirmed, suspected | OPTIONS | confirmed | 200 |
/// | confirmed, suspected, asking | 2xx | confirmed | - |
/// | confirmed, suspected, asking | 481 | confirmed | Lost |
/// | confirmed, suspected, asking | no response | confirmed | Lost |
/// | confirmed, suspected, asking | it cannot be sent | confirmed, suspected | - |
/// | confirmed, suspected, asking | it cannot be sent, media stops | confirmed, suspected, asking | OPTIONS |
/// | confirmed, suspected, asking | OPTIONS | confirmed | 200 |
/// | ended | OPTIONS | ended | 200 |
/// | ended | BYE | ended | 200, HungUp |
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct Session {
    route: Route,
    /// The INVITE of the peer, if it is a caller.
    invite: Option<IncomingInvite>,
    /// The early dialogs, if siaga has sent the INVITE.
    early: EarlyDialogs,
    /// The dialog of the leg. A caller has it from the INVITE on, a called party from the 2xx on.
    dialog: Option<Dialog>,
    media: Option<MediaSession>,
    unacked: Option<Unacked>,
    timer: Option<SessionTimer>,
    requests: Requests,
    presence: Presence,
    digits: Digits,
    refers: Refers,
    closing: Closing,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::switchboard) enum SessionState {
    /// The INVITE has no 2xx.
    Early,
    /// A 2xx of siaga waits for its ACK.
    Unacked,
    /// The session is established.
    Confirmed,
    /// The session is over, and the BYE waits for the ACK.
    Ending,
    /// The session is over.
    Ended,
}

impl Session {
    /// A session without a dialog. `follow_target`: requests go to the route set or Contact, because the peer is a
    /// trunk.
    pub(in crate::switchboard) fn new(flow: Flow, follow_target: bool) -> Self {
        Self {
            route: Route::new(flow, follow_target),
            invite: None,
            early: EarlyDialogs::default(),
            dialog: None,
            media: None,
            unacked: None,
            timer: None,
            requests: Requests::default(),
            presence: Presence::default(),
            digits: Digits::default(),
            refers: Refers::default(),
            closing: Closing::default(),
        }
    }

    /// The session of a caller's INVITE, which has no final response yet.
    pub(in crate::switchboard) fn of_caller(flow: Flow, dialog: Dialog, invite: IncomingInvite) -> Self {
        Self { dialog: Some(dialog), invite: Some(invite), ..Self::new(flow, true) }
    }

    /// The session of a phone's INVITE that is answered at once.
    pub(in crate::switchboard) fn of_answered(flow: Flow, dialog: Dialog, media: MediaSession) -> Self {
        Self { dialog: Some(dialog), media: Some(media), ..Self::new(flow, false) }
    }

    /// Stores the media session.
    pub(in crate::switchboard) fn set_media(&mut self, media: MediaSession) {
        self.media = Some(media);
    }

    /// Removes and returns the media session of a caller who has never received its description.
    pub(in crate::switchboard) fn take_media(&mut self) -> Option<MediaSession> {
        self.media.take()
    }

    /// The dialog of the leg with this key: the confirmed one, or an early one.
    pub(in crate::switchboard) fn dialog_mut(&mut self, key: &DialogKey) -> Option<&mut Dialog> {
        if self.is_confirmed(key) {
            return self.dialog.as_mut();
        }
        self.early.get_mut(key).map(|early| &mut early.dialog)
    }

    /// The dialog for a request of siaga.
    pub(in crate::switchboard) fn own_dialog_mut(&mut self) -> Option<&mut Dialog> {
        self.dialog.as_mut()
    }

    /// The state of the session.
    pub(in crate::switchboard) fn state(&self) -> SessionState {
        match (self.closing.is_closed(), self.closing.is_bye_due(), self.unacked.is_some(), self.is_answered()) {
            (true, true, _, _) => SessionState::Ending,
            (true, false, _, _) => SessionState::Ended,
            (false, _, true, _) => SessionState::Unacked,
            (false, _, false, true) => SessionState::Confirmed,
            (false, _, false, false) => SessionState::Early,
        }
    }

    /// True if the INVITE was answered.
    pub(in crate::switchboard) fn is_answered(&self) -> bool {
        self.invite.as_ref().map_or(self.dialog.is_some(), IncomingInvite::is_answered)
    }

    pub(in crate::switchboard) fn media(&self) -> Option<&MediaSession> {
        self.media.as_ref()
    }

    /// The dialog of the leg.
    pub(in crate::switchboard) fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    /// True if this is the dialog of the leg, and not an early one of a called party.
    pub(in crate::switchboard) fn is_confirmed(&self, key: &DialogKey) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| dialog.key() == key)
    }

    /// True if this is a dialog of the leg: its own, or an early one of a called party.
    pub(in crate::switchboard) fn has_dialog(&self, key: &DialogKey) -> bool {
        self.is_confirmed(key) || self.early.contains_key(key)
    }

    /// True if the session waits for the response to this request.
    pub(in crate::switchboard) fn awaits(&self, purpose: &Purpose, client: ClientId) -> bool {
        match purpose {
            Purpose::Refresh(_) => self.requests.holds(client),
            Purpose::ReferNotify(_) => self.refers.pending() == Some(client),
            Purpose::Digit(_) => self.digits.pending() == Some(client),
            Purpose::Inquiry(_) => self.presence.asked_by(client),
            Purpose::Invite(_) | Purpose::Prack(..) | Purpose::Bye | Purpose::Deregister { .. } => false,
            Purpose::TrunkPing(..) | Purpose::TrunkRegister(..) | Purpose::PhonePing(..) => false,
            Purpose::Notify(_) | Purpose::Message(_) => false,
        }
    }

    /// The deadlines of the session.
    pub(in crate::switchboard) fn deadlines(&self, leg: LegRef) -> Vec<(Instant, TimerKind)> {
        let invite = self.invite.as_ref();
        let reliable = invite.and_then(|invite| invite.reliable.as_ref());
        let all = [
            (self.unacked.as_ref().map(Unacked::due), TimerKind::Unacked(leg)),
            (reliable.and_then(Reliable::due), TimerKind::Unpracked(leg)),
            (self.timer.map(|timer| timer.due()), TimerKind::Session(leg)),
            (self.presence.due(), TimerKind::Inquiry(leg)),
            (self.closing.held_bye.as_ref().map(|held| held.due), TimerKind::HeldBye(leg)),
            (invite.and_then(IncomingInvite::repeat_at), TimerKind::RepeatProvisional(leg)),
            (self.requests.audio_again_at(), TimerKind::OfferAudio(leg)),
        ];
        all.into_iter().filter_map(|(at, timer)| Some((at?, timer))).collect()
    }
}
