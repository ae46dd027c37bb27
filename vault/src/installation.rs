//! The installation that a database belongs to: one network (Telegram itself, or a private one) and one master key. The
//! first start writes it, and every later start compares it.
//!
//! Where several machines start for the first time at once, each makes a key file, and the first to stamp the database
//! wins:
//!
//! 1. The database names no key: the file is loaded, or made, and is on the disk from then on.
//! 2. One statement stamps the key, or returns the stamp that was there.
//! 3. A machine whose file does not hold the stamped key stops, and removes the file if it made it in step 1.
//!
//! A crash after step 1 leaves a file without a stamp, with which the next start goes on. There is never a stamp without a
//! file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::derived_keys::DerivedKeys;
use crate::key_file::MasterKeyError;
use crate::master::MasterKey;
use crate::vault::Vault;
use eventlog::database::{Database, DatabaseError};

/// Why a database is refused.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// It was made with another network.
    #[error(
        "this database belongs to the network {of:?}, not to {wanted:?}: TELEGRAM_NETWORK_FILE or the database is the wrong one"
    )]
    OtherNetwork {
        /// The network of the database.
        of: String,
        /// The network of this start.
        wanted: String,
    },
    /// Its master key, or one that something in it is sealed with, is not in the file.
    #[error(
        "MASTER_KEY_FILE: this database's key is {id}, made where the service started first; \
         copy that machine's DATA_DIR/master.key to {} and start again", path.display()
    )]
    OtherKey {
        /// The key that is needed.
        id: String,
        /// The file.
        path: PathBuf,
    },
    /// The key that a rotation has made seal is not in the file.
    #[error(
        "MASTER_KEY_FILE: this database's key was rotated to {id}; copy the key file of the machine where \
         `qr-login key rotate` ran to {} and start again", path.display()
    )]
    RotatedKey {
        /// The key that is needed.
        id: String,
        /// The file.
        path: PathBuf,
    },
    /// Only the keys of HTTP are here, and no process with the master key has started yet.
    #[error(
        "this database belongs to no master key yet: start a process with --role bot,projector and the master key first"
    )]
    NoKeyYet,
    /// The key file cannot be used.
    #[error("MASTER_KEY_FILE")]
    MasterKey(#[from] MasterKeyError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What a database says of the installation that it belongs to. Before the first start it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// As [`belongs_to`] has stamped it.
    pub network: Option<String>,
    /// The id of the key that the first start had.
    pub master_key_id: Option<String>,
}

/// Stamps the database with this network, or makes sure that it is stamped so.
///
/// # Errors
/// [`InstallationError::OtherNetwork`]: the database belongs to another one.
pub async fn belongs_to(db: &Database, network: &str) -> Result<(), InstallationError> {
    sqlx::query!("insert into installation (network) values ($1) on conflict (one) do nothing", network)
        .execute(db.pool())
        .await
        .map_err(DatabaseError::from)?;
    let of = sqlx::query_scalar!("select network from installation")
        .fetch_one(db.pool())
        .await
        .map_err(DatabaseError::from)?;
    if of == network {
        Ok(())
    } else {
        Err(InstallationError::OtherNetwork { of, wanted: network.to_owned() })
    }
}

/// The network and the key that the database is stamped with; nothing is stamped.
///
/// # Errors
/// The database failed.
pub async fn stamp(db: &Database) -> Result<Stamp, DatabaseError> {
    let row =
        sqlx::query!("select network, master_key_id from installation").fetch_optional(db.pool()).await?;
    Ok(row.map_or_else(Stamp::default, |row| Stamp {
        network: Some(row.network),
        master_key_id: row.master_key_id,
    }))
}

/// The bot's name at Telegram, without the @; None before Telegram has said it for the first time.
///
/// # Errors
/// The database failed.
pub async fn bot_username(db: &Database) -> Result<Option<String>, DatabaseError> {
    let name = sqlx::query_scalar!("select bot_username from installation").fetch_optional(db.pool()).await?;
    Ok(name.flatten())
}

