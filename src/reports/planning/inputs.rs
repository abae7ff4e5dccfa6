//! The inputs of a plan, read from texts: options of the command or fields of the page's form.

use crate::reports::staffing::people::{Pattern, Terms};
use crate::reports::staffing::{Target, Wanted};

/// The names of the inputs, in the order of the form. Options of the command have the same names.
pub const NAMES: [&str; 11] = [
    "calls-per-hour",
    "aht",
    "patience",
    "target",
    "shrinkage",
    "pattern",
    "week-hours",
    "leave-hours",
    "first-hour",
    "weeks",
    "seed",
];

/// What is used if an input is empty. Empty: the records decide.
pub const USUAL: [&str; 11] = ["", "", "", "90/10", "15", "2x12, 3x8, 2x12/4, 3x8/5", "37.5", "382", "7", "20", "1"];

/// What an input must be.
const EXPECTED: [&str; 11] = [
    "calls in each hour, above 0 and at most 100000",
    "seconds of talk and wrap-up, 1 to 7200",
    "seconds after which a waiting caller gives up, 1 to 7200, or never",
    "per cent / seconds: 90/10, 90/15 or 95/20",
    "per cent of a shift away from the desk, 0 to 80",
    "2x12 or 3x8, with 3 to 8 crews if people work in crews (2x12/4, 3x8/5); several with commas",
    "paid hours of a week, 10 to 84",
    "paid hours of a year without a shift, 0 to 1500",
    "the hour at which the first shift starts, 0 to 23",
    "simulated weeks, 2 to 200",
    "a whole number",
];

/// An input that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{name}: {value:?} cannot be used; expected: {expected}")]
pub struct InputFault {
    pub name: &'static str,
    pub value: String,
    pub expected: &'static str,
}

/// A load that is assumed, not recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumed {
    pub calls_per_hour: f64,
    pub aht_seconds: f64,
}

/// The time after which a waiting caller gives up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PatienceInput {
    /// Estimated from the records.
    Recorded,
    Never,
    Seconds(f64),
}

/// The inputs of a plan.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// None: the load of the records.
    pub assumed: Option<Assumed>,
    pub patience: PatienceInput,
    pub wanted: Wanted,
}

/// Reads inputs one by one and collects the faults.
struct Reader<'a> {
    given: &'a dyn Fn(&str) -> String,
    faults: Vec<InputFault>,
}

impl Reader<'_> {
    /// The text of an input, or the usual one.
    fn value(&self, name: &str) -> String {
        let given = (self.given)(name).trim().to_owned();
        let usual = || NAMES.iter().zip(USUAL).find(|(known, _)| **known == name).map_or("", |(_, usual)| usual);
        if given.is_empty() { usual().to_owned() } else { given }
    }

    fn fault(&mut self, name: &'static str) {
        let expected = NAMES.iter().zip(EXPECTED).find(|(known, _)| **known == name).map_or("", |(_, text)| text);
        self.faults.push(InputFault { name, value: self.value(name), expected });
    }

    /// A number in a range, with a point or a comma. None if it is empty or wrong.
    fn number(&mut self, name: &'static str, least: f64, most: f64) -> Option<f64> {
        let text = self.value(name);
        if text.is_empty() {
            return None;
        }
        let number = text.replace(',', ".").parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.fault(name);
        }
        number
    }

    fn whole<T: std::str::FromStr + PartialOrd>(&mut self, name: &'static str, least: T, most: T) -> Option<T> {
        let number = self.value(name).parse().ok().filter(|number| *number >= least && *number <= most);
        if number.is_none() {
            self.fault(name);
        }
        number
    }

    fn target(&mut self) -> Option<Target> {
        let target = self.value("target").replace(',', ".").parse().ok();
        if target.is_none() {
            self.fault("target");
        }
        target
    }

    fn patterns(&mut self) -> Vec<Pattern> {
        let text = self.value("pattern").replace('×', "x");
        let read: Result<Vec<Pattern>, _> = text.split([',', ';']).map(|text| text.trim().parse()).collect();
        match read {
            Ok(mut patterns) => {
                let mut seen = Vec::new();
                patterns.retain(|pattern| {
                    let is_new = !seen.contains(pattern);
                    seen.push(*pattern);
                    is_new
                });
                patterns
            }
            Err(_) => {
                self.fault("pattern");
                Vec::new()
            }
        }
    }

    fn patience(&mut self) -> PatienceInput {
        match self.value("patience").as_str() {
            "" => PatienceInput::Recorded,
            "never" | "tidak" => PatienceInput::Never,
            _ => self.number("patience", 1.0, 7_200.0).map_or(PatienceInput::Recorded, PatienceInput::Seconds),
        }
    }
}

