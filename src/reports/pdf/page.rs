//! The content of pages: marks at fixed places, and a cursor that begins a new page when the space ends. Lengths are points of 1/72 inch, from
//! the upper left corner.

use super::emblem::Emblem;
use super::font::{Fonts, Weight};

pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
pub(super) const LEFT: f32 = 56.0;
pub(super) const WIDTH: f32 = PAGE.0 - 2.0 * LEFT;
const TOP: f32 = 56.0;
const BOTTOM: f32 = PAGE.1 - 64.0;
/// The height of a line in parts of the font's size.
const LINE: f32 = 1.4;
/// From the top of a line to its base line, in parts of the font's size.
const BASE: f32 = 1.05;

/// A colour: red, green, blue.
pub(super) type Color = (u8, u8, u8);
pub(super) const INK: Color = (0x1a, 0x1d, 0x21);
pub(super) const GREY: Color = (0x5b, 0x63, 0x6e);
pub(super) const PALE: Color = (0xee, 0xf1, 0xf4);
pub(super) const RULE: Color = (0xc9, 0xd0, 0xd8);

/// One line of text with its look.
#[derive(Clone, Copy, Debug)]
pub(in crate::reports) struct Style {
    pub weight: Weight,
    pub size: f32,
    pub color: Color,
}

impl Style {
    pub(in crate::reports) const TITLE: Self = Self { weight: Weight::Bold, size: 18.0, color: INK };
    pub(in crate::reports) const HEAD: Self = Self { weight: Weight::Bold, size: 12.0, color: INK };
    pub(in crate::reports) const BODY: Self = Self { weight: Weight::Normal, size: 10.0, color: INK };
    pub(in crate::reports) const STRONG: Self = Self { weight: Weight::Bold, size: 10.0, color: INK };
    pub(in crate::reports) const SMALL: Self = Self { weight: Weight::Normal, size: 8.5, color: GREY };
    pub(super) const CELL: Self = Self { weight: Weight::Normal, size: 9.0, color: INK };
    pub(super) const CELL_HEAD: Self = Self { weight: Weight::Bold, size: 9.0, color: INK };

    pub(super) fn line(self) -> f32 {
        self.size * LINE
    }
}

/// Something on a page.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// A text whose base line begins here.
    Text {
        at: (f32, f32),
        style: Style,
        text: String,
    },
    /// A filled rectangle: left, top, width, height.
    Box {
        place: (f32, f32, f32, f32),
        color: Color,
    },
    Picture {
        place: (f32, f32, f32, f32),
        emblem: Emblem,
    },
}

/// Pages that are being filled.
#[derive(Debug)]
pub(in crate::reports) struct Pages<'f> {
    pub(super) fonts: &'f Fonts,
    pub(super) pages: Vec<Vec<Mark>>,
    /// The top of the next mark.
    pub(super) y: f32,
}

impl<'f> Pages<'f> {
    pub(in crate::reports) fn new(fonts: &'f Fonts) -> Self {
        Self { fonts, pages: vec![Vec::new()], y: TOP }
    }

    /// Leaves space; at the top of a page there is none.
    pub(in crate::reports) fn space(&mut self, height: f32) {
        if self.y > TOP {
            self.y += height;
        }
    }

    /// Begins a new page unless this one has room for `height`.
    pub(in crate::reports) fn need(&mut self, height: f32) {
        if self.y + height > BOTTOM && self.y > TOP {
            self.pages.push(Vec::new());
            self.y = TOP;
        }
    }

    /// A text of several lines over the whole width.
    pub(in crate::reports) fn paragraph(&mut self, text: &str, style: Style) {
        for line in self.fonts.wrap(text, style.weight, style.size, WIDTH) {
            self.need(style.line());
            self.text((LEFT, self.y), &line, style);
            self.y += style.line();
        }
    }

