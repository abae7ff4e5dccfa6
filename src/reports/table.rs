//! Tables for a terminal.

use std::io::Write;

use crate::cdr::Cdr;
use crate::store::Store;

use super::abandoned::AbandonedReport;
use super::kpi::Figures;
use super::period::Period;
use super::{Line, Value, last_callee, lines, yes};

pub(super) fn summary(period: &Period, figures: &Figures, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{} to {}", period.local(period.span.start), period.local(period.span.end))?;
    for Line { name, of, value, formula } in lines(figures) {
        let name = if of.is_empty() { name.to_owned() } else { format!("{name} {of}") };
        let value = match value {
            Value::Calls(calls) => calls.to_string(),
            Value::Millis(millis) => millis.map_or_else(|| "-".to_owned(), span),
            Value::Yes(answer) => yes(answer).unwrap_or("-").to_owned(),
            Value::PerMille(tenths) => tenths.map_or_else(|| "-".to_owned(), |t| format!("{}.{} %", t / 10, t % 10)),
        };
        let line = format!("{:<36} {value:>12}  {}", plain(&name), plain(&formula));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

pub(super) async fn calls(store: &Store, period: &Period, out: &mut impl Write) -> anyhow::Result<()> {
    let names = ["received", "number", "called", "waited", "talk", "by", "outcome", "class", "call"];
    writeln!(out, "{}", row(names.map(str::to_owned)))?;
    let mut page = store.calls(&period.span, None).await?;
    while let Some(last) = page.last() {
        for call in &page {
            writeln!(out, "{}", row(cells(&call.cdr()?, period)))?;
        }
        page = store.calls(&period.span, Some(last)).await?;
    }
    Ok(())
}

pub(super) fn abandoned(period: &Period, report: &AbandonedReport, out: &mut impl Write) -> anyhow::Result<()> {
    let columns = |cells: [&str; 8]| {
        let [number, calls, short, first, last, wait, backs, outcome] = cells;
        let line =
            format!("{number:<16} {calls:>5} {short:>5}  {first:<19}  {last:<19} {wait:>9} {backs:>10}  {outcome}");
        line.trim_end().to_owned()
    };
    let names = ["number", "calls", "short", "first", "last", "longest", "call-backs", "outcome"];
    writeln!(out, "{}", columns(names))?;
    for one in report.numbers.iter().chain(&report.anonymous) {
        let outcome = match (one.outcome, one.answered_later) {
            (_, Some(at)) => format!("called again, answered {}", period.local(at)),
            (Some(outcome), None) => format!("{} by {}", outcome.word(), one.by.as_deref().unwrap_or_default()),
            (None, None) => String::new(),
        };
        let (first, last) = (period.local(one.first), period.local(one.last));
        let counts = [one.calls, one.short, one.call_backs].map(|count| count.to_string());
        let [calls, short, backs] = &counts;
        let number = plain(one.number.as_deref().unwrap_or("-"));
        let wait = span(one.longest_wait_ms);
        writeln!(out, "{}", columns([&number, calls, short, &first, &last, &wait, backs, &plain(&outcome)]))?;
    }
    let (numbers, anonymous) = (report.numbers.len(), report.anonymous.len());
    let (called, reached) = (report.called_back, report.reached);
    writeln!(
        out,
        "{numbers} numbers, {called} called back, {reached} spoken with since; {anonymous} calls without a number"
    )?;
    Ok(())
}

fn cells(cdr: &Cdr, period: &Period) -> [String; 9] {
    [
        period.local(cdr.received),
        plain(cdr.number().unwrap_or("-")),
        plain(&cdr.called),
        span(cdr.waited_ms),
        span(cdr.talk_ms),
        plain(last_callee(cdr)),
        cdr.outcome.map_or("", crate::cdr::Outcome::word).to_owned(),
        cdr.disposition.as_ref().map_or("", |disposition| disposition.class.word()).to_owned(),
        cdr.call.to_string(),
    ]
}

fn row(cells: [String; 9]) -> String {
    let [received, number, called, waited, talk, by, outcome, class, call] = cells;
    format!(
        "{received:<19}  {number:<16} {called:<16} {waited:>9} {talk:>11}  {by:<12} {outcome:<11} {class:<11} {call}"
    )
}

/// Minutes, seconds and tenths, and hours if there are any. Half a tenth is rounded up.
fn span(millis: u64) -> String {
    let tenths = millis.saturating_add(50) / 100;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}.{tenth}")
    } else {
        format!("{minutes}:{seconds:02}.{tenth}")
    }
}

/// Text of a peer without characters that affect a terminal: control characters, and characters that change the
/// direction of writing.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !turns(*c)).collect()
}

/// A peer's text for a cell, without characters that change the direction of writing. Line ends stay, in quotes.
pub(super) fn plain_cell(text: &str) -> String {
    text.chars().filter(|c| !turns(*c)).collect()
}

const fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod span_tests {
    use super::*;

    #[test]
    fn spans_are_read_at_a_glance() {
        let shown = [0, 49, 50, 9_950, 59_949, 59_950, 3_599_950, 45_296_700].map(span);
        assert_eq!(shown, ["0:00.0", "0:00.0", "0:00.1", "0:10.0", "0:59.9", "1:00.0", "1:00:00.0", "12:34:56.7"]);
    }

    #[test]
    fn a_callers_text_does_not_steer_the_terminal() {
        assert_eq!(plain("\x1b[2J+62\u{202e}811\r\n"), "[2J+62811");
    }
}
