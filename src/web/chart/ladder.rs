//! A ladder: messages between parties, from top to bottom in the order of time.

use std::fmt::Write as _;

use super::escaped;

const WIDTH: usize = 1_160;
/// Width of the times at the left.
const LEFT: usize = 90;
const HEAD: usize = 34;
const ROW: usize = 22;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Not written if it is that of the message before.
    pub time: String,
    /// Columns.
    pub from: usize,
    pub to: usize,
    pub text: String,
    /// True for a failure.
    pub is_bad: bool,
}

/// A ladder.
#[derive(Clone, Copy, Debug)]
pub struct Ladder<'a> {
    pub title: &'a str,
    /// The names of the columns.
    pub parties: &'a [String],
    pub messages: &'a [Message],
}

/// The ladder as SVG.
pub fn ladder(chart: &Ladder<'_>) -> String {
    let height = HEAD + ROW * (chart.messages.len() + 1);
    let slot = (WIDTH - LEFT) / chart.parties.len().max(1);
    let middle = |column: usize| LEFT + slot * column + slot / 2;
    let mut svg = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| svg.write_fmt(text).is_ok();
    let mut is_put = put(format_args!(
        "<svg class=\"chart ladder tall\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>",
        title = escaped(chart.title)
    ));
    for (column, name) in chart.parties.iter().enumerate() {
        let x = middle(column);
        is_put &= put(format_args!(
            "<text class=\"strong head\" x=\"{x}\" y=\"20\" text-anchor=\"middle\">{}</text>\
             <line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"{HEAD}\" y2=\"{height}\"/>",
            escaped(name)
        ));
    }
    let mut last = "";
    for (row, message) in chart.messages.iter().enumerate() {
        let y = HEAD + ROW * (row + 1);
        if message.time != last {
            is_put &= put(format_args!("<text x=\"8\" y=\"{}\">{}</text>", y + 1, escaped(&message.time)));
            last = &message.time;
        }
        let (from, to) = (middle(message.from), middle(message.to));
        let class = if message.is_bad { "arrow bad" } else { "arrow" };
        // The head is seven units long and points to the receiver.
        let back = if to >= from { to.saturating_sub(7) } else { to + 7 };
        is_put &= put(format_args!(
            "<g class=\"{class}\"><line x1=\"{from}\" x2=\"{to}\" y1=\"{y}\" y2=\"{y}\"/>\
             <path d=\"M{to} {y}L{back} {top}L{back} {bottom}Z\"/>\
             <text x=\"{x}\" y=\"{above}\" text-anchor=\"middle\">{}</text></g>",
            escaped(&message.text),
            top = y - 4,
            bottom = y + 4,
            x = usize::midpoint(from, to),
            above = y - 4,
        ));
    }
    is_put &= put(format_args!("</svg>"));
    if is_put { svg } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_to_the_receiver_and_texts_are_escaped() {
        let message = |time: &str, from, to, text: &str| Message {
            time: time.to_owned(),
            from,
            to,
            text: text.to_owned(),
            is_bad: text.starts_with('C'),
        };
        let parties = ["Penelepon".to_owned(), "siaga".to_owned(), "<b>".to_owned()];
        let messages = [
            message("19.41.07", 0, 1, "INVITE"),
            message("19.41.07", 1, 0, "183"),
            message("19.41.12", 1, 2, "CANCEL & \"x\""),
        ];
        let svg = ladder(&Ladder { title: "Jalannya", parties: &parties, messages: &messages });
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && !svg.contains("style="));
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>") && svg.contains("CANCEL &amp; &quot;x&quot;"));
        assert_eq!(svg.matches("19.41.07").count(), 1, "a time is written once");
        assert!(svg.contains("M624 56L617 52L617 60Z"), "to the right: {svg}");
        assert!(svg.contains("M268 78L275 74L275 82Z"), "to the left");
        assert_eq!(svg.matches("arrow bad").count(), 1);
    }
}
