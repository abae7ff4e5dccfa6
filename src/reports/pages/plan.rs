//! How many operators and people the city needs: from its records or an assumed load, printable as an annex to a decree.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::reports::cells::Kind;
use crate::reports::period::Period;
use crate::reports::planning::inputs::{InputFault, Inputs, NAMES, PatienceInput, USUAL};
use crate::reports::planning::shown::PlanText;
use crate::reports::planning::{HOURS, hours_cells, hours_csv, recorded};
use crate::reports::staffing::{Given, Plan, PlanError, plan as computed};
use crate::web::chart::{Cell, Heat, heat};
use crate::web::format::{Moment, number, weekday_of};
use crate::web::frame::{Frame, encoded, page};
use crate::web::site::Fault;
use crate::web::texts::Language;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::files::{self, FileColumn, FileKind, FileLink};
use super::unreadable::{no_records, unreadable};

/// Plans that are computed at once.
const AT_ONCE: usize = 1;
/// Weeks that a page simulates without a wish. The command simulates more.
const USUAL_WEEKS: &str = "8";

/// Bounds the plans that are computed at once.
#[derive(Debug)]
pub struct Plans(Arc<Semaphore>);

impl Default for Plans {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A field of the form.
struct Input {
    name: &'static str,
    label: String,
    value: String,
    is_wrong: bool,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    frame: Frame,
    first: String,
    last: String,
    /// The load that is assumed.
    assumed: Vec<Input>,
    inputs: Vec<Input>,
    faults: Vec<String>,
    /// None: the load of the records cannot be planned.
    text: Option<PlanText>,
    heat: String,
    files: Vec<FileLink>,
    period: String,
}

/// What became of the request for a plan.
enum Outcome {
    Planned(Box<Plan>),
    Faults(Vec<InputFault>),
    /// No call was answered.
    NoCalls,
    TooMuch,
}

/// The page.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let asked = match asked(&pages, &visitor, &fields).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let shown = Shown { pages: &pages, language: visitor.language, fields: &fields, period: &asked.0 };
    let frame = Frame::of(&pages.site, &visitor, visitor.language.text("plan-title"));
    let status = match asked.1 {
        Outcome::Planned(_) | Outcome::NoCalls => StatusCode::OK,
        Outcome::Faults(_) | Outcome::TooMuch => StatusCode::UNPROCESSABLE_ENTITY,
    };
    page(status, &shown.page(frame, &asked.1))
}

/// The hours of the week as a file.
pub(super) async fn export(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let (period, plan) = match asked(&pages, &visitor, &fields).await {
        Ok((period, Outcome::Planned(plan))) => (period, plan),
        Ok((_, Outcome::Faults(_) | Outcome::NoCalls | Outcome::TooMuch)) => {
            return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
        }
        Err(response) => return Ok(*response),
    };
    let kind = FileKind::of(&visitor);
    let file = match kind {
        FileKind::Csv => {
            let delimiter = match visitor.language {
                Language::Indonesian => b';',
                Language::English => b',',
            };
            let mut file = Vec::new();
            hours_csv(&plan, delimiter, &mut file).map(|()| file)
        }
        FileKind::Xlsx | FileKind::Json | FileKind::Parquet => {
            let column = |(name, kind): (&str, Kind)| FileColumn { name: name.to_owned(), head: name.to_owned(), kind };
            let columns: Vec<FileColumn> = HOURS.map(column).into();
            files::bytes(kind, &period, &columns, hours_cells(&plan))
        }
    };
    kind.response(&visitor.language.text("plan-file"), file)
}

/// The period and the plan that a query asks for; or the page that says why there is none.
async fn asked(pages: &Pages, visitor: &Visitor, fields: &Fields) -> Result<(Period, Outcome), Box<Response>> {
    let site = &pages.site;
    let day = |name| Some(fields.get(name)).filter(|day| !day.is_empty());
    let period = Period::before_today(day("from"), day("to"), site.zone(), site.now())
        .or_else(|_| Period::before_today(None, None, site.zone(), site.now()))
        .map_err(|_| Box::new(no_records(pages, visitor, "records")))?;
    let given = |name: &str| match (name, fields.get(name)) {
        ("weeks", "") => USUAL_WEEKS.to_owned(),
        (_, value) => value.to_owned(),
    };
    let inputs = match Inputs::read(&given) {
        Ok(inputs) => inputs,
        Err(faults) => return Ok((period, Outcome::Faults(faults))),
    };
    let Ok(place) = Arc::clone(&pages.plans.0).try_acquire_owned() else {
        return Err(Box::new(busy(pages, visitor)));
    };
    let load = match load(pages, visitor, &inputs, &period).await? {
        Some(load) => load,
        None => return Ok((period, Outcome::NoCalls)),
    };
    let planned = tokio::task::spawn_blocking(move || {
        let planned = computed(load, &inputs.wanted);
        drop(place);
        planned
    });
    let outcome = match planned.await {
        Ok(Ok(plan)) => Outcome::Planned(Box::new(plan)),
        Ok(Err(PlanError::TooMuch { .. } | PlanError::NoPattern)) | Err(_) => Outcome::TooMuch,
    };
    Ok((period, outcome))
}

