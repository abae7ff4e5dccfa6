//! The roster on the console. It is changed only in its file, which SIGHUP reads again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::ids::OperatorId;

use super::console_reply::{Fault, Malformed, fault};
use super::console_state::{Console, Shared};

/// Maximum days of one response.
const DAYS_MAX: i32 = 366;

pub(super) fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(roster))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Days {
    /// The first day, YYYY-MM-DD. Absent: today.
    from: Option<String>,
    /// The last day. Absent: two weeks later.
    to: Option<String>,
}

/// A line of the roster, after its changes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Duty {
    #[schema(value_type = String)]
    operator: OperatorId,
    /// The day on which the shift begins.
    date: String,
    shift: String,
}

/// An operator is on shift from `from` to `to`, in milliseconds since the Unix epoch.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Span {
    #[schema(value_type = String)]
    operator: OperatorId,
    #[schema(value_type = i64)]
    from: Timestamp,
    #[schema(value_type = i64)]
    to: Timestamp,
}

/// A time with too few operators on shift.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Missing {
    #[schema(value_type = i64)]
    from: Timestamp,
    #[schema(value_type = i64)]
    to: Timestamp,
    on_shift: usize,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct RosterView {
    from: String,
    to: String,
    /// False: there are no shifts, and every operator is always on shift.
    rostered: bool,
    duties: Vec<Duty>,
    /// The times on shift, from shifts, overlaps and decrees together. None for operators in no roster.
    on_shift: Vec<Span>,
    /// The minimum at all times, and the times with fewer.
    minimum: usize,
    gaps: Vec<Missing>,
}

#[utoipa::path(
    get,
    path = "/v1/roster",
    summary = "Operators on shift, and times with too few of them",
    security(("token" = [])),
    params(Days),
    responses(
        (status = 200, body = RosterView),
        Malformed,
        (status = 401, body = Fault, description = "the token is missing or wrong"),
    ),
)]
async fn roster(State(console): Shared, Query(days): Query<Days>) -> Response {
    let config = Arc::clone(&console.config.borrow());
    match span(&config, &days) {
        Some((from, to)) => match view(&config, from, to) {
            Some(view) => Json(view).into_response(),
            None => fault(StatusCode::BAD_REQUEST, "the day is not a date; expected: YYYY-MM-DD"),
        },
        None => fault(
            StatusCode::BAD_REQUEST,
            "from and to cannot be used; expected: two days as YYYY-MM-DD, in order, at most 366 days",
        ),
    }
}

fn span(config: &Config, days: &Days) -> Option<(Date, Date)> {
    let day = |text: &Option<String>| text.as_deref().map(|text| text.parse::<Date>().ok());
    let now = jiff::Timestamp::from_millisecond(super::clock::wall_now().as_millis()).ok()?;
    let from = day(&days.from).unwrap_or_else(|| Some(config.zone.to_datetime(now).date()))?;
    let to = match day(&days.to) {
        Some(to) => to?,
        None => from.checked_add(jiff::Span::new().days(13)).ok()?,
    };
    let count = from.until(to).ok()?.get_days();
    (0..DAYS_MAX).contains(&count).then_some((from, to))
}

fn view(config: &Config, from: Date, to: Date) -> Option<RosterView> {
    let start = |day: Date| {
        let at = config.zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()?;
        Some(Timestamp::from_millis(at.as_millisecond()))
    };
    let (first, end) = (start(from)?, start(to.tomorrow().ok()?)?);
    let rostered = &config.rostered;
    let within = rostered.roster.entries().iter().filter(|entry| (from..=to).contains(&entry.date));
    let duty = |entry: &crate::acd::roster::Entry| Duty {
        operator: entry.operator.clone(),
        date: entry.date.to_string(),
        shift: entry.shift.clone(),
    };
    let minimum = config.operators.minimum_on_shift;
    let gaps = rostered.plan.gaps(first, end, minimum);
    let on_shift = rostered.plan.on_shift(first, end).into_iter();
    Some(RosterView {
        from: from.to_string(),
        to: to.to_string(),
        rostered: rostered.plan.rostered,
        duties: within.map(duty).collect(),
        on_shift: on_shift.map(|(operator, from, to)| Span { operator, from, to }).collect(),
        minimum,
        gaps: gaps.iter().map(|gap| Missing { from: gap.from, to: gap.to, on_shift: gap.fewest }).collect(),
    })
}
