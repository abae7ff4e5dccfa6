use super::*;

const REST: &str = "Via: SIP/2.0/UDP b;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
                    Call-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n";

fn message(more: &str) -> String {
    format!("OPTIONS sip:c@d SIP/2.0\r\n{REST}{more}")
}

/// The fault's status and reason; (0, "") when there is none.
fn fault(text: &str) -> (u16, &'static str) {
    match parse(text.as_bytes()) {
        Parsed::Good(_) => (0, ""),
        Parsed::Bad(_, fault) => (fault.status, fault.why),
        Parsed::KeepAlive | Parsed::Garbage(_) => panic!("not SIP: {text}"),
    }
}

fn good(text: &str) -> Message<'_> {
    let Parsed::Good(message) = parse(text.as_bytes()) else { panic!("not good: {text}") };
    message
}

#[test]
fn what_is_not_sip_is_told_apart_from_what_is_bad() {
    for text in ["", "\r\n\r\n", "\r\n", " \t\r\n", "\0\0\0\0"] {
        assert!(matches!(parse(text.as_bytes()), Parsed::KeepAlive), "{text:?}");
    }
    for text in [
        "x",
        "hello\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "OPTIONS sip:a@b\r\n\r\n",
        "SIP/2.0\r\n\r\n",
        "OPT{IONS sip:a@b SIP/2.0\r\n",
        "\u{16}\u{3}\u{1}\r\n",
        "OPTIONS sip:a@b SIP/2.0",
    ] {
        assert!(matches!(parse(text.as_bytes()), Parsed::Garbage(_)), "{text:?}");
    }
}

#[test]
fn line_ends_may_be_lf_alone_and_blank_lines_may_lead() {
    let text = format!("\r\n\r\n{}", message("l: 2\r\n\r\nhi"));
    assert_eq!(good(&text).body, b"hi");
    let text = text.replace("\r\n", "\n");
    assert_eq!(good(&text).body, b"hi");
    assert_eq!(good(&text).fields.len(), 7);
}

#[test]
fn content_length_is_taken_at_its_word() {
    assert_eq!(good(&message("\r\nto the end")).body, b"to the end");
    assert_eq!(good(&message("Content-Length: 3\r\n\r\nabcdef")).body, b"abc");
    assert_eq!(good(&message("l: 3\r\nl: 3\r\n\r\nabc")).body, b"abc");
    for bad in ["l: 4\r\n\r\nabc", "l: -1\r\n\r\nabc", "l: x\r\n\r\n", "l:\r\n\r\n", "l: 1\r\nl: 2\r\n\r\nabc"] {
        assert_eq!(fault(&message(bad)).0, 400, "{bad:?}");
    }
}

#[test]
fn bytes_beyond_ascii_are_kept_as_they_are() {
    let mut text = message("Subject: ").into_bytes();
    text.extend_from_slice(b"caf\xe9 \xff\r\n\r\n");
    let Parsed::Good(message) = parse(&text) else { panic!("must be good") };
    assert_eq!(message.first(Name::Subject), Some(&b"caf\xe9 \xff"[..]));
}

#[test]
fn folded_lines_are_joined_by_one_space() {
    let text = message("Subject: one\r\n  two\r\n\tthree\r\n \r\nServer:\r\n x\r\n\r\n");
    let message = good(&text);
    assert_eq!(message.first(Name::Subject), Some(&b"one two three"[..]));
    assert_eq!(message.first(Name::Server), Some(&b"x"[..]));
}

#[test]
fn header_lines_at_fault_are_named_and_the_rest_is_read() {
    for (more, why) in [
        ("no colon\r\n\r\n", "header field without a colon"),
        ("Bad Name: x\r\n\r\n", "header field name"),
        (": x\r\n\r\n", "header field name"),
        ("Subject: a\rb\r\n\r\n", "carriage return without line feed"),
        ("Subject: x\r\n", "header without its end"),
        ("Subject: x", "header without its end"),
    ] {
        let text = message(more);
        assert_eq!(fault(&text), (400, why), "{more:?}");
        let Parsed::Bad(partial, _) = parse(text.as_bytes()) else { panic!("{more:?}") };
        assert_eq!(partial.call_id(), Ok(&b"x"[..]));
    }
    // A folded line before any header field belongs to nothing.
    assert_eq!(fault(&format!("OPTIONS sip:c@d SIP/2.0\r\n x\r\n{REST}\r\n")).0, 400);
}

#[test]
fn what_must_be_there_once_is_there_once() {
    for name in ["From", "To", "Call-ID", "CSeq", "Via"] {
        let without: String =
            message("\r\n").split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{name}:"))).collect();
        assert_eq!(fault(&without), (400, name));
    }
    for (line, why) in [
        ("f: <sip:x@y>;tag=2\r\n", "From"),
        ("t: <sip:x@y>\r\n", "To"),
        ("i: y\r\n", "Call-ID"),
        ("CSeq: 2 OPTIONS\r\n", "CSeq"),
        ("Max-Forwards: 70\r\n", "Max-Forwards"),
    ] {
        assert_eq!(fault(&message(&format!("{line}\r\n"))), (400, why));
    }
    assert_eq!(fault(&message("v: SIP/2.0/UDP c\r\n\r\n")), (0, ""));
    assert_eq!(fault(&message("\r\n").replace("Max-Forwards: 70", "Max-Forwards: many")), (400, "Max-Forwards"));
    assert_eq!(fault(&message("\r\n").replace("Call-ID: x", "Call-ID: a b")), (400, "Call-ID"));
    assert_eq!(fault(&message("v: SIP/2.0/UDP c,,SIP/2.0/UDP d\r\n\r\n")), (400, "Via"));
}

