//! An import that is killed again and again, and goes on each time.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use secrecy::ExposeSecret;
use tokio::process::Command;

use super::large::{fill, folder_of};
use super::parent::PythonSystem;
use super::{taken, world};

/// People, each with a session.
const PEOPLE: usize = 600;

/// How often it is killed: `IMPORT_KILLS`, a few by default.
fn kills() -> u64 {
    std::env::var("IMPORT_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(8)
}

/// 1. The import is killed after a while, a little later each time, so that every step of it is met.
/// 2. Once it is let alone, everybody is here, once.
/// 3. After that nothing is new.
#[tokio::test]
async fn an_import_that_is_killed_at_any_moment_goes_on() -> Result<()> {
    let world = world(None).await?;
    let mut system = PythonSystem::new().await?;
    fill(&mut system, PEOPLE).await?;
    let data = &world.config.data;
    let mut killed = 0;
    for kill in 0..kills() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
        command.args(["import", "--from", system.url.expose_secret(), "--sessions"]).arg(folder_of(&system));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DATABASE_URL", data.database_url.as_ref().expect("a database").expose_secret());
        command
            .env("DATA_DIR", &data.data_dir)
            .env("TELEGRAM_NETWORK_FILE", data.data_dir.join("network.toml"));
        let mut running = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // From right after its start to a second and a half later, in steps that do not repeat.
        let lives = Duration::from_millis(100 + (kill * 379) % 1_500);
        if tokio::time::timeout(lives, running.wait()).await.is_err() {
            running.kill().await?;
            killed += 1;
        }
    }
    println!("killed {killed} times in the middle");

    let report = system.import(&world, &[]).await?;

    let (new, before, not_taken) = taken(&report, "people");
    assert_eq!((new + before, not_taken), (PEOPLE as u64, 0), "{report:#}");
    let (new, before, not_taken) = taken(&report, "sessions");
    assert_eq!((new + before, not_taken), (PEOPLE as u64, 0), "{report:#}");
    let counted = counts_in_sql(&world).await?;
    for (event, times) in [
        ("AccountRegistered", PEOPLE),
        ("SubscriptionImported", PEOPLE / 2),
        ("SubscriptionHistoryImported", PEOPLE),
        ("SessionImported", PEOPLE),
        ("InviteCreated", PEOPLE / 10),
        ("InviteUsed", PEOPLE / 20),
    ] {
        assert_eq!(counted.get(event).copied().unwrap_or_default(), i64::try_from(times)?, "{event}");
    }
    let linked: (i64, i64) = sqlx::query_as(
        "select (select count(*) from vault.sessions), (select count(distinct account_id) from vault.sessions)",
    )
    .fetch_one(world.db.pool())
    .await?;
    assert_eq!(linked, (i64::try_from(PEOPLE)?, i64::try_from(PEOPLE)?), "one key, one place");
    system.import(&world, &[]).await?;
    assert_eq!(counts_in_sql(&world).await?, counted);
    // It waits until the views have the whole log.
    world.events().await?;
    let authenticated: i64 = sqlx::query_scalar("select count(*) from users where is_authenticated")
        .fetch_one(world.db.pool())
        .await?;
    assert_eq!(authenticated, i64::try_from(PEOPLE)?);
    Ok(())
}

/// As the log has them, however many there are.
async fn counts_in_sql(world: &crate::world::World) -> Result<std::collections::BTreeMap<String, i64>> {
    let sql = "select event_type, count(*) from events group by 1";
    let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(world.db.pool()).await?;
    Ok(rows.into_iter().collect())
}
