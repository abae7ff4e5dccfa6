//! The overview of a period: the answer, figures, charts, tables, and how they are calculated.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::config::Levels;
use crate::reports::figures::FiguresError;
use crate::reports::kpi::{Figures, Share};
use crate::store::Store;
use crate::store::call_search::CallValues;
use crate::web::chart::{Bars, bars};
use crate::web::format::{Moment, change, duration, duration_or_dash, number, percent, tenths};
use crate::web::frame::{Frame, encoded, page};
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::calls::query::NONE;
use super::choice::{Choice, NAMED};
use super::filter::{FilterChoice, List};
use super::heat_map::{Rhythm, day_name};
use super::links::{self, Links};
use super::ministry::uncounted;
use super::source;
use super::unreadable::no_records;

/// One large figure.
struct Figure {
    name: String,
    value: String,
    /// The address of the calls of the value.
    calls: Option<String>,
    /// Texts, and the addresses of their calls.
    beside: Vec<(String, Option<String>)>,
    is_missed: bool,
}

/// One row of a table.
struct Row {
    name: String,
    now: String,
    calls: Option<String>,
    share: String,
    before: String,
}

struct DeskRow {
    name: String,
    calls: String,
    address: Option<String>,
    share: String,
    target: String,
    met: Option<bool>,
}

/// The sentence at the top: a part before the verdict, the verdict in red, and the rest.
#[derive(Default)]
struct Answer {
    start: String,
    missed: String,
    rest: String,
    /// The address of the calls that the rest is about.
    calls: Option<String>,
}

/// A button of the period.
struct Button {
    name: &'static str,
    text: String,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    buttons: Vec<Button>,
    first: String,
    last: String,
    /// The end of the addresses of other periods.
    filter: String,
    lists: Vec<List>,
    is_filtered: bool,
    conditions: Vec<String>,
    is_wrong: bool,
    period: String,
    compared: String,
    answer: Answer,
    has_calls: bool,
    figures: Vec<Figure>,
    hours_title: String,
    hours: String,
    hour_rows: Vec<[String; 4]>,
    heat_title: String,
    heat_help: String,
    heat: String,
    heat_columns: Vec<String>,
    heat_rows: Vec<(String, Vec<String>)>,
    rows: Vec<Row>,
    desks: Vec<DeskRow>,
    before: String,
    method: Vec<String>,
    data_until: String,
}

/// The overview.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let site = &pages.site;
    let now = site.now();
    let chosen = Choice::of(&fields, site.zone(), now);
    let is_wrong = chosen.is_none();
    let Some(choice) = chosen.or_else(|| Choice::of(&Fields::default(), site.zone(), now)) else {
        return no_records(&pages, &visitor, "records");
    };
    let filter = FilterChoice::of(&fields);
    let read = match pages.records.open().await {
        Ok(store) => {
            let read = read(&pages, &store, &choice, &filter).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => Err(fault.into()),
    };
    match read {
        Ok((read, values)) => {
            let links = Links::of(&visitor, &choice).with(&filter.query());
            let language = visitor.language;
            let shown = Shown {
                pages: &pages,
                choice: &choice,
                language,
                read: &read,
                links,
                filter: &filter,
                values: &values,
            };
            let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            page(status, &shown.page(Frame::of(site, &visitor, visitor.language.text("overview-title")), is_wrong))
        }
        Err(fault) => uncounted(&pages, &visitor, fault),
    }
}

async fn read(
    pages: &Pages,
    store: &Store,
    choice: &Choice,
    filter: &FilterChoice,
) -> Result<(source::Overview, Vec<CallValues>), FiguresError> {
    let (limits, levels) = (pages.limits, &pages.levels);
    let read = match filter.is_empty() {
        true => source::figures(store, choice, limits, levels).await?,
        false => source::filtered(store, choice, limits, levels, &filter.filter()).await?,
    };
    Ok((read, store.call_values().await?))
}

