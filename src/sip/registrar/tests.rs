use proptest::prelude::*;

use super::*;
use crate::sip::flow::{ConnectionId, Transport};
use crate::sip::wire::sample::good;
use crate::sip::wire::{self, Parsed};

struct Bench {
    registrar: Registrar,
    now: Now,
    flow: Flow,
    cseq: u32,
    /// Needs by the end of the Contact URI; bindings without an entry are idle.
    needs: Vec<(&'static str, Need)>,
}

impl Bench {
    fn new() -> Self {
        let registrar = Registrar::new(Duration::from_secs(60), Duration::from_secs(600), Duration::from_secs(3600));
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5070".parse().unwrap());
        Self { registrar, now: Now::default(), flow, cseq: 0, needs: Vec::new() }
    }

    /// Registers with the next CSeq of one Call-ID.
    fn register(&mut self, fields: &str) -> Registered {
        self.cseq += 1;
        self.register_as("c1", self.cseq, fields)
    }

    fn register_as(&mut self, call_id: &str, cseq: u32, fields: &str) -> Registered {
        let text = format!(
            "REGISTER sip:siaga.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: <sip:op1@siaga.example>;tag=1\r\nTo: <sip:op1@siaga.example>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\n{fields}\r\nUser-Agent: Phone/1\r\nContent-Length: 0\r\n\r\n"
        );
        let needs = &self.needs;
        let need = |binding: &Binding| {
            let of_it = needs.iter().find(|(end, _)| binding.uri.ends_with(end.as_bytes()));
            of_it.map_or(Need::Idle, |(_, need)| *need)
        };
        self.registrar.register(self.now, "op1", &good(text.as_bytes()), self.flow, need)
    }

    fn wait(&mut self, seconds: u64) -> Vec<String> {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.registrar.expire(self.now.mono)
    }

    fn uris(&self) -> Vec<String> {
        self.registrar.bindings("op1").iter().map(|b| String::from_utf8(b.uri.to_vec()).unwrap()).collect()
    }
}

fn contacts(registered: Registered) -> Vec<String> {
    match registered {
        Registered::Done { contacts, .. } => {
            contacts.into_iter().map(|contact| String::from_utf8(contact).unwrap()).collect()
        }
        other @ (Registered::TooBrief { .. } | Registered::Refused(_)) => panic!("{other:?}"),
    }
}

fn status(registered: &Registered) -> u16 {
    match registered {
        Registered::Done { .. } => 200,
        Registered::TooBrief { .. } => 423,
        Registered::Refused(fault) => fault.status,
    }
}

#[test]
fn a_binding_is_made_found_listed_and_expires() {
    let mut bench = Bench::new();
    let done = bench.register("Contact: <sip:op1@192.0.2.9:5070>;expires=120");
    let contacts = vec![b"<sip:op1@192.0.2.9:5070>;expires=120".to_vec()];
    assert_eq!(done, Registered::Done { contacts, was: false, is: true, moved: vec![] });
    let [binding] = bench.registrar.bindings("op1") else { panic!("one binding") };
    assert_eq!(binding.flow, bench.flow);
    assert_eq!((binding.q, binding.cseq, binding.call_id.as_ref()), (1000, 1, &b"c1"[..]));
    assert_eq!(binding.user_agent.as_deref(), Some(&b"Phone/1"[..]));
    assert_eq!(bench.registrar.users().collect::<Vec<_>>(), ["op1"]);
    assert_eq!(bench.registrar.poll_timeout(), Some(Instant::default() + Duration::from_secs(120)));
    assert_eq!(bench.wait(119), [""; 0]);
    assert_eq!(bench.wait(1), ["op1"]);
    assert!(bench.registrar.is_empty());
    assert_eq!(bench.registrar.poll_timeout(), None);
    assert!(bench.registrar.bindings("op1").is_empty());
}

#[test]
fn expiry_is_the_contacts_then_the_requests_then_the_default_and_at_most_the_longest() {
    let mut bench = Bench::new();
    let mut expires = |fields: &str| {
        let value = contacts(bench.register(fields)).remove(0);
        value.rsplit(";expires=").next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(expires("Contact: <sip:a@192.0.2.9>;expires=300\r\nExpires: 200"), 300);
    assert_eq!(expires("Contact: <sip:a@192.0.2.9>\r\nExpires: 200"), 200);
    assert_eq!(expires("Contact: <sip:a@192.0.2.9>"), 600);
    assert_eq!(expires("Contact: <sip:a@192.0.2.9>;expires=60"), 60);
    assert_eq!(expires("Contact: <sip:a@192.0.2.9>;expires=3601"), 3600);
    assert_eq!(expires("Contact: <sip:a@192.0.2.9>;expires=99999999999"), 3600);
    assert_eq!(expires("Contact: <sip:a@192.0.2.9>;expires=soon"), 3600, "malformed stands for 3600 (§10.2.1.1)");
}

#[test]
fn too_brief_an_expiry_is_423_and_changes_nothing() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@192.0.2.9>");
    let refused = bench.register("Contact: <sip:b@192.0.2.9>;expires=300, <sip:c@192.0.2.9>;expires=59");
    assert_eq!(refused, Registered::TooBrief { min_expires: 60 });
    assert_eq!(bench.uris(), ["sip:a@192.0.2.9"]);
}

#[test]
fn a_request_without_contact_only_asks() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.register("Expires: 0"),
        Registered::Done { contacts: vec![], was: false, is: false, moved: vec![] }
    );
    bench.register("Contact: <sip:a@192.0.2.9>;expires=100");
    bench.now = bench.now.after(Duration::from_millis(30_500));
    let asked = bench.register("Supported: path");
    assert_eq!(contacts(asked), ["<sip:a@192.0.2.9>;expires=70"], "begun seconds count");
    assert_eq!(bench.registrar.bindings("op1").len(), 1);
}

