//! The tables of operators, desks, trunks and unanswered callers, and their files, compared with the records.

use axum::http::{StatusCode, header};
use siaga::cdr::fact::{Callee, OfferOutcome};
use siaga::cdr::{Cdr, Outcome};

use crate::stories::{self, MORNING};
use crate::town::{Browser, Town, compared};

const DAY: &str = "from=2026-11-24&to=2026-11-24";

/// A town with every story twice, and the records.
async fn filled() -> (Town, Vec<Cdr>) {
    let town = Town::new().await;
    let mut cdrs = Vec::new();
    for shift in [0, 1_800_000] {
        for (_, story) in stories::all(MORNING + shift) {
            town.take(&story.facts).await;
            cdrs.extend(Cdr::fold(&story.facts).filter(|cdr| cdr.outcome.is_some()));
        }
    }
    // The same story at another time has another id.
    cdrs.sort_by_key(|cdr| cdr.call.to_string());
    cdrs.dedup_by_key(|cdr| cdr.call.to_string());
    town.count().await;
    (town, cdrs)
}

/// The lines of a file, each split into its cells.
async fn file(town: &Town, browser: &Browser, path: &str) -> Vec<Vec<String>> {
    let answer = town.get(browser, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    assert!(answer.header(header::CONTENT_DISPOSITION).starts_with("attachment"), "{path}");
    let lines = answer.text().trim_start_matches('\u{feff}').lines();
    lines.map(|line| line.split(';').map(str::to_owned).collect()).collect()
}

fn real(cdrs: &[Cdr]) -> impl Iterator<Item = &Cdr> {
    cdrs.iter().filter(|cdr| !cdr.is_exercise())
}

#[tokio::test]
async fn operators_have_the_ring_attempts_and_talks_of_the_records() {
    let (town, cdrs) = filled().await;
    let browser = town.browser(Some("supervisor")).await;
    let lines = file(&town, &browser, &format!("/operators.csv?{DAY}")).await;
    assert!(lines.len() > 2, "{lines:?}");
    for line in lines.iter().skip(1) {
        let account = &line[1];
        let is_own = |callee: &Callee| matches!(callee, Callee::Operator(operator) if operator.as_str() == account);
        let offers = |outcome: Option<OfferOutcome>| {
            let all = real(&cdrs).flat_map(|cdr| &cdr.offers).filter(|offer| is_own(&offer.to));
            all.filter(|offer| outcome.is_none() || offer.outcome == outcome).count()
        };
        let talks: Vec<_> =
            real(&cdrs).flat_map(|cdr| &cdr.talks).filter(|talk| is_own(&talk.with) && !talk.guest).collect();
        assert_eq!(line[2], offers(None).to_string(), "{account}: ring attempts");
        assert_eq!(line[3], talks.len().to_string(), "{account}: answered");
        assert_eq!(line[5], offers(Some(OfferOutcome::NoAnswer)).to_string(), "{account}: not answered");
        let talk_ms: u64 = talks.iter().map(|talk| talk.millis()).sum();
        assert_eq!(line[9], format!("{},{:03}", talk_ms / 1_000, talk_ms % 1_000), "{account}: talk");
    }
    assert_eq!(compared(&town, &browser, "/operators", DAY).await, format!("{} -", lines.len() - 1));
    let page = town.get(&browser, &format!("/operators?{DAY}")).await;
    let rows = page.text().split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap().matches("<tr>").count();
    assert_eq!(rows, lines.len() - 1);
    assert!(
        page.text().contains("/calls?from=2026-11-24&#38;to=2026-11-24&#38;operator=")
            || page.text().contains("&amp;operator=")
    );
}

#[tokio::test]
async fn desks_and_trunks_have_the_calls_of_the_records() {
    let (town, cdrs) = filled().await;
    let browser = town.browser(Some("viewer")).await;
    let lines = file(&town, &browser, &format!("/desks.csv?{DAY}")).await;
    let mut seen = [0, 0];
    for line in lines.iter().skip(1) {
        let is_desk = line[0] == "Meja";
        let of = |cdr: &&Cdr| match is_desk {
            true => line[1] == if cdr.desk.is_empty() { "antrean umum" } else { &cdr.desk },
            false => line[1] == cdr.trunk,
        };
        let own: Vec<&Cdr> = real(&cdrs).filter(of).collect();
        let count = |outcome| own.iter().filter(|cdr| cdr.outcome == Some(outcome)).count();
        seen[usize::from(is_desk)] += own.len();
        assert!(!own.is_empty(), "{line:?}");
        assert_eq!(line[2], own.len().to_string(), "{line:?}");
        assert_eq!(line[3], count(Outcome::Answered).to_string(), "{line:?}");
        assert_eq!(line[4], count(Outcome::Abandoned).to_string(), "{line:?}");
        let longest = own.iter().map(|cdr| cdr.waited_ms.div_ceil(100) * 100).max().unwrap();
        assert_eq!(line[11], format!("{},{:03}", longest / 1_000, longest % 1_000), "{line:?}");
    }
    assert_eq!(seen, [real(&cdrs).count(); 2], "each call has a desk and a trunk");
    assert_eq!(compared(&town, &browser, "/desks", DAY).await, format!("{} -", lines.len() - 1));
    let page = town.get(&browser, &format!("/desks?{DAY}")).await;
    for format in ["csv", "xlsx", "json", "parquet"] {
        assert!(page.text().contains(&format!("\"/desks.{format}?from=2026-11-24&#38;to=2026-11-24\"")), "{format}");
    }
    assert!(page.text().contains("Jam tersibuk: ") && !page.text().contains("/calls?"), "no links for viewers");
}

#[tokio::test]
async fn unanswered_numbers_are_listed_with_their_state_and_readings_are_logged() {
    let (town, cdrs) = filled().await;
    let browser = town.browser(Some("supervisor")).await;
    let lines = file(&town, &browser, &format!("/abandoned.csv?{DAY}")).await;
    let mut numbers: Vec<&str> = real(&cdrs)
        .filter(|cdr| !matches!(cdr.outcome, Some(Outcome::Answered) | None))
        .filter_map(Cdr::number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let formula = numbers.iter().position(|number| number.starts_with('=')).map(|at| numbers.remove(at));
    let (mut listed, others): (Vec<&str>, Vec<&str>) =
        lines.iter().skip(1).map(|line| line[0].as_str()).partition(|cell| !cell.contains('='));
    listed.sort_unstable();
    assert_eq!(listed, numbers);
    assert_eq!((others.len(), formula.is_some()), (1, true));
    assert!(others[0].starts_with("\"'="), "no spreadsheet reads a formula: {others:?}");
    let page = town.get(&browser, &format!("/abandoned?{DAY}")).await;
    assert!(page.text().contains(&format!("{} nomor tidak terjawab", numbers.len() + 1)), "{}", page.text());
    let long = town.get(&browser, "/abandoned?from=2026-10-01&to=2026-11-24").await;
    assert!(long.text().contains("paling lama 35 hari"));
    assert_eq!(town.get(&browser, "/abandoned?from=x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let log = town.log().await;
    assert!(log.iter().any(|entry| entry == "supervisor abandoned-export from=2026-11-24 to=2026-11-24"), "{log:?}");
    assert_eq!(log.iter().filter(|entry| entry.contains("abandoned-read")).count(), 3);
    assert!(compared(&town, &browser, "/abandoned", DAY).await.starts_with(&format!("{} ", lines.len() - 1)));
    let log = town.log().await;
    for format in ["xlsx", "json", "parquet"] {
        let entry = format!("supervisor abandoned-export from=2026-11-24 to=2026-11-24 format={format}");
        assert!(log.contains(&entry), "{entry}: {log:?}");
    }
}
