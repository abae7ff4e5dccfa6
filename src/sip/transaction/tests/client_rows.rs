//! The client tables row by row: RFC 3261 figure 5 as RFC 6026 figure 5 corrects it, and RFC 3261 figure 6.

use super::*;

#[derive(Clone, Copy, Debug)]
enum On {
    /// The next deadline comes.
    Timer,
    Status(u16),
    TransportFails,
    Cancel,
}
use On::{Cancel, Status, Timer, TransportFails};

/// Way into the state, event, state after it, what is sent, what the user hears.
type Row = (&'static [On], On, &'static str, &'static [&'static str], &'static str);

fn apply(bench: &mut Bench, id: ClientId, method: Method, on: On) -> String {
    let heard = match on {
        Timer => {
            bench.fire();
            String::new()
        }
        Status(status) => match bench.hear(&response_to(method, "z9hG4bKours", status, "theirs")) {
            Answered::ToUser(of, its) if of == id && its == method => "response".to_owned(),
            Answered::ToUser(..) => "another's response".to_owned(),
            Answered::Absorbed => String::new(),
            Answered::Stray => "stray".to_owned(),
        },
        TransportFails => {
            bench.fail_transport();
            String::new()
        }
        Cancel => if bench.cancel(id) { "yes" } else { "too late" }.to_owned(),
    };
    let events: Vec<&str> = bench
        .events
        .drain(..)
        .map(|event| match event {
            Event::Timeout(of) if of == id => "timeout",
            Event::TransportFailed(of) if of == id => "transport failed",
            Event::Timeout(_) | Event::TransportFailed(_) | Event::AckTimeout(_) => "another's event",
        })
        .collect();
    heard + &events.concat()
}

fn walk(method: Method, flow: Flow, rows: &[Row]) {
    for (row, (way, on, state, sent, heard)) in rows.iter().enumerate() {
        let mut bench = Bench::new(flow);
        let id = bench.send(method);
        for step in *way {
            apply(&mut bench, id, method, *step);
        }
        bench.sent.clear();
        let got = apply(&mut bench, id, method, *on);
        let name = format!("row {row}: {way:?}, then {on:?}");
        assert_eq!(bench.client(id), *state, "state, {name}");
        assert_eq!(bench.take_sent(), *sent, "sent, {name}");
        assert_eq!(got, *heard, "heard, {name}");
    }
}

#[test]
fn invite_client_on_datagrams() {
    walk(
        Method::Invite,
        udp(),
        &[
            (&[], Timer, "Calling A@1500 B@32000", &["INVITE"], ""),
            (&[Timer], Timer, "Calling A@3500 B@32000", &["INVITE"], ""),
            (&[Timer, Timer], Timer, "Calling A@7500 B@32000", &["INVITE"], ""),
            (&[Timer, Timer, Timer, Timer, Timer], Timer, "Calling A@63500 B@32000", &["INVITE"], ""),
            (&[Timer, Timer, Timer, Timer, Timer, Timer], Timer, "gone", &[], "timeout"),
            (&[], Status(100), "Proceeding C@181000", &[], "response"),
            (&[], Status(200), "Accepted M@32000", &[], "response"),
            (&[], Status(302), "Completed D@32000", &["ACK"], "response"),
            (&[], Status(486), "Completed D@32000", &["ACK"], "response"),
            (&[], Status(603), "Completed D@32000", &["ACK"], "response"),
            (&[], TransportFails, "Calling A@500 B@32000", &[], ""),
            // The network reports it as unreachable, and nothing comes for 1 s.
            (&[TransportFails, Timer], Timer, "gone", &[], "transport failed"),
            (&[TransportFails, Timer, TransportFails], Timer, "gone", &[], "transport failed"),
            (&[TransportFails, Status(180)], Timer, "Proceeding cancelled, gives up @213000", &["CANCEL"], ""),
            (&[], Cancel, "Calling to be cancelled A@500 B@32000", &[], "yes"),
            (&[Cancel], Timer, "Calling to be cancelled A@1500 B@32000", &["INVITE"], ""),
            (&[Cancel], Cancel, "Calling to be cancelled A@500 B@32000", &[], "yes"),
            (&[Cancel], Status(100), "Proceeding cancelled, gives up @32000", &["CANCEL"], "response"),
            (&[Cancel], Status(200), "Accepted M@32000", &[], "response"),
            (&[Cancel], Status(486), "Completed D@32000", &["ACK"], "response"),
            (&[TransportFails, Timer, Cancel], Timer, "gone", &[], "transport failed"),
            (&[Status(180)], Timer, "Proceeding cancelled, gives up @213000", &["CANCEL"], ""),
            (&[Timer, Status(180)], Status(183), "Proceeding C@181500", &[], "response"),
            (&[Status(180)], Status(200), "Accepted M@32000", &[], "response"),
            (&[Status(180)], Status(404), "Completed D@32000", &["ACK"], "response"),
            (&[Status(180)], TransportFails, "Proceeding C@181000", &[], ""),
            (&[Status(180)], Cancel, "Proceeding cancelled, gives up @32000", &["CANCEL"], "yes"),
            (&[Status(180), Cancel], Status(180), "Proceeding cancelled, gives up @32000", &[], "response"),
            (&[Status(180), Cancel], Status(200), "Accepted M@32000", &[], "response"),
            (&[Status(180), Cancel], Status(487), "Completed D@32000", &["ACK"], "response"),
            (&[Status(180), Cancel], Cancel, "Proceeding cancelled, gives up @32000", &[], "yes"),
            (&[Status(486)], Timer, "gone", &[], ""),
            (&[Status(486)], Status(180), "Completed D@32000", &[], ""),
            (&[Status(486)], Status(200), "Completed D@32000", &[], "stray"),
            (&[Status(486)], Status(486), "Completed D@32000", &["ACK"], ""),
            (&[Status(486)], TransportFails, "Completed D@32000", &[], ""),
            (&[Status(486)], Cancel, "Completed D@32000", &[], "too late"),
            (&[Status(200)], Timer, "gone", &[], ""),
            (&[Status(200)], Status(180), "Accepted M@32000", &[], ""),
            (&[Status(200)], Status(200), "Accepted M@32000", &[], "response"),
            (&[Status(200)], Status(486), "Accepted M@32000", &[], ""),
            (&[Status(200)], TransportFails, "Accepted M@32000", &[], ""),
            (&[Status(200)], Cancel, "Accepted M@32000", &[], "too late"),
            (&[Status(200), Timer], Status(200), "gone", &[], "stray"),
        ],
    );
}

