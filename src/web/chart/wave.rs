//! The loudness of two channels over time.

use std::fmt::Write as _;

use super::escaped;

const WIDTH: usize = 1_160;
const HEIGHT: usize = 108;
/// Half of the height of a channel.
const HALF: u64 = 24;
const MIDDLES: [u64; 2] = [28, 80];

/// The chart as SVG: of each channel, the loudest sample (0 to 32,768) of each equal part of the time.
pub fn wave(title: &str, channels: &[Vec<u16>; 2]) -> String {
    let mut svg = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| svg.write_fmt(text).is_ok();
    let mut is_put = put(format_args!(
        "<svg class=\"chart wave\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{title}\"><title>{title}</title>",
        title = escaped(title)
    ));
    for ((peaks, middle), class) in channels.iter().zip(MIDDLES).zip(["main", "second"]) {
        is_put &= put(format_args!("<path class=\"{class}\" d=\""));
        for (at, peak) in peaks.iter().enumerate() {
            let x = at * WIDTH / peaks.len().max(1);
            // The square root makes quiet speech visible.
            let half = (u64::from(*peak) * HALF * HALF / 32_768).isqrt().max(1);
            is_put &= put(format_args!("M{x} {}V{}", middle - half, middle + half));
        }
        is_put &= put(format_args!("\"/>"));
    }
    is_put &= put(format_args!("</svg>"));
    if is_put { svg } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_thin_and_the_loudest_sample_fills_the_channel() {
        let svg = wave("<Rekaman>", &[vec![0, 32_768], vec![8_192, 0]]);
        assert!(svg.contains("M0 27V29M580 4V52") && svg.contains("M0 68V92M580 79V81"), "{svg}");
        assert!(svg.contains("&lt;Rekaman&gt;") && !svg.contains("style="));
    }
}
