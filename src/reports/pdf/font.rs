//! The two fonts of documents. They are in the binary as WOFF files, which are compressed tables of a TrueType font.

use std::io::Read as _;
use std::ops::Range;

use flate2::read::ZlibDecoder;
use rustybuzz::{Direction, Face, UnicodeBuffer};

use crate::web::assets;

const HEADER: usize = 44;
const ENTRY: usize = 20;
const TABLES_MAX: usize = 64;
/// Bytes of one decoded font.
const FONT_MAX: usize = 4 << 20;

/// Why a document has no fonts.
#[derive(Debug, thiserror::Error)]
pub(in crate::reports) enum FontError {
    #[error("this siaga was built without the fonts of PDF files; expected: scripts/setup run, and then a new build")]
    Missing,
    #[error("a font of PDF files is damaged; expected: scripts/setup run, and then a new build")]
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reports) enum Weight {
    Normal,
    Bold,
}

/// One glyph of a text; lengths are in parts of the font's size.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::reports) struct Shaped {
    pub glyph: u32,
    pub advance: f32,
    pub offset: (f32, f32),
    /// The bytes of the text that it shows.
    pub range: Range<usize>,
}

/// The fonts of a document, decoded.
#[derive(Clone, Debug)]
pub(in crate::reports) struct Fonts {
    normal: Vec<u8>,
    bold: Vec<u8>,
}

impl Fonts {
    pub(in crate::reports) fn read() -> Result<Self, FontError> {
        Self::of(assets::document_fonts())
    }

    fn of([normal, bold]: [&[u8]; 2]) -> Result<Self, FontError> {
        if normal.is_empty() || bold.is_empty() {
            return Err(FontError::Missing);
        }
        let read = |file: &[u8]| {
            let font = decoded(file)?;
            Face::from_slice(&font, 0).is_some().then_some(font)
        };
        match (read(normal), read(bold)) {
            (Some(normal), Some(bold)) => Ok(Self { normal, bold }),
            (None, _) | (_, None) => Err(FontError::Damaged),
        }
    }

    /// The TrueType file of a font.
    pub(super) fn file(&self, weight: Weight) -> &[u8] {
        match weight {
            Weight::Normal => &self.normal,
            Weight::Bold => &self.bold,
        }
    }

