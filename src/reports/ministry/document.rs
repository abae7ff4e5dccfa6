//! The monthly report as a PDF file. It has no date of its making: the same data give the same file.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::clock::Timestamp;
use crate::config::Signatory;
use crate::reports::cells::Kind;
use crate::reports::kpi::Share;
use crate::reports::pdf::chart::Bar;
use crate::reports::pdf::emblem::Emblem;
use crate::reports::pdf::font::Fonts;
use crate::reports::pdf::page::{Pages, Style};
use crate::reports::pdf::table::{Column, Table};
use crate::reports::period::Period;
use crate::store::report_queries::Limits;
use crate::web::format::{Moment, duration, number, percent, tenths};
use crate::web::texts::Language;

use super::letter::{Template, filled};
use super::scheme::Scheme;
use super::{MinistryFigures, Month};

/// A line for a name or a date that is written by hand.
const BLANK: &str = "........................................";

/// How the document looks.
pub(super) struct Look<'a> {
    pub city: &'a str,
    pub language: Language,
    pub emblem: Option<&'a Emblem>,
    pub template: &'a Template,
    pub signatories: &'a [Signatory],
    pub limits: Limits,
}

/// What the document says.
pub(super) struct Content<'a> {
    pub scheme: &'a Scheme,
    /// The rows of the scheme.
    pub rows: &'a [Vec<String>],
    pub figures: &'a MinistryFigures,
    /// Answered calls and all others of each day.
    pub days: &'a BTreeMap<Date, (u64, u64)>,
    pub last_call: Option<Timestamp>,
}

/// The file of a month.
pub(super) fn document(
    look: &Look<'_>,
    content: &Content<'_>,
    month: Month,
    period: &Period,
) -> anyhow::Result<Vec<u8>> {
    let fonts = Fonts::read()?;
    let month_name = Moment::of(period.span.start, &period.zone).month(look.language);
    let mut writer = Writer { look, content, month, month_name, period, pages: Pages::new(&fonts) };
    let title = writer.head();
    writer.scheme();
    writer.each_day();
    for (key, none, parts) in [
        ("ministry-agencies", "no-agency", &content.figures.agencies),
        ("ministry-categories", "no-category", &content.figures.categories),
    ] {
        writer.parts(key, none, parts);
    }
    writer.method();
    writer.end();
    let language = look.language;
    let foot = format!("{} · {title} · {}", look.city, writer.month_name);
    writer
        .pages
        .foot(&foot, |no, all| language.with("pdf-page", &[("page", &no.to_string()), ("pages", &all.to_string())]));
    writer.pages.file(&format!("{title} · {}", writer.month_name), language.code())
}

struct Writer<'a, 'f> {
    look: &'a Look<'a>,
    content: &'a Content<'a>,
    month: Month,
    month_name: String,
    period: &'a Period,
    pages: Pages<'f>,
}

impl Writer<'_, '_> {
    /// A text of the template, or of a key; the empty key: no text.
    fn own(&self, own: Option<&String>, key: &str) -> String {
        let usual = if key.is_empty() { String::new() } else { self.look.language.text(key) };
        filled(own.unwrap_or(&usual), &self.month_name, self.look.city)
    }

    /// Emblem, title and introduction. Returns the title.
    fn head(&mut self) -> String {
        let template = self.look.template;
        let title = self.own(template.title.as_ref(), "pdf-title");
        let subtitle = match &template.subtitle {
            Some(own) => self.own(Some(own), ""),
            None => self.month_name.clone(),
        };
        let city = self.look.city.to_owned();
        let lines = [(city.as_str(), Style::STRONG), (&title, Style::TITLE), (&subtitle, Style::BODY)];
        self.pages.letterhead(self.look.emblem, &lines);
        let introduction = self.own(template.introduction.as_ref(), "");
        if !introduction.is_empty() {
            self.pages.paragraph(&introduction, Style::BODY);
            self.pages.space(8.0);
        }
        let answer = self.answer();
        self.pages.paragraph(&answer, Style::BODY);
        let language = self.look.language;
        let last = match self.content.last_call {
            Some(at) => {
                let at = Moment::of(at, &self.period.zone).full(language);
                language.with("pdf-last-call", &[("time", &at)])
            }
            None => language.text("pdf-no-call"),
        };
        self.pages.space(4.0);
        self.pages.paragraph(&last, Style::SMALL);
        self.pages.space(10.0);
        title
    }

