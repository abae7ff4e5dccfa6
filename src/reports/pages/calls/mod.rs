//! The list of calls: search, pages, columns, and the same as a file.

pub(super) mod columns;
mod export;
pub(super) mod query;
pub(super) mod scope;
mod typed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tracing::warn;

use crate::store::call_search::{CallKey, CallValues, From};
use crate::store::report_queries::StoredCall;
use crate::store::{Store, StoreError};
use crate::web::format::{Moment, number};
use crate::web::frame::{Frame, page};
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::approvals::{self, Approval};
use super::choice::NAMED;
use super::files::{FileKind, FileLink};
use super::unreadable::{no_records, unreadable};

use columns::{Column, Writer, desk_text, trunk_text};
use query::{NONE, Query, key_text};
use scope::Scope;

pub(super) use export::export;

/// Calls of one page.
const PAGE_CALLS: i64 = 50;
/// Calls are counted no further.
const COUNT_MAX: i64 = 100_000;

/// One choice of a list in the form.
struct Choosable {
    value: String,
    text: String,
    is_chosen: bool,
}

/// A field of the form with a list of values.
struct List {
    name: &'static str,
    label: String,
    choices: Vec<Choosable>,
}

/// A field of the form with a text.
struct Input {
    name: &'static str,
    label: String,
    value: String,
    is_wrong: bool,
}

struct Head {
    text: String,
    is_number: bool,
}

struct Line {
    path: String,
    time: String,
    cells: Vec<(String, bool)>,
}

struct Tick {
    field: String,
    text: String,
    is_ticked: bool,
}

#[derive(Template)]
#[template(path = "calls.html")]
struct CallsPage {
    frame: Frame,
    title: String,
    period: String,
    /// The conditions in words.
    conditions: Vec<String>,
    is_own: bool,
    buttons: Vec<(String, String, bool)>,
    first: String,
    last: String,
    times: [Input; 2],
    lists: Vec<List>,
    more_lists: Vec<List>,
    inputs: Vec<Input>,
    is_refined: bool,
    is_wrong: bool,
    boxes: Vec<Tick>,
    heads: Vec<Head>,
    lines: Vec<Line>,
    /// If the page has not all of the calls.
    shown: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    files: Vec<FileLink>,
    /// How the file gets whole numbers: a text, and the query to ask for.
    export: Option<(String, Option<String>)>,
    short_reason: bool,
}

/// What was read.
struct Found {
    calls: Vec<StoredCall>,
    /// True if there are more calls in the direction of the page.
    has_more: bool,
    count: u64,
    values: Vec<CallValues>,
    names: BTreeMap<String, String>,
}

/// The list. To read it is an entry of the access log.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let site = &pages.site;
    let Some(mut query) = Query::of(&fields, site.zone(), site.now()) else {
        return Ok(no_records(&pages, &visitor, "records"));
    };
    let scope = Scope::of(&pages, &visitor);
    if let Scope::Own { operator, span } = &scope {
        query.restrict(operator, span.clone());
    }
    site.log(visitor.name(), &visitor.address, "calls-read", &query.for_log()).await?;
    let columns = Column::chosen(&fields);
    let read = match pages.records.open().await {
        Ok(store) => {
            let read = find(&store, &query).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => Err(fault),
    };
    Ok(match read {
        Ok(found) => {
            let status = if query.faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            let language = visitor.language;
            let frame = Frame::of(site, &visitor, language.text("calls-title"));
            let export = match scope {
                Scope::All if found.count > export::WHOLE_NUMBERS_MAX.unsigned_abs() => {
                    Some(approvals::of(&pages, &visitor, &approvals::hash(&query, &columns)).await?)
                }
                Scope::All | Scope::Own { .. } => None,
            };
            let short_reason = fields.get("reason") == "short";
            let shown = Shown {
                pages: &pages,
                query: &query,
                scope: &scope,
                language,
                columns,
                found: &found,
                export,
                short_reason,
            };
            page(status, &shown.page(frame))
        }
        Err(fault) => unreadable(&pages, &visitor, fault),
    })
}

async fn find(store: &Store, query: &Query) -> Result<Found, StoreError> {
    let mut calls = store.search_calls(&query.filter, &query.from, PAGE_CALLS + 1).await?;
    let has_more = i64::try_from(calls.len()).is_ok_and(|count| count > PAGE_CALLS);
    // The call beside the page only shows that there are more.
    match query.from {
        From::NewerThan(_) => drop(calls.drain(..usize::from(has_more))),
        From::Newest | From::OlderThan(_) => calls.truncate(calls.len() - usize::from(has_more)),
    }
    let count = store.count_calls(&query.filter, COUNT_MAX + 1).await?;
    Ok(Found { calls, has_more, count, values: store.call_values().await?, names: store.operator_names().await? })
}

/// What the page is made of.
struct Shown<'a> {
    pages: &'a Pages,
    query: &'a Query,
    scope: &'a Scope,
    language: Language,
    columns: Vec<Column>,
    found: &'a Found,
    /// None: the file has whole numbers anyway.
    export: Option<Approval>,
    short_reason: bool,
}

