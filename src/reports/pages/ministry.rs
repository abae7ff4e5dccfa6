//! What the city publishes and reports to the ministry: one month, printable, and as a file with the columns of a scheme.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;

use crate::reports::figures::FiguresError;
use crate::reports::kpi::Share;
use crate::reports::ministry::scheme::Scheme;
use crate::reports::ministry::{MinistryFigures, Month, days, json, parquet, read, workbook};
use crate::reports::period::Period;
use crate::store::Store;
use crate::web::chart::{Bars, bars};
use crate::web::format::{Moment, change, duration, duration_or_dash, number, percent, tenths};
use crate::web::frame::{Frame, page};
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::files::{FileKind, FileLink};
use super::unreadable::{no_records, unreadable};

/// One row of a table: a name, the month, its share in tenths of a per cent, the month before, and the change.
struct Row {
    name: String,
    is_part: bool,
    now: String,
    share: String,
    before: String,
    change: String,
}

#[derive(Template)]
#[template(path = "ministry.html")]
struct MinistryPage {
    frame: Frame,
    month: String,
    month_name: String,
    earlier: String,
    later: Option<String>,
    is_wrong: bool,
    is_running: bool,
    answer: String,
    before_name: String,
    has_calls: bool,
    rows: Vec<Row>,
    times: Vec<(String, String, String)>,
    agencies: Vec<Row>,
    categories: Vec<Row>,
    days_title: String,
    days: String,
    day_rows: Vec<[String; 4]>,
    method: Vec<String>,
    data_until: String,
    files: Vec<FileLink>,
}

/// What a page is made of.
struct Read {
    now: MinistryFigures,
    before: MinistryFigures,
    days: BTreeMap<Date, (u64, u64)>,
}

/// The month in the query: the last whole one if there is none. The second value is true if the text is no month.
pub(super) fn month(pages: &Pages, fields: &Fields) -> Option<(Month, bool)> {
    let site = &pages.site;
    let usual = Month::last(site.zone(), site.now())?;
    Some(match fields.get("month") {
        "" => (usual, false),
        text => Month::parse(text).map_or((usual, true), |month| (month, false)),
    })
}

async fn figures(store: &Store, now: &Period, before: &Period) -> Result<Read, FiguresError> {
    Ok(Read { now: read(store, now).await?, before: read(store, before).await?, days: days(store, now).await? })
}

/// The page of a month.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let site = &pages.site;
    let chosen = month(&pages, &fields);
    let period = |month: Month| month.period(site.zone(), site.now()).ok();
    let Some(((month, is_wrong), now, before)) =
        chosen.and_then(|(month, wrong)| Some(((month, wrong), period(month)?, period(month.before())?)))
    else {
        return no_records(&pages, &visitor, "records");
    };
    let read = match pages.records.open().await {
        Ok(store) => {
            let read = figures(&store, &now, &before).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => Err(fault.into()),
    };
    match read {
        Ok(read) => {
            let shown = Shown { pages: &pages, language: visitor.language, month, period: &now, read: &read };
            let frame = Frame::of(site, &visitor, visitor.language.text("ministry-title"));
            let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            page(status, &shown.page(frame, is_wrong))
        }
        Err(fault) => uncounted(&pages, &visitor, fault),
    }
}

/// The file of a month with the columns of the scheme.
pub(super) async fn export(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let Some((month, false)) = month(&pages, &fields) else {
        return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
    };
    let Ok(period) = month.period(site.zone(), site.now()) else {
        return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
    };
    let language = visitor.language;
    let kind = FileKind::of(&visitor);
    let usual = || {
        Scheme::usual(|word| match kind {
            FileKind::Json | FileKind::Parquet => word.to_owned(),
            FileKind::Csv | FileKind::Xlsx => language.text(&format!("scheme-{word}")),
        })
    };
    let scheme = pages.scheme.clone().unwrap_or_else(usual);
    site.log(visitor.name(), &visitor.address, "ministry-export", &format!("{month}{}", kind.logged())).await?;
    let store = match pages.records.open().await {
        Ok(store) => store,
        Err(fault) => return Ok(unreadable(&pages, &visitor, fault)),
    };
    let file = made(&scheme, &store, (month, &period), kind, language).await;
    pages.records.done(store).await;
    match file {
        Ok(file) => kind.response(&format!("{}-{month}", language.text("ministry-file")), file),
        Err(fault) => Ok(uncounted(&pages, &visitor, fault)),
    }
}

