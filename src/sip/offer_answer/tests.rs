use proptest::prelude::*;

use super::super::sdes::MasterKey;
use super::sdp::{AudioCodec, Direction, Formats, Local, SdpError, StreamPositions, read, tests::phones, write_offer};
use super::*;

const LOCAL: Local = Local {
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 50)),
    port: 20_000,
    session: 1,
    version: 1,
    terms: Terms::new(MasterKey([3; 30])),
    formats: Formats::ANY,
};

/// Our side with an address of the peer's family.
fn towards(peer: &AudioDescription, local: Local) -> Local {
    let v6 = "2001:db8::9".parse().unwrap();
    Local { address: if peer.rtp.is_ipv4() { local.address } else { v6 }, ..local }
}

fn answer(offer: &AudioDescription, local: Local, prefer: Option<AudioCodec>) -> Result<(Vec<u8>, Agreed), SdpError> {
    super::answer(offer, towards(offer, local), prefer)
}

fn accept(answer: &AudioDescription, local: Local) -> Result<Agreed, SdpError> {
    super::accept(answer, towards(answer, local))
}

#[test]
fn a_description_of_another_address_family_is_of_no_use() {
    let ims = read(phones::IMS.as_bytes()).unwrap();
    assert_eq!(super::answer(&ims, LOCAL, None).unwrap_err(), SdpError::OtherFamily);
    assert_eq!(super::accept(&ims, LOCAL).unwrap_err(), SdpError::OtherFamily);
    let hold = AudioDescription { rtp: "[::]:4000".parse().unwrap(), ..ims };
    assert!(super::answer(&hold, LOCAL, None).is_ok(), "hold needs no family");
}

fn answered(offer: &str, prefer: Option<AudioCodec>) -> (String, Agreed) {
    let (text, agreed) = answer(&read(offer.as_bytes()).unwrap(), LOCAL, prefer).unwrap();
    (String::from_utf8(text).unwrap(), agreed)
}

fn m_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

#[test]
fn refused_streams_keep_their_place_with_port_0() {
    // The offer of RFC 3264 §10.1: one audio, two video streams.
    let offer = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n\
        m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n";
    let (text, agreed) = answered(offer, None);
    assert_eq!(m_lines(&text), ["m=audio 20000 RTP/AVP 0", "m=video 0 RTP/AVP 31", "m=video 0 RTP/AVP 32"]);
    assert_eq!(agreed.rtp, "192.0.2.1:49170".parse().unwrap());
    assert_eq!((agreed.codec, agreed.payload_type, agreed.dtmf), (AudioCodec::Pcmu, 0, None));
    assert_eq!(agreed.direction, Direction::SendRecv);
}

#[test]
fn one_of_several_codecs_is_chosen_and_events_keep_their_payload_type() {
    // As RFC 3264 §10.2: several codecs on one line, and telephone events on a second audio stream.
    let offer = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=audio 62986 RTP/AVP 0 4 18\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:4 G723/8000\r\na=rtpmap:18 G729/8000\r\n\
        a=inactive\r\nm=audio 62988 RTP/AVP 98\r\na=rtpmap:98 telephone-event/8000\r\na=sendonly\r\n";
    let (text, agreed) = answered(offer, None);
    assert_eq!(m_lines(&text), ["m=audio 20000 RTP/AVP 0", "m=audio 0 RTP/AVP 98"]);
    assert!(text.contains("a=inactive\r\n"));
    assert_eq!(agreed.direction, Direction::Inactive);

    let (text, agreed) = answered(phones::IMS, None);
    assert_eq!(m_lines(&text), ["m=audio 20000 RTP/AVP 8 100"]);
    assert!(text.contains("a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-15\r\n"));
    assert_eq!(agreed.dtmf, Some(100));
}

