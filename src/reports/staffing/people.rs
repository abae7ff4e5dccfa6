//! From operators in each hour to people: shifts, crews, leave, and time away from the desk.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::erlang::OPERATORS_MIN;
use super::hours::HOURS;

/// Weeks and days of a year for which people are paid and for which the centre is open.
const WEEKS: f64 = 52.0;
const DAYS: f64 = 365.0;
/// Differences smaller than this come from the arithmetic and do not need one more person.
const ROUNDING: f64 = 1e-9;

/// What a person's time is used for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Terms {
    /// Share of a shift that is not spent at the desk: breaks, briefing, training.
    pub shrinkage: f64,
    /// Paid hours of a week.
    pub week_hours: f64,
    /// Paid hours of a year without a shift: leave, sickness, courses.
    pub leave_hours: f64,
    /// Hour of the day at which the first shift starts.
    pub first_hour: u8,
}

impl Terms {
    /// People for `post_hours` hours of one post in a year.
    pub fn relief(&self, post_hours: f64) -> f64 {
        post_hours / (self.week_hours * WEEKS - self.leave_hours)
    }

    /// People on shift, so that `seats` are at the desk on average.
    pub fn on_shift(&self, seats: u32) -> u32 {
        up(f64::from(seats) / (1.0 - self.shrinkage))
    }
}

/// Shifts of a day, and how people take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// Hours of a shift: 12 or 8.
    pub hours: u8,
    /// Crews of equal size that take turns. None: each person has their own roster.
    pub crews: Option<u8>,
}

impl FromStr for Pattern {
    type Err = PatternError;

    /// Reads `2x12`, `3x8`, `2x12/4`, `3x8/5`: shifts × hours, and the number of crews.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (shifts, crews) = text.split_once('/').map_or((text, None), |(shifts, crews)| (shifts, Some(crews)));
        let hours = match shifts {
            "2x12" => 12,
            "3x8" => 8,
            _ => return Err(PatternError(text.to_owned())),
        };
        let number = |crews: &str| crews.parse().ok().filter(|crews| (3..=8).contains(crews));
        let crews = crews.map(|crews| number(crews).ok_or_else(|| PatternError(text.to_owned()))).transpose()?;
        Ok(Self { hours, crews })
    }
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a shift pattern; expected: 2x12 or 3x8, with 3 to 8 crews if people work in crews: 2x12/4, 3x8/5"
)]
pub struct PatternError(String);

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", 24 / self.hours.max(1), self.hours)?;
        self.crews.map_or(Ok(()), |crews| write!(f, "/{crews}"))
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One shift of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// 0 is Monday.
    pub weekday: u8,
    /// Hour of the day at which it starts.
    pub from_hour: u8,
    pub hours: u8,
    /// Operators needed at the desk: the most of its hours.
    pub seats: u32,
    /// People on shift. Some of them are away from the desk.
    pub people: u32,
}

/// What a pattern needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crewed {
    pub pattern: Pattern,
    pub shifts: Vec<Shift>,
    /// People employed.
    pub people: u32,
    /// People in a crew. None without crews.
    pub crew_size: Option<u32>,
    /// Mean hours on shift in a week without leave, for each person.
    pub week_hours: f64,
    /// Hours of a week above the contract.
    pub overtime_week_hours: f64,
    /// Employed people for each 24-hour seat.
    pub people_per_seat: f64,
}

impl Crewed {
    /// Staffs `pattern` for the operators needed in each hour of the week, Monday 00:00 first.
    pub fn of(pattern: Pattern, needed: &[u32; HOURS], terms: &Terms) -> Self {
        let mut shifts = shifts(pattern.hours, needed, terms);
        let year = terms.week_hours * WEEKS;
        let Some(crews) = pattern.crews else {
            let week: f64 = shifts.iter().map(|shift| f64::from(shift.people) * f64::from(shift.hours)).sum();
            let people = up(terms.relief(week * DAYS / 7.0));
            let at_desk: f64 = shifts.iter().map(|shift| f64::from(shift.seats) * f64::from(shift.hours)).sum();
            return Self {
                pattern,
                people,
                crew_size: None,
                week_hours: terms.week_hours,
                overtime_week_hours: 0.0,
                people_per_seat: f64::from(people) * HOURS as f64 / at_desk,
                shifts,
            };
        };
        // Every crew takes every shift in turn: it has the size that the busiest shift needs.
        let seats = shifts.iter().map(|shift| shift.seats).max().unwrap_or(OPERATORS_MIN);
        let on_shift = terms.on_shift(seats);
        shifts.iter_mut().for_each(|shift| (shift.seats, shift.people) = (seats, on_shift));
        let rostered = DAYS * 24.0 / f64::from(crews);
        let week_hours = HOURS as f64 / f64::from(crews);
        let present = rostered.min(rostered.max(year) - terms.leave_hours);
        let crew_size = up(f64::from(on_shift) * rostered / present);
        let people = crew_size * u32::from(crews);
        Self {
            pattern,
            shifts,
            people,
            crew_size: Some(crew_size),
            week_hours,
            overtime_week_hours: (week_hours - terms.week_hours).max(0.0),
            people_per_seat: f64::from(people) / f64::from(seats),
        }
    }
}

