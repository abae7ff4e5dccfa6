//! The figures: pure arithmetic on sums. Milliseconds and counts are integers; only the display of a figure divides.

use serde::{Serialize, Serializer};

use crate::cdr::Outcome;
use crate::cdr::fact::Class;
use crate::config::{Levels, ServiceLevel};
use crate::store::report_queries::{DeskTotals, Limits, OutcomeTotals, TalkTotals, Totals};

/// A part of a whole, shown in per cent with one decimal. If the whole is 0, there is no share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    /// Tenths of a per cent, rounded half up. 100.0 % is returned only for the whole, and 0.0 % only for nothing.
    pub fn per_mille(self) -> Option<u64> {
        let tenths = rounded(u128::from(self.part) * 1_000, self.whole)?;
        Some(match tenths {
            0 if self.part > 0 => 1,
            1_000 if self.part < self.whole => 999,
            tenths => tenths,
        })
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            part: u64,
            whole: u64,
            percent: Option<f64>,
        }
        let tenths = self.per_mille().and_then(|tenths| u32::try_from(tenths).ok());
        Shown { part: self.part, whole: self.whole, percent: tenths.map(|t| f64::from(t) / 10.0) }.serialize(serializer)
    }
}

/// A sum of times over a count, shown as their mean in milliseconds. If the count is 0, there is no mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mean {
    pub sum_ms: u64,
    pub count: u64,
}

impl Mean {
    /// The mean in milliseconds, rounded half up.
    pub fn millis(self) -> Option<u64> {
        rounded(u128::from(self.sum_ms), self.count)
    }
}

impl Serialize for Mean {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            sum_ms: u64,
            count: u64,
            mean_ms: Option<u64>,
        }
        Shown { sum_ms: self.sum_ms, count: self.count, mean_ms: self.millis() }.serialize(serializer)
    }
}

fn rounded(sum: u128, count: u64) -> Option<u64> {
    let count = u128::from(count);
    let doubled = sum.checked_mul(2)?.checked_add(count)?;
    u64::try_from(doubled.checked_div(count.checked_mul(2)?)?).ok()
}

/// A count with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    pub word: String,
    pub calls: u64,
}

/// One operator's figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorFigures {
    pub operator: String,
    /// None if the account no longer exists.
    pub name: Option<String>,
    /// Callers that the operator answered.
    pub answered: u64,
    pub talk_ms: u64,
    pub wrap_ms: u64,
    /// (talk + wrap-up) / answered.
    pub aht: Mean,
    /// Participations in calls of other operators, and the talk there.
    pub joined: u64,
    pub joined_ms: u64,
}

/// One desk's figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeskFigures {
    /// The name; `queue` for the desk without a name.
    pub desk: String,
    pub calls: u64,
    pub answered: u64,
    pub abandoned: u64,
    pub short_abandons: u64,
    /// The desk's target time T.
    pub service_level_ms: u64,
    /// Answered within T / (answered + abandoned - short abandons).
    pub service_level: Share,
    pub target_percent: u8,
    /// True if the service level is at least the target. None if no call counts.
    pub met: Option<bool>,
}

impl DeskFigures {
    fn of(desk: &str, level: ServiceLevel, totals: &DeskTotals) -> Self {
        let DeskTotals { calls, answered, within, abandoned, short, .. } = *totals;
        let service_level = Share { part: within, whole: answered + abandoned.saturating_sub(short) };
        let reached =
            u128::from(service_level.part) * 100 >= u128::from(service_level.whole) * u128::from(level.percent);
        Self {
            desk: Levels::shown(desk).to_owned(),
            calls,
            answered,
            abandoned,
            short_abandons: short,
            service_level_ms: level.within_ms(),
            service_level,
            target_percent: level.percent,
            met: (service_level.whole > 0).then_some(reached),
        }
    }
}

