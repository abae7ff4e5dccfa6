//! The read-only connection to the records.

use std::sync::Mutex;

use crate::store::{Store, StoreError};

/// Opens the database of records for reading. A file of SQLite is opened for each page, so that a file that was replaced is noticed;
/// connections to PostgreSQL are kept.
#[derive(Debug)]
pub struct Records {
    url: String,
    kept: Mutex<Option<Store>>,
}

impl Records {
    pub fn new(url: String) -> Self {
        Self { url, kept: Mutex::new(None) }
    }

    /// The open database; an error if it cannot be read at present.
    pub async fn open(&self) -> Result<Store, StoreError> {
        let kept = self.kept.lock().map(|kept| kept.clone()).unwrap_or_default();
        if let Some(store) = kept {
            return Ok(store);
        }
        let store = Store::open_read_only(&self.url).await?;
        if !self.url.starts_with("sqlite:")
            && let Ok(mut kept) = self.kept.lock()
        {
            *kept = Some(store.clone());
        }
        Ok(store)
    }

    /// Closes a file of SQLite; forgets connections to PostgreSQL after an error.
    pub async fn done(&self, store: Store, is_good: bool) {
        let keeps = is_good && !self.url.starts_with("sqlite:");
        if !keeps {
            if let Ok(mut kept) = self.kept.lock() {
                *kept = None;
            }
            store.close().await;
        }
    }
}
