//! Several trunks: passwords, registrations, health, capacity, and who is tried when.

mod outgoing;
mod reload;

use std::net::SocketAddr;
use std::time::Duration;

use siaga::acd::shift::Plan;
use siaga::cdr::fact::FactKind;
use siaga::clock::Instant;
use siaga::ids::Rng;
use siaga::media::command::Command;
use siaga::sip::digest::client::Identity;
use siaga::sip::number::NumberFormat;
use siaga::sip::sdp::{AudioCodec, Formats};
use siaga::switchboard::{Input, Network, Registration, Settings, Trunk, TrunkSettings};

use super::caller::Caller;
use super::endpoint::Heard;
use super::world::{TRUNK, World, header, response, sdp, settings};

const BUDI: &str = "127.0.0.3:5091";
pub(crate) const SECOND: &str = "127.0.0.4:5080";
/// The simulator's agency, and where it speaks from.
pub(crate) const AGENCY: &str = "0725113";
pub(crate) const VOICE: &str = "127.0.0.2:9998";
pub(crate) const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"telco\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";

pub(crate) fn identity() -> Option<Identity> {
    Some(Identity { user: "siaga".to_owned(), password: "rahasia".to_owned() })
}

fn registration() -> Option<Registration> {
    let (registrar, aor) = ("sip:telco.example".to_owned(), "sip:siaga@telco.example".to_owned());
    Some(Registration { registrar, aor, expires: Duration::from_secs(600) })
}

/// The simulator's second trunk, which flaps; the first wants to be registered with.
pub(crate) fn add_second(settings: &mut Settings, rng: &mut Rng) {
    settings.trunks[0].terms =
        TrunkSettings { identity: identity(), register: registration(), ..TrunkSettings::default() };
    let priority = u16::try_from(rng.below(20)).unwrap();
    settings.trunks.push(second(TrunkSettings {
        priority,
        max_calls: 2,
        identity: identity(),
        ..TrunkSettings::default()
    }));
}

/// Trunks change places, the second one comes and goes, the first is registered with or no longer.
pub(crate) fn reload(settings: &mut Settings, rng: &mut Rng) {
    settings.trunks.reverse();
    let Some(first) = settings.trunks.iter_mut().find(|trunk| trunk.terms.identity.is_some() && trunk.name == "telco")
    else {
        return;
    };
    if rng.below(2) == 0 {
        first.terms.register = if first.terms.register.is_some() { None } else { registration() };
    }
    if rng.below(2) == 0 {
        let before = settings.trunks.len();
        settings.trunks.retain(|trunk| trunk.name != "second");
        if settings.trunks.len() == before {
            let terms = TrunkSettings { max_calls: 2, identity: identity(), ..TrunkSettings::default() };
            settings.trunks.insert(0, second(terms));
        }
    }
}

pub(crate) fn second(terms: TrunkSettings) -> Trunk {
    Trunk {
        name: "second".to_owned(),
        peers: vec![Network::parse("127.0.0.4/32").unwrap()],
        target: Some(SECOND.parse().unwrap()),
        keep_alive: Some(Duration::from_secs(20)),
        terms,
        ..settings().trunks.remove(0)
    }
}

