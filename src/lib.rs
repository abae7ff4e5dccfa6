//! siaga: the call-handling service of a city's 112 emergency centre. See ARCHITECTURE.md.

pub mod acd;
pub mod alarm;
pub mod cdr;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counted;
pub mod ids;
pub mod limits;
pub mod media;
pub mod reports;
pub mod server;
pub mod sip;
pub mod store;
pub mod switchboard;
pub mod web;
