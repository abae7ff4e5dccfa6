//! A fact's details as text: `leg 1, to op0001, outcome no-answer`.

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::clock::Timestamp;

use super::period::local;

/// The keys whose numbers are times.
const TIMES: [&str; 3] = ["until", "since", "at"];

/// The details of `body`, without those that have no value.
pub(super) fn words(zone: &TimeZone, body: &serde_json::Map<String, Value>) -> String {
    let all = body.iter().filter_map(|(key, value)| {
        let text = match value.as_i64().filter(|_| TIMES.contains(&key.as_str())) {
            Some(millis) => local(zone, Timestamp::from_millis(millis)),
            None => value_words(zone, value)?,
        };
        Some(format!("{} {text}", key.replace('_', " ")))
    });
    all.collect::<Vec<_>>().join(", ")
}

/// None for an empty value.
fn value_words(zone: &TimeZone, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().filter_map(|value| value_words(zone, value)).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        Value::Object(body) => Some(words(zone, body)).filter(|text| !text.is_empty()).map(|text| format!("({text})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_words_and_times_are_local() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let body = serde_json::json!({
            "leg": 1, "to": {"operator": "op0001"}, "sip_status": null, "lost": false, "note": "",
            "headers": ["Diversion: <tel:112>", "x"], "until": 1_795_478_400_000_i64,
        });
        let shown = words(&zone, body.as_object().unwrap());
        for part in ["leg 1", "to (operator op0001)", "lost no", "headers Diversion: <tel:112>; x", "until 2026-11-24 "]
        {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(
            !shown.contains(['{', '"', '[']) && !shown.contains("note") && !shown.contains("sip status"),
            "{shown}"
        );
    }
}
