//! A dump is restored into a cluster that knows nothing of it, by the commands of docs/upgrade-and-restore.md.

use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use eventlog::Database;
use private_postgres::PrivateCluster;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret;
use sqlx::Executor as _;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const CODE: &str = "3HBP4Z3ECICZ";

/// A program of PostgreSQL's, or our own, with this environment alone.
fn program(name: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir("/");
    command.envs(environment.iter().copied()).kill_on_drop(true);
    command
}

fn qr_login(environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_qr-login"), environment);
    command.args(arguments);
    command
}

async fn run(mut command: Command) -> Result<Output> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{:?}: {}", command.as_std(), String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

async fn said(command: Command) -> Result<String> {
    Ok(String::from_utf8(run(command).await?.stdout)?)
}

/// A dump of everything in a database, as an archive.
pub async fn dump(url: &str, file: &Path) -> Result<()> {
    let mut command = program("pg_dump", &[]);
    command.args(["--format=custom", "--dbname", url, "--file"]).arg(file);
    run(command).await.map(drop)
}

/// Restores it, and stops at the first error.
pub async fn restore(file: &Path, url: &str) -> Result<()> {
    let mut command = program("pg_restore", &[]);
    command.args(["--exit-on-error", "--no-owner", "--dbname", url]).arg(file);
    run(command).await.map(drop)
}

/// `qr-login database run` in this DATA_DIR, and the URL that it has printed.
pub async fn private_alone(data_dir: &Path) -> Result<(Child, String)> {
    let data_dir = data_dir.to_str().context("a path")?;
    let mut command = qr_login(&[("DATA_DIR", data_dir)], &["database", "run"]);
    let mut running = command.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(running.stdout.take().context("stdout")?).lines();
    let url = lines.next_line().await?.context("a URL")?;
    Ok((running, url))
}

/// Ends it as a person does.
pub async fn end(mut running: Child) -> Result<()> {
    let pid = Pid::from_raw(running.id().context("it runs")?.cast_signed()).context("a pid")?;
    kill_process(pid, Signal::TERM)?;
    ensure!(running.wait().await?.success());
    Ok(())
}

/// A private PostgreSQL with an invite, and its dump.
async fn dumped(data_dir: &Path, file: &Path) -> Result<()> {
    let here = data_dir.to_str().context("a path")?;
    run(qr_login(&[("DATA_DIR", here)], &["invite", "create", "--tier", "premium", "--code", CODE])).await?;
    let (running, url) = private_alone(data_dir).await?;
    dump(&url, file).await?;
    end(running).await
}

/// 1. A cluster of somebody else's has a role that owns an empty database, and is no superuser.
/// 2. `qr-login database roles` makes the roles that the dump names; `pg_restore` has no error; `qr-login migrate` finds all as it
///    was.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_restored_into_an_empty_cluster() -> Result<()> {
    let (old, new) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = old.path().join("dump");
    dumped(old.path(), &file).await?;

    let cluster = PrivateCluster::start(new.path()).await?;
    let db = Database::connect(&cluster.url()).await?;
    for prepare in ["create role keeper login createrole", "create database logins owner keeper"] {
        db.pool().execute(prepare).await?;
    }
    db.close().await;
    let url_for = |role: &str| {
        let url = cluster.url().expose_secret().replace("user=qr_login", &format!("user={role}"));
        url.replace("/qr_login?", "/logins?")
    };
    let (owner, service) = (url_for("keeper"), url_for("qr_login_service"));
    let both = [("DATABASE_OWNER_URL", &*owner), ("DATABASE_URL", &*service)];
    // Without the roles, it stops.
    ensure!(restore(&file, &owner).await.is_err_and(|error| error.to_string().contains("does not exist")));
    let clean = cluster.url();
    let db = Database::connect(&clean).await?;
    for again in ["drop database logins", "create database logins owner keeper"] {
        db.pool().execute(again).await?;
    }
    db.close().await;

    assert_eq!(
        said(qr_login(&both, &["database", "roles"])).await?,
        "made the roles qr_auditor, qr_login_service\n"
    );
    assert_eq!(said(qr_login(&both, &["database", "roles"])).await?, "the roles are there\n");
    restore(&file, &owner).await?;
    said(qr_login(&both, &["migrate"])).await?;
    assert_eq!(said(qr_login(&both, &["migrate", "--check"])).await?, "the tables are up to date\n");
    let service = [("DATABASE_URL", &*service)];
    assert!(said(qr_login(&service, &["invite", "list"])).await?.contains(CODE));
    run(qr_login(&service, &["invite", "revoke", CODE])).await?;
    // An auditor reads what an auditor may, and a stranger gives no positions.
    let db = Database::connect(&owner.into()).await?;
    let may: bool = sqlx::query_scalar(
        "select has_table_privilege('qr_auditor', 'events', 'select') and not has_table_privilege('qr_auditor', 'vault.sessions', 'select') \
            and not has_function_privilege('qr_auditor', 'sequence_events(bigint)', 'execute')",
    )
    .fetch_one(db.pool())
    .await?;
    assert!(may);
    db.close().await;
    cluster.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_restored_into_another_private_postgresql() -> Result<()> {
    let (old, new) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = old.path().join("dump");
    dumped(old.path(), &file).await?;
    let here = [("DATA_DIR", new.path().to_str().context("a path")?)];
    let (running, url) = private_alone(new.path()).await?;
    run(qr_login(&here, &["database", "roles"])).await?;
    restore(&file, &url).await?;
    end(running).await?;
    assert!(said(qr_login(&here, &["invite", "list"])).await?.contains(CODE));
    assert_eq!(said(qr_login(&here, &["migrate", "--check"])).await?, "the tables are up to date\n");
    Ok(())
}

/// A role that may make no roles is told what a superuser has to run.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_make_no_roles_is_told_what_a_superuser_has_to_run() -> Result<()> {
    let new = tempfile::tempdir()?;
    let cluster = PrivateCluster::start(new.path()).await?;
    let db = Database::connect(&cluster.url()).await?;
    db.pool().execute("create role keeper login").await?;
    db.close().await;
    let owner = cluster.url().expose_secret().replace("user=qr_login", "user=keeper");
    let output = qr_login(&[("DATABASE_URL", &*owner)], &["database", "roles"]).output().await?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && told.contains("a superuser has to run: create role \"qr_auditor\" nologin"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    cluster.stop().await?;
    Ok(())
}
