//! Figures of a period from roll-ups: the interface that pages and files use. The ends of a period that are not at a full hour are computed
//! from records, so that every period is exact.

use std::collections::BTreeMap;

use crate::cdr::Cdr;
use crate::cdr::rollup::{Calendar, CallCount, Grain, Key, OperatorSums, Party, TargetHistory, Targets};
use crate::clock::Timestamp;
use crate::store::rollups::query::{Division, Found, Wanted};
use crate::store::{Store, StoreError};

use super::period::Period;
use super::plan::Plan;

/// Whether calls that were classed as drill or test count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exercises {
    #[default]
    Without,
    With,
    Only,
}

/// Which calls count: those with all of these values. Words as in records; the desk of `[queue]` is the empty word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub desk: Option<String>,
    pub trunk: Option<String>,
    /// The empty word: calls without a class. The same for category and agency.
    pub class: Option<String>,
    pub category: Option<String>,
    pub agency: Option<String>,
    pub mode: Option<String>,
    pub exercises: Exercises,
}

impl Filter {
    /// True if calls of this combination count.
    pub fn lets_through(&self, key: &Key) -> bool {
        let equal = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let exercises = match self.exercises {
            Exercises::Without => !key.exercise,
            Exercises::With => true,
            Exercises::Only => key.exercise,
        };
        exercises
            && equal(&self.desk, &key.desk)
            && equal(&self.trunk, &key.trunk)
            && equal(&self.class, &key.class)
            && equal(&self.category, &key.category)
            && equal(&self.agency, &key.agency)
            && equal(&self.mode, &key.mode)
    }

    /// True unless all calls count, apart from drills and tests.
    pub fn has_values(&self) -> bool {
        let values = [&self.desk, &self.trunk, &self.class, &self.category, &self.agency, &self.mode];
        values.iter().any(|value| value.is_some())
    }
}

/// By what figures are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    Nothing,
    Hour,
    Day,
    Month,
    HourOfWeek,
    Desk,
    Trunk,
    Class,
    Category,
    Agency,
    Mode,
    /// By all values at once: `merged` makes the figures of several groups of one reading.
    Combination,
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Whole,
    /// The start of the hour, day or month.
    Start(Timestamp),
    /// 0 is Monday from 00:00 to 01:00, 167 is Sunday from 23:00 to 24:00.
    HourOfWeek(i16),
    /// A desk, trunk, class …; empty as in `Filter`.
    Word(String),
    Combination(Key),
}

/// One row of figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub group: Group,
    pub count: CallCount,
}

/// Figures of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFigures {
    /// In the order of their groups. Groups without calls are missing; `GroupBy::Nothing` always has one row.
    pub rows: Vec<Row>,
    /// The targets in force in the period, each with the time from which they apply; None: from the beginning.
    pub targets: Vec<(Option<Timestamp>, Targets)>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    #[error("not all records are counted yet: siaga serve counts them after its start, or siaga report rebuild does")]
    NotFilled,
    #[error("the calls are counted in the time zone {counted}, and the site is in {site}: run siaga report rebuild")]
    OtherZone { counted: String, site: String },
    #[error("the database")]
    Store(#[from] StoreError),
}

/// The figures of the calls of a period. `with_waits`: the rows have the distribution of waits, for percentiles and the longest wait.
pub async fn figures(
    store: &Store,
    period: &Period,
    filter: &Filter,
    group_by: GroupBy,
    with_waits: bool,
) -> Result<CallFigures, FiguresError> {
    let calendar = Calendar::new(period.zone.clone());
    let (division, longest) = match group_by {
        GroupBy::Nothing => (Division::Nothing, Grain::Month),
        GroupBy::Hour => (Division::Start, Grain::Hour),
        GroupBy::Day => (Division::Start, Grain::Day),
        GroupBy::Month => (Division::Start, Grain::Month),
        GroupBy::HourOfWeek => (Division::HourOfWeek, Grain::Hour),
        GroupBy::Desk
        | GroupBy::Trunk
        | GroupBy::Class
        | GroupBy::Category
        | GroupBy::Agency
        | GroupBy::Mode
        | GroupBy::Combination => (Division::Key, Grain::Month),
    };
    let Plan { spans, edges } = Plan::of(&period.span, &calendar, longest);
    let whole = !filter.has_values() && division != Division::Key;
    let passes = |key: &Key| filter.lets_through(key);
    let wanted = Wanted { spans, edges, whole, division, filter: &passes, with_waits, with_operators: false };
    let found = store.read_rollups(&wanted).await?;
    let targets = usable(&found, period)?;
    let mut rows: BTreeMap<Group, CallCount> = BTreeMap::new();
    for row in &found.rows {
        let group = group_of(row.group, group_by, &calendar, &found.keys);
        rows.entry(group).or_default().add(&row.count, 1);
    }
    for cdr in &found.records {
        let key = Key::of(cdr);
        let Some(mut count) = CallCount::of(cdr, targets).filter(|_| passes(&key)) else { continue };
        if !with_waits {
            count.waits = Default::default();
        }
        rows.entry(group_of_call(cdr, &key, group_by, &calendar)).or_default().add(&count, 1);
    }
    if group_by == GroupBy::Nothing {
        rows.entry(Group::Whole).or_default();
    }
    let rows = rows.into_iter().map(|(group, count)| Row { group, count }).collect();
    let targets = targets.during(&period.span).into_iter().map(|(since, targets)| (since, targets.clone()));
    Ok(CallFigures { rows, targets: targets.collect() })
}

