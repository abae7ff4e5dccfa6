//! The guard: scanners, floods, guessers, loops, and what no peer may learn of the other side.

use std::time::Duration;

use siaga::cdr::fact::FactKind;
use siaga::switchboard::{ConsoleCommand, Input, Network, Settings};

use super::caller::Caller;
use super::world::{SERVER, TRUNK, World, admin, credentials, header, response, sdp, settings};

const BUDI: &str = "127.0.0.3:5091";
const STRANGER: &str = "203.0.113.9:5060";

fn staffed(settings: Settings) -> World {
    let mut world = World::new(settings, &["budi", "sari"]);
    world.register("budi", BUDI);
    world
}

/// A request outside any dialog. `more` are further header fields.
pub(super) fn asks(world: &mut World, at: &str, method: &str, user: &str, more: &str) -> String {
    let n = world.next_serial();
    let text = format!(
        "{method} sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKask{n}\r\n\
         From: <sip:{user}@127.0.0.1>;tag=a\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: ask-{n}\r\nCSeq: {n} {method}\r\n\
         Contact: <sip:{user}@{at}>\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
    );
    world.receive(at, &text);
    text
}

/// The answers to one address so far, which are taken away.
pub(super) fn answers(world: &mut World, at: &str) -> Vec<String> {
    let mine = |to: &std::net::SocketAddr| to.to_string() == at;
    let (answers, rest) = std::mem::take(&mut world.sent).into_iter().partition(|(to, _)| mine(to));
    world.sent = rest;
    answers.into_iter().map(|(_, text)| text).collect()
}

/// Answers a challenge with the password `pw-<of>`, but as `user`.
pub(super) fn claims(challenge: &str, user: &str, of: &str) -> String {
    credentials(challenge, of, "REGISTER", "sip:127.0.0.1")
        .replace(&format!("username=\"{of}\""), &format!("username=\"{user}\""))
}

fn bans(world: &mut World) -> String {
    let mut out = Vec::new();
    world.switchboard.handle(
        world.now,
        Input::Console { request: 1, by: admin(), command: ConsoleCommand::Guard },
        &mut out,
    );
    format!("{out:?}")
}

#[test]
fn a_scanner_gets_no_answer_unless_the_trunk_sends_it() {
    let mut world = staffed(settings());
    for agent in ["friendly-scanner", "sipcli/v1.8", "VaxSIPUserAgent/3.1", "pplsip"] {
        for method in ["OPTIONS", "REGISTER", "INVITE"] {
            asks(&mut world, STRANGER, method, "100", &format!("User-Agent: {agent}\r\n"));
        }
    }
    assert_eq!(answers(&mut world, STRANGER), [""; 0]);
    assert_eq!(world.switchboard.guard_figures().counts[0], 12);
    asks(&mut world, STRANGER, "OPTIONS", "100", "User-Agent: sipsak 0.9.7\r\n");
    world.take(STRANGER, "SIP/2.0 200");
    asks(&mut world, TRUNK, "OPTIONS", "100", "User-Agent: friendly-scanner\r\n");
    world.take(TRUNK, "SIP/2.0 200");
    world.assert_empty_in_the_end();
}

#[test]
fn a_flood_is_answered_for_its_burst_then_banned_for_a_minute() {
    let mut world = staffed(settings());
    for _ in 0..5_000 {
        asks(&mut world, STRANGER, "REGISTER", "100", "");
    }
    assert_eq!(answers(&mut world, STRANGER).len(), 200);
    assert!(bans(&mut world).contains("203.0.113.9"));
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    let bye = world.take(BUDI, "BYE");
    world.receive(BUDI, &response(&bye, BUDI, "200 OK", ""));
    world.pass(Duration::from_secs(61));
    assert_eq!(world.switchboard.guard_figures().banned, 0);
    asks(&mut world, STRANGER, "REGISTER", "100", "");
    assert_eq!(answers(&mut world, STRANGER).len(), 1);
    world.assert_empty_in_the_end();
}

