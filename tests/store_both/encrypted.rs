//! PostgreSQL over TLS: the default uses it where the server offers it; `require` and `verify-full` insist on it.

use std::path::Path;
use std::process::Command;

use siaga::store::Store;

use super::base::Cluster;
use super::on_runtime;

/// Certificates for a name, of a CA of their own.
fn certificates(folder: &Path, name: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/make-certificates");
    let done = Command::new(script).arg(folder).arg(name).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Whether a connection by this URL is encrypted; an error if there is none.
fn is_encrypted(url: &str) -> Result<bool, String> {
    on_runtime(async {
        let store = Store::open(url).await.map_err(|fault| fault.to_string())?;
        let Store::Postgres(pool) = &store else { panic!("{url} is no PostgreSQL") };
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let ssl = sqlx::query_scalar::<_, bool>(sql).fetch_one(pool).await.map_err(|fault| fault.to_string());
        store.close().await;
        ssl
    })
}

#[test]
fn the_database_is_spoken_to_over_tls_where_it_offers_that_and_its_name_is_verified_where_wanted() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(folder.path(), "127.0.0.1");
    certificates(other.path(), "127.0.0.1");
    let ca = |folder: &Path| format!("sslrootcert={}", folder.join("ca.pem").display());
    let cluster = Cluster::over_tcp(Some(folder.path()));
    let url = |host: &str, options: &str| cluster.tcp_url(host, options);
    assert_eq!(is_encrypted(&url("127.0.0.1", "")), Ok(true), "the default");
    assert_eq!(is_encrypted(&url("127.0.0.1", "sslmode=disable")), Ok(false));
    assert_eq!(is_encrypted(&url("127.0.0.1", "sslmode=require")), Ok(true));
    let verified = format!("sslmode=verify-full&{}", ca(folder.path()));
    assert_eq!(is_encrypted(&url("127.0.0.1", &verified)), Ok(true));
    assert!(is_encrypted(&url("localhost", &verified)).is_err(), "another name");
    let foreign = format!("sslmode=verify-full&{}", ca(other.path()));
    assert!(is_encrypted(&url("127.0.0.1", &foreign)).is_err(), "another CA");
    drop(cluster);

    let plain = Cluster::over_tcp(None);
    assert_eq!(is_encrypted(&plain.tcp_url("127.0.0.1", "")), Ok(false), "a server without TLS");
    assert!(is_encrypted(&plain.tcp_url("127.0.0.1", "sslmode=require")).is_err());
}
