//! The server tables row by row: RFC 3261 figure 7 as RFC 6026 figure 7 corrects it, and RFC 3261 figure 8.

use super::*;

#[derive(Clone, Copy, Debug)]
enum On {
    /// The request comes again.
    Again,
    Ack,
    Respond(u16),
    /// The next deadline comes.
    Timer,
}
use On::{Ack, Again, Respond, Timer};

/// Way into the state, event, state after it, what is sent, what the user hears.
type Row = (&'static [On], On, &'static str, &'static [&'static str], &'static str);

fn apply(bench: &mut Bench, id: ServerId, method: &str, on: On) -> String {
    let received = |received| match received {
        Received::Absorbed => "",
        Received::Ack => "ack",
        Received::New(_) | Received::Cancel { .. } => "new",
        Received::Full => "full",
    };
    let heard = match on {
        Again => received(bench.receive(&request(method, "z9hG4bKtheirs"))),
        Ack => received(bench.receive(&request("ACK", "z9hG4bKtheirs"))),
        Respond(status) => {
            if bench.respond(id, status) {
                "yes"
            } else {
                "no"
            }
        }
        Timer => {
            bench.fire();
            ""
        }
    };
    let lost = bench.events.drain(..).any(|event| event == Event::AckTimeout(id));
    if lost { "ack timeout".to_owned() } else { heard.to_owned() }
}

fn walk(method: &str, flow: Flow, rows: &[Row]) {
    for (row, (way, on, state, sent, heard)) in rows.iter().enumerate() {
        let mut bench = Bench::new(flow);
        let id = bench.open(&request(method, "z9hG4bKtheirs"));
        for step in *way {
            apply(&mut bench, id, method, *step);
        }
        bench.sent.clear();
        let got = apply(&mut bench, id, method, *on);
        let name = format!("row {row}: {way:?}, then {on:?}");
        assert_eq!(bench.server(id), *state, "state, {name}");
        assert_eq!(bench.take_sent(), *sent, "sent, {name}");
        assert_eq!(got, *heard, "heard, {name}");
    }
}

#[test]
fn invite_server_on_datagrams() {
    walk(
        "INVITE",
        udp(),
        &[
            (&[], Again, "Proceeding", &[], ""),
            (&[], Ack, "Proceeding", &[], ""),
            (&[], Respond(100), "Proceeding", &["100"], "yes"),
            (&[], Respond(200), "Accepted L@32000", &["200"], "yes"),
            (&[], Respond(301), "Completed G@500 H@32000", &["301"], "yes"),
            (&[], Respond(486), "Completed G@500 H@32000", &["486"], "yes"),
            (&[], Respond(600), "Completed G@500 H@32000", &["600"], "yes"),
            (&[Respond(100)], Again, "Proceeding", &["100"], ""),
            (&[Respond(100), Respond(183)], Again, "Proceeding", &["183"], ""),
            (&[Respond(100)], Respond(180), "Proceeding", &["180"], "yes"),
            (&[Respond(486)], Again, "Completed G@500 H@32000", &["486"], ""),
            (&[Respond(486)], Ack, "Confirmed I@5000", &[], ""),
            (&[Respond(486)], Respond(180), "Completed G@500 H@32000", &[], "no"),
            (&[Respond(486)], Respond(200), "Completed G@500 H@32000", &[], "no"),
            (&[Respond(486)], Respond(500), "Completed G@500 H@32000", &[], "no"),
            (&[Respond(486)], Timer, "Completed G@1500 H@32000", &["486"], ""),
            (&[Respond(486), Timer], Timer, "Completed G@3500 H@32000", &["486"], ""),
            (&[Respond(486), Timer, Timer], Timer, "Completed G@7500 H@32000", &["486"], ""),
            (&[Respond(486), Timer, Timer, Timer], Timer, "Completed G@11500 H@32000", &["486"], ""),
            (
                &[Respond(486), Timer, Timer, Timer, Timer, Timer, Timer, Timer, Timer, Timer, Timer],
                Timer,
                "gone",
                &[],
                "ack timeout",
            ),
            (&[Respond(486), Ack], Again, "Confirmed I@5000", &[], ""),
            (&[Respond(486), Ack], Ack, "Confirmed I@5000", &[], ""),
            (&[Respond(486), Ack], Respond(486), "Confirmed I@5000", &[], "no"),
            (&[Respond(486), Ack], Timer, "gone", &[], ""),
            (&[Respond(200)], Again, "Accepted L@32000", &[], ""),
            (&[Respond(200)], Ack, "Accepted L@32000", &[], "ack"),
            (&[Respond(200), Ack], Ack, "Accepted L@32000", &[], "ack"),
            (&[Respond(200)], Respond(200), "Accepted L@32000", &["200"], "yes"),
            (&[Respond(200)], Respond(180), "Accepted L@32000", &[], "no"),
            (&[Respond(200)], Respond(486), "Accepted L@32000", &[], "no"),
            (&[Respond(200)], Timer, "gone", &[], ""),
            (&[Respond(200), Timer], Respond(200), "gone", &[], "no"),
        ],
    );
}

