//! Tests of one session without a call: the session timer, glare, PRACK, and in `table` the state table row by row.

mod table;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Instant, Now, Timestamp};
use crate::ids::{CallId, LegNo, Rng};
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::digest::{Algorithm, Authenticator};
use crate::sip::flow::{Flow, Transport};
use crate::sip::location::session_description;
use crate::sip::message::ResponseTemplate;
use crate::sip::sdp;
use crate::sip::stateless::StatelessTags;
use crate::sip::transaction::{Answered, Received};
use crate::sip::wire::{self, Message, Name, Parsed};
use crate::switchboard::admission::Admission;
use crate::switchboard::facts::Facts;
use crate::switchboard::ids::LegRef;
use crate::switchboard::media::MediaPorts;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::phones::Phones;
use crate::switchboard::session::events::{SessionEvent, SessionEvents};
use crate::switchboard::session::inputs::{SessionDeadline, SessionRequest};
use crate::switchboard::session::media::MediaSession;
use crate::switchboard::session::state::closing::Bye;
use crate::switchboard::session::state::incoming::{Description, IncomingInvite};
use crate::switchboard::session::tests::table::in_state;
use crate::switchboard::session::{Session, SessionState};
use crate::switchboard::settings::{Listener, SessionSettings, Settings};
use crate::switchboard::step::Step;
use crate::switchboard::trunks::Trunks;
use crate::switchboard::wire::Wire;
use crate::switchboard::wire::clients::Purpose;
use crate::switchboard::wire::incoming_request::IncomingRequest;

const TAG: &str = "siaga";

fn call_id() -> CallId {
    CallId::new(Timestamp::from_millis(0), &mut Rng::from_number(1))
}

fn leg() -> LegRef {
    LegRef::Caller(call_id())
}

fn sdp_of(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\na={direction}\r\n"
    )
}

