//! What may change in a session, and what may not: addresses, targets, streams, offers that come late.

use super::*;

fn aimed_at(world: &World, port: u16) -> bool {
    world.media.iter().any(|command| matches!(command, Command::SetRemote { remote, .. } if remote.rtp.port() == port))
}

fn talking(world: &mut World) -> (Caller, String) {
    let mut caller = Caller::dials(world);
    let invite = answers(world, BUDI);
    caller.is_answered(world);
    world.sent.clear();
    (caller, invite)
}

#[test]
fn sound_follows_a_new_address() {
    let mut world = staffed();
    let (caller, _) = talking(&mut world);
    caller.asks(&mut world, "INVITE", 2, "", &sdp("127.0.0.9", 30_900));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 2, "", "");
    let aimed = world.media.iter().rev().find_map(|command| match command {
        Command::SetRemote { remote, .. } => Some(remote.rtp),
        _ => None,
    });
    assert_eq!(aimed, Some("127.0.0.9:30900".parse().unwrap()));
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_request_that_is_refused_moves_no_target_and_one_that_is_accepted_does() {
    let mut world = staffed();
    let (caller, invite) = talking(&mut world);
    let unusable = sdp(TRUNK, 30_000).replace("AVP 8 101", "AVP 18");
    for (cseq, method) in [(2, "INVITE"), (3, "UPDATE")] {
        caller.asks_from(&mut world, "sip:astray@127.0.0.2:5998", (method, cseq), &unusable);
        world.take(TRUNK, "SIP/2.0 488");
    }
    caller.asks_from(&mut world, "sip:astray@127.0.0.2:5998", ("OPTIONS", 4), "");
    world.take(TRUNK, "SIP/2.0 200");
    // An old one, out of order.
    caller.asks_from(&mut world, "sip:astray@127.0.0.2:5998", ("INVITE", 2), &sdp(TRUNK, 30_000));
    caller.asks_from(&mut world, "sip:moved@127.0.0.2:5999", ("INVITE", 5), &sdp(TRUNK, 30_000));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 5, "", "");
    caller.asks_from(&mut world, "sip:astray@127.0.0.2:5998", ("UPDATE", 6), &unusable);
    world.take(TRUNK, "SIP/2.0 488");
    operator_hangs_up(&mut world, BUDI, &invite);
    let bye = world.take("127.0.0.2:5999", "BYE");
    assert!(bye.starts_with("BYE sip:moved@127.0.0.2:5999 "), "{bye}");
    world.assert_empty_in_the_end();
}

#[test]
fn streams_that_come_later_are_refused_one_by_one_and_the_sound_goes_on() {
    let mut world = staffed();
    let (caller, _) = talking(&mut world);
    let more = "m=video 30002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=text 30004 RTP/AVP 98\r\n\
                a=rtpmap:98 t140/1000\r\nm=image 30006 udptl t38\r\n";
    caller.asks(&mut world, "INVITE", 2, "", &format!("{}{more}", sdp(TRUNK, 30_000)));
    let answer = world.take(TRUNK, "SIP/2.0 200");
    let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    let [audio, video, text, image] = lines[..] else { panic!("one line for each: {answer}") };
    assert!(audio.starts_with("m=audio 20"), "{answer}");
    assert_eq!([video, text, image], ["m=video 0 RTP/AVP 96", "m=text 0 RTP/AVP 98", "m=image 0 udptl t38"]);
    caller.asks(&mut world, "ACK", 2, "", "");
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_switch_to_fax_alone_is_refused_and_the_sound_stays() {
    let mut world = staffed();
    let (caller, _) = talking(&mut world);
    world.media.clear();
    let fax = "v=0\r\no=- 1 2 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=image 30006 udptl t38\r\n";
    caller.asks(&mut world, "INVITE", 2, "", fax);
    world.take(TRUNK, "SIP/2.0 488");
    assert_eq!(world.media, []);
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_caller_without_an_offer_answers_ours_in_the_ack() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, "", false);
    answers(&mut world, BUDI);
    caller.hears_200(&mut world);
    assert!(!aimed_at(&world, 30_000));
    caller.asks(&mut world, "ACK", 1, "", &sdp(TRUNK, 30_000));
    assert!(aimed_at(&world, 30_000));
    caller.hangs_up(&mut world);
    world.assert_empty_in_the_end();
}

