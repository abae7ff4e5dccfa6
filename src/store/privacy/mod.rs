//! Personal data: finding a number, erasing values of facts in database and journal, legal holds, and what `[retention]` deletes.

mod erase;
mod files;
mod find;
mod holds;
mod retention;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::CallId;

use super::{Store, StoreError, on_either};

pub use erase::Erasure;
pub use files::erase_in_files;
pub use find::Found;
pub use holds::Hold;
pub(in crate::store) use retention::STATE;
pub use retention::{BY_RETENTION, Deleted, Retention, Rules};

const ASK: &str = "INSERT INTO erasure (id, asked, asked_by, second, ground, number, wanted) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const NEXT: &str = "SELECT id, asked, asked_by, second, ground, number, wanted FROM erasure WHERE done IS NULL \
    ORDER BY asked, id LIMIT 1";
/// The number is overwritten before the files of the database are, and only then it is done.
const EMPTY: &str = "UPDATE erasure SET number = '', wanted = '', result = $2 WHERE id = $1";
const FINISH: &str = "UPDATE erasure SET done = $2 WHERE id = $1";
const RESULT: &str = "SELECT result FROM erasure WHERE id = $1 AND done IS NOT NULL";

/// A request to erase a number, which the process that writes the journal carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub id: String,
    pub asked: Timestamp,
    pub by: String,
    pub second: String,
    /// Why the law asks for it.
    pub ground: String,
    /// As it was given.
    pub number: String,
    /// Where the number was found. What arrives later, before the erasure, is found then.
    pub found: Found,
}

/// What an erasure has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub calls: u64,
    /// In the database.
    pub facts: u64,
    /// In files of the journal.
    pub facts_in_files: u64,
    pub recordings: u64,
    /// Calls that are on legal hold.
    pub held: Vec<CallId>,
    /// Calls that had not ended.
    pub open: Vec<CallId>,
    /// Why it could not be done completely.
    pub fault: Option<String>,
}

impl Store {
    /// Stores a request.
    pub async fn ask_erasure(&self, request: &Request) -> Result<(), StoreError> {
        let wanted = serde_json::to_string(&request.found)?;
        on_either!(self, pool => {
            sqlx::query(ASK).bind(&request.id).bind(request.asked.as_millis()).bind(&request.by).bind(&request.second)
                .bind(&request.ground).bind(&request.number).bind(wanted).execute(pool).await?;
        });
        Ok(())
    }

    /// The oldest request that is not done.
    pub async fn next_erasure(&self) -> Result<Option<Request>, StoreError> {
        let row: Option<(String, i64, String, String, String, String, String)> =
            on_either!(self, pool => sqlx::query_as(NEXT).fetch_optional(pool).await?);
        let Some((id, asked, by, second, ground, number, wanted)) = row else { return Ok(None) };
        // Empty: only the files of the database are left.
        let found = if wanted.is_empty() { Found::default() } else { serde_json::from_str(&wanted)? };
        let asked = Timestamp::from_millis(asked);
        Ok(Some(Request { id, asked, by, second, ground, number, found }))
    }

    /// Stores the outcome of a request in place of its number and facts.
    pub async fn finish_erasure(&self, id: &str, at: Timestamp, outcome: &Outcome) -> Result<(), StoreError> {
        let result = serde_json::to_string(outcome)?;
        on_either!(self, pool => sqlx::query(EMPTY).bind(id).bind(result).execute(pool).await.map(drop))?;
        self.complete_erasure(id, at).await
    }

    /// Overwrites what is left in the files of the database, and marks the request as done.
    pub async fn complete_erasure(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.wipe().await?;
        on_either!(self, pool => sqlx::query(FINISH).bind(id).bind(at.as_millis()).execute(pool).await.map(drop))?;
        Ok(())
    }

    /// The outcome of a request; None until it is done.
    pub async fn erasure_outcome(&self, id: &str) -> Result<Option<Outcome>, StoreError> {
        let row: Option<(String,)> =
            on_either!(self, pool => sqlx::query_as(RESULT).bind(id).fetch_optional(pool).await?);
        Ok(row.map(|(result,)| serde_json::from_str(&result)).transpose()?)
    }
}

/// Before the id of every call that arrived at this time: ids begin with the time.
fn first_stream(millis: i64) -> String {
    let hex = format!("{:012x}", millis.max(0));
    let (high, low) = hex.split_at_checked(8).unwrap_or((&hex, ""));
    format!("{high}-{low}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Rng;

    #[test]
    fn ids_of_calls_are_ordered_by_their_arrival() {
        let at = Timestamp::from_millis(1_764_600_000_123);
        let id = CallId::new(at, &mut Rng::from_number(3)).to_string();
        assert!(first_stream(at.as_millis()) < id && id < first_stream(at.as_millis() + 1), "{id}");
        assert_eq!(i64::try_from(CallId::new(at, &mut Rng::from_number(4)).as_u128() >> 80), Ok(at.as_millis()));
    }
}
