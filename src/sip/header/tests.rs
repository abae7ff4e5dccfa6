use super::*;

#[test]
fn parameters_are_found_in_any_case_and_quotes_come_off() {
    let params = Params::new(br#";Tag=a ; lr;+sip.instance="<urn:uuid:1>;x" ;empty=;q = 0.5"#);
    assert_eq!(params.value("tag").as_deref(), Some(&b"a"[..]));
    assert_eq!(params.get("lr"), Some(None));
    assert_eq!(params.value("+SIP.instance").as_deref(), Some(&b"<urn:uuid:1>;x"[..]));
    assert_eq!(params.get("empty").flatten().as_deref(), Some(&b""[..]));
    assert_eq!(params.value("empty"), None);
    assert_eq!(params.value("q").as_deref(), Some(&b"0.5"[..]));
    assert!(!params.has("x"));
    assert_eq!(params.iter().count(), 5);
    assert_eq!(Params::default().iter().count(), 0);
}

#[test]
fn a_via_names_transport_and_sender() {
    let via = Via::parse(b"SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bKx;received=[::1];rport").unwrap();
    assert_eq!((via.transport, via.host, via.port), (&b"UDP"[..], &b"[2001:db8::9]"[..], Some(5070)));
    assert_eq!(via.branch().as_deref(), Some(&b"z9hG4bKx"[..]));
    assert_eq!(via.params.value("received").as_deref(), Some(&b"[::1]"[..]));
    assert_eq!(via.params.get("rport"), Some(None));
    let via = Via::parse(b"sip / 2.0 / TCP  first.example.com : 4000 ;ttl=16").unwrap();
    assert_eq!((via.transport, via.host, via.port), (&b"TCP"[..], &b"first.example.com"[..], Some(4000)));
    assert_eq!(Via::parse(b"SIP/2.0/UDP host_1;branch=").unwrap().branch(), None);
}

#[test]
fn a_malformed_via_is_refused() {
    for bad in [
        "",
        "SIP/2.0",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0/ host",
        "HTTP/2.0/UDP host",
        "SIP/2.0/UDP host:0",
        "SIP/2.0/UDP host:65536",
        "SIP/2.0/UDP host:50x",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP [::g]",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP host other",
        "SIP/2.0/UDP host;;branch=x",
        "SIP/2.0/UDP host;br anch=x",
        "SIP/2.0/UDP host;branch=x y",
        "SIP/2.0/UDP host;x=\"never closed",
        "SIP/2.0/UDP host,",
    ] {
        assert_eq!(Via::parse(bad.as_bytes()), Err(fault("Via")), "{bad:?}");
    }
}

#[test]
fn a_zone_or_an_odd_name_in_a_via_is_read() {
    for (text, host) in [
        ("SIP/2.0/UDP [fe80::1%3]:5060;branch=x", "[fe80::1%3]"),
        ("SIP/2.0/UDP [fe80::1%eth0];branch=x", "[fe80::1%eth0]"),
        ("SIP/2.0/UDP sbc_1:5060;branch=x", "sbc_1"),
    ] {
        let via = Via::parse(text.as_bytes()).unwrap();
        assert_eq!(via.host, host.as_bytes());
        assert_eq!(via.branch().as_deref(), Some(&b"x"[..]));
    }
    assert!(Via::parse(b"SIP/2.0/UDP [fe80::g%3];branch=x").is_err());
    for lower in ["SIP/2.0/UDP [fe80::1%3]:5060", "SIP/2.0/UDP a b;branch=x", "SIP/2.0/TCP é:x"] {
        assert_eq!(Via::check_lower(lower.as_bytes()).is_ok(), lower.is_ascii(), "{lower}");
    }
    for bad in ["SIP/2.0/UDP ", "SIP/2.0 host", "", "SIP/2.0/UDP host;x=\"never closed"] {
        assert!(Via::check_lower(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn name_addr_takes_every_form_of_the_rfc() {
    let table: [(&str, Option<&str>, &str, Option<&str>); 10] = [
        ("<sip:a@b>", None, "sip:a@b", None),
        ("sip:a@b;tag=1", None, "sip:a@b", Some("1")),
        ("<sip:a@b;tag=no>;tag=2", None, "sip:a@b;tag=no", Some("2")),
        ("\"Pos \\\"Dam\\\", 1\" <sip:a@b> ; tag=3", Some("Pos \"Dam\", 1"), "sip:a@b", Some("3")),
        ("\"\" <sip:a@b>", None, "sip:a@b", None),
        ("caller<sip:a@b>;tag=4", Some("caller"), "sip:a@b", Some("4")),
        ("Bu Siti  <tel:+62721>", Some("Bu Siti"), "tel:+62721", None),
        ("Ünal <sip:a@b>", Some("Ünal"), "sip:a@b", None),
        ("<urn:service:sos>;tag=", None, "urn:service:sos", None),
        ("<sip:a@b>;tag=5;", None, "sip:a@b", Some("5")),
    ];
    for (text, display, uri, tag) in table {
        let found = NameAddr::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        assert_eq!(found.display.as_deref(), display.map(str::as_bytes), "{text}");
        assert_eq!(found.uri, uri.as_bytes(), "{text}");
        assert_eq!(found.tag().as_deref(), tag.map(str::as_bytes), "{text}");
    }
}

#[test]
fn a_malformed_name_addr_is_refused() {
    for bad in [
        "",
        "*",
        "a@b",
        "<>",
        "< sip:a@b >",
        "<sip:a@b",
        "sip:a@b>",
        "\"open <sip:a@b>",
        "\"closed\" sip:a@b",
        "sip:a@b?Route=x",
        "sip:a,c@b",
        "sip:a@b junk",
        "<sip:a@b> junk",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;tag=\"x",
        "<sip:a\u{1}@b>",
        ":a@b",
    ] {
        assert_eq!(NameAddr::parse(bad.as_bytes()), Err(fault("name-addr")), "{bad:?}");
    }
}

#[test]
fn cseq_has_a_number_of_32_bits_and_a_method() {
    let cseq = CSeq::parse(b" 0009 \t INVITE ").unwrap();
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    assert_eq!(CSeq::parse(b"4294967295 invite").unwrap().method, Method::Other);
    for bad in [&b""[..], b"1", b"INVITE", b"4294967296 INVITE", b"-1 INVITE", b"1 IN VITE", b"1 ", b"1,INVITE"] {
        assert_eq!(CSeq::parse(bad), Err(fault("CSeq")), "{}", bad.escape_ascii());
    }
}