#[test]
fn star_with_expires_0_removes_all_and_nothing_else_goes_with_a_star() {
    let mut bench = Bench::new();
    let two = "Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>";
    bench.register(two);
    for bad in [
        "Contact: *",
        "Contact: *\r\nExpires: 60",
        "Contact: *\r\nExpires: zero",
        "Contact: *, <sip:c@192.0.2.9>\r\nExpires: 0",
        "Contact: <sip:c@192.0.2.9>\r\nContact: *\r\nExpires: 0",
        "Contact: *;expires=0",
    ] {
        assert_eq!(status(&bench.register(bad)), 400, "{bad}");
        assert_eq!(bench.uris().len(), 2, "{bad}");
    }
    let done = bench.register("Contact: *\r\nExpires: 0");
    assert_eq!(done, Registered::Done { contacts: vec![], was: true, is: false, moved: vec![] });
    assert!(bench.registrar.is_empty());
}

#[test]
fn expires_0_removes_one_and_removing_the_unknown_is_no_fault() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>");
    bench.register("Contact: <sip:a@192.0.2.9>;expires=0");
    assert_eq!(bench.uris(), ["sip:b@192.0.2.9"]);
    let done = bench.register("Contact: <sip:x@192.0.2.9>\r\nExpires: 0");
    assert_eq!(contacts(done).len(), 1);
    let last = bench.register("Contact: <sip:b@192.0.2.9>\r\nExpires: 0");
    assert_eq!(last, Registered::Done { contacts: vec![], was: true, is: false, moved: vec![] });
}

#[test]
fn an_equivalent_uri_replaces_its_binding() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@Phone.Example;transport=udp>;expires=100");
    bench.register("Contact: <sip:%61@phone.example;Transport=UDP>;expires=200");
    assert_eq!(bench.uris(), ["sip:%61@phone.example;Transport=UDP"]);
    bench.register("Contact: <sip:A@phone.example;transport=udp>");
    assert_eq!(bench.uris().len(), 2, "user parts tell upper from lower case");
}

#[test]
fn a_refresh_takes_the_new_flow() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@192.0.2.9>");
    bench.flow = bench.flow.towards("192.0.2.9:1024".parse().unwrap());
    bench.register("Contact: <sip:a@192.0.2.9>");
    let [binding] = bench.registrar.bindings("op1") else { panic!("one binding") };
    assert_eq!(binding.flow, bench.flow);
}

#[test]
fn cseq_must_grow_within_one_call_id_only() {
    let mut bench = Bench::new();
    let contact = "Contact: <sip:a@192.0.2.9>";
    assert_eq!(status(&bench.register_as("c1", 5, contact)), 200);
    assert_eq!(status(&bench.register_as("c1", 5, contact)), 500);
    assert_eq!(status(&bench.register_as("c1", 4, contact)), 500);
    assert_eq!(status(&bench.register_as("c1", 4, "Contact: *\r\nExpires: 0")), 500);
    assert_eq!(status(&bench.register_as("c1", 4, "Contact: <sip:a@192.0.2.9>;expires=0")), 500);
    assert_eq!(status(&bench.register_as("c1", 4, "Contact: <sip:b@192.0.2.9>, <sip:a@192.0.2.9>")), 500);
    assert_eq!(bench.uris(), ["sip:a@192.0.2.9"], "all or nothing");
    assert_eq!(status(&bench.register_as("c1", 4, "Contact: <sip:other@192.0.2.9>")), 200, "has no binding yet");
    assert_eq!(status(&bench.register_as("c1", 6, contact)), 200);
    assert_eq!(status(&bench.register_as("rebooted", 1, contact)), 200);
}

