//! The drill of backup and restore, with a service in which people have logged in. `make restore-drill` runs it with more events, and
//! prints how long each step took.
//!
//! 1. Made-up people fill the log. Three more log in: each has a linked session. What there is by then is signed.
//! 2. A dump and a base backup are taken; the WAL is archived from then on.
//! 3. Afterwards one session is handed over to another service. A moment is noted. Then the second person logs out, and the third
//!    is erased. The service stops.
//! 4. The dump is restored into another cluster; the base backup is brought up to the noted moment. Each machine gets today's ledgers,
//!    the keys and the checkpoints, as docs/upgrade-and-restore.md says. Without the master key it does not start.
//! 5. In both: who was erased is erased again, no session comes back, the log is whole, the fork of the log is named and signed by
//!    nobody until it is branched, and people log in.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dataset::Dataset;
use eventlog::{Clock, Database, Log};
use private_postgres::PrivateCluster;
use rebuild::verify::verify;
use stand_in::accounts::{ANNA, Account, ILYA};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Condition, Service, Settings};
use stand_in::{Options, Telegram};
use transparency::{Kept, StoredTree};

use crate::restore::{dump, end, private_alone, restore};

/// The person who is erased.
const OLEG: i64 = 300_000_001;
/// How many events there are besides, where nobody says (`RESTORE_EVENTS`).
const EVENTS: u32 = 300;
/// Of the data set: so many events a login.
const EVENTS_A_LOGIN: u32 = 5;
/// What a restored machine gets from today's, and not from the backup.
const TODAYS: [&str; 4] = ["erased.log", "ended-sessions.log", "checkpoint.key", "checkpoints"];

/// Prints how long a step took, where somebody waits for it.
struct Steps {
    begun: Instant,
    events: u32,
    told: bool,
}

impl Steps {
    fn begin() -> Result<Self> {
        let asked = std::env::var("RESTORE_EVENTS").ok();
        let events = asked.as_deref().map_or(Ok(EVENTS), str::parse).context("RESTORE_EVENTS")?;
        Ok(Self { begun: Instant::now(), events, told: asked.is_some() })
    }

    fn done(&mut self, what: &str) {
        if self.told {
            println!("{:>9.1} s  {what}", self.begun.elapsed().as_secs_f64());
        }
        self.begun = Instant::now();
    }

    /// Longer for more events.
    fn patience(&self) -> Duration {
        Duration::from_secs(90) + Duration::from_micros(500) * self.events
    }
}

/// A machine with the service and its private PostgreSQL.
struct Machine {
    folder: tempfile::TempDir,
    service: Service,
}

impl Machine {
    fn new(telegram: &Telegram) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        let mut settings =
            Settings::new(telegram, folder.path(), None)?.with("AUTH_BASE_URL", "http://127.0.0.1");
        settings.binary = match std::env::var_os("QR_LOGIN_BIN") {
            Some(binary) => binary.into(),
            None => env!("CARGO_BIN_EXE_qr-login").into(),
        };
        Ok(Self { folder, service: Service::new(settings) })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn start(&self, steps: &Steps) -> Result<Database> {
        self.service.start()?;
        let until = Instant::now() + steps.patience();
        // It gives up by itself where that takes longer than a start of a small database.
        while let Err(error) = self.service.wait_until_running().await {
            ensure!(self.service.status().state != Condition::Exited && Instant::now() < until, "{error}");
        }
        Ok(Database::connect(&PrivateCluster::url_of(self.path())?).await?)
    }

    async fn log_in(&self, telegram: &Telegram, person: i64) -> Result<()> {
        let code = self.service.tool(&["invite", "create", "--tier", "premium"]).await?;
        let code = code.split_whitespace().next().context("a code")?.to_owned();
        let card = telegram.person(person).ask_for_card(&format!("/login {code}")).await?;
        let url = card.web_app_url().context("a button")?;
        let session = url.split_once("session_id=").context("a session")?.1;
        let here = format!("{}/qr-auth?session_id={session}", self.service.url());
        let page = MiniApp::open(&here, Some(telegram.person(person).init_data(None)))?;
        let status = page.wait_until(|status| status["deep_link"].is_string()).await?;
        telegram.phone(person).scan(status["deep_link"].as_str().context("a link")?).await?;
        page.wait_for_status("authorized").await?;
        Ok(())
    }