/// The file; the inner error is one of its format.
async fn made(
    scheme: &Scheme,
    store: &Store,
    (month, period): (Month, &Period),
    kind: FileKind,
    language: Language,
) -> Result<anyhow::Result<Vec<u8>>, FiguresError> {
    let separator = match language {
        Language::Indonesian => b';',
        Language::English => b',',
    };
    if kind == FileKind::Csv {
        return scheme.csv(store, month, period, separator).await.map(Ok);
    }
    let rows = scheme.rows(store, month, period, '.').await?;
    let mut file = Vec::new();
    let written = match kind {
        FileKind::Xlsx => workbook(scheme, &rows, period, &mut file),
        FileKind::Parquet => parquet(scheme, &rows, &mut file),
        FileKind::Csv | FileKind::Json => json(scheme, &rows, &mut file),
    };
    Ok(written.map(|()| file))
}

/// The page while the figures cannot be read, or are not counted.
pub(super) fn uncounted(pages: &Pages, visitor: &Visitor, fault: FiguresError) -> Response {
    match fault {
        FiguresError::Store(fault) => unreadable(pages, visitor, fault),
        FiguresError::NotFilled => no_records(pages, visitor, "uncounted"),
        FiguresError::OtherZone { .. } => no_records(pages, visitor, "other-zone"),
    }
}

struct Shown<'a> {
    pages: &'a Pages,
    language: Language,
    month: Month,
    period: &'a Period,
    read: &'a Read,
}

