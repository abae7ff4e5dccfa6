//! The times at the desk of each person on each shift of the simulated week, with breaks.

use super::people::Shift;
use super::simulate::{BEFORE, Duty, END, HOUR};

/// One break in so many hours of a shift.
const BREAK_EACH_HOURS: u8 = 4;
const DAY: u64 = 24 * HOUR;

/// The duties of `shifts`, with `more` people more on each, but at least one. Each person is away for the share `shrinkage` of the
/// shift, in equal breaks spread so that as few people as possible are away at the same time.
pub(super) fn duties(shifts: &[Shift], shrinkage: f64, more: i32) -> Vec<Duty> {
    let mut duties = Vec::new();
    // From two days before Monday, for night shifts that end in the simulated time; shifted by two days to stay positive.
    for day in 0..END / DAY + 1 {
        let weekday = (day + 5) % 7;
        for shift in shifts.iter().filter(|shift| u64::from(shift.weekday) == weekday) {
            let start = day * DAY + u64::from(shift.from_hour) * HOUR;
            let people = shift.people.saturating_add_signed(more).max(1);
            duties.extend((0..people).map(|no| duty(start, shift.hours, shrinkage, no, people)));
        }
    }
    // Time 0 of the simulation is a day before Monday.
    let early = 2 * DAY - BEFORE;
    let moved = |duty: Duty| -> Duty {
        let spans = duty.into_iter().map(|span| span.start.saturating_sub(early)..span.end.saturating_sub(early));
        spans.map(|span| span.start..span.end.min(END)).filter(|span| span.start < span.end).collect()
    };
    duties.into_iter().map(moved).filter(|duty| !duty.is_empty()).collect()
}

/// The times at the desk of person `no` of `people`.
fn duty(start: u64, hours: u8, shrinkage: f64, no: u32, people: u32) -> Duty {
    let breaks = u64::from((hours / BREAK_EACH_HOURS).max(1));
    let part = u64::from(hours) * HOUR / breaks;
    let away = (part as f64 * shrinkage) as u64;
    // The middles of all people's breaks are evenly spread over the part.
    let before = ((part - away) * (2 * u64::from(no) + 1)) / (2 * u64::from(people));
    let mut spans = Duty::new();
    let mut from = start;
    for part_start in (0..breaks).map(|no| start + no * part) {
        if away > 0 {
            spans.push(from..part_start + before);
            from = part_start + before + away;
        }
    }
    spans.push(from..start + u64::from(hours) * HOUR);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(hours: u8, people: u32) -> Vec<Shift> {
        let starts = (0..24 / hours).map(move |no| (7 + no * hours) % 24);
        (0..7)
            .flat_map(|weekday| {
                starts.clone().map(move |from_hour| Shift { weekday, from_hour, hours, seats: people, people })
            })
            .collect()
    }

    fn at_desk(duties: &[Duty], at: u64) -> usize {
        duties.iter().flatten().filter(|span| span.contains(&at)).count()
    }

    #[test]
    fn without_breaks_every_moment_has_all_people() {
        for hours in [8, 12] {
            let duties = duties(&week(hours, 3), 0.0, 0);
            assert!((0..END).step_by(HOUR as usize / 4).all(|at| at_desk(&duties, at) == 3), "{hours} h");
        }
    }

    #[test]
    fn one_person_more_or_less_on_each_shift_but_never_none() {
        for (people, more, expected) in [(3, 1, 4), (3, -1, 2), (1, -1, 1)] {
            let duties = duties(&week(12, people), 0.0, more);
            assert!((0..END).step_by(HOUR as usize).all(|at| at_desk(&duties, at) == expected));
        }
    }

    #[test]
    fn breaks_take_the_share_of_the_shift_and_are_spread() {
        let duties = duties(&week(8, 4), 0.1, 0);
        let present: u64 = duties.iter().flatten().map(|span| span.end - span.start).sum();
        let share = present as f64 / (4 * END) as f64;
        assert!((share - 0.9).abs() < 0.01, "{share}");
        let least = (0..END).step_by(HOUR as usize / 60).map(|at| at_desk(&duties, at)).min();
        assert_eq!(least, Some(3), "two people are never on a break at once");
    }

    #[test]
    fn the_duties_are_those_of_their_weekday() {
        // Only Mondays have two people by day.
        let mut shifts = week(12, 1);
        shifts.iter_mut().filter(|s| (s.weekday, s.from_hour) == (0, 7)).for_each(|s| s.people = 2);
        let duties = duties(&shifts, 0.0, 0);
        let monday = BEFORE;
        for (at, expected) in [(6, 1), (7, 2), (18, 2), (19, 1), (24 + 7, 1), (7 * 24 + 7, 2)] {
            assert_eq!(at_desk(&duties, monday + at * HOUR), expected, "Monday + {at} h");
        }
    }
}
