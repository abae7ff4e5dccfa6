use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::sip::sdes::MasterKey;

/// What a phone of that kind sends; written here from what each is known to say.
pub(in crate::sip) mod phones {
    pub(in crate::sip) const BARESIP: &str = "v=0\r\no=- 1690000001 1690000002 IN IP4 192.168.1.20\r\ns=-\r\n\
        c=IN IP4 192.168.1.20\r\nt=0 0\r\nm=audio 10010 RTP/AVP 0 8 101\r\nb=AS:125\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:10011\r\na=sendrecv\r\n\
        a=label:1\r\na=rtcp-rsize\r\na=ssrc:2890417 cname:sip:op1@siaga.test\r\na=ptime:20\r\n";
    pub(in crate::sip) const LINPHONE: &str = "v=0\r\no=op2 3425 2113 IN IP4 10.0.0.7\r\ns=Talk\r\nc=IN IP4 10.0.0.7\r\n\
        t=0 0\r\na=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\na=record:off\r\n\
        m=audio 7078 RTP/AVPF 96 97 98 0 8 101 99\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
        a=rtpmap:97 speex/16000\r\na=rtpmap:98 speex/8000\r\na=rtpmap:101 telephone-event/48000\r\n\
        a=rtpmap:99 telephone-event/8000\r\na=rtcp-fb:* trr-int 5000\r\na=rtcp-mux\r\n\
        m=video 9078 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n";
    pub(in crate::sip) const MICROSIP: &str = "v=0\r\no=- 3910000000 3910000000 IN IP4 192.168.0.5\r\ns=pjmedia\r\n\
        b=AS:84\r\nt=0 0\r\na=X-nat:0\r\nm=audio 4006 RTP/AVP 8 0 101\r\nc=IN IP4 192.168.0.5\r\nb=TIAS:64000\r\n\
        a=rtcp:4007 IN IP4 192.168.0.5\r\na=sendrecv\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ssrc:1 cname:5f\r\n";
    pub(in crate::sip) const ZOIPER: &str = "v=0\r\no=Z 0 531261 IN IP4 192.168.0.9\r\ns=Z\r\nc=IN IP4 192.168.0.9\r\n\
        t=0 0\r\nm=audio 51220 RTP/AVP 106 9 98 101 0 8 3\r\na=rtpmap:106 opus/48000/2\r\n\
        a=fmtp:106 sprop-maxcapturerate=16000; minptime=20; useinbandfec=1\r\na=rtpmap:98 telephone-event/48000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n";
    pub(in crate::sip) const SIPP: &str = "v=0\no=user1 53655765 2353687637 IN IP4 127.0.0.2\ns=-\nc=IN IP4 127.0.0.2\n\
        t=0 0\nm=audio 6000 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n";
    pub(in crate::sip) const CISCO_SBC: &str = "v=0\r\no=CiscoSystemsSIP-GW-UserAgent 9934 6150 IN IP4 203.0.113.4\r\n\
        s=SIP Call\r\nc=IN IP4 203.0.113.4\r\nt=0 0\r\nm=audio 17580 RTP/AVP 18 8 100\r\nc=IN IP4 203.0.113.5\r\n\
        a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:100 X-NSE/8000\r\n\
        a=fmtp:100 192-194\r\n";
    pub(in crate::sip) const IMS: &str = "v=0\r\no=- 1415926 1415926 IN IP6 2001:db8::5\r\ns=-\r\nc=IN IP6 2001:db8::5\r\n\
        b=AS:41\r\nt=0 0\r\nm=audio 49120/2 RTP/AVP 97 98 8 99 100\r\nb=RS:512\r\nb=RR:1537\r\n\
        a=curr:qos local none\r\na=curr:qos remote none\r\na=des:qos mandatory local sendrecv\r\na=maxptime:240\r\n\
        a=rtpmap:97 AMR-WB/16000/1\r\na=fmtp:97 mode-change-capability=2\r\na=rtpmap:98 AMR/8000/1\r\n\
        a=rtpmap:8 PCMA/8000/1\r\na=rtpmap:99 telephone-event/16000/1\r\na=rtpmap:100 telephone-event/8000/1\r\n\
        a=ptime:20\r\n";
    pub(in crate::sip) const ALL: [&str; 7] = [BARESIP, LINPHONE, MICROSIP, ZOIPER, SIPP, CISCO_SBC, IMS];
}

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";

