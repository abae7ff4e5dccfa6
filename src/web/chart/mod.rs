//! Charts as SVG, made by the server. Each has a title for screen readers; the page shows the same numbers in a table beside it. Colours
//! come from the style of the page, so that a chart suits each theme and paper.

mod bars;
mod heat;
mod ladder;
mod wave;

pub use bars::{Bars, bars};
pub use heat::{Cell, Heat, heat};
pub use ladder::{Ladder, Message, ladder};
pub use wave::wave;

/// Text as content of SVG.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The distance of grid lines (1, 2 or 5 times a power of ten) and the number of intervals up to `most`: at most five.
fn grid(most: u64) -> (u64, u64) {
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            let steps = most.div_ceil(step).max(1);
            if steps <= 5 {
                return (step, steps);
            }
        }
        power = power.saturating_mul(10);
    }
}

/// A coordinate: `part` of `whole` of a length, in tenths of a unit, as text.
fn scaled(part: u64, whole: u64, length: u64) -> u64 {
    let tenths = u128::from(part) * u128::from(length) * 10 / u128::from(whole.max(1));
    u64::try_from(tenths).unwrap_or(u64::MAX)
}

/// Tenths of a unit as a decimal number.
fn units(tenths: u64) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_round_steps_and_contains_the_greatest_value() {
        for (most, expected) in
            [(0, (1, 1)), (1, (1, 1)), (5, (1, 5)), (6, (2, 3)), (18, (5, 4)), (51, (20, 3)), (6_412, (2_000, 4))]
        {
            assert_eq!(grid(most), expected, "{most}");
        }
        let (step, steps) = grid(u64::MAX / 2);
        assert!(steps <= 5 && step > 0);
    }

    #[test]
    fn coordinates_have_one_decimal() {
        assert_eq!(units(scaled(1, 3, 100)), "33.3");
        assert_eq!(units(scaled(3, 3, 100)), "100");
        assert_eq!(units(scaled(0, 0, 100)), "0");
    }
}
