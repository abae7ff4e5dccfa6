//! The database check of `siaga check`: reachability, encoding, schema and privileges. Changes nothing.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;

use super::{Kind, Store, StoreError, on_either};

/// How long a connection may take; the whole check may take twice as long.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) static SQLITE: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
pub(super) static POSTGRES: Migrator = sqlx::migrate!("src/store/migrations/postgres");

const APPLIED: &str = "SELECT MAX(version) FROM _sqlx_migrations";
const ENCODING: &str = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()";
const MAY_CREATE: &str = "SELECT has_schema_privilege(current_schema(), 'CREATE') AND NOT pg_is_in_recovery()";
const HAS_TABLES: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
const MAY_WRITE: &str = "SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c \
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
    AND c.relname IN ('fact', 'cdr', 'talk', 'call_search', 'open_call', 'journal_cursor', 'operator', 'operator_mark', 'console_user', \
    'erasure', 'legal_hold', 'retention', 'rollup', 'rollup_key', 'rollup_operator', 'rollup_state', 'report_target') \
    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))";
const SQLITE_TABLES: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";

/// Every error of the database at `url`, each as `what is wrong; expected: …`. Empty if it can be used. A missing SQLite file is not an
/// error: the service creates it.
pub async fn examine(url: &str) -> Vec<String> {
    match tokio::time::timeout(PATIENCE * 2, look(url)).await {
        Ok(Ok(faults)) => faults,
        Ok(Err(fault)) => vec![format!(
            "the database cannot be used: {:#}; expected: a database that responds",
            anyhow::Error::from(fault)
        )],
        Err(_) => vec!["the database does not respond; expected: a response within 10 s".to_owned()],
    }
}

async fn look(url: &str) -> Result<Vec<String>, StoreError> {
    match Kind::of(url)? {
        Kind::Sqlite(options) => {
            let path = options.get_filename().to_owned();
            if !path.exists() {
                return Ok(Vec::new());
            }
            let writable = std::fs::OpenOptions::new().append(true).open(&path);
            let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
            let store = Store::Sqlite(pool.connect_with(options.read_only(true)).await?);
            let (tables,): (i64,) = on_either!(&store, pool => sqlx::query_as(SQLITE_TABLES).fetch_one(pool).await?);
            let mut faults = Vec::new();
            if let Err(error) = writable {
                faults.push(format!(
                    "{} cannot be written: {error}; expected: a file that the service may write",
                    path.display()
                ));
            }
            if tables > 0 {
                faults.extend(newer_schema(&store, &SQLITE).await?);
            }
            store.close().await;
            Ok(faults)
        }
        Kind::Postgres(options) => {
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options).await?;
            let (encoding,): (String,) = sqlx::query_as(ENCODING).fetch_one(&pool).await?;
            let (may_create,): (Option<bool>,) = sqlx::query_as(MAY_CREATE).fetch_one(&pool).await?;
            let (has_tables,): (bool,) = sqlx::query_as(HAS_TABLES).fetch_one(&pool).await?;
            let mut faults = Vec::new();
            if encoding != "UTF8" {
                faults.push(format!("the database has the encoding {encoding}; expected: UTF8, or some names and places cannot be stored"));
            }
            if has_tables {
                let (closed,): (Option<String>,) = sqlx::query_as(MAY_WRITE).fetch_one(&pool).await?;
                faults.extend(closed.map(|tables| {
                    format!("the user may not read and write {tables}; expected: SELECT, INSERT, UPDATE and DELETE")
                }));
                faults.extend(newer_schema(&Store::Postgres(pool.clone()), &POSTGRES).await?);
            } else if may_create != Some(true) {
                faults.push("the user may not create tables in the schema; expected: CREATE on it".to_owned());
            }
            pool.close().await;
            Ok(faults)
        }
    }
}

/// True if the tables need no migration.
pub(super) async fn is_current(store: &Store) -> Result<bool, StoreError> {
    let has_tables = match store {
        Store::Sqlite(pool) => sqlx::query_as::<_, (i64,)>(SQLITE_TABLES).fetch_one(pool).await?.0 > 0,
        Store::Postgres(pool) => sqlx::query_as::<_, (bool,)>(HAS_TABLES).fetch_one(pool).await?.0,
    };
    if !has_tables {
        return Ok(false);
    }
    let (applied,): (Option<i64>,) = on_either!(store, pool => sqlx::query_as(APPLIED).fetch_one(pool).await?);
    Ok(applied >= known(store).iter().map(|migration| migration.version).max())
}

/// Migrates the tables to the newest version of `migrations`.
pub(super) async fn migrate(store: &Store, migrations: &Migrator) -> Result<(), StoreError> {
    on_either!(store, pool => migrations.run(pool).await?);
    Ok(())
}

fn known(store: &Store) -> &'static Migrator {
    match store {
        Store::Sqlite(_) => &SQLITE,
        Store::Postgres(_) => &POSTGRES,
    }
}

async fn newer_schema(store: &Store, known: &Migrator) -> Result<Option<String>, StoreError> {
    let (applied,): (Option<i64>,) = on_either!(store, pool => sqlx::query_as(APPLIED).fetch_one(pool).await?);
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or(0);
    let applied = applied.unwrap_or(0);
    Ok((applied > newest)
        .then(|| format!("the database's schema is version {applied}, of a newer siaga; expected: at most {newest}")))
}
