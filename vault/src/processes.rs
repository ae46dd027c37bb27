//! The running processes, and which master keys each has read. A rotation waits for them.
//!
//! 1. A process announces its keys before it opens anything ([`Process::announce`]). A key that seals by then has to be among
//!    them: otherwise the process does not start.
//! 2. It reads the file again every two seconds, and announces what has changed ([`Process::watch`]).
//! 3. A new key seals only once every process has announced it ([`crate::Rotation`]).
//!
//! An announcement holds the row of `installation` shared, and a rotation holds it alone while it looks at the processes. So
//! no process slips in between.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eventlog::Outage;
use eventlog::database::{Database, DatabaseError};
use tokio::sync::Notify;
use tokio::time::sleep;
use uuid::Uuid;

use crate::installation::InstallationError;
use crate::master::{MasterKey, Reloaded};
use crate::presence::Presence;

/// How often the key file is read.
const READ_EVERY: Duration = Duration::from_secs(2);
/// After how many readings a process gives a sign of life.
const SIGN_OF_LIFE_AFTER: u32 = 3;
/// A process that gave none for so long does not count.
const RUNS: Duration = Duration::from_secs(15);

/// This process, among those that use the database.
#[derive(Debug)]
pub struct Process {
    db: Database,
    master: Arc<MasterKey>,
    id: Uuid,
    machine: String,
    retired: Notify,
}

/// Whether another process than this one has the master key, and so the role `bot`: it may reach what this one does not.
///
/// # Errors
/// The database failed.
pub async fn others_run(db: &Database) -> Result<bool, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) > 1 as "several!" from vault.processes where seen_at > clock_timestamp() - make_interval(secs => $1)"#,
        RUNS.as_secs_f64()
    )
    .fetch_one(db.pool())
    .await?)
}

impl Process {
    /// Announces the keys that this process has read. It must not open anything before.
    ///
    /// # Errors
    /// [`InstallationError::RotatedKey`]: the file lacks the key that seals; the database failed.
    pub async fn announce(db: &Database, master: Arc<MasterKey>) -> Result<Self, InstallationError> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let machine = format!("{} (process {})", name.trim(), std::process::id());
        let process = Self { db: db.clone(), master, id: Uuid::new_v4(), machine, retired: Notify::new() };
        process.tell(None).await?;
        Ok(process)
    }

    /// Tells which keys this process has read by now.
    pub(crate) async fn tell(&self, holder: Option<&str>) -> Result<(), InstallationError> {
        let file = self.master.file();
        let needed = sqlx::query_scalar!(
            r#"with stamp as materialized (select sealing_key_id from installation for share),
             told as (
               insert into vault.processes as p (id, machine, holder, opens, seals, seen_at)
               select $1, $2, $3, $4, $5, clock_timestamp() from stamp
                where sealing_key_id is null or sealing_key_id = any($4)
               on conflict (id) do update
                  set holder = coalesce(excluded.holder, p.holder), opens = excluded.opens, seals = excluded.seals,
                      sealed_otherwise_until = case when p.seals = excluded.seals then p.sealed_otherwise_until
                                                    else clock_timestamp() end,
                      seen_at = excluded.seen_at
               returning id)
             select sealing_key_id from stamp where not exists (select from told)"#,
            self.id,
            self.machine,
            holder,
            &file.ids(),
            file.sealing().id()
        )
        .fetch_optional(self.db.pool())
        .await
        .map_err(DatabaseError::from)?;
        match needed.flatten() {
            None => Ok(()),
            Some(id) => {
                let path = self.master.path().map_or_else(PathBuf::new, PathBuf::from);
                Err(InstallationError::RotatedKey { id, path })
            }
        }
    }

    /// Reads the key file again and again, and tells the other processes what it holds, for ever. `name` makes names for the
    /// presence of this process.
    pub async fn watch(&self, name: impl Fn() -> String) {
        let mut outage =
            Outage::new("key rotation waits for the database", "key rotation has the database again");
        let work = async |holder: String| {
            if let Err(error) = self.follow(&holder).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the other processes do not know which master keys this one has read"
                );
            }
        };
        Presence::keep(&self.db, &mut outage, name, work).await;
    }

    /// Returns after a key has left the file.
    pub async fn retired(&self) {
        self.retired.notified().await;
    }

    async fn follow(&self, holder: &str) -> Result<(), InstallationError> {
        let mut unreadable = Outage::new(
            "MASTER_KEY_FILE cannot be read again, the keys stay as they were",
            "MASTER_KEY_FILE is read again",
        );
        self.tell(Some(holder)).await?;
        loop {
            for _ in 0..SIGN_OF_LIFE_AFTER {
                sleep(READ_EVERY).await;
                match self.master.reload() {
                    Ok(Reloaded::Same) => unreadable.over(),
                    Ok(reloaded) => {
                        unreadable.over();
                        tracing::info!(seals = self.master.id(), "the master key file has changed");
                        self.tell(Some(holder)).await?;
                        if reloaded == Reloaded::Retired {
                            self.retired.notify_one();
                        }
                    }
                    Err(error) => unreadable.failed(&error),
                }
            }
            self.tell(Some(holder)).await?;
        }
    }

    /// This process ends: nobody has to wait for it.
    ///
    /// # Errors
    /// The database failed: the others wait a few seconds for a sign of life.
    pub async fn leave(&self) -> Result<(), DatabaseError> {
        sqlx::query!("delete from vault.processes where id = $1", self.id).execute(self.db.pool()).await?;
        Ok(())
    }
}
