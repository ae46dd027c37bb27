//! The first start: the real binary beside a database of its own, with nothing on the disk yet.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use eventlog::testing;
use secrecy::{ExposeSecret, SecretString};

/// What became of a start.
enum Started {
    Runs(Running),
    /// With what it said.
    Stopped(String),
}

/// Killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn begin(database: &SecretString, data_dir: &Path) -> Child {
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
        // The others need Telegram.
        ("ROLE", "api"),
    ]);
    command.spawn().unwrap()
}

/// Waits until it serves, or has ended.
fn outcome(mut child: Child) -> Started {
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("serving the Mini App") {
            return Started::Runs(Running(child));
        }
        said += &(line + "\n");
    }
    assert!(!child.wait().unwrap().success(), "{said}");
    Started::Stopped(said)
}

fn start(database: &SecretString, data_dir: &Path) -> Started {
    outcome(begin(database, data_dir))
}

fn runs(database: &SecretString, data_dir: &Path) -> Running {
    match start(database, data_dir) {
        Started::Runs(running) => running,
        Started::Stopped(said) => panic!("it stopped: {said}"),
    }
}

fn stops(database: &SecretString, data_dir: &Path) -> String {
    match start(database, data_dir) {
        Started::Stopped(said) => said,
        Started::Runs(_) => panic!("it runs"),
    }
}

#[tokio::test]
async fn a_data_folder_that_is_missing_is_made_for_its_owner_alone() {
    let (database, place) = (testing::url().await, tempfile::tempdir().unwrap());
    let data_dir = place.path().join("deep/data");
    let _running = runs(&database, &data_dir);
    assert_eq!(data_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert!(data_dir.join("master.key").exists());
}

#[tokio::test]
async fn of_two_machines_that_start_at_once_one_runs_and_the_other_says_what_to_copy() {
    let (database, place) = (testing::url().await, tempfile::tempdir().unwrap());
    let machines: [PathBuf; 2] = ["one", "other"].map(|name| place.path().join(name));
    for machine in &machines {
        std::fs::create_dir(machine).unwrap();
    }
    let starting = machines.each_ref().map(|machine| begin(&database, machine));
    let outcomes = starting.map(|child| tokio::task::spawn_blocking(|| outcome(child)));
    let [one, other] = outcomes;
    let (winner, loser, said) = match (one.await.unwrap(), other.await.unwrap()) {
        (Started::Runs(_), Started::Stopped(said)) => (&machines[0], &machines[1], said),
        (Started::Stopped(said), Started::Runs(_)) => (&machines[1], &machines[0], said),
        (Started::Runs(_), Started::Runs(_)) => panic!("both run"),
        (Started::Stopped(one), Started::Stopped(other)) => panic!("neither runs: {one}{other}"),
    };

    let line = said.lines().last().unwrap();
    let key = loser.join("master.key");
    assert!(line.starts_with("qr-login: MASTER_KEY_FILE: this database's key is "), "{line}");
    let advice = format!("copy that machine's DATA_DIR/master.key to {} and start again", key.display());
    assert!(line.ends_with(&advice), "{line}");
    assert_eq!(std::fs::read_dir(loser).unwrap().count(), 0, "no useless key stays behind");

    std::fs::copy(winner.join("master.key"), &key).unwrap();
    runs(&database, loser);
    runs(&database, winner);
}

#[tokio::test]
async fn a_new_key_above_the_old_one_starts_and_the_new_one_alone_does_not() {
    let (database, place) = (testing::url().await, tempfile::tempdir().unwrap());
    let (data_dir, elsewhere) = (place.path().join("data"), place.path().join("elsewhere"));
    let fresh = testing::url().await;
    for (database, data_dir) in [(&database, &data_dir), (&fresh, &elsewhere)] {
        std::fs::create_dir(data_dir).unwrap();
        runs(database, data_dir);
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

    runs(&database, &data_dir);
    std::fs::write(&path, format!("{new}{old}")).unwrap();
    runs(&database, &data_dir);
    runs(&database, &data_dir);
    std::fs::write(&path, &new).unwrap();
    let said = stops(&database, &data_dir);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), new, "a file that was there stays");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(key.id()), "{said}");
    std::fs::write(&path, &old).unwrap();
    runs(&database, &data_dir);
    db.close().await;
}
