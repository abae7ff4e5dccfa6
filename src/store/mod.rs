//! The only module with SQL: facts, call detail records and operators, in SQLite or PostgreSQL, and the journal in front of them. Does not
//! depend on SIP or on the running service.

pub mod access;
pub mod aside;
pub mod call_search;
pub mod console_users;
pub mod crash_log;
pub mod demo;
pub mod examine;
pub mod facts;
pub mod journal;
mod nul;
pub mod operators;
pub mod past;
pub mod privacy;
pub mod report_bins;
pub mod report_load;
pub mod report_queries;
pub mod rollups;
pub mod salvage;
pub mod seal;
mod search_row;
pub mod web;
pub mod writer;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

/// How long a statement may wait for another process's lock (SQLite), or for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Number and interval of retries to open an SQLite file.
const OPEN_TRIES: u32 = 8;
const OPEN_RETRY: Duration = Duration::from_millis(50);
/// How long PostgreSQL may take for one statement or transaction before its connection counts as dead.
const STATEMENT_MAX: Duration = Duration::from_secs(60);
/// Maximum duration of a migration in PostgreSQL. An index over records of many years takes long.
const MIGRATIONS_MAX: Duration = Duration::from_secs(3_600);
/// Connections of one process to PostgreSQL.
const CONNECTIONS_MAX: u32 = 4;

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "[store] url {0:?} is not a database; expected: \"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST/DATABASE\""
    )]
    Url(String),
    #[error("the folder of the database cannot be created")]
    Folder(#[source] std::io::Error),
    #[error("there is no database at {}: siaga serve or siaga operator add creates it", .0.display())]
    NotThere(PathBuf),
    #[error("the database has no records of this version yet: siaga serve brings its tables up to date")]
    NoTables,
    #[error("the database reports an error")]
    Sql(#[from] sqlx::Error),
    #[error("the database's tables cannot be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("a stored record cannot be read")]
    Record(#[from] serde_json::Error),
    #[error("the database has not responded in time: its connection is closed")]
    Late,
    #[error("too many pages are reading the records")]
    Busy,
}

impl StoreError {
    /// True if the database might accept another row: the error is in the data, not in the database.
    pub fn is_of_a_row(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                    // Data exception, integrity constraint, program limit exceeded.
                    return ["22", "23", "54"].iter().any(|class| code.starts_with(class));
                }
                // Too big, constraint, mismatch, range; SQLite's JSON functions report only "malformed JSON".
                let primary = code.parse::<u32>().unwrap_or(0) & 0xff;
                matches!(primary, 18 | 19 | 20 | 25) || error.message().contains("malformed JSON")
            }
            Self::Sql(sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })
            | Self::Record(_) => true,
            Self::Sql(_)
            | Self::Url(_)
            | Self::Folder(_)
            | Self::NotThere(_)
            | Self::NoTables
            | Self::Migrate(_)
            | Self::Late
            | Self::Busy => false,
        }
    }

    /// True if no process has the SQLite file open, and this user may not create the shared memory of WAL mode next to it. All data is
    /// then in the file itself.
    fn is_without_shared_memory(&self, url: &str) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        let Ok(Kind::Sqlite(options)) = Kind::of(url) else { return false };
        let [_, wal, _] = access::database_files(options.get_filename());
        report_queries::is_cannot_open(error.as_ref()) && !wal.exists()
    }
}

/// An open database. Clones share its connections.
#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same expression on either database.
macro_rules! on_either {
    ($store:expr, $pool:ident => $run:expr) => {
        match $store {
            $crate::store::Store::Sqlite($pool) => $run,
            $crate::store::Store::Postgres($pool) => $run,
        }
    };
}
pub(in crate::store) use on_either;

