//! The work of one step does not grow with the number of calls: iterations over whatever grows with them are counted.

use siaga::counted::{look_ups, visits};
use siaga::limits::PLACED_CALLS_MAX;

use super::crowd::{Crowd, Kind};

/// What each step visits amid so many calls.
fn costs(kind: Kind, calls: usize) -> Vec<(&'static str, u64)> {
    let mut crowd = Crowd::new(kind, calls);
    let mut costs = Vec::new();
    let mut invite = String::new();
    {
        let mut step = |name: &'static str, work: &mut dyn FnMut(&mut Crowd)| {
            let before = visits();
            work(&mut crowd);
            costs.push((name, visits() - before));
        };
        step("OPTIONS", &mut Crowd::options);
        step("figures", &mut Crowd::figures);
        step("INVITE", &mut |crowd| invite = crowd.invite());
        step("CANCEL", &mut |crowd| crowd.cancel(&invite));
        step("REGISTER", &mut Crowd::late_registers);
        step("REGISTER again", &mut Crowd::late_registers);
        step("call-back", &mut Crowd::late_calls_back);
        step("INVITE of an operator", &mut Crowd::late_places);
        if kind == Kind::Waiting {
            step("resume", &mut Crowd::resume);
        }
    }
    crowd.verify();
    costs
}

/// A step amid many calls may visit this many entries more than amid ten, for each doubling of their number.
const MORE: u64 = 2;

fn does_not_grow(kind: Kind, many: [usize; 2]) {
    let few = costs(kind, 10);
    for calls in many {
        let doublings = u64::from((calls / 10).ilog2());
        for ((step, few), (_, many)) in few.iter().zip(costs(kind, calls)) {
            let most = few + MORE * doublings;
            assert!(many <= most, "{step} amid {calls} calls that are {kind:?} visits {many} entries, amid ten {few}");
        }
    }
}

#[test]
fn a_step_costs_the_same_amid_calls_that_wait() {
    does_not_grow(Kind::Waiting, [1_000, 5_000]);
}

#[test]
fn a_step_costs_the_same_amid_calls_in_the_fallback() {
    does_not_grow(Kind::Fallback, [1_000, 5_000]);
}

#[test]
fn a_step_costs_the_same_amid_calls_that_operators_have_placed() {
    does_not_grow(Kind::Placed, [1_000, PLACED_CALLS_MAX - 1]);
}

/// What steps that change all of so many waiting calls cost, for each of these calls: entries visited and look-ups.
fn costs_of_all(calls: usize) -> Vec<(&'static str, u64)> {
    let mut costs = Vec::new();
    let mut step = |name: &'static str, crowd: &mut Crowd, work: fn(&mut Crowd), dialled: usize| {
        let before = visits() + look_ups();
        work(crowd);
        let cost = visits() + look_ups() - before;
        costs.push((name, cost / u64::try_from(calls).unwrap()));
        assert_eq!(crowd.dialled(), dialled, "{name}");
    };
    let mut crowd = Crowd::new(Kind::Waiting, calls);
    // The first call also rings the phones.
    step("last operator logs out", &mut crowd, Crowd::logs_out, calls - 1);
    step("fallback fails", &mut crowd, Crowd::fallback_fails, 0);
    step("retry due", &mut crowd, Crowd::retry_is_due, calls - 1);
    crowd.verify();
    let mut crowd = Crowd::new(Kind::Waiting, calls);
    step("mode fallback", &mut crowd, Crowd::falls_back, calls);
    crowd.verify();
    costs
}

#[test]
fn a_step_that_changes_all_calls_costs_the_same_for_each_of_them() {
    let few = costs_of_all(20);
    for calls in [500, 2_000] {
        for ((step, few), (_, many)) in few.iter().zip(costs_of_all(calls)) {
            assert!(many <= few + MORE, "{step} costs {many} for each of {calls} calls, for each of twenty {few}");
        }
    }
}