#[test]
fn the_preferred_codec_is_taken_only_where_it_was_offered() {
    let (text, agreed) = answered(phones::BARESIP, Some(AudioCodec::Pcma));
    assert_eq!((m_lines(&text), agreed.payload_type), (vec!["m=audio 20000 RTP/AVP 8 101"], 8));
    assert_eq!(answered(phones::BARESIP, None).1.codec, AudioCodec::Pcmu);
    assert_eq!(answered(phones::SIPP, Some(AudioCodec::Pcma)).1.codec, AudioCodec::Pcmu);
}

fn wanting(codecs: &[AudioCodec], dtmf: Option<u8>) -> Local {
    Local { formats: Formats::new(codecs, dtmf), ..LOCAL }
}

#[test]
fn a_leg_with_wishes_gets_what_it_wants_most_of_what_is_offered() {
    // RFC 3264 §6.1 leaves the choice among the offered to us; none of the wanted is no reason to refuse.
    let (pcma, pcmu) = (AudioCodec::Pcma, AudioCodec::Pcmu);
    for (wanted, offer, chosen) in [
        (&[pcma, pcmu][..], phones::BARESIP, pcma),
        (&[pcmu, pcma], phones::BARESIP, pcmu),
        (&[pcmu], phones::IMS, pcma),
        (&[pcma], phones::SIPP, pcmu),
    ] {
        let offer = read(offer.as_bytes()).unwrap();
        assert_eq!(answer(&offer, wanting(wanted, None), None).unwrap().1.codec, chosen, "{wanted:?}");
    }
}

#[test]
fn our_offer_lists_what_the_leg_wants_in_its_order() {
    let (pcma, pcmu) = (AudioCodec::Pcma, AudioCodec::Pcmu);
    for (local, first, line) in [
        (wanting(&[], Some(101)), pcmu, "0 8 101"),
        (wanting(&[pcmu, pcma], Some(96)), pcma, "0 8 96"),
        (wanting(&[pcma, pcma], Some(127)), pcma, "8 127"),
        (wanting(&[pcma], None), pcma, "8"),
        // What is in use already stays in.
        (wanting(&[pcma], None), pcmu, "0 8"),
    ] {
        let text =
            String::from_utf8(write_offer(local, first, Direction::SendRecv, &StreamPositions::default())).unwrap();
        assert_eq!(m_lines(&text), [format!("m=audio 20000 RTP/AVP {line}")]);
        let events = local.formats.dtmf().map(|number| format!("a=fmtp:{number} 0-15\r\n"));
        assert_eq!(text.contains("telephone-event"), events.is_some());
        assert!(text.contains(&events.unwrap_or_default()), "{text}");
    }
}

#[test]
fn events_go_under_the_number_that_each_side_has_named() {
    // In answers the offer's number is repeated (RFC 3264 §6.1), whatever ours is.
    let offer = read(phones::IMS.as_bytes()).unwrap();
    let (text, agreed) = answer(&offer, wanting(&[], Some(101)), None).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("a=fmtp:100 0-15"));
    assert_eq!((agreed.dtmf, agreed.dtmf_heard), (Some(100), Some(100)));
    // A peer that answers with another number is sent that one, and sends the one of our offer.
    let theirs = read(phones::IMS.as_bytes()).unwrap();
    let agreed = accept(&theirs, wanting(&[], Some(96))).unwrap();
    assert_eq!((agreed.dtmf, agreed.dtmf_heard), (Some(100), Some(96)));
    // RFC 4733 §2.4.1: who does not list events gets none, and none are taken.
    let agreed = accept(&read(phones::SIPP.as_bytes()).unwrap(), LOCAL).unwrap();
    assert_eq!((agreed.dtmf, agreed.dtmf_heard), (None, None));
}

#[test]
fn a_leg_whose_digits_come_by_info_neither_offers_nor_takes_events() {
    let offer = read(phones::IMS.as_bytes()).unwrap();
    let local = wanting(&[], None);
    let (text, agreed) = answer(&offer, local, None).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("telephone-event") && m_lines(&text) == ["m=audio 20000 RTP/AVP 8"], "{text}");
    assert_eq!((agreed.dtmf, agreed.dtmf_heard), (None, None));
    assert_eq!(accept(&offer, local).unwrap().dtmf, None, "nor from an answer that names them unasked");
}

