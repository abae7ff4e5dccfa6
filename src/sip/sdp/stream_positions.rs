//! The positions of streams in a session: a rejected line keeps its position in every later offer (RFC 3264 §8).

use super::{AudioDescription, MediaLine, push};

/// The rejected lines before and after the line of our stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StreamPositions {
    before: Vec<MediaLine>,
    after: Vec<MediaLine>,
}

impl StreamPositions {
    /// The rejected lines of a peer's description that we have answered.
    pub fn of(offer: &AudioDescription) -> Self {
        let (before, rest) = offer.lines.split_at_checked(offer.audio_index).unwrap_or_default();
        Self { before: before.to_vec(), after: rest.iter().skip(1).cloned().collect() }
    }

    /// The positions after an offer whose lines were all rejected: our own stream comes after them.
    pub(super) fn of_refused(lines: Vec<MediaLine>) -> Self {
        Self { before: lines, after: Vec::new() }
    }

    /// Writes the lines before our stream's.
    pub(in crate::sip) fn write_before(&self, text: &mut String) {
        self.before.iter().for_each(|line| line.refuse(text));
    }

    /// Writes the lines after our stream's.
    pub(in crate::sip) fn write_after(&self, text: &mut String) {
        self.after.iter().for_each(|line| line.refuse(text));
    }
}

impl MediaLine {
    /// Writes the line with port 0. A rejected line needs at least one format, which has no meaning (RFC 3264 §6).
    fn refuse(&self, text: &mut String) {
        let formats = if self.formats.is_empty() { "0" } else { self.formats.as_str() };
        push(text, format_args!("m={} 0 {} {formats}\r\n", self.media, self.proto));
    }
}