impl Store {
    /// Opens for reading and writing. Creates a missing database, and migrates the tables to the current version.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_within(url, STATEMENT_MAX).await
    }

    /// Like `open`, or `Late` if PostgreSQL takes longer than `limit`. Migrations may take longer.
    async fn open_within(url: &str, limit: Duration) -> Result<Self, StoreError> {
        match Kind::of(url)? {
            Kind::Sqlite(options) => {
                make_file(options.get_filename())?;
                Ok(Self::Sqlite(open_sqlite(read_write(options), &examine::SQLITE).await?))
            }
            Kind::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(PATIENCE);
                let store = Self::Postgres(pool.connect_with(options).await?);
                let limit = match store.in_time(limit, examine::is_current(&store)).await? {
                    true => limit,
                    false => limit.max(MIGRATIONS_MAX),
                };
                store.in_time(limit, examine::migrate(&store, &examine::POSTGRES)).await?;
                Ok(store)
            }
        }
    }

    /// False if the file of SQLite does not exist. Always true for PostgreSQL, which siaga does not create.
    pub fn is_there(url: &str) -> Result<bool, StoreError> {
        match Kind::of(url)? {
            Kind::Sqlite(options) => Ok(options.get_filename().exists()),
            Kind::Postgres(_) => Ok(true),
        }
    }

    /// Like `open`, but creates no file of SQLite: an error if it does not exist.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        match Kind::of(url)? {
            Kind::Sqlite(options) if !options.get_filename().exists() => {
                Err(StoreError::NotThere(options.get_filename().to_owned()))
            }
            Kind::Sqlite(_) | Kind::Postgres(_) => Self::open(url).await,
        }
    }

    /// Opens for reading only; nothing is created or changed. Fails if there is no database, or an older version.
    pub async fn open_read_only(url: &str) -> Result<Self, StoreError> {
        let store = Self::open_as_is(url).await?;
        store.with_records(url).await
    }

    /// Like `open_read_only`, with at most `connections` to PostgreSQL, each of whose statements ends after `limit`.
    pub async fn open_for_pages(url: &str, connections: u32, limit: Duration) -> Result<Self, StoreError> {
        match Kind::of(url)? {
            Kind::Sqlite(_) => Self::open_read_only(url).await,
            Kind::Postgres(options) => {
                let limit = limit.as_millis().to_string();
                let options =
                    options.options([("default_transaction_read_only", "on"), ("statement_timeout", limit.as_str())]);
                let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
                Self::Postgres(pool.connect_with(options).await?).with_records(url).await
            }
        }
    }

    /// The database, if it has records of this version.
    async fn with_records(self, url: &str) -> Result<Self, StoreError> {
        let mut store = self;
        let has_records = match store.has_records().await {
            Err(fault) if fault.is_without_shared_memory(url) => {
                store.close().await;
                let Kind::Sqlite(options) = Kind::of(url)? else { return Err(fault) };
                store = Self::Sqlite(read_only(options.immutable(true)).await?);
                store.has_records().await?
            }
            other => other?,
        };
        if has_records { Ok(store) } else { Err(StoreError::NoTables) }
    }

    /// Opens for reading only, whatever the version of the tables: accounts can be read even if a migration has not run or fails.
    pub async fn open_as_is(url: &str) -> Result<Self, StoreError> {
        Ok(match Kind::of(url)? {
            Kind::Sqlite(options) => {
                let path = options.get_filename();
                if !path.exists() {
                    return Err(StoreError::NotThere(path.to_owned()));
                }
                Self::Sqlite(read_only(options).await?)
            }
            Kind::Postgres(options) => {
                let options = options.options([("default_transaction_read_only", "on")]);
                let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
                Self::Postgres(pool.connect_with(options).await?)
            }
        })
    }

    /// The result of work on the database, or `Late` if PostgreSQL takes longer than `limit`: a connection that was cut without a FIN
    /// never responds. No effect for SQLite, which uses no network.
    pub async fn in_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(_) => work.await,
            Self::Postgres(_) => tokio::time::timeout(limit, work).await.unwrap_or(Err(StoreError::Late)),
        }
    }

    /// Closes every connection properly.
    pub async fn close(self) {
        on_either!(self, pool => pool.close().await);
    }
}

/// Creates the file of SQLite and its folder, if they are missing. SQLite would create a file that all users can read, and its other
/// files get the same mode.
fn make_file(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        access::make_folder_like(folder).map_err(StoreError::Folder)?;
    }
    if path != Path::new(":memory:") && !path.exists() {
        match access::create_new_like(path) {
            Err(fault) if fault.kind() != std::io::ErrorKind::AlreadyExists => return Err(StoreError::Folder(fault)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

fn read_write(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // What is deleted is overwritten: it may be personal.
        .pragma("secure_delete", "ON")
        .busy_timeout(PATIENCE)
}

async fn read_only(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let options = options.read_only(true).busy_timeout(PATIENCE);
    SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options).await
}

/// Opens an SQLite file and migrates its tables. If another process does so at the same time, SQLite reports an error instead of waiting
/// while the file is new, so opening is retried.
async fn open_sqlite(options: SqliteConnectOptions, migrations: &'static Migrator) -> Result<SqlitePool, StoreError> {
    let mut tries_left = OPEN_TRIES;
    loop {
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let fault = match pool.connect_with(options.clone()).await {
            Ok(pool) => match examine::migrate(&Store::Sqlite(pool.clone()), migrations).await {
                Ok(()) => return Ok(pool),
                Err(fault) => {
                    pool.close().await;
                    fault
                }
            },
            Err(fault) => fault.into(),
        };
        if tries_left == 0 {
            return Err(fault);
        }
        tries_left -= 1;
        tokio::time::sleep(OPEN_RETRY).await;
    }
}

/// The kind of database in a URL.
enum Kind {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

impl Kind {
    fn of(url: &str) -> Result<Self, StoreError> {
        let wrong = || StoreError::Url(without_password(url));
        if url.starts_with("sqlite:") {
            SqliteConnectOptions::from_str(url).map(Self::Sqlite).map_err(|_| wrong())
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            PgConnectOptions::from_str(url).map(Self::Postgres).map_err(|_| wrong())
        } else {
            Err(wrong())
        }
    }
}

/// The URL without its password, for messages.
fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            let (head, tail) = (url.get(..scheme + 3).unwrap_or_default(), url.get(at..).unwrap_or_default());
            format!("{head}…{tail}")
        }
        (Some(_), Some(_)) | (None, _) | (_, None) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        assert_eq!(without_password("mysql://u:secret@h/d"), "mysql://…@h/d");
        assert_eq!(without_password("sqlite:data/x.db"), "sqlite:data/x.db");
        assert!(matches!(Kind::of("mysql://u:secret@h/d"), Err(StoreError::Url(shown)) if !shown.contains("secret")));
    }
}
