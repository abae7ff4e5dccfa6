//! Start line of outgoing responses and the load value for overload control (RFC 7339).

/// The start of every response. A response to a source that may be forged has no Server header field.
pub(in crate::switchboard) const RESPONSE: &[u8] = b"SIP/2.0 ";

/// Used share of the range between a soft and a hard limit, in percent: 0 below the soft limit, otherwise 1 to 100.
pub(in crate::switchboard) fn crowded(taken: usize, soft: usize, hard: usize) -> u8 {
    if taken < soft {
        return 0;
    }
    let percent = (taken - soft) * 100 / hard.saturating_sub(soft).max(1);
    u8::try_from(percent.clamp(1, 100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::crowded;

    #[test]
    fn the_room_above_the_soft_cap_is_what_counts() {
        let percents = [0, 299, 300, 301, 350, 399, 400, 1_000].map(|taken| crowded(taken, 300, 400));
        assert_eq!(percents, [0, 0, 1, 1, 50, 99, 100, 100]);
        assert_eq!(crowded(7, 7, 7), 1, "no room between them");
    }
}