/// The figures of a period, each with its formula.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// T of the service levels.
    pub service_level_ms: u64,
    /// An abandoned call that waited less is a short abandon.
    pub short_abandon_ms: u64,
    /// Every ended call of the period, without drills and tests.
    pub calls: u64,
    /// One for each outcome, including zeros.
    pub outcomes: Vec<Count>,
    /// The calls that operators have classed, by class.
    pub classes: Vec<Count>,
    /// Answered calls without a class.
    pub unclassed: u64,
    /// Calls that an operator classed as drill or test: no other figure counts them.
    pub exercises: u64,
    /// Answered within T / answered.
    pub sl1: Share,
    /// (Answered within T + abandoned within T) / (answered + abandoned).
    pub sl2: Share,
    /// Answered within T / (answered + abandoned - short abandons): the main figure.
    pub sl3: Share,
    /// Mean wait of the answered.
    pub asa: Mean,
    /// The longest wait of an answered call.
    pub answered_longest_ms: u64,
    /// The longest wait of an unanswered call.
    pub unanswered_longest_ms: u64,
    /// Abandoned / (answered + abandoned).
    pub abandonment: Share,
    /// (Abandoned - short) / (answered + abandoned - short).
    pub abandonment_without_short: Share,
    pub short_abandons: u64,
    /// (Talk + wrap-up) / answered.
    pub aht: Mean,
    /// The desks of the configuration, then others with calls.
    pub desks: Vec<DeskFigures>,
    pub operators: Vec<OperatorFigures>,
    /// Calls that the fallback number answered.
    pub fallback_answered: u64,
    pub fallback_talk_ms: u64,
    /// Participations of agencies in calls of other parties, and their talk time in them.
    pub fallback_joined: u64,
    pub fallback_joined_ms: u64,
    /// Callers that agencies took over from operators.
    pub agency_answered: u64,
    pub agency_talk_ms: u64,
}

impl Figures {
    /// Computes the figures of a period from its sums.
    pub fn of(totals: &Totals, limits: Limits, levels: &Levels) -> Self {
        let of = |outcome: Outcome| {
            let found = totals.outcomes.iter().find(|(word, _)| word == outcome.word());
            found.map(|(_, totals)| *totals).unwrap_or_default()
        };
        let (answered, abandoned) = (of(Outcome::Answered), of(Outcome::Abandoned));
        let (failed, interrupted) = (of(Outcome::Failed), of(Outcome::Interrupted));
        let calls = totals.outcomes.iter().map(|(_, totals)| totals.calls).sum();
        let is_exercise = |word: &str| [Class::Drill, Class::Test].iter().any(|class| class.word() == word);
        let exercises = totals.classes.iter().filter(|(word, _)| is_exercise(word)).map(|(_, calls)| calls).sum();
        let both = answered.calls + abandoned.calls;
        let patient = abandoned.calls.saturating_sub(abandoned.short);
        let longest = |outcomes: &[OutcomeTotals]| outcomes.iter().map(|of| of.waited_longest_ms).max().unwrap_or(0);
        Self {
            service_level_ms: limits.service_level_ms,
            short_abandon_ms: limits.short_abandon_ms,
            calls,
            outcomes: OUTCOMES
                .map(|outcome| Count { word: outcome.word().to_owned(), calls: of(outcome).calls })
                .into(),
            classes: totals.classes.iter().map(|(word, calls)| Count { word: word.clone(), calls: *calls }).collect(),
            unclassed: totals.unclassed,
            exercises,
            sl1: Share { part: answered.within, whole: answered.calls },
            sl2: Share { part: answered.within + abandoned.within, whole: both },
            sl3: Share { part: answered.within, whole: answered.calls + patient },
            asa: Mean { sum_ms: answered.waited_ms, count: answered.calls },
            answered_longest_ms: answered.waited_longest_ms,
            unanswered_longest_ms: longest(&[abandoned, failed, interrupted]),
            abandonment: Share { part: abandoned.calls, whole: both },
            abandonment_without_short: Share { part: patient, whole: answered.calls + patient },
            short_abandons: abandoned.short,
            aht: Mean { sum_ms: answered.talk_ms + answered.wrap_ms, count: answered.calls },
            desks: desks(totals, levels),
            operators: totals
                .operators
                .iter()
                .map(|of| OperatorFigures {
                    operator: of.operator.clone(),
                    name: of.name.clone(),
                    answered: of.totals.answered,
                    talk_ms: of.totals.talk_ms,
                    wrap_ms: of.totals.wrap_ms,
                    aht: handling(of.totals),
                    joined: of.totals.joined,
                    joined_ms: of.totals.joined_ms,
                })
                .collect(),
            fallback_answered: totals.fallback.answered,
            fallback_talk_ms: totals.fallback.talk_ms,
            fallback_joined: totals.fallback.joined,
            fallback_joined_ms: totals.fallback.joined_ms,
            agency_answered: totals.agencies.answered,
            agency_talk_ms: totals.agencies.talk_ms,
        }
    }
}

