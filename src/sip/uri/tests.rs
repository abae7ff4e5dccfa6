use super::*;

fn sip(text: &str) -> SipUri<'_> {
    let Ok(Uri::Sip(uri)) = Uri::parse(text.as_bytes()) else { panic!("{text}") };
    uri
}

#[test]
fn the_ways_to_dial_an_emergency_number_are_read() {
    let user = |text: &'static str| Uri::parse(text.as_bytes()).unwrap().user().map(|u| u.into_owned());
    assert_eq!(user("sip:112@metro.example"), Some(b"112".to_vec()));
    assert_eq!(user("tel:112"), Some(b"112".to_vec()));
    assert_eq!(user("sip:+62-721-112@gw;user=phone"), Some(b"+62721112".to_vec()));
    assert_eq!(user("TEL:+62-(721)-41.112;phone-context=x"), Some(b"+6272141112".to_vec()));
    assert_eq!(user("sip:%31%31%32;npdi@host"), Some(b"112".to_vec()));
    assert_eq!(user("sip:*11#@host"), Some(b"*11#".to_vec()));
    assert_eq!(user("sip:op-1.a@host"), Some(b"op-1.a".to_vec()));
    assert_eq!(user("sip:host"), None);
    assert_eq!(Uri::parse(b"urn:service:sos"), Ok(Uri::Service("sos".into())));
    assert_eq!(Uri::parse(b"URN:Service:SOS.Fire"), Ok(Uri::Service("sos.fire".into())));
    assert_eq!(Uri::parse(b"urn:uuid:0"), Ok(Uri::Other { scheme: b"urn" }));
    assert_eq!(Uri::parse(b"soap.beep://192.0.2.103:3002"), Ok(Uri::Other { scheme: b"soap.beep" }));
}

#[test]
fn parts_of_a_sip_uri_stand_where_the_grammar_puts_them() {
    let uri = sip("sips:alice;x=1?y:secret@[2001:db8::9:1]:5070;transport=tcp;lr?subject=a%20b&priority=urgent");
    assert!(uri.secure);
    assert_eq!(uri.user, Some(&b"alice;x=1?y"[..]));
    assert_eq!(uri.password, Some(&b"secret"[..]));
    assert_eq!(uri.host, Host::Ip("2001:db8::9:1".parse().unwrap()));
    assert_eq!(uri.port, Some(5070));
    assert_eq!(uri.params.value("Transport").as_deref(), Some(&b"tcp"[..]));
    assert_eq!(uri.params.get("lr"), Some(None));
    assert_eq!(uri.headers, Some(&b"subject=a%20b&priority=urgent"[..]));
    assert_eq!(sip("sip:a@EXAMPLE.com.").host, Host::Name("EXAMPLE.com."));
}

#[test]
fn what_is_no_uri_is_refused_with_its_reason() {
    let table: [(&[u8], UriError); 14] = [
        (b"", UriError::NoScheme),
        (b"112", UriError::NoScheme),
        (b":a", UriError::NoScheme),
        (b"<sip:a@b>", UriError::NoScheme),
        (b"sip:", UriError::Host),
        (b"sip:a@", UriError::Host),
        (b"sip:a@b@c", UriError::Host),
        (b"sip:a@[::g]", UriError::Host),
        (b"sip:a@[::1", UriError::Host),
        (b"sip:a@1.2.3.400", UriError::Host),
        (b"sip:a@b:0", UriError::Port),
        (b"sip:a@b:65536", UriError::Port),
        (b"sip:%4@b", UriError::Character),
        (b"tel:", UriError::Character),
    ];
    for (text, error) in table {
        assert_eq!(Uri::parse(text), Err(error), "{}", text.escape_ascii());
    }
}

#[test]
fn ip_literals_are_addresses_and_maddr_goes_first() {
    let address = |text: &'static str| Uri::parse(text.as_bytes()).unwrap().socket_address().map(|a| a.to_string());
    assert_eq!(address("sip:a@192.0.2.1").as_deref(), Some("192.0.2.1:5060"));
    assert_eq!(address("sips:a@[2001:db8::1]").as_deref(), Some("[2001:db8::1]:5061"));
    assert_eq!(address("sip:a@192.0.2.1;transport=tls").as_deref(), Some("192.0.2.1:5061"));
    assert_eq!(address("sip:a@example.com:5070;maddr=192.0.2.9").as_deref(), Some("192.0.2.9:5070"));
    assert_eq!(address("sip:a@example.com"), None);
}

/// RFC 5118 §4.10.
#[test]
fn a_third_colon_is_stepped_over_before_an_ipv4_address_and_nowhere_else() {
    let host = |text: &'static str| match Uri::parse(text.as_bytes()) {
        Ok(Uri::Sip(uri)) => Ok(uri.host),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let is = |text: &str| Ok(Host::Ip(text.parse().unwrap()));
    assert_eq!(host("sip:a@[2001:db8:::192.0.2.1]:5070"), is("2001:db8::192.0.2.1"));
    assert_eq!(host("sip:[:::192.0.2.1]"), is("::192.0.2.1"));
    for text in [
        "2001:db8:::1",
        "2001:db8::::192.0.2.1",
        "1::2:::192.0.2.1",
        "2001:db8:::192.0.2",
        ":::",
        "1:2:3:4:5:6:7:::192.0.2.1",
    ] {
        let uri = format!("sip:[{text}]");
        assert_eq!(Uri::parse(uri.as_bytes()), Err(UriError::Host), "{text}");
    }
    assert!(equivalent(b"sip:a@[2001:db8:::192.0.2.1]", b"sip:a@[2001:db8::c000:201]"));
}

/// RFC 3261 §19.1.4, its own examples.
#[test]
fn equality_follows_the_examples_of_the_rfc() {
    let same = [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+62-721-112", "tel:+62721112"),
    ];
    let different = [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sips:a@b", "sip:a@b"),
    ];
    for (a, b) in same {
        assert!(equivalent(a.as_bytes(), b.as_bytes()), "{a} {b}");
        assert!(equivalent(b.as_bytes(), a.as_bytes()), "{b} {a}");
    }
    for (a, b) in different {
        assert!(!equivalent(a.as_bytes(), b.as_bytes()), "{a} {b}");
        assert!(!equivalent(b.as_bytes(), a.as_bytes()), "{b} {a}");
    }
}

#[test]
fn a_uri_names_its_transport() {
    let transport = |text: &'static str| Uri::parse(text.as_bytes()).unwrap().transport();
    assert_eq!(transport("sip:op1@192.0.2.9"), Transport::Udp);
    assert_eq!(transport("sip:op1@192.0.2.9;transport=UDP"), Transport::Udp);
    assert_eq!(transport("sip:op1@192.0.2.9;transport=Tcp;ob"), Transport::Tcp);
    assert_eq!(transport("sip:op1@192.0.2.9;transport=tls"), Transport::Tls);
    assert_eq!(transport("sips:op1@192.0.2.9;transport=tcp"), Transport::Tls, "RFC 3261 §26.2.2");
    assert_eq!(transport("sips:op1@192.0.2.9"), Transport::Tls);
    assert_eq!(transport("sip:op1@192.0.2.9;transport=sctp"), Transport::Udp);
    assert_eq!(transport("tel:112"), Transport::Udp);
}
