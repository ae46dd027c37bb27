//! Reads from a standby (`DATABASE_READ_URL`). An answer from it is never older than one of the primary would have been.
//!
//! 1. One task looks every second whether the standby can be used: it answers, and shows within two seconds what the primary has.
//! 2. A request asks the primary how far its changes have come, and reads from the standby once that shows all of them. So who has
//!    written something reads it at once, through any process.
//! 3. Where the standby is not there yet after a moment, cannot be used, or fails, the request reads from the primary.
//!
//! What deliberately is not here: anything that writes, and what is read only to decide about a write.

use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use app::App;
use eventlog::database::{Extent, PoolSettings};
use eventlog::{Database, DatabaseError, Outage};
use secrecy::SecretString;
use tokio::time::{sleep, timeout};

/// Between two looks at the standby.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A standby that shows a change later than this is not used.
const BEHIND_AT_MOST: Duration = Duration::from_secs(2);
/// How long one request waits for the standby: as long as a round of replication takes.
const FRESH_WITHIN: Duration = Duration::from_millis(50);
/// How long a statement on the standby may take, and everything that one request asks it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// A standby, which may be away. A cheap clone.
#[derive(Clone, Debug)]
pub struct Standby(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    url: SecretString,
    pool: PoolSettings,
    primary: App,
    /// None while it cannot be used.
    usable: RwLock<Option<App>>,
}

/// Why a standby is not used.
#[derive(Debug, thiserror::Error)]
enum NotUsable {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("it does not answer in time")]
    Silent,
    #[error("it is behind, its replay is paused, or it follows another server")]
    Behind,
}

impl Standby {
    /// Beside the primary of this app. It is not used before [`Self::watch`] has found it good.
    pub fn beside(primary: &App, url: SecretString, pool: PoolSettings) -> Self {
        let pool = PoolSettings { answer_within: ANSWER_WITHIN, ..pool };
        Self(Arc::new(Shared { url, pool, primary: primary.clone(), usable: RwLock::default() }))
    }

    /// Looks for as long as it is polled. An outage is told once.
    pub async fn watch(&self) {
        let mut outage = Outage::new(
            "DATABASE_READ_URL: the standby cannot be used, the primary answers reads",
            "DATABASE_READ_URL: the standby answers reads",
        );
        let mut is_told = false;
        // Connected once, and kept over outages.
        let mut connected = None;
        loop {
            // While the primary is away nothing can be said of the standby.
            if let Ok(extent) = self.0.primary.db.extent().await {
                match self.look(&extent, &mut connected).await {
                    Ok(app) => {
                        if !std::mem::replace(&mut is_told, true) {
                            tracing::info!("DATABASE_READ_URL: a standby answers reads");
                        }
                        outage.over();
                        self.set_usable(Some(app));
                    }
                    Err(error) => {
                        self.set_usable(None);
                        is_told = true;
                        outage.failed(&error);
                    }
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&self, extent: &Extent, connected: &mut Option<App>) -> Result<App, NotUsable> {
        let app = match connected {
            Some(app) => app.clone(),
            None => {
                let db = Database::connect_with(&self.0.url, self.0.pool).await?;
                let primary = &self.0.primary;
                let app = App::new(&db, primary.keys.clone(), primary.clock.clone(), primary.tiers.clone());
                connected.insert(app).clone()
            }
        };
        match timeout(ANSWER_WITHIN, app.db.shows_within(extent, BEHIND_AT_MOST)).await {
            Ok(Ok(true)) => Ok(app),
            Ok(Ok(false)) => Err(NotUsable::Behind),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(NotUsable::Silent),
        }
    }

    /// What the query finds on the standby. None: the primary has to be asked.
    pub async fn read<T, E, F>(&self, query: &impl Fn(App) -> F) -> Option<T>
    where
        E: Error + 'static,
        F: Future<Output = Result<T, E>>,
    {
        let app = self.fresh().await?;
        match timeout(ANSWER_WITHIN, query(app)).await {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(error)) => self.give_up(&error),
            Err(_) => self.give_up(&NotUsable::Silent),
        }
        None
    }

    /// The standby, where it can be used and shows everything that the primary shows now.
    async fn fresh(&self) -> Option<App> {
        let app = self.0.usable.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let extent = self.0.primary.db.extent().await.ok()?;
        match timeout(ANSWER_WITHIN, app.db.shows_within(&extent, FRESH_WITHIN)).await {
            Ok(Ok(true)) => Some(app),
            Ok(Ok(false)) => None,
            Ok(Err(error)) => {
                self.give_up(&error);
                None
            }
            Err(_) => {
                self.give_up(&NotUsable::Silent);
                None
            }
        }
    }

    /// It failed: it is not used before the next look.
    fn give_up(&self, error: &(dyn Error + 'static)) {
        tracing::debug!(error, "the standby failed, the primary answers");
        self.set_usable(None);
    }

    fn set_usable(&self, app: Option<App>) {
        *self.0.usable.write().unwrap_or_else(PoisonError::into_inner) = app;
    }
}