/// A request of the caller.
fn request(method: &str, cseq: u32, fields: &str, body: &str) -> String {
    let to = if method == "INVITE" && cseq == 1 { String::new() } else { format!(";tag={TAG}") };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:siaga@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{method}-{cseq}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:0812@192.0.2.9>;tag=peer\r\n\
         To: <sip:112@192.0.2.1>{to}\r\n\
         Call-ID: call\r\n\
         CSeq: {cseq} {method}\r\n\
         Contact: <sip:0812@192.0.2.9>\r\n\
         {fields}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn with_message<R>(text: &[u8], read: impl FnOnce(&Message<'_>) -> R) -> R {
    match wire::parse(text) {
        Parsed::Good(message) => read(&message),
        other @ (Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_)) => panic!("{other:?}"),
    }
}

/// A caller's session, and the parts that it needs.
struct World {
    net: NetworkParts,
    step: Step,
    session: Session,
    flow: Flow,
    /// The CSeq of the peer's last request.
    cseq: u32,
    /// The messages that the last call of `messages` has returned.
    sent: Vec<Bytes>,
}

fn settings() -> Settings {
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    let mut settings = Settings::default();
    settings.site.domain = "192.0.2.1".to_owned();
    settings.site.listeners = vec![Listener { transport: Transport::Udp, local, advertised: local.to_string() }];
    settings.media.addresses = vec![local.ip()];
    settings.numbers.emergency = "112".to_owned();
    settings.phones.digest = vec![Algorithm::Sha256];
    settings.phones.nonce_life = Duration::from_secs(300);
    settings.session = SessionSettings { silence_ends_call: true, reliable_when_supported: true, seconds: Some(1800) };
    settings
}

impl World {
    fn new(fields: &str, offer: &str) -> Self {
        let settings = settings();
        let now = Now { mono: Instant::from_nanos(0), wall: Timestamp::from_millis(1_764_000_000_000) };
        let mut rng = Rng::from_number(112);
        let authenticator = Authenticator::new(
            &settings.site.domain,
            settings.phones.digest.clone(),
            settings.phones.nonce_life,
            &mut rng,
        );
        let tags = StatelessTags::new(&mut rng);
        let mut net = NetworkParts {
            facts: Facts::new(now, call_id()),
            wire: Wire::new(&settings),
            phones: Phones::new(now.mono, &settings),
            trunks: Trunks::new(&settings),
            admission: Admission::new(&settings, authenticator, tags),
            media: MediaPorts::new(
                &settings,
                [20_000, 20_002].map(|port| SocketAddr::from(([192, 0, 2, 1], port))).to_vec(),
            ),
        };
        let mut step = Step::new(now, rng);
        let flow = Flow::udp(SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 9], 5060)));
        let text = request("INVITE", 1, fields, offer);
        let session = with_message(text.as_bytes(), |message| {
            let server = server_of(&mut net, &mut step, flow, message);
            let taken = IncomingRequest { flow, message, server };
            let dialog = Dialog::as_callee(message, TAG).unwrap();
            let token = step.rng.token();
            let invite = IncomingInvite::new(&net, &mut step, &taken, ResponseTemplate::of(message, flow), token);
            net.wire.bind(dialog.key().clone(), leg());
            let mut session = Session::of_caller(flow, dialog, invite);
            session.read_allow(message);
            let mut media =
                MediaSession::lend(&mut net.media, &mut step, leg(), flow.remote.ip()).expect("a port is free");
            let body = match session_description(message) {
                Some(offer) => media.answer_first(&sdp::read(offer).unwrap()).unwrap(),
                None => {
                    let body = media.first_offer(sdp::AudioCodec::Pcma);
                    media.describe(sdp::StreamPositions::default(), None, true);
                    body
                }
            };
            session.describe_invite(Bytes::from(body), session_description(message).is_none());
            session.set_media(media);
            session
        });
        Self { net, step, session, flow, cseq: 1, sent: Vec::new() }
    }

    fn answer(&mut self) -> SessionEvents {
        assert!(self.session.answer_invite(&mut self.net, &mut self.step, leg(), None));
        Vec::new()
    }

    fn ack(&mut self, body: &str) -> SessionEvents {
        let text = request("ACK", self.cseq, "", body);
        with_message(text.as_bytes(), |message| {
            self.session.acknowledged(&mut self.net, &mut self.step, leg(), message)
        })
    }

    /// A request of the peer in the dialog.
    fn ask(&mut self, method: &str, kind: SessionRequest, fields: &str, body: &str) -> SessionEvents {
        self.cseq += 1;
        let text = request(method, self.cseq, fields, body);
        with_message(text.as_bytes(), |message| {
            let server = server_of(&mut self.net, &mut self.step, self.flow, message);
            let taken = IncomingRequest { flow: self.flow, message, server };
            let key = DialogKey::of_request(message).unwrap();
            self.session.dialog_mut(&key).unwrap().accept(message).unwrap();
            let present = self.session.confirm_presence(&mut self.net, &mut self.step, leg());
            let events = self.session.request(&mut self.net, &mut self.step, (&taken, kind), leg(), &key);
            present.into_iter().chain(events).collect()
        })
    }

    /// Lets the time pass until this deadline, or by `after`, and handles the deadline.
    fn wait(&mut self, deadline: SessionDeadline, after: Option<Duration>) -> SessionEvents {
        let at = self.step.timers.next().unwrap();
        let at = after.map_or(at, |after| self.step.now.mono + after);
        self.step.now = self.step.now.after(at.since(self.step.now.mono));
        while self.step.timers.pop_due(at).is_some() {}
        self.session.due(&mut self.net, &mut self.step, leg(), deadline)
    }

    /// A response to the last request of siaga.
    fn respond(&mut self, status: &str, body: &str) -> SessionEvents {
        let asked = self.sent.last().cloned().expect("siaga has sent a request");
        let copied = with_message(&asked, |message| {
            let names = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
            let lines = names.map(|name| {
                format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(message.first(name).unwrap()))
            });
            lines.concat()
        });
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "SIP/2.0 {status}\r\n{copied}Contact: <sip:0812@192.0.2.9>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        with_message(text.as_bytes(), |message| {
            let (wire, now) = (&mut self.net.wire, self.step.now.mono);
            let answered = wire.transactions.receive_response(now, message, &mut self.step.out.transmits);
            let Answered::ToUser(client, _) = answered else { panic!("{answered:?}") };
            let purpose = wire.purpose(&client).cloned().unwrap();
            if !matches!(purpose, Purpose::Refresh(_)) {
                wire.take_purpose(&client);
            }
            let response = (message, message.status().unwrap());
            self.session.response(&mut self.net, &mut self.step, (&purpose, client), leg(), response)
        })
    }

    /// The end of the only pending request without a response: 408, or 503 if it cannot be sent.
    fn fail(&mut self, status: u16) -> SessionEvents {
        let pending: Vec<_> =
            self.net.wire.clients.iter().map(|(client, purpose)| (*client, purpose.clone())).collect();
        let [(client, purpose)] = pending.as_slice() else { panic!("{pending:?}") };
        self.net.wire.take_purpose(client);
        let event = self.session.request_failed(&mut self.net, &mut self.step, (purpose, *client), leg(), status);
        event.into_iter().collect()
    }

    fn end(&mut self, bye: Bye) -> SessionEvents {
        self.session.end(&mut self.net, &mut self.step, leg(), (480, None), bye);
        Vec::new()
    }

    fn silence(&mut self) -> SessionEvents {
        self.session.fell_silent(&mut self.net, &mut self.step, leg(), None).into_iter().collect()
    }

    fn hear(&mut self) -> SessionEvents {
        self.session.rtp_arrives(&mut self.step);
        Vec::new()
    }

    /// The state with its marks, as the state table names it.
    fn state(&self) -> String {
        let state = match self.session.state() {
            SessionState::Early => "early",
            SessionState::Unacked => "unacked",
            SessionState::Confirmed => "confirmed",
            SessionState::Ending => "ending",
            SessionState::Ended => "ended",
        };
        let asks = self.net.wire.clients.iter().any(|(_, purpose)| matches!(purpose, Purpose::Inquiry(_)));
        let marks = [
            (self.session.has_pending_request(), "requesting"),
            (self.session.is_offering(), "offering"),
            (self.session.is_doubted(), "doubted"),
            (self.session.presence.suspected.is_some(), "suspected"),
            (asks, "asking"),
        ];
        let marks = marks.into_iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| mark);
        [state].into_iter().chain(marks).collect::<Vec<_>>().join(", ")
    }

    /// The messages that were sent since the last call, by status or method.
    fn messages(&mut self) -> Vec<String> {
        let sent = self.step.out.transmits.drain(..).map(|transmit| transmit.bytes).collect::<Vec<_>>();
        let words = sent.iter().map(|bytes| {
            let line = String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
            let mut words = line.split(' ');
            let first = words.next().unwrap_or_default().to_owned();
            if first == "SIP/2.0" { words.next().unwrap_or_default().to_owned() } else { first }
        });
        let words = words.collect();
        self.sent = sent;
        words
    }

    /// Checks that exactly the deadlines of the session are set.
    fn verify(&self) {
        let mut wanted = self.session.deadlines(leg());
        wanted.sort();
        let set: Vec<_> = self.step.timers.iter().cloned().collect();
        assert_eq!(wanted, set);
    }
}