    /// The picture at the left, and texts beside it.
    pub(in crate::reports) fn letterhead(&mut self, emblem: Option<&Emblem>, lines: &[(&str, Style)]) {
        let left = emblem.map_or(LEFT, |emblem| {
            let (width, height) = emblem.size_within((90.0, 56.0));
            self.mark(Mark::Picture { place: (LEFT, self.y, width, height), emblem: emblem.clone() });
            LEFT + width + 14.0
        });
        let top = self.y;
        for (text, style) in lines {
            for line in self.fonts.wrap(text, style.weight, style.size, LEFT + WIDTH - left) {
                self.text((left, self.y), &line, *style);
                self.y += style.line();
            }
        }
        let least = if emblem.is_some() { top + 58.0 } else { top };
        self.y = self.y.max(least) + 4.0;
        self.mark(Mark::Box { place: (LEFT, self.y, WIDTH, 1.2), color: INK });
        self.y += 14.0;
    }

    /// Blocks of lines side by side, at most three in a row, each with space for a signature after the first line. The place stands above the
    /// last column.
    pub(in crate::reports) fn signatures(&mut self, place: Option<&str>, blocks: &[[String; 3]]) {
        let style = Style::BODY;
        self.need(160.0);
        if let Some(place) = place {
            let left = LEFT + WIDTH / 3.0 * 2.0;
            let lines = self.fonts.wrap(place, style.weight, style.size, WIDTH / 3.0);
            self.block((left, self.y), &lines, style);
            self.y += lines.len() as f32 * style.line() + 12.0;
        }
        for row in blocks.chunks(3) {
            let width = WIDTH / 3.0;
            let wrapped: Vec<[Vec<String>; 3]> = row
                .iter()
                .map(|block| block.each_ref().map(|text| self.fonts.wrap(text, style.weight, style.size, width - 12.0)))
                .collect();
            let most = |no: usize| wrapped.iter().filter_map(|block| block.get(no)).map(Vec::len).max().unwrap_or(0);
            let heights = [0, 1, 2].map(|no| most(no) as f32 * style.line());
            let [role, name, id] = heights;
            self.need(role + 52.0 + name + id);
            // A single block stands at the right, as in letters.
            let first = 3_usize.saturating_sub(row.len());
            for (no, [roles, names, ids]) in wrapped.iter().enumerate() {
                let left = LEFT + (first + no) as f32 * width;
                self.block((left, self.y), roles, style);
                self.block((left, self.y + role + 52.0), names, Style::STRONG);
                self.block((left, self.y + role + 52.0 + name), ids, Style::SMALL);
            }
            self.y += role + 52.0 + name + id + 18.0;
        }
    }

    fn block(&mut self, (left, top): (f32, f32), lines: &[String], style: Style) {
        for (no, line) in lines.iter().enumerate() {
            self.text((left, top + no as f32 * style.line()), line, style);
        }
    }

    /// A text with its upper left corner here.
    pub(super) fn text(&mut self, (left, top): (f32, f32), text: &str, style: Style) {
        self.mark(Mark::Text { at: (left, top + style.size * BASE), style, text: text.to_owned() });
    }

    /// A text with its upper right corner here.
    pub(super) fn text_to(&mut self, (right, top): (f32, f32), text: &str, style: Style) {
        let width = self.fonts.width(text, style.weight, style.size);
        self.text((right - width, top), text, style);
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// Adds a line at the foot of each page: a text, and the page's number.
    pub(in crate::reports) fn foot(&mut self, text: &str, number: impl Fn(usize, usize) -> String) {
        let (all, style) = (self.pages.len(), Style::SMALL);
        let cut = self.fonts.wrap(text, style.weight, style.size, WIDTH - 110.0).into_iter().next().unwrap_or_default();
        for no in 0..all {
            let number = number(no + 1, all);
            let width = self.fonts.width(&number, style.weight, style.size);
            let base = BOTTOM + 30.0;
            let Some(page) = self.pages.get_mut(no) else { continue };
            page.push(Mark::Box { place: (LEFT, BOTTOM + 14.0, WIDTH, 0.6), color: RULE });
            page.push(Mark::Text { at: (LEFT, base), style, text: cut.clone() });
            page.push(Mark::Text { at: (LEFT + WIDTH - width, base), style, text: number });
        }
    }
}