impl Shown<'_> {
    fn files(&self) -> Vec<FileLink> {
        let query = format!("month={}", self.month);
        let mut files = FileKind::links("/ministry", &query);
        files.push(FileLink { text: "PDF", address: format!("/ministry.pdf?{query}") });
        files
    }

    fn page(&self, frame: Frame, is_wrong: bool) -> MinistryPage {
        let (language, site, now) = (self.language, &self.pages.site, &self.read.now);
        let name = |month: Month| self.name(month);
        let is_running = self.period.span.end > site.now();
        let later = self.month.after();
        let counted = Moment::of(site.now(), site.zone()).full(language);
        let calls = number(now.incoming + now.exercises, language);
        let days_title = self.days_title();
        MinistryPage {
            month: self.month.to_string(),
            month_name: name(self.month),
            earlier: self.month.before().to_string(),
            later: (!is_running).then(|| later.to_string()),
            is_wrong,
            is_running,
            answer: self.answer(),
            before_name: name(self.month.before()),
            has_calls: now.incoming > 0,
            rows: self.rows(),
            times: self.times(),
            agencies: self.parts(&now.agencies, &self.read.before.agencies, "no-agency"),
            categories: self.parts(&now.categories, &self.read.before.categories, "no-category"),
            days: self.days(&days_title),
            days_title,
            day_rows: self.day_rows(),
            method: self.method(),
            files: self.files(),
            data_until: language.with("data-until", &[("time", &counted), ("calls", &calls)]),
            frame,
        }
    }

    fn name(&self, month: Month) -> String {
        let zone = self.pages.site.zone();
        month
            .period(zone, self.pages.site.now())
            .map_or(String::new(), |period| Moment::of(period.span.start, zone).month(self.language))
    }

    fn answer(&self) -> String {
        let (language, now) = (self.language, &self.read.now);
        let month = self.name(self.month);
        if now.incoming == 0 {
            return language.with("ministry-none", &[("month", &month)]);
        }
        let share = |part: u64, whole: u64| percent(Share { part, whole }.per_mille(), language);
        let emergencies = now.class("normal");
        language.with(
            "ministry-answer",
            &[
                ("month", &month),
                ("calls", &number(now.incoming, language)),
                ("answered", &share(now.answered, now.incoming)),
                ("emergencies", &number(emergencies, language)),
                ("useless", &share(now.class("prank") + now.class("ghost"), now.incoming)),
            ],
        )
    }

    fn row(&self, name: String, is_part: bool, (now, before): (u64, u64), whole: u64) -> Row {
        let language = self.language;
        let is_running = self.period.span.end > self.pages.site.now();
        Row {
            name,
            is_part,
            now: number(now, language),
            share: tenths(Share { part: now, whole }.per_mille(), language),
            before: number(before, language),
            change: change(before, now, language).filter(|_| !is_running).unwrap_or_default(),
        }
    }

    /// The rows that cities publish. The share is that of all incoming calls.
    fn rows(&self) -> Vec<Row> {
        let (language, now, before) = (self.language, &self.read.now, &self.read.before);
        let of = |key: &str, is_part: bool, value: fn(&MinistryFigures) -> u64| {
            self.row(language.text(key), is_part, (value(now), value(before)), now.incoming)
        };
        vec![
            of("incoming", false, |of| of.incoming),
            of("lost-before", false, |of| of.abandoned),
            of("lost-short", true, |of| of.short),
            of("failed", false, |of| of.failed),
            of("reached", false, |of| of.answered),
            of("class-normal", true, |of| of.class("normal")),
            of("class-information", true, |of| of.class("information")),
            of("class-prank", true, |of| of.class("prank")),
            of("class-ghost", true, |of| of.class("ghost")),
            of("unclassed", true, |of| of.unclassed),
            of("called-back", false, |of| of.called_back),
            of("exercises", false, |of| of.exercises),
        ]
    }

    fn times(&self) -> Vec<(String, String, String)> {
        let (language, now, before) = (self.language, &self.read.now, &self.read.before);
        let seconds = (self.pages.limits.service_level_ms / 1_000).to_string();
        let level = |of: &MinistryFigures| percent(of.level.per_mille(), language);
        let longest = |of: &MinistryFigures| duration_or_dash(Some(of.longest_ms).filter(|_| of.incoming > 0));
        let name = |key: &str| language.with(key, &[("seconds", &seconds)]);
        vec![
            (name("answered-within"), level(now), level(before)),
            (name("mean-wait"), duration_or_dash(now.mean_wait_ms()), duration_or_dash(before.mean_wait_ms())),
            (name("longest-wait"), longest(now), longest(before)),
            (name("mean-talk"), duration_or_dash(now.mean_handling_ms()), duration_or_dash(before.mean_handling_ms())),
        ]
    }

    /// Emergencies by agency or category, the most frequent first.
    fn parts(&self, now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>, none: &str) -> Vec<Row> {
        let all: u64 = now.values().sum();
        let of = |map: &BTreeMap<String, u64>, name: &str| map.get(name).copied().unwrap_or(0);
        let mut names: Vec<&String> = now.keys().chain(before.keys().filter(|name| !now.contains_key(*name))).collect();
        names.sort_by_key(|name| (std::cmp::Reverse(of(now, name)), name.as_str()));
        let row = |name: &String| {
            let shown = if name.is_empty() { self.language.text(none) } else { name.clone() };
            self.row(shown, false, (of(now, name), of(before, name)), all)
        };
        names.into_iter().map(row).collect()
    }

    fn days_title(&self) -> String {
        let busiest = self.read.days.iter().max_by_key(|(_, (answered, others))| answered + others);
        let Some((day, (answered, others))) = busiest else { return String::new() };
        let calls = number(answered + others, self.language);
        self.language.with("ministry-days-title", &[("day", &day.day().to_string()), ("calls", &calls)])
    }

    fn each_day(&self) -> Vec<(Date, (u64, u64))> {
        let (first, last) = self.month.days();
        let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
        days.map(|day| (day, self.read.days.get(&day).copied().unwrap_or_default())).collect()
    }

    fn days(&self, title: &str) -> String {
        let days = self.each_day();
        let label = |(day, _): &(Date, _)| {
            if day.day() % 5 == 0 || day.day() == 1 { day.day().to_string() } else { String::new() }
        };
        let labels: Vec<String> = days.iter().map(label).collect();
        let values: Vec<(u64, u64)> = days.iter().map(|(_, values)| *values).collect();
        let hints: Vec<String> = self
            .day_rows()
            .into_iter()
            .map(|[day, answered, others, _]| format!("{day}: {answered} + {others}"))
            .collect();
        let number = match self.language {
            Language::Indonesian => |value| number(value, Language::Indonesian),
            Language::English => |value| number(value, Language::English),
        };
        bars(&Bars { title, labels: &labels, values: &values, hints: &hints, number })
    }

    fn day_rows(&self) -> Vec<[String; 4]> {
        let row = |(day, (answered, others)): (Date, (u64, u64))| {
            let [answered, others, all] =
                [answered, others, answered + others].map(|count| number(count, self.language));
            [day.day().to_string(), answered, others, all]
        };
        self.each_day().into_iter().map(row).collect()
    }

    fn method(&self) -> Vec<String> {
        let (language, limits) = (self.language, self.pages.limits);
        let short = duration(limits.short_abandon_ms);
        vec![
            language.with("ministry-method-abandoned", &[("short", &short)]),
            language.text("ministry-method-classes"),
            language.text("ministry-method-shares"),
        ]
    }
}