/// What the telephone network answers in the simulator. The second trunk is away every other five minutes, and fails
/// calls otherwise; the first does not answer at the number.
pub(crate) fn hears(now: Instant, at: SocketAddr, heard: &Heard<'_>) -> Option<String> {
    let flapping = at == SECOND.parse().unwrap();
    if flapping && now.as_nanos() / 300_000_000_000 % 2 == 1 {
        return None;
    }
    let known = heard.text.contains("\r\nAuthorization: Digest username=\"siaga\"");
    let status = match heard.start.split(' ').next().unwrap() {
        "OPTIONS" => "200 OK",
        "REGISTER" | "INVITE" if !known && heard.text.contains("telco.example") => "401 Unauthorized",
        "REGISTER" => "200 OK",
        "INVITE" if !known && flapping => "401 Unauthorized",
        "INVITE" if flapping => "503 Service Unavailable",
        "INVITE" if heard.start.contains(AGENCY) => "200 OK",
        "INVITE" | "CANCEL" | "BYE" => "404 Not Found",
        "ACK" | "SIP/2.0" => return None,
        other => panic!("the service does not send {other}"),
    };
    let taken = status == "200 OK" && heard.method == "INVITE";
    let body = if taken { sdp(TRUNK, 9_998) } else { String::new() };
    let to = if heard.to.contains("tag=") { heard.to.to_owned() } else { format!("{};tag=net", heard.to) };
    let text = heard.answer(status, &to, "sip:net@127.0.0.2:5080", &body);
    let more = if status.starts_with("401") { CHALLENGE } else { "" };
    Some(text.replacen("Contact:", &format!("{more}Contact:"), 1))
}

/// No operator is on shift: every call goes to the fallback number, over two trunks.
fn unstaffed(change: impl FnOnce(&mut Settings)) -> World {
    let mut settings = unstaffed_settings();
    change(&mut settings);
    World::new(settings, &["budi"])
}

fn unstaffed_settings() -> Settings {
    let mut settings = settings();
    settings.acd.plan = Plan { rostered: true, ..Plan::default() };
    settings.fallback.number = Some("0725-112233".to_owned());
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    let mut other = second(TrunkSettings { priority: 20, ..TrunkSettings::default() });
    other.keep_alive = None;
    settings.trunks.push(other);
    settings
}

fn refuses(world: &mut World, at: &str, invite: &str, status: &str, more: &str) {
    let refusal = response(invite, at, status, "").replacen("Contact:", &format!("{more}Contact:"), 1);
    world.receive(at, &refusal);
    world.take(at, "ACK");
}

