//! A data directory of PostgreSQL with the product's tables and a log of many events, as the product would have written it.
//! It is made once for each size and each set of migrations, kept under `target/drills/`, and copied by every run.

use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dataset::{BEGINNING_MS, Dataset};
use eventlog::{Clock, Database};
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, Executor, PgConnection};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::{Cluster, DATABASE, as_server, postgresql_programs, server_user};
use crate::port::Port;

/// What a login of the dataset makes.
const EVENTS_A_LOGIN: u32 = 5;
/// Every run of the dataset ends below this number, and the crowd's people are far from it.
pub const FIRST_TELEGRAM_ID: i64 = 5_000_000_000;
/// The subscriptions in it last 30 days. When they end, people get notices, which a drill does not measure.
const FRESH_FOR: Duration = Duration::from_secs(20 * 24 * 3600);
const STARTS_WITHIN: Duration = Duration::from_secs(30);
const STOPS_WITHIN: Duration = Duration::from_secs(300);

/// The directory with so many events; it is made if it does not exist.
pub async fn data_directory(drills: &Path, events: u32) -> Result<PathBuf> {
    let ready = drills.join(format!("prefilled-{events}-{:016x}", hash_of_migrations()?));
    let made_at = ready.metadata().and_then(|it| it.modified());
    if made_at.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < FRESH_FOR)) {
        return Ok(ready);
    }
    drop(Remove(ready.clone()));
    let began = Instant::now();
    eprintln!("filling a database with {events} events; it is kept in {}", ready.display());
    let unfinished = drills.join(format!("unfinished-{}", std::process::id()));
    let _remove = Remove(unfinished.clone());
    let made = make(&unfinished, events).await;
    made.with_context(|| format!("see {}", unfinished.with_extension("log").display()))?;
    std::fs::rename(&unfinished, &ready)?;
    std::fs::remove_file(unfinished.with_extension("log"))?;
    eprintln!("filled in {} s", began.elapsed().as_secs());
    Ok(ready)
}

async fn make(directory: &Path, events: u32) -> Result<()> {
    std::fs::create_dir(directory)?;
    if let Some((uid, gid)) = server_user()? {
        chown(directory, Some(uid), Some(gid))?;
    }
    let programs = postgresql_programs()?;
    let mut initdb = as_server(&[], &programs.join("initdb"))?;
    initdb.arg("--pgdata").arg(directory).args(["--username=postgres", "--auth=trust", "--data-checksums"]);
    initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]).current_dir("/");
    let output = initdb.output().await.context("initdb does not start")?;
    ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr).trim());

    let port = Port::reserve()?;
    let mut server = start(directory, &programs, &port)?;
    let filled = fill(&port.addr.to_string(), events).await;
    stop(&mut server).await?;
    filled
}

async fn fill(address: &str, events: u32) -> Result<()> {
    let until = Instant::now() + STARTS_WITHIN;
    let mut connection = loop {
        match PgConnection::connect(&format!("postgresql://postgres@{address}/postgres")).await {
            Ok(connection) => break connection,
            Err(error) => ensure!(Instant::now() < until, "PostgreSQL does not start: {error}"),
        }
        sleep(Duration::from_millis(50)).await;
    };
    connection.execute("create role replicator login replication").await?;
    connection.execute(format!("create database {DATABASE}").as_str()).await?;
    connection.close().await?;

    let db = Database::connect(&Cluster::url_at(address).into()).await?;
    db.migrate().await?;
    let yesterday = Clock::system().now() - SignedDuration::from_hours(24);
    let later = yesterday.duration_since(Timestamp::from_millisecond(BEGINNING_MS)?);
    let dataset = Dataset::load_later(&db, events / EVENTS_A_LOGIN, later).await?;
    // The reactor has handled all of it.
    let last = i64::try_from(dataset.events)?;
    sqlx::query("update checkpoints set position = $1").bind(last).execute(db.pool()).await?;
    rebuild::rebuild(&db, &[], |_| ()).await?;
    db.pool().execute("create schema drill").await?;
    // A row that was acknowledged has to be there at the end: the cluster itself loses nothing.
    db.pool()
        .execute("create table drill.beats (beat bigint generated always as identity primary key)")
        .await?;
    db.pool().execute("checkpoint").await?;
    db.close().await;
    Ok(())
}

fn start(directory: &Path, programs: &Path, port: &Port) -> Result<Child> {
    let log = std::fs::File::create(directory.with_extension("log"))?;
    let mut server = as_server(&[], &programs.join("postgres"))?;
    server.arg("-D").arg(directory).arg(format!("--port={}", port.addr.port())).args(
        ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_wal_size=8GB"]
            .map(|it| format!("--{it}")),
    );
    server.kill_on_drop(true).current_dir("/").stdout(log.try_clone()?).stderr(log);
    server.spawn().context("PostgreSQL does not start")
}

async fn stop(server: &mut Child) -> Result<()> {
    let pid = server.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    // "Fast": sessions are ended, everything is written.
    rustix::process::kill_process(
        pid.context("PostgreSQL has ended by itself")?,
        rustix::process::Signal::INT,
    )?;
    timeout(STOPS_WITHIN, server.wait()).await.context("PostgreSQL does not stop")??;
    Ok(())
}

fn hash_of_migrations() -> Result<u64> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(&std::fs::read(file)?);
    }
    Ok(hasher.finish())
}

/// Removes the directory if it still exists.
struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
