//! Tables: the heads are repeated on each page. A table that is wider than the page continues below itself with its other columns.

use super::page::{LEFT, Mark, PALE, Pages, RULE, Style, WIDTH};

/// The space at both sides of a cell, and above and below its text.
const PAD: f32 = 4.0;
/// The widest column; longer texts have several lines.
const COLUMN_MAX: f32 = 150.0;
const COLUMN_MIN: f32 = 34.0;
const HEAD_MAX: f32 = 90.0;

/// A column: its head, and whether its cells stand at the right.
#[derive(Clone, Debug)]
pub(in crate::reports) struct Column {
    pub head: String,
    pub is_number: bool,
}

/// Rows of texts. The first column names the row.
#[derive(Clone, Debug)]
pub(in crate::reports) struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<String>>,
    /// The table fills the width of the page.
    pub is_wide: bool,
}

/// Some columns of a table: their numbers and widths.
type Group = Vec<(usize, f32)>;

impl Pages<'_> {
    pub(in crate::reports) fn table(&mut self, table: &Table) {
        for group in self.groups(table) {
            let heads: Vec<&str> = table.columns.iter().map(|column| column.head.as_str()).collect();
            let head = self.row(table, &group, &heads, Style::CELL_HEAD);
            let rows: Vec<Row> = table
                .rows
                .iter()
                .map(|row| {
                    let cells: Vec<&str> = row.iter().map(String::as_str).collect();
                    self.row(table, &group, &cells, Style::CELL)
                })
                .collect();
            // A head alone at the end of a page helps no reader.
            self.need(head.height + rows.first().map_or(0.0, |row| row.height));
            self.draw(&head, true);
            for row in &rows {
                let page = self.pages.len();
                self.need(row.height);
                if self.pages.len() > page {
                    self.draw(&head, true);
                }
                self.draw(row, false);
            }
            self.y += 12.0;
        }
    }

    /// Divides the columns so that each group fits the page; each begins with the first column.
    fn groups(&self, table: &Table) -> Vec<Group> {
        let widths: Vec<f32> = (0..table.columns.len()).map(|no| self.column_width(table, no)).collect();
        let Some(first) = widths.first().copied() else { return Vec::new() };
        let mut groups: Vec<Group> = Vec::new();
        let mut used = WIDTH;
        for (no, width) in widths.iter().enumerate().skip(1) {
            if used + width > WIDTH || groups.is_empty() {
                groups.push(vec![(0, first)]);
                used = first;
            }
            if let Some(group) = groups.last_mut() {
                group.push((no, *width));
                used += width;
            }
        }
        if groups.is_empty() {
            groups.push(vec![(0, first)]);
        }
        if table.is_wide {
            groups.iter_mut().for_each(fill);
        }
        groups
    }

    fn column_width(&self, table: &Table, no: usize) -> f32 {
        let head = table.columns.get(no).map_or("", |column| column.head.as_str());
        let of = |text: &str, style: Style| self.fonts.width(text, style.weight, style.size);
        // A short head of a table with enough space stays in one line.
        let whole = of(head, Style::CELL_HEAD);
        let is_whole = table.is_wide && whole <= HEAD_MAX;
        let words = head.split_whitespace().map(|word| if is_whole { whole } else { of(word, Style::CELL_HEAD) });
        let cells = table.rows.iter().filter_map(|row| row.get(no)).map(|cell| of(cell, Style::CELL));
        // A little more, so that rounding breaks no line.
        (words.chain(cells).fold(0.0, f32::max) + 2.0 * PAD + 0.5).clamp(COLUMN_MIN, COLUMN_MAX)
    }

    fn row(&self, table: &Table, group: &Group, cells: &[&str], style: Style) -> Row {
        let mut left = LEFT;
        let mut row = Row { cells: Vec::new(), height: style.line() + PAD, width: 0.0, style };
        for (no, width) in group {
            let text = cells.get(*no).copied().unwrap_or_default();
            let lines = self.fonts.wrap(text, style.weight, style.size, width - 2.0 * PAD);
            row.height = row.height.max(lines.len() as f32 * style.line() + PAD);
            let is_number = table.columns.get(*no).is_some_and(|column| column.is_number);
            row.cells.push(Lines { left, width: *width, is_number, lines });
            left += width;
        }
        row.width = left - LEFT;
        row
    }

    fn draw(&mut self, row: &Row, is_head: bool) {
        if is_head {
            self.mark(Mark::Box { place: (LEFT, self.y, row.width, row.height), color: PALE });
        }
        for cell in &row.cells {
            for (no, line) in cell.lines.iter().enumerate() {
                let top = self.y + PAD / 2.0 + no as f32 * row.style.line();
                if cell.is_number {
                    self.text_to((cell.left + cell.width - PAD, top), line, row.style);
                } else {
                    self.text((cell.left + PAD, top), line, row.style);
                }
            }
        }
        self.y += row.height;
        self.mark(Mark::Box { place: (LEFT, self.y - 0.3, row.width, 0.6), color: RULE });
    }
}

/// Makes the first column wider, so that the group has the width of the page.
fn fill(group: &mut Group) {
    let used: f32 = group.iter().map(|(_, width)| width).sum();
    if let Some((_, first)) = group.first_mut() {
        *first += (WIDTH - used).max(0.0);
    }
}

/// A row whose texts are in lines.
struct Row {
    cells: Vec<Lines>,
    height: f32,
    width: f32,
    style: Style,
}

struct Lines {
    left: f32,
    width: f32,
    is_number: bool,
    lines: Vec<String>,
}
