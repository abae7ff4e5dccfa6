//! The columns of the list of calls, for the page and for files.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::cdr::Cdr;
use crate::cdr::fact::Callee;
use crate::clock::Timestamp;
use crate::web::format::{Moment, duration};
use crate::web::texts::Language;
use crate::web::visitor::Fields;

use super::query::shortened;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reports::pages) enum Column {
    Number,
    Wait,
    Outcome,
    Operator,
    Talk,
    Desk,
    Class,
    Category,
    Agency,
    Note,
    Location,
    Attempts,
    Hold,
    WrapUp,
    Trunk,
    Called,
    Cause,
    Mode,
    Id,
}

impl Column {
    /// In the order of the page.
    pub(super) const ALL: [Self; 19] = [
        Self::Number,
        Self::Wait,
        Self::Outcome,
        Self::Operator,
        Self::Talk,
        Self::Desk,
        Self::Class,
        Self::Category,
        Self::Agency,
        Self::Note,
        Self::Location,
        Self::Attempts,
        Self::Hold,
        Self::WrapUp,
        Self::Trunk,
        Self::Called,
        Self::Cause,
        Self::Mode,
        Self::Id,
    ];

    /// The name in addresses; the key of its text is `column-` and this.
    pub(in crate::reports::pages) fn word(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Wait => "wait",
            Self::Outcome => "outcome",
            Self::Operator => "operator",
            Self::Talk => "talk",
            Self::Desk => "desk",
            Self::Class => "class",
            Self::Category => "category",
            Self::Agency => "agency",
            Self::Note => "note",
            Self::Location => "location",
            Self::Attempts => "attempts",
            Self::Hold => "hold",
            Self::WrapUp => "wrap-up",
            Self::Trunk => "trunk",
            Self::Called => "called",
            Self::Cause => "cause",
            Self::Mode => "mode",
            Self::Id => "id",
        }
    }

    /// The name of its box in the form.
    pub(in crate::reports::pages) fn field(self) -> String {
        format!("c-{}", self.word())
    }

    fn is_usual(self) -> bool {
        matches!(
            self,
            Self::Number
                | Self::Wait
                | Self::Outcome
                | Self::Operator
                | Self::Talk
                | Self::Class
                | Self::Category
                | Self::Agency
        )
    }

    /// True for columns with a duration.
    pub(super) fn is_duration(self) -> bool {
        matches!(self, Self::Wait | Self::Talk | Self::Hold | Self::WrapUp)
    }

    /// True for columns with a duration or a count.
    pub(super) fn is_number(self) -> bool {
        self.is_duration() || self == Self::Attempts
    }

    /// The chosen columns: those whose boxes are ticked, else the usual ones.
    pub(in crate::reports::pages) fn chosen(fields: &Fields) -> Vec<Self> {
        let ticked: Vec<Self> =
            Self::ALL.into_iter().filter(|column| !fields.get(&column.field()).is_empty()).collect();
        if ticked.is_empty() { Self::ALL.into_iter().filter(|column| column.is_usual()).collect() } else { ticked }
    }
}

/// What texts of calls need.
pub(super) struct Writer<'a> {
    pub language: Language,
    pub zone: &'a TimeZone,
    /// Operators' names by account.
    pub names: &'a BTreeMap<String, String>,
    /// True: of numbers only the last characters are written.
    pub shortens: bool,
}

