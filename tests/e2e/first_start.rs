//! The first start: the real binary beside a database of its own, with nothing on the disk yet.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use eventlog::testing;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;

/// The URL of a fresh database, for the service's role.
async fn fresh() -> SecretString {
    testing::service_url(&testing::url().await)
}

/// How a start ended.
enum Outcome {
    Runs(RunningProcess),
    /// Holds stderr.
    Stopped(String),
}

/// Dropping it kills the process.
struct RunningProcess(Child);

impl Drop for RunningProcess {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn spawn(database: &SecretString, data_dir: &Path) -> Child {
    command(database, data_dir).spawn().unwrap()
}

fn command(database: &SecretString, data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.current_dir(std::env::temp_dir()).stderr(Stdio::piped());
    command.env("DATA_DIR", data_dir).env("DATABASE_URL", database.expose_secret());
    command.envs([
        ("BOT_TOKEN", "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("TELEGRAM_API_ID", "1"),
        ("TELEGRAM_API_HASH", "0123456789abcdef0123456789abcdef"),
        ("AUTH_BASE_URL", "https://login.example.org"),
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("OPS_LISTEN_ADDR", "127.0.0.1:0"),
        // The other roles need Telegram.
        ("ROLE", "api"),
    ]);
    command
}

/// Waits until the process serves or ends.
fn outcome(mut child: Child) -> Outcome {
    let mut stderr = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("serving the Mini App") {
            return Outcome::Runs(RunningProcess(child));
        }
        stderr += &(line + "\n");
    }
    assert!(!child.wait().unwrap().success(), "{stderr}");
    Outcome::Stopped(stderr)
}

fn start(database: &SecretString, data_dir: &Path) -> Outcome {
    outcome(spawn(database, data_dir))
}

fn expect_running(database: &SecretString, data_dir: &Path) -> RunningProcess {
    match start(database, data_dir) {
        Outcome::Runs(running) => running,
        Outcome::Stopped(stderr) => panic!("it stopped: {stderr}"),
    }
}

fn expect_stopped(database: &SecretString, data_dir: &Path) -> String {
    match start(database, data_dir) {
        Outcome::Stopped(stderr) => stderr,
        Outcome::Runs(_) => panic!("it runs"),
    }
}

#[tokio::test]
async fn a_missing_data_folder_is_made_for_its_owner_only() {
    let (database, dir) = (fresh().await, tempfile::tempdir().unwrap());
    let data_dir = dir.path().join("deep/data");
    let _running = expect_running(&database, &data_dir);
    assert_eq!(data_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert!(data_dir.join("master.key").exists());
}

#[tokio::test]
async fn of_two_machines_that_start_at_once_one_runs_and_the_other_says_which_file_to_copy() {
    let (database, dir) = (fresh().await, tempfile::tempdir().unwrap());
    let machines: [PathBuf; 2] = ["one", "other"].map(|name| dir.path().join(name));
    for machine in &machines {
        std::fs::create_dir(machine).unwrap();
    }
    let starting = machines.each_ref().map(|machine| spawn(&database, machine));
    let outcomes = starting.map(|child| tokio::task::spawn_blocking(|| outcome(child)));
    let [one, other] = outcomes;
    let (winner, loser, stderr) = match (one.await.unwrap(), other.await.unwrap()) {
        (Outcome::Runs(_), Outcome::Stopped(stderr)) => (&machines[0], &machines[1], stderr),
        (Outcome::Stopped(stderr), Outcome::Runs(_)) => (&machines[1], &machines[0], stderr),
        (Outcome::Runs(_), Outcome::Runs(_)) => panic!("both run"),
        (Outcome::Stopped(one), Outcome::Stopped(other)) => panic!("neither runs: {one}{other}"),
    };

    let line = stderr.lines().last().unwrap();
    let key = loser.join("master.key");
    assert!(line.starts_with("qr-login: MASTER_KEY_FILE: this database's key is "), "{line}");
    let advice = format!("copy that machine's DATA_DIR/master.key to {} and start again", key.display());
    assert!(line.ends_with(&advice), "{line}");
    assert_eq!(std::fs::read_dir(loser).unwrap().count(), 0, "no useless key is left");

    std::fs::copy(winner.join("master.key"), &key).unwrap();
    expect_running(&database, loser);
    expect_running(&database, winner);
}

#[tokio::test]
async fn a_master_key_that_others_can_read_is_refused_with_what_to_do() {
    let (database, dir) = (fresh().await, tempfile::tempdir().unwrap());
    drop(expect_running(&database, dir.path()));
    let path = dir.path().join("master.key");
    let file = path.display();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let stderr = expect_stopped(&database, dir.path());
    assert_eq!(
        stderr,
        format!(
            "qr-login: MASTER_KEY_FILE: master key file {file} can be read by others: run chmod 600 {file}\n"
        )
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    expect_running(&database, dir.path());
}

#[tokio::test]
async fn a_new_key_above_the_old_one_starts_and_the_new_one_alone_does_not() {
    let (database, dir) = (fresh().await, tempfile::tempdir().unwrap());
    let (data_dir, elsewhere) = (dir.path().join("data"), dir.path().join("elsewhere"));
    let fresh = fresh().await;
    for (database, data_dir) in [(&database, &data_dir), (&fresh, &elsewhere)] {
        std::fs::create_dir(data_dir).unwrap();
        expect_running(database, data_dir);
    }
    let (path, new_path) = (data_dir.join("master.key"), elsewhere.join("master.key"));
    let old = std::fs::read_to_string(&path).unwrap();
    let new = std::fs::read_to_string(&new_path).unwrap();
    let key = vault::MasterKey::load(&path).unwrap();
    let db = eventlog::Database::connect(&database).await.unwrap();
    sqlx::query(
        "insert into vault.retired_keys (account_id, login_id, key_id, sealed, reason)
         values (gen_random_uuid(), 'login', $1, $2, 'logged_out')",
    )
    .bind(key.id())
    .bind(key.seal(b"", b"a session"))
    .execute(db.pool())
    .await
    .unwrap();

    expect_running(&database, &data_dir);
    std::fs::write(&path, format!("{new}{old}")).unwrap();
    expect_running(&database, &data_dir);
    expect_running(&database, &data_dir);
    std::fs::write(&path, &new).unwrap();
    let stderr = expect_stopped(&database, &data_dir);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), new, "an existing file stays");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&key.id()), "{stderr}");
    std::fs::write(&path, &old).unwrap();
    expect_running(&database, &data_dir);
    db.close().await;
}

