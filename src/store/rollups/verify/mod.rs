//! Compares facts, records and roll-ups: computes each from the one before and reports every difference. Changes nothing.

mod facts;
mod rows;
mod search;
mod sums;

use crate::store::privacy::{self, Retention};
use crate::store::report_queries::{BEGIN_POSTGRES, BEGIN_SQLITE};
use crate::store::{Store, StoreError, on_either};

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub facts: u64,
    pub records: u64,
    /// Rows of roll-ups.
    pub rows: u64,
    /// Facts whose personal values were erased.
    pub erased: u64,
    pub differences: u64,
}

/// Counts and reports differences.
struct Report<'a, R> {
    verified: Verified,
    report: &'a mut R,
}

impl<R: FnMut(String)> Report<'_, R> {
    fn differs(&mut self, line: String) {
        self.verified.differences += 1;
        (self.report)(line);
    }
}

impl Store {
    /// Compares facts, records and roll-ups, all as they are at one time. `report` gets a line for each difference.
    pub async fn verify_records(&self, report: &mut impl FnMut(String)) -> Result<Verified, StoreError> {
        let begin = match self {
            Self::Sqlite(_) => BEGIN_SQLITE,
            Self::Postgres(_) => BEGIN_POSTGRES,
        };
        let mut report = Report { verified: Verified::default(), report };
        on_either!(self, pool => {
            let mut tx = pool.begin_with(begin).await?;
            let rows: Vec<(String, i64, String)> = sqlx::query_as(privacy::STATE).fetch_all(&mut *tx).await?;
            let retention = Retention::of(rows);
            facts::verify(&mut *tx, &retention, &mut report).await?;
            sums::verify(&mut *tx, &retention, &mut report).await?;
            tx.rollback().await?;
        });
        Ok(report.verified)
    }
}
