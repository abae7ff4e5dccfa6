//! The page of one call: its story, recordings and reviews.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use siaga::cdr::fact::FactKind;
use siaga::ids::LegNo;

use crate::stories::{self, LATE, MORNING, Story};
use crate::town::{Answer, Browser, Town};

const HOUR: i64 = 3_600_000;
/// The recording of the story.
const FILE: &str = "2026/11/24/one.wav";

/// A recorded call: its file, two whose names lead out of the folder, and the name of a folder.
async fn recorded(town: &Town) -> Story {
    let story = stories::answered(1, MORNING);
    let recording = |no: u32, file: &str| {
        let kind = FactKind::Recorded {
            leg: LegNo(1),
            file: file.to_owned(),
            sha256: "ab".repeat(32),
            duration_ms: 1_000,
            frames_dropped: 0,
            gaps: Vec::new(),
            repaired: false,
        };
        story.fact(LATE | no, 100_000, kind)
    };
    let facts = [recording(1, "../web.db"), recording(2, "/etc/passwd"), recording(3, "2026/11")];
    town.take(&[story.facts.clone(), facts.to_vec()].concat()).await;
    std::fs::create_dir_all(town.recordings.join("2026/11/24")).unwrap();
    let mut wav = siaga::media::wav::header(8_000);
    wav.extend((0..8_000_u32).flat_map(|no| [no.to_le_bytes()[0], 0, 0, 1]));
    std::fs::write(town.recordings.join(FILE), wav).unwrap();
    story
}

async fn part(town: &Town, browser: &Browser, path: &str, range: &str) -> Answer {
    let request = Request::builder().uri(path).header(header::RANGE, range).body(Body::empty()).unwrap();
    town.send(browser, request).await
}

