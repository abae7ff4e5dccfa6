//! The columns of a file for another authority, for example the national monitoring centre. A TOML file assigns a figure to each column, so
//! that a changed form needs no new program.

use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::store::Store;

use super::{MinistryFigures, Month, read};
use crate::reports::cells::Kind;
use crate::reports::csv::{BOM, text};
use crate::reports::figures::FiguresError;
use crate::reports::period::Period;

/// Columns of one file.
const COLUMNS_MAX: usize = 200;
/// The figures without a name of their own after a colon.
const PLAIN: [(&str, Figure); 21] = [
    ("period", Figure::Period),
    ("first-day", Figure::FirstDay),
    ("last-day", Figure::LastDay),
    ("incoming", Figure::Incoming),
    ("abandoned", Figure::Abandoned),
    ("short-abandoned", Figure::Short),
    ("failed", Figure::Failed),
    ("answered", Figure::Answered),
    ("emergency", Figure::Class("normal")),
    ("information", Figure::Class("information")),
    ("prank", Figure::Class("prank")),
    ("ghost", Figure::Class("ghost")),
    ("unclassed", Figure::Unclassed),
    ("drills-and-tests", Figure::Exercises),
    ("located", Figure::Located),
    ("called-back", Figure::CalledBack),
    ("service-level-percent", Figure::Level),
    ("service-level-part", Figure::LevelPart),
    ("mean-wait-seconds", Figure::MeanWait),
    ("longest-wait-seconds", Figure::LongestWait),
    ("mean-handling-seconds", Figure::MeanHandling),
];

/// What a column has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Figure {
    Period,
    FirstDay,
    LastDay,
    Incoming,
    Abandoned,
    Short,
    Failed,
    Answered,
    Class(&'static str),
    Unclassed,
    Exercises,
    Located,
    CalledBack,
    Level,
    LevelPart,
    MeanWait,
    LongestWait,
    MeanHandling,
    /// Emergencies of this agency.
    Agency(String),
    /// Emergencies of this category.
    Category(String),
    /// The same text in each row.
    Text(String),
}

/// How many rows a month has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rows {
    #[default]
    Month,
    Day,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rows: Rows,
    separator: Option<char>,
    #[serde(default)]
    column: Vec<FileColumn>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileColumn {
    name: String,
    figure: Option<String>,
    text: Option<String>,
}

/// The columns of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    rows: Rows,
    separator: Option<u8>,
    columns: Vec<(String, Figure)>,
}

/// Why a scheme cannot be used; the text names the file, the place and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum SchemeError {
    #[error("{file} cannot be read: {error}; expected: a TOML file with [[column]]")]
    Unreadable { file: String, error: std::io::Error },
    #[error("{file}: {error}")]
    Syntax { file: String, error: Box<toml::de::Error> },
    #[error("{file}: column {column}: {wrong}; expected: {right}")]
    Column { file: String, column: String, wrong: String, right: String },
    #[error("{file}: {wrong}; expected: {right}")]
    Whole { file: String, wrong: String, right: &'static str },
}

