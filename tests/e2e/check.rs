//! `qr-login check`: the real binary beside a real PostgreSQL, a stand-in Telegram, and ports that nobody listens on.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use eventlog::testing;
use jiff::SignedDuration;
use private_postgres::PrivateCluster;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sqlx::Connection;
use stand_in::{Options, Telegram};

use crate::wait::eventually;
use crate::world::World;

const API_HASH: &str = "0123456789abcdef0123456789abcdef";

/// A deployment that is checked.
pub struct Deployment {
    dir: tempfile::TempDir,
    telegram: Telegram,
    env: Vec<(&'static str, String)>,
}

/// What a check said.
pub struct Said {
    output: Output,
    text: String,
}

impl Deployment {
    /// Nothing runs, and the database is this one.
    pub async fn with_database(url: &SecretString) -> Result<Self> {
        Self::with_telegram(url, Options::default()).await
    }

    async fn with_telegram(url: &SecretString, options: Options) -> Result<Self> {
        let (dir, telegram) = (tempfile::tempdir()?, Telegram::start(options).await?);
        let network = telegram.write_network_file(dir.path(), None)?;
        let env = vec![
            ("DATABASE_URL", url.expose_secret().to_owned()),
            ("DATA_DIR", dir.path().join("data").display().to_string()),
            ("TELEGRAM_NETWORK_FILE", network.display().to_string()),
            ("BOT_API_URL", telegram.bot_api.url()),
            ("BOT_TOKEN", telegram.bot_api.token().to_owned()),
            ("TELEGRAM_API_ID", "12345".to_owned()),
            ("TELEGRAM_API_HASH", API_HASH.to_owned()),
            ("AUTH_BASE_URL", "http://127.0.0.1:1".to_owned()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("OPS_LISTEN_ADDR", "127.0.0.1:1".to_owned()),
        ];
        Ok(Self { dir, telegram, env })
    }

    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.into()));
    }

    /// The stand-in runs in this process: the check must not hold it up.
    async fn run(&self, arguments: &[&str]) -> Result<Said> {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_qr-login"));
        command.arg("check").args(arguments).current_dir(self.dir.path()).env_clear();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let output = command.env("PATH", path).envs(self.env.iter().cloned()).output().await?;
        let text = String::from_utf8(output.stdout.clone())?;
        let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        for secret in [self.telegram.bot_api.token(), API_HASH] {
            ensure!(!all.contains(secret), "a secret was printed: {all}");
        }
        Ok(Said { output, text })
    }

    pub async fn check(&self) -> Result<Said> {
        self.run(&[]).await
    }
}

impl Said {
    /// The lines of this part, as `level what`.
    pub fn of(&self, part: &str) -> Vec<String> {
        let lines = self.text.lines().filter_map(|line| {
            let (level, rest) = line.split_once(' ')?;
            let what = rest.trim_start().strip_prefix(part)?.trim_start();
            Some(format!("{level} {what}"))
        });
        lines.collect()
    }

    #[track_caller]
    pub fn expect(&self, part: &str, line: &str) {
        assert!(self.of(part).iter().any(|told| told.starts_with(line)), "{part}: {line}\nin\n{}", self.text);
    }

    #[track_caller]
    fn expect_code(&self, code: i32) {
        let stderr = String::from_utf8_lossy(&self.output.stderr);
        assert_eq!(self.output.status.code(), Some(code), "{}{stderr}", self.text);
    }
}

/// The URLs of an empty database, for a role that owns nothing and for the owner.
async fn empty_database() -> Result<(SecretString, SecretString)> {
    let owner = testing::url().await;
    let mut connection = sqlx::PgConnection::connect(owner.expose_secret()).await?;
    let empty = "drop schema public, slots, vault cascade; create schema public";
    sqlx::raw_sql(empty).execute(&mut connection).await?;
    connection.close().await?;
    Ok((testing::service_url(&owner), owner))
}

async fn count(url: &SecretString, sql: &str) -> Result<i64> {
    let mut connection = sqlx::PgConnection::connect(url.expose_secret()).await?;
    Ok(sqlx::query_scalar(sql).fetch_one(&mut connection).await?)
}