#[test]
fn the_telcos_challenge_of_an_invite_is_answered_once() {
    for (status, challenge, answer) in [
        ("401 Unauthorized", CHALLENGE.to_owned(), "Authorization"),
        ("407 Proxy Authentication Required", CHALLENGE.replace("WWW", "Proxy"), "Proxy-Authorization"),
    ] {
        let mut world = unstaffed(|settings| {
            settings.trunks[0].terms.identity = identity();
            settings.trunks[0].terms.country = "62".to_owned();
            settings.trunks[0].terms.number_format = NumberFormat::Plus;
            settings.trunks.truncate(1);
        });
        let mut caller = Caller::dials(&mut world);
        let first = world.take(TRUNK, "INVITE");
        assert!(first.starts_with("INVITE sip:+62725112233@127.0.0.2:5080 "), "{first}");
        assert_eq!(header(&first, "Max-Forwards"), "69");
        refuses(&mut world, TRUNK, &first, status, &challenge);
        let second = world.take(TRUNK, "INVITE");
        let credentials = header(&second, answer);
        assert!(credentials.contains("username=\"siaga\"") && credentials.contains("nonce=\"n1\""), "{second}");
        assert_eq!(header(&second, "CSeq"), "2 INVITE");
        assert_eq!(header(&first, "Call-ID"), header(&second, "Call-ID"));
        assert_eq!(header(&first, "From"), header(&second, "From"));
        assert_ne!(header(&first, "Via"), header(&second, "Via"));
        world.receive(TRUNK, &response(&second, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
        assert_eq!(header(&world.take(TRUNK, "ACK"), "CSeq"), "2 ACK");
        caller.is_answered(&mut world);
        caller.hangs_up(&mut world);
        let bye = world.take(TRUNK, "BYE");
        assert_eq!(header(&bye, "CSeq"), "3 BYE");
        let challenge = response(&bye, TRUNK, status, "").replacen("Contact:", &format!("{challenge}Contact:"), 1);
        world.receive(TRUNK, &challenge);
        let bye = world.take(TRUNK, "BYE");
        assert!(header(&bye, "CSeq") == "4 BYE" && bye.contains(&format!("{answer}: Digest username=")), "{bye}");
        world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
        world.assert_empty_in_the_end();
    }
}

#[test]
fn a_wrong_password_is_not_tried_twice_but_a_nonce_too_old_is() {
    let mut world = unstaffed(|settings| {
        settings.trunks[0].terms.identity = identity();
        settings.trunks.truncate(1);
    });
    Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    refuses(&mut world, TRUNK, &invite, "401 Unauthorized", CHALLENGE);
    let invite = world.take(TRUNK, "INVITE");
    refuses(&mut world, TRUNK, &invite, "401 Unauthorized", &CHALLENGE.replace("qop", "stale=true, qop"));
    let invite = world.take(TRUNK, "INVITE");
    refuses(&mut world, TRUNK, &invite, "401 Unauthorized", CHALLENGE);
    assert!(!world.has(TRUNK, "INVITE"));
    assert_eq!(world.count(|kind| matches!(kind, FactKind::OfferEnded { sip_status: Some(401), .. })), 1);
}

#[test]
fn a_trunk_that_fails_makes_way_for_the_next_and_a_busy_callee_does_not() {
    let mut world = unstaffed(|_| {});
    Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    assert!(!world.has(SECOND, "INVITE"), "by priority");
    refuses(&mut world, TRUNK, &invite, "503 Service Unavailable", "");
    let invite = world.take(SECOND, "INVITE");
    refuses(&mut world, SECOND, &invite, "486 Busy Here", "");
    assert!(!world.has(TRUNK, "INVITE"), "both were tried");
    world.pass(Duration::from_secs(11));
    let invite = world.take(TRUNK, "INVITE");
    refuses(&mut world, TRUNK, &invite, "486 Busy Here", "");
    assert!(!world.has(SECOND, "INVITE"), "the callee has spoken");
    world.pass(Duration::from_secs(11));
    // Nothing rings over the first: the second is tried.
    world.take(TRUNK, "INVITE");
    world.pass(Duration::from_secs(21));
    world.take(SECOND, "INVITE");
}

#[test]
fn a_trunk_is_down_after_three_silences_up_after_two_answers_and_tried_last_meanwhile() {
    let mut world = unstaffed(|settings| settings.trunks[0].keep_alive = Some(Duration::from_secs(60)));
    let answers = |world: &mut World| {
        let ping = world.take(TRUNK, "OPTIONS");
        world.receive(TRUNK, &response(&ping, TRUNK, "200 OK", ""));
    };
    let silent = |world: &mut World| {
        world.sent.retain(|(_, text)| !text.starts_with("OPTIONS"));
        world.pass(Duration::from_secs(33));
        world.sent.retain(|(_, text)| !text.starts_with("OPTIONS"));
        world.pass(Duration::from_secs(27));
    };
    world.step(Input::Tick);
    answers(&mut world);
    assert_eq!(world.trunks_up, [true]);
    world.pass(Duration::from_secs(60));
    for _ in 0..2 {
        silent(&mut world);
    }
    assert_eq!(world.trunks_up, [true], "not for two");
    silent(&mut world);
    assert_eq!(world.trunks_up, [true, false]);
    Caller::dials(&mut world);
    let invite = world.take(SECOND, "INVITE");
    assert!(!world.has(TRUNK, "INVITE"));
    refuses(&mut world, SECOND, &invite, "503 Service Unavailable", "");
    world.take(TRUNK, "INVITE");
    answers(&mut world);
    assert_eq!(world.trunks_up, [true, false], "not for one");
    world.pass(Duration::from_secs(60));
    answers(&mut world);
    assert_eq!(world.trunks_up, [true, false, true]);
}

/// The formats and the body of a description's audio line.
fn formats(message: &str) -> &str {
    message.split("RTP/AVP ").nth(1).unwrap().lines().next().unwrap()
}

#[test]
fn each_trunk_is_spoken_to_in_the_formats_that_it_wants() {
    let (pcma, pcmu) = (AudioCodec::Pcma, AudioCodec::Pcmu);
    let mut world = unstaffed(|settings| {
        settings.trunks[0].terms.formats = Formats::new(&[pcmu, pcma], Some(96));
        settings.trunks[1].terms.formats = Formats::new(&[pcma], None);
    });
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(TRUNK, "INVITE");
    assert_eq!(formats(&invite), "0 8 96");
    refuses(&mut world, TRUNK, &invite, "503 Service Unavailable", "");
    let invite = world.take(SECOND, "INVITE");
    assert_eq!(formats(&invite), "8");
    world.receive(SECOND, &response(&invite, SECOND, "200 OK", &sdp(SECOND, 31_000)));
    world.take(SECOND, "ACK");
    caller.is_answered(&mut world);
    let aimed = world.media.iter().rev().find_map(|command| match command {
        Command::SetRemote { remote, .. } => Some(remote.clone()),
        _ => None,
    });
    assert_eq!(aimed.map(|remote| (remote.dtmf, remote.dtmf_heard)), Some((None, None)));
    // A caller's trunk without an offer gets ours, in its formats too.
    Caller::dials_with(&mut world, "", false);
    world.take(TRUNK, "SIP/2.0 100");
    let invite = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&invite, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    let answer = world.take(TRUNK, "SIP/2.0 200");
    assert_eq!(formats(&answer), "0 8 96");
}

#[test]
fn a_full_trunk_refuses_its_next_caller_with_retry_after_until_one_has_left() {
    let mut settings = settings();
    settings.trunks[0].terms.max_calls = 1;
    let mut world = World::new(settings, &["budi"]);
    let first = Caller::dials(&mut world);
    let refusal = Caller::dials_and_is_rejected(&mut world);
    assert_eq!(header(&refusal, "Retry-After"), "5");
    first.cancels(&mut world);
    Caller::dials(&mut world);
}

#[test]
fn a_full_trunk_is_passed_over_by_outgoing_calls() {
    let mut world = unstaffed(|settings| settings.trunks[0].terms.max_calls = 1);
    Caller::dials(&mut world);
    world.take(SECOND, "INVITE");
    assert!(!world.has(TRUNK, "INVITE"));
}

#[test]
fn a_caller_who_waits_on_a_full_trunk_is_put_through_to_the_fallback_number_over_it() {
    let mut world = unstaffed(|settings| {
        settings.trunks[0].terms.max_calls = 1;
        settings.trunks[1].terms.max_calls = 1;
    });
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(SECOND, "INVITE");
    assert!(Caller::dials_and_is_rejected(&mut world).contains("Retry-After: 5"), "callers are rejected at the limit");
    refuses(&mut world, SECOND, &invite, "503 Service Unavailable", "");
    let invite = world.take(TRUNK, "INVITE");
    world.receive(TRUNK, &response(&invite, TRUNK, "200 OK", &sdp(TRUNK, 31_000)));
    world.take(TRUNK, "ACK");
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let bye = world.take(TRUNK, "BYE");
    world.receive(TRUNK, &response(&bye, TRUNK, "200 OK", ""));
    world.assert_empty_in_the_end();
}

#[test]
fn a_registration_is_kept_up_and_taken_back_when_the_service_drains() {
    let mut world = registered_world();
    world.pass(Duration::from_secs(479));
    assert!(!world.has(TRUNK, "REGISTER"));
    world.pass(Duration::from_secs(2));
    let refresh = world.take(TRUNK, "REGISTER");
    assert_eq!(header(&refresh, "CSeq"), "3 REGISTER");
    world.receive(TRUNK, &response(&refresh, TRUNK, "200 OK", ""));
    world.sent.clear();
    world.step(Input::Drain);
    let leave = world.take(TRUNK, "REGISTER");
    assert_eq!(header(&leave, "Expires"), "0");
    assert!(!world.drained, "it waits for the telco's answer");
    world.receive(TRUNK, &response(&leave, TRUNK, "200 OK", ""));
    assert!(world.drained);
}

/// A trunk that is registered with.
fn registering() -> Settings {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.trunks[0].terms.identity = identity();
    settings.trunks[0].terms.register = registration();
    settings
}

/// Registered with the telco, through its challenge.
fn registered_world() -> World {
    registered(registering())
}

fn registered(settings: Settings) -> World {
    let mut world = World::new(settings, &["budi"]);
    world.step(Input::Tick);
    let first = world.take(TRUNK, "REGISTER sip:telco.example SIP/2.0");
    assert_eq!(header(&first, "To"), "<sip:siaga@telco.example>");
    assert_eq!(header(&first, "Contact"), "<sip:112@127.0.0.1:5060>");
    let challenge = response(&first, TRUNK, "401 Unauthorized", "");
    world.receive(TRUNK, &challenge.replacen("Contact:", &format!("{CHALLENGE}Contact:"), 1));
    let second = world.take(TRUNK, "REGISTER");
    assert!(header(&second, "Authorization").contains("uri=\"sip:telco.example\""), "{second}");
    world.receive(TRUNK, &response(&second, TRUNK, "200 OK", ""));
    world
}

#[test]
fn a_registered_telco_may_call_by_our_user_name() {
    let mut world = registered_world();
    let invite = format!(
        "INVITE sip:siaga@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKu\r\n\
         From: <sip:0812@127.0.0.2>;tag=u\r\nTo: <sip:112@127.0.0.1>\r\nCall-ID: u\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:0812@{TRUNK}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    world.receive(TRUNK, &invite);
    world.take(TRUNK, "SIP/2.0 100");
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Received { called, .. } if called == "112")), 1);
}

