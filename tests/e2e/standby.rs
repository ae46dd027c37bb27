//! Reads from a standby (`DATABASE_READ_URL`): two private PostgreSQL clusters, of which one follows the other.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context as _, Result, ensure};
use domain::Scope;
use eventlog::Database;
use private_postgres::{PrivateCluster, SERVICE_ROLE};
use qr_login::config::Config;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

use crate::admin_client::AdminPage;
use crate::check::Deployment;
use crate::service_client::ServiceClient;
use crate::wait::eventually;
use crate::world::{World, WorldOptions};

const PERSON: &str = "users/139883458";
const SUBSCRIPTION: &str = "users/139883458/subscription";

/// A primary with the product's tables, and a standby that follows it.
struct Pair {
    primary: PrivateCluster,
    standby: PrivateCluster,
    dirs: [tempfile::TempDir; 2],
}

impl Pair {
    async fn start() -> Result<Self> {
        let dirs = [open_dir()?, open_dir()?];
        let primary = PrivateCluster::start(dirs[0].path()).await?;
        let owner = Database::connect(&primary.url()).await?;
        owner.migrate().await?;
        owner.grant_to_service(SERVICE_ROLE, true).await?;
        owner.close().await;
        let standby = primary.standby(dirs[1].path()).await?;
        Ok(Self { primary, standby, dirs })
    }

    async fn stop(self) -> Result<()> {
        self.standby.stop().await?;
        Ok(self.primary.stop().await?)
    }
}

fn open_dir() -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

/// Anna is an admin; both have written to the bot. The service reads from the standby.
async fn world_with(pair: &Pair) -> Result<World> {
    let configure: fn(&mut Config) = |config| config.admin_ids = vec![ANNA];
    let mut world =
        World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.crash_service().await;
    world.db.close().await;
    world.db = Database::connect(&pair.primary.url()).await?;
    world.config.data.database_url = Some(pair.primary.service_url());
    world.config.data.database_read_url = Some(pair.standby.service_url());
    world.start_service().await?;
    world.person(ANNA).ask("/start").await?;
    world.person(ILYA).ask("/start").await?;
    Ok(world)
}

async fn connected(url: &SecretString) -> Result<PgConnection> {
    Ok(PgConnection::connect(url.expose_secret()).await?)
}

/// How often tables of the views were read on this server, as its statistics say.
async fn reads_of_views(url: &SecretString) -> Result<i64> {
    let mut connection = connected(url).await?;
    let reads = sqlx::query_scalar(
        "select coalesce(sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)), 0)::bigint
           from pg_stat_user_tables where schemaname = 'slots'",
    );
    Ok(reads.fetch_one(&mut connection).await?)
}

/// Asks until the standby has answered.
async fn answered_by_standby(service: &ServiceClient, url: &SecretString) -> Result<()> {
    let before = reads_of_views(url).await?;
    eventually("the standby answers", async || {
        ensure!(service.get(PERSON).await?.status == 200);
        Ok(reads_of_views(url).await? > before)
    })
    .await
}

