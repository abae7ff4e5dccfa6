//! The page of the staffing plan, and its file.

use axum::http::{StatusCode, header};

use crate::stories::{self, MORNING};
use crate::town::{Town, compared};

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn an_assumed_load_is_planned_and_downloaded() {
    let town = Town::new().await;
    let viewer = town.browser(Some("viewer")).await;
    let query = "calls-per-hour=200&aht=180&patience=tidak&target=90/20&shrinkage=10&weeks=2";
    let page = town.get(&viewer, &format!("/plan?{query}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let text = page.text();
    let answer = text.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
    assert!(answer.contains(" orang, ") && answer.contains("dijawab dalam 20 detik"), "{answer}");
    assert!(text.contains("Beban perkiraan: 200,0 panggilan setiap jam, 3:00"), "{answer}");
    assert_eq!(text.matches("class=\"cell\"").count(), 168, "one cell for each hour of the week");
    // 10 Erlang need 15 seats for 90 % in 20 s.
    assert!(text.contains("<tr><th scope=\"row\">15</th>") && text.contains("Erlang C"));
    assert!(
        text.contains("/plan.csv?calls-per-hour=200&#38;aht=180")
            || text.contains("/plan.csv?calls-per-hour=200&amp;aht=180")
    );
    let file = town.get(&viewer, &format!("/plan.csv?{query}")).await;
    assert!(file.header(header::CONTENT_DISPOSITION).contains("kebutuhan-operator.csv"));
    let lines: Vec<&str> = file.text().trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines.len(), 169);
    assert!(lines[1].starts_with("1;0;200,000;180,0;10,000;15;"), "{}", lines[1]);
    assert_eq!(compared(&town, &viewer, "/plan", query).await, "168 -");
}

#[tokio::test]
async fn the_load_of_the_records_is_planned() {
    let town = Town::new().await;
    let viewer = town.browser(Some("viewer")).await;
    let none = town.get(&viewer, "/plan").await;
    assert_eq!(none.status, StatusCode::OK);
    assert!(none.text().contains("Tidak ada panggilan terjawab"), "{}", none.text());
    assert_eq!(town.get(&viewer, "/plan.csv").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    for no in 0..40_u64 {
        let at = MORNING - DAY + i64::try_from(no).unwrap() * 60_000;
        town.take(&stories::answered(no + 1, at).facts).await;
    }
    let page = town.get(&viewer, "/plan?weeks=2").await;
    assert!(page.text().contains("Dari catatan: 40 panggilan dalam "), "{}", page.text());
    assert!(page.text().contains("Paling sedikit dua kursi selalu terisi"));
    let earlier = town.get(&viewer, "/plan?from=2026-11-01&to=2026-11-02").await;
    assert!(earlier.text().contains("Tidak ada panggilan terjawab"));
}

#[tokio::test]
async fn wrong_values_are_named_and_their_fields_are_marked() {
    let town = Town::new().await;
    let viewer = town.browser(Some("viewer")).await;
    let page = town.get(&viewer, "/plan?target=%3Cb%3E&weeks=1000&aht=60").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page.text().matches("role=\"alert\"").count(), 3);
    assert_eq!(page.text().matches("aria-invalid=\"true\"").count(), 3);
    assert!(page.text().contains("&#60;b&#62;") || page.text().contains("&lt;b&gt;"), "escaped");
    let page = town.get(&viewer, "/plan?calls-per-hour=100000&aht=7200").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text().contains("lebih dari 20.000 operator"));
}
