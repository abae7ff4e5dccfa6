//! The overview: each number leads to the calls that it counts.

use axum::http::StatusCode;

use crate::stories::{self, MORNING};
use crate::town::Town;

/// Links to calls: the address and the text.
fn links(text: &str) -> Vec<(String, String)> {
    let all = text.split("<a href=\"/calls?").skip(1).map(|rest| {
        let (address, rest) = rest.split_once('"').unwrap();
        let text = rest.split_once('>').unwrap().1.split('<').next().unwrap();
        (format!("/calls?{}", address.replace("&#38;", "&").replace("&amp;", "&")), text.to_owned())
    });
    all.collect()
}

#[tokio::test]
async fn each_number_leads_to_as_many_calls() {
    let town = Town::new().await;
    for (_, story) in stories::all(MORNING) {
        town.take(&story.facts).await;
    }
    for no in 0..30 {
        let at = MORNING + i64::try_from(no).unwrap() * 1_000;
        town.take(&stories::abandoned(500 + no, at, 1_000 + at % 70_000).facts).await;
    }
    let browser = town.browser(Some("supervisor")).await;
    for query in ["", "?period=week", "?from=2026-11-24&to=2026-11-24"] {
        let page = town.get(&browser, &format!("/{query}")).await;
        let found = links(page.text());
        assert!(found.len() >= 15, "{found:?}");
        let mut compared = 0;
        for (address, text) in found {
            let list = town.get(&browser, &address).await;
            assert_eq!(list.status, StatusCode::OK, "{address}");
            let title = list.text().split("<h1>").nth(1).unwrap().split(' ').next().unwrap().to_owned();
            // Shares and durations have other signs than a count.
            let is_count = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let first = text.split(' ').next().unwrap();
            let short = text.contains("di bawah") || text.contains("menunggu lebih");
            if is_count || short {
                assert_eq!(title, first, "{address}: {text}");
                compared += 1;
            } else {
                assert_ne!(title, "0", "{address}: {text}");
            }
        }
        assert!(compared >= 10, "{compared} numbers were compared");
    }
    for user in ["viewer", "admin"] {
        let browser = town.browser(Some(user)).await;
        assert_eq!(links(town.get(&browser, "/").await.text()), [], "{user} may not see calls");
    }
}
