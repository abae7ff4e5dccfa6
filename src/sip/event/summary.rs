//! Message summary documents (RFC 3842 §5).

/// Writes that no message is waiting, because siaga stores none.
pub fn write(account: &str) -> String {
    format!("Messages-Waiting: no\r\nMessage-Account: {account}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ever_waits() {
        assert_eq!(write("sip:a@b"), "Messages-Waiting: no\r\nMessage-Account: sip:a@b\r\n");
    }
}
