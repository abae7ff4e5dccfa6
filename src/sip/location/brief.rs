//! A location as a short text for an operator's display.

use super::{Location, Shape};

/// Maximum characters of `Location::brief`.
const CHARS_MAX: usize = 60;
/// Maximum of these characters for district and city.
const TOWN_CHARS_MAX: usize = 40;
/// Maximum of these characters for the house number.
const HOUSE_CHARS_MAX: usize = 10;

impl Location {
    /// A short text for an operator's display: `-5.113,105.306 ±50 m` or `Jl. … , Metro`. At most 60 characters, no quotes or control
    /// characters.
    pub fn brief(&self) -> String {
        let words = match &self.shape {
            Some(shape) if self.road().is_empty() => shape_words(shape),
            Some(_) | None => self.civic_words(),
        };
        let words = if words.is_empty() { self.access_words() } else { words };
        plain(&words, CHARS_MAX)
    }

    fn get(&self, name: &str) -> &str {
        self.civic.get(name).map_or("", String::as_str)
    }

    /// The road (RFC 5139 §3.1); in RFC 4119 it is A6.
    fn road(&self) -> &str {
        if self.get("RD").is_empty() { self.get("A6") } else { self.get("RD") }
    }

    /// Road, house number and name of the place in at most `chars_max` characters. The number is never shortened.
    fn street(&self, chars_max: usize) -> String {
        let (road, name) = (self.road(), self.get("NAM"));
        if road.is_empty() {
            return shortened(name, chars_max);
        }
        let road = join([self.get("PRD"), road, self.get("STS"), self.get("POD")], " ");
        let house = plain(&format!("{}{}", self.get("HNO"), self.get("HNS")), HOUSE_CHARS_MAX);
        let whole = plain(&join([&join([&road, &house], " "), name], ", "), usize::MAX);
        if whole.chars().count() <= chars_max {
            return whole;
        }
        let beside = if house.is_empty() { 0 } else { house.chars().count() + 1 };
        join([&shortened(&road, chars_max.saturating_sub(beside)), &house], " ")
    }

    fn civic_words(&self) -> String {
        let (city, region) = (self.get("A3"), self.get("A1"));
        let city = if city.is_empty() { self.get("A2") } else { city };
        let area = if city.is_empty() && self.get("A4").is_empty() { region } else { "" };
        // District and city are shortened last: many places have a street of the same name.
        let town = plain(&join([self.get("A4"), city, area], ", "), TOWN_CHARS_MAX);
        let room = CHARS_MAX - town.chars().count() - if town.is_empty() { 0 } else { ", ".len() };
        let street = self.street(room);
        let words = join([&street, &town], ", ");
        if words.is_empty() { self.get("country").to_owned() } else { words }
    }

    fn access_words(&self) -> String {
        let cell = self.access.iter().find(|(name, _)| name.contains("cell-id") || name.contains("wlan-node-id"));
        let cell = cell.map_or("", |(_, value)| value);
        join([self.access.get("type").map_or("", String::as_str), cell], " ")
    }
}

fn shape_words(shape: &Shape) -> String {
    match shape {
        Shape::Point { latitude, longitude } => format!("{},{}", degrees(*latitude), degrees(*longitude)),
        Shape::Circle { latitude, longitude, radius_m } => {
            let (latitude, longitude) = (degrees(*latitude), degrees(*longitude));
            let metres = radius_m.round();
            if metres < 10_000.0 {
                format!("{latitude},{longitude} ±{metres} m")
            } else {
                format!("{latitude},{longitude} ±{} km", (metres / 1_000.0).round())
            }
        }
    }
}

/// Five decimals (about a metre), without trailing zeros.
fn degrees(value: f64) -> String {
    let text = format!("{value:.5}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// At most `chars_max` characters, without quotes and control characters.
fn plain(words: &str, chars_max: usize) -> String {
    let plain = words.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\' | '<' | '>'));
    plain.take(chars_max).collect::<String>().trim_end().to_owned()
}

/// The text in at most `chars_max` characters; a dot shows that the end is missing.
fn shortened(words: &str, chars_max: usize) -> String {
    let whole = plain(words, usize::MAX);
    match whole.chars().count() > chars_max {
        true => format!("{}.", plain(&whole, chars_max.saturating_sub(1)).trim_end_matches([' ', ',', '.'])),
        false => whole,
    }
}

fn join<const N: usize>(words: [&str; N], between: &str) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    fn brief(civic: &[(&str, &str)]) -> String {
        let mut location = Location::empty(Source::PidfLo, String::new());
        location.civic = civic.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        location.brief()
    }

    #[test]
    fn a_long_street_is_shortened_and_district_and_city_stay() {
        let street = "Jalan Raya Lintas Sumatera Kilometer 27 Gang Melati Nomor";
        let civic = [("RD", street), ("HNO", "12"), ("NAM", "Gedung A"), ("A4", "Metro Pusat"), ("A3", "Kota Metro")];
        let shown = brief(&civic);
        assert_eq!(shown, "Jalan Raya Lintas Sumatera Kilo. 12, Metro Pusat, Kota Metro");
        assert_eq!(shown.chars().count(), 60);
        let short = [("RD", "Jl. Sudirman"), ("HNO", "12"), ("A4", "Metro Pusat"), ("A3", "Metro")];
        assert_eq!(brief(&short), "Jl. Sudirman 12, Metro Pusat, Metro");
    }

    #[test]
    fn a_very_long_town_leaves_room_for_the_street() {
        let town = "x".repeat(80);
        let shown = brief(&[("RD", "Jl. Sudirman"), ("HNO", "12"), ("A3", &town)]);
        assert!(shown.starts_with("Jl. Sudirman 12, xxxx") && shown.chars().count() <= 60, "{shown}");
    }
}
