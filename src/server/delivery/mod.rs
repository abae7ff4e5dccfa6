//! Scheduled reports: a thread of `siaga report serve` makes them when they are due, writes them to a folder, or sends them by e-mail. A time
//! that was missed is made up once. Each step is an entry of the delivery log.

mod file;
mod mail;
mod smtp;
mod spool;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tracing::{error, info, warn};

use crate::clock::Timestamp;
use crate::config::{Config, Schedule, Smtp, Target};
use crate::limits::MAIL_BYTES_MAX;
use crate::reports::schedule::Due;
use crate::store::web::WebStore;
use crate::store::web::deliveries::DeliveryRow;

use super::clock::Clock;
use smtp::SendError;
use spool::{Entry, Spool, SpoolError};

/// How often the thread looks for something to do.
const TICK: Duration = Duration::from_secs(5);
/// The pauses after failed attempts; the last one is repeated.
const PAUSES_MS: [i64; 6] = [10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000];
/// An e-mail that was not sent for this long is given up.
const MAIL_LIFE_MS: i64 = 72 * 3_600_000;

/// Starts the thread if there is something to deliver. It ends with the process: every file is written as a whole or not at all.
pub(super) fn start(config: &Config, clock: Clock) -> anyhow::Result<()> {
    if config.report.schedules.is_empty() && config.report.smtp.is_none() {
        return Ok(());
    }
    let spool = match &config.report.smtp {
        Some(smtp) => {
            // The pages do not need it.
            let opened = Spool::open(&config.report.spool).inspect_err(|fault| {
                let spool = config.report.spool.display();
                error!(%spool, %fault, "no report is sent by e-mail: [report] spool cannot be used; expected: a folder that siaga report serve may write");
            });
            opened.ok().map(|spool| (spool, smtp.clone()))
        }
        None => None,
    };
    let config = config.clone();
    std::thread::Builder::new().name("deliveries".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ended =
            runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(config, spool, clock)));
        if let Err(fault) = ended {
            error!(fault = format!("{fault:#}"), "scheduled reports are not delivered");
        }
    })?;
    Ok(())
}

async fn run(config: Config, spool: Option<(Spool, Smtp)>, clock: Clock) -> anyhow::Result<()> {
    let store = WebStore::open(&config.web.store_url).await.context("[web] store_url")?;
    let mut courier = Courier { config, store, spool, runs: BTreeMap::new(), down: Pause::default() };
    loop {
        courier.tick(clock.now().wall).await;
        tokio::time::sleep(TICK).await;
    }
}

/// A pause after failed attempts.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    attempts: u32,
    until_ms: i64,
}

impl Pause {
    fn failed(&mut self, now_ms: i64) {
        self.until_ms = now_ms.saturating_add(pause_ms(self.attempts));
        self.attempts = self.attempts.saturating_add(1);
    }
}

/// The pause after this many attempts before the last one.
fn pause_ms(attempts: u32) -> i64 {
    let longest = PAUSES_MS.last().copied().unwrap_or(0);
    usize::try_from(attempts).ok().and_then(|no| PAUSES_MS.get(no).copied()).unwrap_or(longest)
}

/// The runs of one schedule.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// The time for which the schedule has run last.
    done_ms: i64,
    /// The time for which a run has failed and is tried again.
    failing_ms: Option<i64>,
    pause: Pause,
}

struct Courier {
    config: Config,
    store: WebStore,
    spool: Option<(Spool, Smtp)>,
    /// By schedule.
    runs: BTreeMap<String, Run>,
    /// The server for e-mails cannot be reached.
    down: Pause,
}

impl Courier {
    /// Does all that is due. An error of the log's database is only logged: reports matter more.
    async fn tick(&mut self, now: Timestamp) {
        for schedule in self.config.report.schedules.clone() {
            if let Err(fault) = self.schedule(&schedule, now).await {
                warn!(schedule = schedule.name, fault = format!("{fault:#}"), "the delivery log cannot be used");
            }
        }
        if let Err(fault) = self.send(now).await {
            warn!(fault = format!("{fault:#}"), "the delivery log cannot be used");
        }
    }