/// What a page is made of.
struct Shown<'a> {
    pages: &'a Pages,
    choice: &'a Choice,
    language: Language,
    read: &'a source::Overview,
    links: Links,
    filter: &'a FilterChoice,
    values: &'a [CallValues],
}

impl Shown<'_> {
    fn page(&self, frame: Frame, is_wrong: bool) -> OverviewPage {
        let (language, figures) = (self.language, &self.read.figures);
        let zone = self.pages.site.zone();
        let rhythm = &self.read.rhythm;
        let target = self.pages.levels.usual.percent;
        let seconds = (figures.service_level_ms / 1_000).to_string();
        let heat_title = self.heat_title(rhythm, target, &seconds);
        let hours_title = rhythm.busiest().map_or(String::new(), |(hour, calls)| {
            language.with("hours-title", &[("hour", &format!("{hour:02}")), ("calls", &number(calls, language))])
        });
        let button = |name: &'static str| Button {
            name,
            text: language.text(&format!("period-{name}")),
            is_current: name == self.choice.name,
        };
        let now = Moment::of(self.pages.site.now(), zone).full(language);
        let calls = number(figures.calls + figures.exercises, language);
        OverviewPage {
            buttons: NAMED.map(button).into(),
            first: self.choice.days.0.to_string(),
            last: self.choice.days.1.to_string(),
            filter: self.filter.query(),
            lists: self.filter.lists(self.values, language),
            is_filtered: !self.filter.is_empty(),
            conditions: self.filter.words(language),
            is_wrong,
            period: self.choice.text(language),
            compared: language.with(
                if self.filter.is_empty() { "compared" } else { "compared-filtered" },
                &[("period", &self.choice.text_before(language))],
            ),
            answer: self.answer(rhythm, target, &seconds),
            has_calls: figures.calls > 0,
            figures: self.figures(&seconds, target),
            hours: self.hours(rhythm, &hours_title),
            hour_rows: hour_rows(rhythm, language),
            heat: rhythm.heat_map(&heat_title, target, language),
            heat_columns: (0..12).map(|column| format!("{:02}", column * 2)).collect(),
            heat_rows: rhythm.table(language),
            heat_help: language.with("heat-help", &[("seconds", &seconds)]),
            hours_title,
            heat_title,
            rows: self.rows(),
            desks: self.desks(),
            before: self.choice.text_before(language),
            method: self.method(&seconds),
            data_until: language.with("data-until", &[("time", &now), ("calls", &calls)]),
            frame,
        }
    }

    fn answer(&self, rhythm: &Rhythm, target: u8, seconds: &str) -> Answer {
        let (language, figures) = (self.language, &self.read.figures);
        let calls = number(figures.calls, language);
        if figures.calls == 0 {
            let start = language.with("answer-none", &[("period", &self.choice.text(language))]);
            return Answer { start, ..Answer::default() };
        }
        if figures.sl3.whole == 0 {
            return Answer { start: language.with("answer-uncounted", &[("calls", &calls)]), ..Answer::default() };
        }
        let (target_text, share) = (target.to_string(), percent(figures.sl3.per_mille(), language));
        let values = [("target", target_text.as_str()), ("seconds", seconds), ("share", share.as_str())];
        let rest = match rhythm.long {
            0 => language.text("answer-none-long"),
            long => language.with("answer-long", &[("long", &number(long, language)), ("calls", &calls)]),
        };
        let calls = if rhythm.long > 0 { self.links.to("wait-min=60.001") } else { None };
        if is_met(figures.sl3, target) {
            Answer { start: language.with("answer-met", &values), missed: String::new(), rest, calls }
        } else {
            let [start, missed] = ["answer-missed-a", "answer-missed-b"].map(|key| language.with(key, &values));
            Answer { start, missed, rest, calls }
        }
    }

    fn heat_title(&self, rhythm: &Rhythm, target: u8, seconds: &str) -> String {
        let language = self.language;
        match rhythm.lowest(target) {
            Some((day, hour, share)) => language.with(
                "heat-title-missed",
                &[
                    ("day", &day_name(day, language)),
                    ("hour", &format!("{hour:02}–{:02}", hour + 2)),
                    ("share", &percent(share.per_mille(), language)),
                    ("seconds", seconds),
                ],
            ),
            None if rhythm.has_enough() => language.text("heat-title-met"),
            None => language.text("heat-title-none"),
        }
    }

    /// A figure of the period before, and the change if the period is over.
    fn beside(&self, now: u64, before: u64) -> String {
        let language = self.language;
        let before_text = language
            .with("before", &[("period", &self.choice.text_before(language)), ("value", &number(before, language))]);
        let is_running = self.choice.is_running(self.pages.site.now());
        match change(before, now, language).filter(|_| !is_running) {
            Some(change) => format!("{before_text} · {change}"),
            None => before_text,
        }
    }

    fn figures(&self, seconds: &str, target: u8) -> Vec<Figure> {
        let (language, now, before) = (self.language, &self.read.figures, &self.read.before);
        let of = |key: &str, value: String, calls: &str, beside: (String, Option<String>)| Figure {
            name: language.with(key, &[("seconds", seconds)]),
            value,
            calls: self.links.to(calls),
            beside: vec![beside],
            is_missed: false,
        };
        let earlier =
            |value: &str| language.with("before", &[("period", &self.choice.text_before(language)), ("value", value)]);
        let (answered, abandoned) = (outcome(now, "answered"), outcome(now, "abandoned"));
        let short = (now.short_abandon_ms / 1_000).to_string();
        let short =
            language.with("short-of", &[("count", &number(now.short_abandons, language)), ("seconds", short.as_str())]);
        let short_calls =
            format!("outcome=abandoned&wait-max={}", links::seconds(now.short_abandon_ms.saturating_sub(1)));
        let reached = Share { part: answered, whole: now.calls };
        let longest_ms = now.answered_longest_ms.max(now.unanswered_longest_ms);
        let longest = language.with("longest", &[("time", &duration(longest_ms))]);
        // With a filter, the longest wait is rounded up to 0.1 s.
        let least_ms = longest_ms.saturating_sub(if self.filter.is_empty() { 0 } else { 99 });
        let longest_calls = self.links.to(&format!("wait-min={}", links::seconds(least_ms)));
        let within = format!("outcome=answered&wait-max={}", links::seconds(now.service_level_ms));
        let is_missed = now.sl3.whole > 0 && !is_met(now.sl3, target);
        let level = (earlier(&percent(before.sl3.per_mille(), language)), None);
        let handled = (language.text("mean-talk-beside"), None);
        let share = (percent(reached.per_mille(), language), None);
        vec![
            of("calls", number(now.calls, language), "", (self.beside(now.calls, before.calls), None)),
            of("answered", number(answered, language), "outcome=answered", share),
            of("abandoned", number(abandoned, language), "outcome=abandoned", (short, self.links.to(&short_calls))),
            Figure { is_missed, ..of("answered-within", percent(now.sl3.per_mille(), language), &within, level) },
            of("mean-wait", duration_or_dash(now.asa.millis()), "outcome=answered", (longest, longest_calls)),
            of("mean-talk", duration_or_dash(now.aht.millis()), "outcome=answered", handled),
        ]
    }

    fn hours(&self, rhythm: &Rhythm, title: &str) -> String {
        let label = |hour: usize| if hour.is_multiple_of(3) { format!("{hour:02}") } else { String::new() };
        let labels: Vec<String> = (0..24).map(label).collect();
        let hints: Vec<String> = hour_rows(rhythm, self.language)
            .into_iter()
            .map(|[hour, answered, others, _]| format!("{hour}: {answered} + {others}"))
            .collect();
        let number = match self.language {
            Language::Indonesian => |value| number(value, Language::Indonesian),
            Language::English => |value| number(value, Language::English),
        };
        bars(&Bars { title, labels: &labels, values: &rhythm.hours, hints: &hints, number })
    }

    /// What cities and the ministry ask.
    fn rows(&self) -> Vec<Row> {
        let (language, now, before) = (self.language, &self.read.figures, &self.read.before);
        let row = |name: String, calls: &str, now_count: u64, before_count: u64| Row {
            name,
            now: number(now_count, language),
            calls: self.links.to(calls).filter(|_| now_count > 0),
            share: tenths(Share { part: now_count, whole: now.calls }.per_mille(), language),
            before: number(before_count, language),
        };
        let failed = |figures: &Figures| outcome(figures, "failed") + outcome(figures, "interrupted");
        let of = |key: &str, word: &str| {
            row(language.text(key), &format!("outcome={word}"), outcome(now, word), outcome(before, word))
        };
        let mut rows = vec![
            row(language.text("incoming"), "", now.calls, before.calls),
            of("lost-before", "abandoned"),
            row(language.text("failed"), "outcome=failed,interrupted", failed(now), failed(before)),
            of("reached", "answered"),
        ];
        for word in ["normal", "information", "prank", "ghost"] {
            let name = format!("· {}", language.text(&format!("class-{word}")));
            rows.push(row(name, &format!("class={word}"), class(now, word), class(before, word)));
        }
        let name = format!("· {}", language.text("unclassed"));
        rows.push(row(name, &format!("outcome=answered&class={NONE}"), now.unclassed, before.unclassed));
        rows
    }

    fn desks(&self) -> Vec<DeskRow> {
        let language = self.language;
        let row = |desk: &crate::reports::kpi::DeskFigures| DeskRow {
            name: if desk.desk == Levels::shown("") { language.text("desk-queue") } else { desk.desk.clone() },
            calls: number(desk.calls, language),
            address: self
                .links
                .to(&match desk.desk == Levels::shown("") {
                    true => format!("desk={NONE}"),
                    false => format!("desk={}", encoded(&desk.desk)),
                })
                .filter(|_| desk.calls > 0),
            share: percent(desk.service_level.per_mille(), language),
            target: format!("{}\u{a0}% ≤ {}", desk.target_percent, duration(desk.service_level_ms)),
            met: desk.met,
        };
        self.read.figures.desks.iter().map(row).collect()
    }

    fn method(&self, seconds: &str) -> Vec<String> {
        let (language, figures) = (self.language, &self.read.figures);
        let short = (figures.short_abandon_ms / 1_000).to_string();
        let (part, whole) = (number(figures.sl3.part, language), number(figures.sl3.whole, language));
        let level =
            [("seconds", seconds), ("short", short.as_str()), ("part", part.as_str()), ("whole", whole.as_str())];
        vec![
            language.with("method-level", &level),
            language.text("method-wait"),
            language.with("method-drills", &[("count", &number(figures.exercises, language))]),
        ]
    }
}

/// The comparison is exact: 89.99 % do not meet 90 %.
fn is_met(share: Share, target: u8) -> bool {
    u128::from(share.part) * 100 >= u128::from(share.whole) * u128::from(target)
}

fn hour_rows(rhythm: &Rhythm, language: Language) -> Vec<[String; 4]> {
    let row = |(hour, (answered, others)): (usize, &(u64, u64))| {
        let numbers = [*answered, *others, answered + others].map(|count| number(count, language));
        let [answered, others, all] = numbers;
        [format!("{hour:02}"), answered, others, all]
    };
    rhythm.hours.iter().enumerate().map(row).collect()
}

fn outcome(figures: &Figures, word: &str) -> u64 {
    figures.outcomes.iter().find(|count| count.word == word).map_or(0, |count| count.calls)
}

fn class(figures: &Figures, word: &str) -> u64 {
    figures.classes.iter().find(|count| count.word == word).map_or(0, |count| count.calls)
}