fn description(rest: &str) -> Result<AudioDescription, SdpError> {
    read(format!("{HEAD}{}", rest.replace('|', "\r\n")).as_bytes())
}

fn seen(text: &str) -> (String, String, Vec<(AudioCodec, u8)>, Option<u8>) {
    let read = read(text.as_bytes()).unwrap();
    (read.rtp.to_string(), read.rtcp.to_string(), read.codecs, read.dtmf)
}

#[test]
fn what_real_phones_and_trunks_send_is_read() {
    use AudioCodec::{Pcma, Pcmu};
    let expected = [
        ("192.168.1.20:10010", "192.168.1.20:10011", vec![(Pcmu, 0), (Pcma, 8)], Some(101)),
        ("10.0.0.7:7078", "10.0.0.7:7079", vec![(Pcmu, 0), (Pcma, 8)], Some(99)),
        ("192.168.0.5:4006", "192.168.0.5:4007", vec![(Pcma, 8), (Pcmu, 0)], Some(101)),
        ("192.168.0.9:51220", "192.168.0.9:51221", vec![(Pcmu, 0), (Pcma, 8)], Some(101)),
        ("127.0.0.2:6000", "127.0.0.2:6001", vec![(Pcmu, 0)], None),
        ("203.0.113.5:17580", "203.0.113.5:17581", vec![(Pcma, 8)], None),
        ("[2001:db8::5]:49120", "[2001:db8::5]:49121", vec![(Pcma, 8)], Some(100)),
    ];
    for (text, (rtp, rtcp, codecs, dtmf)) in phones::ALL.into_iter().zip(expected) {
        assert_eq!(seen(text), (rtp.to_owned(), rtcp.to_owned(), codecs, dtmf), "{text}");
    }
    assert!(read(phones::LINPHONE.as_bytes()).unwrap().rtcp_mux);
    assert_eq!(read(phones::BARESIP.as_bytes()).unwrap().ptime_ms, Some(20));
}

#[test]
fn a_strict_parser_sees_the_same_streams() {
    for text in phones::ALL {
        let strict = sdp_types::Session::parse(text.as_bytes()).unwrap();
        let ours = read(text.as_bytes()).unwrap();
        let theirs =
            strict.medias.iter().map(|media| (media.media.clone(), media.port, media.proto.clone(), media.fmt.clone()));
        let lines = ours.lines.into_iter().map(|line| (line.media, line.port, line.proto, line.formats));
        assert!(theirs.eq(lines), "{text}");
        let media = &strict.medias[ours.audio_index];
        let connection = media.connections.first().or(strict.connection.as_ref()).unwrap();
        assert_eq!(connection.connection_address, ours.rtp.ip().to_string());
    }
}

#[test]
fn what_we_offer_is_read_back_by_us_and_by_a_strict_parser() {
    for (address, direction) in [("192.0.2.9", Direction::SendRecv), ("2001:db8::9", Direction::Inactive)] {
        let address: IpAddr = address.parse().unwrap();
        let (terms, formats) = (Terms::new(MasterKey([3; 30])), Formats::ANY);
        let local = Local { address, port: 20_000, session: 7, version: 2, terms, formats };
        let offer = write_offer(local, AudioCodec::Pcmu, direction, &StreamPositions::default());
        let back = read(&offer).unwrap();
        assert_eq!(back.rtp, SocketAddr::new(address, 20_000));
        assert_eq!(back.codecs, [(AudioCodec::Pcmu, 0), (AudioCodec::Pcma, 8)]);
        assert_eq!((back.dtmf, back.direction, back.ptime_ms), (Some(101), direction, Some(20)));
        let strict = sdp_types::Session::parse(&offer).unwrap();
        let origin = strict.origin;
        assert_eq!((origin.sess_id.as_str(), origin.sess_version), ("7", 2));
    }
}

