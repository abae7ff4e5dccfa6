//! The desks of the queue: `[queue]` itself, and each `[[desk]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::acd::desk::{Desk, DeskNo, Escalation, Overflow};
use crate::acd::section::{DeskSection, EscalationStep};
use crate::ids::OperatorId;
use crate::limits::DESKS_MAX;
use crate::switchboard::DeskCalls;

use super::level::FIRST_DESK;
use super::section::File;
use super::source::{Source, section_faults};

/// Builds the desks, and the rules which calls belong to which desk. The first is `[queue]`.
pub(super) fn checked(source: &mut Source, file: &File) -> (Vec<Desk>, Vec<DeskCalls>) {
    let queue = &file.queue;
    let first = Desk {
        name: String::new(),
        strategy: queue.strategy,
        members: queue.operators.as_ref().map(|operators| members(source, "queue", operators)),
        overflow: Overflow::default(),
        escalation: escalation(source, "queue", &queue.escalation, "", &file.desk),
        progress: Duration::from_secs(queue.progress_seconds),
    };
    let first_calls =
        DeskCalls { priority: queue.priority, outside: outside(&queue.escalation), ..DeskCalls::default() };
    let (mut desks, mut calls) = (vec![first], vec![first_calls]);
    if file.desk.len() >= DESKS_MAX {
        source.fault(
            "desk",
            format!("{} desks", file.desk.len()),
            format!("at most {} besides [queue]", DESKS_MAX - 1),
        );
    }
    let (mut names, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for (i, section) in file.desk.iter().enumerate() {
        let at = format!("desk[{i}]");
        section_faults(source, &at, &section.faults());
        if section.name == FIRST_DESK {
            source.fault(
                &format!("{at}.name"),
                format!("{FIRST_DESK:?} is what [queue] is called"),
                "a different name",
            );
        }
        if !names.insert(section.name.as_str()) {
            source.fault(&format!("{at}.name"), format!("{:?} is another desk's", section.name), "a different name");
        }
        for number in &section.numbers {
            if *number == file.site.number || !taken.insert(number.as_str()) {
                source.fault(&format!("{at}.numbers"), format!("{number:?} is another's"), "a number of its own");
            }
        }
        for service in &section.services {
            if !taken.insert(service.as_str()) {
                source.fault(&format!("{at}.services"), format!("{service:?} is another's"), "a service of its own");
            }
        }
        desks.push(Desk {
            name: section.name.clone(),
            strategy: section.strategy,
            members: section.operators.as_ref().map(|operators| members(source, &at, operators)),
            overflow: overflow(source, &at, section, &file.desk),
            escalation: escalation(source, &at, &section.escalation, &section.name, &file.desk),
            progress: Duration::from_secs(section.progress_seconds),
        });
        calls.push(DeskCalls {
            services: section.services.clone(),
            numbers: section.numbers.clone(),
            priority: section.priority,
            outside: outside(&section.escalation),
        });
    }
    (desks, calls)
}

fn members(source: &mut Source, at: &str, operators: &BTreeMap<String, u8>) -> BTreeMap<OperatorId, u8> {
    let mut all = BTreeMap::new();
    for (name, level) in operators {
        match OperatorId::parse(name) {
            Ok(operator) => {
                all.insert(operator, *level);
            }
            Err(_) => {
                source.fault(&format!("{at}.operators"), format!("{name:?} is no operator's name"), "a user name");
            }
        }
    }
    all
}

fn overflow(source: &mut Source, at: &str, section: &DeskSection, desks: &[DeskSection]) -> Overflow {
    let to = numbers(source, &format!("{at}.overflow"), &section.overflow, &section.name, desks);
    Overflow { after: section.overflow_seconds.map(Duration::from_secs), length: section.overflow_length, to }
}

fn escalation(
    source: &mut Source,
    at: &str,
    steps: &[EscalationStep],
    own: &str,
    desks: &[DeskSection],
) -> Vec<Escalation> {
    let step = |step: &EscalationStep| Escalation {
        after: Duration::from_secs(step.after_seconds),
        to: numbers(source, &format!("{at}.escalation"), step.to.as_deref().unwrap_or_default(), own, desks),
    };
    // A step with a number and no desk only calls the number.
    let desks_too = steps.iter().filter(|step| step.number.is_none() || step.to.is_some());
    desks_too.map(step).collect()
}

/// The numbers outside of an escalation.
fn outside(steps: &[EscalationStep]) -> Vec<(Duration, String)> {
    let numbers = steps.iter().filter_map(|step| Some((step.after_seconds, step.number.clone()?)));
    numbers.map(|(after, number)| (Duration::from_secs(after), number)).collect()
}

/// The numbers of desks other than `own`.
fn numbers(source: &mut Source, key: &str, names: &[String], own: &str, desks: &[DeskSection]) -> Vec<DeskNo> {
    let mut to = Vec::new();
    for name in names {
        let found = desks.iter().position(|desk| desk.name == *name).filter(|_| name != own);
        match found.and_then(|at| u8::try_from(at + 1).ok()) {
            Some(desk) => to.push(DeskNo(desk)),
            None => {
                source.fault(key, format!("{name:?} is no other desk"), "names of other desks; empty: all operators");
            }
        }
    }
    to
}