/// The figures of each value of `GroupBy::Combination`, for example of each desk: `merged(&rows, |key| Some(&key.desk))`. Combinations for which
/// `value` is None are left out.
pub fn merged<'r>(rows: &'r [Row], value: impl Fn(&'r Key) -> Option<&'r str>) -> BTreeMap<String, CallCount> {
    let mut all: BTreeMap<String, CallCount> = BTreeMap::new();
    for row in rows {
        let Group::Combination(key) = &row.group else { continue };
        let Some(value) = value(key) else { continue };
        all.entry(value.to_owned()).or_default().add(&row.count, 1);
    }
    all
}

/// The figures of operators, the fallback number and agencies in a period, without drills and tests.
pub async fn operator_figures(
    store: &Store,
    period: &Period,
) -> Result<BTreeMap<(Party, String), OperatorSums>, FiguresError> {
    let calendar = Calendar::new(period.zone.clone());
    let Plan { spans, edges } = Plan::of(&period.span, &calendar, Grain::Month);
    let none = |_: &Key| false;
    let division = Division::Nothing;
    let wanted = Wanted { spans, edges, whole: true, division, filter: &none, with_waits: false, with_operators: true };
    let found = store.read_rollups(&wanted).await?;
    usable(&found, period)?;
    let mut all: BTreeMap<(Party, String), OperatorSums> = BTreeMap::new();
    for row in found.operators {
        all.entry((row.party, row.operator)).or_default().add(&row.sums, 1);
    }
    for cdr in found.records.iter().filter(|cdr| cdr.is_closed()) {
        OperatorSums::of(cdr).into_iter().for_each(|(party, sums)| all.entry(party).or_default().add(&sums, 1));
    }
    Ok(all)
}

/// The targets of roll-ups that can be used.
fn usable<'a>(found: &'a Found, period: &Period) -> Result<&'a TargetHistory, FiguresError> {
    if !found.state.is_complete() {
        return Err(FiguresError::NotFilled);
    }
    let site = period.zone.iana_name().unwrap_or_default();
    if found.state.zone != site {
        return Err(FiguresError::OtherZone { counted: found.state.zone.clone(), site: site.to_owned() });
    }
    found.targets.as_ref().ok_or(FiguresError::NotFilled)
}

fn group_of(group: i64, group_by: GroupBy, calendar: &Calendar, keys: &BTreeMap<i64, Key>) -> Group {
    let word = |of: fn(&Key) -> &String| Group::Word(keys.get(&group).map(|key| of(key).clone()).unwrap_or_default());
    let start = |grain| Group::Start(calendar.start(grain, Timestamp::from_millis(group)));
    match group_by {
        GroupBy::Nothing => Group::Whole,
        GroupBy::Hour => start(Grain::Hour),
        GroupBy::Day => start(Grain::Day),
        GroupBy::Month => start(Grain::Month),
        GroupBy::HourOfWeek => Group::HourOfWeek(i16::try_from(group).unwrap_or(0)),
        GroupBy::Desk => word(|key| &key.desk),
        GroupBy::Trunk => word(|key| &key.trunk),
        GroupBy::Class => word(|key| &key.class),
        GroupBy::Category => word(|key| &key.category),
        GroupBy::Agency => word(|key| &key.agency),
        GroupBy::Mode => word(|key| &key.mode),
        GroupBy::Combination => Group::Combination(keys.get(&group).cloned().unwrap_or_default()),
    }
}

/// The group of a call by its record.
pub fn group_of_call(cdr: &Cdr, key: &Key, group_by: GroupBy, calendar: &Calendar) -> Group {
    let group = match group_by {
        GroupBy::HourOfWeek => i64::from(calendar.hour_of_week(cdr.received)),
        GroupBy::Nothing | GroupBy::Hour | GroupBy::Day | GroupBy::Month => cdr.received.as_millis(),
        GroupBy::Desk
        | GroupBy::Trunk
        | GroupBy::Class
        | GroupBy::Category
        | GroupBy::Agency
        | GroupBy::Mode
        | GroupBy::Combination => 0,
    };
    group_of(group, group_by, calendar, &BTreeMap::from([(0, key.clone())]))
}

/// Sums are never negative.
pub(super) fn unsigned(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or(0)
}
