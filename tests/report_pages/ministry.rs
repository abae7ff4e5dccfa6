//! The page of the monthly report, and its file.

use axum::http::{StatusCode, header};
use siaga::reports::ministry::Month;
use siaga::reports::ministry::report::MinistryFormat;

use crate::stories::{self, MORNING};
use crate::town::Town;

#[tokio::test]
async fn a_month_is_shown_with_its_calls_and_downloaded_with_the_same_figures() {
    let town = Town::new().await;
    for (_, story) in stories::all(MORNING) {
        town.take(&story.facts).await;
    }
    let viewer = town.browser(Some("viewer")).await;
    let uncounted = town.get(&viewer, "/ministry?month=2026-11").await;
    assert_eq!(uncounted.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(uncounted.text().contains("siaga report rebuild"), "{}", uncounted.text());
    town.count().await;
    let page = town.get(&viewer, "/ministry?month=2026-11").await;
    assert_eq!(page.status, StatusCode::OK);
    let file = town.get(&viewer, "/ministry.csv?month=2026-11").await;
    assert_eq!(file.header(header::CONTENT_TYPE), "text/csv; charset=utf-8");
    assert!(file.header(header::CONTENT_DISPOSITION).contains("laporan-bulanan-2026-11.csv"));
    let lines: Vec<&str> = file.text().trim_start_matches('\u{feff}').lines().collect();
    let (heads, cells): (Vec<&str>, Vec<&str>) = (lines[0].split(';').collect(), lines[1].split(';').collect());
    let cell = |name: &str| cells[heads.iter().position(|head| *head == name).unwrap()];
    let incoming = cell("Panggilan masuk");
    assert!(incoming.parse::<u32>().unwrap() >= 5, "{incoming}");
    let json = town.get(&viewer, "/ministry.json?month=2026-11").await;
    let month: serde_json::Value = serde_json::from_slice(&json.bytes).unwrap();
    assert_eq!(month["incoming"], incoming);
    for (format, start) in [("xlsx", &b"PK"[..]), ("parquet", b"PAR1")] {
        let file = town.get(&viewer, &format!("/ministry.{format}?month=2026-11")).await;
        assert!(file.header(header::CONTENT_DISPOSITION).ends_with(&format!("laporan-bulanan-2026-11.{format}\"")));
        assert!(file.bytes.starts_with(start), "{format}");
    }
    let printed = town.get(&viewer, "/ministry.pdf?month=2026-11").await;
    assert_eq!(printed.header(header::CONTENT_TYPE), "application/pdf");
    assert!(printed.header(header::CONTENT_DISPOSITION).ends_with("laporan-bulanan-2026-11.pdf\""));
    let (mut expected, month) = (Vec::new(), Month::parse("2026-11").unwrap());
    let now = town.site.now();
    crate::town::document().write(&town.store, month, now, MinistryFormat::Pdf, &mut expected).await.unwrap();
    assert!(printed.bytes == expected && expected.starts_with(b"%PDF-"), "it is the file of the command line");
    assert_eq!(town.get(&viewer, "/ministry.pdf?month=x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = page.text().split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
    assert!(answer.starts_with(&format!("November 2026: {incoming} panggilan masuk")), "{answer}");
    // The sum of the days is the month.
    let table = page.text().split("<details>").nth(1).unwrap().split("</details>").next().unwrap();
    let days: Vec<&str> = table.split("<tr><td>").skip(1).collect();
    assert_eq!(days.len(), 30);
    let calls = |row: &&str| {
        row.rsplit("<td class=\"number\">").next().unwrap().split('<').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(days.iter().map(calls).sum::<u32>().to_string(), incoming);
    let log = town.log().await;
    let exports: Vec<&str> = log.iter().filter_map(|entry| entry.strip_prefix("viewer ministry-export ")).collect();
    assert_eq!(
        exports,
        ["2026-11", "2026-11 format=json", "2026-11 format=xlsx", "2026-11 format=parquet", "2026-11 format=pdf"]
    );
    // Without a month: the last one that is over.
    let page = town.get(&viewer, "/ministry").await;
    assert!(page.text().contains("Oktober 2026: tidak ada panggilan masuk."), "{}", page.text());
    for month in ["2026-13", "x", "2026-11-24"] {
        let page = town.get(&viewer, &format!("/ministry?month={month}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{month}");
        assert!(page.text().contains("Tulis seperti 2026-11."));
        assert_eq!(
            town.get(&viewer, &format!("/ministry.csv?month={month}")).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
}