#[test]
fn the_answer_mirrors_the_direction() {
    // RFC 3264 §6.1.
    for (offered, answered_with, ours) in [
        ("sendrecv", "sendrecv", Direction::SendRecv),
        ("sendonly", "recvonly", Direction::RecvOnly),
        ("recvonly", "sendonly", Direction::SendOnly),
        ("inactive", "inactive", Direction::Inactive),
    ] {
        let (text, agreed) = answered(&format!("{}a={offered}\n", phones::SIPP), None);
        assert!(text.ends_with(&format!("a={answered_with}\r\n")), "{offered}: {text}");
        assert_eq!(agreed.direction, ours);
    }
}

#[test]
fn the_profile_and_the_time_of_the_offer_are_repeated() {
    let (text, _) = answered(&phones::LINPHONE.replace("t=0 0", "t=2873397496 2873404696"), None);
    assert_eq!(m_lines(&text), ["m=audio 20000 RTP/AVPF 0 99", "m=video 0 RTP/AVPF 96"]);
    assert!(text.contains("\r\nt=2873397496 2873404696\r\n"));
    assert!(!text.contains("rtcp-mux"));
}

#[test]
fn an_answer_to_our_offer_is_accepted() {
    for phone in phones::ALL {
        let offer =
            read(&write_offer(LOCAL, AudioCodec::Pcma, Direction::SendRecv, &StreamPositions::default())).unwrap();
        let theirs = Local { port: 9_000, ..LOCAL };
        let (text, at_peer) = answer(&offer, theirs, None).unwrap();
        let at_us = accept(&read(&text).unwrap(), LOCAL).unwrap();
        assert_eq!((at_us.rtp.port(), at_us.codec, at_us.dtmf), (9_000, at_peer.codec, Some(101)));
        // A phone that answers with all that it can do: the first codec in its list counts.
        let all = read(phone.as_bytes()).unwrap();
        assert_eq!(accept(&all, LOCAL).unwrap().codec, all.codecs[0].0);
    }
    let held = accept(&read(format!("{}a=sendonly\n", phones::SIPP).as_bytes()).unwrap(), LOCAL).unwrap();
    assert_eq!(held.direction, Direction::RecvOnly);
    let refused = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 8\r\n";
    assert_eq!(read(refused.as_bytes()), Err(SdpError::NoAudio));
}

proptest! {
    #[test]
    fn every_answer_has_as_many_m_lines_as_its_offer_and_reads_back(
        before in proptest::collection::vec("m=(video|image|audio|x) [0-9]{1,6} [A-Z/]{0,9}( [0-9]{1,3}){0,3}", 0..5),
        after in proptest::collection::vec("m=[ -~]{0,20}", 0..5),
    ) {
        let usable = "m=audio 4000 RTP/AVP 8".to_owned();
        let lines = before.iter().chain([&usable]).chain(&after);
        let offer = ["v=0", "c=IN IP4 192.0.2.1"].into_iter().chain(lines.map(String::as_str)).collect::<Vec<_>>().join("\r\n");
        let (text, _) = answered(&offer, None);
        prop_assert_eq!(m_lines(&text).len(), before.len() + after.len() + 1);
        prop_assert_eq!(read(text.as_bytes()).unwrap().rtp.port(), LOCAL.port);
        let strict = sdp_types::Session::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(strict.medias.iter().filter(|media| media.port != 0).count(), 1);
    }
}

/// A phone that must have SRTP, as baresip and pjsua2 offer it.
fn secret(profile: &str, crypto: &str) -> String {
    let text = phones::SIPP.replace("RTP/AVP", profile);
    format!("{text}a=crypto:3 AEAD_AES_256_GCM inline:unknown\n{crypto}")
}

const THEIRS: &str = "a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^31\n";

fn with(srtp_policy: SrtpPolicy) -> Local {
    Local { terms: Terms { srtp_policy, ..LOCAL.terms }, ..LOCAL }
}