/// Keeps the bot's name for the processes that do not speak with Telegram.
///
/// # Errors
/// The database failed.
pub async fn keep_bot_username(db: &Database, username: &str) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update installation set bot_username = $1 where bot_username is distinct from $1",
        username
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

/// The master key, for a start of the service: made where the database belongs to none yet. The network is stamped before.
///
/// # Errors
/// [`InstallationError::OtherKey`]: the file is missing, or does not hold the database's key.
pub async fn master_key(db: &Database, path: &Path) -> Result<MasterKey, InstallationError> {
    let needed = needed_keys(db).await?;
    let (key, is_new) = match needed.is_empty() {
        true => MasterKey::load_or_make(path)?,
        false => (holding(path, &needed)?, false),
    };
    refuse_without_rotated_key(db, &key, path).await?;
    let id = sqlx::query_scalar!(
        r#"update installation set master_key_id = coalesce(master_key_id, $1)
           returning master_key_id as "master_key_id!""#,
        key.root_id()
    )
    .fetch_one(db.pool())
    .await
    .map_err(DatabaseError::from)?;
    if key.knows(&id) {
        return Ok(key);
    }
    if is_new {
        key.unmake(path)?;
    }
    Err(InstallationError::OtherKey { id, path: path.to_owned() })
}

/// The master key, for a command beside the service: it makes none, and stamps nothing.
///
/// # Errors
/// [`InstallationError::OtherKey`]: the file is missing, or does not hold the database's key.
pub async fn existing_master_key(db: &Database, path: &Path) -> Result<MasterKey, InstallationError> {
    let key = holding(path, &needed_keys(db).await?)?;
    refuse_without_rotated_key(db, &key, path).await?;
    Ok(key)
}

/// The derived keys, for a process that needs no more. The file holds them alone, or it is the master key's; then only they
/// stay in memory.
///
/// # Errors
/// [`InstallationError::OtherKey`]: the file is missing, or its keys come from another root; [`InstallationError::NoKeyYet`].
pub async fn derived_keys(db: &Database, path: &Path) -> Result<Arc<DerivedKeys>, InstallationError> {
    let keys = match DerivedKeys::load(path) {
        Ok(Some(keys)) => keys,
        Ok(None) | Err(MasterKeyError::Missing(_)) => {
            return Ok(master_key(db, path).await?.derived().clone());
        }
        Err(error) => return Err(error.into()),
    };
    match stamp(db).await?.master_key_id {
        Some(root) if root == keys.root_id() => Ok(Arc::new(keys)),
        Some(id) => Err(InstallationError::OtherKey { id, path: path.to_owned() }),
        None => Err(InstallationError::NoKeyYet),
    }
}

async fn refuse_without_rotated_key(
    db: &Database,
    key: &MasterKey,
    path: &Path,
) -> Result<(), InstallationError> {
    let sealing =
        sqlx::query_scalar!("select sealing_key_id from installation where sealing_key_id is not null")
            .fetch_optional(db.pool())
            .await
            .map_err(DatabaseError::from)?;
    match sealing.flatten().filter(|id| !key.knows(id)) {
        Some(id) => Err(InstallationError::RotatedKey { id, path: path.to_owned() }),
        None => Ok(()),
    }
}

/// The ids that a key file has to hold; none while the database belongs to no key.
async fn needed_keys(db: &Database) -> Result<Vec<String>, InstallationError> {
    let mut ids = sqlx::query_scalar!(
        r#"select master_key_id as "master_key_id!" from installation where master_key_id is not null"#
    )
    .fetch_all(db.pool())
    .await
    .map_err(DatabaseError::from)?;
    ids.extend(Vault::new(db).sealed_with().await?);
    Ok(ids)
}

