//! The roster of the running service: its alarm, its copy for the next start, and warnings of coming times with too few operators.

use std::collections::BTreeSet;

use tracing::warn;

use crate::alarm::{Alarms, Kind};
use crate::clock::Timestamp;
use crate::config::{Config, Rostered};
use crate::ids::OperatorId;

use super::local_state::LocalState;

/// How many days ahead the roster is checked.
const DAYS: u32 = 14;
/// Maximum coming times that are logged one by one.
const TIMES_MAX: usize = 3;

/// Raises or ends the alarm of the roster; copies a valid roster for the next start. Returns false if the copy could not be written.
pub(super) async fn tell_roster(config: &Config, local: &LocalState, alarms: &Alarms) -> bool {
    let faults = config.roster_faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    let Some(first) = faults.first() else {
        alarms.clear(Kind::Roster, "");
        return local.keep_roster(config, alarms).await;
    };
    let plan = if config.rostered == Rostered::default() {
        "every operator is on shift"
    } else {
        "the last valid copy is used"
    };
    alarms.raise(Kind::Roster, "", format!("{plan}; {} errors: {first}", faults.len()));
    true
}

/// Warns of times ahead in which too few operators are on shift, and of decrees that end.
pub(super) fn warn_of_gaps(config: &Config, accounts: Option<&BTreeSet<OperatorId>>) {
    let ahead = config.roster_ahead(super::clock::wall_now(), DAYS, accounts);
    let minimum = config.operators.minimum_on_shift;
    let local = |at: Timestamp| {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        config.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
    };
    for gap in ahead.gaps.iter().take(TIMES_MAX) {
        warn!(
            from = local(gap.from),
            to = local(gap.to),
            on_shift = gap.fewest,
            minimum,
            "too few operators will be on shift"
        );
    }
    if let Some(more) = ahead.gaps.len().checked_sub(TIMES_MAX).filter(|more| *more > 0) {
        warn!(more, days = DAYS, "more such times: siaga check roster lists them");
    }
    for decree in &ahead.ending {
        let to = decree.to.map(|to| to.to_string());
        warn!(operator = %decree.operator, decree = decree.number, to, "a decree ends, and with it the operator's shifts");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_copy_that_cannot_be_written_is_an_alarm_until_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, alarms) = (folder.path().join("journal"), Alarms::default());
        std::fs::create_dir(&journal).unwrap();
        std::fs::write(folder.path().join("roster.csv"), "date,operator,shift\n").unwrap();
        let text = format!(
            "[journal]\ndir = {journal:?}\n[operators]\nroster = \"{}/roster.csv\"\n\
             [[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n",
            folder.path().display()
        );
        let config = Config::parse("test.toml", &text).unwrap();
        assert_eq!(config.roster_faults.len(), 0, "{:?}", config.roster_faults);
        let local = LocalState::beside(&journal);
        std::fs::write(journal.join("local"), "a file is in the way").unwrap();
        assert!(!tell_roster(&config, &local, &alarms).await);
        assert!(alarms.is_raised(Kind::LocalState) && !alarms.is_raised(Kind::Roster));
        std::fs::remove_file(journal.join("local")).unwrap();
        assert!(tell_roster(&config, &local, &alarms).await);
        assert_eq!(alarms.lines(), Vec::<String>::new());
        assert!(journal.join("local/roster.csv").exists());
    }
}
