//! `qr-login migrate`, an older program beside newer tables, and commands that only read on a standby.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use eventlog::Database;
use eventlog::testing;
use private_postgres::PrivateCluster;
use secrecy::ExposeSecret;
use stand_in::accounts::ILYA;

use crate::cli::register;
use crate::world::World;

/// The binary, with this environment alone.
fn qr_login(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").context("PATH")?);
    command.envs(environment.iter().copied());
    Ok(command.output()?)
}

/// Its exit code and what it printed.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// What a later version of the program does to the tables.
async fn as_a_later_version(db: &Database, oldest_program: i64) -> Result<()> {
    let later = format!(
        "alter table vault.outbox add column if not exists later text;
         create table if not exists later (a int);
         insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9001, 'later', true, '\\x00', 0) on conflict do nothing;
         create or replace view oldest_program as select {oldest_program}::bigint as migration"
    );
    sqlx::raw_sql(&later).execute(db.pool()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_migrates_and_the_service_gets_its_rights() -> Result<()> {
    let (dir, test) = (tempfile::tempdir()?, testing::database().await);
    let service = testing::service_url(&test.url);
    let both = [("DATABASE_OWNER_URL", test.url.expose_secret()), ("DATABASE_URL", service.expose_secret())];
    assert_eq!(
        said(&qr_login(dir.path(), &both, &["migrate", "--check"])?),
        (Some(0), "the tables are up to date\n".to_owned())
    );

    // A migration that was not run yet, whose table is new to the service.
    let forget = "drop view oldest_program; delete from _sqlx_migrations where version = 67";
    sqlx::raw_sql(forget).execute(test.db.pool()).await?;
    let would = "0067 oldest program\n1 migration would be run\n";
    assert_eq!(said(&qr_login(dir.path(), &both, &["migrate", "--check"])?), (Some(1), would.to_owned()));
    let (code, refused) =
        said(&qr_login(dir.path(), &[("DATABASE_URL", service.expose_secret())], &["migrate"])?);
    assert!(
        code == Some(1) && refused.contains("DATABASE_OWNER_URL") && refused.lines().count() == 1,
        "{refused}"
    );
    let done = "the tables are up to date: 1 migration run\n";
    assert_eq!(said(&qr_login(dir.path(), &both, &["migrate"])?), (Some(0), done.to_owned()));

    // Rights that were lost, as by a restore without them.
    sqlx::query("revoke all on vault.outbox from qr_login_service").execute(test.db.pool()).await?;
    let (code, lacks) = said(&qr_login(dir.path(), &both, &["migrate", "--check"])?);
    assert!(
        code == Some(1) && lacks.contains("qr_login_service") && lacks.contains("on vault.outbox"),
        "{lacks}"
    );
    let (code, given) = said(&qr_login(dir.path(), &both, &["migrate"])?);
    assert!(code == Some(0) && given.starts_with("the service's role got 4 rights"), "{given}");
    assert_eq!(said(&qr_login(dir.path(), &both, &["migrate", "--check"])?).0, Some(0));
    Ok(())
}

#[test]
fn a_check_makes_no_private_postgresql_and_migrate_does() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let here = [("DATA_DIR", dir.path().to_str().context("a path")?)];
    let (code, would) = said(&qr_login(dir.path(), &here, &["migrate", "--check"])?);
    let wanted = "there is no private PostgreSQL yet: it would be made, with all tables\n";
    assert_eq!((code, &*would), (Some(1), wanted));
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 0);
    let (code, made) = said(&qr_login(dir.path(), &here, &["migrate"])?);
    assert_eq!((code, &*made), (Some(0), "a private PostgreSQL was made, with all tables\n"));
    assert_eq!(said(&qr_login(dir.path(), &here, &["migrate", "--check"])?).0, Some(0));
    Ok(())
}

/// 1. A later version expands the tables, and this one's process is started again: people log in, and its command line works.
/// 2. A later version takes something away: both say in one line what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_started_again_beside_newer_tables_until_they_lack_what_it_needs() -> Result<()> {
    let mut world = World::start().await?;
    world.crash_service().await;
    as_a_later_version(&world.db, 67).await?;
    world.start_service().await?;
    world.log_in(ILYA).await?;
    let (dir, url) = (tempfile::tempdir()?, world.config.data.database_url.clone().context("a database")?);
    let url = [("DATABASE_URL", url.expose_secret())];
    let created =
        qr_login(dir.path(), &url, &["invite", "create", "--tier", "premium", "--code", "3HBP4Z3ECICZ"])?;
    assert_eq!(String::from_utf8_lossy(&created.stdout), "3HBP4Z3ECICZ\n", "{created:?}");
    let (code, checked) = said(&qr_login(dir.path(), &url, &["migrate", "--check"])?);
    assert!(code == Some(0) && checked.contains("this one can work with them"), "{checked}");

    world.crash_service().await;
    as_a_later_version(&world.db, 9001).await?;
    let refused = world.start_service().await.expect_err("it cannot work with them").to_string();
    assert!(refused.contains("newer version") && refused.contains("run that version"), "{refused}");
    let (code, refused) = said(&qr_login(dir.path(), &url, &["invite", "revoke", "3HBP4Z3ECICZ"])?);
    assert!(
        code == Some(1) && refused.lines().count() == 1 && refused.contains("run that version"),
        "{refused}"
    );
    // What only reads still tries.
    assert_eq!(said(&qr_login(dir.path(), &url, &["user", "show", &ILYA.to_string()])?).0, Some(0));
    assert_eq!(said(&qr_login(dir.path(), &url, &["migrate", "--check"])?).0, Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_only_read_work_on_a_hot_standby() -> Result<()> {
    let (first, second, dir) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let primary = PrivateCluster::start(first.path()).await?;
    let at = |cluster: &PrivateCluster, arguments: &[&str]| {
        qr_login(dir.path(), &[("DATABASE_URL", cluster.url().expose_secret())], arguments)
    };
    let made = at(&primary, &["invite", "create", "--tier", "premium", "--code", "3HBP4Z3ECICZ"])?;
    ensure!(made.status.success(), "{made:?}");
    register(&primary.url(), &[1, 2]).await?.close().await;
    ensure!(at(&primary, &["user", "role", "1", "admin"])?.status.success());
    let standby = primary.standby(second.path()).await?;
    // Recorded, and without a position: nobody leads, and a standby's reader cannot do that in a leader's place.
    register(&primary.url(), &[3]).await?.close().await;

    for arguments in [
        &["user", "show", "1"][..],
        &["user", "list", "--json"],
        &["invite", "list"],
        &["invite", "show", "3HBP4Z3ECICZ"],
        &["apikey", "list"],
        &["migrate", "--check"],
    ] {
        let there = at(&standby, arguments)?;
        let told = String::from_utf8_lossy(&there.stderr);
        assert!(there.status.success() && told.is_empty(), "{arguments:?}: {told}");
    }
    assert!(said(&at(&standby, &["user", "show", "1"])?).1.contains("role           admin"));
    let (code, refused) = said(&at(&standby, &["user", "block", "2"])?);
    assert!(code == Some(1) && refused.contains("read-only"), "{refused}");
    standby.stop().await?;
    primary.stop().await?;
    Ok(())
}
