//! The overview: each number leads to the calls that it counts.

use axum::http::StatusCode;

use crate::stories::{self, MORNING};
use crate::town::{Browser, Town};

/// Links to calls: the address and the text.
fn links(text: &str) -> Vec<(String, String)> {
    let all = text.split("<a href=\"/calls?").skip(1).map(|rest| {
        let (address, rest) = rest.split_once('"').unwrap();
        let text = rest.split_once('>').unwrap().1.split('<').next().unwrap();
        (format!("/calls?{}", address.replace("&#38;", "&").replace("&amp;", "&")), text.to_owned())
    });
    all.collect()
}

/// Compares each count of a page with the list of calls to which it leads. Returns the number of compared counts.
async fn compare(town: &Town, browser: &Browser, path: &str) -> usize {
    let page = town.get(browser, path).await;
    assert_eq!(page.status, StatusCode::OK, "{path}");
    let mut compared = 0;
    for (address, text) in links(page.text()) {
        let list = town.get(browser, &address).await;
        assert_eq!(list.status, StatusCode::OK, "{address}");
        let title = list.text().split("<h1>").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        // Shares and durations have other signs than a count.
        let is_count = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let first = text.split(' ').next().unwrap();
        let short = text.contains("di bawah") || text.contains("menunggu lebih");
        if is_count || short {
            assert_eq!(title, first, "{path}: {address}: {text}");
            compared += 1;
        } else if text == "0\u{a0}%" {
            assert_eq!(title, "0", "{path}: {address}: {text}");
        } else {
            assert_ne!(title, "0", "{path}: {address}: {text}");
        }
    }
    compared
}

/// A town with every story and thirty abandoned calls.
async fn filled() -> Town {
    let town = Town::new().await;
    for (_, story) in stories::all(MORNING) {
        town.take(&story.facts).await;
    }
    for no in 0..30 {
        let at = MORNING + i64::try_from(no).unwrap() * 1_000;
        town.take(&stories::abandoned(500 + no, at, 1_000 + at % 70_000).facts).await;
    }
    town
}

#[tokio::test]
async fn each_number_leads_to_as_many_calls() {
    let town = filled().await;
    let browser = town.browser(Some("supervisor")).await;
    // From the records, and then from the roll-ups.
    for is_counted in [false, true] {
        if is_counted {
            town.count().await;
        }
        for query in ["", "?period=week", "?from=2026-11-24&to=2026-11-24"] {
            let compared = compare(&town, &browser, &format!("/{query}")).await;
            assert!(compared >= 10, "{compared} numbers were compared");
        }
    }
    for user in ["viewer", "admin"] {
        let browser = town.browser(Some(user)).await;
        assert_eq!(links(town.get(&browser, "/").await.text()), [], "{user} may not see calls");
    }
}

#[tokio::test]
async fn a_filter_counts_only_its_calls_and_stays_in_every_link() {
    let town = filled().await;
    let browser = town.browser(Some("supervisor")).await;
    let uncounted = town.get(&browser, "/?desk=-").await;
    assert_eq!(uncounted.status, StatusCode::SERVICE_UNAVAILABLE, "a filter needs roll-ups");
    town.count().await;
    let values = town.store.call_values().await.unwrap();
    let mut filters = vec!["desk=-&trunk=telco".to_owned(), "class=-".to_owned(), "mode=normal".to_owned()];
    filters.extend(values.iter().filter(|of| !of.desk.is_empty()).map(|of| format!("desk={}", of.desk)));
    filters.extend(values.iter().filter(|of| of.class == "prank").map(|of| format!("class={}", of.class)));
    assert!(filters.len() > 3, "{values:?}");
    let mut compared = 0;
    for filter in &filters {
        let path = format!("/?from=2026-11-24&to=2026-11-24&{filter}");
        compared += compare(&town, &browser, &path).await;
        let page = town.get(&browser, &path).await;
        let all = links(page.text());
        assert!(all.iter().all(|(address, _)| address.contains(filter.split('&').next().unwrap())), "{all:?}");
        assert!(page.text().contains("Semua panggilan"), "the filter can be removed");
    }
    assert!(compared >= 8, "{compared} numbers were compared");
    let none = town.get(&browser, "/?from=2026-11-24&to=2026-11-24&desk=no-such-desk%3Cb%3E").await;
    assert_eq!(none.status, StatusCode::OK);
    assert!(!none.text().contains("<b>no-such") && none.text().contains("no-such-desk"));
}
