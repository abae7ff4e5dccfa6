//! The monthly report as PDF, read back with poppler: every figure of the CSV file is in its text, and its pages can be drawn.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\nuri = \"sip:127.0.0.2\"\n\
    [site]\nname = \"Kota Metro\"\n[store]\nurl = \"sqlite:siaga.db\"\n[report]\nemblem = \"emblem.svg\"\n\
    signatories = [{ role = \"Kepala BPBD Kota Metro\", name = \"Siti Rahayu\", id = \"NIP 19700101 199603 2 001\" }]\n";
const EMBLEM: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 48">
    <defs><linearGradient id="g"><stop offset="0" stop-color="#b3261e"/><stop offset="1" stop-color="#f2b705"/></linearGradient></defs>
    <path d="M20 1 38 8v18c0 11-8 18-18 21C10 44 2 37 2 26V8z" fill="url(#g)" stroke="#1a1d21"/></svg>"##;

fn siaga(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siaga"));
    command.args(arguments).args(["--config", "siaga.toml"]).current_dir(folder).output().unwrap()
}

fn ministry(folder: &Path, more: &[&str]) -> Vec<u8> {
    let ran = siaga(folder, &[&["report", "ministry", "--month", "2026-10"][..], more].concat());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

fn city(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("siaga.toml"), config).unwrap();
    std::fs::write(folder.path().join("emblem.svg"), EMBLEM).unwrap();
    let demo = ["demo", "data", "--seed", "7", "--days", "31", "--calls-per-day", "60", "--until", "2026-10-31"];
    let ran = siaga(folder.path(), &demo);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    folder
}

/// The text of a PDF file, with one space between words.
fn text(folder: &Path, file: &[u8]) -> String {
    std::fs::write(folder.join("report.pdf"), file).unwrap();
    let ran = Command::new("pdftotext").args(["-layout", "report.pdf", "-"]).current_dir(folder).output();
    let ran = ran.unwrap_or_else(|fault| panic!("pdftotext: {fault}; scripts/setup test installs it"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// The words of a text. Numbers have no separators of thousands.
fn words(text: &str, thousands: char) -> Vec<String> {
    let plain = |word: &str| {
        let bare = word.replace(thousands, "");
        if bare.bytes().all(|b| b.is_ascii_digit()) { bare } else { word.to_owned() }
    };
    text.split_whitespace().map(plain).collect()
}

/// Figures and heads of a CSV file that a text lacks.
fn missing(csv: &[u8], separator: u8, text: &str, thousands: char) -> Vec<String> {
    let words = words(text, thousands);
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).has_headers(false).from_reader(&csv[3..]);
    let cells: Vec<String> =
        reader.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(cells.len() > 30, "{} cells", cells.len());
    let is_there = |cell: &String| cell.split_whitespace().all(|part| words.iter().any(|word| word == part));
    cells.into_iter().filter(|cell| !cell.is_empty() && !is_there(cell)).collect()
}

/// The pages of a PDF file as pictures; returns the number of pages and of dark pixels.
fn drawn(folder: &Path) -> (usize, usize) {
    let ran = Command::new("pdftoppm").args(["-r", "40", "-gray", "report.pdf", "page"]).current_dir(folder).output();
    let ran = ran.unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<Vec<u8>> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "pgm"))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    (pages.len(), pages.iter().flatten().filter(|pixel| **pixel < 128).count())
}

#[test]
fn the_pdf_file_has_every_figure_of_the_csv_file_and_the_same_bytes_each_time() {
    let folder = city(CONFIG);
    let file = ministry(folder.path(), &["--format", "pdf"]);
    assert!(file == ministry(folder.path(), &["--format", "pdf"]), "two files of the same data differ");
    let text = text(folder.path(), &file);
    let lacks = missing(&ministry(folder.path(), &["--format", "csv"]), b';', &text, '.');
    assert!(lacks.is_empty(), "{lacks:?} in {text}");
    for part in ["Kota Metro", "Laporan bulanan", "Oktober 2026", "Siti Rahayu", "NIP 19700101", "Halaman 1 dari "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("Panggilan terakhir yang termasuk: 31 Oktober 2026, "), "{text}");
    let (pages, dark) = drawn(folder.path());
    assert!(pages > 1 && dark > 5_000, "{pages} pages, {dark} dark pixels");
    assert!(text.contains(&format!("Halaman {pages} dari {pages}")), "{text}");
}

#[test]
fn a_table_of_days_goes_over_pages_with_its_heads_and_a_template_changes_the_texts() {
    let folder = city(
        &CONFIG
            .replace("[site]", "[site]\nlanguage = \"en\"")
            .replace("emblem = \"emblem.svg\"", "template = \"letter.toml\"\nscheme = \"scheme.toml\""),
    );
    let column = |name: &str, figure: &str| format!("[[column]]\nname = \"{name}\"\nfigure = \"{figure}\"\n");
    let figures = ["incoming", "answered", "abandoned", "failed", "prank", "ghost", "mean-wait-seconds", "located"];
    let columns: String = figures.map(|figure| column(&format!("Column {figure}"), figure)).concat();
    let scheme = format!("rows = \"day\"\n{}{columns}", column("The day", "period"));
    std::fs::write(folder.path().join("scheme.toml"), scheme).unwrap();
    let template = "title = \"Report to the mayor of {city}\"\nsubtitle = \"about {month}\"\nplace = \"Metro\"\n\
        introduction = \"\"\"First words.\n\nSecond words.\"\"\"\nclosing = \"Last words.\"\n\
        signatories = [{ role = \"Mayor\", name = \"Agus\" }, { role = \"Secretary\" }, { role = \"Head\", name = \"Dewi\" }, { role = \"Fourth\" }]\n";
    std::fs::write(folder.path().join("letter.toml"), template).unwrap();
    let file = ministry(folder.path(), &["--format", "pdf"]);
    let text = text(folder.path(), &file);
    let lacks = missing(&ministry(folder.path(), &["--format", "csv"]), b',', &text, ',');
    assert!(lacks.is_empty(), "{lacks:?} in {text}");
    for part in [
        "Report to the mayor of Kota Metro",
        "about October 2026",
        "First words.",
        "Second words.",
        "Last words.",
        "Metro, ....",
        "Secretary",
        "Dewi",
        "Fourth",
        "Last call included: 31 October 2026",
        "Page 1 of ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Siti Rahayu"), "{text}");
    assert!(text.matches("The day").count() >= 2, "the heads are repeated: {text}");
    drawn(folder.path());
}

#[test]
fn a_wrong_emblem_or_template_is_an_error_that_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("emblem.svg\"", "emblem.gif\"\ntemplate = \"letter.toml\"");
    std::fs::write(folder.path().join("siaga.toml"), config).unwrap();
    std::fs::write(folder.path().join("emblem.gif"), "GIF89a").unwrap();
    std::fs::write(folder.path().join("letter.toml"), "titel = \"x\"").unwrap();
    let ran = siaga(folder.path(), &["check"]);
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(!ran.status.success());
    for part in ["report.emblem", "is neither an SVG nor a PNG file", "report.template", "unknown field `titel`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
