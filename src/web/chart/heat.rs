//! A heat map: a grid of cells with numbers in them.

use super::escaped;

const LEFT: u64 = 84;
const TOP: u64 = 24;
const CELL_WIDTH: u64 = 41;
const CELL_HEIGHT: u64 = 28;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The number; empty: there is none.
    pub text: String,
    /// 0 (as the surface) to 4 (darkest).
    pub shade: u8,
    /// True: a frame draws attention to it.
    pub is_framed: bool,
    /// What the cell is, for the pointer.
    pub hint: String,
}

/// A heat map.
#[derive(Clone, Copy, Debug)]
pub struct Heat<'a> {
    pub title: &'a str,
    pub columns: &'a [String],
    pub rows: &'a [(String, Vec<Cell>)],
}

/// The map as SVG.
pub fn heat(map: &Heat<'_>) -> String {
    let count = |len: usize| u64::try_from(len).unwrap_or(0);
    let width = LEFT + count(map.columns.len()) * CELL_WIDTH + 2;
    let height = TOP + count(map.rows.len()) * CELL_HEIGHT + 2;
    let mut svg = format!(
        "<svg class=\"chart tall\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>",
        title = escaped(map.title)
    );
    for (at, column) in (0..).zip(map.columns) {
        let x = LEFT + at * CELL_WIDTH + CELL_WIDTH / 2;
        svg += &format!("<text x=\"{x}\" y=\"14\" text-anchor=\"middle\">{}</text>", escaped(column));
    }
    let mut frames = String::new();
    for (row_at, (name, cells)) in (0..).zip(map.rows) {
        let y = TOP + row_at * CELL_HEIGHT;
        let text_y = y + CELL_HEIGHT / 2 + 4;
        svg += &format!("<text class=\"strong\" x=\"0\" y=\"{text_y}\">{}</text>", escaped(name));
        for (at, cell) in (0..).zip(cells) {
            let x = LEFT + at * CELL_WIDTH;
            let area = format!("x=\"{x}\" y=\"{y}\" width=\"{CELL_WIDTH}\" height=\"{CELL_HEIGHT}\"");
            svg += &format!("<g><title>{}</title><rect class=\"cell\" {area}/>", escaped(&cell.hint));
            if cell.shade > 0 {
                svg += &format!("<rect class=\"heat{}\" {area}/>", cell.shade.min(4));
            }
            let (middle, text) = (x + CELL_WIDTH / 2, escaped(&cell.text));
            svg += &format!(
                "<text class=\"strong\" x=\"{middle}\" y=\"{text_y}\" text-anchor=\"middle\">{text}</text></g>"
            );
            if cell.is_framed {
                frames += &format!("<rect class=\"under\" {area}/>");
            }
        }
    }
    // Frames are above all cells, so that no neighbour covers them.
    svg + &frames + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_has_its_number_and_frames_are_drawn_last() {
        let cell = |text: &str, shade, is_framed| Cell { text: text.to_owned(), shade, is_framed, hint: String::new() };
        let rows = [("<Senin>".to_owned(), vec![cell("66", 4, true), cell("", 0, false)])];
        let svg = heat(&Heat { title: "t", columns: &["00".to_owned(), "02".to_owned()], rows: &rows });
        assert!(svg.contains(">66</text>") && svg.contains("&lt;Senin&gt;") && svg.contains("class=\"heat4\""));
        assert!(svg.rfind("class=\"under\"") > svg.rfind("class=\"cell\""), "{svg}");
        assert_eq!(svg.matches("class=\"cell\"").count(), 2);
    }
}
