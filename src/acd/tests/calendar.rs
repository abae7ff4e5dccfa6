//! Shifts, rosters and the clock of the calendar.

use jiff::tz::TimeZone;

use super::roster::Roster;
use super::section::ShiftSection;
use super::shift::{Plan, ShiftTimes};
use super::*;

fn shift(name: &str, start: &str, end: &str) -> ShiftTimes {
    ShiftTimes::parse(&ShiftSection { name: name.to_owned(), start: start.to_owned(), end: end.to_owned() }).unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn two_shifts() -> Vec<ShiftTimes> {
    vec![shift("day", "07:00", "19:00"), shift("night", "19:00", "07:00")]
}

fn plan(csv: &str) -> Plan {
    let roster = Roster::parse(&format!("operator,date,shift\n{csv}")).unwrap();
    Plan::build(&two_shifts(), Some(&roster), &zone("Asia/Jakarta")).unwrap()
}

#[test]
fn a_night_shift_spans_midnight_and_belongs_to_the_day_on_which_it_starts() {
    let plan = plan("a,2026-11-23,night");
    let stands = |text| plan.standing(&op("a"), at(text)).on_shift;
    assert!(!stands("2026-11-23T18:59:59.999+07:00"));
    assert!(stands("2026-11-23T19:00:00+07:00"));
    assert!(stands("2026-11-24T06:59:59.999+07:00"));
    assert!(!stands("2026-11-24T07:00:00+07:00"));
    assert!(!plan.standing(&op("b"), at("2026-11-23T20:00:00+07:00")).on_shift, "who is not named is off");
}

#[test]
fn shifts_that_touch_or_overlap_are_one_span() {
    let plan = plan("a,2026-11-23,night\na,2026-11-23,day\na,2026-11-23,day\na,2026-11-25,day");
    let spans = plan.spans.get(&op("a")).unwrap();
    let expected = [
        (at("2026-11-23T07:00:00+07:00"), at("2026-11-24T07:00:00+07:00")),
        (at("2026-11-25T07:00:00+07:00"), at("2026-11-25T19:00:00+07:00")),
    ];
    assert_eq!(spans.iter().copied().collect::<Vec<_>>(), expected);
    let between = plan.standing(&op("a"), at("2026-11-24T12:00:00+07:00"));
    assert_eq!((between.on_shift, between.until), (false, Some(at("2026-11-25T07:00:00+07:00"))));
}

#[test]
fn clock_changes_lengthen_and_shorten_the_night_shift() {
    let roster =
        Roster::parse("operator,date,shift\na,2026-03-28,night\nb,2026-10-24,night\nc,2026-03-29,early").unwrap();
    let mut shifts = two_shifts();
    shifts.push(shift("early", "02:30", "03:30"));
    let plan = Plan::build(&shifts, Some(&roster), &zone("Europe/Berlin")).unwrap();
    let hours =
        |name| plan.spans.get(&op(name)).unwrap().iter().map(|(a, b)| b.millis_since(*a) / 3_600_000).sum::<u64>();
    assert_eq!((hours("a"), hours("b")), (11, 13));
    let skipped = plan.spans.get(&op("c")).cloned().unwrap_or_default();
    assert!(skipped.is_empty(), "02:30 counts as 03:30 on that day, so nothing is left: {skipped:?}");
}

#[test]
fn shifts_without_a_roster_put_all_operators_on_every_shift() {
    let always = Plan::build(&two_shifts(), None, &zone("Asia/Jakarta")).unwrap();
    for hour in 0..48 {
        let when = Timestamp::from_millis(1_790_000_000_000 + hour * 3_600_000);
        assert!(always.standing(&op("a"), when).on_shift);
    }
    let office = Plan::build(&[shift("office", "08:00", "16:00")], None, &zone("Asia/Jakarta")).unwrap();
    let night = office.standing(&op("a"), at("2026-11-23T22:00:00+07:00"));
    assert_eq!((night.on_shift, night.until), (false, Some(at("2026-11-24T08:00:00+07:00"))));
    let noon = office.standing(&op("a"), at("1970-01-02T12:00:00+07:00"));
    assert!(noon.on_shift, "also when the clock is far from right");
}

#[test]
fn a_shift_from_a_time_to_itself_lasts_a_day_and_24_00_is_midnight() {
    let round = Plan::build(&[shift("all", "07:00", "07:00")], None, &TimeZone::UTC).unwrap();
    assert!(round.standing(&op("a"), at("2026-11-23T06:59:00Z")).on_shift);
    let evening = Plan::build(&[shift("evening", "16:00", "24:00")], None, &TimeZone::UTC).unwrap();
    assert_eq!(evening.standing(&op("a"), at("2026-11-23T23:59:59Z")).until, Some(at("2026-11-24T00:00:00Z")));
}

#[test]
fn a_shift_with_times_that_are_none_tells_all_of_it() {
    let section = ShiftSection { name: " ".to_owned(), start: "24:00".to_owned(), end: "7.30".to_owned() };
    let keys: Vec<_> = ShiftTimes::parse(&section).unwrap_err().into_iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["name", "start", "end"]);
    for bad in ["7", "07:0", "07:60", "-1:00", "+7:00", "007:00", ""] {
        let section = ShiftSection { name: "x".to_owned(), start: bad.to_owned(), end: "08:00".to_owned() };
        assert!(ShiftTimes::parse(&section).is_err(), "{bad}");
    }
}

