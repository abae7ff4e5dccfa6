//! The pages of `siaga report serve`: which role reaches which route, and what the pages about calls show.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod call;
mod list;
mod ministry;
mod overview;
mod plan;
mod routes;
mod sheets;
#[path = "../stories/mod.rs"]
mod stories;
mod town;