impl Inputs {
    /// Reads the inputs; `given` is the text of an input, empty if it is missing. All faults are reported.
    pub fn read(given: &dyn Fn(&str) -> String) -> Result<Self, Vec<InputFault>> {
        let mut reader = Reader { given, faults: Vec::new() };
        let calls_per_hour = reader.number("calls-per-hour", f64::MIN_POSITIVE, 100_000.0);
        let aht_seconds = reader.number("aht", 1.0, 7_200.0);
        // An assumed load has both, or neither.
        for (name, own, other) in
            [("aht", aht_seconds, calls_per_hour), ("calls-per-hour", calls_per_hour, aht_seconds)]
        {
            if own.is_none() && other.is_some() && reader.value(name).is_empty() {
                reader.fault(name);
            }
        }
        let (patience, target) = (reader.patience(), reader.target());
        let shrinkage = reader.number("shrinkage", 0.0, 80.0);
        let (week_hours, leave_hours) =
            (reader.number("week-hours", 10.0, 84.0), reader.number("leave-hours", 0.0, 1_500.0));
        // People must have time for shifts.
        if let (Some(week), Some(leave)) = (week_hours, leave_hours)
            && week * 52.0 <= leave * 1.1
        {
            reader.fault("leave-hours");
        }
        let (first_hour, replications) = (reader.whole("first-hour", 0, 23), reader.whole("weeks", 2, 200));
        let (seed, patterns) = (reader.whole("seed", 0, u64::MAX), reader.patterns());
        let read = || {
            let terms = Terms {
                shrinkage: shrinkage? / 100.0,
                week_hours: week_hours?,
                leave_hours: leave_hours?,
                first_hour: first_hour?,
            };
            let wanted = Wanted { target: target?, terms, patterns, replications: replications?, seed: seed? };
            let assumed = calls_per_hour
                .zip(aht_seconds)
                .map(|(calls_per_hour, aht_seconds)| Assumed { calls_per_hour, aht_seconds });
            Some(Self { assumed, patience, wanted })
        };
        match read() {
            Some(inputs) if reader.faults.is_empty() => Ok(inputs),
            Some(_) | None => Err(reader.faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Inputs, Vec<InputFault>> {
        Inputs::read(&|name| {
            given.iter().find(|(of, _)| *of == name).map_or(String::new(), |(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_inputs_the_usual_ones_and_the_records_decide() {
        let inputs = read(&[]).unwrap();
        assert_eq!((inputs.assumed, inputs.patience), (None, PatienceInput::Recorded));
        assert_eq!(inputs.wanted.target.to_string(), "90/10");
        assert_eq!(inputs.wanted.patterns.len(), 4);
        assert!((inputs.wanted.terms.shrinkage - 0.15).abs() < 1e-12);
        assert_eq!((inputs.wanted.replications, inputs.wanted.seed, inputs.wanted.terms.first_hour), (20, 1, 7));
    }

    #[test]
    fn inputs_are_read_with_points_and_commas() {
        let inputs = read(&[
            ("calls-per-hour", " 4,5 "),
            ("aht", "180"),
            ("patience", "never"),
            ("target", "95/20"),
            ("pattern", "2×12/4, 3x8, 2x12/4"),
        ]);
        let inputs = inputs.unwrap();
        assert_eq!(inputs.assumed, Some(Assumed { calls_per_hour: 4.5, aht_seconds: 180.0 }));
        assert_eq!(inputs.patience, PatienceInput::Never);
        assert_eq!(inputs.wanted.patterns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2x12/4", "3x8"]);
    }

    #[test]
    fn each_wrong_input_is_named_with_what_is_expected() {
        for (name, value) in [
            ("calls-per-hour", "0"),
            ("calls-per-hour", "x"),
            ("aht", "0"),
            ("patience", "soon"),
            ("target", "100/10"),
            ("shrinkage", "81"),
            ("shrinkage", "NaN"),
            ("pattern", "4x6"),
            ("pattern", "2x12,"),
            ("week-hours", "9"),
            ("leave-hours", "1501"),
            ("leave-hours", "-1"),
            ("first-hour", "24"),
            ("weeks", "1"),
            ("weeks", "201"),
            ("seed", "-1"),
        ] {
            let other = if name == "aht" { ("calls-per-hour", "5") } else { ("aht", "60") };
            let given =
                if matches!(name, "aht" | "calls-per-hour") { vec![(name, value), other] } else { vec![(name, value)] };
            let faults = read(&given).unwrap_err();
            assert_eq!(faults.iter().map(|fault| fault.name).collect::<Vec<_>>(), [name], "{value}");
            let text = faults[0].to_string();
            assert!(text.starts_with(&format!("--{name}: {value:?}")) && text.contains("expected: "), "{text}");
        }
        let faults = read(&[("aht", "60")]).unwrap_err();
        assert_eq!(faults[0].name, "calls-per-hour", "an assumed load has both");
        let faults = read(&[("week-hours", "10"), ("leave-hours", "500")]).unwrap_err();
        assert_eq!(faults[0].name, "leave-hours", "no time is left for shifts");
        assert_eq!(read(&[("target", "x"), ("weeks", "x")]).unwrap_err().len(), 2, "all at once");
    }
}