#[test]
fn a_roster_from_a_spreadsheet_is_read() {
    let text = "\u{feff}Shift;Operator;Note;Date\r\nday; a ;first;2026-11-23\r\n;;;\r\n\r\nnight;b;;2026-11-24\r\n";
    let roster = Roster::parse(text).unwrap();
    let read: Vec<_> = roster.entries().iter().map(|e| (e.line, e.operator.as_str(), e.shift.as_str())).collect();
    assert_eq!(read, [(2, "a", "day"), (5, "b", "night")]);
}

#[test]
fn a_roster_tells_all_of_its_faults_with_their_lines() {
    let faults =
        Roster::parse("operator,date,shift\na b,2026-02-30,day\na,2026-11-23,\na,23.11.2026,day\n").unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.line, fault.what)).collect();
    assert_eq!(found, [(2, "operator"), (2, "date"), (3, "shift"), (4, "date")]);
    let roster = Roster::parse("operator,date,shift\na,2026-11-23,evening\n").unwrap();
    let faults = Plan::build(&two_shifts(), Some(&roster), &TimeZone::UTC).unwrap_err();
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["line 2: shift is \"evening\"; expected: one of the shifts day, night"]);
    assert_eq!(Roster::parse("name,day\n").unwrap_err().first().unwrap().what, "header");
    assert!(Roster::parse("").is_err());
    let flood = format!("operator,date,shift\n{}", ",x,\n".repeat(10_000));
    assert!(Roster::parse(&flood).unwrap_err().len() <= 102);
}

/// `a` has the night of 23 November; it is 18:00.
fn evening() -> Stage {
    let mut stage = Stage::with(Settings { plan: plan("a,2026-11-23,night"), ..settings() }, &[]);
    stage.now.wall = at("2026-11-23T18:00:00+07:00");
    stage.acd.expire(stage.now);
    stage.acd.set_operators(stage.now, &[op("a")]);
    stage.acd.set_registered(stage.now, &op("a"), true);
    stage
}

#[test]
fn the_shift_begins_and_ends_on_the_dot() {
    let mut stage = evening();
    assert_eq!(stage.state("a"), State::Offline);
    assert_eq!(
        stage.acd.poll_timeout(),
        Some(stage.now.mono + Duration::from_secs(60)),
        "the clock is looked at every minute"
    );
    stage.pass(Duration::from_millis(3_600_000 - 1));
    assert_eq!(stage.state("a"), State::Offline);
    assert_eq!(stage.acd.poll_timeout(), Some(stage.now.mono + Duration::from_millis(1)));
    stage.pass(Duration::from_millis(1));
    assert_eq!(stage.state("a"), State::Ready);
    stage.pass(Duration::from_secs(12 * 3600));
    assert_eq!(stage.state("a"), State::Offline);
    let reason = stage.acd.take_changes().pop().unwrap().reason;
    assert_eq!(reason.as_deref(), Some("off-shift"));
}

#[test]
fn a_clock_that_jumps_either_way_is_caught() {
    let mut stage = evening();
    stage.now.wall = at("2026-11-23T23:00:00+07:00");
    stage.acd.expire(stage.now);
    assert_eq!(stage.state("a"), State::Ready);
    stage.now.wall = at("2026-11-23T12:00:00+07:00");
    stage.acd.expire(stage.now);
    assert_eq!(stage.state("a"), State::Offline);
    stage.now.wall = at("2026-11-23T19:00:00+07:00");
    stage.acd.expire(stage.now);
    assert_eq!(stage.state("a"), State::Ready);
}

#[test]
fn the_end_of_a_shift_takes_neither_a_call_nor_an_offer_away() {
    let mut stage = evening();
    stage.pass(Duration::from_secs(12 * 3600));
    let (call, a) = stage.talk();
    stage.pass(Duration::from_secs(3600));
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Talking));
    stage.acd.finished(stage.now, call, &a);
    assert_eq!(stage.state("a"), State::WrapUp);
    stage.acd.take_changes();
    stage.pass(WRAP_UP);
    assert_eq!(stage.changes(), [(State::Offline, Some(call))]);

    let mut stage = evening();
    stage.pass(Duration::from_secs(12 * 3600));
    stage.caller();
    stage.offers();
    stage.pass(Duration::from_secs(3600));
    assert_eq!((stage.decisions(), stage.state("a")), (vec![], State::Offered));
}