#[test]
fn a_phone_that_comes_back_on_another_port_replaces_its_flow_by_instance_and_reg_id() {
    let mut bench = Bench::new();
    let contact = |port: u16, instance: &str, reg_id: u32| {
        format!("Contact: <sip:a@192.0.2.9:{port}>;reg-id={reg_id};+sip.instance=\"<urn:uuid:{instance}>\"")
    };
    bench.register(&contact(1, "00000000-0000-1000-8000-000A95A0E128", 1));
    let done = bench.register(&contact(2, "00000000-0000-1000-8000-000A95A0E128", 1));
    let expected =
        "<sip:a@192.0.2.9:2>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=1;expires=600";
    assert_eq!(contacts(done), [expected]);
    bench.register(&contact(3, "00000000-0000-1000-8000-000A95A0E128", 2));
    bench.register(&contact(4, "00000000-0000-1000-8000-000A95A0E129", 1));
    assert_eq!(bench.uris().len(), 3, "another reg-id, another instance");
    bench.register("Contact: <sip:a@192.0.2.9:5>;reg-id=1");
    assert_eq!(bench.registrar.bindings("op1").iter().filter(|b| b.reg_id.is_none()).count(), 1, "needs an instance");
}

#[test]
fn several_contacts_with_a_reg_id_are_400() {
    let mut bench = Bench::new();
    let instance = "+sip.instance=\"<urn:uuid:1>\"";
    let both = |expires| format!("Contact: <sip:a@192.0.2.9>;reg-id=1;{instance}, <sip:b@192.0.2.9>;expires={expires}");
    assert_eq!(status(&bench.register(&both(60))), 400);
    assert_eq!(status(&bench.register(&both(0))), 200);
}

#[test]
fn the_best_q_comes_first_then_the_latest() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:half@192.0.2.9>;q=0.5");
    bench.register("Contact: <sip:first@192.0.2.9>");
    bench.register("Contact: <sip:second@192.0.2.9>;q=1.0");
    bench.register("Contact: <sip:seven@192.0.2.9>;q=.75");
    let users = |bench: &Bench| bench.uris().join(" ").replace("sip:", "").replace("@192.0.2.9", "");
    assert_eq!(users(&bench), "second first seven half");
    let q: Vec<u16> = bench.registrar.bindings("op1").iter().map(|binding| binding.q).collect();
    assert_eq!(q, [1000, 1000, 750, 500]);
    bench.register("Contact: <sip:first@192.0.2.9>");
    assert_eq!(users(&bench), "first second seven half");
    let listed = contacts(bench.register("Supported: path"));
    assert_eq!(listed.last().map(String::as_str), Some("<sip:half@192.0.2.9>;q=0.500;expires=600"));
}

#[test]
fn a_full_record_makes_room_for_a_new_phone() {
    let mut bench = Bench::new();
    for i in 0..BINDINGS_PER_AOR_MAX {
        assert_eq!(status(&bench.register(&format!("Contact: <sip:a@192.0.2.9:{}>", 6000 + i))), 200);
        bench.wait(1);
    }
    bench.register("Contact: <sip:a@192.0.2.9:6000>");
    let gone = |bench: &mut Bench, port: u16| {
        let before = bench.uris();
        assert_eq!(status(&bench.register(&format!("Contact: <sip:a@192.0.2.9:{port}>"))), 200);
        let after = bench.uris();
        assert_eq!(after.len(), BINDINGS_PER_AOR_MAX);
        before.into_iter().filter(|uri| !after.contains(uri)).collect::<Vec<_>>()
    };
    assert_eq!(gone(&mut bench, 7000), ["sip:a@192.0.2.9:6001"], "6000 was refreshed since");
    bench.needs = vec![("6002", Need::InUse), ("6005", Need::Unreachable), ("6000", Need::Unreachable)];
    assert_eq!(gone(&mut bench, 7001), ["sip:a@192.0.2.9:6005"], "an unreachable one goes before the oldest");
    assert_eq!(gone(&mut bench, 7002), ["sip:a@192.0.2.9:6000"]);
    assert_eq!(gone(&mut bench, 7003), ["sip:a@192.0.2.9:6003"], "6002 is in use");
    bench.needs = vec![("", Need::InUse)];
    assert_eq!(
        status(&bench.register("Contact: <sip:a@192.0.2.9:7004>")),
        403,
        "no phone that talks loses its binding"
    );
    assert_eq!(status(&bench.register("Contact: <sip:a@192.0.2.9:7003>")), 200);
    let many = vec!["<sip:a@192.0.2.9>;expires=0"; 200].join(",");
    assert_eq!(status(&bench.register(&format!("Contact: {many}"))), 403, "the work on one request has a cap too");
}

