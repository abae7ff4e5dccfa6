//! The commands' output. A reader that has ended (`| head`) is no error: the command completes its work and its output is dropped.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Prints a line to standard output.
macro_rules! print_line {
    ($($text:tt)*) => { $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*))) };
}
pub(super) use print_line;

/// Prints text to standard output. An error other than a closed pipe ends the process: the output may be a password that is not shown again.
pub(super) fn print(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("siaga: standard output: {error}"));
            std::process::exit(1);
        }
        Ok(()) | Err(_) => {}
    }
}

/// Prints a line to standard error. After an error no place is left to report it.
pub(super) fn complain(text: Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