    fn answer(&self) -> String {
        let (language, figures) = (self.look.language, self.content.figures);
        let month = self.month_name.as_str();
        if figures.incoming == 0 {
            return language.with("ministry-none", &[("month", month)]);
        }
        let share = |part: u64| percent(Share { part, whole: figures.incoming }.per_mille(), language);
        let values = [
            ("month", month.to_owned()),
            ("calls", number(figures.incoming, language)),
            ("answered", share(figures.answered)),
            ("emergencies", number(figures.class("normal"), language)),
            ("useless", share(figures.class("prank") + figures.class("ghost"))),
        ];
        language.with("ministry-answer", &values.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    /// The figures of the scheme: of a month below each other, of days as a table.
    fn scheme(&mut self) {
        let (content, language) = (self.content, self.look.language);
        let columns = content.scheme.columns();
        let shown = |text: &String, kind: Kind| match (kind, text.parse()) {
            (_, _) if text.is_empty() => "–".to_owned(),
            (Kind::Count, Ok(count)) => number(count, language),
            (_, Ok(_) | Err(_)) => text.clone(),
        };
        let rows: Vec<Vec<String>> = content
            .rows
            .iter()
            .map(|row| row.iter().zip(&columns).map(|(text, (_, kind))| shown(text, *kind)).collect())
            .collect();
        let table = match rows.as_slice() {
            [row] => {
                let pairs = columns.iter().zip(row).map(|((name, _), cell)| vec![(*name).to_owned(), cell.clone()]);
                let heads = [(language.text("figure"), false), (self.month_name.clone(), true)];
                Table { columns: heads.map(column).into(), rows: pairs.collect(), is_wide: true }
            }
            _ => {
                let heads = columns.iter().map(|(name, kind)| column(((*name).to_owned(), *kind != Kind::Text)));
                Table { columns: heads.collect(), rows, is_wide: false }
            }
        };
        self.section("ministry-counts");
        self.pages.table(&table);
    }

    /// The chart and the table of each day.
    fn each_day(&mut self) {
        let language = self.look.language;
        let (first, last) = self.month.days();
        let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
        let days: Vec<(Date, (u64, u64))> =
            days.map(|day| (day, self.content.days.get(&day).copied().unwrap_or_default())).collect();
        self.pages.need(195.0);
        self.section("pdf-days");
        let bars: Vec<Bar> =
            days.iter().map(|(day, parts)| Bar { label: day.day().to_string(), parts: *parts }).collect();
        let names = [language.text("answered"), language.text("not-answered")];
        let [answered, others] = names.each_ref().map(String::as_str);
        self.pages.bars(&bars, [answered, others], |value| number(value, language));
        self.section("ministry-days-table");
        let row = |(day, (answered, others)): &(Date, (u64, u64))| {
            let counts = [*answered, *others, answered + others].map(|count| number(count, language));
            std::iter::once(day.day().to_string()).chain(counts).collect()
        };
        let heads = [("day", false), ("answered", true), ("not-answered", true), ("calls", true)];
        let heads = heads.map(|(key, is_number)| column((language.text(key), is_number)));
        self.pages.table(&Table { columns: heads.into(), rows: days.iter().map(row).collect(), is_wide: true });
    }

    /// Emergencies by agency or category, the most frequent first.
    fn parts(&mut self, key: &'static str, none: &str, parts: &BTreeMap<String, u64>) {
        if parts.is_empty() {
            return;
        }
        let language = self.look.language;
        let whole: u64 = parts.values().sum();
        let mut sorted: Vec<(&String, u64)> = parts.iter().map(|(name, count)| (name, *count)).collect();
        sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.as_str()));
        let row = |(name, count): (&String, u64)| {
            let name = if name.is_empty() { language.text(none) } else { name.clone() };
            vec![name, number(count, language), tenths(Share { part: count, whole }.per_mille(), language)]
        };
        let heads = [(language.text("part"), false), (language.text("pdf-calls"), true), ("%".to_owned(), true)];
        let rows: Vec<Vec<String>> = sorted.into_iter().map(row).collect();
        self.section(key);
        self.pages.table(&Table { columns: heads.map(column).into(), rows, is_wide: true });
    }

    fn method(&mut self) {
        let language = self.look.language;
        let short = duration(self.look.limits.short_abandon_ms);
        let span = &self.period.span;
        let (from, to) = (self.period.iso(span.start), self.period.iso(span.end));
        self.section("method-title");
        for text in [
            language.with("ministry-method-abandoned", &[("short", &short)]),
            language.text("ministry-method-classes"),
            language.with("pdf-period", &[("from", &from), ("to", &to)]),
        ] {
            self.pages.paragraph(&text, Style::SMALL);
        }
        self.pages.space(12.0);
    }

    /// Closing words, place and signatures.
    fn end(&mut self) {
        let template = self.look.template;
        let closing = self.own(template.closing.as_ref(), "");
        if !closing.is_empty() {
            self.pages.paragraph(&closing, Style::BODY);
            self.pages.space(12.0);
        }
        let own = template.signatories.as_deref().unwrap_or(self.look.signatories);
        let blocks: Vec<[String; 3]> = own
            .iter()
            .map(|of| {
                let name = if of.name.is_empty() { BLANK.to_owned() } else { of.name.clone() };
                [of.role.clone(), name, of.id.clone()]
            })
            .collect();
        if blocks.is_empty() && template.place.is_none() {
            return;
        }
        let place = template.place.as_ref().map(|place| format!("{}, {BLANK}", self.own(Some(place), "")));
        self.pages.signatures(place.as_deref(), &blocks);
    }

    fn section(&mut self, key: &str) {
        self.pages.space(6.0);
        self.pages.need(60.0);
        let text = self.look.language.text(key);
        self.pages.paragraph(&text, Style::HEAD);
        self.pages.space(4.0);
    }
}

fn column((head, is_number): (String, bool)) -> Column {
    Column { head, is_number }
}
