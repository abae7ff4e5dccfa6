//! The list of calls and its file.

use axum::http::{StatusCode, header};
use siaga::cdr::fact::{Class, FactKind};
use siaga::web::texts::Language;

use crate::stories::{self, LATE, MORNING, Story};
use crate::town::{Browser, Town, compared};

const DAY: i64 = 86_400_000;
/// The day of the stories.
const PERIOD: &str = "period=today";
/// The day of the stories.
const STORIES: &str = "from=2026-11-24&to=2026-11-24";

/// Abandoned calls, one in each second.
async fn fill(town: &Town, calls: u64) {
    for no in 0..calls {
        let at = MORNING + i64::try_from(no).unwrap() * 1_000;
        town.take(&stories::abandoned(no + 1, at, 20_000).facts).await;
    }
}

/// The ids of the calls on a page, in its order, and the address of a neighbour page.
fn read(text: &str) -> (Vec<String>, Option<String>, Option<String>) {
    let ids = text.split("<a href=\"/calls/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let link = |rel: &str| {
        let (head, _) = text.split_once(&format!("\" rel=\"{rel}\""))?;
        Some(head.rsplit_once("href=\"")?.1.replace("&amp;", "&").replace("&#38;", "&"))
    };
    (ids.collect(), link("prev"), link("next"))
}