#[tokio::test]
async fn before_the_first_start_it_says_what_that_start_does_and_changes_nothing() -> Result<()> {
    let (service, owner) = empty_database().await?;
    let mut deployment = Deployment::with_database(&service).await?;
    let refused = deployment.check().await?;
    refused.expect("database", "fault not migrated yet, and the role qr_login_service may not make tables");
    refused.expect_code(1);

    deployment.set("DATABASE_OWNER_URL", owner.expose_secret());
    let said = deployment.check().await?;
    said.expect("settings", "ok every setting is there and right");
    said.expect("database", "ok not migrated yet: the first start does it");
    said.expect("DATA_DIR", "ok ");
    said.expect("SESSIONS_DIR", "ok ");
    said.expect("master key", "ok the first start makes ");
    said.expect("bot token", &format!("ok it is @{}'s", deployment.telegram.bot_api.username()));
    said.expect("Telegram", "ok data centre 2 at 127.0.0.1:");
    said.expect("service", "ok it does not run here; its ports are free");
    said.expect("base URL", "warning http://127.0.0.1:1 does not answer: ");
    said.expect("clock", "ok within ");
    said.expect_code(0);
    assert!(!deployment.dir.path().join("data").exists());
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(count(&owner, tables).await?, 0);
    Ok(())
}

/// A check of the service of this world.
fn of_world(world: &World, dir: &Path) -> Result<Vec<(&'static str, String)>> {
    let url = world.config.data.database_url.as_ref().context("a database")?;
    let network = world.telegram.write_network_file(dir, None)?;
    Ok(vec![
        ("DATABASE_URL", url.expose_secret().to_owned()),
        ("DATA_DIR", world.config.data.data_dir.display().to_string()),
        ("TELEGRAM_NETWORK_FILE", network.display().to_string()),
        ("BOT_API_URL", world.telegram.bot_api.url()),
        ("BOT_TOKEN", world.telegram.bot_api.token().to_owned()),
        ("TELEGRAM_API_ID", "12345".to_owned()),
        ("TELEGRAM_API_HASH", API_HASH.to_owned()),
        ("AUTH_BASE_URL", world.base()),
        ("LISTEN_ADDR", world.config.listen_addr.to_string()),
        ("OPS_LISTEN_ADDR", world.ops_addr().to_string()),
    ])
}

#[tokio::test]
async fn beside_a_running_service_all_is_well_and_a_program_can_read_it() -> Result<()> {
    let world = World::start().await?;
    world.wait_for_readiness("ready\n").await?;
    std::fs::set_permissions(&world.config.data.data_dir, std::fs::Permissions::from_mode(0o700))?;
    let dir = tempfile::tempdir()?;
    let env = of_world(&world, dir.path())?;
    let deployment = Deployment { dir, telegram: world.telegram.clone(), env };
    let before = count_events(&world).await?;
    let said = deployment.check().await?;
    said.expect("database", "ok its tables are those of this program");
    said.expect("database", "ok the role qr_login_service may do what the service does");
    said.expect("database", "ok no standby is attached");
    said.expect("master key", "ok ");
    assert!(said.of("master key")[0].contains("this database's key"), "{}", said.text);
    said.expect("service", "ok it runs here, and is ready");
    said.expect("base URL", &format!("ok {} answers as this service does", world.base()));
    assert!(said.text.ends_with("all is well\n"), "{}", said.text);
    said.expect_code(0);

    let json: Value = serde_json::from_str(&deployment.run(&["--json"]).await?.text)?;
    assert_eq!(json["ok"], true);
    let findings = json["findings"].as_array().context("findings")?;
    assert_eq!(findings.len(), said.text.lines().count() - 1);
    assert!(findings.iter().all(|it| it["level"] == "ok" && it["what"].is_string()), "{json}");
    assert_eq!(count_events(&world).await?, before);
    Ok(())
}

async fn count_events(world: &World) -> Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from events").fetch_one(world.db.pool()).await?)
}

