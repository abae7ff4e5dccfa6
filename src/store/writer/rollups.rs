//! Begins the roll-ups of a database, and fills them between the facts that arrive.

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::store::journal::JournalPosition;
use crate::store::rollups::fill::Prepared;
use crate::store::{Store, StoreError};

use super::{Writer, WriterError};

impl Writer {
    /// To be called before the first fact is stored. If the database rejects the roll-ups, facts are stored without them.
    pub(super) async fn prepare_rollups(&self, store: &Store) -> Result<(), WriterError> {
        let Some((settings, now)) = &self.rollups else { return Ok(()) };
        match store.in_time(self.statement_timeout, store.prepare_rollups(settings, *now)).await {
            Ok(Prepared::Complete | Prepared::ToFill) => {}
            Ok(Prepared::OtherZone(zone)) => warn!(
                zone,
                configured = settings.zone,
                "the figures of reports are counted in another time zone: run siaga report rebuild"
            ),
            Err(fault) => passed_over(fault)?,
        }
        Ok(())
    }

    /// Counts the records that are not counted yet. Facts that arrive are stored in between. Returns the journal position up to which facts
    /// are stored.
    pub(super) async fn fill_rollups(
        &mut self,
        store: &Store,
        mut cursor: JournalPosition,
        durable: &mut watch::Receiver<JournalPosition>,
    ) -> Result<JournalPosition, WriterError> {
        if self.rollups.is_none() {
            return Ok(cursor);
        }
        match store.in_time(self.statement_timeout, store.rollup_state()).await {
            Ok(state) if state.is_complete() => return Ok(cursor),
            Ok(_) => {}
            Err(fault) => {
                passed_over(fault)?;
                return Ok(cursor);
            }
        }
        // At the end of the service, the next start continues.
        while durable.has_changed().is_ok() {
            match store.in_time(self.statement_timeout, store.fill_rollups()).await {
                Ok(true) => {
                    info!("the figures of reports are complete");
                    return Ok(cursor);
                }
                Ok(false) => {}
                Err(fault) => {
                    passed_over(fault)?;
                    return Ok(cursor);
                }
            }
            let until = *durable.borrow_and_update();
            cursor = self.copy(store, cursor, until).await?;
        }
        Ok(cursor)
    }
}

/// An error of the data concerns the roll-ups alone.
fn passed_over(fault: StoreError) -> Result<(), WriterError> {
    if !fault.is_of_a_row() {
        return Err(fault.into());
    }
    error!(%fault, "the figures of reports cannot be counted: run siaga report rebuild");
    Ok(())
}