#[test]
fn a_phone_that_restarts_replaces_its_own_binding() {
    let mut bench = Bench::new();
    let contact = |port: u16, more: &str| {
        format!(
            "Contact: <sip:a@192.0.2.9:{port}>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"{more}"
        )
    };
    for i in 0..2 * u16::try_from(BINDINGS_PER_AOR_MAX).unwrap() {
        let call_id = format!("start{i}");
        assert_eq!(status(&bench.register_as(&call_id, 1, &contact(6000 + i, ""))), 200);
        assert_eq!(bench.uris(), [format!("sip:a@192.0.2.9:{}", 6000 + i)], "one phone, one binding");
    }
    // A phone with two flows keeps both; a phone that begins to send reg-id replaces its binding without one.
    bench.register_as("two", 1, &contact(8001, ";reg-id=1"));
    bench.register_as("two", 2, &contact(8002, ";reg-id=2"));
    bench.register_as("three", 1, &contact(8003, ";reg-id=1"));
    assert_eq!(bench.uris(), ["sip:a@192.0.2.9:8003", "sip:a@192.0.2.9:8002"]);
    // Two addresses of one phone in one request are two bindings; removing an old address does not remove a new one.
    let both = format!("{}\r\n{}", contact(9001, ""), contact(9002, ""));
    bench.register_as("four", 1, &both);
    assert_eq!(bench.uris().len(), 2);
    bench.register_as("five", 1, &contact(9001, ";expires=0"));
    assert_eq!(bench.uris(), ["sip:a@192.0.2.9:9002"]);
}

#[test]
fn a_phone_that_registers_over_another_flow_tells_from_where_it_has_moved() {
    let mut bench = Bench::new();
    let first = bench.flow;
    let moved = |registered: Registered| match registered {
        Registered::Done { moved, .. } => moved.into_iter().map(|(old, new)| (old.flow, new.flow)).collect::<Vec<_>>(),
        other @ (Registered::TooBrief { .. } | Registered::Refused(_)) => panic!("{other:?}"),
    };
    assert_eq!(moved(bench.register("Contact: <sip:a@192.0.2.9:6000>")), []);
    assert_eq!(moved(bench.register("Contact: <sip:a@192.0.2.9:6000>")), [], "where it was");
    bench.flow = bench.flow.towards("192.0.2.9:1024".parse().unwrap());
    let second = bench.flow;
    assert_eq!(moved(bench.register("Contact: <sip:a@192.0.2.9:6000>")), [(first, second)], "another port of its NAT");
    bench.flow = bench.flow.towards("192.0.2.77:5060".parse().unwrap());
    let exchange = "Contact: <sip:a@192.0.2.77>, <sip:a@192.0.2.9:6000>;expires=0";
    assert_eq!(moved(bench.register(exchange)), [(second, bench.flow)], "another network");
    assert_eq!(moved(bench.register_as("other", 1, "Contact: <sip:b@192.0.2.9>, <sip:a@192.0.2.77>;expires=0")), []);
    assert_eq!(moved(bench.register("Contact: *\r\nExpires: 0")), []);
}

#[test]
fn contacts_that_cannot_be_called_are_400() {
    let mut bench = Bench::new();
    let long = format!("Contact: <sip:{}@192.0.2.9>", "a".repeat(CONTACT_TOO_LONG));
    for bad in ["Contact: <mailto:a@example.net>", "Contact: <sip:>", "Contact: <tel:112>", &long] {
        assert_eq!(status(&bench.register(bad)), 400, "{bad}");
    }
    assert!(bench.registrar.is_empty());
}

const CONTACT_TOO_LONG: usize = crate::limits::CONTACT_BYTES_MAX;