/// Grants a subscription of so many days, and reads it at once in every way.
async fn write_and_read(service: &ServiceClient, page: &AdminPage, days: u32) -> Result<()> {
    let before = service.get(PERSON).await?;
    let granted = service.post(SUBSCRIPTION, json!({"tier": "basic", "days": days})).await?;
    ensure!(granted.status == 200, "{granted:?}");
    let (end, position) = (&granted.body["subscription_expires_at"], &granted.body["position"]);
    assert_ne!(&before.body["subscription_expires_at"], end, "the answer shows what was done");
    let read = service.get(PERSON).await?;
    assert_eq!(&read.body["subscription_expires_at"], end, "{read:?}");
    assert!(read.body["position"].as_i64() >= position.as_i64(), "{read:?}");
    let read = service.get(&format!("{SUBSCRIPTION}?min_position={position}")).await?;
    assert_eq!((read.status, &read.body["expires_at"]), (200, end), "{read:?}");
    let read = service.get("users?limit=200").await?;
    let item = read.items().iter().find(|item| item["telegram_id"] == json!(ILYA)).context("Ilya")?;
    assert_eq!(&item["subscription_expires_at"], end);
    let users = page.get("users").await?;
    assert!(users.body["items"].to_string().contains(end.as_str().context("an end")?), "{users:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_answers_reads_and_no_promise_depends_on_it() -> Result<()> {
    let mut pair = Pair::start().await?;
    let mut world = world_with(&pair).await?;
    let scopes = [Scope::UsersRead, Scope::SubscriptionsWrite, Scope::InvitesRead, Scope::EventsRead];
    let service = ServiceClient::with(&world, &scopes).await?;
    let page = AdminPage::open(&world, ANNA).await?;
    let standby = pair.standby.url();
    let session = world.log_in(ILYA).await?;

    // 1. It answers, and a writer reads their own write at once.
    answered_by_standby(&service, &standby).await?;
    for days in 1..=20 {
        write_and_read(&service, &page, days).await?;
    }
    for path in ["invites", "events?after=0"] {
        assert_eq!(service.get(path).await?.status, 200, "{path}");
    }
    for path in ["statistics", "invites"] {
        assert_eq!(page.get(path).await?.status, 200, "{path}");
    }

    // 2. A process that has just begun knows no login that has ended: it reads it there.
    world.crash_service().await;
    world.start_service().await?;
    answered_by_standby(&service, &standby).await?;
    let path = format!("/qr-auth-status?session_id={session}");
    let status: serde_json::Value = world.get_as(ILYA, &path).send().await?.json().await?;
    assert_eq!((&status["status"], &status["session"]), (&json!("authorized"), &json!("linked")));

    // 3. Its replay stands still: the primary answers.
    let mut there = connected(&standby).await?;
    sqlx::query("select pg_wal_replay_pause()").execute(&mut there).await?;
    for days in 21..=25 {
        write_and_read(&service, &page, days).await?;
    }
    sqlx::query("select pg_wal_replay_resume()").execute(&mut there).await?;
    there.close().await?;
    answered_by_standby(&service, &standby).await?;

    // 4. It goes, which interrupts nobody, and comes back.
    pair.standby.stop().await?;
    for days in 26..=30 {
        write_and_read(&service, &page, days).await?;
    }
    pair.standby = PrivateCluster::start(pair.dirs[1].path()).await?;
    answered_by_standby(&service, &standby).await?;
    write_and_read(&service, &page, 31).await?;

    world.crash_service().await;
    pair.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_whether_it_is_a_standby_and_how_far_it_is_behind() -> Result<()> {
    let pair = Pair::start().await?;
    let mut deployment = Deployment::with_database(&pair.primary.service_url()).await?;
    let read_from = |deployment: &mut Deployment, url: &SecretString| {
        deployment.set("DATABASE_READ_URL", url.expose_secret());
    };
    read_from(&mut deployment, &pair.standby.service_url());
    let said = deployment.check().await?;
    said.expect("database", "ok DATABASE_READ_URL: a standby answers, and shows what the primary has");

    let mut there = connected(&pair.standby.url()).await?;
    sqlx::query("select pg_wal_replay_pause()").execute(&mut there).await?;
    let is_paused = async || -> Result<bool> {
        let mut there = connected(&pair.standby.url()).await?;
        let state: String =
            sqlx::query_scalar("select pg_get_wal_replay_pause_state()").fetch_one(&mut there).await?;
        Ok(state == "paused")
    };
    eventually("it is paused", is_paused).await?;
    let mut primary = connected(&pair.primary.url()).await?;
    sqlx::query("create table something (one integer)").execute(&mut primary).await?;
    primary.close().await?;
    let said = deployment.check().await?;
    said.expect("database", "warning DATABASE_READ_URL: the standby is ");
    assert!(
        said.of("database").iter().any(|line| line.contains("its replay is paused")),
        "{:?}",
        said.of("database")
    );
    sqlx::query("select pg_wal_replay_resume()").execute(&mut there).await?;
    there.close().await?;

    read_from(&mut deployment, &pair.primary.service_url());
    let said = deployment.check().await?;
    said.expect("database", "warning DATABASE_READ_URL: it takes writes: it is the primary itself");
    read_from(&mut deployment, &eventlog::testing::service_url(&eventlog::testing::url().await));
    let said = deployment.check().await?;
    said.expect("database", "fault DATABASE_READ_URL: it is a copy of another server");
    let gone = pair.standby.service_url();
    pair.standby.stop().await?;
    read_from(&mut deployment, &gone);
    let said = deployment.check().await?;
    said.expect("database", "warning DATABASE_READ_URL: no server at ");
    assert!(said.of("database").iter().any(|line| line.contains("the primary answers reads meanwhile")));
    pair.primary.stop().await?;
    Ok(())
}

/// Lines of the service's log with these words.
fn told(service: &Service, words: &str) -> usize {
    service.log_after(0).iter().filter(|line| line.line.contains(words)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_what_a_failover_would_lose_and_an_outage_of_the_standby_is_told_once() -> Result<()> {
    const LOST: &str = "replication is asynchronous";
    const AWAY: &str = "the standby cannot be used";
    const BACK: &str = "the standby answers reads";
    let mut pair = Pair::start().await?;
    let (telegram, dir) = (Telegram::start(Options::default()).await?, tempfile::tempdir()?);
    let mut settings = Settings::new(&telegram, dir.path(), None)?
        .with("DATABASE_URL", pair.primary.service_url().expose_secret())
        .with("DATABASE_READ_URL", pair.standby.service_url().expose_secret());
    settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
    let service = Service::new(settings);
    service.start()?;
    service.wait_until_running().await?;
    assert_eq!(told(&service, LOST), 1);

    eventually("the standby is used", async || Ok(told(&service, "a standby answers reads") == 1)).await?;
    let (away, back) = (told(&service, AWAY), told(&service, BACK));
    pair.standby.stop().await?;
    eventually("its outage is told", async || Ok(told(&service, AWAY) > away)).await?;
    pair.standby = PrivateCluster::start(pair.dirs[1].path()).await?;
    eventually("its end is told", async || Ok(told(&service, BACK) > back)).await?;
    assert_eq!(told(&service, AWAY), told(&service, BACK), "each outage is told once");

    service.stop().await;
    let mut primary = connected(&pair.primary.url()).await?;
    sqlx::query("alter system set synchronous_standby_names = '*'").execute(&mut primary).await?;
    sqlx::query("select pg_reload_conf()").execute(&mut primary).await?;
    eventually("it is read", async || {
        let mut primary = connected(&pair.primary.url()).await?;
        let names: String =
            sqlx::query_scalar("show synchronous_standby_names").fetch_one(&mut primary).await?;
        Ok(names == "*")
    })
    .await?;
    service.start()?;
    service.wait_until_running().await?;
    assert_eq!(told(&service, LOST), 1, "it is synchronous now");
    service.stop().await;
    // Nobody waits for a standby while the server stops.
    sqlx::query("alter system reset synchronous_standby_names").execute(&mut primary).await?;
    primary.close().await?;
    pair.stop().await
}
