//! Writes pages as a PDF file.

use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use krilla_svg::{SurfaceExt as _, SvgSettings};

use super::emblem::Emblem;
use super::font::{FontError, Weight};
use super::page::{Color, Mark, PAGE, Pages, Style};

/// The two fonts as the writer needs them.
struct Faces {
    normal: Font,
    bold: Font,
}

impl Pages<'_> {
    /// The file. `language` is a code such as `id`.
    pub(in crate::reports) fn file(&self, title: &str, language: &str) -> anyhow::Result<Vec<u8>> {
        let face = |weight| Font::new(self.fonts.file(weight).to_vec().into(), 0).ok_or(FontError::Damaged);
        let faces = Faces { normal: face(Weight::Normal)?, bold: face(Weight::Bold)? };
        let mut document = Document::new();
        // No dates: they are not the data's.
        let metadata = Metadata::new().title(title.to_owned()).language(language.to_owned());
        document.set_metadata(metadata.creator("siaga".to_owned()).producer("siaga".to_owned()));
        for marks in &self.pages {
            let Some(settings) = PageSettings::from_wh(PAGE.0, PAGE.1) else { continue };
            let mut page = document.start_page_with(settings);
            let mut surface = page.surface();
            for mark in marks {
                self.draw_mark(&mut surface, mark, &faces);
            }
            surface.finish();
            page.finish();
        }
        document.finish().map_err(|fault| anyhow::anyhow!("the PDF file cannot be made: {fault:?}"))
    }

    fn draw_mark(&self, surface: &mut Surface<'_>, mark: &Mark, faces: &Faces) {
        match mark {
            Mark::Text { at, style, text } => self.draw_text(surface, *at, *style, text, faces),
            Mark::Box { place: (left, top, width, height), color } => {
                let mut path = PathBuilder::new();
                if let Some(rect) = Rect::from_xywh(*left, *top, *width, *height) {
                    path.push_rect(rect);
                }
                surface.set_fill(Some(fill(*color)));
                if let Some(path) = path.finish() {
                    surface.draw_path(&path);
                }
            }
            Mark::Picture { place: (left, top, width, height), emblem } => {
                let Some(size) = Size::from_wh(*width, *height) else { return };
                surface.push_transform(&Transform::from_translate(*left, *top));
                match emblem {
                    // The result is None if the size is empty; there is nothing to draw then.
                    Emblem::Vector(tree) => drop(surface.draw_svg(tree, size, SvgSettings::default())),
                    Emblem::Pixels(image) => surface.draw_image(image.clone(), size),
                }
                surface.pop();
            }
        }
    }

    fn draw_text(&self, surface: &mut Surface<'_>, at: (f32, f32), style: Style, text: &str, faces: &Faces) {
        let shaped = self.fonts.shape(text, style.weight);
        let glyph = |of: super::font::Shaped| {
            let (x, y) = of.offset;
            KrillaGlyph::new(GlyphId::new(of.glyph), of.advance, x, y, 0.0, of.range, None)
        };
        let glyphs: Vec<KrillaGlyph> = shaped.into_iter().map(glyph).collect();
        let font = match style.weight {
            Weight::Normal => faces.normal.clone(),
            Weight::Bold => faces.bold.clone(),
        };
        surface.set_fill(Some(fill(style.color)));
        surface.draw_glyphs(Point::from_xy(at.0, at.1), &glyphs, font, text, style.size, false);
    }
}

fn fill((red, green, blue): Color) -> Fill {
    Fill { paint: rgb::Color::new(red, green, blue).into(), opacity: NormalizedF32::ONE, rule: FillRule::default() }
}
