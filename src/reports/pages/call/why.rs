//! The ACD's reason for the choice of an operator, in the language of the page. Facts have it as an English text (`acd::reason`); parts
//! that this version does not know stay as they are.

use crate::web::format::duration;

use super::parties::Parties;

const PASSED_OVER: &str = "; passed over: ";
const MORE: &str = " and ";

/// The reason as sentences: why this operator, and who was passed over.
pub(super) fn why(text: &str, parties: &Parties<'_>) -> String {
    let (merit, passed_over) = text.split_once(PASSED_OVER).unwrap_or((text, ""));
    let mut words = vec![merit_text(merit, parties)];
    if !passed_over.is_empty() {
        let value = passed_over_text(passed_over, parties);
        words.push(parties.language.with("why-passed-over", &[("operators", &value)]));
    }
    words.retain(|part| !part.is_empty());
    words.join("; ")
}

fn merit_text(text: &str, parties: &Parties<'_>) -> String {
    let language = parties.language;
    for (start, key) in [
        ("another phone of the operator: ", "why-other-phone"),
        ("major incident: ", "why-major-incident"),
        ("ring-all: ", "why-ring-all"),
        ("ring-progressively: ", "why-ring-progressively"),
    ] {
        if let Some(rest) = text.strip_prefix(start) {
            return language.with(key, &[("reason", &merit_text(rest, parties))]);
        }
    }
    let (text, beside) = text.split_once("; ").unwrap_or((text, ""));
    let beside = match beside.strip_suffix(" ring already") {
        Some(count) => format!("; {}", language.with("why-ring-already", &[("count", count)])),
        None if beside.is_empty() => String::new(),
        None => format!("; {beside}"),
    };
    let words = if let Some((millis, ready)) = between(text, "longest idle: ", " ms, first of ", " ready") {
        language.with("why-longest-idle", &[("time", &time(millis)), ("ready", &ready)])
    } else if let Some((millis, ready)) = between(text, "least talk time: ", " ms, first of ", " ready") {
        language.with("why-least-talk", &[("time", &time(millis)), ("ready", &ready)])
    } else if let Some((calls, ready)) = between(text, "fewest calls: ", ", first of ", " ready") {
        language.with("why-fewest-calls", &[("calls", calls), ("ready", &ready)])
    } else if let Some((seconds, reason)) = between(text, "no operator ready for ", " s: on break (", ")") {
        language.with("why-break", &[("seconds", seconds), ("reason", &reason)])
    } else {
        match text {
            "longest-idle" => language.text("why-turn"),
            "transfer" => language.text("why-transfer"),
            text => text.to_owned(),
        }
    };
    format!("{words}{beside}")
}

/// The two parts of `start ONE middle TWO end REST`; REST stays with the second.
fn between<'t>(text: &'t str, start: &str, middle: &str, end: &str) -> Option<(&'t str, String)> {
    let (one, two) = text.strip_prefix(start)?.split_once(middle)?;
    let (two, rest) = two.split_once(end)?;
    Some((one, format!("{two}{rest}")))
}

fn time(millis: &str) -> String {
    millis.parse().map_or_else(|_| millis.to_owned(), duration)
}

fn passed_over_text(text: &str, parties: &Parties<'_>) -> String {
    let language = parties.language;
    let (named, more) = match text.rsplit_once(MORE) {
        Some((named, more)) => (named, more.strip_suffix(" more")),
        None => (text, None),
    };
    if named.bytes().all(|b| b.is_ascii_digit()) {
        return language.with("why-some", &[("count", named)]);
    }
    let mut words: Vec<String> = named.split(", ").map(|one| one_text(one, parties)).collect();
    words.extend(more.map(|more| language.with("why-more", &[("count", more)])));
    words.join(", ")
}

/// An operator and the reason: `budi wraps up`.
fn one_text(text: &str, parties: &Parties<'_>) -> String {
    let Some((operator, cause)) = text.split_once(' ') else { return text.to_owned() };
    let language = parties.language;
    let cause = if let Some(millis) = cause.strip_prefix("rests ").and_then(|rest| rest.strip_suffix(" ms more")) {
        language.with("why-rests", &[("time", &time(millis))])
    } else if let Some(reason) = cause.strip_prefix("on break (").and_then(|rest| rest.strip_suffix(')')) {
        language.with("why-on-break-for", &[("reason", reason)])
    } else {
        match cause {
            "talks" => language.text("why-talks"),
            "wraps up" => language.text("why-wraps-up"),
            "on break" => language.text("why-on-break"),
            "rings for another" => language.text("why-rings"),
            cause => cause.to_owned(),
        }
    };
    format!("{} ({cause})", parties.operator(operator))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::web::texts::Language;

    #[test]
    fn reasons_are_read_in_both_languages_and_unknown_parts_stay() {
        let names = BTreeMap::from([("budi".to_owned(), "Budi".to_owned())]);
        let none = BTreeMap::new();
        let [id, en] =
            [Language::Indonesian, Language::English].map(|language| Parties::of(&[], &names, &none, language));
        for (text, indonesian, english) in [
            (
                "longest idle: 250000 ms, first of 3 ready; passed over: budi wraps up, sari on break (makan), wahyu rests 9000 ms more and 2 more",
                "paling lama tanpa panggilan (4:10), pertama dari 3 yang siap; dilewati: Budi (setelah panggilan), sari (istirahat: makan), wahyu (diam 0:09 lagi), 2 lainnya",
                "idle longest (4:10), first of 3 who are ready; passed over: Budi (wraps up), sari (on break: makan), wahyu (rests 0:09 more), 2 others",
            ),
            (
                "fewest calls: 4, first of 2 ready; passed over: 7",
                "panggilan paling sedikit (4), pertama dari 2 yang siap; dilewati: 7 operator",
                "fewest calls (4), first of 2 who are ready; passed over: 7 operators",
            ),
            ("longest-idle", "berikutnya menurut giliran", "next in turn"),
            (
                "something new; passed over: x dances",
                "something new; dilewati: x (dances)",
                "something new; passed over: x (dances)",
            ),
            ("", "", ""),
        ] {
            assert_eq!((why(text, &id).as_str(), why(text, &en).as_str()), (indonesian, english), "{text}");
        }
    }
}