/// The keys in the file, among which these are.
fn holding(path: &Path, needed: &[String]) -> Result<MasterKey, InstallationError> {
    let other = |id: &String| InstallationError::OtherKey { id: id.clone(), path: path.to_owned() };
    let key = match (MasterKey::load(path), needed.first()) {
        (Err(MasterKeyError::Missing(_)), Some(id)) => return Err(other(id)),
        (loaded, _) => loaded?,
    };
    match needed.iter().find(|id| !key.knows(id)) {
        Some(id) => Err(other(id)),
        None => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures::future::join_all;
    use tempfile::TempDir;

    use super::*;
    use eventlog::testing;

    #[tokio::test]
    async fn a_database_belongs_to_the_network_of_its_first_start() {
        let test = testing::database().await;
        assert_eq!(super::stamp(&test.db).await.unwrap(), Stamp::default());
        belongs_to(&test.db, "telegram").await.expect("the first start stamps");
        assert_eq!(super::stamp(&test.db).await.unwrap().network.as_deref(), Some("telegram"));
        belongs_to(&test.db, "telegram").await.expect("a later one agrees");
        let other = belongs_to(&test.db, "private:ab12").await;
        assert!(matches!(other, Err(InstallationError::OtherNetwork { of, .. }) if of == "telegram"));
    }
    /// A migrated database of the network `telegram`.
    async fn database() -> Database {
        let db = testing::database().await.db;
        belongs_to(&db, "telegram").await.unwrap();
        db
    }

    /// A machine's DATA_DIR, and the key file in it.
    fn machine() -> (TempDir, PathBuf) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("master.key");
        (directory, path)
    }

    async fn stamp(db: &Database) -> Option<String> {
        super::stamp(db).await.unwrap().master_key_id
    }

    /// Something in the database is sealed with this key.
    async fn seal_something(db: &Database, key: &MasterKey) {
        sqlx::query(
            "insert into vault.retired_keys (account_id, login_id, key_id, sealed, reason)
             values (gen_random_uuid(), 'login', $1, $2, 'logged_out')",
        )
        .bind(key.id())
        .bind(key.seal(b"", b"a session"))
        .execute(db.pool())
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn of_machines_that_start_at_once_one_gets_its_key_and_no_other_keeps_a_file() {
        let db = database().await;
        let machines: Vec<_> = (0..8).map(|_| machine()).collect();
        let starts = join_all(machines.iter().map(|(_, path)| master_key(&db, path))).await;
        let stamp = stamp(&db).await.expect("a stamp");
        let mut running = 0;
        for ((directory, path), start) in machines.iter().zip(starts) {
            match start {
                Ok(key) => {
                    running += 1;
                    assert_eq!((key.id(), key.root_id()), (stamp.clone(), stamp.as_str()));
                    assert_eq!(MasterKey::load(path).unwrap().id(), stamp);
                }
                Err(InstallationError::OtherKey { id, .. }) => {
                    assert_eq!(id, stamp);
                    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(running, 1);
    }

    #[tokio::test]
    async fn a_first_start_that_dies_anywhere_leaves_no_stamp_without_its_file() {
        for steps in 0.. {
            let (db, (_directory, path)) = (database().await, machine());
            let ended = testing::dies_after(steps, master_key(&db, &path)).await;
            if let Some(stamp) = stamp(&db).await {
                assert_eq!(MasterKey::load(&path).unwrap().id(), stamp, "after {steps} steps");
            }
            let file = MasterKey::load(&path).ok().map(|key| key.id());
            let next = master_key(&db, &path).await.unwrap();
            assert!(file.is_none_or(|file| file == next.id()), "after {steps} steps");
            if ended.is_some() {
                assert!(steps > 2, "it died in the middle");
                return;
            }
        }
    }

    /// 1. A machine makes its file, and dies. 2. Another one starts first. 3. The file of the first stays: it may be anything.
    #[tokio::test]
    async fn a_file_from_before_stays_where_another_machine_was_first() {
        let (db, (_one, path), (_other, first)) = (database().await, machine(), machine());
        let (useless, _) = MasterKey::load_or_make(&path).unwrap(); // 1
        let key = master_key(&db, &first).await.unwrap(); // 2
        let error = master_key(&db, &path).await.unwrap_err(); // 3
        assert_eq!(
            error.to_string(),
            format!(
                "MASTER_KEY_FILE: this database's key is {}, made where the service started first; \
                 copy that machine's DATA_DIR/master.key to {} and start again",
                key.id(),
                path.display()
            )
        );
        assert_eq!(MasterKey::load(&path).unwrap().id(), useless.id());
        fs::copy(&first, &path).unwrap();
        assert_eq!(master_key(&db, &path).await.unwrap().id(), key.id());
    }

    #[tokio::test]
    async fn a_file_that_was_put_there_meanwhile_is_not_taken_away() {
        let ((_one, path), (_other, right)) = (machine(), machine());
        let (made, is_new) = MasterKey::load_or_make(&path).unwrap();
        assert!(is_new);
        let (key, _) = MasterKey::load_or_make(&right).unwrap();
        fs::copy(&right, &path).unwrap();
        made.unmake(&path).unwrap();
        assert_eq!(MasterKey::load(&path).unwrap().id(), key.id());
    }

    #[tokio::test]
    async fn a_database_without_a_stamp_takes_the_key_that_opens_what_is_sealed_and_no_other() {
        let (db, (_one, old), (_other, other)) = (database().await, machine(), machine());
        let (key, _) = MasterKey::load_or_make(&old).unwrap();
        seal_something(&db, &key).await;
        for make_first in [false, true] {
            if make_first {
                MasterKey::load_or_make(&other).unwrap();
            }
            let refused = master_key(&db, &other).await.unwrap_err();
            assert!(matches!(refused, InstallationError::OtherKey { id, .. } if id == key.id()));
            assert_eq!(other.exists(), make_first, "neither made nor taken away");
            assert_eq!(stamp(&db).await, None);
        }
        master_key(&db, &old).await.unwrap();
        assert_eq!(stamp(&db).await, Some(key.id()));
    }

    #[tokio::test]
    async fn a_file_with_a_new_key_above_the_old_one_is_right_and_the_old_one_is_stamped() {
        let (db, (_one, path), (_other, new)) = (database().await, machine(), machine());
        let (old, _) = MasterKey::load_or_make(&path).unwrap();
        seal_something(&db, &old).await;
        MasterKey::load_or_make(&new).unwrap();
        let lines = fs::read_to_string(&new).unwrap() + &fs::read_to_string(&path).unwrap();
        fs::write(&path, lines).unwrap();
        for _ in 0..2 {
            let key = master_key(&db, &path).await.unwrap();
            assert_ne!(key.id(), old.id(), "the new one seals");
            seal_something(&db, &key).await;
            assert_eq!(stamp(&db).await, Some(old.id()));
        }
        assert!(master_key(&db, &new).await.is_err(), "the old one is needed");
    }

    #[tokio::test]
    async fn a_command_beside_the_service_makes_no_key_and_stamps_none() {
        let (db, (_one, path), (_other, right)) = (database().await, machine(), machine());
        let missing = existing_master_key(&db, &path).await.unwrap_err();
        assert!(matches!(missing, InstallationError::MasterKey(MasterKeyError::Missing(_))));
        let (key, _) = MasterKey::load_or_make(&right).unwrap();
        existing_master_key(&db, &right).await.unwrap();
        assert_eq!(stamp(&db).await, None);
        master_key(&db, &right).await.unwrap();
        let refused = existing_master_key(&db, &path).await.unwrap_err();
        assert!(matches!(refused, InstallationError::OtherKey { id, .. } if id == key.id()));
        assert!(!path.exists());
    }
}
