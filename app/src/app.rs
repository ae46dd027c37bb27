//! [`App`]: what every use case works with.

use std::sync::Arc;
use std::time::Duration;

use domain::Tiers;
use eventlog::{Clock, Database, DatabaseError, Log, Store};
use projections::projector::wait_for;
use tokio::time::timeout;
use vault::limits::LoginLimits;
use vault::{DerivedKeys, Vault};

use crate::erasure::Erasure;
use crate::invites::Invites;
use crate::people::permissions::Permissions;

/// How long an answer waits for the views.
const CATCH_UP: Duration = Duration::from_secs(2);

/// The database with its parts, the derived keys, the clock and the tiers. The bot, the HTTP API and the command line share
/// one. A cheap clone.
#[derive(Clone, Debug)]
pub struct App {
    /// For the views, the queues and the log.
    pub db: Database,
    /// Takes commands.
    pub store: Store,
    /// What can be forgotten or must be secret.
    pub vault: Vault,
    /// Makes login ids and the HMACs that stand for people.
    pub keys: Arc<DerivedKeys>,
    /// Every deadline goes by it.
    pub clock: Clock,
    /// What each tier gives.
    pub tiers: Arc<Tiers>,
}

impl App {
    /// Over this database.
    pub fn new(db: &Database, keys: Arc<DerivedKeys>, clock: Clock, tiers: Arc<Tiers>) -> Self {
        Self { store: Store::new(db), vault: Vault::new(db), db: db.clone(), keys, clock, tiers }
    }

    /// The invites, which need no keys.
    pub fn invites(&self) -> Invites {
        Invites::new(&self.db, self.clock.clone(), self.tiers.clone())
    }

    /// What forgets people.
    pub fn erasure(&self) -> Erasure {
        Erasure {
            db: self.db.clone(),
            store: self.store.clone(),
            vault: self.vault.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Blocks and roles.
    pub fn permissions(&self) -> Permissions {
        Permissions::new(&self.db)
    }

    /// The limits of tries.
    pub fn limits(&self) -> LoginLimits {
        LoginLimits::new(&self.db)
    }

    /// Waits until the views show what was recorded before now, so that a person reads what they have just done. False:
    /// they are behind all the same, or the database did not say.
    ///
    /// # Errors
    /// The database does not say where the log ends.
    pub async fn catch_up(&self) -> Result<bool, DatabaseError> {
        let due = Log::new(&self.db).due().await?;
        let caught_up = matches!(timeout(CATCH_UP, wait_for(&self.db, due)).await, Ok(Ok(())));
        if !caught_up {
            tracing::warn!("the views are behind, an answer may be too");
        }
        Ok(caught_up)
    }
}