#[test]
fn trunks_and_allowed_addresses_are_never_limited() {
    let mut terms = settings();
    terms.guard.allow = vec![Network::parse("203.0.113.0/24").unwrap()];
    let mut world = staffed(terms);
    for at in [TRUNK, STRANGER] {
        for _ in 0..3_000 {
            asks(&mut world, at, "OPTIONS", "100", "");
        }
        assert_eq!(answers(&mut world, at).len(), 3_000);
    }
    let challenge = challenged(&mut world, STRANGER);
    for _ in 0..100 {
        asks(&mut world, STRANGER, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    assert_eq!(answers(&mut world, STRANGER).len(), 100);
    assert_eq!(world.switchboard.guard_figures().banned, 0);
}

pub(super) fn challenged(world: &mut World, at: &str) -> String {
    asks(world, at, "REGISTER", "budi", "");
    world.take(at, "SIP/2.0 401")
}

#[test]
fn a_guesser_of_passwords_is_banned_and_the_ban_can_be_lifted() {
    let mut world = staffed(settings());
    let challenge = challenged(&mut world, STRANGER);
    for _ in 0..40 {
        asks(&mut world, STRANGER, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    let refusals = answers(&mut world, STRANGER);
    assert_eq!(refusals.len(), 11);
    assert!(refusals.iter().all(|refusal| refusal.starts_with("SIP/2.0 403")), "{refusals:#?}");
    // The right password comes too late.
    asks(&mut world, STRANGER, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
    assert_eq!(answers(&mut world, STRANGER), [""; 0]);
    let address = "203.0.113.9".parse().unwrap();
    world.step(Input::Console { request: 2, by: admin(), command: ConsoleCommand::LiftBan { address } });
    assert!(!bans(&mut world).contains("203.0.113.9"));
    challenged(&mut world, STRANGER);
}

#[test]
fn a_nonce_of_the_guessers_own_making_is_no_way_around_the_count() {
    let mut world = staffed(settings());
    let challenge = challenged(&mut world, STRANGER).replace("nonce=\"A", "nonce=\"B");
    for _ in 0..40 {
        asks(&mut world, STRANGER, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    let told = answers(&mut world, STRANGER).len();
    assert_eq!((told, world.switchboard.guard_figures().banned), (11, 1));
}

#[test]
fn a_registered_phone_works_on_while_others_flood_in_its_name() {
    let mut world = staffed(settings());
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    caller.is_answered(&mut world);
    let challenge = challenged(&mut world, BUDI);
    let forged = "127.0.0.3:4444";
    for _ in 0..5_000 {
        asks(&mut world, forged, "REGISTER", "budi", "");
    }
    for _ in 0..100 {
        asks(&mut world, forged, "REGISTER", "budi", &claims(&challenge, "budi", "guess"));
    }
    assert_eq!(world.switchboard.guard_figures().banned, 1, "a floor's guesser is banned in the end");
    asks(&mut world, forged, "REGISTER", "budi", "");
    answers(&mut world, forged);
    // What has a nonce of ours, or a dialog, passes.
    asks(&mut world, BUDI, "REGISTER", "budi", &claims(&challenge, "budi", "budi"));
    world.take(BUDI, "SIP/2.0 200");
    world.asks(BUDI, &invite, "BYE", 1, "", "");
    world.take(BUDI, "SIP/2.0 200");
    caller.is_hung_up(&mut world);
    world.assert_empty_in_the_end();
}

/// A refusal without what differs by chance: our tag, and the nonce.
fn bare(refusal: &str) -> String {
    let mut text = String::new();
    for line in refusal.lines() {
        let cut = [";tag=", "nonce=\""].iter().filter_map(|mark| Some(line.find(mark)? + mark.len()));
        match cut.min().filter(|_| line.starts_with("To:") || line.starts_with("WWW")) {
            Some(at) => {
                let random = line[at..].find(['"', ';', ',']).map_or(line.len(), |end| at + end);
                text += &format!("{}{}{}\n", &line[..at], "*".repeat(random - at), &line[random..]);
            }
            None => text += &format!("{line}\n"),
        }
    }
    text
}

#[test]
fn an_unknown_user_and_a_wrong_password_get_the_same_answer_byte_for_byte() {
    for own_nonce in [true, false] {
        let refusal = |user: &str| {
            let mut world = staffed(settings());
            let mut challenge = challenged(&mut world, STRANGER);
            if !own_nonce {
                challenge = challenge.replace("nonce=\"A", "nonce=\"B");
            }
            asks(&mut world, STRANGER, "REGISTER", user, &claims(&challenge, user, "guess"));
            let answers = answers(&mut world, STRANGER);
            assert_eq!(answers.len(), 1);
            bare(&answers[0]).replace(user, "USER")
        };
        assert_eq!(refusal("sari"), refusal("nino"), "our nonce: {own_nonce}");
    }
    let first = |user: &str| {
        let mut world = staffed(settings());
        asks(&mut world, STRANGER, "REGISTER", user, "");
        bare(&answers(&mut world, STRANGER)[0]).replace(user, "USER")
    };
    assert_eq!(first("sari"), first("nino"));
}

#[test]
fn credentials_that_were_used_are_not_taken_again() {
    let mut world = staffed(settings());
    let challenge = challenged(&mut world, STRANGER);
    let heard = claims(&challenge, "budi", "budi");
    asks(&mut world, STRANGER, "REGISTER", "budi", &heard);
    world.take(STRANGER, "SIP/2.0 200");
    asks(&mut world, STRANGER, "REGISTER", "budi", &heard);
    let again = world.take(STRANGER, "SIP/2.0 401");
    assert!(again.contains("stale=true"), "{again}");
}

#[test]
fn another_operators_name_is_refused_only_after_valid_credentials() {
    let mut world = staffed(settings());
    asks(&mut world, STRANGER, "REGISTER", "sari", "");
    let challenge = world.take(STRANGER, "SIP/2.0 401");
    asks(&mut world, STRANGER, "REGISTER", "sari", &claims(&challenge, "budi", "budi"));
    world.take(STRANGER, "SIP/2.0 403");
    assert!(!world.has(STRANGER, "SIP/2.0 200"));
    assert_eq!(
        world.count(|kind| matches!(kind, FactKind::OperatorState { operator, state, .. }
        if operator.as_str() == "sari" && state == "ready")),
        0
    );
}

#[test]
fn a_request_for_its_last_hop_is_served_and_one_of_ours_that_returns_is_not() {
    let mut world = staffed(settings());
    let n = world.next_serial();
    let last = asks(&mut world, TRUNK, "OPTIONS", "112", "").replace("Max-Forwards: 70", "Max-Forwards: 0");
    world.take(TRUNK, "SIP/2.0 200");
    world.receive(TRUNK, &last.replace("bKask", "bKlast"));
    world.take(TRUNK, "SIP/2.0 200");
    // An INVITE of ours, sent back by the telco.
    Caller::dials(&mut world);
    let ours = world.take(BUDI, "INVITE");
    let back = ours.replacen("Via: ", &format!("Via: SIP/2.0/UDP {TRUNK};branch=z9hG4bKback{n}\r\nVia: "), 1);
    world.receive(TRUNK, &back);
    world.take(TRUNK, "SIP/2.0 482");
}

#[test]
fn a_route_that_names_us_is_taken_off_and_nothing_is_relayed_for_strangers() {
    let mut world = staffed(settings());
    for (routes, status) in [
        ("Route: <sip:127.0.0.1;lr>\r\n", "200"),
        ("Route: <sip:proxy.siaga.example;lr>\r\n", "200"),
        ("Route: <sip:proxy.siaga.example;lr>, <sip:127.0.0.1:5060;lr>\r\n", "200"),
        ("Route: <sip:127.0.0.1;lr>, <sip:192.0.2.66;lr>\r\n", "403"),
    ] {
        asks(&mut world, STRANGER, "OPTIONS", "100", routes);
        world.take(STRANGER, &format!("SIP/2.0 {status}"));
    }
    asks(&mut world, TRUNK, "OPTIONS", "100", "Route: <sip:127.0.0.1;lr>, <sip:192.0.2.66;lr>\r\n");
    world.take(TRUNK, "SIP/2.0 200");
}

#[test]
fn when_crowded_what_can_be_asked_again_waits_and_the_trunks_calls_find_room() {
    let mut terms = settings();
    terms.guard.crowded_at = 1;
    let mut world = World::new(terms, &["budi"]);
    Caller::dials(&mut world);
    for method in ["REGISTER", "OPTIONS", "SUBSCRIBE", "INVITE"] {
        asks(&mut world, STRANGER, method, "budi", "");
        let refusal = world.take(STRANGER, "SIP/2.0 503");
        assert_eq!(header(&refusal, "Retry-After"), "30");
    }
    asks(&mut world, TRUNK, "OPTIONS", "100", "");
    world.take(TRUNK, "SIP/2.0 503");
    Caller::dials(&mut world);
    assert_eq!(world.count(|kind| matches!(kind, FactKind::Received { .. })), 2);
}

/// What the topmost Via of an answer says of overload.
fn overload_of(answer: &str) -> Vec<String> {
    header(answer, "Via").split(';').filter(|param| param.starts_with("oc")).map(str::to_owned).collect()
}

#[test]
fn a_trunk_that_asks_for_it_is_told_to_hold_back_when_we_are_crowded() {
    let offers = |at: &str, branch: &str, params: &str| {
        format!(
            "OPTIONS sip:{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{branch}{params}\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    let oc = ";oc;oc-algo=\"loss\"";
    let mut terms = settings();
    terms.guard.crowded_at = 1;
    let mut world = staffed(terms);
    world.pass(Duration::from_secs(60));
    world.receive(TRUNK, &offers(TRUNK, "calm", oc));
    let calm = overload_of(&world.take(TRUNK, "SIP/2.0 200"));
    assert_eq!(calm[..3], ["oc=0", "oc-algo=\"loss\"", "oc-validity=0"]);
    let caller = Caller::dials(&mut world);
    world.receive(TRUNK, &offers(TRUNK, "crowded", oc));
    let crowded = overload_of(&world.take(TRUNK, "SIP/2.0 503"));
    assert_eq!(crowded[..3], ["oc=1", "oc-algo=\"loss\"", "oc-validity=500"]);
    assert!(crowded[3].starts_with("oc-seq=1764000060."), "{crowded:?}");
    // Who has not offered it, or is no trunk, is told nothing.
    world.receive(TRUNK, &offers(TRUNK, "other", ";oc;oc-algo=\"rate\""));
    assert_eq!(overload_of(&world.take(TRUNK, "SIP/2.0 503")), ["oc", "oc-algo=\"rate\""]);
    world.receive(STRANGER, &offers(STRANGER, "stranger", oc));
    assert_eq!(overload_of(&world.take(STRANGER, "SIP/2.0 503")), ["oc", "oc-algo=\"loss\""]);
    // Emergency calls are taken all the same.
    Caller::dials(&mut world);
    caller.cancels(&mut world);
}

#[test]
fn our_name_stands_in_every_message_when_it_is_wanted() {
    let mut terms = settings();
    terms.site.server_header = Some("siaga/1.0 (112)".to_owned());
    let mut world = staffed(terms);
    let mut caller = Caller::dials(&mut world);
    let invite = world.take(BUDI, "INVITE");
    assert_eq!(header(&invite, "User-Agent"), "siaga/1.0 (112)");
    world.receive(BUDI, &response(&invite, BUDI, "200 OK", &sdp(BUDI, 31_000)));
    assert_eq!(header(&world.take(BUDI, "ACK"), "User-Agent"), "siaga/1.0 (112)");
    let answer = world.sent.iter().find(|(_, text)| text.starts_with("SIP/2.0 200")).unwrap();
    assert_eq!(header(&answer.1, "Server"), "siaga/1.0 (112)");
    caller.is_answered(&mut world);
    // Repeats have it once.
    caller.hangs_up(&mut world);
    world.sent.clear();
    world.pass(Duration::from_secs(1));
    let bye = world.take(BUDI, "BYE");
    assert_eq!(bye.matches("User-Agent").count(), 1, "{bye}");
    asks(&mut world, BUDI, "PUBLISH", "100", "");
    assert_eq!(header(&world.take(BUDI, "SIP/2.0 405"), "Server"), "siaga/1.0 (112)");
    // A response to a source that may be forged is short.
    asks(&mut world, STRANGER, "PUBLISH", "100", "");
    assert!(!world.take(STRANGER, "SIP/2.0 403").contains("siaga/1.0"));
}

#[test]
fn neither_side_learns_of_the_other_where_it_is_or_what_it_runs() {
    let mut world = staffed(settings());
    let sdp_of_trunk = sdp(TRUNK, 30_000);
    let invite = format!(
        "INVITE sip:112@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKsecret1\r\n\
         Via: SIP/2.0/UDP 10.66.6.6;branch=z9hG4bKsecret2\r\nRecord-Route: <sip:10.66.6.7;lr>\r\n\
         From: <sip:0812@10.66.6.8>;tag=secret3\r\nTo: <sip:112@127.0.0.1>\r\nCall-ID: secret4@10.66.6.9\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:0812@10.66.6.10>\r\nUser-Agent: secret5\r\nServer: secret6\r\n\
         P-Asserted-Identity: <sip:0812@10.66.6.11>\r\nSubject: secret7\r\nX-Own: secret8\r\n\
         History-Info: <sip:secret9@10.66.6.12>\r\nAlert-Info: <http://10.66.6.13/ring>\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp_of_trunk}",
        sdp_of_trunk.len()
    );
    world.receive(TRUNK, &invite);
    let offered = world.take(BUDI, "INVITE");
    for text in ["10.66.6", "secret", "127.0.0.2"] {
        assert!(!offered.contains(text), "the phone learns {text}: {offered}");
    }
    let answer = response(&offered, BUDI, "200 OK", &sdp(BUDI, 31_000))
        .replace("Contact:", "User-Agent: hidden1\r\nServer: hidden2\r\nRecord-Route: <sip:10.77.7.7;lr>\r\nContact:");
    world.receive(BUDI, &answer);
    let phones_call_id = header(&offered, "Call-ID").to_owned();
    let told = answers(&mut world, TRUNK);
    assert!(told.iter().any(|text| text.starts_with("SIP/2.0 200")), "{told:#?}");
    for text in &told {
        for secret in ["hidden", "10.77.7", "127.0.0.3", "5091", &phones_call_id] {
            assert!(!text.contains(secret), "the trunk learns {secret}: {text}");
        }
        assert!(!text.contains("\r\nServer:") && !text.contains("\r\nUser-Agent:"), "a banner: {text}");
    }
}

/// The shortest request of a stranger: an attacker adds nothing that costs bytes.
fn shortest(method: &str, to: &str, more: &str) -> String {
    format!(
        "{method} sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER};branch=z9hG4bKq{method};rport\r\n\
         From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:a@127.0.0.1>{to}\r\nCall-ID: q{method}\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\n{more}\r\n"
    )
}

#[test]
fn not_even_the_shortest_request_makes_siaga_an_amplifier() {
    let mut world = staffed(settings());
    let mut at_most = |percent: usize, text: &str| {
        world.receive(STRANGER, text);
        let said = world.take(STRANGER, "SIP/2.0 ");
        assert!(said.len() * 100 <= text.len() * percent, "{} bytes get {}:\n{text}{said}", text.len(), said.len());
    };
    // Two challenges: a phone that does not know SHA-256 needs the one for MD5 (RFC 8760 §2.4).
    for method in ["REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE"] {
        at_most(240, &shortest(method, "", ""));
    }
    for method in
        ["BYE", "INVITE", "UPDATE", "INFO", "REFER", "OPTIONS", "MESSAGE", "PRACK", "NOTIFY", "SUBSCRIBE", "CANCEL"]
    {
        at_most(135, &shortest(method, ";tag=zz", ""));
    }
    for method in ["OPTIONS", "BYE", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY", "CANCEL", "PUBLISH", "FETCH"] {
        at_most(135, &shortest(method, "", ""));
    }
    at_most(135, &format!("{}x", shortest("INVITE", "", "Content-Type: a/b\r\nContent-Length: 1\r\n")));
    at_most(135, &shortest("OPTIONS", "", "Require: x\r\n"));
    at_most(135, &shortest("OPTIONS", "", "").replace("CSeq: 1 ", "CSeq: 1 x"));
}