    async fn schedule(&mut self, schedule: &Schedule, now: Timestamp) -> anyhow::Result<()> {
        let Some(due) = Due::last(schedule, &self.config.zone, now) else { return Ok(()) };
        let (due_ms, now_ms) = (due.at.as_millis(), now.as_millis());
        let mut run = match self.runs.get(&schedule.name) {
            Some(run) => *run,
            None => Run { done_ms: self.first_run(&schedule.name, due_ms).await?, ..Run::default() },
        };
        if let Some(failing) = run.failing_ms.filter(|failing| *failing != due_ms) {
            // The next time has come: the failed report is not made any more.
            self.log(now_ms, (&schedule.name, failing), &target_of(schedule), "failed", "").await?;
            (run.failing_ms, run.pause) = (None, Pause::default());
        }
        if due_ms > run.done_ms && now_ms >= run.pause.until_ms {
            match self.make(schedule, &due, now).await {
                Ok(()) => {
                    self.store.set_schedule_run(&schedule.name, due_ms).await?;
                    run = Run { done_ms: due_ms, ..Run::default() };
                }
                Err(fault) => {
                    let detail = format!("{fault:#}");
                    warn!(schedule = schedule.name, fault = detail, "a scheduled report could not be made");
                    run.failing_ms = Some(due_ms);
                    run.pause.failed(now_ms);
                    self.log(now_ms, (&schedule.name, due_ms), &target_of(schedule), "delayed", &detail).await?;
                }
            }
        }
        self.runs.insert(schedule.name.clone(), run);
        Ok(())
    }

    /// The last run before the start. A new schedule begins with the next time.
    async fn first_run(&self, schedule: &str, due_ms: i64) -> anyhow::Result<i64> {
        match self.store.schedule_run(schedule).await? {
            Some(run) => Ok(run),
            None => {
                self.store.set_schedule_run(schedule, due_ms).await?;
                Ok(due_ms)
            }
        }
    }

    /// Makes a report, and writes or queues it.
    async fn make(&mut self, schedule: &Schedule, due: &Due, now: Timestamp) -> anyhow::Result<()> {
        let (due_ms, now_ms) = (due.at.as_millis(), now.as_millis());
        match &schedule.target {
            Target::Folder(folder) => {
                let path = file::write(&self.config, schedule, due, now, folder).await?;
                info!(schedule = schedule.name, file = %path.display(), "report written");
                self.log(now_ms, (&schedule.name, due_ms), &path.display().to_string(), "written", "").await
            }
            Target::Mail(addresses) => {
                let bytes = file::bytes(&self.config, schedule, due, now).await?;
                for address in addresses {
                    let queued = self.queue(schedule, due, now_ms, address, &bytes);
                    let (outcome, detail) = match queued {
                        Ok(()) => ("queued", String::new()),
                        Err(fault) if fault.is_disk() => return Err(fault.into()),
                        Err(fault) => ("failed", fault.to_string()),
                    };
                    info!(schedule = schedule.name, outcome, detail, "e-mail with a report");
                    self.log(now_ms, (&schedule.name, due_ms), address, outcome, &detail).await?;
                }
                Ok(())
            }
        }
    }

    fn queue(
        &mut self,
        schedule: &Schedule,
        due: &Due,
        now_ms: i64,
        address: &str,
        report: &[u8],
    ) -> Result<(), SpoolError> {
        let Some((spool, smtp)) = &mut self.spool else { return Err(SpoolError::Missing) };
        let message = mail::message(&self.config, smtp, schedule, due, address, report)?;
        if message.len() > MAIL_BYTES_MAX {
            return Err(SpoolError::TooLong(message.len()));
        }
        let due_ms = due.at.as_millis();
        let (schedule, to) = (schedule.name.clone(), address.to_owned());
        spool.add(&Entry { schedule, due_ms, to, queued_ms: now_ms, attempts: 0, next_ms: now_ms }, &message)
    }

