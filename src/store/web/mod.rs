//! The store of the pages: users, sessions, failed log-ins, the access log, reviews of calls, and which session may hear which recording.
//! It is a database of its own: a file of SQLite, or the schema `web` in PostgreSQL.

pub mod access_log;
pub mod approvals;
pub mod browsers;
pub mod deliveries;
pub mod failures;
pub mod hearings;
pub mod reviews;
pub mod sessions;
pub mod users;

use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};

use super::{CONNECTIONS_MAX, Kind, MIGRATIONS_MAX, PATIENCE, Store, StoreError, make_file, open_sqlite, read_write};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/web");
const SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS web";
const HAS_SCHEMA: &str = "SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'web'";

/// The open store. Clones share its connections.
#[derive(Clone, Debug)]
pub struct WebStore(Store);

impl WebStore {
    /// Opens for reading and writing. Creates a missing file or schema, and migrates the tables to the current version.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match Kind::of(url)? {
            Kind::Sqlite(options) => {
                make_file(options.get_filename())?;
                Ok(Self(Store::Sqlite(open_sqlite(read_write(options), &MIGRATIONS).await?)))
            }
            Kind::Postgres(options) => {
                make_schema(&options).await?;
                let options = options.options([("search_path", "web")]);
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(PATIENCE);
                let store = Store::Postgres(pool.connect_with(options).await?);
                store.in_time(MIGRATIONS_MAX, super::examine::migrate(&store, &MIGRATIONS)).await?;
                Ok(Self(store))
            }
        }
    }

    /// True if the store need not be created: the file exists, or the database is PostgreSQL.
    pub fn is_there(url: &str) -> Result<bool, StoreError> {
        Store::is_there(url)
    }

    /// Closes every connection properly.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// A user who may not create schemas can use an existing one.
async fn make_schema(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    let (found,): (i64,) = sqlx::query_as(HAS_SCHEMA).fetch_one(&mut connection).await?;
    if found == 0 {
        let made = sqlx::query(SCHEMA).execute(&mut connection).await;
        // Another process may have created it at the same time.
        let (found,): (i64,) = sqlx::query_as(HAS_SCHEMA).fetch_one(&mut connection).await?;
        if found == 0 {
            made?;
        }
    }
    Ok(connection.close().await?)
}