#[test]
fn a_closed_stream_takes_its_bindings_along() {
    let mut bench = Bench::new();
    let datagrams = bench.flow;
    let stream = Flow { transport: Transport::Tcp, connection: ConnectionId(3), ..datagrams };
    bench.flow = stream;
    bench.register("Contact: <sip:a@192.0.2.9;transport=tcp>");
    bench.flow = datagrams;
    bench.register("Contact: <sip:b@192.0.2.9>");
    assert_eq!(bench.registrar.flow_closed(Flow { connection: ConnectionId(4), ..stream }), [""; 0]);
    assert_eq!(bench.uris().len(), 2);
    assert_eq!(bench.registrar.flow_closed(stream), [""; 0], "one is left");
    assert_eq!(bench.uris(), ["sip:b@192.0.2.9"]);
    bench.flow = stream;
    bench.register("Contact: <sip:b@192.0.2.9>");
    assert_eq!(bench.registrar.flow_closed(stream), ["op1"]);
    assert!(bench.registrar.is_empty() && bench.registrar.streams.is_empty());
    assert_eq!(bench.registrar.flow_closed(stream), [""; 0]);
}

#[test]
fn an_operator_who_is_removed_has_no_bindings() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@192.0.2.9>");
    bench.registrar.remove("op1");
    bench.registrar.remove("op2");
    assert!(bench.registrar.is_empty() && bench.registrar.poll_timeout().is_none());
}

#[test]
fn the_earliest_of_several_bindings_expires_alone() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@192.0.2.9>;expires=100, <sip:b@192.0.2.9>;expires=200");
    assert_eq!(bench.wait(100), [""; 0]);
    assert_eq!(bench.uris(), ["sip:b@192.0.2.9"]);
    assert_eq!(bench.wait(100), ["op1"]);
}

proptest! {
    #[test]
    fn whatever_phones_do_the_indexes_agree_and_time_empties_them(
        steps in prop::collection::vec((0..6_u16, 0..200_u32, 0..3_u64, 0..100_u64), 0..40)
    ) {
        let mut bench = Bench::new();
        for (port, expires, connection, wait) in steps {
            bench.flow = match connection {
                0 => Flow { transport: Transport::Udp, connection: ConnectionId(0), ..bench.flow },
                _ => Flow { transport: Transport::Tcp, connection: ConnectionId(connection), ..bench.flow },
            };
            if expires % 50 == 7 {
                bench.registrar.flow_closed(bench.flow);
            } else {
                bench.register(&format!("Contact: <sip:a@192.0.2.9:{}>;expires={expires}", 6000 + port));
            }
            bench.wait(wait);
            let bindings = bench.registrar.bindings("op1");
            let first = bindings.iter().map(|binding| binding.expires_at).min();
            prop_assert_eq!(bench.registrar.poll_timeout(), first);
            prop_assert!(first.is_none_or(|first| first > bench.now.mono));
            prop_assert_eq!(bench.registrar.deadlines.len(), usize::from(first.is_some()));
            prop_assert_eq!(bench.registrar.is_empty(), bindings.is_empty());
            let mut streams: Vec<Flow> =
                bindings.iter().map(|b| b.flow).filter(|flow| flow.transport.is_reliable()).collect();
            streams.sort_unstable();
            streams.dedup();
            let indexed: Vec<Flow> = bench.registrar.streams.iter().map(|(flow, _)| *flow).collect();
            prop_assert_eq!(indexed, streams);
        }
        bench.wait(4000);
        prop_assert!(bench.registrar.is_empty() && bench.registrar.streams.is_empty());
    }

    #[test]
    fn any_contact_bytes_are_answered(bytes in prop::collection::vec(any::<u8>().prop_filter("no line ends", |b| !matches!(b, b'\r' | b'\n')), 0..80)) {
        let mut bench = Bench::new();
        let mut text = b"REGISTER sip:siaga.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
            From: <sip:op1@siaga.example>;tag=1\r\nTo: <sip:op1@siaga.example>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContact: ".to_vec();
        text.extend_from_slice(&bytes);
        text.extend_from_slice(b"\r\n\r\n");
        if let Parsed::Good(message) | Parsed::Bad(message, _) = wire::parse(&text) {
            bench.registrar.register(bench.now, "op1", &message, bench.flow, |_| Need::Idle);
        }
    }
}