impl Scheme {
    /// The columns that cities publish, with these names: one for each of `USUAL`.
    pub fn usual(name: impl Fn(&str) -> String) -> Self {
        let usual = PLAIN.iter().filter(|(word, _)| !matches!(*word, "first-day" | "last-day" | "service-level-part"));
        Self {
            rows: Rows::Month,
            separator: None,
            columns: usual.map(|(word, figure)| (name(word), figure.clone())).collect(),
        }
    }

    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, SchemeError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(content) => Self::parse(&file, &content),
            Err(error) => Err(SchemeError::Unreadable { file, error }),
        }
    }

    fn parse(file: &str, content: &str) -> Result<Self, SchemeError> {
        let read: File = toml::from_str(content)
            .map_err(|error| SchemeError::Syntax { file: file.to_owned(), error: Box::new(error) })?;
        let whole = |wrong: String, right| Err(SchemeError::Whole { file: file.to_owned(), wrong, right });
        if read.column.is_empty() || read.column.len() > COLUMNS_MAX {
            return whole(format!("{} columns", read.column.len()), "1 to 200 sections [[column]]");
        }
        let separator = match read.separator {
            None => None,
            Some(one) if [',', ';', '\t', '|'].contains(&one) => u8::try_from(one).ok(),
            Some(other) => return whole(format!("the separator {other:?}"), "\",\", \";\", \"\\t\" or \"|\""),
        };
        let columns = read.column.into_iter().map(|column| column.checked(file)).collect::<Result<_, _>>()?;
        Ok(Self { rows: read.rows, separator, columns })
    }

    /// The file of a month: UTF-8 with a byte order mark. `usual` separates the columns unless the scheme names a separator.
    pub async fn csv(&self, store: &Store, month: Month, period: &Period, usual: u8) -> Result<Vec<u8>, FiguresError> {
        let separator = self.separator.unwrap_or(usual);
        // Spreadsheets whose language separates cells by semicolons have a decimal comma.
        let decimal = if separator == b';' { ',' } else { '.' };
        let heads = self.names().map(text).collect();
        let mut rows = std::iter::once(heads).chain(self.rows(store, month, period, decimal).await?);
        let mut writer =
            csv::WriterBuilder::new().delimiter(separator).terminator(csv::Terminator::CRLF).from_writer(BOM.to_vec());
        let is_written = rows.all(|row: Vec<String>| writer.write_record(row).is_ok());
        // Writing into memory cannot fail.
        Ok(writer.into_inner().ok().filter(|_| is_written).unwrap_or_default())
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The names of the columns, each with the kind of its cells.
    pub(in crate::reports) fn columns(&self) -> Vec<(&str, Kind)> {
        self.columns.iter().map(|(name, figure)| (name.as_str(), figure.kind())).collect()
    }

    /// The rows of a month: one, or one for each day.
    pub async fn rows(
        &self,
        store: &Store,
        month: Month,
        period: &Period,
        decimal: char,
    ) -> Result<Vec<Vec<String>>, FiguresError> {
        let mut rows = Vec::new();
        let (first, last) = month.days();
        match self.rows {
            Rows::Month => rows.push(self.row(&month.to_string(), (first, last), &read(store, period).await?, decimal)),
            Rows::Day => {
                let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
                for day in days {
                    let name = day.to_string();
                    // A day of the month that was read: its ends exist.
                    let now = Timestamp::from_millis(period.span.start.as_millis());
                    let Ok(day_period) = Period::parse(Some(&name), Some(&name), &period.zone, now) else { continue };
                    rows.push(self.row(&name, (day, day), &read(store, &day_period).await?, decimal));
                }
            }
        }
        Ok(rows)
    }

    fn row(&self, period: &str, (first, last): (Date, Date), figures: &MinistryFigures, decimal: char) -> Vec<String> {
        let seconds = |millis: Option<u64>| {
            millis.map_or(String::new(), |millis| format!("{}{decimal}{:03}", millis / 1_000, millis % 1_000))
        };
        let of = |map: &std::collections::BTreeMap<String, u64>, name: &str| map.get(name).copied().unwrap_or(0);
        let cell = |(_, figure): &(String, Figure)| match figure {
            Figure::Period => period.to_owned(),
            Figure::FirstDay => first.to_string(),
            Figure::LastDay => last.to_string(),
            Figure::Incoming => figures.incoming.to_string(),
            Figure::Abandoned => figures.abandoned.to_string(),
            Figure::Short => figures.short.to_string(),
            Figure::Failed => figures.failed.to_string(),
            Figure::Answered => figures.answered.to_string(),
            Figure::Class(word) => figures.class(word).to_string(),
            Figure::Unclassed => figures.unclassed.to_string(),
            Figure::Exercises => figures.exercises.to_string(),
            Figure::Located => figures.located.to_string(),
            Figure::CalledBack => figures.called_back.to_string(),
            Figure::Level => figures
                .level
                .per_mille()
                .map_or(String::new(), |share| format!("{}{decimal}{}", share / 10, share % 10)),
            Figure::LevelPart => figures.level.part.to_string(),
            Figure::MeanWait => seconds(figures.mean_wait_ms()),
            Figure::LongestWait => seconds(Some(figures.longest_ms).filter(|_| figures.incoming > 0)),
            Figure::MeanHandling => seconds(figures.mean_handling_ms()),
            Figure::Agency(name) => of(&figures.agencies, name).to_string(),
            Figure::Category(name) => of(&figures.categories, name).to_string(),
            Figure::Text(fixed) => text(fixed),
        };
        self.columns.iter().map(cell).collect()
    }
}