#[tokio::test]
async fn a_recording_is_heard_only_after_a_reason_and_only_from_its_folder() {
    let town = Town::new().await;
    let story = recorded(&town).await;
    let (page, file) = (format!("/calls/{}", story.call), format!("/calls/{}/recordings/0", story.call));
    let (listen, browser) = (format!("{page}/listen"), town.browser(Some("auditor")).await);
    assert_eq!(town.get(&browser, &file).await.status, StatusCode::FORBIDDEN, "no reason yet");
    let text = town.get(&browser, &page).await;
    assert!(text.text().contains("/listen\"") && !text.text().contains("<audio"));
    let short = town.post(&browser, &listen, "reason=+++ingin+++++tau").await;
    assert!(short.header(header::LOCATION).contains("reason=short"));
    assert_eq!(town.get(&browser, &file).await.status, StatusCode::FORBIDDEN);
    let stated = town.post(&browser, &listen, "reason=permintaan+polisi+7/2026").await;
    assert_eq!(stated.header(header::LOCATION), format!("{page}#recordings"));
    let text = town.get(&browser, &page).await;
    assert!(text.text().contains("<audio") && text.text().contains("chart wave"), "player and waveform");
    // The middle first: hearing any part is an entry.
    let middle = part(&town, &browser, &file, "bytes=50-").await;
    assert_eq!(middle.status, StatusCode::PARTIAL_CONTENT);
    assert!(town.log().await.iter().any(|entry| entry.starts_with("auditor recording-heard")));
    let whole = town.get(&browser, &file).await;
    let stored = std::fs::read(town.recordings.join(FILE)).unwrap();
    assert_eq!((whole.status, &whole.bytes), (StatusCode::OK, &stored));
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    let some = part(&town, &browser, &file, "bytes=100-299").await;
    assert_eq!((some.status, &some.bytes[..]), (StatusCode::PARTIAL_CONTENT, &stored[100..300]));
    assert_eq!(some.header(header::CONTENT_RANGE), format!("bytes 100-299/{}", stored.len()));
    let behind = part(&town, &browser, &file, &format!("bytes={}-", stored.len())).await;
    assert_eq!(behind.status, StatusCode::RANGE_NOT_SATISFIABLE);
    for bad in ["1", "2", "3", "4", "-1", "x", "..", "%2e%2e%2fsiaga.db"] {
        let answer = town.get(&browser, &format!("/calls/{}/recordings/{bad}", story.call)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{bad}");
    }
    // Another session, another call and a later time need a reason of their own.
    let other = town.browser(Some("auditor")).await;
    assert_eq!(town.get(&other, &file).await.status, StatusCode::FORBIDDEN);
    town.pass(HOUR + 1);
    assert_eq!(town.get(&browser, &file).await.status, StatusCode::FORBIDDEN);
    let call = story.call.to_string();
    let expected = [
        format!("auditor call-read {call}"),
        format!("auditor recording-reason {call}: permintaan polisi 7/2026"),
        format!("auditor call-read {call}"),
        format!("auditor recording-heard {call} {FILE}"),
    ];
    assert_eq!(town.log().await, expected, "the parts of one hearing are one entry");
}

#[tokio::test]
async fn an_admin_lets_a_supervisor_hear_recordings_until_the_role_changes() {
    let town = Town::new().await;
    let story = recorded(&town).await;
    let listen = format!("/calls/{}/listen", story.call);
    let (admin, supervisor) = (town.browser(Some("admin")).await, town.browser(Some("supervisor")).await);
    let may_hear = async || {
        let answer = town.post(&supervisor, &listen, "reason=permintaan+polisi+7/2026").await;
        let file = town.get(&supervisor, &format!("/calls/{}/recordings/0", story.call)).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, file.status == StatusCode::OK);
        file.status == StatusCode::OK
    };
    assert!(!may_hear().await);
    for (fields, expected) in [
        ("name=supervisor&may=yes", true),
        ("name=supervisor&may=no", false),
        ("name=supervisor&may=x", false),
        ("name=supervisor&may=yes", true),
    ] {
        assert_eq!(town.post(&admin, "/users/recordings", fields).await.status, StatusCode::SEE_OTHER, "{fields}");
        assert_eq!(may_hear().await, expected, "{fields}");
    }
    assert!(town.get(&admin, "/users").await.text().contains("boleh mendengar rekaman"));
    // Only a supervisor can be given the right, and a new role ends it.
    for name in ["operator", "viewer", "no-such-user"] {
        let answer = town.post(&admin, "/users/recordings", &format!("name={name}&may=yes")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    for role in ["viewer", "supervisor"] {
        town.post(&admin, "/users/role", &format!("name=supervisor&role={role}")).await;
    }
    assert!(town.site.store.hearers().await.unwrap().is_empty());
    assert!(town.log().await.iter().any(|entry| entry == "admin user-recordings supervisor yes"));
}

#[tokio::test]
async fn a_supervisor_reviews_a_call_and_the_record_stays() {
    let town = Town::new().await;
    let story = recorded(&town).await;
    let page = format!("/calls/{}", story.call);
    let before = town.store.stored_call(&story.call.to_string()).await.unwrap();
    let browser = town.browser(Some("supervisor")).await;
    for bad in ["", "score=0", "score=6", "score=x", "score=3.5"] {
        let answer = town.post(&browser, &format!("{page}/review"), bad).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let answer = town.post(&browser, &format!("{page}/review"), "score=4&note=%3Cb%3Etenang").await;
    assert_eq!(answer.header(header::LOCATION), format!("{page}#review"));
    let text = town.get(&browser, &page).await;
    assert!(text.text().contains("4 / 5") && text.text().contains("tenang") && !text.text().contains("<b>tenang"));
    assert!(!text.text().contains("/listen\""), "a supervisor may not listen");
    assert_eq!(town.store.stored_call(&story.call.to_string()).await.unwrap(), before);
    assert_eq!(town.log().await[0], format!("supervisor call-review {}: 4", story.call));
}

#[tokio::test]
async fn every_story_has_a_page_that_tells_it() {
    let town = Town::new().await;
    let browser = town.browser(Some("auditor")).await;
    for (name, story) in stories::all(MORNING) {
        town.take(&story.facts).await;
        let answer = town.get(&browser, &format!("/calls/{}", story.call)).await;
        let text = answer.text();
        assert_eq!(answer.status, StatusCode::OK, "{name}: {text}");
        assert!(text.contains("chart ladder") && text.contains("INVITE"), "{name}");
        let lines = text.split("<details>").nth(1).unwrap().matches("<tr><td>").count();
        assert_eq!(lines, story.facts.len(), "{name}: each fact has a line");
        for bare in ["fact-", "offer-", "cause-", "class-", "{ $"] {
            let shown = text.split("<pre").next().unwrap();
            assert!(!shown.contains(&format!(">{bare}")), "{name}: {bare}");
        }
    }
}

#[tokio::test]
async fn a_call_in_progress_has_a_page_before_it_has_a_record() {
    let town = Town::new().await;
    let story = Story::new(7, MORNING, Some("0811")).queued(2).offered(10, 1, "op0001");
    town.take(&story.facts).await;
    let browser = town.browser(Some("supervisor")).await;
    let answer = town.get(&browser, &format!("/calls/{}", story.call)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("masih berlangsung"), "{}", answer.text());
}