    /// Gets what is kept apart from the database, as it is today.
    fn take_todays(&self, from: &Self) -> Result<()> {
        for name in TODAYS {
            copy(&from.path().join(name), &self.path().join(name))?;
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        std::fs::copy(from, to).with_context(|| from.display().to_string())?;
        return Ok(());
    }
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// Polls until the statement says true.
async fn until(db: &Database, patience: Duration, sql: &str) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !sqlx::query_scalar::<_, bool>(sql).fetch_one(db.pool()).await? {
        ensure!(Instant::now() < deadline, "timed out: {sql}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Until all that was recorded is signed.
async fn signed(db: &Database, patience: Duration) -> Result<()> {
    let due = Log::new(db).due().await?;
    until(db, patience, &format!("select coalesce((select signed_size >= {due} from log_tree), false)")).await
}

/// Step 1. No WAL is kept yet: nothing needs what is older than the base backup.
async fn fill(machine: &Machine, events: u32) -> Result<()> {
    let cluster = PrivateCluster::start(machine.path()).await?;
    let db = Database::connect(&cluster.url()).await?;
    for setting in ["alter system set archive_mode = on", "alter system set archive_command = 'true'"] {
        sqlx::query(setting).execute(db.pool()).await?;
    }
    db.migrate().await?;
    Dataset::load_month(&db, events.div_ceil(EVENTS_A_LOGIN), Clock::system().now()).await?;
    db.close().await;
    Ok(cluster.stop().await?)
}

/// From now on WAL goes to the archive.
async fn archive_from_now_on(machine: &Machine, db: &Database, archive: &Path) -> Result<()> {
    let owner = std::fs::metadata(machine.path().join("postgres"))?;
    std::os::unix::fs::chown(archive, Some(owner.uid()), Some(owner.gid()))?;
    let command =
        format!("alter system set archive_command = 'test ! -f {0}/%f && cp %p {0}/%f'", archive.display());
    for statement in [&*command, "select pg_reload_conf()", "select pg_switch_wal()"] {
        sqlx::query(statement).execute(db.pool()).await?;
    }
    Ok(())
}

/// A base backup, to be brought up to this moment.
fn recover_to(machine: &Machine, archive: &Path, moment: &str) -> Result<()> {
    use std::io::Write as _;
    let data = machine.path().join("postgres/data");
    let mut settings = std::fs::File::options().append(true).open(data.join("postgresql.auto.conf"))?;
    writeln!(settings, "archive_mode = off\nrestore_command = 'cp {}/%f %p'", archive.display())?;
    writeln!(settings, "recovery_target_time = '{moment}'\nrecovery_target_action = promote")?;
    std::fs::write(data.join("recovery.signal"), "")?;
    Ok(())
}

/// Step 5.
async fn holds(machine: &Machine, old: &Machine, telegram: &Telegram, steps: &mut Steps) -> Result<()> {
    // The database alone opens nothing: the key is kept apart.
    machine.take_todays(old)?;
    machine.service.start()?;
    let refused =
        machine.service.wait_until_running().await.expect_err("the master key is missing").to_string();
    ensure!(refused.contains("MASTER_KEY_FILE: this database's key is "), "{refused}");
    copy(&old.path().join("master.key"), &machine.path().join("master.key"))?;
    let db = machine.start(steps).await?;
    steps.done("start until ready");

    until(
        &db,
        steps.patience(),
        &format!("select not exists (select from vault.subjects where telegram_id = {OLEG})"),
    )
    .await?;
    until(&db, steps.patience(), "select not exists (select from vault.sessions)").await?;
    until(
        &db,
        steps.patience(),
        // Who was handed over before the moment of the backup is still told so.
        &format!("select bool_and(not is_authenticated or session_exported) from users where telegram_id in ({ILYA}, {ANNA})"),
    )
    .await?;
    steps.done("erased people and ended sessions are gone again");
    let in_two_places = telegram.mtproto.keys_in_two_places();
    ensure!(in_two_places.is_empty(), "a key that another service has was used: {in_two_places:?}");
    ensure!(
        telegram.mtproto.sessions_of(ILYA).iter().any(|session| !session.phone),
        "the other service lost it"
    );

    let fork = "select coalesce((select fault is not null from log_tree), false)";
    until(&db, steps.patience(), fork).await.context("the fork is not named")?;
    let told = machine.service.log_after(0).into_iter().find(|line| line.line.contains("nothing is signed"));
    ensure!(told.is_some_and(|line| line.line.contains("qr-login log branch")), "it is not told");
    machine.service.tool(&["log", "branch", "--reason", "restored from a backup"]).await?;
    until(&db, steps.patience(), "select coalesce((select fault is null from log_tree), false)").await?;
    signed(&db, steps.patience()).await?;
    ensure!(StoredTree::new(&db).state().await?.fault.is_none());
    steps.done("the fork of the log is named, branched, and signed");

    // Until the branch it finds that the log is not the one that was signed.
    if steps.told {
        let url = machine.service.database_url().await?;
        print!("{}", machine.service.replay(&url, &["verify"]).await?);
    } else {
        let report = verify(&db, |_, _| {}).await?;
        ensure!(report.is_clean(), "{report:?}");
    }
    steps.done("replay verify: nothing differs");

    machine.log_in(telegram, ANNA).await?;
    steps.done("a person logs in");
    db.close().await;
    machine.service.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_and_nothing_comes_back_that_must_not() -> Result<()> {
    let mut steps = Steps::begin()?;
    let telegram = Telegram::start(Options::default()).await?;
    let oleg = Account::new(OLEG, "Oleg", "+79990000003", 2);
    telegram.accounts.insert(Account { language_code: Some("ru".to_owned()), ..oleg });
    let (old, archive) = (Machine::new(&telegram)?, tempfile::tempdir()?);
    std::fs::set_permissions(archive.path(), std::fs::Permissions::from_mode(0o711))?;
    let wal = archive.path().join("wal");
    std::fs::create_dir(&wal)?;

    // 1.
    fill(&old, steps.events).await?;
    steps.done(&format!("a log of {} events is filled", steps.events));
    let db = old.start(&steps).await?;
    for person in [ILYA, ANNA, OLEG] {
        old.log_in(&telegram, person).await?;
    }
    signed(&db, steps.patience()).await?;
    steps.done("views built, three people logged in, all signed");

    // 2.
    let archived_dump = archive.path().join("dump");
    dump(&old.service.database_url().await?, &archived_dump).await?;
    steps.done("pg_dump --format=custom");
    let restored = Machine::new(&telegram)?;
    archive_from_now_on(&old, &db, &wal).await?;
    // As a process beside the service: it uses the server that runs.
    let beside = PrivateCluster::start(old.path()).await?;
    beside.back_up(restored.path(), &[]).await?;
    beside.stop().await?;
    steps.done("pg_basebackup");

    // 3.
    let ilya = ILYA.to_string();
    old.service.tool(&["session", "export", "--user", &ilya, "--format", "telethon", "--yes"]).await?;
    until(&db, steps.patience(), &format!("select session_exported from users where telegram_id = {ILYA}"))
        .await?;
    let moment: String = sqlx::query_scalar("select clock_timestamp()::text").fetch_one(db.pool()).await?;
    telegram.person(ANNA).ask("/logout").await?;
    telegram.person(OLEG).ask("/debug_reset").await?;
    telegram.person(OLEG).press_button("🗑 Сбросить").await?;
    until(
        &db,
        steps.patience(),
        &format!("select not exists (select from vault.subjects where telegram_id = {OLEG})"),
    )
    .await?;
    until(
        &db,
        steps.patience(),
        "select not exists (select from vault.sessions) and not exists (select from vault.retired_keys)",
    )
    .await?;
    signed(&db, steps.patience()).await?;
    let ledger = old.path().join("ended-sessions.log");
    let deadline = Instant::now() + steps.patience();
    while std::fs::read_to_string(&ledger).unwrap_or_default().lines().count() < 3 {
        ensure!(Instant::now() < deadline, "the ledger lacks an end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let last: String =
        sqlx::query_scalar("select pg_walfile_name(pg_switch_wal())").fetch_one(db.pool()).await?;
    until(
        &db,
        steps.patience(),
        &format!("select coalesce(last_archived_wal >= '{last}', false) from pg_stat_archiver"),
    )
    .await?;
    let signed_last = Kept::of_data_dir(old.path()).latest()?;
    ensure!(!signed_last.is_empty(), "what was signed is kept");
    db.close().await;
    old.service.stop().await;
    // A large log, three times, would want a large disk.
    std::fs::remove_dir_all(old.path().join("postgres"))?;
    steps.done("afterwards: one handed over, one logged out, one erased");

    // 4 and 5, the dump.
    let other = Machine::new(&telegram)?;
    let (running, url) = private_alone(other.path()).await?;
    other.service.tool(&["database", "roles"]).await?;
    restore(&archived_dump, &url).await?;
    end(running).await?;
    std::fs::remove_file(&archived_dump)?;
    steps.done("pg_restore into another cluster");
    holds(&other, &old, &telegram, &mut steps).await.context("from the dump")?;
    drop(other);

    // 4 and 5, the base backup and the WAL.
    recover_to(&restored, &wal, &moment)?;
    let cluster = PrivateCluster::start(restored.path()).await?;
    let db = Database::connect(&cluster.url()).await?;
    until(&db, steps.patience(), "select not pg_is_in_recovery()").await?;
    let handed_over: bool =
        sqlx::query_scalar("select exists (select from events where event_type = 'SessionExported')")
            .fetch_one(db.pool())
            .await?;
    let later: bool = sqlx::query_scalar(
        "select exists (select from events where event_type in ('LoggedOut', 'AccountErased'))",
    )
    .fetch_one(db.pool())
    .await?;
    if !handed_over || later {
        bail!("the log does not end at the moment: handed over {handed_over}, later {later}");
    }
    db.close().await;
    cluster.stop().await?;
    steps.done("base backup and WAL, up to a moment");
    holds(&restored, &old, &telegram, &mut steps).await.context("from the base backup")?;
    Ok(())
}