#[tokio::test]
async fn what_cannot_be_reached_or_refuses_is_named_with_its_cause() -> Result<()> {
    let nobody = "postgres://qr_login:pa55word@127.0.0.1:1/qr_login";
    let mut deployment = Deployment::with_database(&nobody.into()).await?;
    let closed = deployment.dir.path().join("closed.toml");
    let text = std::fs::read_to_string(deployment.dir.path().join("network.toml"))?;
    let moved: Vec<_> = text
        .lines()
        .map(|line| if line.starts_with("addr") { "addr = \"127.0.0.1:1\"" } else { line })
        .collect();
    std::fs::write(&closed, moved.join("\n"))?;
    deployment.set("TELEGRAM_NETWORK_FILE", closed.display().to_string());
    deployment.set("BOT_API_URL", "http://127.0.0.1:1");
    let said = deployment.check().await?;
    said.expect("database", "fault DATABASE_URL: connection refused at 127.0.0.1:1: start it, or correct");
    said.expect("bot token", "fault http://127.0.0.1:1/ cannot be reached: ");
    said.expect("Telegram", "fault data centre 2 at 127.0.0.1:1 cannot be reached: connection refused");
    said.expect("clock", "warning there was nobody to compare it with");
    assert!(!said.text.contains("pa55word"), "{}", said.text);
    said.expect_code(1);

    deployment.set("BOT_API_URL", deployment.telegram.bot_api.url());
    deployment.set("BOT_TOKEN", "7000000001:nobodys-token-at-all");
    let said = deployment.check().await?;
    said.expect("bot token", "fault Telegram refuses BOT_TOKEN: check it with @BotFather");
    assert!(!said.text.contains("nobodys-token"), "{}", said.text);
    Ok(())
}

/// Answers each request so, until it is dropped.
fn web_server(answer: &'static str) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    Ok(url)
}

#[tokio::test]
async fn a_public_address_that_leads_elsewhere_is_a_fault_and_one_without_a_service_is_none_yet() -> Result<()>
{
    let url = testing::service_url(&testing::url().await);
    let mut deployment = Deployment::with_database(&url).await?;
    deployment.set("AUTH_BASE_URL", web_server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?);
    let said = deployment.check().await?;
    said.expect("base URL", "fault http://127.0.0.1:");
    assert!(
        said.of("base URL")[0].contains("answers HTTP 404, and not as this service does"),
        "{}",
        said.text
    );
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    deployment.set("AUTH_BASE_URL", web_server(page)?);
    deployment.check().await?.expect("base URL", "fault ");
    deployment.set("AUTH_BASE_URL", web_server("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")?);
    deployment.check().await?.expect("base URL", "warning ");
    // A label of 64 letters has no address, and nobody has to be asked.
    let nowhere = "x".repeat(64);
    deployment.set("AUTH_BASE_URL", format!("http://{nowhere}"));
    let resolves = format!("fault {nowhere} does not resolve: make a DNS record");
    deployment.check().await?.expect("base URL", &resolves);
    // Another program has the port, or answers in the service's place.
    let taken = TcpListener::bind("127.0.0.1:0")?;
    deployment.set("LISTEN_ADDR", taken.local_addr()?.to_string());
    deployment.check().await?.expect("service", "fault LISTEN_ADDR: cannot listen on 127.0.0.1:");
    let other = web_server(page)?;
    deployment.set("OPS_LISTEN_ADDR", other.trim_start_matches("http://"));
    let said = deployment.check().await?;
    said.expect("service", "fault another program answers at 127.0.0.1:");
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_a_minute_is_a_fault() -> Result<()> {
    let url = testing::service_url(&testing::url().await);
    let clock = eventlog::Clock::system();
    let ahead = stand_in::clock::Clock::from_fn(Arc::new(move || {
        (clock.now() + SignedDuration::from_secs(61)).into()
    }));
    let options = Options { clock: ahead, ..Options::default() };
    let said = Deployment::with_telegram(&url, options).await?.check().await?;
    let told = said.of("clock");
    assert!(told[0].starts_with("fault this machine's clock is 6"), "{}", said.text);
    assert!(told[0].contains(" s behind Telegram: set it by NTP"), "{}", said.text);
    said.expect_code(1);
    Ok(())
}

#[tokio::test]
async fn missing_rights_old_tables_and_another_network_are_told() -> Result<()> {
    let owner = testing::url().await;
    let service = testing::service_url(&owner);
    let mut connection = sqlx::PgConnection::connect(owner.expose_secret()).await?;
    let mut run = async |sql: &str| sqlx::raw_sql(sql).execute(&mut connection).await.map(drop);
    run("insert into installation (network) values ('telegram')").await?;
    run("revoke insert on events from qr_login_service").await?;
    let mut deployment = Deployment::with_database(&service).await?;
    let said = deployment.check().await?;
    said.expect("database", "fault the role qr_login_service lacks rights: insert on public.events");
    said.expect("database", "fault it belongs to the network \"telegram\", not to \"private:");

    run("grant insert on events to qr_login_service").await?;
    run("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)").await?;
    let said = deployment.check().await?;
    said.expect("database", "fault its tables are 1 migration behind this program, and the role");
    deployment.set("DATABASE_URL", owner.expose_secret());
    let said = deployment.check().await?;
    said.expect(
        "database",
        "warning its tables are 1 migration behind this program: run `qr-login migrate`; the next start does it, too",
    );
    run("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'x', true, '', 0)")
        .await?;
    deployment.check().await?.expect("database", "fault its tables are of a newer version of this program");
    Ok(())
}

#[tokio::test]
async fn folders_and_a_master_key_that_others_can_read_are_told_and_the_wrong_key_is_a_fault() -> Result<()> {
    let url = testing::service_url(&testing::url().await);
    let deployment = Deployment::with_database(&url).await?;
    let data = deployment.dir.path().join("data");
    std::fs::create_dir(&data)?;
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755))?;
    let key = data.join("master.key");
    vault::MasterKey::make(&key)?;
    let settings = deployment.dir.path().join(".env");
    std::fs::write(&settings, "")?;
    std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o644))?;
    let said = deployment.check().await?;
    said.expect("settings", "warning .env can be read by others: run chmod 600 .env");
    said.expect("DATA_DIR", "warning others can read ");
    said.expect("master key", "ok ");
    assert!(said.of("master key")[0].contains("the first start makes it this database's"), "{}", said.text);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    let said = deployment.check().await?;
    said.expect("master key", "fault master key file ");
    assert!(said.of("master key")[0].contains("run chmod 600"), "{}", said.text);

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let stamp = "insert into installation (network, master_key_id) values ('x', 'deadbeef')";
    let mut connection = sqlx::PgConnection::connect(url.expose_secret()).await?;
    sqlx::query(stamp).execute(&mut connection).await?;
    let said = deployment.check().await?;
    said.expect("master key", "fault MASTER_KEY_FILE: this database's key is deadbeef");
    std::fs::remove_file(&key)?;
    deployment.check().await?.expect("master key", "fault MASTER_KEY_FILE: this database's key is deadbeef");
    // A machine that serves HTTP alone has only the keys for that.
    let mut http = deployment;
    http.set("ROLE", "api");
    let other = vault::MasterKey::random();
    let write = |keys: &vault::MasterKey| -> Result<()> {
        std::fs::write(&key, keys.derived().to_text())?;
        Ok(std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?)
    };
    write(&other)?;
    http.check().await?.expect("master key", "fault ");
    sqlx::query("update installation set master_key_id = $1")
        .bind(other.root_id())
        .execute(&mut connection)
        .await?;
    let said = http.check().await?;
    assert!(said.of("master key")[0].contains("holds this database's keys for HTTP alone"), "{}", said.text);
    http.set("ROLE", "bot");
    http.check().await?.expect("master key", "fault ");
    std::fs::remove_file(&key)?;
    let deployment = http;
    std::fs::remove_dir(&data)?;
    std::fs::write(&data, "")?;
    deployment.check().await?.expect("DATA_DIR", "fault ");
    Ok(())
}