#[test]
fn lines_that_cannot_be_read_are_stepped_over() {
    let odd: &[u8] =
        b"\r\nv=0\r\no=\xff oops\r\ns=Kantor caf\xe9\r\nnonsense\r\n=\r\nt=soon\r\nb=??\r\nc=IN IP4 192.0.2.1 \r\n\
        m=audio 4000 RTP/AVP 8 x 900 8\r\na=\r\na=rtpmap\r\na=rtpmap:x y\r\na=ptime:soon\r\na=rtcp:none\r\nz=\xfe";
    let read = read(odd).unwrap();
    assert_eq!(read.codecs, [(AudioCodec::Pcma, 8)]);
    assert_eq!((read.ptime_ms, read.rtcp.port(), read.time.as_str()), (None, 4001, "0 0"));
    assert!(sdp_types::Session::parse(odd).is_err());
}

#[test]
fn media_level_lines_rule_over_session_level_ones() {
    let read =
        description("c=IN IP4 192.0.2.1|t=0 0|a=inactive|a=ptime:30|m=audio 4000 RTP/AVP 8|c=IN IP6 ::7|a=SendOnly")
            .unwrap();
    assert_eq!(read.rtp, "[::7]:4000".parse().unwrap());
    assert_eq!((read.direction, read.ptime_ms), (Direction::SendOnly, Some(30)));
    let read =
        description("c=IN IP4 192.0.2.1|a=recvonly|m=video 0 RTP/AVP 31|a=sendonly|m=audio 4000 RTP/AVP 8").unwrap();
    assert_eq!((read.direction, read.audio_index), (Direction::RecvOnly, 1));
}

#[test]
fn a_hold_without_address_means_that_the_peer_does_not_receive() {
    for (attribute, direction) in [
        ("", Direction::SendOnly),
        ("a=sendrecv|", Direction::SendOnly),
        ("a=recvonly|", Direction::Inactive),
        ("a=inactive|", Direction::Inactive),
    ] {
        let read = description(&format!("c=IN IP4 0.0.0.0|m=audio 4000 RTP/AVP 8|{attribute}")).unwrap();
        assert_eq!(read.direction, direction, "{attribute}");
    }
}

#[test]
fn a_mapping_overrules_a_static_payload_type() {
    let c = "c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP";
    let read =
        description(&format!("{c} 0 97 98|a=rtpmap:0 G726-32/8000|a=rtpmap:97 pcma/8000|a=rtpmap:98 PCMU/16000"))
            .unwrap();
    assert_eq!(read.codecs, [(AudioCodec::Pcma, 97)]);
    assert_eq!(description(&format!("{c} 98|a=rtpmap:98 PCMA/8000/2")), Err(SdpError::NoCodec));
}

#[test]
fn a_static_payload_type_needs_no_mapping_and_no_known_name_in_one() {
    let c = "c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP";
    for (lines, codec) in [
        ("8|a=rtpmap:8 PCMA", (AudioCodec::Pcma, 8)),
        ("8|a=rtpmap:8 PCMA/", (AudioCodec::Pcma, 8)),
        ("8|a=rtpmap:8 G711A/8000", (AudioCodec::Pcma, 8)),
        ("0|a=rtpmap:0 G.711-mu/8000/1", (AudioCodec::Pcmu, 0)),
        ("0|a=rtpmap:0 PCMU/16000", (AudioCodec::Pcmu, 0)),
        ("97|a=rtpmap:97 PCMA", (AudioCodec::Pcma, 97)),
        ("18 8|a=rtpmap:8 alaw/8000", (AudioCodec::Pcma, 8)),
    ] {
        assert_eq!(description(&format!("{c} {lines}")).unwrap().codecs, [codec], "{lines}");
    }
    assert_eq!(description(&format!("{c} 18 101|a=rtpmap:101 telephone-event/8000")), Err(SdpError::NoCodec));
    // One mapping does not make the others necessary.
    let both = description(&format!("{c} 8 0|a=rtpmap:0 PCMU/8000")).unwrap().codecs;
    assert_eq!(both, [(AudioCodec::Pcma, 8), (AudioCodec::Pcmu, 0)]);
}

