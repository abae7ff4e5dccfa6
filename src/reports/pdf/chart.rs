//! A chart of bars with two parts each.

use super::page::{Color, GREY, LEFT, Mark, Pages, RULE, Style, WIDTH};

const HEIGHT: f32 = 120.0;
/// The space at the left for the numbers of the lines.
const SCALE: f32 = 44.0;
const LOWER: Color = (0x1f, 0x5f, 0x99);
const UPPER: Color = (0xe0, 0x8e, 0x2b);
const SIZE: Style = Style { weight: super::font::Weight::Normal, size: 8.0, color: GREY };

/// A bar: the text below it (or none), its lower and its upper part.
#[derive(Clone, Debug)]
pub(in crate::reports) struct Bar {
    pub label: String,
    pub parts: (u64, u64),
}

impl Pages<'_> {
    /// The names are those of the lower and of the upper parts.
    pub(in crate::reports) fn bars(&mut self, bars: &[Bar], names: [&str; 2], number: impl Fn(u64) -> String) {
        self.need(HEIGHT + 40.0);
        let top = self.y + 16.0;
        let mut left = LEFT + SCALE;
        for (name, color) in names.into_iter().zip([LOWER, UPPER]) {
            self.mark(Mark::Box { place: (left, self.y + 2.0, 8.0, 8.0), color });
            self.text((left + 12.0, self.y), name, SIZE);
            left += 30.0 + self.fonts.width(name, SIZE.weight, SIZE.size);
        }
        let most = bars.iter().map(|bar| bar.parts.0.saturating_add(bar.parts.1)).max().unwrap_or(0);
        let (step, steps) = scale(most);
        let end = (step * steps) as f32;
        let high = |value: u64| value as f32 / end * HEIGHT;
        for line in 0..=steps {
            let y = top + HEIGHT - high(line * step);
            self.mark(Mark::Box { place: (LEFT + SCALE, y, WIDTH - SCALE, 0.5), color: RULE });
            self.text_to((LEFT + SCALE - 6.0, y - SIZE.size * 0.75), &number(line * step), SIZE);
        }
        let room = (WIDTH - SCALE) / bars.len().max(1) as f32;
        for (no, bar) in bars.iter().enumerate() {
            let (x, width) = (LEFT + SCALE + no as f32 * room + room * 0.15, room * 0.7);
            let (lower, upper) = (high(bar.parts.0), high(bar.parts.1));
            let base = top + HEIGHT;
            for (height, y, color) in [(lower, base - lower, LOWER), (upper, base - lower - upper, UPPER)] {
                if height > 0.0 {
                    self.mark(Mark::Box { place: (x, y, width, height), color });
                }
            }
            let label = self.fonts.width(&bar.label, SIZE.weight, SIZE.size);
            self.text((x + (width - label) / 2.0, base + 3.0), &bar.label, SIZE);
        }
        self.y = top + HEIGHT + 24.0;
    }
}

/// The distance of lines and their number, so that `most` is below the last one.
fn scale(most: u64) -> (u64, u64) {
    let mut unit = 1_u64;
    loop {
        for step in [unit, unit.saturating_mul(2), unit.saturating_mul(5)] {
            let steps = most.div_ceil(step).max(1);
            if steps <= 5 || step == u64::MAX {
                return (step, steps);
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::scale;

    #[test]
    fn lines_are_at_round_numbers_and_the_highest_bar_is_below_the_last() {
        for most in [0, 1, 2, 7, 10, 99, 101, 2_300, 9_999, 10_000, 1_918_000] {
            let (step, steps) = scale(most);
            assert!((1..=5).contains(&steps) && step * steps >= most, "{most}: {step} * {steps}");
        }
        assert_eq!(scale(2_300), (500, 5));
        assert_eq!(scale(0), (1, 1));
        assert!(scale(u64::MAX).0 > 0);
    }
}