#[test]
fn a_new_plan_counts_at_once() {
    let mut stage = evening();
    stage.acd.configure(stage.now, settings());
    assert_eq!((stage.state("a"), stage.acd.poll_timeout()), (State::Ready, None));
    stage.acd.configure(stage.now, Settings { plan: plan("a,2026-11-23,night"), ..settings() });
    assert_eq!(stage.state("a"), State::Offline);
}

#[test]
fn a_crew_stays_until_the_next_has_taken_over() {
    let plan = plan("a,2026-11-24,day\nb,2026-11-24,night").with_overlap(Duration::from_secs(15 * 60));
    let stands = |who: &str, text| plan.standing(&op(who), at(text)).on_shift;
    assert!(stands("a", "2026-11-24T19:14:59+07:00") && stands("b", "2026-11-24T19:00:00+07:00"));
    assert!(!stands("a", "2026-11-24T19:15:00+07:00"));
}

#[test]
fn an_operator_without_a_valid_decree_is_not_on_shift() {
    let mut plan = plan("a,2026-11-24,day\na,2026-11-25,day\nb,2026-11-24,day");
    let decrees = super::roster::decree::parse("operator,decree,valid_from,valid_to\na,SK 1,,2026-11-24").unwrap();
    plan.validity = super::roster::decree::validity(&decrees, &zone("Asia/Jakarta"));
    let stands = |who: &str, text| plan.standing(&op(who), at(text));
    assert!(stands("a", "2026-11-24T12:00:00+07:00").on_shift);
    assert_eq!(stands("a", "2026-11-24T12:00:00+07:00").until, Some(at("2026-11-24T19:00:00+07:00")));
    assert!(!stands("a", "2026-11-25T12:00:00+07:00").on_shift, "the decree is over");
    assert!(stands("b", "2026-11-24T12:00:00+07:00").on_shift, "who has no line is not limited");
    // The decree also applies without shifts.
    let always = Plan { validity: plan.validity.clone(), ..Plan::default() };
    let (standing, later) =
        (always.standing(&op("a"), at("2026-11-24T23:59:59+07:00")), at("2026-11-25T00:00:00+07:00"));
    assert_eq!((standing.on_shift, standing.until), (true, Some(later)));
    assert!(!always.standing(&op("a"), later).on_shift);
    assert!(always.standing(&op("b"), later).on_shift);
}

#[test]
fn an_operator_is_off_shift_when_the_decree_ends() {
    let decrees = super::roster::decree::parse("operator,decree,valid_from,valid_to\na,SK 1,,2026-11-24").unwrap();
    let mut settings = settings();
    settings.plan.validity = super::roster::decree::validity(&decrees, &zone("Asia/Jakarta"));
    let mut now = Now { mono: Instant::from_nanos(0), wall: at("2026-11-24T23:59:00+07:00") };
    let mut acd = Acd::new(now, settings, Rng::from_number(1));
    acd.set_operators(now, &[op("a")]);
    acd.set_registered(now, &op("a"), true);
    assert_eq!(acd.view(&op("a")).unwrap().state, State::Ready);
    now = now.after(Duration::from_secs(60));
    acd.expire(now);
    assert_eq!(acd.view(&op("a")).unwrap().state, State::Offline);
}

#[test]
fn gaps_are_the_times_with_too_few_on_shift() {
    let plan = plan("a,2026-11-24,day\nb,2026-11-24,day\na,2026-11-24,night\nb,2026-11-25,day");
    let (from, to) = (at("2026-11-24T06:00:00+07:00"), at("2026-11-25T20:00:00+07:00"));
    let gaps = |minimum| {
        let gaps = plan.gaps(from, to, minimum);
        gaps.iter().map(|gap| (gap.from, gap.to, gap.fewest)).collect::<Vec<_>>()
    };
    let early = (from, at("2026-11-24T07:00:00+07:00"), 0);
    assert_eq!(gaps(1), [early, (at("2026-11-25T19:00:00+07:00"), to, 0)]);
    assert_eq!(gaps(2), [early, (at("2026-11-24T19:00:00+07:00"), to, 0)]);
    assert_eq!(gaps(0), []);
    // All operators have every shift: times outside the shifts are gaps.
    let daily = Plan::build(&[shift("day", "07:00", "19:00")], None, &zone("Asia/Jakarta")).unwrap();
    let night = (at("2026-11-24T19:00:00+07:00"), at("2026-11-25T07:00:00+07:00"));
    let gaps: Vec<_> =
        daily.gaps(early.1, at("2026-11-25T19:00:00+07:00"), 3).iter().map(|gap| (gap.from, gap.to)).collect();
    assert_eq!(gaps, [night]);
    assert_eq!(Plan::default().gaps(from, to, 3), [], "without shifts everybody is always there");
}
