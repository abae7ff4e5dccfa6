//! Numbers that siaga dials and that lead back to this centre: the telco returns such a call as a new emergency call.

use crate::sip::number::{NumberFormat, dialled, e164};

use super::section::File;
use super::source::Source;

/// Checks each number that siaga dials: the fallback, escalations and agencies.
pub(super) fn checked(source: &mut Source, file: &File) {
    let right = "a number that does not reach this centre";
    if let Some(number) = &file.queue.fallback_number
        && let Some(wrong) = meaning(file, number)
    {
        source.fault("queue.fallback_number", wrong, right);
    }
    let desks = file.desk.iter().enumerate().map(|(i, desk)| (format!("desk[{i}].escalation"), &desk.escalation));
    for (key, steps) in std::iter::once(("queue.escalation".to_owned(), &file.queue.escalation)).chain(desks) {
        for wrong in steps.iter().filter_map(|step| meaning(file, step.number.as_ref()?)) {
            source.fault(&key, wrong, right);
        }
    }
    for (i, agency) in file.agency.iter().enumerate() {
        if let Some(wrong) = meaning(file, &agency.number) {
            source.fault(&format!("agency[{i}].number"), wrong, "the agency's own number");
        }
    }
}

/// Which number of this centre `number` reaches: the site's, a desk's, or a user name of a registration, in each form in which a trunk
/// may dial it, with and without the prefixes of called numbers.
fn meaning(file: &File, number: &str) -> Option<String> {
    let site = std::iter::once(("site.number".to_owned(), file.site.number.as_str()));
    let desks = file.desk.iter().enumerate().flat_map(|(i, desk)| {
        desk.numbers.iter().map(move |number| (format!("in desk[{i}].numbers"), number.as_str()))
    });
    let users = file.trunk.iter().enumerate().filter(|(_, trunk)| trunk.register).filter_map(|(i, trunk)| {
        let user = trunk.username.as_deref()?;
        Some((format!("trunk[{i}].username"), user))
    });
    let own: Vec<(String, &str)> = site.chain(desks).chain(users).filter(|(_, own)| !own.is_empty()).collect();
    if let Some((key, _)) = own.iter().find(|(_, own)| is_same(file, number, own)) {
        return Some(format!("{number:?} is {key}"));
    }
    let forms = forms(file, number);
    for (i, trunk) in file.trunk.iter().enumerate() {
        for prefix in trunk.called.iter().filter(|prefix| !prefix.is_empty()) {
            let rest = |own: &str| forms.iter().any(|form| form.strip_prefix(prefix.as_str()) == Some(own));
            if let Some((key, _)) = own.iter().find(|(_, own)| rest(own)) {
                return Some(format!("{number:?} is {key} after the prefix {prefix:?} of trunk[{i}].called"));
            }
        }
    }
    None
}

fn is_same(file: &File, number: &str, own: &str) -> bool {
    let bare = |number: &str| number.trim_start_matches('+').to_owned();
    let mut countries = file.trunk.iter().map(|trunk| trunk.country.as_str());
    forms(file, number).iter().any(|form| bare(form) == bare(own))
        || countries.any(|country| e164(own, country).is_some_and(|own| e164(number, country) == Some(own)))
}

/// The forms in which the trunks may dial a number.
fn forms(file: &File, number: &str) -> Vec<String> {
    let formats = [NumberFormat::Plus, NumberFormat::Country, NumberFormat::National];
    let per_trunk = |country: &str| formats.map(|format| dialled(number, format, country));
    let all = file.trunk.iter().flat_map(|trunk| per_trunk(&trunk.country));
    std::iter::once(number.to_owned()).chain(all).collect()
}