#[tokio::test]
async fn without_the_role_api_nobody_minds_who_has_the_port_of_http() -> Result<()> {
    let mut deployment = Deployment::with_database(&testing::service_url(&testing::url().await)).await?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    deployment.set("LISTEN_ADDR", taken.local_addr()?.to_string());
    deployment.set("ROLE", "projector,api");
    deployment.check().await?.expect("service", "fault LISTEN_ADDR: cannot listen on 127.0.0.1:");
    deployment.set("ROLE", "bot,projector");
    deployment.check().await?.expect("service", "ok it does not run here; its ports are free");
    Ok(())
}

/// Takes the changes of a server, as a standby does, until it is dropped.
struct Standby(Child);

impl Standby {
    fn attach(url: &str, folder: &Path) -> Result<Self> {
        let host = url.split_once("host=").context("a socket")?.1.split('&').next().unwrap_or_default();
        let versions = ["/usr/lib/postgresql/18", "/usr/lib/postgresql/17", "/usr/lib/postgresql/16"];
        let versions = versions.into_iter().chain(["/usr/lib/postgresql/15", "/usr/lib/postgresql/14"]);
        let binary = versions.map(|it| Path::new(it).join("bin/pg_receivewal")).find(|it| it.is_file());
        let mut command = Command::new(binary.context("pg_receivewal")?);
        let target = format!("host={host} user=qr_login dbname=replication application_name=standby");
        command.args(["--no-loop", "--synchronous", "-D"]).arg(folder).args(["-d", &target]);
        Ok(Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_says_when_synchronous_replication_is_off_while_a_standby_is_attached() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = PrivateCluster::start(dir.path()).await?;
    let url = cluster.url();
    let deployment = Deployment::with_database(&url).await?;
    let mut connection = sqlx::PgConnection::connect(url.expose_secret()).await?;
    let attached = "select count(*) from pg_stat_replication";
    deployment.check().await?.expect("database", "ok no standby is attached");

    let wal = tempfile::tempdir()?;
    let standby = Standby::attach(url.expose_secret(), wal.path())?;
    eventually("it is attached", async || Ok(count(&url, attached).await? == 1)).await?;
    let said = deployment.check().await?;
    said.expect(
        "database",
        "fault synchronous replication is off, and a standby is attached: a failover loses logins that people were told of: \
         set synchronous_standby_names, or synchronous_mode in Patroni",
    );
    said.expect_code(1);

    let mut set = async |sql: &str| -> Result<()> {
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        sqlx::raw_sql("select pg_reload_conf()").execute(&mut connection).await?;
        Ok(())
    };
    set("alter system set synchronous_standby_names = 'standby'").await?;
    let is_set =
        "select count(*) from pg_settings where name = 'synchronous_standby_names' and setting <> ''";
    eventually("it is read", async || Ok(count(&url, is_set).await? == 1)).await?;
    let said = deployment.check().await?;
    said.expect("database", "ok synchronous replication is on (standby), and a standby is attached");
    set("alter role qr_login set synchronous_commit = 'off'").await?;
    let said = deployment.check().await?;
    said.expect("database", "fault synchronous_commit is off: a crash of the server loses logins");

    drop(standby);
    eventually("it is gone", async || Ok(count(&url, attached).await? == 0)).await?;
    deployment.check().await?.expect("database", "fault every write waits: synchronous_standby_names is");
    // Nobody waits for a standby while the server stops.
    set("alter system reset synchronous_standby_names").await?;
    cluster.stop().await?;
    Ok(())
}

#[tokio::test]
async fn of_a_private_postgresql_it_starts_nothing() -> Result<()> {
    let url = testing::service_url(&testing::url().await);
    let mut deployment = Deployment::with_database(&url).await?;
    deployment.env.retain(|(name, _)| *name != "DATABASE_URL");
    deployment.check().await?.expect("database", "ok a private PostgreSQL: the first start makes ");
    let data = deployment.dir.path().join("data");
    assert!(!data.exists());

    let cluster = PrivateCluster::start(&data).await?;
    deployment.check().await?.expect("database", "ok not migrated yet: the first start does it");
    cluster.stop().await?;
    let said = deployment.check().await?;
    said.expect("database", "ok a private PostgreSQL in ");
    assert!(
        said.of("database")[0].contains("it does not run now, and the service starts it"),
        "{}",
        said.text
    );
    deployment.set("TELEGRAM_API_ID", "none");
    let said = deployment.check().await?;
    said.expect("settings", "fault TELEGRAM_API_ID: is not a positive number");
    said.expect("Telegram", "warning not asked: correct the settings first");
    deployment.set("TELEGRAM_NETWORK_FILE", "/nowhere/network.toml");
    let said = deployment.check().await?;
    said.expect(
        "settings",
        "fault TELEGRAM_NETWORK_FILE: /nowhere/network.toml: cannot be read: No such file",
    );
    Ok(())
}

#[tokio::test]
async fn it_says_when_a_disk_has_no_room() -> Result<()> {
    let url = testing::service_url(&testing::url().await);
    let deployment = Deployment::with_database(&url).await?;
    let data = deployment.dir.path().join("data");
    let Some(disk) = testing::SmallDisk::mount(&data, 20 * 1024) else { return Ok(()) };
    let said = deployment.check().await?;
    said.expect("DATA_DIR", &format!("warning {} has 20 MiB left: make room on its disk", data.display()));
    disk.fill();
    let said = deployment.check().await?;
    said.expect("DATA_DIR", &format!("fault {} has 0 MiB left: make room on its disk", data.display()));
    said.expect_code(1);
    Ok(())
}