#[test]
fn invite_client_on_a_stream_never_retransmits_and_timer_d_is_zero() {
    walk(
        Method::Invite,
        tcp(),
        &[
            (&[], Timer, "gone", &[], "timeout"),
            (&[], Status(180), "Proceeding C@181000", &[], "response"),
            (&[], Status(200), "Accepted M@32000", &[], "response"),
            (&[], Status(486), "gone", &["ACK"], "response"),
            (&[Status(180)], Status(486), "gone", &["ACK"], "response"),
            (&[Status(180)], Status(200), "Accepted M@32000", &[], "response"),
            (&[Status(180)], TransportFails, "gone", &[], "transport failed"),
            (&[Cancel], Status(100), "Proceeding cancelled, gives up @32000", &["CANCEL"], "response"),
        ],
    );
}

#[test]
fn other_client_on_datagrams() {
    walk(
        Method::Bye,
        udp(),
        &[
            (&[], Timer, "Trying E@1500 F@32000", &["BYE"], ""),
            (&[Timer], Timer, "Trying E@3500 F@32000", &["BYE"], ""),
            (&[Timer, Timer], Timer, "Trying E@7500 F@32000", &["BYE"], ""),
            (&[Timer, Timer, Timer], Timer, "Trying E@11500 F@32000", &["BYE"], ""),
            (&[Timer; 9], Timer, "Trying E@35500 F@32000", &["BYE"], ""),
            (&[Timer; 10], Timer, "gone", &[], "timeout"),
            (&[], Status(100), "Proceeding E@500 F@32000", &[], "response"),
            (&[], Status(200), "Completed K@5000", &[], "response"),
            (&[], Status(481), "Completed K@5000", &[], "response"),
            (&[], TransportFails, "Trying E@500 F@32000", &[], ""),
            (&[], Cancel, "Trying E@500 F@32000", &[], "too late"),
            (&[Status(100)], Timer, "Proceeding E@4500 F@32000", &["BYE"], ""),
            (&[Status(100)], Status(100), "Proceeding E@500 F@32000", &[], "response"),
            (&[Status(100)], Status(200), "Completed K@5000", &[], "response"),
            (&[Status(100)], Status(500), "Completed K@5000", &[], "response"),
            (&[Status(100)], TransportFails, "Proceeding E@500 F@32000", &[], ""),
            // The network reports it as unreachable, and nothing comes for 1 s.
            (&[TransportFails, Timer], Timer, "gone", &[], "transport failed"),
            (&[TransportFails, Status(100)], Timer, "Proceeding E@4500 F@32000", &["BYE"], ""),
            (&[Status(100), Timer, Timer, Timer, Timer, Timer, Timer, Timer, Timer], Timer, "gone", &[], "timeout"),
            (&[Status(200)], Timer, "gone", &[], ""),
            (&[Status(200)], Status(100), "Completed K@5000", &[], ""),
            (&[Status(200)], Status(200), "Completed K@5000", &[], ""),
            (&[Status(200)], Status(481), "Completed K@5000", &[], ""),
            (&[Status(200)], TransportFails, "Completed K@5000", &[], ""),
            (&[Status(200), Timer], Status(200), "gone", &[], "stray"),
        ],
    );
}

#[test]
fn other_client_on_a_stream_never_retransmits_and_timer_k_is_zero() {
    walk(
        Method::Options,
        tcp(),
        &[
            (&[], Timer, "gone", &[], "timeout"),
            (&[], Status(100), "Proceeding F@32000", &[], "response"),
            (&[], Status(200), "gone", &[], "response"),
            (&[Status(100)], Timer, "gone", &[], "timeout"),
            (&[Status(100)], Status(404), "gone", &[], "response"),
            (&[Status(200)], Status(200), "gone", &[], "stray"),
        ],
    );
}