fn server_of(
    net: &mut NetworkParts,
    step: &mut Step,
    flow: Flow,
    message: &Message<'_>,
) -> crate::sip::transaction::ServerId {
    match net.wire.transactions.receive_request(step.now.mono, flow, message, &mut step.out.transmits) {
        Received::New(server) => server,
        other @ (Received::Cancel { .. } | Received::Ack | Received::Absorbed | Received::Full) => panic!("{other:?}"),
    }
}

const TIMER: &str = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";

#[test]
fn a_session_that_the_peer_must_refresh_expires_without_a_request_of_siaga() {
    let fields = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    let mut world = World::new(fields, &sdp_of("sendrecv"));
    world.answer();
    world.ack("");
    world.messages();
    let events = world.wait(SessionDeadline::Timer, None);
    assert_eq!(events, [SessionEvent::Expired { kept: false }, SessionEvent::Lost]);
    assert_eq!(world.messages(), Vec::<String>::new());
    // A third of the interval, at most 32 s, before its end (RFC 4028 §10).
    assert_eq!(world.step.now.mono, Instant::from_nanos(0) + Duration::from_secs(568));
}

#[test]
fn a_session_that_is_kept_for_its_audio_reports_its_expiry_once() {
    let mut world = in_state("confirmed");
    world.hear();
    let expired = |world: &mut World| world.wait(SessionDeadline::Timer, Some(Duration::from_secs(600)));
    assert_eq!(expired(&mut world), [SessionEvent::Expired { kept: true }]);
    assert_eq!(expired(&mut world), []);
    world.verify();
}

#[test]
fn glare_repeats_the_refresh_after_the_delay_of_the_side_that_did_not_create_the_call_id() {
    let mut world = in_state("confirmed, requesting, offering");
    world.respond("491 Request Pending", "");
    assert_eq!(world.messages(), ["ACK"]);
    let before = world.step.now.mono;
    world.wait(SessionDeadline::Timer, None);
    assert!(world.step.now.mono.since(before) <= Duration::from_secs(2), "RFC 3261 §14.1");
    assert_eq!(world.messages(), ["INVITE"]);
}

