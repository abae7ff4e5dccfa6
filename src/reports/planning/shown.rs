//! A plan as sentences and tables in the reader's language.

use std::collections::BTreeSet;

use crate::reports::staffing::people::{Crewed, Pattern};
use crate::reports::staffing::{Effect, Expected, Plan, Source, WeekEffect};
use crate::web::format::{decimal, duration, number, percent, weekday_of};
use crate::web::texts::Language;

/// A table; the first column names the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub title: String,
    pub heads: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// What the figures mean.
    pub help: String,
}

/// A plan in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanText {
    /// One sentence: how many people, which pattern, what callers notice.
    pub recommendation: String,
    /// What it is based on, what each shift needs, what one person more or fewer changes.
    pub reasons: Vec<String>,
    pub patterns: Table,
    /// Seats by hour and weekday.
    pub seats: Table,
    pub shifts: Table,
    pub effects: Table,
    /// None: too few calls for a simulation.
    pub weeks: Option<Table>,
    pub method: Vec<String>,
}

impl PlanText {
    /// The words of a plan.
    pub fn of(plan: &Plan, language: Language) -> Self {
        let words = Words { plan, language };
        Self {
            recommendation: words.recommendation(),
            reasons: words.reasons(),
            patterns: words.patterns(),
            seats: words.seats(),
            shifts: words.shifts(),
            effects: words.effects(),
            weeks: words.weeks(),
            method: words.method(),
        }
    }
}

impl PlanText {
    /// The tables beside the seats.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        [Some(&self.patterns), Some(&self.effects), self.weeks.as_ref(), Some(&self.shifts)].into_iter().flatten()
    }
}

struct Words<'a> {
    plan: &'a Plan,
    language: Language,
}

