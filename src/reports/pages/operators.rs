//! The work of each operator in a period.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::cdr::rollup::{OperatorSums, Party};
use crate::reports::cells::Cell;
use crate::reports::figures::{FiguresError, operator_figures, unsigned};
use crate::reports::kpi::{Mean, Share};
use crate::store::Store;
use crate::web::format::number;
use crate::web::frame::encoded;
use crate::web::site::Fault;
use crate::web::visitor::{Fields, Visitor};

use super::Pages;
use super::choice::Choice;
use super::links::Links;
use super::ministry::uncounted;
use super::sheet::{Content, Line, Sheet, chosen, file, show as show_sheet};
use super::unreadable::{no_records, unreadable};

/// The sums of each operator, by account, with the name.
type Work = BTreeMap<String, (String, OperatorSums)>;

/// The page.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let Some((choice, is_wrong)) = chosen(&pages, &fields) else { return no_records(&pages, &visitor, "records") };
    match content(&pages, &visitor, &choice).await {
        Ok(content) => show_sheet(&pages, &visitor, (&choice, is_wrong), content),
        Err(response) => *response,
    }
}

/// The page's table as a file.
pub(super) async fn export(
    State(pages): State<Arc<Pages>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Fault> {
    let Some((choice, false)) = chosen(&pages, &fields) else {
        return Err(Fault(StatusCode::UNPROCESSABLE_ENTITY, "error-query"));
    };
    match content(&pages, &visitor, &choice).await {
        Ok(content) => file(&choice, &visitor, &content),
        Err(response) => Ok(*response),
    }
}

async fn content(pages: &Pages, visitor: &Visitor, choice: &Choice) -> Result<Content, Box<Response>> {
    let read = match pages.records.open().await {
        Ok(store) => {
            let read = work(&store, choice).await;
            pages.records.done(store).await;
            read
        }
        Err(fault) => return Err(Box::new(unreadable(pages, visitor, fault))),
    };
    let work = read.map_err(|fault| Box::new(uncounted(pages, visitor, fault)))?;
    let (language, links) = (visitor.language, Links::of(visitor, choice));
    let sum = |value: fn(&OperatorSums) -> i64| work.values().map(|(_, sums)| unsigned(value(sums))).sum::<u64>();
    let active = work.values().filter(|(_, sums)| sums.answered > 0).count();
    let values = [
        ("operators", number(u64::try_from(active).unwrap_or(0), language)),
        ("answered", number(sum(|of| of.answered), language)),
        ("missed", number(sum(|of| of.not_answered) + sum(|of| of.declined), language)),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    let lines = work.iter().map(|(account, (name, sums))| line(account, name, sums, &links)).collect();
    Ok(Content {
        title: "operators-title",
        path: "/operators",
        answer: language.with("operators-answer", &values),
        reasons: Vec::new(),
        sheets: vec![Sheet {
            title: "operators-table",
            heads: vec![
                "operator",
                "account",
                "operators-offered",
                "operators-answered",
                "operators-share",
                "operators-not-answered",
                "operators-declined",
                "operators-withdrawn",
                "operators-ring",
                "operators-talk",
                "operators-mean-talk",
                "operators-wrap-up",
                "operators-joined",
                "operators-transferred",
            ],
            lines,
        }],
        method: &["operators-method-offered", "operators-method-share", "operators-method-mean"],
    })
}

/// Operators with an account, and others who were rung or talked.
async fn work(store: &Store, choice: &Choice) -> Result<Work, FiguresError> {
    let mut all = Work::new();
    for row in store.operators().await?.into_iter().filter(|row| row.station == 0) {
        all.insert(row.operator, (row.name, OperatorSums::default()));
    }
    for ((party, operator), sums) in operator_figures(store, &choice.period).await? {
        if party == Party::Operator && sums != OperatorSums::default() {
            all.entry(operator.clone()).or_insert_with(|| (operator, OperatorSums::default())).1 = sums;
        }
    }
    Ok(all)
}

fn line(account: &str, name: &str, sums: &OperatorSums, links: &Links) -> Line {
    let count = |value: i64| Cell::Count(unsigned(value));
    let time = |value: i64| Cell::Duration(unsigned(value));
    let mean = |sum_ms: i64, count: i64| {
        let mean = Mean { sum_ms: unsigned(sum_ms), count: unsigned(count) };
        mean.millis().map_or(Cell::None, Cell::Duration)
    };
    let asked = sums.offered - sums.withdrawn;
    let taken = asked - sums.not_answered - sums.declined;
    let share = Share { part: unsigned(taken.max(0)), whole: unsigned(asked.max(0)) };
    Line {
        cells: vec![
            Cell::Text(name.to_owned()),
            Cell::Text(account.to_owned()),
            count(sums.offered),
            count(sums.answered),
            share.per_mille().map_or(Cell::None, Cell::PerMille),
            count(sums.not_answered),
            count(sums.declined),
            count(sums.withdrawn),
            mean(sums.ring_ms, sums.offered),
            time(sums.talk_ms),
            mean(sums.talk_ms, sums.answered),
            mean(sums.wrap_ms, sums.answered),
            count(sums.joined),
            count(sums.transferred),
        ],
        calls: links.to(&format!("operator={}", encoded(account))).filter(|_| sums.answered > 0 || sums.joined > 0),
    }
}