/// The load of each hour. None if the records have none.
async fn load(
    pages: &Pages,
    visitor: &Visitor,
    inputs: &Inputs,
    period: &Period,
) -> Result<Option<Given>, Box<Response>> {
    let patience = match inputs.patience {
        PatienceInput::Seconds(seconds) => Some(seconds),
        PatienceInput::Recorded | PatienceInput::Never => None,
    };
    if let Some(load) = inputs.assumed {
        return Ok(Some(Given::assumed(load.calls_per_hour, load.aht_seconds, patience)));
    }
    let read = match pages.records.open().await {
        Ok(store) => {
            let short_ms = pages.limits.short_abandon_ms;
            let read = recorded(&store, &period.span, pages.site.zone(), short_ms).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => Err(fault),
    };
    let profile = read.map_err(|fault| Box::new(unreadable(pages, visitor, fault)))?;
    Ok(profile.map(|profile| {
        let mut given = Given::recorded(profile, patience);
        if inputs.patience == PatienceInput::Never {
            given.patience_seconds = None;
        }
        given
    }))
}

fn busy(pages: &Pages, visitor: &Visitor) -> Response {
    let mut response = no_records(pages, visitor, "plan-busy");
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    response
}

struct Shown<'a> {
    pages: &'a Pages,
    language: Language,
    fields: &'a Fields,
    period: &'a Period,
}

impl Shown<'_> {
    fn page(&self, frame: Frame, outcome: &Outcome) -> PlanPage {
        let (language, zone) = (self.language, self.pages.site.zone());
        let faults = match outcome {
            Outcome::Faults(faults) => faults.iter().map(|fault| self.fault(fault)).collect(),
            Outcome::TooMuch => vec![language.text("plan-too-much")],
            Outcome::Planned(_) | Outcome::NoCalls => Vec::new(),
        };
        let wrong: Vec<&str> = match outcome {
            Outcome::Faults(faults) => faults.iter().map(|fault| fault.name).collect(),
            Outcome::Planned(_) | Outcome::NoCalls | Outcome::TooMuch => Vec::new(),
        };
        let plan = match outcome {
            Outcome::Planned(plan) => Some(plan),
            Outcome::Faults(_) | Outcome::NoCalls | Outcome::TooMuch => None,
        };
        let (first, last) = (self.period.span.start, self.period.span.end.shifted(-1));
        let day = |at| Moment::of(at, zone);
        let mut inputs: Vec<Input> = NAMES.into_iter().map(|name| self.input(name, &wrong)).collect();
        let rest = inputs.split_off(2);
        PlanPage {
            first: day(first).short_date(Language::English),
            last: day(last).short_date(Language::English),
            assumed: inputs,
            inputs: rest,
            faults,
            heat: plan.map_or(String::new(), |plan| self.heat(plan)),
            text: plan.map(|plan| PlanText::of(plan, language)),
            files: FileKind::links("/plan", &self.query()),
            period: format!("{} – {}", day(first).date(language), day(last).date(language)),
            frame,
        }
    }

    fn input(&self, name: &'static str, wrong: &[&str]) -> Input {
        let usual = NAMES.iter().zip(USUAL).find(|(known, _)| **known == name).map_or("", |(_, usual)| usual);
        let usual = if name == "weeks" { USUAL_WEEKS } else { usual };
        let given = self.fields.get(name);
        Input {
            name,
            label: self.language.text(&format!("plan-input-{name}")),
            value: if given.is_empty() { usual.to_owned() } else { given.to_owned() },
            is_wrong: wrong.contains(&name),
        }
    }

    fn fault(&self, fault: &InputFault) -> String {
        let name = self.language.text(&format!("plan-input-{}", fault.name));
        let expected = self.language.text(&format!("plan-expected-{}", fault.name));
        self.language.with("plan-wrong", &[("name", &name), ("value", &fault.value), ("expected", &expected)])
    }

    /// The query of this plan.
    fn query(&self) -> String {
        let names = ["from", "to"].into_iter().chain(NAMES);
        let given = names.map(|name| (name, self.fields.get(name))).filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
    }

    /// Seats by weekday and hour.
    fn heat(&self, plan: &Plan) -> String {
        let most = plan.hours.iter().map(|hour| hour.operators).max().unwrap_or(0);
        let least = plan.hours.iter().map(|hour| hour.operators).min().unwrap_or(0);
        let shade = |seats: u32| match most - least {
            0 => 1,
            range => u8::try_from((seats - least) * 4 / range).unwrap_or(4),
        };
        let columns: Vec<String> =
            (0..24).map(|hour| if hour % 2 == 0 { format!("{hour:02}") } else { String::new() }).collect();
        let row = |day: u8| {
            let name = weekday_of(day, self.language);
            let cells = plan.hours.iter().filter(|hour| hour.weekday == day).map(|hour| Cell {
                text: hour.operators.to_string(),
                shade: shade(hour.operators),
                is_framed: false,
                hint: format!("{name} {:02}: {}", hour.hour, number(hour.operators.into(), self.language)),
            });
            (name.clone(), cells.collect())
        };
        let rows: Vec<(String, Vec<Cell>)> = (0..7).map(row).collect();
        heat(&Heat { title: &self.language.text("plan-seats"), columns: &columns, rows: &rows })
    }
}
