//! Databases of earlier releases: `tests/processes/releases/NAME.tar.gz` has what `pg_dump` wrote of a database that the binary of
//! that release has made, the data directory beside it, and the statements of its program (`.sqlx`). This version goes on with each,
//! and leaves tables behind with which that program goes on.
//!
//! `make release-dump RELEASE=NAME` makes the next one, with the binary as it is or with `OLD_BINARY` and `OLD_SQLX`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eventlog::Database;
use private_postgres::PrivateCluster;
use rebuild::verify::verify;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sqlx::Executor as _;
use stand_in::service::Service;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::checks;
use crate::environment::Environment;
use crate::visitors::log_in;

/// An invite that many may use, for years.
const INVITE: &str = "RELEASE00001";
/// People of the database, by what became of them.
const IN: u64 = 0;
const BLOCKED: u64 = 1;
const ADMIN: u64 = 2;
const LOGGED_OUT: u64 = 3;
const CANCELLED: u64 = 4;
const WAITS: u64 = 5;
const ERASED: u64 = 6;
/// Somebody whom it does not have.
const NEW: u64 = 100;
const USUAL: Duration = Duration::from_secs(30);
/// What the dump names.
const ROLES: &str =
    "do $$ begin create role qr_auditor nologin; exception when duplicate_object then null; end $$";
/// Six people are left, and nothing is under way but one login.
const SETTLED: &str = "
    select not exists (select from vault.inbox where state = 'waiting')
       and not exists (select from vault.outbox where state in ('waiting', 'sending'))
       and not exists (select from vault.retired_keys)
       and (select count(*) from log_index) = (select position from checkpoints where consumer = 'reactor')
       and (select count(*) from events) = (select count(*) from log_index)
       and (select count(*) from vault.subjects) = 6";
const NOBODY_WAITS: &str = "
    select not exists (select from login_status where status in ('waiting', 'code_required', 'password_required'))
       and not exists (select from vault.attempts)
       and (select count(*) from events) = (select count(*) from log_index)
       and (select count(*) from log_index) = (select min(position) from checkpoints)";
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn this_version_goes_on_with_the_database_of_each_release() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    // One of this version is made as well: that must go on being possible.
    let made = tempfile::tempdir()?;
    let own = made.path().join("own.tar.gz");
    make(&own).await?;
    if let Ok(name) = std::env::var("RELEASE") {
        std::fs::copy(&own, folder().join(format!("{name}.tar.gz")))?;
    }
    let mut releases: Vec<_> = std::fs::read_dir(folder())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "gz"))
        .collect();
    releases.sort();
    ensure!(!releases.is_empty(), "there is no release");
    releases.push(own);
    for release in releases {
        go_on_with(&release).await.with_context(|| release.display().to_string())?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/releases")
}

