//! The figures of a page: from roll-ups, or from the records while the roll-ups cannot be used.

use crate::config::Levels;
use crate::reports::figures::{self, FiguresError, Filter, Group, GroupBy, unsigned};
use crate::reports::kpi::Figures;
use crate::reports::period::Period;
use crate::reports::totals;
use crate::store::report_bins::Bin;
use crate::store::report_queries::Limits;
use crate::store::{Store, StoreError};

use super::choice::Choice;
use super::heat_map::Rhythm;

/// The hours of a day.
const HOURS: usize = 24;
/// A call that waits longer is one that waited long.
const LONG_SECONDS: u32 = 60;

/// The figures of a period and of the one before it.
pub(super) struct Overview {
    pub figures: Figures,
    pub before: Figures,
    pub rhythm: Rhythm,
}

/// Reads the figures of the calls of a period that a filter lets through. Needs roll-ups.
pub(super) async fn filtered(
    store: &Store,
    choice: &Choice,
    limits: Limits,
    levels: &Levels,
    filter: &Filter,
) -> Result<Overview, FiguresError> {
    let of = async |period: &Period| {
        totals::totals(store, period, filter).await.map(|totals| Figures::of(&totals, limits, levels))
    };
    Ok(Overview {
        figures: of(&choice.period).await?,
        before: of(&choice.before).await?,
        rhythm: rhythm(store, &choice.period, filter).await?,
    })
}

/// Reads the figures of a period.
pub(super) async fn figures(
    store: &Store,
    choice: &Choice,
    limits: Limits,
    levels: &Levels,
) -> Result<Overview, StoreError> {
    let of = async |period: &Period| {
        totals::usable(store, period, limits, levels).await.map(|totals| Figures::of(&totals, limits, levels))
    };
    Ok(Overview {
        figures: of(&choice.period).await?,
        before: of(&choice.before).await?,
        rhythm: match rhythm(store, &choice.period, &Filter::default()).await {
            Ok(rhythm) => rhythm,
            Err(FiguresError::NotFilled | FiguresError::OtherZone { .. }) => {
                Rhythm::of(&store.bins(&choice.period.span, limits).await?, &choice.period.zone)
            }
            Err(FiguresError::Store(fault)) => return Err(fault),
        },
    })
}

/// The calls by day and hour, from roll-ups.
async fn rhythm(store: &Store, period: &Period, filter: &Filter) -> Result<Rhythm, FiguresError> {
    let mut rhythm = Rhythm::default();
    for row in figures::figures(store, period, filter, GroupBy::HourOfWeek, false).await?.rows {
        let Group::HourOfWeek(hour) = row.group else { continue };
        let (hour, sums) = (usize::try_from(hour).unwrap_or(0), row.count.sums);
        let bin = Bin {
            calls: unsigned(sums.calls),
            answered: unsigned(sums.answered),
            within: unsigned(sums.within),
            abandoned: unsigned(sums.abandoned - sums.short),
            ..Bin::default()
        };
        rhythm.add((hour / HOURS, hour % HOURS), &bin);
    }
    for row in figures::figures(store, period, filter, GroupBy::Nothing, true).await?.rows {
        rhythm.long += unsigned(row.count.waits.longer_than(LONG_SECONDS));
    }
    Ok(rhythm)
}