impl Writer<'_> {
    /// The cell of a page.
    pub(super) fn cell(&self, cdr: &Cdr, column: Column) -> String {
        match column {
            Column::Wait => duration(cdr.waited_ms),
            Column::Talk => some(cdr.talk_ms).map(duration).unwrap_or_default(),
            Column::Hold => some(cdr.hold_ms).map(duration).unwrap_or_default(),
            Column::WrapUp => cdr.wrap_ms.map(duration).unwrap_or_default(),
            Column::Number
            | Column::Outcome
            | Column::Operator
            | Column::Desk
            | Column::Class
            | Column::Category
            | Column::Agency
            | Column::Note
            | Column::Location
            | Column::Attempts
            | Column::Trunk
            | Column::Called
            | Column::Cause
            | Column::Mode
            | Column::Id => self.text(cdr, column),
        }
    }

    /// The cell of a file: durations in seconds.
    pub(super) fn file_cell(&self, cdr: &Cdr, column: Column) -> String {
        match column {
            Column::Wait => self.seconds(cdr.waited_ms),
            Column::Talk => self.seconds(cdr.talk_ms),
            Column::Hold => self.seconds(cdr.hold_ms),
            Column::WrapUp => cdr.wrap_ms.map(|millis| self.seconds(millis)).unwrap_or_default(),
            Column::Number
            | Column::Outcome
            | Column::Operator
            | Column::Desk
            | Column::Class
            | Column::Category
            | Column::Agency
            | Column::Note
            | Column::Location
            | Column::Attempts
            | Column::Trunk
            | Column::Called
            | Column::Cause
            | Column::Mode
            | Column::Id => self.text(cdr, column),
        }
    }

    fn text(&self, cdr: &Cdr, column: Column) -> String {
        let disposition = cdr.disposition.as_ref();
        let word = |prefix: &str, word: &str| self.language.text(&format!("{prefix}-{word}"));
        match column {
            Column::Number => match cdr.number() {
                Some(number) if self.shortens => shortened(number),
                Some(number) => number.to_owned(),
                None => self.language.text("number-unknown"),
            },
            Column::Outcome => cdr.outcome.map(|outcome| word("outcome", outcome.word())).unwrap_or_default(),
            Column::Operator => cdr.talks.last().map(|talk| self.party(&talk.with)).unwrap_or_default(),
            Column::Desk => desk_text(&cdr.desk, self.language),
            Column::Class => disposition.map(|of| word("class", of.class.word())).unwrap_or_default(),
            Column::Category => disposition.and_then(|of| of.category.clone()).unwrap_or_default(),
            Column::Agency => disposition.and_then(|of| of.agency.clone()).unwrap_or_default(),
            Column::Note => disposition.and_then(|of| of.note.clone()).unwrap_or_default(),
            Column::Location => cdr.location_brief().unwrap_or_default(),
            Column::Attempts => cdr.offers.len().to_string(),
            Column::Trunk => trunk_text(&cdr.trunk, self.language),
            Column::Called => cdr.called.clone(),
            Column::Cause => cdr.cause.map(|cause| word("cause", cause.word())).unwrap_or_default(),
            Column::Mode => word("mode", cdr.mode.word()),
            Column::Id => cdr.call.to_string(),
            Column::Wait | Column::Talk | Column::Hold | Column::WrapUp => String::new(),
        }
    }

    fn party(&self, callee: &Callee) -> String {
        match callee {
            Callee::Operator(operator) => {
                self.names.get(operator.as_str()).map_or(operator.as_str(), |name| name).to_owned()
            }
            Callee::Number(number) => number.clone(),
        }
    }

    /// When the call arrived, for a page.
    pub(super) fn time(&self, at: Timestamp, has_date: bool) -> String {
        let moment = Moment::of(at, self.zone);
        let time = moment.seconds(self.language);
        if has_date { format!("{} {time}", moment.short_date(self.language)) } else { time }
    }

    /// When the call arrived, for a file: `2026-11-28 19:41:07`.
    pub(super) fn iso_time(&self, at: Timestamp) -> String {
        let moment = Moment::of(at, self.zone);
        format!("{} {}", moment.short_date(Language::English), moment.seconds(Language::English))
    }

    fn seconds(&self, millis: u64) -> String {
        let mark = match self.language {
            Language::Indonesian => ',',
            Language::English => '.',
        };
        format!("{}{mark}{:03}", millis / 1_000, millis % 1_000)
    }
}

fn some(millis: u64) -> Option<u64> {
    Some(millis).filter(|millis| *millis > 0)
}

/// The name of a desk for people.
pub(in crate::reports::pages) fn desk_text(desk: &str, language: Language) -> String {
    if desk.is_empty() { language.text("desk-queue") } else { desk.to_owned() }
}

/// The name of a trunk for people.
pub(in crate::reports::pages) fn trunk_text(trunk: &str, language: Language) -> String {
    if trunk.is_empty() { language.text("trunk-none") } else { trunk.to_owned() }
}