impl Shown<'_> {
    fn page(&self, frame: Frame) -> CallsPage {
        let (query, language, found) = (self.query, self.language, self.found);
        let most = u64::try_from(COUNT_MAX).unwrap_or(0);
        let (key, count) = if found.count > most { ("calls-count-more", most) } else { ("calls-count", found.count) };
        let columns: Vec<(String, &str)> = self.columns.iter().map(|column| (column.field(), "1")).collect();
        let columns: Vec<(&str, &str)> = columns.iter().map(|(field, value)| (field.as_str(), *value)).collect();
        let lines = self.lines();
        let (newer, older) = self.neighbours(&columns);
        let shown = u64::try_from(lines.len()).unwrap_or(0);
        let [first_lists, more_lists] = self.lists();
        let inputs = self.inputs();
        let is_refined =
            more_lists.iter().any(|list| list.choices.iter().any(|of| of.is_chosen && !of.value.is_empty()))
                || inputs.iter().skip(1).any(|input| !input.value.is_empty() || input.is_wrong);
        let heads = self.columns.iter().map(|column| Head {
            text: language.text(&format!("column-{}", column.word())),
            is_number: column.is_number(),
        });
        CallsPage {
            title: language.with(key, &[("count", &number(count, language))]),
            period: self.period(),
            conditions: self.conditions(),
            is_own: *self.scope != Scope::All,
            buttons: self.buttons(&columns),
            first: query.choice.days.0.to_string(),
            last: query.choice.days.1.to_string(),
            times: ["from-time", "to-time"].map(|name| self.input(name)),
            lists: first_lists,
            more_lists,
            inputs,
            is_refined,
            is_wrong: !query.faults.is_empty(),
            boxes: self.boxes(),
            heads: heads.collect(),
            shown: (count > shown).then(|| language.with("calls-shown", &[("count", &number(shown, language))])),
            lines,
            newer,
            older,
            files: FileKind::links("/calls", &query.address(&columns)),
            export: self.export(&columns),
            short_reason: self.short_reason,
            frame,
        }
    }

    fn export(&self, columns: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        let language = self.language;
        let query = || Some(self.query.address(columns));
        Some(match self.export.as_ref()? {
            Approval::Missing => (language.text("export-short"), query()),
            Approval::Waiting => (language.text("export-waiting"), None),
            Approval::Allowed(by) => (language.with("export-allowed", &[("user", by)]), None),
            Approval::Rejected(by) => (language.with("export-rejected", &[("user", by)]), query()),
        })
    }

    /// A record that cannot be read has a line too.
    fn lines(&self) -> Vec<Line> {
        let zone = self.pages.site.zone();
        let writer = Writer { language: self.language, zone, names: &self.found.names, shortens: false };
        let has_date = self.query.choice.days.0 != self.query.choice.days.1 || *self.scope != Scope::All;
        let line = |call: &StoredCall| {
            let cells = match call.cdr() {
                Ok(cdr) => self.columns.iter().map(|of| (writer.cell(&cdr, *of), of.is_number())).collect(),
                Err(fault) => {
                    warn!(call = call.call, %fault, "a record cannot be read");
                    let words = std::iter::once(self.language.text("call-unreadable"));
                    words
                        .chain(std::iter::repeat(String::new()))
                        .take(self.columns.len())
                        .map(|cell| (cell, false))
                        .collect()
                }
            };
            Line { path: format!("/calls/{}", call.call), time: writer.time(call.received, has_date), cells }
        };
        self.found.calls.iter().map(line).collect()
    }

    /// The queries of the newer and the older page.
    fn neighbours(&self, columns: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let (query, found) = (self.query, self.found);
        let (has_newer, has_older) = match query.from {
            From::Newest => (false, found.has_more),
            From::OlderThan(_) => (true, found.has_more),
            From::NewerThan(_) => (found.has_more, true),
        };
        let place = |call: &StoredCall| key_text(&CallKey { received: call.received, call: call.call.clone() });
        let link = |name: &str, call: Option<&StoredCall>| {
            let place = place(call?);
            let more: Vec<(&str, &str)> = columns.iter().copied().chain([(name, place.as_str())]).collect();
            Some(query.address(&more))
        };
        let newer = if has_newer { link("before", found.calls.first()) } else { None };
        let older = if has_older { link("after", found.calls.last()) } else { None };
        // Beyond the end: back to the newest calls.
        let lost = found.calls.is_empty() && query.from != From::Newest;
        (if lost { Some(query.address(columns)) } else { newer }, older)
    }

    fn period(&self) -> String {
        let (query, language) = (self.query, self.language);
        let zone = self.pages.site.zone();
        let span = &query.filter.received;
        let at = |at| {
            let moment = Moment::of(at, zone);
            moment.full(language)
        };
        match self.scope {
            Scope::Own { .. } if span.is_empty() => language.text("calls-no-shift"),
            Scope::Own { .. } => {
                let values = [("from", at(span.start)), ("to", at(span.end))];
                language.with("calls-own", &values.each_ref().map(|(name, value)| (*name, value.as_str())))
            }
            Scope::All if *span == query.choice.period.span => query.choice.text(language),
            Scope::All => format!("{} – {}", at(span.start), at(span.end)),
        }
    }

    /// The conditions beside the period, in words.
    fn conditions(&self) -> Vec<String> {
        let language = self.language;
        let mut words = Vec::new();
        for list in self.lists().iter().flatten() {
            let chosen = list.choices.iter().find(|of| of.is_chosen && !of.value.is_empty());
            words.extend(chosen.map(|chosen| format!("{}: {}", list.label, chosen.text)));
        }
        for input in self.inputs().iter().filter(|input| !input.value.is_empty() && !input.is_wrong) {
            words.push(format!("{}: {}", input.label, input.value));
        }
        if self.query.given("exercises").is_empty() {
            words.push(language.text("exercises-without"));
        }
        words
    }

    fn buttons(&self, columns: &[(&str, &str)]) -> Vec<(String, String, bool)> {
        let query = self.query;
        let of = |name: &'static str| {
            let kept = query.address(columns);
            let kept = kept.split('&').filter(|pair| {
                let name = pair.split('=').next().unwrap_or_default();
                !name.is_empty() && !["period", "from", "to", "from-time", "to-time"].contains(&name)
            });
            let period = format!("period={name}");
            let pairs: Vec<&str> = std::iter::once(period.as_str()).chain(kept).collect();
            (pairs.join("&"), self.language.text(&format!("period-{name}")), query.choice.name == name)
        };
        NAMED.into_iter().map(of).collect()
    }

    fn input(&self, name: &'static str) -> Input {
        Input {
            name,
            label: self.language.text(&format!("calls-{name}")),
            value: self.query.given(name).to_owned(),
            is_wrong: self.query.faults.contains(&name),
        }
    }

    /// The number first.
    fn inputs(&self) -> Vec<Input> {
        let names = ["number", "wait-min", "wait-max", "talk-min", "talk-max", "note"];
        names.into_iter().map(|name| self.input(name)).collect()
    }

    /// The lists that are always shown, and the others.
    fn lists(&self) -> [Vec<List>; 2] {
        let (language, values) = (self.language, &self.found.values);
        let word = |prefix: &'static str| move |value: &str| language.text(&format!("{prefix}-{value}"));
        let of_calls = |read: fn(&CallValues) -> &String| values.iter().map(read).cloned().collect::<BTreeSet<_>>();
        let outcomes = ["answered", "abandoned", "failed,interrupted"].map(str::to_owned).into();
        let outcome = |value: &str| match value {
            "failed,interrupted" => language.text("failed"),
            value => language.text(&format!("outcome-{value}")),
        };
        let class = |value: &str| match value {
            "" => language.text("unclassed"),
            value => language.text(&format!("class-{value}")),
        };
        let name = |value: &str| match self.found.names.get(value) {
            Some(name) if name != value => format!("{name} ({value})"),
            Some(_) | None => value.to_owned(),
        };
        let or_none = |value: &str| if value.is_empty() { language.text("value-none") } else { value.to_owned() };
        let exercises = ["with", "only"].map(str::to_owned).into();
        let operators = self.found.names.keys().cloned().collect();
        let first = vec![
            self.list("operator", operators, name),
            self.list("outcome", outcomes, outcome),
            self.list("class", of_calls(|of| &of.class), class),
        ];
        let more = vec![
            self.list("category", of_calls(|of| &of.category), or_none),
            self.list("agency", of_calls(|of| &of.agency), or_none),
            self.list("desk", of_calls(|of| &of.desk), |desk| desk_text(desk, language)),
            self.list("trunk", of_calls(|of| &of.trunk), |trunk| trunk_text(trunk, language)),
            self.list("mode", of_calls(|of| &of.mode), word("mode")),
            self.list("exercises", exercises, word("exercises")),
        ];
        let is_own = *self.scope != Scope::All;
        [first.into_iter().filter(|list| !is_own || list.name != "operator").collect(), more]
    }

    fn list(&self, name: &'static str, values: BTreeSet<String>, text: impl Fn(&str) -> String) -> List {
        let given = self.query.given(name);
        let mut values: Vec<String> =
            values.into_iter().map(|value| if value.is_empty() { NONE.to_owned() } else { value }).collect();
        if !given.is_empty() && !values.iter().any(|value| value == given) {
            values.push(given.to_owned());
        }
        let any = if name == "exercises" { "exercises-without" } else { "value-any" };
        let any = Choosable { value: String::new(), text: self.language.text(any), is_chosen: given.is_empty() };
        let known = |value: String| {
            let text = text(if value == NONE { "" } else { &value });
            Choosable { is_chosen: value == given, text, value }
        };
        let choices = std::iter::once(any).chain(values.into_iter().map(known)).collect();
        List { name, label: self.language.text(&format!("calls-{name}")), choices }
    }

    fn boxes(&self) -> Vec<Tick> {
        let of = |column: Column| Tick {
            field: column.field(),
            text: self.language.text(&format!("column-{}", column.word())),
            is_ticked: self.columns.contains(&column),
        };
        Column::ALL.into_iter().map(of).collect()
    }
}