/// The shifts of a week by their start, each with the most operators that one of its hours needs.
fn shifts(hours: u8, needed: &[u32; HOURS], terms: &Terms) -> Vec<Shift> {
    let of_day = |weekday: u8| {
        (0..24 / hours.max(1)).map(move |no| {
            let start = terms.first_hour + no * hours;
            let first = usize::from(weekday) * 24 + usize::from(start);
            let inside = needed.iter().cycle().skip(first % HOURS).take(usize::from(hours));
            let seats = inside.copied().max().unwrap_or(0).max(OPERATORS_MIN);
            Shift {
                weekday: (weekday + start / 24) % 7,
                from_hour: start % 24,
                hours,
                seats,
                people: terms.on_shift(seats),
            }
        })
    };
    let mut all: Vec<Shift> = (0..7).flat_map(of_day).collect();
    all.sort_by_key(|shift| (shift.weekday, shift.from_hour));
    all
}

fn up(people: f64) -> u32 {
    (people - ROUNDING).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { shrinkage: 0.0, week_hours: 37.5, leave_hours: 382.0, first_hour: 7 };

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn relief_gives_the_published_figures() {
        let terms = Terms { week_hours: 40.0, ..TERMS };
        let post = 8.0 * DAYS;
        assert!((post - 2_920.0).abs() < 1e-9);
        assert!((terms.relief(post) - 1.72).abs() < 0.005, "{}", terms.relief(post));
        assert!((3.0 * terms.relief(post) - 5.16).abs() < 0.005);
    }

    #[test]
    fn two_shifts_of_12_hours_and_three_of_8_need_the_same_people() {
        let [long, short] =
            ["2x12", "3x8"].map(|text| Crewed::of(pattern(text), &[2; HOURS], &Terms { week_hours: 40.0, ..TERMS }));
        assert_eq!((long.shifts.len(), short.shifts.len()), (14, 21));
        assert_eq!((long.people, short.people), (11, 11), "2 · 5.159 = 10.3");
    }

    #[test]
    fn crews_work_42_or_33_6_hours_a_week() {
        let four = Crewed::of(pattern("2x12/4"), &[3; HOURS], &TERMS);
        assert!((four.week_hours - 42.0).abs() < 1e-9 && (four.overtime_week_hours - 4.5).abs() < 1e-9, "{four:?}");
        // 2,190 h on the roster, 1,808 h without leave: 3 · 1.211 = 3.6.
        assert_eq!((four.crew_size, four.people), (Some(4), 16));
        let five = Crewed::of(pattern("3x8/5"), &[3; HOURS], &TERMS);
        assert!((five.week_hours - 33.6).abs() < 1e-9 && five.overtime_week_hours.abs() < 1e-9, "{five:?}");
        // 1,752 h on the roster; 1,950 - 382 = 1,568 h are left: 3 · 1.117 = 3.4.
        assert_eq!((five.crew_size, five.people), (Some(4), 20));
        let without_leave = Terms { leave_hours: 0.0, ..TERMS };
        assert_eq!(Crewed::of(pattern("3x8/5"), &[3; HOURS], &without_leave).people, 15);
    }

    #[test]
    fn a_shift_has_the_operators_of_its_busiest_hour_also_over_midnight_and_the_end_of_the_week() {
        let mut needed = [2; HOURS];
        needed[3] = 5; // Monday 03:00 belongs to Sunday's night shift.
        needed[24 + 9] = 4;
        let found = Crewed::of(pattern("2x12"), &needed, &TERMS);
        let seats: Vec<_> =
            found.shifts.iter().filter(|s| s.seats > 2).map(|s| (s.weekday, s.from_hour, s.seats)).collect();
        assert_eq!(seats, [(1, 7, 4), (6, 19, 5)]);
        let crews = Crewed::of(pattern("2x12/4"), &needed, &TERMS);
        assert!(crews.shifts.iter().all(|shift| shift.seats == 5), "each crew can take each shift");
    }

    #[test]
    fn shifts_that_start_after_midnight_belong_to_the_next_day() {
        let terms = Terms { first_hour: 8, ..TERMS };
        let found = Crewed::of(pattern("3x8"), &[2; HOURS], &terms);
        let first: Vec<_> = found.shifts.iter().take(4).map(|shift| (shift.weekday, shift.from_hour)).collect();
        assert_eq!(first, [(0, 0), (0, 8), (0, 16), (1, 0)]);
    }

    #[test]
    fn time_away_from_the_desk_needs_more_people_on_shift() {
        let terms = Terms { shrinkage: 0.3, ..TERMS };
        assert_eq!([2, 7].map(|seats| terms.on_shift(seats)), [3, 10]);
        assert_eq!(TERMS.on_shift(2), 2);
    }

    #[test]
    fn patterns_are_read_and_written() {
        for text in ["2x12", "3x8", "2x12/4", "3x8/5"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        for bad in ["", "2x8", "4x6", "2x12/", "3x8/2", "3x8/9", "3x8/a", "2x12/4/4"] {
            let error = bad.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")) && error.contains("2x12/4"), "{error}");
        }
    }
}
