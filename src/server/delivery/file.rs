//! The file of a scheduled report.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::clock::Timestamp;
use crate::config::{Config, FileFormat, Schedule, ScheduledReport};
use crate::reports::ministry::Month;
use crate::reports::ministry::report::{MinistryFormat, MinistryReport};
use crate::reports::period::Period;
use crate::reports::schedule::Due;
use crate::reports::{self, Format};
use crate::store::Store;
use crate::store::report_queries::Limits;

/// The owner writes, the group reads.
const MODE: u32 = 0o640;

/// An e-mail leaves the centre: it has figures of no single person.
#[derive(Clone, Copy)]
enum Receiver {
    Folder,
    Mail,
}

/// The name of the file: `harian-2026-11-30.csv`.
pub(super) fn name(schedule: &Schedule, due: &Due) -> String {
    format!("{}-{}.{}", schedule.name, due.days(schedule.every), schedule.format.word())
}

/// Writes the report to a folder: under another name first, so that no reader finds half a file.
pub(super) async fn write(
    config: &Config,
    schedule: &Schedule,
    due: &Due,
    now: Timestamp,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let name = name(schedule, due);
    let (path, unfinished) = (folder.join(&name), folder.join(format!(".{name}.tmp")));
    let written = async {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&unfinished)?;
        // Independent of the umask, and of an earlier file.
        file.set_permissions(Permissions::from_mode(MODE))?;
        let mut out = BufWriter::new(file);
        make(config, schedule, due, now, Receiver::Folder, &mut out).await?;
        let file: File = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(folder)?.sync_all()?;
        anyhow::Ok(())
    };
    let written = written.await;
    if written.is_err() {
        // The error of the report is the one to show.
        drop(fs::remove_file(&unfinished));
    }
    written.with_context(|| path.display().to_string())?;
    Ok(path)
}

/// The report in memory. Only for reports of figures: those of calls can be of any length.
pub(super) async fn bytes(config: &Config, schedule: &Schedule, due: &Due, now: Timestamp) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(schedule.report.has_figures_only(), "the report {} is not sent", schedule.report.word());
    let mut bytes = Vec::new();
    make(config, schedule, due, now, Receiver::Mail, &mut bytes).await?;
    Ok(bytes)
}

async fn make(
    config: &Config,
    schedule: &Schedule,
    due: &Due,
    now: Timestamp,
    receiver: Receiver,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let url = config.report.store_url.as_ref().unwrap_or(&config.store_url);
    let store = Store::open_read_only(url).await.context("[store] url")?;
    let made = of_store(config, schedule, due, now, (&store, receiver), out).await;
    store.close().await;
    made
}

async fn of_store(
    config: &Config,
    schedule: &Schedule,
    due: &Due,
    now: Timestamp,
    (store, receiver): (&Store, Receiver),
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let (first, last) = (due.first.to_string(), due.last.to_string());
    let period = Period::parse(Some(&first), Some(&last), &config.zone, now)?;
    let limits = Limits {
        service_level_ms: u64::try_from(config.report.service_level.as_millis())?,
        short_abandon_ms: u64::try_from(config.report.short_abandon.as_millis())?,
    };
    let format = format(schedule.format);
    match (schedule.report, format) {
        (ScheduledReport::Ministry, _) => {
            let report = MinistryReport::of(config, None)?;
            report.write(store, Month::of(due.first), now, ministry_format(schedule.format), out).await
        }
        (ScheduledReport::Summary, Some(format)) => {
            let levels = &config.report.levels;
            match receiver {
                Receiver::Folder => reports::summary(store, &period, limits, levels, format, out).await,
                Receiver::Mail => reports::summary_without_operators(store, &period, limits, levels, format, out).await,
            }
        }
        (ScheduledReport::Calls, Some(format)) => reports::calls(store, &period, format, out).await,
        (ScheduledReport::Abandoned, Some(format)) => reports::abandoned(store, &period, limits, format, out).await,
        (ScheduledReport::Summary | ScheduledReport::Calls | ScheduledReport::Abandoned, None) => {
            anyhow::bail!("the report {} does not exist as PDF", schedule.report.word())
        }
    }
}

fn format(format: FileFormat) -> Option<Format> {
    Some(match format {
        FileFormat::Csv => Format::Csv,
        FileFormat::Json => Format::Json,
        FileFormat::Xlsx => Format::Xlsx,
        FileFormat::Parquet => Format::Parquet,
        FileFormat::Pdf => return None,
    })
}

fn ministry_format(format: FileFormat) -> MinistryFormat {
    match format {
        FileFormat::Csv => MinistryFormat::Csv,
        FileFormat::Json => MinistryFormat::Json,
        FileFormat::Xlsx => MinistryFormat::Xlsx,
        FileFormat::Parquet => MinistryFormat::Parquet,
        FileFormat::Pdf => MinistryFormat::Pdf,
    }
}
