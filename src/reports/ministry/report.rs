//! The monthly report of a configuration in every format.

use std::io::Write;

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::config::{Config, Signatory};
use crate::reports::pdf::emblem::Emblem;
use crate::store::Store;
use crate::store::report_queries::Limits;
use crate::web::texts::Language;

use super::document::{Content, Look, document};
use super::letter::Template;
use super::scheme::Scheme;
use super::{Month, days, read};

/// The format of a monthly report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MinistryFormat {
    /// For people.
    Table,
    /// UTF-8 with a byte order mark, for spreadsheets.
    Csv,
    /// For programs.
    Json,
    /// A workbook for spreadsheets; write it to a file.
    Xlsx,
    /// Apache Parquet for data analysis; write it to a file.
    Parquet,
    /// For print, with a chart, tables and signatures; write it to a file.
    Pdf,
}

/// What the report of a city is made of.
pub struct MinistryReport {
    city: String,
    language: Language,
    zone: TimeZone,
    limits: Limits,
    scheme: Option<Scheme>,
    emblem: Option<Emblem>,
    template: Template,
    signatories: Vec<Signatory>,
}

impl MinistryReport {
    /// Reads the files that the configuration names; `scheme` replaces that of the configuration.
    pub fn of(config: &Config, scheme: Option<Scheme>) -> anyhow::Result<Self> {
        let (report, letter) = (&config.report, &config.report.letter);
        let scheme = match (scheme, &report.scheme) {
            (Some(scheme), _) => Some(scheme),
            (None, Some(path)) => Some(Scheme::read(path)?),
            (None, None) => None,
        };
        Ok(Self {
            city: config.site.name.clone(),
            language: Language::parse(&config.site.language).unwrap_or_default(),
            zone: config.zone.clone(),
            limits: Limits {
                service_level_ms: u64::try_from(report.service_level.as_millis())?,
                short_abandon_ms: u64::try_from(report.short_abandon.as_millis())?,
            },
            scheme,
            emblem: letter.emblem.as_deref().map(Emblem::read).transpose()?,
            template: letter.template.as_deref().map(Template::read).transpose()?.unwrap_or_default(),
            signatories: letter.signatories.clone(),
        })
    }

    /// Writes the report of a month.
    pub async fn write(
        &self,
        store: &Store,
        month: Month,
        now: Timestamp,
        format: MinistryFormat,
        out: &mut (impl Write + Send),
    ) -> anyhow::Result<()> {
        let language = self.language;
        let usual = || {
            Scheme::usual(|word| match format {
                MinistryFormat::Json | MinistryFormat::Parquet => word.to_owned(),
                MinistryFormat::Table | MinistryFormat::Csv | MinistryFormat::Xlsx | MinistryFormat::Pdf => {
                    language.text(&format!("scheme-{word}"))
                }
            })
        };
        let scheme = self.scheme.clone().unwrap_or_else(usual);
        let period = month.period(&self.zone, now)?;
        let (separator, comma) = match language {
            Language::Indonesian => (b';', ','),
            Language::English => (b',', '.'),
        };
        match format {
            MinistryFormat::Csv => out.write_all(&scheme.csv(store, month, &period, separator).await?)?,
            MinistryFormat::Xlsx => {
                super::workbook(&scheme, &scheme.rows(store, month, &period, '.').await?, &period, out)?;
            }
            MinistryFormat::Parquet => super::parquet(&scheme, &scheme.rows(store, month, &period, '.').await?, out)?,
            MinistryFormat::Pdf => {
                let rows = scheme.rows(store, month, &period, comma).await?;
                let content = Content {
                    scheme: &scheme,
                    rows: &rows,
                    figures: &read(store, &period).await?,
                    days: &days(store, &period).await?,
                    last_call: store.last_call_of(&period.span).await?,
                };
                out.write_all(&document(&self.look(), &content, month, &period)?)?;
            }
            MinistryFormat::Json => super::json(&scheme, &scheme.rows(store, month, &period, '.').await?, out)?,
            MinistryFormat::Table => lines(&scheme, &scheme.rows(store, month, &period, '.').await?, out)?,
        }
        Ok(())
    }

    fn look(&self) -> Look<'_> {
        Look {
            city: &self.city,
            language: self.language,
            emblem: self.emblem.as_ref(),
            template: &self.template,
            signatories: &self.signatories,
            limits: self.limits,
        }
    }
}

/// One line for each column.
fn lines(scheme: &Scheme, rows: &[Vec<String>], out: &mut impl Write) -> anyhow::Result<()> {
    let width = scheme.names().map(|name| name.chars().count()).max().unwrap_or(0);
    for (no, row) in rows.iter().enumerate() {
        if no > 0 {
            writeln!(out)?;
        }
        for (name, cell) in scheme.names().zip(row) {
            writeln!(out, "{name:width$}  {cell}")?;
        }
    }
    Ok(())
}
