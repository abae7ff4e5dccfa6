//! A fresh database for each test: a file of SQLite, or a database of its own in PostgreSQL. PostgreSQL is the one of
//! `DATABASE_URL`, else the one on this machine, else a cluster that the test starts for itself. Never skipped.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use siaga::ids::Rng;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

const LOCAL: &str = "postgres://postgres@127.0.0.1:5432/postgres";
/// `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

/// A database that is gone when this is dropped.
pub(crate) struct Base {
    pub(crate) url: String,
    pub(crate) dir: tempfile::TempDir,
    postgres: Option<Postgres>,
}

struct Postgres {
    server: String,
    name: String,
    _cluster: Option<Cluster>,
}

impl Base {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite:{}", dir.path().join("data/siaga.db").display()), dir, postgres: None }
    }

    /// The database is named but not made yet.
    pub(crate) fn postgres() -> Self {
        let (server, cluster) = server();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let name = format!("siaga_test_{}", Rng::from_seed(seed).token());
        let (address, options) = server.split_once('?').map_or((server.as_str(), ""), |(a, o)| (a, o));
        let slash = address.rfind('/').unwrap();
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        let url = format!("{}/{name}{options}", &address[..slash]);
        let postgres = Some(Postgres { server, name, _cluster: cluster });
        Self { url, dir: tempfile::tempdir().unwrap(), postgres }
    }

    /// Makes the database, where that is not done by opening it.
    pub(crate) async fn make(&self) {
        if let Some(postgres) = &self.postgres {
            command(&postgres.server, format!("CREATE DATABASE {}", postgres.name)).await.unwrap();
        }
    }

    /// Like `make`, in PostgreSQL with an encoding of few letters.
    pub(crate) async fn make_in_latin1(&self) {
        if let Some(postgres) = &self.postgres {
            let options = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
            command(&postgres.server, format!("CREATE DATABASE {} {options}", postgres.name)).await.unwrap();
        }
    }

    /// Runs statements behind the store's back; both databases understand them, or each its own.
    pub(crate) async fn behind(&self, sqlite: &str, postgres: &str) {
        self.behind_at(&self.url, sqlite, postgres).await;
    }

    /// Like `behind`, in another database of the same kind.
    pub(crate) async fn behind_at(&self, url: &str, sqlite: &str, postgres: &str) {
        if self.postgres.is_some() {
            command(url, postgres.to_owned()).await.unwrap();
        } else {
            let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
            connection.execute(AssertSqlSafe(sqlite.to_owned())).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// From now on the database takes no record; it takes facts.
    pub(crate) async fn refuse_records(&self) {
        self.behind(
            "CREATE TRIGGER refuse BEFORE INSERT ON cdr BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "ALTER TABLE cdr ADD CONSTRAINT refuse CHECK (false) NOT VALID",
        )
        .await;
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Every connection to it is cut: a test that failed may have left some.
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        let done = std::thread::spawn(move || super::on_runtime(command(&server, drop))).join();
        if !matches!(done, Ok(Ok(()))) {
            eprintln!("the test's database {} is left behind", self.name);
        }
    }
}

async fn command(url: &str, sql: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.close().await
}

fn server() -> (String, Option<Cluster>) {
    if let Ok(url) = std::env::var("DATABASE_URL") {
        return (url, None);
    }
    if super::on_runtime(command(LOCAL, "SELECT 1".to_owned())).is_ok() {
        return (LOCAL.to_owned(), None);
    }
    let cluster = Cluster::start();
    (cluster.url(), Some(cluster))
}

/// A PostgreSQL of the test's own, on a socket in a temporary folder, or on a port of loopback.
pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

impl Cluster {
    fn start() -> Self {
        let cluster = Self::made();
        let options = format!("-c listen_addresses= -c fsync=off -k {}", cluster.dir.path().display());
        cluster.run_with(&options);
        cluster
    }

    /// On 127.0.0.1 and ::1; with `server.pem` and `server.key` of a folder it offers TLS.
    pub(crate) fn over_tcp(certificates: Option<&Path>) -> Self {
        let mut cluster = Self::made();
        cluster.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (folder, port) = (cluster.dir.path().display().to_string(), cluster.port);
        let mut options = format!("-c listen_addresses=localhost -c port={port} -c fsync=off -k {folder}");
        for file in certificates.iter().flat_map(|from| ["server.pem", "server.key"].map(|file| (from, file))) {
            let (from, file) = file;
            let own = cluster.dir.path().join(file);
            std::fs::copy(from.join(file), &own).unwrap();
            std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            if is_root() {
                std::os::unix::fs::chown(&own, Some(NOBODY), None).unwrap();
            }
        }
        if certificates.is_some() {
            options += &format!(" -c ssl=on -c ssl_cert_file={folder}/server.pem -c ssl_key_file={folder}/server.key");
        }
        cluster.run_with(&options);
        cluster
    }

    pub(crate) fn tcp_url(&self, host: &str, options: &str) -> String {
        format!("postgres://postgres@{host}:{}/postgres?{options}", self.port)
    }

    fn run_with(&self, options: &str) {
        let log = self.dir.path().join("log");
        self.run("pg_ctl", &["start", "-w", "-l", &log.display().to_string(), "-o", options]);
    }

    fn made() -> Self {
        let dir = tempfile::tempdir().unwrap();
        if is_root() {
            std::os::unix::fs::chown(dir.path(), Some(NOBODY), None).unwrap();
        }
        let cluster = Self { dir, programs: programs(), port: 0 };
        cluster.run("initdb", &["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]);
        cluster
    }

    fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.dir.path().display())
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let data = self.dir.path().join("data");
        // Not captured: the server inherits the pipe, and would keep us reading.
        let status = command.current_dir(self.dir.path()).arg("-D").arg(data).args(arguments).status().unwrap();
        assert!(status.success(), "{} {arguments:?}: {status}", program.display());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["stop", "-m", "immediate"]);
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Where Debian keeps them, or what PATH finds.
fn programs() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    found.pop().filter(|path| path.join("initdb").exists()).unwrap_or_else(|| Path::new("").to_owned())
}
