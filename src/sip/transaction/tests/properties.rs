//! Whatever comes in whatever order: every table agrees with the others, and all of them are empty in the end.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Receive { method: &'static str, branch: u8, legacy: bool },
    Respond { nth: usize, status: u16 },
    Send { method: Method, branch: u8 },
    Hear { method: Method, branch: u8, status: u16 },
    Cancel { nth: usize },
    Forget { nth: usize },
    FailTransport,
    Wait { millis: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let theirs = prop::sample::select(vec!["INVITE", "ACK", "CANCEL", "OPTIONS", "BYE"]);
    let ours = || prop::sample::select(vec![Method::Invite, Method::Bye, Method::Cancel]);
    let status = || prop::sample::select(vec![100_u16, 180, 200, 302, 487, 603]);
    let step = prop_oneof![
        4 => (theirs, 0..4_u8, any::<bool>())
            .prop_map(|(method, branch, legacy)| Step::Receive { method, branch, legacy }),
        3 => (0..8_usize, status()).prop_map(|(nth, status)| Step::Respond { nth, status }),
        2 => (ours(), 0..4_u8).prop_map(|(method, branch)| Step::Send { method, branch }),
        4 => (ours(), 0..4_u8, status()).prop_map(|(method, branch, status)| Step::Hear { method, branch, status }),
        2 => (0..8_usize).prop_map(|nth| Step::Cancel { nth }),
        1 => (0..8_usize).prop_map(|nth| Step::Forget { nth }),
        1 => Just(Step::FailTransport),
        3 => (0..20_000_u64).prop_map(|millis| Step::Wait { millis }),
    ];
    prop::collection::vec(step, 0..60)
}

/// Servers and clients that the user knows.
#[derive(Default)]
struct User {
    servers: Vec<ServerId>,
    clients: Vec<ClientId>,
}

fn take(bench: &mut Bench, user: &mut User, step: &Step) {
    match step {
        Step::Receive { method, branch, legacy } => {
            let prefix = if *legacy { "" } else { "z9hG4bK" };
            match bench.receive(&request(method, &format!("{prefix}{branch}"))) {
                Received::New(id) | Received::Cancel { cancel: id, .. } => user.servers.push(id),
                Received::Ack | Received::Absorbed | Received::Full => {}
            }
        }
        Step::Respond { nth, status } => {
            if let Some(id) = user.servers.get(*nth) {
                bench.respond(*id, *status);
            }
        }
        Step::Send { method, branch } => {
            let branch = format!("z9hG4bK{branch}");
            let bytes = our_request(*method, &branch);
            let sent = bench.transactions.send(bench.now, bench.flow, *method, &branch, bytes, &mut bench.sent);
            user.clients.extend(sent);
        }
        Step::Hear { method, branch, status } => {
            bench.hear(&response_to(*method, &format!("z9hG4bK{branch}"), *status, "t"));
        }
        Step::Cancel { nth } => {
            if let Some(id) = user.clients.get(*nth) {
                bench.cancel(*id);
            }
        }
        Step::Forget { nth } => {
            if let Some(id) = user.clients.get(*nth) {
                bench.transactions.forget(*id);
            }
        }
        Step::FailTransport => bench.fail_transport(),
        Step::Wait { millis: span } => {
            bench.run_to(millis(bench.now) + span);
        }
    }
}

/// Every transaction has its key, its flow and exactly the deadline of its state.
fn verify(t: &Transactions) {
    assert_eq!(t.server_keys.len(), t.servers.len());
    assert_eq!(t.client_keys.len(), t.clients.len());
    assert_eq!(t.flows.len(), t.clients.len());
    let armed = t.servers.values().filter(|s| s.armed.is_some()).count()
        + t.clients.values().filter(|c| c.armed.is_some()).count();
    assert_eq!(t.deadlines.len(), armed);
    t.servers.iter().for_each(|(id, server)| {
        assert_eq!(t.server_keys.get(&server.key), Some(id));
        assert_eq!(server.armed, server.deadline());
        assert_eq!(server.armed.is_none(), describe_server(&server.state) == "Proceeding");
    });
    t.clients.iter().for_each(|(id, client)| {
        assert_eq!(t.client_keys.get(&client.key), Some(id));
        assert_eq!(client.armed, client.deadline());
        assert!(client.armed.is_some() && t.flows.contains(&(client.flow, *id)));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn tables_agree_after_every_step_and_are_empty_in_the_end(steps in steps(), stream in any::<bool>()) {
        let mut bench = Bench::new(if stream { tcp() } else { udp() });
        let mut user = User::default();
        for step in &steps {
            take(&mut bench, &mut user, step);
            verify(&bench.transactions);
        }
        for id in user.servers {
            bench.respond(id, 500);
        }
        bench.run_to(millis(bench.now) + 300_000);
        bench.assert_empty();
    }

    #[test]
    fn a_final_response_reaches_the_user_exactly_once(statuses in prop::collection::vec(100_u16..700, 1..20)) {
        let mut bench = Bench::new(udp());
        let id = bench.send(Method::Options);
        let finals = statuses
            .iter()
            .filter(|status| {
                let heard = bench.hear(&response_to(Method::Options, "z9hG4bKours", **status, "t"));
                heard == Answered::ToUser(id, Method::Options) && **status >= 200
            })
            .count();
        prop_assert_eq!(finals, usize::from(statuses.iter().any(|status| *status >= 200)));
    }
}