    /// The glyphs of a text from left to right.
    pub(super) fn shape(&self, text: &str, weight: Weight) -> Vec<Shaped> {
        let Some(face) = Face::from_slice(self.file(weight), 0) else { return Vec::new() };
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(Direction::LeftToRight);
        let shaped = rustybuzz::shape(&face, &[], buffer);
        let part = |units: i32| units as f32 / face.units_per_em() as f32;
        let starts: Vec<usize> =
            shaped.glyph_infos().iter().map(|info| usize::try_from(info.cluster).unwrap_or(0)).collect();
        let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions()).zip(&starts);
        let glyph = |((info, position), start): ((&rustybuzz::GlyphInfo, &rustybuzz::GlyphPosition), &usize)| Shaped {
            glyph: info.glyph_id,
            advance: part(position.x_advance),
            offset: (part(position.x_offset), part(position.y_offset)),
            range: *start..starts.iter().copied().find(|next| next > start).unwrap_or(text.len()),
        };
        glyphs.map(glyph).collect()
    }

    /// The width of a text.
    pub(super) fn width(&self, text: &str, weight: Weight, size: f32) -> f32 {
        self.shape(text, weight).iter().map(|glyph| glyph.advance * size).sum()
    }

    /// The text in lines that are no wider than `width`. A word that is wider is divided.
    pub(super) fn wrap(&self, text: &str, weight: Weight, size: f32, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
                if self.width(&longer, weight, size) <= width {
                    line = longer;
                    continue;
                }
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                line = self.divided(word, weight, size, width, &mut lines);
            }
            lines.push(line);
        }
        lines
    }

    /// Adds the full lines of a word, and returns the rest.
    fn divided(&self, word: &str, weight: Weight, size: f32, width: f32, lines: &mut Vec<String>) -> String {
        let mut line = String::new();
        for c in word.chars() {
            line.push(c);
            if line.chars().count() > 1 && self.width(&line, weight, size) > width {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
        line
    }
}

/// The TrueType file of a WOFF file (W3C WOFF 1.0 §3, §5).
fn decoded(woff: &[u8]) -> Option<Vec<u8>> {
    let u32_at = |at: usize| Some(u32::from_be_bytes(woff.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let size_at = |at: usize| usize::try_from(u32_at(at)?).ok();
    let count = u16::from_be_bytes(woff.get(12..14)?.try_into().ok()?);
    let tables = usize::from(count);
    if woff.get(..4)? != b"wOFF" || tables == 0 || tables > TABLES_MAX {
        return None;
    }
    let mut font = u32_at(4)?.to_be_bytes().to_vec();
    let entries = count.ilog2();
    let range = 16_u16 << entries;
    for value in [count, range, u16::try_from(entries).ok()?, count.checked_mul(16)?.checked_sub(range)?] {
        font.extend_from_slice(&value.to_be_bytes());
    }
    let mut data = Vec::new();
    let start = 12 + 16 * tables;
    for no in 0..tables {
        let entry = HEADER + ENTRY * no;
        let (offset, packed, length) = (size_at(entry + 4)?, size_at(entry + 8)?, size_at(entry + 12)?);
        if length > FONT_MAX || start + data.len() + length > FONT_MAX {
            return None;
        }
        let part = woff.get(offset..offset.checked_add(packed)?)?;
        font.extend_from_slice(woff.get(entry..entry + 4)?);
        font.extend_from_slice(&u32_at(entry + 16)?.to_be_bytes());
        font.extend_from_slice(&u32::try_from(start + data.len()).ok()?.to_be_bytes());
        font.extend_from_slice(&u32_at(entry + 12)?.to_be_bytes());
        let before = data.len();
        if packed == length {
            data.extend_from_slice(part);
        } else {
            ZlibDecoder::new(part).take(u64::try_from(length).ok()?).read_to_end(&mut data).ok()?;
        }
        if data.len() - before != length {
            return None;
        }
        data.resize(data.len().next_multiple_of(4), 0);
    }
    font.append(&mut data);
    Some(font)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_fonts_are_no_fonts() {
        let [file, _] = assets::document_fonts();
        for end in (0..file.len()).step_by(97) {
            assert!(decoded(&file[..end]).is_none(), "{end} bytes");
        }
        for at in 0..HEADER + 4 * ENTRY {
            let mut wrong = file.to_vec();
            if let Some(byte) = wrong.get_mut(at) {
                *byte ^= 0x55;
            }
            // No panic, and no endless work.
            let _: Option<Vec<u8>> = decoded(&wrong);
        }
    }

    #[test]
    fn a_build_without_fonts_says_how_to_get_them() {
        let fault = Fonts::of([b"", b""]).unwrap_err();
        assert!(fault.to_string().contains("expected: scripts/setup run"), "{fault}");
        assert!(matches!(Fonts::of([b"wOFF", b"x"]), Err(FontError::Damaged)));
    }

    #[test]
    fn lines_fit_the_width_and_lose_no_word() {
        let Ok(fonts) = Fonts::read() else { return };
        let text = "Laporan bulanan layanan darurat panggilanpanggilanpanggilanpanggilanpanggilan 112";
        let lines = fonts.wrap(text, Weight::Normal, 10.0, 90.0);
        assert!(lines.len() > 3);
        assert!(lines.iter().all(|line| fonts.width(line, Weight::Normal, 10.0) <= 90.0), "{lines:?}");
        let squeezed = |text: &str| text.replace(' ', "");
        assert_eq!(squeezed(&lines.concat()), squeezed(text));
        assert_eq!(fonts.wrap("a\n\nb", Weight::Bold, 10.0, 90.0), ["a", "", "b"]);
        assert!(fonts.width("112", Weight::Bold, 10.0) > fonts.width("11", Weight::Bold, 10.0));
    }
}
