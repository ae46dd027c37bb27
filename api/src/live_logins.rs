//! Live logins, in memory. They follow the log from the position of the stored view, with that view's own fold, and wake the
//! requests that wait for a login's next version. A login that has ended stays for a while, so that its last answer is as quick
//! as the others; after that it is read from the view.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{Event, LoginEvent, LoginId};
use eventlog::Outage;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Log, LogEvent};
use jiff::{SignedDuration, Timestamp};
use projections::projector;
use projections::views::login_status::{self, LoginRow};
use tokio::sync::watch;
use vault::Vault;

pub use crate::live_login::{LiveLogin, Watched};

/// Before the log is read again that could not be read.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a login stays in memory after its end.
const KEEP_ENDED: SignedDuration = SignedDuration::from_mins(10);

/// Live logins by id.
#[derive(Debug, Default)]
pub struct LiveLogins {
    logins: RwLock<HashMap<LoginId, watch::Sender<Arc<LiveLogin>>>>,
    arrivals: watch::Sender<()>,
    follows: AtomicBool,
}

impl LiveLogins {
    /// A live login; None: it has ended long ago, or does not exist.
    pub fn get(&self, login_id: &str) -> Option<Watched> {
        self.logins.read().unwrap_or_else(PoisonError::into_inner).get(login_id).map(watch::Sender::subscribe)
    }

    /// Waits until something newer than `version` is known of a login; for ever, where nothing comes.
    pub async fn newer_than(&self, login_id: &LoginId, version: i64) -> Watched {
        let mut arrivals = self.arrivals.subscribe();
        loop {
            if let Some(mut login) = self.get(login_id.as_str())
                && login.wait_for(|login| login.row.version > version).await.is_ok()
            {
                return login;
            }
            // The sender lives as long as this does, so this cannot fail.
            let _ = arrivals.changed().await;
        }
    }

    /// Waits until this attempt of a login, or a later one, is known; for ever, where none comes.
    pub async fn at_attempt(&self, login_id: &LoginId, attempt: u32) -> Watched {
        let mut seen = 0;
        loop {
            let login = self.newer_than(login_id, seen).await;
            let (version, current) = {
                let login = login.borrow();
                (login.row.version, login.attempt())
            };
            if current >= attempt {
                return login;
            }
            seen = version;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.logins.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they show what the log says: they were read, and the log was not lost since.
    pub fn follows(&self) -> bool {
        self.follows.load(Ordering::Relaxed)
    }

    /// Follows the log, for ever. A lost connection is told once and followed by another.
    pub async fn follow(&self, db: &Database, vault: &Vault) {
        let mut outage =
            Outage::new("the live logins lost the log; trying again", "the live logins follow the log again");
        loop {
            let Err(error) = self.follow_from_the_view(db, vault, &mut outage).await;
            if matches!(error, DatabaseError::SetBack) {
                // Versions that were seen may never come again. Until it is read anew, the view answers.
                self.logins.write().unwrap_or_else(PoisonError::into_inner).clear();
            }
            self.lost(&error, &mut outage).await;
        }
    }

    /// The log cannot be read now: told once, and tried again a moment later.
    async fn lost(&self, error: &DatabaseError, outage: &mut Outage) {
        self.follows.store(false, Ordering::Relaxed);
        outage.failed(error);
        tokio::time::sleep(PAUSE).await;
    }

    /// Reads the live logins and follows from there, until the log is set back. A failure in between begins nothing anew: what
    /// ended meanwhile is no live login in the view any more, and would go on being shown here.
    async fn follow_from_the_view(
        &self,
        db: &Database,
        vault: &Vault,
        outage: &mut Outage,
    ) -> Result<std::convert::Infallible, DatabaseError> {
        // The position first: an event between the two reads is folded twice, which the version makes harmless.
        let position = projector::position_of(db, "login_status").await?;
        for row in login_status::live(db).await? {
            self.put(row, vault).await?;
        }
        let mut follower = Log::new(db).follow(position);
        loop {
            let events = match follower.look().await {
                Ok(events) => events,
                Err(error @ DatabaseError::SetBack) => return Err(error),
                Err(error) => {
                    self.lost(&error, outage).await;
                    continue;
                }
            };
            for event in &events {
                while let Err(error) = self.take(event, vault).await {
                    self.lost(&error, outage).await;
                }
            }
            self.follows.store(true, Ordering::Relaxed);
            outage.over();
            match events.is_empty() {
                true => follower.wait().await,
                false => self.sweep(),
            }
        }
    }

    async fn take(&self, event: &LogEvent, vault: &Vault) -> Result<(), DatabaseError> {
        let Ok(Event::Login(login_event)) = &event.event else { return Ok(()) };
        let before = self.get(&event.stream_id).map(|watched| watched.borrow().clone());
        if before.as_ref().is_some_and(|login| login.row.version >= event.position) {
            return Ok(());
        }
        let starts = matches!(login_event, LoginEvent::LoginStarted { .. });
        if before.is_none() && !starts {
            return Ok(());
        }
        let Some(row) = login_status::fold(before.map(|login| login.row.clone()), event) else {
            return Ok(());
        };
        self.put(row, vault).await
    }

    async fn put(&self, row: LoginRow, vault: &Vault) -> Result<(), DatabaseError> {
        let login_id = row.login_id.clone();
        let before = self.get(login_id.as_str()).map(|watched| watched.borrow().clone());
        let telegram_id = match before.as_ref().and_then(|login| login.telegram_id) {
            Some(id) => Some(id),
            None => vault.subject(row.account_id).await?.map(|subject| subject.telegram_id),
        };
        let token = if row.status.is_live() && row.qr_expires_at.is_some() {
            vault.token(&login_id).await?.filter(|token| i64::from(token.attempt) == i64::from(row.attempt))
        } else {
            None
        };
        let login = LiveLogin::new(row, telegram_id, token);
        let login = Arc::new(match before {
            Some(before) => before.followed_by(login),
            None => login,
        });
        let mut logins = self.logins.write().unwrap_or_else(PoisonError::into_inner);
        match logins.get(&login_id) {
            Some(sender) => {
                sender.send_replace(login);
            }
            None => {
                logins.insert(login_id, watch::Sender::new(login));
                self.arrivals.send_replace(());
            }
        }
        Ok(())
    }

    fn sweep(&self) {
        let newest = self.logins.read().unwrap_or_else(PoisonError::into_inner);
        let ended_at = |login: &LiveLogin| login.row.ended_at;
        let Some(latest) = newest.values().filter_map(|sender| ended_at(&sender.borrow())).max() else {
            return;
        };
        drop(newest);
        let stale = |at: Timestamp| latest.duration_since(at) > KEEP_ENDED;
        let mut logins = self.logins.write().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, sender| !ended_at(&sender.borrow()).is_some_and(stale));
    }
}

#[cfg(test)]
mod tests;