/// The URLs of an empty database, for a role that owns nothing and for the owner.
async fn two_roles() -> (SecretString, SecretString) {
    let owner = testing::url().await;
    let mut connection = sqlx::PgConnection::connect(owner.expose_secret()).await.unwrap();
    let empty = "drop schema public, slots, vault cascade; create schema public";
    sqlx::raw_sql(empty).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    (testing::service_url(&owner), owner)
}

#[tokio::test]
async fn the_owner_makes_the_tables_and_the_service_runs_with_a_role_that_owns_nothing() {
    let ((service, owner), dir) = (two_roles().await, tempfile::tempdir().unwrap());
    let refused = expect_stopped(&service, dir.path());
    assert!(refused.contains("DATABASE_OWNER_URL"), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");

    let mut command = command(&service, dir.path());
    let running = outcome(command.env("DATABASE_OWNER_URL", owner.expose_secret()).spawn().unwrap());
    assert!(matches!(running, Outcome::Runs(_)));
    // Processes beside it do not need the owner.
    expect_running(&service, dir.path());
    let mut connection = sqlx::PgConnection::connect(owner.expose_secret()).await.unwrap();
    let roles: Vec<String> = sqlx::query_scalar(
        "select distinct usename::text from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(roles, [private_postgres::SERVICE_ROLE]);
}

#[tokio::test]
async fn a_running_service_can_be_read_by_no_other_process_and_leaves_no_core_file() {
    let (database, dir) = (fresh().await, tempfile::tempdir().unwrap());
    let running = expect_running(&database, dir.path());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.0.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");

    if rustix::process::geteuid().is_root() {
        // What belongs to another user shows it: /proc gives what cannot be read to root.
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let binary = place.path().join("qr-login");
        std::fs::copy(env!("CARGO_BIN_EXE_qr-login"), &binary).unwrap();
        let mut command = Command::new(binary);
        command.uid(65534).gid(65534).env_clear().current_dir("/").arg("health").stderr(Stdio::piped());
        // It asks a listener that says nothing.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        command.env("OPS_LISTEN_ADDR", listener.local_addr().unwrap().to_string());
        let asking = RunningProcess(command.spawn().unwrap());
        let _asked = listener.accept().unwrap();
        assert_eq!(std::fs::metadata(format!("/proc/{}/mem", asking.0.id())).unwrap().uid(), 0);
    }
}
