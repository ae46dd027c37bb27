//! A real PostgreSQL for tests: one private cluster a process, a fresh migrated database a test.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::OnceCell;

use private_postgres::{ClusterError, PrivateCluster, SERVICE_ROLE};

use crate::database::Database;
use crate::log::Log;

mod log_lines;
pub mod proxy;
mod small_disk;

pub use log_lines::LogLines;
pub use small_disk::SmallDisk;

/// What every test's database is a copy of.
const TEMPLATE: &str = "migrated";

/// Never dropped; its server ends and its directory goes when the process ends, however it does.
static CLUSTER: OnceCell<PrivateCluster> = OnceCell::const_new();
static MADE: AtomicU32 = AtomicU32::new(0);

/// A fresh, migrated database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    /// Connected.
    pub db: Database,
    /// To connect to it in another way.
    pub url: SecretString,
}

/// A fresh, migrated database, connected.
///
/// # Panics
/// Without PostgreSQL.
pub async fn database() -> TestDatabase {
    let url = url().await;
    let db = Database::connect(&url).await.expect("the copy can be connected to");
    TestDatabase { db, url }
}

/// The URL of a fresh, migrated database.
///
/// # Panics
/// Without PostgreSQL.
pub async fn url() -> SecretString {
    let cluster = CLUSTER.get_or_try_init(cluster).await.expect("a private PostgreSQL can be started");
    let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
    cluster.copy_database(TEMPLATE, &name).await.expect("the template can be copied")
}

/// The URL of the same database for the role that the service uses in production: it owns nothing.
pub fn service_url(owner: &SecretString) -> SecretString {
    owner.expose_secret().replace("user=qr_login", &format!("user={SERVICE_ROLE}")).into()
}

/// A connection without deadlines, for a test that keeps other connections waiting.
///
/// # Panics
/// The server refuses.
pub async fn connection(db: &Database) -> PgConnection {
    let server = db.pool().without_deadlines().connect_options();
    server.connect().await.expect("the server takes another connection")
}

/// Returns once everything that was committed by now has its position in the log. A test may see an event by another way
/// before it has a position.
///
/// # Panics
/// No sequencer gives positions.
pub async fn all_in_place(db: &Database) {
    let due = Log::new(db).due().await.expect("the database answers");
    let log = Log::new(db);
    let placed = async {
        while log.end().await.expect("the database answers") < due {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), placed)
        .await
        .expect("what was committed gets its position");
}

/// Polls a future so many times, and then drops it, as the death of its process does. None: it had not ended by then.
pub async fn dies_after<T>(polls: usize, dying: impl Future<Output = T>) -> Option<T> {
    let mut left = polls;
    let mut dying = Box::pin(dying);
    poll_fn(|context| {
        let polled = dying.as_mut().poll(context).map(Some);
        match left {
            0 => Poll::Ready(None),
            _ => {
                left -= 1;
                polled
            }
        }
    })
    .await
}

async fn cluster() -> Result<PrivateCluster, ClusterError> {
    let cluster = PrivateCluster::start_temporary().await?;
    let url = cluster.create_database(TEMPLATE).await?;
    let template = Database::connect(&url).await.expect("the template can be connected to");
    template.migrate().await.expect("the template can be migrated");
    template.grant_to_service(SERVICE_ROLE, true).await.expect("the service gets a role of its own");
    // A database with connections cannot be copied.
    template.pool().close().await;
    Ok(cluster)
}
