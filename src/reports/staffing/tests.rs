use super::*;

fn wanted(target: &str) -> Wanted {
    Wanted {
        target: target.parse().unwrap(),
        terms: Terms { shrinkage: 0.1, week_hours: 37.5, leave_hours: 382.0, first_hour: 7 },
        patterns: ["2x12/4", "3x8/5", "2x12", "3x8"].map(|text| text.parse().unwrap()).to_vec(),
        replications: 4,
        seed: 1,
    }
}

#[test]
fn targets_are_read_and_written() {
    for text in ["90/10", "90/15", "95/20", "99.5/0"] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
    }
    for bad in ["", "90", "90/", "0/10", "100/10", "90/-1", "90/3601", "NaN/10", "90/inf", "a/b"] {
        let error = bad.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?}")) && error.contains("90/10"), "{error}");
    }
}

#[test]
fn a_constant_load_needs_the_same_operators_in_each_hour() {
    let found = plan(Given::assumed(200.0, 180.0, None), &wanted("90/20")).unwrap();
    assert_eq!(found.hours.len(), HOURS);
    assert!(found.hours.iter().all(|hour| hour.operators == 15), "10 Erlang, 90/20");
    assert_eq!((found.hours[30].weekday, found.hours[30].hour), (1, 6));
    assert_eq!(found.model, Model::ErlangC);
    let [fewer, same, more] = &found.effects[..] else { panic!("{:?}", found.effects) };
    assert_eq!([fewer, same, more].map(|of| of.operators), [14, 15, 16]);
    assert!((fewer.expected.service_level - 0.888_35).abs() < 5e-6);
    assert!(fewer.expected.mean_wait_seconds > same.expected.mean_wait_seconds);
    assert!((found.service_level - same.expected.service_level).abs() < 1e-12);
    // 15 at the desk are 17 on shift.
    assert!(found.patterns.iter().all(|of| of.shifts.iter().all(|s| (s.seats, s.people) == (15, 17))));
}

#[test]
fn a_quiet_city_needs_two_operators_and_the_plan_shows_why_not_one() {
    let found = plan(Given::assumed(0.5, 120.0, None), &wanted("90/10")).unwrap();
    assert!(found.hours.iter().all(|hour| hour.operators == 2));
    assert_eq!(found.effects[0].operators, 1);
    assert!(found.effects[0].expected.service_level < 1.0);
    let silent = plan(Given::assumed(0.0, 120.0, None), &wanted("90/10")).unwrap();
    assert!(silent.weeks.is_empty() && (silent.service_level - 1.0).abs() < 1e-12);
    assert_eq!(silent.recommended.shifts[0].seats, 2);
}

#[test]
fn the_recommended_pattern_has_the_fewest_people_without_overtime() {
    let found = plan(Given::assumed(20.0, 180.0, Some(120.0)), &wanted("90/10")).unwrap();
    assert!(found.recommended.overtime_week_hours.abs() < 1e-12);
    let fewest = found.patterns.iter().filter(|of| of.overtime_week_hours <= 0.0).map(|of| of.people).min();
    assert_eq!(Some(found.recommended.people), fewest);
    let crews = Wanted { patterns: vec!["2x12/4".parse().unwrap()], ..wanted("90/10") };
    let found = plan(Given::assumed(20.0, 180.0, None), &crews).unwrap();
    assert!((found.recommended.overtime_week_hours - 4.5).abs() < 1e-9, "the only pattern asked for");
    let none = Wanted { patterns: vec![], ..crews };
    assert_eq!(plan(Given::assumed(20.0, 180.0, None), &none), Err(PlanError::NoPattern));
}

#[test]
fn the_simulation_of_the_roster_confirms_the_plan() {
    let found =
        plan(Given::assumed(100.0, 180.0, Some(180.0)), &Wanted { replications: 8, ..wanted("90/10") }).unwrap();
    let levels: Vec<_> = found.weeks.iter().map(|week| (week.people_more, week.simulated.service_level)).collect();
    let [(-1, fewer), (0, same), (1, more)] = levels[..] else { panic!("{levels:?}") };
    assert!(fewer.mean < same.mean && same.mean < more.mean, "{levels:?}");
    assert!(same.mean > 0.9 && (same.mean - found.service_level).abs() < 0.05, "{levels:?} {}", found.service_level);
}

#[test]
fn a_plan_is_the_same_to_the_last_bit() {
    let run = || plan(Given::assumed(50.0, 200.0, Some(90.0)), &wanted("95/20")).unwrap();
    assert_eq!(serde_json::to_string(&run()).unwrap(), serde_json::to_string(&run()).unwrap());
}

#[test]
fn a_load_beyond_every_centre_is_rejected() {
    let fault = plan(Given::assumed(1e6, 180.0, None), &wanted("90/10")).unwrap_err();
    assert_eq!(fault, PlanError::TooMuch { erlang: 50_000.0 });
    assert!(fault.to_string().contains("50000 Erlang need more than 20000 operators"), "{fault}");
}
