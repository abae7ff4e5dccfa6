//! The framework of all pages: log-in, sessions, roles, protection of forms, texts, layout, charts and embedded files. Knows neither calls
//! nor figures, reads no clock and opens no socket.

pub mod assets;
mod attempt_limit;
pub mod chart;
pub mod format;
pub mod frame;
pub mod gate;
pub mod pages;
pub mod password;
pub mod role;
pub mod session;
pub mod site;
pub mod texts;
pub mod totp;
pub mod visitor;

#[cfg(test)]
mod tests;