async fn page(town: &Town, browser: &Browser, path: &str) -> String {
    let answer = town.get(browser, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.text().to_owned()
}

#[tokio::test]
async fn pages_lead_to_the_oldest_call_and_back_while_calls_arrive() {
    let town = Town::new().await;
    fill(&town, 120).await;
    let browser = town.browser(Some("supervisor")).await;
    let (mut seen, mut next) = (Vec::new(), Some(format!("/calls?{PERIOD}&outcome=abandoned&c-wait=1")));
    let mut last = String::new();
    for no in 500.. {
        let Some(path) = next else { break };
        let text = page(&town, &browser, &path).await;
        let (ids, _, older) = read(&text);
        seen.extend(ids);
        (last, next) = (path, older);
        town.take(&stories::abandoned(no, MORNING + 3_000_000, 20_000).facts).await;
    }
    assert_eq!(seen.len(), 120);
    let mut unique = seen.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 120, "no call twice");
    let (mut back, mut path) = (Vec::new(), last);
    loop {
        let (ids, newer, _) = read(&page(&town, &browser, &path).await);
        back.splice(0..0, ids);
        let Some(newer) = newer else { break };
        assert!(newer.contains("outcome=abandoned") && newer.contains("c-wait=1"), "filter and columns stay: {newer}");
        path = newer;
    }
    assert_eq!(back[back.len() - 120..], seen, "the same calls on the way back");
    assert!(back.len() > 120, "and those that arrived meanwhile");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_has_a_line_beside_the_others() {
    let town = Town::new().await;
    fill(&town, 3).await;
    let pool = sqlx::SqlitePool::connect(&town.url).await.unwrap();
    let spoil = sqlx::query("UPDATE cdr SET body = 'x' WHERE received = $1").bind(MORNING + 1_000);
    assert_eq!(spoil.execute(&pool).await.unwrap().rows_affected(), 1);
    pool.close().await;
    let browser = town.browser(Some("supervisor")).await;
    let text = page(&town, &browser, &format!("/calls?{PERIOD}&outcome=abandoned")).await;
    assert_eq!(read(&text).0.len(), 3);
    assert_eq!(text.matches("Catatan ini tidak dapat dibaca").count(), 1);
    let file = page(&town, &browser, &format!("/calls.csv?{PERIOD}&outcome=abandoned")).await;
    assert_eq!(file.lines().count(), 4, "{file}");
    assert_eq!(file.matches("Catatan ini tidak dapat dibaca").count(), 1);
    let log = town.log().await;
    assert!(
        log.iter().any(|entry| entry.contains("calls-export") && entry.ends_with("calls=3 numbers=whole")),
        "{log:?}"
    );
}

#[tokio::test]
async fn texts_from_callers_and_operators_are_only_text() {
    let town = Town::new().await;
    let bad = "<img src=x onerror=alert(1)>\"'";
    let story = Story::new(1, MORNING, Some(bad)).queued(2).offered(10, 1, "op0001").answered(8_000, 1, "op0001");
    let noted = FactKind::Disposed {
        class: Class::Normal,
        category: Some(bad.to_owned()),
        note: Some(bad.to_owned()),
        by: bad.to_owned(),
        agency: Some(bad.to_owned()),
    };
    let noted = story.fact(LATE | 5, 60_000, noted);
    let story = story.ended(50_000, siaga::cdr::fact::Side::Caller, siaga::cdr::fact::EndCause::Normal);
    town.take(&[story.facts.clone(), vec![noted]].concat()).await;
    let columns = "c-number=1&c-note=1&c-category=1&c-agency=1&c-location=1&c-called=1&c-trunk=1&c-operator=1";
    let query =
        "number=%3Cscript%3E&note=%3Cscript%3E&operator=%22%3E%3Cscript%3E&category=%3Cscript%3E&desk=%3Cscript%3E";
    for language in [Language::Indonesian, Language::English] {
        let browser = Browser { language, ..town.browser(Some("supervisor")).await };
        let own = format!("/calls/{}", story.call);
        for path in [format!("/calls?{PERIOD}&{columns}"), format!("/calls?{query}"), own] {
            let text = page(&town, &browser, &path).await;
            assert!(!text.contains("<img") && !text.contains("<script>"), "{path}");
            assert!(path.contains("script") || text.contains("onerror=alert(1)"), "{path}: the text is shown");
            assert!(
                !text.contains("column-") && !text.contains("fact-") && !text.contains("{ $"),
                "{path}: no bare key"
            );
        }
    }
}

#[tokio::test]
async fn an_operator_sees_only_own_calls_of_the_shift() {
    let town = Town::new().await;
    town.add_user("op0001", siaga::web::role::Role::Operator).await;
    let (own, before) = (stories::answered(1, MORNING), stories::answered(2, MORNING - DAY));
    let others = stories::abandoned(3, MORNING, 20_000);
    for story in [&own, &before, &others] {
        town.take(&story.facts).await;
    }
    let browser = town.browser(Some("op0001")).await;
    for query in ["", "period=year", "from=2000-01-01&to=2100-01-01", "operator=op0002", "exercises=with"] {
        let (ids, ..) = read(&page(&town, &browser, &format!("/calls?{query}")).await);
        assert_eq!(ids, [own.call.to_string()], "{query}");
        let file = town.get(&browser, &format!("/calls.csv?{query}")).await;
        assert_eq!(file.text().lines().count(), 2, "{query}");
    }
    let (text, status) = (page(&town, &browser, &format!("/calls/{}", own.call)).await, StatusCode::NOT_FOUND);
    assert!(!text.contains("id=\"recordings\"") && !text.contains("id=\"review\"") && !text.contains("class=\"raw\""));
    for story in [&before, &others] {
        assert_eq!(town.get(&browser, &format!("/calls/{}", story.call)).await.status, status);
    }
    let file = format!("/calls/{}/recordings/0", own.call);
    assert_eq!(town.get(&browser, &file).await.status, StatusCode::FORBIDDEN);
    town.pass(12 * 3_600_000);
    assert_eq!(town.get(&browser, &format!("/calls/{}", own.call)).await.status, status, "the shift is over");
}

#[tokio::test]
async fn the_file_has_what_is_shown_in_the_form_of_the_language() {
    let town = Town::new().await;
    fill(&town, 450).await;
    let formula = Story::new(999, MORNING + 3_600_000, Some("=1+1;@x")).ended(
        7_250,
        siaga::cdr::fact::Side::Caller,
        siaga::cdr::fact::EndCause::Abandoned,
    );
    town.take(&formula.facts).await;
    let path = format!("/calls.csv?{PERIOD}&c-number=1&c-wait=1&c-outcome=1");
    let mut browser = town.browser(Some("supervisor")).await;
    for (language, separator, head, first) in [
        (Language::Indonesian, ';', "Waktu;Nomor;Tunggu (detik);Hasil", "07:00:00;\"'=1+1;'@x\";7,250;ditinggalkan"),
        (Language::English, ',', "Time,Number,Wait (seconds),Outcome", "07:00:00,'=1+1;'@x,7.250,abandoned"),
    ] {
        browser.language = language;
        let answer = town.get(&browser, &path).await;
        assert_eq!(answer.header(header::CONTENT_TYPE), "text/csv; charset=utf-8");
        assert!(answer.header(header::CONTENT_DISPOSITION).starts_with("attachment; filename=\""));
        let text = answer.text().strip_prefix('\u{feff}').unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (452, head), "several pages of records");
        assert!(lines[1].contains(first) || lines[1].contains(&first.replace("07:00:00", "08:00:00")), "{}", lines[1]);
        assert_eq!(lines[2].matches(separator).count(), 3);
    }
    browser.language = Language::Indonesian;
    let all: String = ["number", "wait", "outcome", "operator", "talk", "attempts", "hold", "wrap-up", "note", "id"]
        .map(|column| format!("&c-{column}=1"))
        .concat();
    assert_eq!(compared(&town, &browser, "/calls", &format!("{PERIOD}{all}")).await, "451 =1+1;@x");
    let none = compared(&town, &browser, "/calls", &format!("{PERIOD}&number=0999999999&c-number=1")).await;
    assert_eq!(none, "0 -", "a file without calls");
    let rejected = town.get(&browser, "/calls.csv?wait-min=x").await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "no file of other calls than were asked for");
}

