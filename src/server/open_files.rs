//! Compares the number of open files that a configuration needs with the limit of the process.

use crate::config::Config;
use crate::limits::{CONNECTIONS_MAX, CONSOLE_CONNECTIONS_MAX};
use crate::sip::flow::Transport;

use super::media::file_limit;

/// Listeners, database, journal, log, prompts, threads' descriptors, connections to trunks.
const OTHERS: usize = 512;

/// The warning of `siaga check` and of the start, if this process may not open as many files as the configuration can need.
pub fn warning(config: &Config) -> Option<String> {
    warning_at(config, file_limit())
}

fn warning_at(config: &Config, limit: u64) -> Option<String> {
    let needed = needed(config);
    let total: usize = needed.iter().map(|(count, _)| count).sum();
    let parts: Vec<String> = needed.iter().map(|(count, what)| format!("{count} {what}")).collect();
    (u64::try_from(total).is_ok_and(|total| total > limit)).then(|| {
        format!(
            "the limit of open files is {limit}, and {total} may be needed ({}): RTP ports, connections or recordings will be missing; \
             expected: LimitNOFILE={total} in the unit, or ulimit -Hn {total}",
            parts.join(", ")
        )
    })
}

/// How many files of each kind can be open at once.
fn needed(config: &Config) -> [(usize, &'static str); 5] {
    let is_stream = |transport| matches!(transport, Transport::Tcp | Transport::Tls);
    let has_streams = config.sip.listeners.iter().any(|listener| is_stream(listener.transport));
    [
        (config.media.pairs() * 2 * config.media.listen.len(), "RTP and RTCP ports"),
        (if has_streams { CONNECTIONS_MAX } else { 0 }, "TCP and TLS connections"),
        (CONSOLE_CONNECTIONS_MAX, "connections to the console"),
        (if config.recording.enabled { config.calls_max() } else { 0 }, "recordings"),
        (OTHERS, "others"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let trunk = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n";
        Config::parse("test.toml", &format!("{trunk}{more}")).unwrap()
    }

    #[test]
    fn ports_connections_and_recordings_are_compared_with_the_limit_of_open_files() {
        let udp = config("[media]\nports = [20000, 20399]\n");
        // 400 ports, 512 connections, 100 recordings, 512 others.
        assert_eq!(warning_at(&udp, 1_524), None);
        let told = warning_at(&udp, 1_523).unwrap();
        for part in
            ["limit of open files is 1523", "1524 may be needed", "400 RTP", "100 recordings", "LimitNOFILE=1524"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
        let tcp = config(
            "[media]\nports = [20000, 20399]\n[sip]\nlisten = [\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"]\n",
        );
        assert!(warning_at(&tcp, 1_524 + 16_384).is_none() && warning_at(&tcp, 1_523 + 16_384).is_some());
        let unrecorded = config("[media]\nports = [20000, 20399]\n[recording]\nenabled = false\n");
        assert_eq!(warning_at(&unrecorded, 1_424), None);
    }
}
