//! The picture at the head of a document: an SVG or a PNG file.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use krilla::image::Image;

use crate::limits::{EMBLEM_BYTES_MAX, EMBLEM_PIXELS_MAX};

/// Why a file is no emblem.
#[derive(Debug, thiserror::Error)]
pub enum EmblemError {
    #[error("{file} cannot be read: {error}")]
    Unreadable { file: String, error: std::io::Error },
    #[error("{file} has more than {EMBLEM_BYTES_MAX} bytes")]
    TooLong { file: String },
    #[error("{file} is neither an SVG nor a PNG file, or has more than {EMBLEM_PIXELS_MAX} pixels in a row or column")]
    Unknown { file: String },
}

/// A picture that was read.
#[derive(Clone)]
pub enum Emblem {
    Vector(Arc<usvg::Tree>),
    Pixels(Image),
}

impl std::fmt::Debug for Emblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Emblem").field(&self.size()).finish()
    }
}

impl Emblem {
    /// Reads a file. Files that an SVG names are not read, and its texts are not shown: it has no fonts.
    pub fn read(path: &Path) -> Result<Self, EmblemError> {
        let file = path.display().to_string();
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|opened| opened.take(EMBLEM_BYTES_MAX + 1).read_to_end(&mut bytes));
        match read {
            Err(error) => Err(EmblemError::Unreadable { file, error }),
            Ok(length) if u64::try_from(length).is_ok_and(|length| length > EMBLEM_BYTES_MAX) => {
                Err(EmblemError::TooLong { file })
            }
            Ok(_) => Self::of(&bytes).ok_or(EmblemError::Unknown { file }),
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89PNG") {
            let image = Image::from_png(bytes.to_vec().into(), true).ok()?;
            let (width, height) = image.size();
            let fits = |side: u32| (1..=EMBLEM_PIXELS_MAX).contains(&side);
            return (fits(width) && fits(height)).then_some(Self::Pixels(image));
        }
        let options = usvg::Options {
            image_href_resolver: usvg::ImageHrefResolver {
                resolve_data: Box::new(|_, _, _| None),
                resolve_string: Box::new(|_, _| None),
            },
            ..usvg::Options::default()
        };
        usvg::Tree::from_data(bytes, &options).ok().map(|tree| Self::Vector(Arc::new(tree)))
    }

    fn size(&self) -> (f32, f32) {
        match self {
            Self::Vector(tree) => (tree.size().width(), tree.size().height()),
            Self::Pixels(image) => (image.size().0 as f32, image.size().1 as f32),
        }
    }

    /// Its width and height, as large as the space allows.
    pub(super) fn size_within(&self, (width, height): (f32, f32)) -> (f32, f32) {
        let (own_width, own_height) = self.size();
        let scale = (width / own_width).min(height / own_height);
        (own_width * scale, own_height * scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_recognised_and_other_files_rejected() {
        let svg =
            br#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20"/></svg>"#;
        let emblem = Emblem::of(svg).unwrap();
        assert_eq!(emblem.size_within((20.0, 20.0)), (20.0, 10.0));
        for bad in [&b""[..], b"\x89PNG\r\n\x1a\n", b"<html></html>", b"GIF89a", b"<svg"] {
            assert!(Emblem::of(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_svg_reads_no_other_file() {
        let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">
            <image width="9" height="9" xlink:href="/etc/passwd"/><image width="9" height="9" href="data:image/png;base64,AAAA"/></svg>"#;
        let Some(Emblem::Vector(tree)) = Emblem::of(svg) else { panic!("no picture") };
        assert!(!tree.root().has_children());
    }
}
