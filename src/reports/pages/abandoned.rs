//! Unanswered callers of a period by number, and what became of their call-backs.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tracing::error;

use crate::reports::abandoned::{AbandonedReport, Missed};
use crate::reports::cells::Cell;
use crate::web::format::number;
use crate::web::frame::encoded;
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::calls::query::shortened;
use super::choice::Choice;
use super::files::FileKind;
use super::links::Links;
use super::sheet::{Content, Line, Sheet, chosen, file, show as show_sheet};
use super::unreadable::{no_records, unreadable};

/// The records of a longer period are not read: each page reads them anew.
const DAYS_MAX: i32 = 35;
/// A page shows at most so many numbers; the file has all.
const SHOWN_MAX: usize = 200;
/// A file of more numbers has only their last digits.
const WHOLE_NUMBERS_MAX: usize = 1_000;

/// The page. To read it is an entry of the access log.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some((choice, is_wrong)) = chosen(&pages, &fields) else {
        return Ok(no_records(&pages, &visitor, "records"));
    };
    log(&pages, &visitor, "abandoned-read", &choice).await?;
    Ok(match content(&pages, &visitor, &choice, SHOWN_MAX).await {
        Ok(content) => show_sheet(&pages, &visitor, (&choice, is_wrong), content),
        Err(response) => *response,
    })
}

/// The page's table as a file.
pub(super) async fn export(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some((choice, false)) = chosen(&pages, &fields) else {
        return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
    };
    log(&pages, &visitor, "abandoned-export", &choice).await?;
    match content(&pages, &visitor, &choice, usize::MAX).await {
        Ok(content) => file(&choice, &visitor, &content),
        Err(response) => Ok(*response),
    }
}

async fn log(pages: &Pages, visitor: &Visitor, action: &str, choice: &Choice) -> Result<(), Fault> {
    let subject = format!("from={} to={}{}", choice.days.0, choice.days.1, FileKind::of(visitor).logged());
    pages.site.log(visitor.name(), &visitor.address, action, &subject).await
}

async fn content(pages: &Pages, visitor: &Visitor, choice: &Choice, most: usize) -> Result<Content, Box<Response>> {
    let language = visitor.language;
    let mut content = Content {
        title: "abandoned-title",
        path: "/abandoned",
        answer: language.text("abandoned-too-long"),
        reasons: Vec::new(),
        sheets: Vec::new(),
        method: &["abandoned-method-reached", "abandoned-method-short"],
    };
    if (choice.days.1 - choice.days.0).get_days() >= DAYS_MAX {
        return Ok(content);
    }
    let read = match pages.records.open().await {
        Ok(store) => {
            let read = AbandonedReport::of(&store, &choice.period, pages.limits).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => return Err(Box::new(unreadable(pages, visitor, fault))),
    };
    let report = read.map_err(|fault| {
        error!(fault = format!("{fault:#}"), "the unanswered callers cannot be read");
        Box::new(Fault(StatusCode::SERVICE_UNAVAILABLE, "error-records").into_response())
    })?;
    let count = |value: usize| number(u64::try_from(value).unwrap_or(0), language);
    let values = [
        ("numbers", count(report.numbers.len())),
        ("reached", count(report.reached)),
        ("open", count(report.numbers.len() - report.reached)),
    ];
    content.answer = language.with("abandoned-answer", &values.each_ref().map(|(name, value)| (*name, value.as_str())));
    content.reasons = vec![
        language.with("abandoned-called-back", &[("count", &count(report.called_back))]),
        language.with("abandoned-anonymous", &[("count", &count(report.anonymous.len()))]),
    ];
    let mut numbers: Vec<&Missed> = report.numbers.iter().collect();
    numbers.sort_by_key(|one| (one.is_reached(), Reverse(one.last)));
    if numbers.len() > most {
        content.reasons.push(language.with("abandoned-more", &[("count", &count(most))]));
    }
    let shortens = most == usize::MAX && numbers.len() > WHOLE_NUMBERS_MAX;
    let links = Links::of(visitor, choice);
    let lines = numbers.into_iter().take(most).map(|one| line(one, shortens, &links, language)).collect();
    content.sheets = vec![Sheet {
        title: "abandoned-table",
        heads: vec![
            "column-number",
            "abandoned-state",
            "calls",
            "desks-short",
            "abandoned-first",
            "abandoned-last",
            "longest-wait",
            "abandoned-call-backs",
            "abandoned-by",
            "abandoned-answered-later",
        ],
        lines,
    }];
    Ok(content)
}

fn line(one: &Missed, shortens: bool, links: &Links, language: Language) -> Line {
    let number = one.number.as_deref().unwrap_or_default();
    let state = match (one.is_reached(), one.outcome) {
        (true, _) => "abandoned-reached",
        (false, Some(_)) => "abandoned-tried",
        (false, None) => "abandoned-open",
    };
    Line {
        cells: vec![
            Cell::Text(if shortens { shortened(number) } else { number.to_owned() }),
            Cell::Text(language.text(state)),
            Cell::Count(u64::from(one.calls)),
            Cell::Count(u64::from(one.short)),
            Cell::Time(one.first),
            Cell::Time(one.last),
            Cell::Duration(one.longest_wait_ms),
            Cell::Count(u64::from(one.call_backs)),
            one.by.clone().map_or(Cell::None, Cell::Text),
            one.answered_later.map_or(Cell::None, Cell::Time),
        ],
        calls: links.to(&format!("number={}", encoded(number))),
    }
}
