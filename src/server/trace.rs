//! The log: lines of text or JSON to standard output, written by a separate thread, so that a slow terminal or pipe never delays a call.
//! If the buffer is full, lines are dropped and counted.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::clock::Timestamp;
use crate::config::{Log, LogFormat};

/// Maximum bytes that wait for the output.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Time for which lines are collected before one write.
const BATCH_DELAY: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lost: u64,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

/// Writes the remaining lines when it is dropped.
#[derive(Debug)]
pub struct LogGuard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The time stamp of a text line: local time of the site, with its offset.
struct SiteTime(TimeZone);

impl SiteTime {
    fn text(&self, at: Timestamp) -> String {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        let minutes = self.0.to_offset(at).seconds() / 60;
        let (sign, hours, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60);
        format!("{}{sign}{hours:02}:{minutes:02}", self.0.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S%.3f"))
    }
}

impl FormatTime for SiteTime {
    fn format_time(&self, line: &mut Writer<'_>) -> std::fmt::Result {
        line.write_str(&self.text(super::clock::wall_now()))
    }
}

/// Starts the log of the process. Lines of text have the time of `zone`.
pub fn start(log: &Log, zone: &TimeZone) -> anyhow::Result<LogGuard> {
    let shared = Arc::new(Shared::default());
    let mine = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_out(&mine))?;
    let filter = EnvFilter::try_new(log.filter()).context("log.level")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(Arc::clone(&shared)));
    match log.format {
        LogFormat::Human => lines.with_timer(SiteTime(zone.clone())).with_ansi(false).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))?;
    Ok(LogGuard { shared, thread: Some(thread) })
}

impl LogGuard {
    /// Lines dropped since the start.
    pub(super) fn lost(&self) -> Lost {
        Lost(Arc::clone(&self.shared))
    }
}

/// How many lines were dropped.
#[derive(Clone, Debug)]
pub(super) struct Lost(Arc<Shared>);

impl Lost {
    pub(super) fn count(&self) -> u64 {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).lost
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.news.notify_all();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the log's thread has failed");
        }
    }
}

fn write_out(shared: &Shared) {
    let mut lines = Vec::new();
    loop {
        let closed = {
            let waiting = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.closed;
            shared.news.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner).closed
        };
        if !closed {
            // On the log's own thread: lines that arrive in the meantime are part of the same write.
            std::thread::sleep(BATCH_DELAY);
        }
        std::mem::swap(&mut lines, &mut shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).bytes);
        // An error of the output cannot be reported anywhere.
        drop(io::stdout().lock().write_all(&lines));
        lines.clear();
        if closed {
            return;
        }
    }
}

#[derive(Clone, Debug)]
struct Lines(Arc<Shared>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes.len() + line.len() > WAITING_BYTES_MAX {
            waiting.lost += 1;
            return Ok(line.len());
        }
        let first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if first {
            self.0.news.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_text_has_the_sites_time_with_its_offset() {
        let time = SiteTime(TimeZone::get("Asia/Jakarta").unwrap());
        assert_eq!(time.text(Timestamp::from_millis(1_764_460_800_042)), "2025-11-30T07:00:00.042+07:00");
    }
}