#[test]
fn a_registration_that_fails_is_tried_again_after_a_while_that_grows() {
    let mut settings = settings();
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    settings.trunks[0].terms.register = registration();
    let mut world = World::new(settings, &["budi"]);
    world.step(Input::Tick);
    for seconds in [30, 60, 120, 240, 480, 960, 1_800, 1_800] {
        let register = world.take(TRUNK, "REGISTER");
        world.receive(TRUNK, &response(&register, TRUNK, "403 Forbidden", ""));
        world.pass(Duration::from_secs(seconds - 1));
        assert!(!world.has(TRUNK, "REGISTER"), "not before {seconds} s");
        world.pass(Duration::from_secs(1));
    }
    let register = world.take(TRUNK, "REGISTER");
    let brief = response(&register, TRUNK, "423 Interval Too Brief", "");
    world.receive(TRUNK, &brief.replacen("Contact:", "Min-Expires: 1800\r\nContact:", 1));
    world.pass(Duration::from_secs(1_800));
    assert_eq!(header(&world.take(TRUNK, "REGISTER"), "Expires"), "1800");
}

#[test]
fn numbers_are_kept_in_e164_and_as_they_came() {
    let mut settings = settings();
    settings.trunks[0].terms.country = "62".to_owned();
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", "127.0.0.3:5091");
    let invite = format!(
        "INVITE sip:112@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKn\r\n\
         From: <sip:113@127.0.0.2>;tag=u\r\nTo: <sip:112@127.0.0.1>\r\nCall-ID: n\r\nCSeq: 1 INVITE\r\n\
         P-Asserted-Identity: <tel:0812-3456-7890>\r\nContact: <sip:0812@{TRUNK}>\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    );
    world.receive(TRUNK, &invite);
    let received = world.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Received { asserted, presented, headers, .. } => Some((asserted, presented, headers)),
        _ => None,
    });
    let (asserted, presented, headers) = received.unwrap();
    assert_eq!(asserted.as_deref(), Some("+6281234567890"));
    assert_eq!(presented.as_deref(), Some("113"), "a short code stays");
    assert!(headers.contains(&"P-Asserted-Identity: <tel:0812-3456-7890>".to_owned()), "{headers:?}");
    assert!(world.take("127.0.0.3:5091", "INVITE").contains("sip:+6281234567890@"));
}
