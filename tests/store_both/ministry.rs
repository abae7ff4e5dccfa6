//! The monthly report equals what is counted from the records themselves.

use std::collections::BTreeMap;

use siaga::cdr::{Cdr, Outcome};
use siaga::clock::Timestamp;
use siaga::ids::Rng;
use siaga::reports::ministry::scheme::Scheme;
use siaga::reports::ministry::{Month, days, read};
use siaga::store::Store;

use super::at;
use super::base::Base;
use super::figures::{fill, zone};
use super::rollups::{records, settings};

fn month(at: Timestamp, zone: &jiff::tz::TimeZone) -> Month {
    Month::of(zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).unwrap()).date())
}

/// The records of a month that count.
fn inside(cdrs: &[Cdr], wanted: Month) -> Vec<&Cdr> {
    let zone = zone("Asia/Jakarta");
    let month_of = |cdr: &Cdr| month(cdr.received, &zone);
    cdrs.iter().filter(|cdr| cdr.outcome.is_some() && month_of(cdr) == wanted).collect()
}

pub(crate) async fn the_monthly_report_is_that_of_the_records(base: &Base) {
    base.make().await;
    let store = Store::open(&base.url).await.unwrap();
    let mut rng = Rng::from_number(112);
    fill(&store, &mut rng).await;
    store.forget_rollups(&settings(10)).await.unwrap();
    while !store.fill_rollups().await.unwrap() {}
    let cdrs = records(&store).await;
    let zone = zone("Asia/Jakarta");
    let mut seen = 0;
    let first = month(at(0), &zone);
    for month in [first.before(), first, first.after(), first.after().after()] {
        let period = month.period(&zone, at(0)).unwrap();
        let all = inside(&cdrs, month);
        let real: Vec<&Cdr> = all.iter().copied().filter(|cdr| !cdr.is_exercise()).collect();
        let figures = read(&store, &period).await.unwrap();
        let count =
            |wanted: &dyn Fn(&Cdr) -> bool| u64::try_from(real.iter().filter(|cdr| wanted(cdr)).count()).unwrap();
        let of = |outcome: Outcome| count(&|cdr| cdr.outcome == Some(outcome));
        assert_eq!(figures.incoming, count(&|_| true), "{month}");
        let last = all.iter().map(|cdr| cdr.received).max();
        assert_eq!(store.last_call_of(&period.span).await.unwrap(), last, "{month}");
        assert_eq!(figures.answered, of(Outcome::Answered));
        assert_eq!(figures.abandoned, of(Outcome::Abandoned));
        assert_eq!(figures.failed, of(Outcome::Failed) + of(Outcome::Interrupted));
        assert_eq!(figures.exercises, u64::try_from(all.len() - real.len()).unwrap());
        let class = |cdr: &Cdr| cdr.disposition.as_ref().map_or("", |of| of.class.word());
        for word in ["normal", "information", "prank", "ghost"] {
            assert_eq!(figures.class(word), count(&|cdr| class(cdr) == word), "{month} {word}");
        }
        assert_eq!(figures.unclassed, count(&|cdr| class(cdr).is_empty() && cdr.outcome == Some(Outcome::Answered)));
        let mut agencies: BTreeMap<String, u64> = BTreeMap::new();
        for cdr in real.iter().filter(|cdr| class(cdr) == "normal") {
            let agency = cdr.disposition.as_ref().and_then(|of| of.agency.clone()).unwrap_or_default();
            *agencies.entry(agency).or_default() += 1;
        }
        assert_eq!(figures.agencies, agencies);
        let longest = real.iter().map(|cdr| cdr.waited_ms.div_ceil(100) * 100).max().unwrap_or(0);
        assert_eq!(figures.longest_ms, longest);
        let short = settings(10).targets.short_ms;
        let abandoned = |cdr: &Cdr| cdr.outcome == Some(Outcome::Abandoned);
        assert_eq!(figures.short, count(&|cdr| abandoned(cdr) && cdr.waited_ms < short));
        let waits: u64 =
            real.iter().filter(|cdr| cdr.outcome == Some(Outcome::Answered)).map(|cdr| cdr.waited_ms).sum();
        let half_up = (2 * waits + figures.answered).checked_div(2 * figures.answered);
        assert_eq!(figures.mean_wait_ms(), half_up);
        let by_day = days(&store, &period).await.unwrap();
        assert_eq!(by_day.values().map(|(answered, others)| answered + others).sum::<u64>(), figures.incoming);
        assert_eq!(by_day.values().map(|(answered, _)| answered).sum::<u64>(), figures.answered);
        // The file has the same figures.
        let scheme = Scheme::usual(str::to_owned);
        let file = String::from_utf8(scheme.csv(&store, month, &period, b';').await.unwrap()).unwrap();
        let lines: Vec<Vec<&str>> =
            file.trim_start_matches('\u{feff}').lines().map(|line| line.split(';').collect()).collect();
        let cell = |name: &str| lines[1][lines[0].iter().position(|head| *head == name).unwrap()].to_owned();
        assert_eq!(lines.len(), 2);
        assert_eq!((cell("period"), cell("incoming")), (month.to_string(), figures.incoming.to_string()));
        assert_eq!(cell("emergency"), figures.class("normal").to_string());
        let path = base.dir.path().join("scheme.toml");
        std::fs::write(&path, "rows = \"day\"\n[[column]]\nname = \"a\"\nfigure = \"period\"\n[[column]]\nname = \"b\"\nfigure = \"incoming\"\n").unwrap();
        let rows = Scheme::read(&path).unwrap().rows(&store, month, &period, '.').await.unwrap();
        assert_eq!(rows.len(), usize::try_from(month.days().1.day()).unwrap());
        for row in &rows {
            let (answered, others) = by_day.get(&row[0].parse().unwrap()).copied().unwrap_or_default();
            assert_eq!(row[1], (answered + others).to_string(), "{}", row[0]);
        }
        seen += all.len();
    }
    assert!(seen > 200, "{seen} calls");
    store.close().await;
}