    /// Sends the e-mails whose time has come. After an error of the connection, the others wait as well.
    async fn send(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let now_ms = now.as_millis();
        let Some((spool, smtp)) = &self.spool else { return Ok(()) };
        let (waiting, smtp) = (spool.waiting(now_ms), smtp.clone());
        for (name, entry) in waiting {
            if now_ms.saturating_sub(entry.queued_ms) >= MAIL_LIFE_MS {
                self.done(&name, &entry, now_ms, "failed", "it could not be sent for three days").await?;
                continue;
            }
            if now_ms < self.down.until_ms {
                continue;
            }
            let Some((spool, _)) = &self.spool else { return Ok(()) };
            let sent = match spool.message(&name) {
                Ok(message) => smtp::send(&smtp, &entry.to, &message).await,
                Err(fault) => Err(SendError::Rejected(fault.to_string())),
            };
            match sent {
                Ok(()) => {
                    self.down = Pause::default();
                    self.done(&name, &entry, now_ms, "sent", "").await?;
                }
                Err(SendError::Rejected(detail)) => self.done(&name, &entry, now_ms, "failed", &detail).await?,
                Err(SendError::Later(detail)) => self.later(&name, entry, now_ms, &detail).await?,
                Err(SendError::Down(detail)) => {
                    self.down.failed(now_ms);
                    self.later(&name, entry, now_ms, &detail).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes an e-mail that was sent or given up.
    async fn done(&mut self, name: &str, of: &Entry, now_ms: i64, outcome: &str, detail: &str) -> anyhow::Result<()> {
        match outcome {
            "failed" => warn!(schedule = of.schedule, detail, "an e-mail with a report is given up"),
            _ => info!(schedule = of.schedule, "e-mail with a report sent"),
        }
        if let Some((spool, _)) = &mut self.spool
            && let Err(fault) = spool.remove(name)
        {
            warn!(%fault, "an e-mail that is done cannot be removed from the spool");
        }
        self.log(now_ms, (&of.schedule, of.due_ms), &of.to, outcome, detail).await
    }

    /// Keeps an e-mail for another attempt.
    async fn later(&mut self, name: &str, mut entry: Entry, now_ms: i64, detail: &str) -> anyhow::Result<()> {
        warn!(schedule = entry.schedule, detail, "an e-mail with a report waits for another attempt");
        entry.next_ms = now_ms.saturating_add(pause_ms(entry.attempts));
        entry.attempts = entry.attempts.saturating_add(1);
        if let Some((spool, _)) = &mut self.spool
            && let Err(fault) = spool.change(name, &entry)
        {
            warn!(%fault, "the attempts of an e-mail cannot be stored");
        }
        self.log(now_ms, (&entry.schedule, entry.due_ms), &entry.to, "delayed", detail).await
    }

    async fn log(
        &self,
        at_ms: i64,
        (schedule, due_ms): (&str, i64),
        target: &str,
        outcome: &str,
        detail: &str,
    ) -> anyhow::Result<()> {
        let detail: String = detail.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect();
        let row = DeliveryRow {
            at_ms,
            schedule: schedule.to_owned(),
            due_ms,
            target: target.to_owned(),
            outcome: outcome.to_owned(),
            detail,
        };
        Ok(self.store.add_delivery(&row).await?)
    }
}

/// Where a schedule's reports go, for the log.
fn target_of(schedule: &Schedule) -> String {
    let folder = |path: &Path| path.display().to_string();
    match &schedule.target {
        Target::Folder(path) => folder(path),
        Target::Mail(addresses) => addresses.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let mut pause = Pause::default();
        let mut before = 0;
        for _ in 0..20 {
            pause.failed(0);
            assert!(pause.until_ms >= before && pause.until_ms <= 3_600_000);
            before = pause.until_ms;
        }
        assert_eq!((pause_ms(0), before), (10_000, 3_600_000));
    }
}