/// 1. The database and the data directory are restored, as docs/upgrade-and-restore.md says.
/// 2. The service starts, brings the tables up to date, and ends what has ended meanwhile.
/// 3. What was in the database is still there, and its views are what the log says.
/// 4. People log in: one whom the database has, and one whom it has not.
/// 5. Every statement of that release is still one on the tables as they are now: its processes go on until they are replaced.
async fn go_on_with(release: &Path) -> Result<()> {
    // 1.
    let cluster = PrivateCluster::start_temporary().await?;
    let url = cluster.create_database("release").await?;
    let environment = environment(&url).await?;
    unpack(release, environment.dir.path()).await?;
    let dump = environment.dir.path().join("database.sql");
    psql(&url, ROLES).await?;
    let restored = Command::new("psql")
        .args(["-qX", "-v", "ON_ERROR_STOP=1", "-d", url.expose_secret(), "-f"])
        .arg(&dump)
        .stdout(Stdio::null())
        .output()
        .await?;
    ensure!(restored.status.success(), "psql: {}", String::from_utf8_lossy(&restored.stderr));

    // 2.
    let service = Service::new(environment.settings());
    service.start()?;
    service.wait_until_running().await?;
    let waits: i64 = sqlx::query_scalar("select count(*) from events where event_type = 'LoginStarted'")
        .fetch_one(environment.db.pool())
        .await?;
    ensure!(waits > 0, "the database is empty");
    // Where the dump is younger than five minutes.
    environment.telegram.person(environment.person(WAITS, false)).send("/cancel");
    wait_until_nobody_waits(&environment).await?;
    wait_until(&environment, "every view is built by this version", &built()).await?;

    // 3.
    expect_same_views(&environment).await?;
    for (number, told) in [
        (IN, "role           user"),
        (BLOCKED, "blocked        yes"),
        (ADMIN, "role           admin"),
        (LOGGED_OUT, "authenticated  no"),
        (CANCELLED, "authenticated  no"),
        (WAITS, "authenticated  no"),
    ] {
        let id = environment.person(number, false);
        let shown = service.tool(&["user", "show", &id.to_string()]).await?;
        ensure!(shown.contains(told) && shown.contains(&format!("Person{id}")), "{told} is not in {shown}");
    }
    let erased = environment.person(ERASED, false);
    ensure!(service.tool(&["user", "show", &erased.to_string()]).await.is_err(), "{erased} is known");

    // 4.
    for number in [CANCELLED, NEW] {
        let login = log_in(&environment, number, Some(INVITE.to_owned())).await?;
        let missing = checks::missing_in_the_log(&environment, &[login]).await?;
        ensure!(missing.is_empty(), "{missing:?}");
    }
    expect_same_views(&environment).await?;
    let (positions, last): (i64, i64) = sqlx::query_as("select count(*), max(position) from log_index")
        .fetch_one(environment.db.pool())
        .await?;
    ensure!(positions == last, "{positions} positions, and the last one is {last}");
    service.stop().await;

    // 5.
    let folder = environment.dir.path().join("statements");
    let mut connection = environment.checked.acquire().await?;
    let mut statements = 0;
    for file in std::fs::read_dir(&folder)? {
        let statement: Value = serde_json::from_slice(&std::fs::read(file?.path())?)?;
        let statement = statement["query"].as_str().context("a statement")?;
        (&mut *connection)
            .prepare(statement)
            .await
            .with_context(|| format!("on today's tables: {statement}"))?;
        statements += 1;
    }
    ensure!(statements > 100, "the statements of the release were not kept");
    environment.db.close().await;
    Ok(())
}

/// Makes the database of a release: people of every kind, invites, a webhook and an API key where the release knows them, a login
/// that waits.
async fn make(into: &Path) -> Result<()> {
    let cluster = PrivateCluster::start_temporary().await?;
    let url = cluster.create_database("release").await?;
    let environment = environment(&url).await?;
    let mut settings = environment.settings();
    if let Some(old) = std::env::var_os("OLD_BINARY") {
        settings.binary = old.into();
    }
    let service = Service::new(settings);
    service.start()?;
    service.wait_until_running().await?;

    let usual = ["invite", "create", "--tier", "premium", "--code", INVITE, "--max-uses", "1000"];
    service.tool(&[&usual[..], &["--valid-days", "3650"]].concat()).await?;
    service.tool(&["invite", "create", "--tier", "trial", "--code", "RELEASE00002"]).await?;
    service.tool(&["invite", "create", "--tier", "basic", "--code", "RELEASE00003"]).await?;
    service.tool(&["invite", "revoke", "RELEASE00003"]).await?;
    // What a release does not know yet, it refuses.
    for order in [
        &["apikey", "create", "--name", "release", "--scope", "users:read"][..],
        &["webhook", "create", "--url", "http://127.0.0.1:9/webhooks"][..],
    ] {
        if let Err(error) = service.tool(order).await {
            ensure!(error.to_string().contains("unrecognized subcommand"), "{error:#}");
        }
    }
    for number in [IN, BLOCKED, ADMIN, LOGGED_OUT, ERASED] {
        log_in(&environment, number, Some(INVITE.to_owned())).await?;
    }
    let id = |number: u64| environment.person(number, false);
    service.tool(&["user", "block", &id(BLOCKED).to_string()]).await?;
    service.tool(&["user", "role", &id(ADMIN).to_string(), "admin"]).await?;
    environment.telegram.person(id(LOGGED_OUT)).ask("/logout").await?;
    for number in [CANCELLED, WAITS] {
        environment.telegram.person(id(number)).ask_for_card(&format!("/login {INVITE}")).await?;
    }
    environment.telegram.person(id(CANCELLED)).ask("/cancel").await?;
    let erased = environment.telegram.person(id(ERASED));
    erased.send("/debug_reset");
    erased.press_button("🗑 Сбросить").await?;
    wait_until(&environment, "everybody is as they are to be", SETTLED).await?;
    service.stop().await;
    pack(&url, &environment, into).await
}

