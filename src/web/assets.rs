//! Files that pages load: style, script and font. They are in the binary, and their names contain the hash of their content, so that
//! browsers may keep them forever.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The font Inter. Empty if `scripts/setup` has not installed it before the build.
static FONT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inter.woff2"));
/// The fonts of PDF files as WOFF: normal and bold. Empty as `FONT`.
static DOCUMENT_FONTS: [&[u8]; 2] = [
    include_bytes!(concat!(env!("OUT_DIR"), "/inter-400.woff")),
    include_bytes!(concat!(env!("OUT_DIR"), "/inter-600.woff")),
];
static ALL: LazyLock<Assets> = LazyLock::new(Assets::read);

struct Asset {
    /// The last part of the address.
    name: String,
    kind: &'static str,
    content: Bytes,
}

struct Assets {
    style: Asset,
    script: Asset,
    font: Asset,
}

impl Assets {
    fn read() -> Self {
        let font = Asset::of("inter", "woff2", "font/woff2", Bytes::from_static(FONT));
        let style = include_str!("../../web-assets/style.css").replace("FONT", &format!("/assets/{}", font.name));
        // Without the file, the rule would make each page ask for it.
        let style = if FONT.is_empty() { without_font(&style) } else { style };
        let script = Bytes::from_static(include_bytes!("../../web-assets/page.js"));
        Self {
            style: Asset::of("style", "css", "text/css; charset=utf-8", Bytes::from(style)),
            script: Asset::of("page", "js", "text/javascript; charset=utf-8", script),
            font,
        }
    }
}

impl Asset {
    fn of(name: &str, extension: &str, kind: &'static str, content: Bytes) -> Self {
        let hash = HEXLOWER.encode(&Sha256::digest(&content));
        Self { name: format!("{name}-{}.{extension}", hash.get(..16).unwrap_or_default()), kind, content }
    }
}

/// The style without the rule of the font.
fn without_font(style: &str) -> String {
    match (style.find("@font-face"), style.find("/* end of font */")) {
        (Some(start), Some(end)) => style.chars().take(start).chain(style.chars().skip(end)).collect(),
        (Some(_), None) | (None, Some(_)) | (None, None) => style.to_owned(),
    }
}

/// True if the font is in the binary.
pub fn has_font() -> bool {
    !FONT.is_empty()
}

/// The fonts of PDF files as WOFF: normal and bold. Empty if they are not in the binary.
pub fn document_fonts() -> [&'static [u8]; 2] {
    DOCUMENT_FONTS
}

/// The address of the style.
pub fn style() -> String {
    format!("/assets/{}", ALL.style.name)
}

/// The address of the script.
pub fn script() -> String {
    format!("/assets/{}", ALL.script.name)
}

/// The file with this name. Only names of embedded files are compared: no path leads to a file of the machine.
pub(super) fn response(name: &str) -> Response {
    let all = &*ALL;
    let found = [&all.style, &all.script, &all.font].into_iter().find(|asset| asset.name == name);
    match found.filter(|asset| !asset.content.is_empty()) {
        Some(asset) => {
            let keep = "public, max-age=31536000, immutable";
            ([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, keep)], asset.content.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_name_only() {
        let style = style();
        let name = style.strip_prefix("/assets/").unwrap();
        assert!(name.starts_with("style-") && name.ends_with(".css") && name.len() == 26, "{name}");
        assert_eq!(response(name).status(), StatusCode::OK);
        for bad in
            ["", "style.css", "../style.css", "../../config/siaga.toml", "/etc/passwd", "style-0000000000000000.css"]
        {
            assert_eq!(response(bad).status(), StatusCode::NOT_FOUND, "{bad}");
        }
    }

    #[test]
    fn pages_load_nothing_from_other_hosts() {
        let style = String::from_utf8(ALL.style.content.to_vec()).unwrap();
        let script = String::from_utf8(ALL.script.content.to_vec()).unwrap();
        for text in [style.as_str(), script.as_str()] {
            assert!(!text.contains("//fonts") && !text.contains("http:") && !text.contains("https:"));
        }
        assert_eq!(style.contains("@font-face"), has_font());
        assert!(without_font("a\n@font-face { x }\n/* end of font */b").ends_with("a\n/* end of font */b"));
    }
}