#[test]
fn a_description_without_a_usable_address_names_none_and_is_no_hold() {
    for c in
        ["", "c=IN IP4 phone.example.com|", "c=IN IP4 224.2.1.1/127|", "c=IN IP6 fe80::1%eth0|", "c=|", "c=IN IP4|"]
    {
        let read = description(&format!("{c}m=audio 5000 RTP/AVP 8")).unwrap();
        assert!(read.rtp.ip().is_unspecified(), "{c}");
        assert_eq!((read.rtp.port(), read.direction), (5_000, Direction::SendRecv), "{c}");
    }
    // If the address of a media line cannot be read, the session's address counts.
    let read = description("c=IN IP4 192.0.2.1|m=audio 5000 RTP/AVP 8|c=IN IP4 phone.example.com").unwrap();
    assert_eq!(read.rtp, "192.0.2.1:5000".parse().unwrap());
}

#[test]
fn of_several_audio_lines_the_first_is_taken_whose_address_family_can_be_reached() {
    // RFC 4091 §3.1.
    let anat = format!(
        "{HEAD}a=group:ANAT 1 2\r\nm=audio 25000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\na=mid:1\r\n\
         m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\na=mid:2\r\n"
    );
    let only = |v4: bool| read_for(anat.as_bytes(), |ip| ip.is_ipv4() == v4).unwrap();
    assert_eq!((only(true).rtp.port(), only(true).audio_index), (22_334, 1));
    assert_eq!((only(false).rtp.port(), only(false).audio_index), (25_000, 0));
    assert_eq!(read(anat.as_bytes()).unwrap().audio_index, 0);
    let v6 = anat.replace("IP4 192.0.2.1\r\na=mid", "IP6 2001:db8::2\r\na=mid");
    assert_eq!(read_for(v6.as_bytes(), |ip| ip.is_ipv4()), Err(SdpError::OtherFamily));
    let held = v6.replace("IP6 2001:db8::1", "IP6 ::");
    assert!(read_for(held.as_bytes(), |ip| ip.is_ipv4()).is_ok(), "hold needs no family");
}

#[test]
fn an_offer_without_audio_has_its_lines_refused_in_their_places() {
    let local = Local {
        address: "192.0.2.9".parse().unwrap(),
        port: 20_000,
        session: 7,
        version: 1,
        terms: Terms::new(MasterKey([3; 30])),
        formats: Formats::ANY,
    };
    for (lines, refused) in [("", ""), ("m=video 5000 RTP/AVP 31\r\n", "m=video 0 RTP/AVP 31\r\n")] {
        let (body, places) = refuse_all(format!("{HEAD}t=0 0\r\n{lines}").as_bytes(), local).unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(body.ends_with(&format!("t=0 0\r\n{refused}")), "{body}");
        let offer = write_offer(local, AudioCodec::Pcma, Direction::SendRecv, &places);
        let offer = read(&offer).unwrap();
        assert_eq!(offer.audio_index, usize::from(!refused.is_empty()), "our stream comes after them");
    }
    assert_eq!(refuse_all(b"hello", local).unwrap_err(), SdpError::Malformed);
}