#[tokio::test]
async fn a_file_of_many_calls_has_whole_numbers_only_if_another_role_approves() {
    let town = Town::new().await;
    let story = |no: u64| Story::new(no, MORNING + i64::try_from(no).unwrap(), Some("+6281234567890"));
    let mut cdrs = Vec::new();
    for no in 1..=1_001 {
        cdrs.push(story(no).ended(2_000, siaga::cdr::fact::Side::Caller, siaga::cdr::fact::EndCause::Abandoned).cdr());
    }
    let batch = siaga::store::facts::Batch { cdrs, ..Default::default() };
    town.store.take("journal", batch).await.unwrap();
    let browser = town.browser(Some("auditor")).await;
    let many = town.get(&browser, &format!("/calls.csv?{STORIES}")).await;
    assert_eq!(many.text().lines().count(), 1_002);
    assert!(!many.text().contains("81234567890") && many.text().contains("…890"));
    assert_eq!(compared(&town, &browser, "/calls", STORIES).await, "1001 …890", "in every format");
    // Another user of another role approves whole numbers, for this query and this user.
    let is_whole = async |browser: &Browser, query: &str| {
        let file = town.get(browser, &format!("/calls.csv?{query}")).await;
        file.text().contains("81234567890")
    };
    let ask = async |browser: &Browser, reason: &str| {
        let query = STORIES.replace('=', "%3D").replace('&', "%26");
        town.post(browser, "/calls/approval", &format!("query={query}&reason={reason}")).await
    };
    let reason = "permintaan+DPRD+nomor+7";
    assert!(ask(&browser, "x").await.header(header::LOCATION).contains("reason=short"));
    assert!(ask(&browser, reason).await.header(header::LOCATION).starts_with("/calls?"));
    ask(&browser, reason).await;
    let id = town.site.store.approvals(0, 10).await.unwrap()[0].id.clone();
    assert_eq!(town.site.store.approvals(0, 10).await.unwrap().len(), 1, "a waiting request is not repeated");
    assert!(town.get(&browser, &format!("/calls?{STORIES}")).await.text().contains("menunggu keputusan"));
    let decide = async |user: &str, decision: &str| {
        let other = town.browser(Some(user)).await;
        town.post(&other, "/approvals", &format!("id={id}&decision={decision}")).await.status
    };
    assert_eq!(decide("auditor", "allow").await, StatusCode::FORBIDDEN, "the same role");
    assert_eq!(decide("supervisor", "maybe").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!is_whole(&browser, STORIES).await);
    assert_eq!(decide("supervisor", "allow").await, StatusCode::SEE_OTHER);
    assert_eq!(decide("admin", "reject").await, StatusCode::UNPROCESSABLE_ENTITY, "it is decided");
    assert!(is_whole(&browser, STORIES).await);
    assert_eq!(compared(&town, &browser, "/calls", STORIES).await, "1001 +6281234567890", "in every format");
    assert!(!is_whole(&browser, &format!("{STORIES}&outcome=abandoned")).await, "another query");
    let supervisor = town.browser(Some("supervisor")).await;
    assert!(!is_whole(&supervisor, STORIES).await, "another user");
    assert!(town.get(&browser, "/approvals").await.text().contains("disetujui oleh supervisor"));
    town.pass(24 * 3_600_000);
    let browser = town.browser(Some("auditor")).await;
    assert!(!is_whole(&browser, STORIES).await, "the approval is over");
    ask(&browser, reason).await;
    let id = town.site.store.approvals(0, 10).await.unwrap()[0].id.clone();
    let admin = town.browser(Some("admin")).await;
    let rejected = town.post(&admin, "/approvals", &format!("id={id}&decision=reject")).await;
    assert_eq!(rejected.status, StatusCode::SEE_OTHER);
    assert!(!is_whole(&browser, STORIES).await);
    assert!(town.get(&browser, &format!("/calls?{STORIES}")).await.text().contains("admin menolak"));
    let log = town.log().await.join("\n");
    assert!(
        log.contains("auditor export-asked")
            && log.contains("supervisor export-allowed")
            && log.contains("admin export-rejected")
    );
    assert!(!log.contains("81234567890"));
    let few = town.get(&browser, &format!("/calls.csv?{STORIES}&wait-min=2&from-time=07:00&to-time=07:00")).await;
    assert_eq!(few.status, StatusCode::UNPROCESSABLE_ENTITY, "an empty time is an error");
}

#[tokio::test]
async fn each_reading_is_logged_without_whole_numbers() {
    let town = Town::new().await;
    fill(&town, 1).await;
    let browser = town.browser(Some("supervisor")).await;
    page(&town, &browser, "/calls?number=081234567890&note=rahasia&outcome=abandoned").await;
    town.get(&browser, "/calls.csv?number=081234567890&c-number=1&c-note=1").await;
    town.get(&browser, "/calls.parquet?number=081234567890&c-number=1&c-note=1").await;
    let expected = [
        "supervisor calls-read number=…890 outcome=abandoned note=…",
        "supervisor calls-export number=…890 [number note] calls=0 numbers=whole",
        "supervisor calls-export number=…890 [number note] calls=0 numbers=whole format=parquet",
    ];
    assert_eq!(town.log().await, expected);
}

#[tokio::test]
async fn wrong_fields_are_named_and_the_page_stays() {
    let town = Town::new().await;
    let browser = town.browser(Some("supervisor")).await;
    let answer = town.get(&browser, "/calls?wait-min=x&from=2026-99-99").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("aria-invalid=\"true\"") && answer.text().contains("role=\"alert\""));
}