impl Words<'_> {
    fn t(&self, key: &str) -> String {
        self.language.text(key)
    }

    fn heads(&self, keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| self.t(key)).collect()
    }

    /// A share between 0 and 1.
    fn share(&self, value: f64) -> String {
        percent(Some(tenths(value * 100.0)), self.language)
    }

    fn one_decimal(&self, value: f64) -> String {
        decimal(tenths(value), self.language)
    }

    fn wait(&self, seconds: Option<f64>) -> String {
        seconds.map_or_else(|| self.t("plan-for-ever"), |seconds| duration(millis(seconds)))
    }

    fn pattern(&self, of: Pattern) -> String {
        let (shifts, hours) = ((24 / of.hours.max(1)).to_string(), of.hours.to_string());
        let crews = of.crews.map(|crews| crews.to_string());
        let key = if crews.is_some() { "plan-pattern-crews" } else { "plan-pattern" };
        let values = [("shifts", shifts.as_str()), ("hours", &hours), ("crews", crews.as_deref().unwrap_or_default())];
        self.language.with(key, &values)
    }

    /// The week with the recommended roster.
    fn usual_week(&self) -> Option<&WeekEffect> {
        self.plan.weeks.iter().find(|week| week.people_more == 0)
    }

    fn target(&self) -> (String, String) {
        let target = self.plan.target;
        (self.share(target.percent / 100.0), format!("{}", target.within_seconds))
    }

    fn recommendation(&self) -> String {
        let of = &self.plan.recommended;
        let level = self.usual_week().map_or(self.plan.service_level, |week| week.simulated.service_level.mean);
        let (people, share, (_, seconds)) = (number(of.people.into(), self.language), self.share(level), self.target());
        let values = [
            ("people", people.as_str()),
            ("pattern", &self.pattern(of.pattern)),
            ("share", share.as_str()),
            ("seconds", seconds.as_str()),
        ];
        self.language.with("plan-recommendation", &values)
    }

    fn reasons(&self) -> Vec<String> {
        let (plan, language) = (self.plan, self.language);
        let mut all = vec![self.basis()];
        all.push(match plan.patience_seconds {
            Some(seconds) => language.with("plan-patience", &[("time", &duration(millis(seconds)))]),
            None => self.t("plan-no-patience"),
        });
        let range = |values: &mut dyn Iterator<Item = u32>| {
            let (least, most) = values.fold((u32::MAX, 0), |(least, most), of| (least.min(of), most.max(of)));
            if least >= most { most.to_string() } else { format!("{least}–{most}") }
        };
        let shifts = &plan.recommended.shifts;
        let people = range(&mut shifts.iter().map(|shift| shift.people));
        let seats = range(&mut shifts.iter().map(|shift| shift.seats));
        let away = self.share(plan.terms.shrinkage);
        all.push(language.with("plan-on-shift", &[("people", &people), ("seats", &seats), ("away", &away)]));
        let of = &plan.recommended;
        if of.overtime_week_hours > 0.0 {
            let hours = [self.one_decimal(of.week_hours), self.one_decimal(of.overtime_week_hours)];
            let [week, overtime] = &hours;
            all.push(language.with("plan-overtime", &[("hours", week), ("overtime", overtime)]));
        }
        let level = |more: i32| {
            let week = plan.weeks.iter().find(|week| week.people_more == more)?;
            Some(self.share(week.simulated.service_level.mean))
        };
        if let (Some(fewer), Some(more)) = (level(-1), level(1)) {
            all.push(language.with("plan-one-person", &[("fewer", &fewer), ("more", &more)]));
        }
        all.push(self.t("plan-never-one"));
        all
    }

    fn basis(&self) -> String {
        let (plan, language) = (self.plan, self.language);
        match &plan.source {
            Source::Assumed => language.with(
                "plan-assumed",
                &[
                    ("calls", &self.one_decimal(plan.busiest.calls_per_hour)),
                    ("aht", &duration(millis(plan.busiest.aht_seconds))),
                ],
            ),
            Source::Records { calls, short_abandons, weeks, .. } => language.with(
                "plan-recorded",
                &[
                    ("calls", &number(*calls, language)),
                    ("short", &number(*short_abandons, language)),
                    ("weeks", &self.one_decimal(*weeks)),
                ],
            ),
        }
    }

    fn patterns(&self) -> Table {
        let row = |of: &Crewed| {
            let is_recommended = of.pattern == self.plan.recommended.pattern;
            vec![
                self.pattern(of.pattern),
                number(of.people.into(), self.language),
                of.crew_size.map_or("–".to_owned(), |size| size.to_string()),
                self.one_decimal(of.week_hours),
                self.one_decimal(of.overtime_week_hours),
                self.one_decimal(of.people_per_seat),
                if is_recommended { self.t("plan-recommended") } else { String::new() },
            ]
        };
        Table {
            title: self.t("plan-patterns"),
            heads: self.heads(&[
                "plan-pattern-head",
                "plan-people",
                "plan-crew-size",
                "plan-week-hours-head",
                "plan-overtime-head",
                "plan-people-per-seat",
                "plan-choice",
            ]),
            rows: self.plan.patterns.iter().map(row).collect(),
            help: self.t("plan-patterns-help"),
        }
    }

    fn seats(&self) -> Table {
        let days = (0..7).map(|day| weekday_of(day, self.language));
        let row = |hour: u8| {
            let of_hour = self.plan.hours.iter().filter(move |of| of.hour == hour);
            let cells = of_hour.map(|of| of.operators.to_string());
            std::iter::once(format!("{hour:02}")).chain(cells).collect()
        };
        Table {
            title: self.t("plan-seats"),
            heads: std::iter::once(self.t("hour")).chain(days).collect(),
            rows: (0..24).map(row).collect(),
            help: self.t("plan-seats-help"),
        }
    }

    /// A row for each weekday, a column for each shift: seats / people.
    fn shifts(&self) -> Table {
        let shifts = &self.plan.recommended.shifts;
        let starts: BTreeSet<u8> = shifts.iter().map(|of| of.from_hour).collect();
        let hours = self.plan.recommended.pattern.hours;
        let head = |start: &u8| format!("{start:02}–{:02}", (start + hours) % 24);
        let row = |day: u8| {
            let of_day = |start: &u8| shifts.iter().find(|of| of.weekday == day && of.from_hour == *start);
            let cells = starts
                .iter()
                .map(|start| of_day(start).map_or(String::new(), |of| format!("{} / {}", of.seats, of.people)));
            std::iter::once(weekday_of(day, self.language)).chain(cells).collect()
        };
        Table {
            title: self.t("plan-shifts"),
            heads: std::iter::once(self.t("day")).chain(starts.iter().map(head)).collect(),
            rows: (0..7).map(row).collect(),
            help: self.t("plan-shifts-help"),
        }
    }

    fn expected(&self, of: &Expected) -> [String; 4] {
        [
            self.share(of.service_level),
            self.wait(of.mean_wait_seconds),
            self.share(of.abandonment),
            self.share(of.occupancy),
        ]
    }

    fn effects(&self) -> Table {
        let busiest = &self.plan.busiest;
        let row = |of: &Effect| {
            std::iter::once(of.operators.to_string()).chain(self.expected(&of.expected)).collect::<Vec<_>>()
        };
        let (day, hour) = (weekday_of(busiest.weekday, self.language), format!("{:02}", busiest.hour));
        let (_, seconds) = self.target();
        let within = self.language.with("plan-within", &[("seconds", &seconds)]);
        let heads = ["plan-seats-head", "plan-within", "mean-wait", "plan-abandonment", "plan-occupancy"];
        let head = |key: &str| if key == "plan-within" { within.clone() } else { self.t(key) };
        Table {
            title: self.language.with("plan-effects", &[("day", &day), ("hour", &hour)]),
            heads: heads.map(head).into(),
            rows: self.plan.effects.iter().map(row).collect(),
            help: self.language.with(
                "plan-effects-help",
                &[
                    ("calls", &self.one_decimal(busiest.calls_per_hour)),
                    ("aht", &duration(millis(busiest.aht_seconds))),
                    ("erlang", &self.one_decimal(busiest.erlang)),
                ],
            ),
        }
    }

    fn weeks(&self) -> Option<Table> {
        let first = self.plan.weeks.first()?;
        let (_, seconds) = self.target();
        let row = |of: &WeekEffect| {
            let key = match of.people_more {
                ..0 => "plan-one-fewer",
                0 => "plan-as-planned",
                1.. => "plan-one-more",
            };
            let level = of.simulated.service_level;
            let wait = of.simulated.mean_wait_seconds;
            vec![
                self.t(key),
                format!("{} ± {}", self.share(level.mean), self.one_decimal(level.half_width * 100.0)),
                format!("{} ± {} s", duration(millis(wait.mean)), self.one_decimal(wait.half_width)),
                self.share(of.simulated.abandonment.mean),
            ]
        };
        Some(Table {
            title: self.t("plan-weeks"),
            heads: vec![
                self.t("plan-each-shift"),
                self.language.with("plan-within", &[("seconds", &seconds)]),
                self.t("mean-wait"),
                self.t("plan-abandonment"),
            ],
            rows: self.plan.weeks.iter().map(row).collect(),
            help: self.language.with("plan-weeks-help", &[("weeks", &first.simulated.replications.to_string())]),
        })
    }

    fn method(&self) -> Vec<String> {
        let plan = self.plan;
        let (share, seconds) = self.target();
        let formula = self.language.with(
            match plan.patience_seconds {
                Some(_) => "plan-method-a",
                None => "plan-method-c",
            },
            &[("share", &share), ("seconds", &seconds)],
        );
        let terms = self.language.with(
            "plan-method-terms",
            &[
                ("week", &self.one_decimal(plan.terms.week_hours)),
                ("leave", &self.one_decimal(plan.terms.leave_hours)),
                ("away", &self.share(plan.terms.shrinkage)),
            ],
        );
        vec![formula, terms, self.t("plan-method-simulation")]
    }
}

/// Tenths, half up; 0 for negative values and for what is no number.
fn tenths(value: f64) -> u64 {
    (value * 10.0).round().max(0.0) as u64
}

fn millis(seconds: f64) -> u64 {
    (seconds * 1_000.0).round().max(0.0) as u64
}