#[test]
fn rtcp_may_stand_on_another_port_and_address() {
    // RFC 3605 §2.1's three forms.
    for (attribute, rtcp) in [
        ("a=rtcp:53020", "192.0.2.1:53020"),
        ("a=rtcp:53020 IN IP4 126.16.64.4", "126.16.64.4:53020"),
        (
            "a=rtcp:53020 IN IP6 2001:2345:6789:ABCD:EF01:2345:6789:ABCD",
            "[2001:2345:6789:abcd:ef01:2345:6789:abcd]:53020",
        ),
    ] {
        let read = description(&format!("c=IN IP4 192.0.2.1|m=audio 49170 RTP/AVP 0|{attribute}")).unwrap();
        assert_eq!(read.rtcp, rtcp.parse().unwrap());
    }
    let last = description("c=IN IP4 192.0.2.1|m=audio 65535 RTP/AVP 0").unwrap();
    assert_eq!(last.rtcp.port(), 65535);
}

#[test]
fn the_first_usable_audio_line_is_taken() {
    let read = description(
        "c=IN IP4 192.0.2.1|m=audio 5000 RTP/SAVP 8|m=audio 0 RTP/AVP 8|m=audio 5004 RTP/AVP 97|a=rtpmap:97 AMR/8000|\
         m=audio 70000 RTP/AVP 8|m=audio 5008 rtp/avp 8|m=audio 5010 RTP/AVP 8",
    )
    .unwrap();
    assert_eq!((read.audio_index, read.rtp.port(), read.lines.len()), (4, 5008, 6));
}

#[test]
fn each_way_of_being_unusable_has_its_name() {
    for (text, why) in [
        ("c=IN IP4 192.0.2.1|m=video 5000 RTP/AVP 31", SdpError::NoAudio),
        ("c=IN IP4 192.0.2.1|m=audio 5000 RTP/SAVP 8", SdpError::NoCrypto),
        ("c=IN IP4 192.0.2.1|m=audio", SdpError::NoAudio),
        ("c=IN IP4 192.0.2.1", SdpError::NoAudio),
        ("c=IN IP4 192.0.2.1|m=audio 5000 RTP/AVP 18", SdpError::NoCodec),
    ] {
        assert_eq!(description(text), Err(why), "{text}");
    }
    for text in ["", "hello", "\r\n\r\n", "<xml/>", "s=only"] {
        assert_eq!(read(text.as_bytes()), Err(SdpError::Malformed), "{text}");
    }
}

#[test]
fn m_lines_beyond_the_cap_are_ignored_with_their_attributes() {
    let many =
        format!("c=IN IP4 192.0.2.1|m=audio 5000 RTP/AVP 8|{}", "m=video 1 RTP/AVP 31|a=inactive|".repeat(10_000));
    let read = description(&many).unwrap();
    assert_eq!((read.lines.len(), read.direction), (MEDIA_LINES_MAX, Direction::SendRecv));
}

proptest! {
    #[test]
    fn no_bytes_can_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let read_back = read(&bytes);
        prop_assert!(read_back.is_err() || read_back.is_ok_and(|audio| !audio.codecs.is_empty()));
    }

    #[test]
    fn no_order_of_plausible_lines_can_break_the_reader(picks in proptest::collection::vec(0usize..16, 0..24)) {
        const LINES: [&str; 16] = ["v=0", "m=audio 9 RTP/AVP 8", "m=audio 0 RTP/AVP 0", "c=IN IP4 0.0.0.0", "c=IN IP4 1.2.3.4",
            "c=IN IP6 ::1", "c=", "a=sendonly", "a=rtpmap:8 PCMU/8000", "a=rtcp:1", "m=", "m=audio 7/2 RTP/AVPF 0 8", "a=rtcp-mux",
            "t=9 9", "a=ptime:0", "m=image 1 udptl t38"];
        let text = picks.iter().map(|pick| LINES[*pick]).collect::<Vec<_>>().join("\r\n");
        if let Ok(audio) = read(text.as_bytes()) {
            let line = &audio.lines[audio.audio_index];
            prop_assert!(line.media == "audio" && line.port == audio.rtp.port() && line.port != 0);
        }
    }
}
