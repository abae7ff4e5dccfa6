//! PDF documents of A4 pages: paragraphs, tables with repeated heads, charts and a picture. The text is real text, and the same content gives
//! the same bytes.

pub(super) mod chart;
pub(super) mod draw;
pub mod emblem;
pub(super) mod font;
pub(super) mod page;
pub(super) mod table;
