//! Location documents: PIDF-LO (RFC 4119) with GML points and circles (RFC 5491) and civic addresses (RFC 5139).

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};

use super::{Location, Shape, Source, plain, text};
use crate::limits::{CIVIC_ELEMENTS_MAX, LOCATION_BYTES_MAX, LOCATIONS_MAX};

/// Maximum characters of one civic element.
const CIVIC_CHARS_MAX: usize = 256;
/// Half the Earth's circumference in metres: no uncertainty is larger.
const RADIUS_MAX_M: f64 = 20_037_508.0;

/// Reads a document: one location for each `geopriv` element with content, and at least one in any case.
pub(super) fn read(bytes: &[u8]) -> Vec<Location> {
    let raw = text(bytes);
    if bytes.len() > LOCATION_BYTES_MAX {
        return vec![Location::faulty(Source::PidfLo, raw, "longer than the limit: not read")];
    }
    // No DTD and therefore no entities, so the size of the document limits its content.
    let options = ParsingOptions { nodes_limit: 8_192, ..ParsingOptions::default() };
    let document = match Document::parse_with_options(&raw, options) {
        Ok(document) => document,
        Err(why) => {
            let why = plain(&format!("not XML: {why}"), 120);
            return vec![Location::faulty(Source::PidfLo, raw.clone(), &why)];
        }
    };
    let mut elements: Vec<_> = document.descendants().filter(|node| is(*node, "geopriv")).take(LOCATIONS_MAX).collect();
    if elements.is_empty() {
        // Not valid by RFC 4119, but it may be a bare shape or address.
        elements.push(document.root_element());
    }
    // A document of several locations is split, so that it is not stored several times.
    let alone = elements.len() == 1;
    elements
        .into_iter()
        .map(|element| {
            let piece = raw.get(element.range()).filter(|_| !alone);
            geopriv(element, piece.unwrap_or(&raw).to_owned())
        })
        .collect()
}

fn geopriv(element: Node<'_, '_>, raw: String) -> Location {
    let mut location = Location::empty(Source::PidfLo, raw);
    let mut shape = None;
    for child in element.descendants().filter(Node::is_element) {
        match child.tag_name().name() {
            "civicAddress" if location.civic.is_empty() => location.civic = civic(child),
            "Point" | "Circle" if shape.is_none() => shape = Some(read_shape(child)),
            "Ellipse" | "ArcBand" | "Polygon" | "Sphere" | "Ellipsoid" | "Prism" if shape.is_none() => {
                shape = Some(Err("a shape other than point and circle"));
            }
            _ => {}
        }
    }
    let empty = location.civic.is_empty();
    match shape {
        Some(Ok(shape)) => location.shape = Some(shape),
        Some(Err(why)) => location.fault = Some(why.to_owned()),
        None if empty => location.fault = Some("no location in it".to_owned()),
        None => {}
    }
    location
}

/// Compares local names only, because documents use the namespaces of several drafts.
fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn read_shape(element: Node<'_, '_>) -> Result<Shape, &'static str> {
    let system = element.descendants().find_map(|node| node.attribute("srsName")).unwrap_or("4326");
    // EPSG 4326, or 4979 with a height after it; both have the latitude first (RFC 5491 §5).
    if !["4326", "4979"].iter().any(|known| system.trim_end().ends_with(known)) {
        return Err("a coordinate reference system other than WGS 84");
    }
    let place = element.descendants().find(|node| is(*node, "pos") || is(*node, "coordinates"));
    let numbers = place.and_then(|place| place.text()).ok_or("a shape without a position")?;
    let mut numbers = numbers.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let mut degrees = |most: f64| number(numbers.next()?).filter(|degrees| degrees.abs() <= most);
    let latitude = degrees(90.0).ok_or("a latitude that is none")?;
    let longitude = degrees(180.0).ok_or("a longitude that is none")?;
    if is(element, "Point") {
        return Ok(Shape::Point { latitude, longitude });
    }
    let radius = element.descendants().find(|node| is(*node, "radius")).ok_or("a circle without a radius")?;
    let unit = radius.attribute("uom").unwrap_or("9001").trim_end();
    if !unit.ends_with("9001") && !unit.eq_ignore_ascii_case("m") {
        return Err("a radius that is not in metres");
    }
    let radius_m = radius.text().and_then(number).filter(|metres| (0.0..=RADIUS_MAX_M).contains(metres));
    Ok(Shape::Circle { latitude, longitude, radius_m: radius_m.ok_or("a radius that is none")? })
}

/// Reads a finite decimal number.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn civic(address: Node<'_, '_>) -> BTreeMap<String, String> {
    let mut elements = BTreeMap::new();
    for element in address.children().filter(Node::is_element) {
        let name = plain(element.tag_name().name(), 32);
        let words = element.text().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let value = plain(&words, CIVIC_CHARS_MAX);
        // RFC 5139 §3.4: only the first of equal elements counts.
        if !value.is_empty() && elements.len() < CIVIC_ELEMENTS_MAX {
            elements.entry(name).or_insert(value);
        }
    }
    elements
}