#[test]
fn an_answer_waits_for_the_prack_of_a_response_with_sdp() {
    let mut world = World::new("Supported: 100rel\r\n", &sdp_of("sendrecv"));
    let shown = (None, Description::Known);
    world.session.send_provisional(&mut world.net, &mut world.step, leg(), 183, shown);
    assert_eq!(world.messages(), ["183"]);
    let rseq = with_message(&world.sent[0].clone(), |message| {
        assert!(!message.body.is_empty());
        message.number(Name::RSeq).unwrap().unwrap()
    });
    assert!(!world.session.answer_invite(&mut world.net, &mut world.step, leg(), None));
    let wrong = world.ask("PRACK", SessionRequest::Prack, &format!("RAck: {} 1 INVITE\r\n", rseq + 1), "");
    assert_eq!((wrong, world.messages()), (vec![], vec!["481".to_owned()]));
    let right = world.ask("PRACK", SessionRequest::Prack, &format!("RAck: {rseq} 1 INVITE\r\n"), "");
    assert_eq!((right, world.messages()), (vec![SessionEvent::AnswerDue], vec!["200".to_owned()]));
    world.answer();
    assert_eq!(world.messages(), ["200"]);
    with_message(&world.sent[0].clone(), |message| assert!(message.body.is_empty(), "its SDP was sent reliably"));
    world.verify();
}

#[test]
fn a_reliable_response_without_a_prack_is_given_up_and_the_next_one_follows() {
    let mut world = World::new("Supported: 100rel\r\n", &sdp_of("sendrecv"));
    for status in [180, 183] {
        let shown = (None, Description::Known);
        world.session.send_provisional(&mut world.net, &mut world.step, leg(), status, shown);
    }
    assert_eq!(world.messages(), ["180"]);
    let events = world.wait(SessionDeadline::Unpracked, Some(Duration::from_secs(32)));
    assert_eq!(events, [SessionEvent::ProvisionalDue { status: 183 }]);
    let shown = (None, Description::Known);
    world.session.send_provisional(&mut world.net, &mut world.step, leg(), 183, shown);
    assert_eq!(world.messages(), ["183"]);
    with_message(&world.sent[0].clone(), |message| assert_eq!(message.first(Name::RSeq), None));
}

#[test]
fn a_reliable_response_of_a_phone_gets_one_prack_and_its_sdp_answers_the_invite() {
    let World { mut net, mut step, flow, .. } = World::new(TIMER, &sdp_of("sendrecv"));
    let phone = LegRef::Outgoing(call_id(), LegNo(1));
    let mut session = Session::new(flow, false);
    session.set_media(MediaSession::lend(&mut net.media, &mut step, phone, flow.remote.ip()).unwrap());
    let from: &[u8] = b"<sip:112@192.0.2.1>;tag=ours";
    let response = |status: &str, fields: &str, body: &str| {
        format!(
            "SIP/2.0 {status}\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1\r\n\
             From: <sip:112@192.0.2.1>;tag=ours\r\n\
             To: <sip:budi@192.0.2.9>;tag=phone\r\n\
             Call-ID: ring\r\n\
             CSeq: 1 INVITE\r\n\
             Contact: <sip:budi@192.0.2.9>\r\n\
             {fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let fields = "Require: 100rel\r\nRSeq: 7\r\nContent-Type: application/sdp\r\n";
    let progress = response("183 Session Progress", fields, &sdp_of("sendrecv"));
    step.out.transmits.clear();
    for is_new in [true, false] {
        let taken = with_message(progress.as_bytes(), |message| {
            session.early_response(&mut net, &mut step, phone, (from, 1), message)
        });
        assert_eq!(taken, is_new);
    }
    assert_eq!((session.state(), step.out.transmits.len()), (SessionState::Early, 1));
    assert!(step.out.transmits[0].bytes.starts_with(b"PRACK "));
    with_message(response("200 OK", "", "").as_bytes(), |message| {
        let dialog = session.dialog_of((from, 1), message).unwrap();
        let agreed = session.agreed_by(&dialog, message).expect("the 183 has the answer");
        session.confirm(&mut net, &mut step, phone, (dialog, 1, agreed), message);
    });
    assert_eq!((session.state(), step.out.transmits.len()), (SessionState::Confirmed, 2));
    assert!(step.out.transmits[1].bytes.starts_with(b"ACK "));
    session.drop_early(&mut net);
    assert!(!session.has_early_dialogs());
}