async fn environment(url: &SecretString) -> Result<Arc<Environment>> {
    let db = Database::connect(url).await?;
    Ok(Arc::new(Environment::on(db, url.expose_secret(), USUAL).await?))
}

/// Whether every view was built by this version. People read the rows of another version until a rebuild has ended.
fn built() -> String {
    let views: Vec<_> = projections::views::all()
        .iter()
        .map(|view| format!("('{}', {})", view.shape().name, view.shape().version))
        .collect();
    format!(
        "select not exists (select from (values {}) as view (name, version)
                              join checkpoints c on c.consumer = view.name and c.version <> view.version)",
        views.join(", ")
    )
}

async fn expect_same_views(environment: &Environment) -> Result<()> {
    let report = verify(&environment.db, |_, _| ()).await?;
    ensure!(report.is_clean(), "the views are not what the log says: {report:?}");
    Ok(())
}

/// What waited when the dump was made has ended.
async fn wait_until_nobody_waits(environment: &Environment) -> Result<()> {
    wait_until(environment, "nobody waits", NOBODY_WAITS).await
}

async fn wait_until(environment: &Environment, what: &str, query: &str) -> Result<()> {
    let until = Instant::now() + SETTLED_WITHIN;
    while !sqlx::query_scalar::<_, bool>(query).fetch_one(environment.db.pool()).await? {
        ensure!(Instant::now() < until, "not yet: {what}");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn psql(url: &SecretString, statement: &str) -> Result<()> {
    let output =
        Command::new("psql").args(["-qX", "-d", url.expose_secret(), "-c", statement]).output().await?;
    ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The dump, the data directory without what is made anew, and the statements.
async fn pack(url: &SecretString, environment: &Environment, into: &Path) -> Result<()> {
    let dump = Command::new("pg_dump").arg("-d").arg(url.expose_secret()).output().await?;
    ensure!(dump.status.success(), "pg_dump: {}", String::from_utf8_lossy(&dump.stderr));
    let dir = environment.dir.path();
    let mut file = tokio::fs::File::create(dir.join("database.sql")).await?;
    for line in String::from_utf8(dump.stdout)?.lines() {
        // Only a psql of the same month knows these.
        if !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ") {
            file.write_all(line.as_bytes()).await?;
            file.write_all(b"\n").await?;
        }
    }
    file.flush().await?;
    let statements = std::env::var_os("OLD_SQLX")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx"), PathBuf::from);
    let kept = dir.join("statements");
    std::fs::create_dir(&kept)?;
    for file in std::fs::read_dir(&statements)? {
        let file = file?;
        std::fs::copy(file.path(), kept.join(file.file_name()))?;
    }
    let packed = Command::new("tar")
        .args(["--exclude=./sessions", "--exclude=./network.toml", "--owner=0", "--group=0", "-C"])
        .arg(dir)
        .arg("-czf")
        .arg(into)
        .arg(".")
        .output()
        .await?;
    ensure!(packed.status.success(), "tar: {}", String::from_utf8_lossy(&packed.stderr));
    Ok(())
}

async fn unpack(release: &Path, dir: &Path) -> Result<()> {
    let unpacked = Command::new("tar").arg("-C").arg(dir).arg("-xzf").arg(release).output().await?;
    ensure!(unpacked.status.success(), "tar: {}", String::from_utf8_lossy(&unpacked.stderr));
    Ok(())
}
