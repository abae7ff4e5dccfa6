//! Passes the built assets of the pages to the compiler. Without them the build succeeds, pages use the font of the visitor's system, and there
//! are no PDF files.

use std::path::Path;

const FONTS: [&str; 3] = ["inter.woff2", "inter-400.woff", "inter-600.woff"];

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=web-assets/built");
    let folder = std::env::var_os("OUT_DIR").ok_or_else(|| std::io::Error::other("OUT_DIR is not set"))?;
    for name in FONTS {
        let built = Path::new("web-assets/built").join(name);
        let font = if built.exists() { std::fs::read(built)? } else { Vec::new() };
        std::fs::write(Path::new(&folder).join(name), font)?;
    }
    Ok(())
}
