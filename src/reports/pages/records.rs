//! The read-only connections to the records.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::{Store, StoreError};

/// Pages that read the records at once, and connections to PostgreSQL. Further pages wait.
const READERS: u32 = 4;
/// After this time, a page that waits says that the records are busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time limit of one statement in PostgreSQL.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens the database of records for reading. A file of SQLite is opened for each page, so that a file that was replaced is noticed;
/// connections to PostgreSQL are kept.
#[derive(Debug)]
pub struct Records {
    url: String,
    kept: Mutex<Option<Store>>,
    readers: Arc<Semaphore>,
}

/// The open database, and one of the places for readers.
#[derive(Debug)]
pub struct Reading {
    store: Store,
    /// None while a file waits for its receiver.
    place: Option<OwnedSemaphorePermit>,
}

impl Deref for Reading {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Reading {
    /// Leaves the place to others; the database stays open.
    pub fn pause(&mut self) {
        self.place = None;
    }
}

impl Records {
    pub fn new(url: String) -> Self {
        let readers = Arc::new(Semaphore::new(usize::try_from(READERS).unwrap_or(1)));
        Self { url, kept: Mutex::new(None), readers }
    }

    fn is_file(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// The open database; an error if it cannot be read at present.
    pub async fn open(&self) -> Result<Reading, StoreError> {
        let place = Some(self.place().await?);
        let kept = self.kept.lock().map(|kept| kept.clone()).unwrap_or_default();
        if let Some(store) = kept {
            return Ok(Reading { store, place });
        }
        let store = Store::open_for_pages(&self.url, READERS, STATEMENT_TIMEOUT).await?;
        if !self.is_file()
            && let Ok(mut kept) = self.kept.lock()
        {
            *kept = Some(store.clone());
        }
        Ok(Reading { store, place })
    }

    /// Takes a place again after `Reading::pause`.
    pub async fn resume(&self, reading: &mut Reading) -> Result<(), StoreError> {
        if reading.place.is_none() {
            reading.place = Some(self.place().await?);
        }
        Ok(())
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.readers).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(StoreError::Busy)
    }

    /// Closes a file of SQLite. Connections to PostgreSQL stay open for other pages, which may read at this time; the pool replaces a
    /// broken one.
    pub async fn done(&self, reading: Reading) {
        if self.is_file() {
            reading.store.close().await;
        }
    }
}