#[test]
fn a_secret_offer_gets_its_first_usable_suite_with_our_key() {
    for profile in ["RTP/SAVP", "RTP/SAVPF"] {
        for srtp_policy in [SrtpPolicy::AsOffered, SrtpPolicy::Wanted, SrtpPolicy::Required] {
            let offer = read(secret(profile, THEIRS).as_bytes()).unwrap();
            let (text, agreed) = answer(&offer, with(srtp_policy), None).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert_eq!(m_lines(&text), [format!("m=audio 20000 {profile} 0")]);
            let ours = "a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD\r\n";
            assert!(text.contains(ours) && text.matches("a=crypto").count() == 1, "{text}");
            let crypto = agreed.crypto.unwrap();
            assert_eq!((crypto.ours, crypto.theirs), (LOCAL.terms.key, offer.crypto[0]));
            assert_eq!(&crypto.theirs.key.key()[..3], b"wDf");
        }
    }
    let none = secret("RTP/SAVP", "");
    assert_eq!(read(none.as_bytes()), Err(SdpError::NoCrypto), "no suite in common");
}

#[test]
fn keys_in_a_plain_profile_are_taken_up_only_where_they_are_wanted() {
    let offer = read(secret("RTP/AVP", THEIRS).as_bytes()).unwrap();
    for (srtp_policy, keyed) in
        [(SrtpPolicy::AsOffered, false), (SrtpPolicy::Wanted, true), (SrtpPolicy::Required, true)]
    {
        let (text, agreed) = answer(&offer, with(srtp_policy), None).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(m_lines(&text), ["m=audio 20000 RTP/AVP 0"]);
        assert_eq!((agreed.crypto.is_some(), text.contains("a=crypto:4 ")), (keyed, keyed), "{srtp_policy:?}");
    }
    let plain = read(phones::SIPP.as_bytes()).unwrap();
    for (srtp_policy, result) in [
        (SrtpPolicy::AsOffered, Ok(None)),
        (SrtpPolicy::Wanted, Ok(None)),
        (SrtpPolicy::Required, Err(SdpError::NoCrypto)),
    ] {
        assert_eq!(answer(&plain, with(srtp_policy), None).map(|(_, agreed)| agreed.crypto), result);
    }
}

#[test]
fn our_secret_offer_takes_a_secret_answer_and_no_other() {
    let ours = with(SrtpPolicy::Required);
    let offer = write_offer(ours, AudioCodec::Pcma, Direction::SendRecv, &StreamPositions::default());
    let offer = read(&offer).unwrap();
    assert!(offer.secure);
    let theirs = Terms::new(MasterKey([9; 30]));
    let (text, at_peer) = answer(&offer, Local { port: 9_000, terms: theirs, ..LOCAL }, None).unwrap();
    let at_us = accept(&read(&text).unwrap(), ours).unwrap().crypto.unwrap();
    let at_peer = at_peer.crypto.unwrap();
    assert_eq!((at_us.ours, at_us.theirs.key), (at_peer.theirs.key, at_peer.ours));
    let plain = read(phones::SIPP.as_bytes()).unwrap();
    let other_suite = read(secret("RTP/SAVP", THEIRS).as_bytes()).unwrap();
    for unusable in [plain, other_suite] {
        assert_eq!(accept(&unusable, ours), Err(SdpError::NoCrypto));
    }
    let secret = read(&text).unwrap();
    assert_eq!(accept(&secret, LOCAL), Err(SdpError::NoCrypto), "a plain offer has no key to answer with");
}

#[test]
fn keys_of_a_description_are_not_shown() {
    let offer = read(secret("RTP/SAVP", THEIRS).as_bytes()).unwrap();
    let (_, agreed) = answer(&offer, LOCAL, None).unwrap();
    let shown = format!("{offer:?} {agreed:?} {LOCAL:?}");
    assert!(!shown.contains("119, 68") && !shown.contains("3, 3") && !shown.contains("inline"), "{shown}");
}
