//! Behind pgbouncer in transaction mode: no client keeps a session, so LISTEN does not work, and a lock lasts only as long as
//! its transaction.
//!
//! That mode supports prepared statements, which sqlx needs, from pgbouncer 1.21 on. `scripts/pgbouncer` fetches one where the
//! installed one is older.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{Leader, run};
use crate::testing::Story;
use eventlog::database::Database;
use private_postgres::PrivateCluster;
use rebuild::rebuild;
use rebuild::verify::verify;
use vault::presence::Presence;

const ILYA: &str = r#"{"first_name":"Ilya"}"#;
const LONG_ENOUGH: Duration = Duration::from_secs(60);

struct Pooler {
    process: Child,
    url: SecretString,
    _directory: TempDir,
}

impl Pooler {
    async fn start(cluster: &SecretString) -> Self {
        let socket_dir = cluster
            .expose_secret()
            .split(['?', '&'])
            .find_map(|part| part.strip_prefix("host="))
            .expect("a socket")
            .to_owned();
        let owner = std::fs::metadata(&socket_dir).unwrap().uid();
        let directory = TempDir::new().unwrap();
        std::os::unix::fs::chown(directory.path(), Some(owner), None).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = directory.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\nqr_login = host={socket_dir} port=5432 user=qr_login\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             max_prepared_statements = 200\ndefault_pool_size = 12\nignore_startup_parameters = extra_float_digits\n"
        );
        std::fs::write(&settings, text).unwrap();
        let process = Command::new(reachable(&program(), directory.path()))
            .arg(&settings)
            .uid(owner)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer is installed");
        let url = SecretString::from(format!("postgresql://qr_login@127.0.0.1:{port}/qr_login"));
        let answers = async {
            while Database::connect(&url).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG_ENOUGH, answers).await.expect("pgbouncer answers");
        Self { process, url, _directory: directory }
    }
}

/// The first pgbouncer that is new enough.
fn program() -> PathBuf {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pgbouncer/pgbouncer");
    let places = [fetched, "/usr/sbin/pgbouncer".into(), "pgbouncer".into()];
    let new_enough = places.into_iter().find(|program| version(program).is_some_and(|it| it >= (1, 21)));
    new_enough.expect("pgbouncer 1.21 or newer: scripts/pgbouncer brings one")
}

/// A copy of the fetched pgbouncer: it does not run as root, and other users may not read the build directory.
fn reachable(program: &Path, directory: &Path) -> PathBuf {
    let Some(fetched) = program.parent().filter(|folder| folder.ends_with("target/pgbouncer")) else {
        return program.to_owned();
    };
    let copied = Command::new("cp").arg("-r").arg(fetched).arg(directory).status().unwrap();
    assert!(copied.success(), "pgbouncer is copied");
    directory.join("pgbouncer/pgbouncer")
}

/// `PgBouncer 1.24.1` is (1, 24).
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers =
        text.lines().next()?.split(' ').nth(1)?.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_service_behind_a_pooler_in_transaction_mode_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let cluster = PrivateCluster::start(directory.path()).await.unwrap();
    let pooler = Pooler::start(&cluster.url()).await;
    let [db, other] =
        [Database::connect(&pooler.url).await.unwrap(), Database::connect(&pooler.url).await.unwrap()];
    let (one, two) = tokio::join!(db.migrate(), other.migrate());
    one.unwrap();
    two.unwrap();
    // The lock of the migrations is free for the next process.
    timeout(LONG_ENOUGH, Database::connect(&pooler.url).await.unwrap().migrate()).await.unwrap().unwrap();

    let story = Story::of(db, pooler.url.clone());
    let presence = Presence::announce(&story.db, "one").await.unwrap();
    let there = "select count(*) from vault.present() id where id = vault.presence_id('one')";
    let leading = tokio::spawn(run(Leader {
        db: story.db.clone(),
        clock: story.clock.clone(),
        tiers: story.tiers.clone(),
        holder: "one".to_owned(),
    }));
    let writer = Story::of(other, pooler.url.clone());
    for number in 1..=20 {
        writer.person(number, ILYA).await;
    }
    let all = async {
        while story.count("select count(*) from users").await < 20 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG_ENOUGH, all).await.expect("everybody is visible");
    assert_eq!(story.count(there).await, 1);
    let done = rebuild(&story.db, &[], |_| {}).await.unwrap();
    assert_eq!(done.iter().map(|view| view.differ).sum::<usize>(), 0);
    drop(presence);
    let gone = async {
        while story.count(there).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG_ENOUGH, gone).await.expect("a process that has gone is no longer present");
    leading.abort();
    let _ = leading.await;
    story.settle().await;
    assert!(verify(&story.db, |_, _| {}).await.unwrap().is_clean());
    for db in [&story.db, &writer.db] {
        db.pool().close().await;
    }
    drop(pooler);
    cluster.stop().await.unwrap();
}
