//! A location in a few words, for an operator's display.

use super::{Location, Shape};

/// Characters of `Location::brief`.
const CHARS_MAX: usize = 60;

impl Location {
    /// A short text for an operator's display: `-5.113,105.306 ±50 m` or `Jl. … , Metro`. At most 60 characters, no quotes or control characters.
    pub fn brief(&self) -> String {
        let street = self.street();
        let words = match &self.shape {
            Some(shape) if street.is_empty() => shape_words(shape),
            Some(_) | None => self.civic_words(street),
        };
        let words = if words.is_empty() { self.access_words() } else { words };
        let plain = words.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\' | '<' | '>'));
        plain.take(CHARS_MAX).collect::<String>().trim_end().to_owned()
    }

    fn get(&self, name: &str) -> &str {
        self.civic.get(name).map_or("", String::as_str)
    }

    /// Road and house number (RFC 5139 §3.1; RFC 4119 had the road in A6).
    fn street(&self) -> String {
        let road = if self.get("RD").is_empty() { self.get("A6") } else { self.get("RD") };
        if road.is_empty() {
            return String::new();
        }
        let house = format!("{}{}", self.get("HNO"), self.get("HNS"));
        join([self.get("PRD"), road, self.get("STS"), self.get("POD"), &house], " ")
    }

    fn civic_words(&self, street: String) -> String {
        let (city, region) = (self.get("A3"), self.get("A1"));
        let city = if city.is_empty() { self.get("A2") } else { city };
        let area = if city.is_empty() && self.get("A4").is_empty() { region } else { "" };
        let words = join([&street, self.get("NAM"), self.get("A4"), city, area], ", ");
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

/// Five decimals (about a metre), without idle zeros.
fn degrees(value: f64) -> String {
    let text = format!("{value:.5}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn join<const N: usize>(words: [&str; N], between: &str) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(between)
}