#[test]
fn an_ack_without_the_required_answer_blocks_nothing() {
    let mut world = staffed();
    let mut caller = Caller::dials_with(&mut world, "", false);
    answers(&mut world, BUDI);
    caller.hears_200(&mut world);
    caller.acknowledges(&mut world);
    caller.asks(&mut world, "UPDATE", 2, "", &sdp(TRUNK, 30_500));
    world.take(TRUNK, "SIP/2.0 200");
    assert!(aimed_at(&world, 30_500), "his sound can still come");
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn an_ack_of_another_invite_does_not_stop_the_repeats_of_a_200() {
    let mut world = staffed();
    let (caller, _) = talking(&mut world);
    caller.asks(&mut world, "INVITE", 2, "", &sdp(TRUNK, 30_000));
    world.take(TRUNK, "SIP/2.0 200");
    // The first ACK comes a second time.
    caller.acknowledges(&mut world);
    world.pass(Duration::from_millis(600));
    world.take(TRUNK, "SIP/2.0 200");
    caller.asks(&mut world, "ACK", 2, "", "");
    world.pass(Duration::from_secs(8));
    assert!(!world.has(TRUNK, "SIP/2.0 200"));
    caller.hangs_up_as(&mut world, 3);
    world.assert_empty_in_the_end();
}

#[test]
fn a_refresh_of_ours_without_an_offer_is_in_no_offers_way() {
    let settings = changed(settings(), |settings| settings.session.seconds = Some(200));
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let more = "Supported: timer\r\nAllow: INVITE, UPDATE\r\n";
    let mut caller = Caller::dials_with(&mut world, more, true);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    world.pass(Duration::from_secs(100));
    let update = world.take(TRUNK, "UPDATE");
    caller.asks(&mut world, "INVITE", 2, "", &sdp(TRUNK, 30_500));
    world.take(TRUNK, "SIP/2.0 200");
    assert!(aimed_at(&world, 30_500));
    caller.asks(&mut world, "ACK", 2, "", "");
    world.receive(TRUNK, &response(&update, TRUNK, "200 OK", ""));
    caller.hangs_up_as(&mut world, 3);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn an_offer_of_ours_keeps_the_places_of_streams_that_were_refused() {
    let settings = changed(settings(), |settings| settings.session.seconds = Some(200));
    let mut world = World::new(settings, &["budi"]);
    world.register("budi", BUDI);
    let mut caller = Caller::dials_with(&mut world, "Supported: timer\r\n", true);
    answers(&mut world, BUDI);
    caller.is_answered(&mut world);
    let more = sdp(TRUNK, 30_000).replace("m=audio", "m=video 40000 RTP/AVP 96\r\nm=audio");
    caller.asks(&mut world, "INVITE", 2, "Supported: timer\r\n", &format!("{more}m=image 40002 udptl t38\r\n"));
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("m="));
        lines.map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let wanted = ["video 0", "audio 20000", "image 0"];
    assert_eq!(lines(&world.take(TRUNK, "SIP/2.0 200")), wanted);
    caller.asks(&mut world, "ACK", 2, "", "");
    world.pass(Duration::from_secs(100));
    let offer = world.take(TRUNK, "INVITE");
    assert_eq!(lines(&offer), wanted, "RFC 3264 §8: {offer}");
    world.receive(TRUNK, &response(&offer, TRUNK, "200 OK", &format!("{more}m=image 0 udptl t38\r\n")));
    world.take(TRUNK, "ACK");
    caller.hangs_up_as(&mut world, 3);
    world.sent.clear();
    world.assert_empty_in_the_end();
}

#[test]
fn unknown_codecs_that_a_caller_prefers_are_skipped() {
    let mut world = staffed();
    let more = "Accept-Contact: *;audio;require;explicit\r\nReject-Contact: *;mobility=\"fixed\"\r\n\
                Request-Disposition: no-fork, queue\r\nResource-Priority: esnet.1\r\nAnswer-Mode: Auto\r\n\
                P-Early-Media: supported\r\nJoin: x;to-tag=1;from-tag=2\r\nX-Own: <<>>;;\r\nSupported: x-new, outbound\r\n";
    let mut caller = Caller::dials_with(&mut world, more, true);
    let invite = answers(&mut world, BUDI);
    assert!(!invite.contains("Accept-Contact") && !invite.contains("X-Own"), "{invite}");
    caller.is_answered(&mut world);
    caller.hangs_up(&mut world);
    assert_eq!(endings(&world), [(Side::Caller, EndCause::Normal)]);
    world.assert_empty_in_the_end();
}
