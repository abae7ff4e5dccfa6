//! The hours of a week.

/// Hours of a week.
pub const HOURS: usize = 168;