#[test]
fn cseq_and_request_line_agree_on_the_method() {
    assert_eq!(fault(&message("\r\n").replace("1 OPTIONS", "1 INVITE")), (400, "CSeq names another method"));
    assert_eq!(fault(&message("\r\n").replace("1 OPTIONS", "1 options")), (400, "CSeq names another method"));
    let text = message("\r\n").replace("OPTIONS", "FLY");
    assert_eq!(good(&text).method(), Some(Method::Other));
    assert_eq!(good(&text).method_text(), Some(&b"FLY"[..]));
}

#[test]
fn the_request_line_is_read_strictly() {
    let with = |line: &str| fault(&message("\r\n").replace("OPTIONS sip:c@d SIP/2.0", line));
    assert_eq!(with("OPTIONS sip:c@d sip/2.0"), (0, ""));
    assert_eq!(with("OPTIONS urn:service:sos SIP/2.0"), (0, ""));
    assert_eq!(with("OPTIONS weird:thing SIP/2.0"), (0, ""));
    assert_eq!(with("OPTIONS sip:c@d SIP/3.0"), (505, "SIP version"));
    assert_eq!(with("OPTIONS sip:c@d SIP/2.0 "), (400, "white space in the request line"));
    assert_eq!(with("OPTIONS  sip:c@d SIP/2.0"), (400, "white space in the request line"));
    assert_eq!(with("OPTIONS sip:c@d; lr SIP/2.0"), (400, "white space in the request line"));
    assert_eq!(with("OPTIONS <sip:c@d> SIP/2.0"), (400, "Request-URI"));
    assert_eq!(with("OPTIONS sip:c@d?a=b SIP/2.0"), (400, "header fields in the Request-URI"));
}

#[test]
fn the_status_line_is_read_strictly() {
    let with = |line: &str| fault(&message("\r\n").replace("OPTIONS sip:c@d SIP/2.0", line));
    assert_eq!(with("SIP/2.0 200 OK"), (0, ""));
    assert_eq!(with("SIP/2.0 180"), (0, ""));
    assert_eq!(with("SIP/3.0 200 OK"), (505, "SIP version"));
    for line in ["SIP/2.0 99 Low", "SIP/2.0 700 High", "SIP/2.0 0200 Long", "SIP/2.0 4294967301 x", "SIP/2.0 abc x"] {
        assert_eq!(with(line), (400, "status code"), "{line}");
    }
}

#[test]
fn limits_are_faults_and_bound_what_is_kept() {
    let many = message(&format!("{}\r\n", "Subject: x\r\n".repeat(HEADERS_MAX)));
    assert_eq!(fault(&many), (400, "too many header fields"));
    let Parsed::Bad(partial, _) = parse(many.as_bytes()) else { panic!("must be bad") };
    assert_eq!(partial.fields.len(), HEADERS_MAX);
    let long = "x".repeat(HEADER_BYTES_MAX);
    assert_eq!(fault(&message(&format!("Subject: {long}\r\n\r\n"))), (0, ""));
    assert_eq!(fault(&message(&format!("Subject: {long}y\r\n\r\n"))), (400, "header field too long"));
    let vias = "Via: SIP/2.0/UDP c\r\n".repeat(VIAS_MAX);
    assert_eq!(fault(&message(&format!("{vias}\r\n"))), (400, "too many Via"));
    let body = "x".repeat(MESSAGE_BYTES_MAX);
    assert_eq!(fault(&message(&format!("\r\n{body}"))), (413, "message too long"));
}

#[test]
fn lists_and_single_values_are_read_by_name() {
    let text = message("m: <sip:a@b>, \"x, y\" <sip:c@d>\r\nContact: <sip:e@f>\r\nX-Any: 1\r\nExpires: 60\r\n\r\n");
    let message = good(&text);
    let contacts: Vec<_> = message.list(Name::Contact).collect();
    assert_eq!(contacts, [&b"<sip:a@b>"[..], b"\"x, y\" <sip:c@d>", b"<sip:e@f>"]);
    assert_eq!(message.contact().unwrap().uri, b"sip:a@b");
    assert_eq!(message.lines(Name::Contact).count(), 2);
    assert_eq!(message.extension("x-any").collect::<Vec<_>>(), [b"1"]);
    assert_eq!(message.number(Name::Expires), Ok(Some(60)));
    assert_eq!(message.number(Name::MinExpires), Ok(None));
    assert_eq!((message.status(), message.request_uri()), (None, Some(&b"sip:c@d"[..])));
}

#[test]
fn an_unreadable_number_names_its_header_field() {
    let text = message("Expires: soon\r\nContact: *\r\n\r\n");
    assert_eq!(good(&text).number(Name::Expires), Err(Fault { status: 400, why: "Expires" }));
    assert_eq!(good(&text).contact().unwrap_err().why, "Contact");
}
