//! Stacked bars with a zero base.

use std::fmt::Write as _;

use super::{escaped, grid, scaled, units};

const WIDTH: u64 = 560;
const HEIGHT: u64 = 230;
const LEFT: u64 = 44;
const TOP: u64 = 10;
const BASE: u64 = 200;

/// A chart of bars.
#[derive(Clone, Copy, Debug)]
pub struct Bars<'a> {
    pub title: &'a str,
    /// Below each bar; an empty one is not written.
    pub labels: &'a [String],
    /// The lower and the upper part of each bar.
    pub values: &'a [(u64, u64)],
    /// What a bar is, for the pointer.
    pub hints: &'a [String],
    /// Writes a number of the axis.
    pub number: fn(u64) -> String,
}

/// The chart as SVG.
pub fn bars(chart: &Bars<'_>) -> String {
    let most = chart.values.iter().map(|(low, high)| low.saturating_add(*high)).max().unwrap_or(0);
    let (step, steps) = grid(most);
    let whole = step.saturating_mul(steps);
    let mut svg = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| svg.write_fmt(text).is_ok();
    let mut is_put = put(format_args!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>",
        title = escaped(chart.title)
    ));
    for at in 0..=steps {
        let y = units((BASE * 10).saturating_sub(scaled(at, steps, BASE - TOP)));
        let number = escaped(&(chart.number)(step.saturating_mul(at)));
        is_put &= put(format_args!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>\
             <text x=\"{x}\" y=\"{y}\" dy=\"4\" text-anchor=\"end\">{number}</text>",
            x = LEFT - 8
        ));
    }
    let count = u64::try_from(chart.values.len()).unwrap_or(1).max(1);
    let slot = (WIDTH - LEFT) * 10 / count;
    let width = units(slot * 3 / 4);
    let labels = chart.labels.iter().map(String::as_str).chain(std::iter::repeat(""));
    let hints = chart.hints.iter().map(String::as_str).chain(std::iter::repeat(""));
    for ((at, (low, high)), (label, hint)) in (0_u64..).zip(chart.values).zip(labels.zip(hints)) {
        let left = LEFT * 10 + slot * at;
        let (x, middle) = (units(left + slot / 8), units(left + slot / 2));
        let lower = scaled(*low, whole, BASE - TOP);
        let upper = scaled(low.saturating_add(*high), whole, BASE - TOP);
        is_put &= put(format_args!("<g><title>{}</title>", escaped(hint)));
        for (class, from, to) in [("main", 0, lower), ("second", lower, upper)] {
            let (y, height) = (units((BASE * 10).saturating_sub(to)), units(to.saturating_sub(from)));
            if to > from {
                is_put &= put(format_args!(
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
                ));
            }
        }
        is_put &= put(format_args!("</g>"));
        if !label.is_empty() {
            let label = escaped(label);
            is_put &=
                put(format_args!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", BASE + 20));
        }
    }
    is_put &= put(format_args!("</svg>"));
    if is_put { svg } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_start_at_zero_and_are_as_high_as_their_values() {
        let texts = ["00".to_owned(), String::new(), "<b>".to_owned()];
        let svg = bars(&Bars {
            title: "Jam & hari",
            labels: &texts,
            values: &[(5, 5), (0, 0), (10, 10)],
            hints: &texts,
            number: |n| n.to_string(),
        });
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
        assert!(svg.contains("<title>Jam &amp; hari</title>") && svg.contains("&lt;b&gt;") && !svg.contains("<b>"));
        let rects: Vec<&str> = svg.split("<rect ").skip(1).map(|rect| rect.split("/>").next().unwrap()).collect();
        // 20 is the top of the grid: 190 units.
        assert_eq!(rects.len(), 4, "no rectangle for zero");
        assert!(rects[0].contains("y=\"152.5\"") && rects[0].contains("height=\"47.5\""), "{}", rects[0]);
        assert!(rects[3].contains("y=\"10\"") && rects[3].contains("height=\"95\""), "{}", rects[3]);
        assert!(!svg.contains("style="), "the policy of pages forbids it");
    }
}
