//! Telephone numbers: E.164 if they are unambiguous, and in the format that a trunk expects.

/// Digits of a number with country code (ITU-T E.164 §6): at most 15; fewer than 8 are short codes.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// The format of numbers that a trunk expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// As in the configuration, or as the operator dialled them.
    #[default]
    AsDialled,
    /// `+62…`
    Plus,
    /// `62…`
    Country,
    /// `0…`
    National,
}

/// The number as `+` and digits. None if it is ambiguous: short codes, foreign prefixes, names.
///
/// `country` is the country code without `+`. A number that starts with `0` and another digit counts as national; one that starts with the
/// country code and is long enough counts as international without `+`.
pub fn e164(number: &str, country: &str) -> Option<String> {
    let (plus, digits) = match number.trim().strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, number.trim()),
    };
    let digits: String = digits.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = if plus {
        digits
    } else if country.is_empty() {
        return None;
    } else if let Some(national) = digits.strip_prefix('0') {
        if national.starts_with('0') {
            return None;
        }
        format!("{country}{national}")
    } else if digits.starts_with(country) && digits.len() >= 10 {
        digits
    } else {
        return None;
    };
    (DIGITS.contains(&whole.len()) && !whole.starts_with('0')).then(|| format!("+{whole}"))
}

/// The number in the trunk's format; unchanged if it is ambiguous.
pub fn dialled(number: &str, format: NumberFormat, country: &str) -> String {
    let Some(whole) = e164(number, country) else { return number.to_owned() };
    let digits = whole.trim_start_matches('+');
    match format {
        NumberFormat::AsDialled => number.to_owned(),
        NumberFormat::Plus => whole,
        NumberFormat::Country => digits.to_owned(),
        NumberFormat::National => match digits.strip_prefix(country).filter(|_| !country.is_empty()) {
            Some(national) => format!("0{national}"),
            // A number of another country has no national form.
            None => whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_where_they_are_beyond_doubt() {
        for (written, whole) in [
            ("0812-3456-7890", Some("+6281234567890")),
            ("+62 812 3456 7890", Some("+6281234567890")),
            ("6281234567890", Some("+6281234567890")),
            ("(0725) 112233", Some("+62725112233")),
            ("+44 20 7946 0000", Some("+442079460000")),
            ("112", None),
            ("113", None),
            ("0062812345678", None),
            ("62112", None),
            ("812345678", None),
            ("anonymous", None),
            ("+", None),
            ("+0812345678", None),
            ("+6281234567890123456", None),
            ("", None),
        ] {
            assert_eq!(e164(written, "62").as_deref(), whole, "{written}");
        }
        assert_eq!(e164("081234567890", ""), None, "no country is given");
    }

    #[test]
    fn each_trunk_gets_its_own_form_and_short_codes_stay() {
        let forms = [
            (NumberFormat::AsDialled, "0725-112233"),
            (NumberFormat::Plus, "+62725112233"),
            (NumberFormat::Country, "62725112233"),
            (NumberFormat::National, "0725112233"),
        ];
        for (format, form) in forms {
            assert_eq!(dialled("0725-112233", format, "62"), form);
            assert_eq!(dialled("113", format, "62"), "113");
        }
        assert_eq!(dialled("+442079460000", NumberFormat::National, "62"), "+442079460000");
    }
}
