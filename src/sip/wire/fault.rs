//! An invalid part of a message.

/// Why a message is invalid, with the status of the response if it is a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// 400, 413, 416, 420, 501, 505 …
    pub status: u16,
    /// The name of the invalid header field, for the reason phrase and the log.
    pub why: &'static str,
}