#[test]
fn a_phone_that_does_not_respond_is_marked_until_it_registers_and_never_the_last_one() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:op1@192.0.2.9:5070>, <sip:op1@192.0.2.9:5071>");
    let silent = Reach { silent: [true, false], unreachable: true };
    let mark = |bench: &mut Bench, uri: &[u8]| bench.registrar.set_reach("op1", (uri, bench.flow), silent);
    assert!(!mark(&mut bench, b"sip:op1@192.0.2.9:5072"), "no such binding");
    assert!(mark(&mut bench, b"sip:op1@192.0.2.9:5070"));
    assert!(mark(&mut bench, b"sip:op1@192.0.2.9:5071"));
    let marked = |bench: &Bench| {
        let of_it = |binding: &Binding| (binding.uri.ends_with(b"5070"), binding.reach.unreachable);
        bench.registrar.bindings("op1").iter().map(of_it).collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(marked(&bench), [(true, true), (false, false)].into(), "the last one that responds");
    assert_eq!((bench.registrar.unreachable(), bench.registrar.all_unreachable()), (1, false));
    assert!(mark(&mut bench, b"sip:op1@192.0.2.9:5070"), "again");
    assert_eq!(bench.registrar.unreachable(), 1);
    bench.register("Contact: <sip:op1@192.0.2.9:5070>");
    assert_eq!(bench.registrar.unreachable(), 0, "it registers");
    mark(&mut bench, b"sip:op1@192.0.2.9:5070");
    bench.register("Contact: <sip:op1@192.0.2.9:5071>;expires=0");
    assert!(bench.registrar.all_unreachable());
    bench.registrar.forgive_all();
    assert_eq!((bench.registrar.unreachable(), bench.registrar.all_unreachable()), (0, false));
    bench.registrar.remove("op1");
    assert!(!bench.registrar.all_unreachable(), "there is none");
}

#[test]
fn a_phone_has_moved_when_its_flow_or_its_contact_is_another() {
    let moves = |registered: Registered| match registered {
        Registered::Done { moved, .. } => {
            let uri = |binding: &Binding| String::from_utf8(binding.uri.to_vec()).unwrap();
            moved.iter().map(|(old, new)| (uri(old), uri(new))).collect::<Vec<_>>()
        }
        other @ (Registered::TooBrief { .. } | Registered::Refused(_)) => panic!("{other:?}"),
    };
    let (first, second) = ("sip:op1@192.0.2.9:5070", "sip:op1@192.0.2.9:5071");
    let instance = ";+sip.instance=\"<urn:uuid:1>\"";
    let mut bench = Bench::new();
    bench.register(&format!("Contact: <{first}>{instance}"));
    assert_eq!(moves(bench.register(&format!("Contact: <{first}>{instance}"))), []);
    let moved = moves(bench.register(&format!("Contact: <{second}>{instance}")));
    assert_eq!(moved, [(first.to_owned(), second.to_owned())]);
    let taken_away = format!("Contact: <{second}>;expires=0, <{first}>{instance}");
    assert_eq!(moves(bench.register(&taken_away)), [(second.to_owned(), first.to_owned())]);
    bench.flow = Flow::udp(bench.flow.local, "192.0.2.9:5099".parse().unwrap());
    assert_eq!(moves(bench.register(&format!("Contact: <{first}>{instance}"))), [(first.to_owned(), first.to_owned())]);
    assert_eq!(moves(bench.register(&format!("Contact: <{first}>;expires=0"))), []);
}

#[test]
fn an_address_is_shared_as_long_as_another_user_is_registered_from_it_or_names_it() {
    let mut bench = Bench::new();
    let (source, contact) = ("192.0.2.9".parse().unwrap(), "198.51.100.7".parse().unwrap());
    let shared =
        |bench: &Bench, own: &str| [source, contact].map(|at| bench.registrar.others_at(at, |user| user == own));
    assert_eq!(shared(&bench, "op2"), [false, false]);
    bench.register("Contact: <sip:op1@198.51.100.7:5070>");
    assert_eq!((shared(&bench, "op1"), shared(&bench, "op2")), ([false, false], [true, true]));
    assert!(bench.registrar.others_at("::ffff:192.0.2.9".parse().unwrap(), |user| user == "op2"));
    assert!(!bench.registrar.others_at("192.0.2.8".parse().unwrap(), |_| false));
    // A second phone at the same address: one of them is left.
    bench.register("Contact: <sip:op1@10.0.0.1:5071>");
    bench.register("Contact: <sip:op1@198.51.100.7:5070>;expires=0");
    assert_eq!(shared(&bench, "op2"), [true, false]);
    bench.wait(601);
    assert_eq!(shared(&bench, "op2"), [false, false]);
}
