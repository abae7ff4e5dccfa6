//! Desks and trunks in a period: calls, service levels, waits and lost calls.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::cdr::rollup::{CallCount, Waits};
use crate::reports::cells::Cell;
use crate::reports::figures::{FiguresError, Filter, Group, GroupBy, Row, figures, unsigned};
use crate::reports::kpi::{Mean, Share};
use crate::store::Store;
use crate::web::format::{Moment, decimal, number, percent};
use crate::web::frame::encoded;
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::calls::columns::{desk_text, trunk_text};
use super::calls::query::NONE;
use super::choice::Choice;
use super::links::Links;
use super::ministry::uncounted;
use super::sheet::{Content, Line, Sheet, chosen, file, show as show_sheet};
use super::unreadable::{no_records, unreadable};

/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;
const HEADS: [&str; 12] = [
    "name",
    "calls",
    "answered",
    "lost-before",
    "desks-short",
    "failed",
    "desks-level",
    "desks-target",
    "mean-wait",
    "desks-p95",
    "longest-wait",
    "mean-talk",
];

/// What is read.
struct Read {
    desks: Vec<Row>,
    trunks: Vec<Row>,
    hours: Vec<Row>,
}

/// The page.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let Some((choice, is_wrong)) = chosen(&pages, &fields) else { return no_records(&pages, &visitor, "records") };
    match content(&pages, &visitor, &choice).await {
        Ok(content) => show_sheet(&pages, &visitor, (&choice, is_wrong), content),
        Err(response) => *response,
    }
}

/// The page's tables as a file.
pub(super) async fn export(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some((choice, false)) = chosen(&pages, &fields) else {
        return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
    };
    match content(&pages, &visitor, &choice).await {
        Ok(content) => file(&choice, &visitor, &content),
        Err(response) => Ok(*response),
    }
}

async fn read(store: &Store, choice: &Choice) -> Result<Read, FiguresError> {
    let usual = Filter::default();
    let of = async |group| Ok::<_, FiguresError>(figures(store, &choice.period, &usual, group, true).await?.rows);
    Ok(Read {
        desks: of(GroupBy::Desk).await?,
        trunks: of(GroupBy::Trunk).await?,
        hours: figures(store, &choice.period, &usual, GroupBy::Hour, false).await?.rows,
    })
}

async fn content(pages: &Pages, visitor: &Visitor, choice: &Choice) -> Result<Content, Box<Response>> {
    let read = match pages.records.open().await {
        Ok(store) => {
            let read = read(&store, choice).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => return Err(Box::new(unreadable(pages, visitor, fault))),
    };
    let read = read.map_err(|fault| Box::new(uncounted(pages, visitor, fault)))?;
    let shown = Shown { pages, language: visitor.language, links: Links::of(visitor, choice), read: &read };
    Ok(Content {
        title: "desks-page-title",
        path: "/desks",
        answer: shown.answer(),
        reasons: shown.busiest().into_iter().collect(),
        sheets: vec![
            Sheet { title: "desks-table", heads: HEADS.into(), lines: shown.desks() },
            Sheet { title: "trunks-table", heads: HEADS.into(), lines: shown.trunks() },
        ],
        method: &["desks-method-level", "desks-method-p95", "desks-method-load"],
    })
}

struct Shown<'a> {
    pages: &'a Pages,
    language: Language,
    links: Links,
    read: &'a Read,
}

/// Answered within the desk's target, of answered and abandoned calls without short ones.
fn level(count: &CallCount) -> Share {
    let sums = &count.sums;
    Share { part: unsigned(sums.desk_within), whole: unsigned(sums.answered + sums.abandoned - sums.short) }
}

impl Shown<'_> {
    /// The desk that misses its target by most, or that all meet theirs.
    fn answer(&self) -> String {
        let language = self.language;
        let missing = |row: &Row| {
            let Group::Word(desk) = &row.group else { return None };
            let (share, target) = (level(&row.count).per_mille()?, u64::from(self.pages.levels.of(desk).percent) * 10);
            (share < target).then(|| (target - share, desk.clone(), share, target))
        };
        match self.read.desks.iter().filter_map(missing).max() {
            Some((_, desk, share, target)) => language.with(
                "desks-missed",
                &[
                    ("desk", &desk_text(&desk, language)),
                    ("share", &percent(Some(share), language)),
                    ("target", &percent(Some(target), language)),
                ],
            ),
            None if self.read.desks.is_empty() => language.text("desks-none"),
            None => language.text("desks-met"),
        }
    }

    /// The busiest hour, with its load.
    fn busiest(&self) -> Option<String> {
        let busiest = self.read.hours.iter().max_by_key(|row| row.count.sums.calls)?;
        let Group::Start(start) = busiest.group else { return None };
        let sums = &busiest.count.sums;
        let hundredths = (unsigned(sums.talk_ms) + unsigned(sums.wrap_ms)).saturating_mul(10) / HOUR_MS;
        let calls = number(unsigned(sums.calls), self.language);
        let time = Moment::of(start, self.pages.site.zone()).full(self.language);
        let values = [("time", time.as_str()), ("calls", &calls), ("erlang", &decimal(hundredths, self.language))];
        Some(self.language.with("desks-busiest", &values))
    }

    fn desks(&self) -> Vec<Line> {
        let line = |row: &Row| {
            let Group::Word(desk) = &row.group else { return None };
            let target = Cell::PerMille(u64::from(self.pages.levels.of(desk).percent) * 10);
            let value = if desk.is_empty() { NONE.to_owned() } else { encoded(desk) };
            let calls = self.links.to(&format!("desk={value}"));
            Some(Line { cells: cells(desk_text(desk, self.language), &row.count, target), calls })
        };
        self.read.desks.iter().filter_map(line).collect()
    }

    fn trunks(&self) -> Vec<Line> {
        let line = |row: &Row| {
            let Group::Word(trunk) = &row.group else { return None };
            let value = if trunk.is_empty() { NONE.to_owned() } else { encoded(trunk) };
            let calls = self.links.to(&format!("trunk={value}"));
            Some(Line { cells: cells(trunk_text(trunk, self.language), &row.count, Cell::None), calls })
        };
        self.read.trunks.iter().filter_map(line).collect()
    }
}

fn cells(name: String, count: &CallCount, target: Cell) -> Vec<Cell> {
    let (sums, waits) = (&count.sums, &count.waits);
    let number = |value: i64| Cell::Count(unsigned(value));
    let time = |millis: Option<u64>| millis.map_or(Cell::None, Cell::Duration);
    let mean = |sum_ms: i64| Mean { sum_ms: unsigned(sum_ms), count: unsigned(sums.answered) }.millis();
    let longest = [&waits.answered, &waits.abandoned, &waits.other].map(Waits::longest).into_iter().flatten().max();
    vec![
        Cell::Text(name),
        number(sums.calls),
        number(sums.answered),
        number(sums.abandoned),
        number(sums.short),
        number(sums.failed + sums.interrupted),
        level(count).per_mille().map_or(Cell::None, Cell::PerMille),
        target,
        time(mean(sums.answered_wait_ms)),
        time(Waits::percentile(&waits.answered, 95)),
        time(longest),
        time(mean(sums.talk_ms + sums.wrap_ms)),
    ]
}