impl Figure {
    fn kind(&self) -> Kind {
        match self {
            Self::Period | Self::FirstDay | Self::LastDay | Self::Text(_) => Kind::Text,
            Self::Level | Self::MeanWait | Self::LongestWait | Self::MeanHandling => Kind::Decimal,
            Self::Incoming
            | Self::Abandoned
            | Self::Short
            | Self::Failed
            | Self::Answered
            | Self::Class(_)
            | Self::Unclassed
            | Self::Exercises
            | Self::Located
            | Self::CalledBack
            | Self::LevelPart
            | Self::Agency(_)
            | Self::Category(_) => Kind::Count,
        }
    }
}

impl FileColumn {
    fn checked(self, file: &str) -> Result<(String, Figure), SchemeError> {
        let fault = |wrong: String, right: String| SchemeError::Column {
            file: file.to_owned(),
            column: format!("{:?}", self.name),
            wrong,
            right,
        };
        let figure = match (&self.figure, &self.text) {
            (None, Some(text)) => Figure::Text(text.clone()),
            (Some(word), None) => match (PLAIN.iter().find(|(known, _)| known == word), word.split_once(':')) {
                (Some((_, figure)), _) => figure.clone(),
                (None, Some(("agency", name))) => Figure::Agency(name.to_owned()),
                (None, Some(("category", name))) => Figure::Category(name.to_owned()),
                (None, _) => {
                    let known = PLAIN.map(|(known, _)| known).join(", ");
                    return Err(fault(
                        format!("there is no figure {word:?}"),
                        format!("{known}, agency:NAME or category:NAME"),
                    ));
                }
            },
            (None, None) | (Some(_), Some(_)) => {
                return Err(fault("it has not exactly one of figure and text".to_owned(), "figure or text".to_owned()));
            }
        };
        Ok((self.name, figure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(content: &str) -> String {
        Scheme::parse("scheme.toml", content).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_scheme_says_what_is_expected() {
        let column = |rest: &str| format!("[[column]]\nname = \"Damkar\"\n{rest}");
        for (content, expected) in [
            (String::new(), "scheme.toml: 0 columns; expected: 1 to 200 sections [[column]]"),
            (
                column("figure = \"fires\""),
                "column \"Damkar\": there is no figure \"fires\"; expected: period, first-day",
            ),
            (column("figure = \"incoming\"\ntext = \"x\""), "it has not exactly one of figure and text"),
            (column(""), "it has not exactly one of figure and text"),
            (format!("separator = \"#\"\n{}", column("text = \"x\"")), "the separator '#'; expected: \",\""),
            (column("figur = \"incoming\""), "unknown field `figur`"),
            (
                format!("rows = \"week\"\n{}", column("text = \"x\"")),
                "unknown variant `week`, expected `month` or `day`",
            ),
        ] {
            assert!(fault(&content).contains(expected), "{}", fault(&content));
        }
        let error = Scheme::read(Path::new("/no/such/scheme.toml")).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/scheme.toml cannot be read: "), "{error}");
    }

    #[test]
    fn each_column_has_its_figure() {
        let columns = "[[column]]\nname = \"Kota\"\ntext = \"=1+1\"\n[[column]]\nname = \"Waktu\"\nfigure = \"mean-wait-seconds\"\n\
            [[column]]\nname = \"Damkar\"\nfigure = \"agency:Damkar\"\n[[column]]\nname = \"SL\"\nfigure = \"service-level-percent\"\n";
        let scheme = Scheme::parse("scheme.toml", columns).unwrap();
        let mut figures = MinistryFigures { answered: 2, wait_ms: 3_001, incoming: 2, ..MinistryFigures::default() };
        figures.agencies.insert("Damkar".to_owned(), 7);
        figures.level = crate::reports::kpi::Share { part: 1, whole: 3 };
        let day = Date::constant(2026, 11, 1);
        let row = scheme.row("2026-11", (day, day), &figures, ',');
        assert_eq!(row, ["'=1+1", "1,501", "7", "33,3"], "the text is no formula");
        assert_eq!(scheme.row("2026-11", (day, day), &MinistryFigures::default(), '.'), ["'=1+1", "", "0", ""]);
        assert_eq!(Scheme::usual(str::to_owned).columns.len(), PLAIN.len() - 3);
    }
}