const OUTCOMES: [Outcome; 4] = [Outcome::Answered, Outcome::Abandoned, Outcome::Failed, Outcome::Interrupted];

fn desks(totals: &Totals, levels: &Levels) -> Vec<DeskFigures> {
    let none = DeskTotals::default();
    let found = |name: &str| totals.desks.iter().find(|of| of.desk == name);
    let known = levels.desks.iter().map(|(name, level)| DeskFigures::of(name, *level, found(name).unwrap_or(&none)));
    let others = totals.desks.iter().filter(|of| levels.desks.iter().all(|(name, _)| *name != of.desk));
    known.chain(others.map(|of| DeskFigures::of(&of.desk, levels.usual, of))).collect()
}

fn handling(totals: TalkTotals) -> Mean {
    Mean { sum_ms: totals.talk_ms + totals.wrap_ms, count: totals.answered }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { service_level_ms: 10_000, short_abandon_ms: 5_000 };

    fn levels() -> Levels {
        let level = |seconds, percent| ServiceLevel { within: std::time::Duration::from_secs(seconds), percent };
        Levels { usual: level(10, 90), desks: vec![(String::new(), level(10, 80)), ("fire".to_owned(), level(5, 100))] }
    }

    fn totals(answered: OutcomeTotals, abandoned: OutcomeTotals) -> Totals {
        Totals {
            outcomes: vec![("abandoned".to_owned(), abandoned), ("answered".to_owned(), answered)],
            ..Totals::default()
        }
    }

    #[test]
    fn the_three_service_levels_differ_by_what_they_divide() {
        let answered = OutcomeTotals { calls: 80, within: 60, waited_ms: 800_004, ..OutcomeTotals::default() };
        let abandoned = OutcomeTotals { calls: 20, within: 12, short: 8, ..OutcomeTotals::default() };
        let figures = Figures::of(&totals(answered, abandoned), LIMITS, &levels());
        assert_eq!((figures.sl1, figures.sl1.per_mille()), (Share { part: 60, whole: 80 }, Some(750)));
        assert_eq!((figures.sl2, figures.sl2.per_mille()), (Share { part: 72, whole: 100 }, Some(720)));
        assert_eq!((figures.sl3, figures.sl3.per_mille()), (Share { part: 60, whole: 92 }, Some(652)));
        assert_eq!(figures.abandonment.per_mille(), Some(200));
        assert_eq!(figures.abandonment_without_short, Share { part: 12, whole: 92 });
        assert_eq!(figures.asa.millis(), Some(10_000));
        assert_eq!((figures.calls, figures.short_abandons), (100, 8));
    }

    #[test]
    fn failed_and_interrupted_calls_are_counted_but_in_no_service_level() {
        let answered = OutcomeTotals { calls: 1, within: 1, ..OutcomeTotals::default() };
        let mut totals = totals(answered, OutcomeTotals::default());
        let lost = OutcomeTotals { calls: 3, within: 3, short: 3, waited_longest_ms: 77, ..OutcomeTotals::default() };
        totals.outcomes.push(("failed".to_owned(), lost));
        totals.outcomes.push(("interrupted".to_owned(), lost));
        let figures = Figures::of(&totals, LIMITS, &levels());
        assert_eq!((figures.sl3, figures.sl2), (Share { part: 1, whole: 1 }, Share { part: 1, whole: 1 }));
        assert_eq!((figures.calls, figures.short_abandons, figures.unanswered_longest_ms), (7, 0, 77));
    }

    #[test]
    fn a_desk_meets_its_target_by_its_own_measure_without_short_abandons() {
        let of = |desk: &str, answered, within, abandoned, short| DeskTotals {
            desk: desk.to_owned(),
            calls: answered + abandoned,
            answered,
            within,
            abandoned,
            short,
        };
        let figures = |desks: Vec<DeskTotals>| {
            let figures = Figures::of(&Totals { desks, ..Totals::default() }, LIMITS, &levels());
            let told = |of: DeskFigures| (of.desk, of.service_level.per_mille(), of.target_percent, of.met);
            figures.desks.into_iter().map(told).collect::<Vec<_>>()
        };
        let name = str::to_owned;
        // 80 of 100, because 20 of the 40 abandoned calls are short.
        assert_eq!(
            figures(vec![of("", 80, 80, 40, 20), of("gone", 9, 8, 1, 0)]),
            [
                (name("queue"), Some(800), 80, Some(true)),
                (name("fire"), None, 100, None),
                (name("gone"), Some(800), 90, Some(false)),
            ]
        );
        assert_eq!(figures(vec![of("", 80, 79, 20, 0)])[0].3, Some(false), "79 % are not 80 %");
        assert_eq!(figures(vec![of("fire", 0, 0, 3, 3)])[1].3, None, "short abandons alone tell nothing");
    }

    #[test]
    fn a_period_without_calls_has_no_shares_and_no_means() {
        let figures = Figures::of(&Totals::default(), LIMITS, &levels());
        assert_eq!((figures.sl1.per_mille(), figures.asa.millis(), figures.aht.millis()), (None, None, None));
        assert_eq!(figures.outcomes.len(), 4);
        assert_eq!(serde_json::to_value(figures.sl3).unwrap()["percent"], serde_json::Value::Null);
    }

    #[test]
    fn a_part_is_never_shown_as_all_or_as_nothing() {
        assert_eq!(Share { part: 1_999, whole: 2_000 }.per_mille(), Some(999));
        assert_eq!(Share { part: 1, whole: 1_000_000 }.per_mille(), Some(1));
        assert_eq!(Share { part: 2_000, whole: 2_000 }.per_mille(), Some(1_000));
        assert_eq!(Share { part: 0, whole: 2_000 }.per_mille(), Some(0));
        assert_eq!(Share { part: 0, whole: 0 }.per_mille(), None);
    }

    #[test]
    fn drills_and_tests_are_counted_apart() {
        let classes = [("drill", 3), ("normal", 2), ("test", 4)].map(|(word, calls)| (word.to_owned(), calls)).to_vec();
        let outcomes = vec![("answered".to_owned(), OutcomeTotals { calls: 5, ..OutcomeTotals::default() })];
        let figures = Figures::of(&Totals { outcomes, classes, unclassed: 3, ..Totals::default() }, LIMITS, &levels());
        assert_eq!((figures.calls, figures.exercises, figures.unclassed), (5, 7, 3));
    }

    #[test]
    fn division_is_last_and_half_goes_up() {
        assert_eq!(Mean { sum_ms: 5, count: 2 }.millis(), Some(3));
        assert_eq!(Mean { sum_ms: 7, count: 3 }.millis(), Some(2));
        assert_eq!(Share { part: 1, whole: 3 }.per_mille(), Some(333));
        assert_eq!(Share { part: 2, whole: 3 }.per_mille(), Some(667));
        assert_eq!(Share { part: u64::MAX, whole: u64::MAX }.per_mille(), Some(1_000));
        assert_eq!(
            serde_json::to_string(&Share { part: 652, whole: 1_000 }).unwrap(),
            "{\"part\":652,\"whole\":1000,\"percent\":65.2}"
        );
    }

    #[test]
    fn handling_is_talk_and_wrap_up_of_each_operator() {
        let own = TalkTotals { answered: 4, talk_ms: 100_000, wrap_ms: 20_002, joined: 3, joined_ms: 50_000 };
        let of = crate::store::report_queries::OperatorTotals { operator: "op1".to_owned(), name: None, totals: own };
        let totals = Totals { operators: vec![of], ..Totals::default() };
        let figures = Figures::of(&totals, LIMITS, &levels());
        assert_eq!(figures.operators[0].aht.millis(), Some(30_001), "time as a participant is counted separately");
        assert_eq!((figures.operators[0].joined, figures.operators[0].joined_ms), (3, 50_000));
    }
}