#[test]
fn invite_server_on_a_stream_never_retransmits_and_timer_i_is_zero() {
    walk(
        "INVITE",
        tcp(),
        &[
            (&[], Respond(486), "Completed H@32000", &["486"], "yes"),
            (&[Respond(486)], Again, "Completed H@32000", &["486"], ""),
            (&[Respond(486)], Ack, "gone", &[], ""),
            (&[Respond(486)], Timer, "gone", &[], "ack timeout"),
            (&[], Respond(200), "Accepted L@32000", &["200"], "yes"),
            (&[Respond(200)], Ack, "Accepted L@32000", &[], "ack"),
            (&[Respond(200)], Timer, "gone", &[], ""),
        ],
    );
}

#[test]
fn other_server_on_datagrams() {
    walk(
        "OPTIONS",
        udp(),
        &[
            (&[], Again, "Trying, gives up @32000", &[], ""),
            (&[], Respond(100), "Proceeding, gives up @32000", &["100"], "yes"),
            (&[], Respond(200), "Completed J@32000", &["200"], "yes"),
            (&[], Respond(404), "Completed J@32000", &["404"], "yes"),
            (&[], Timer, "gone", &[], ""),
            (&[Respond(100)], Again, "Proceeding, gives up @32000", &["100"], ""),
            (&[Respond(100)], Respond(182), "Proceeding, gives up @32000", &["182"], "yes"),
            (&[Respond(100), Respond(182)], Again, "Proceeding, gives up @32000", &["182"], ""),
            (&[Respond(100)], Respond(200), "Completed J@32000", &["200"], "yes"),
            (&[Respond(100)], Respond(404), "Completed J@32000", &["404"], "yes"),
            (&[Respond(100)], Timer, "gone", &[], ""),
            (&[Respond(200)], Again, "Completed J@32000", &["200"], ""),
            (&[Respond(200)], Respond(100), "Completed J@32000", &[], "no"),
            (&[Respond(200)], Respond(200), "Completed J@32000", &[], "no"),
            (&[Respond(200)], Respond(500), "Completed J@32000", &[], "no"),
            (&[Respond(200)], Timer, "gone", &[], ""),
            (&[Respond(200), Timer], Again, "gone", &[], "new"),
        ],
    );
}

#[test]
fn other_server_on_a_stream_ends_with_its_answer_because_timer_j_is_zero() {
    walk(
        "BYE",
        tcp(),
        &[
            (&[], Respond(100), "Proceeding, gives up @32000", &["100"], "yes"),
            (&[], Respond(200), "gone", &["200"], "yes"),
            (&[Respond(100)], Respond(481), "gone", &["481"], "yes"),
            (&[], Timer, "gone", &[], ""),
        ],
    );
}
