//! Live logins, in memory. They follow the log from the position of the stored view, with that view's own fold, and wake the
//! requests that wait for a login's next version. A login that has ended stays for a while, so that its last answer is as quick
//! as the others; after that it is read from the view.
//!
//! They know who is blocked, too: a block wakes the requests of that person, and is the answer to all that follow. The login
//! of a person who is erased is dropped at once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{AccountEvent, AccountId, Event, LoginEvent, LoginId};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Log, LogEvent};
use eventlog::{Clock, Outage};
use jiff::{SignedDuration, Timestamp};
use metrics::histogram;
use projections::projector;
use projections::views::login_status::{self, LoginRow};
use projections::views::users;
use telemetry::traces::Moment;
use tokio::sync::watch;
use tokio::time::Instant;
use vault::Vault;

pub use crate::live_login::{LiveLogin, Watched};

/// Before the log is read again that could not be read.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a login stays in memory after its end.
const KEEP_ENDED: SignedDuration = SignedDuration::from_mins(10);
/// How often it is looked for what is to be forgotten: that goes through all logins.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Live logins by id.
#[derive(Debug, Default)]
pub struct LiveLogins {
    logins: RwLock<HashMap<LoginId, watch::Sender<Arc<LiveLogin>>>>,
    /// The accounts of people who are blocked.
    blocked: RwLock<HashSet<AccountId>>,
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
    pub async fn follow(&self, db: &Database, vault: &Vault, clock: &Clock) {
        let mut outage =
            Outage::new("the live logins lost the log; trying again", "the live logins follow the log again");
        loop {
            let Err(error) = self.follow_from_the_view(db, vault, clock, &mut outage).await;
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
        clock: &Clock,
        outage: &mut Outage,
    ) -> Result<std::convert::Infallible, DatabaseError> {
        // The position first: an event between the two reads is folded twice, which the version makes harmless.
        let positions =
            [projector::position_of(db, "login_status").await?, projector::position_of(db, "users").await?];
        let position = positions.into_iter().min().unwrap_or_default();
        let blocked = users::blocked(db).await?.into_iter().collect();
        *self.blocked.write().unwrap_or_else(PoisonError::into_inner) = blocked;
        for row in login_status::live(db).await? {
            self.put(row, vault).await?;
        }
        let mut follower = Log::new(db).follow(position);
        let mut swept_at = Instant::now();
        loop {
            let events = match follower.look().await {
                Ok(events) => events,
                Err(error @ DatabaseError::SetBack) => return Err(error),
                Err(error) => {
                    self.lost(&error, outage).await;
                    continue;
                }
            };
            let began = Moment::now();
            for event in &events {
                let awaited = self.awaited_confirmation(event);
                while let Err(error) = self.take(event, vault).await {
                    self.lost(&error, outage).await;
                }
                if let Some(confirmed_at) = awaited {
                    let seconds = clock.now().duration_since(confirmed_at).as_secs_f64().max(0.0);
                    histogram!("qrlogin_login_phase_seconds", "phase" => "page").record(seconds);
                    if let Some(trace) = event.login_trace() {
                        trace.record("wake page", began);
                    }
                }
            }
            self.follows.store(true, Ordering::Relaxed);
            outage.over();
            // Also where no event came: in a quiet service, what has ended is forgotten all the same.
            if swept_at.elapsed() >= SWEEP_EVERY {
                self.sweep(clock.now());
                swept_at = Instant::now();
            }
            if events.is_empty() {
                follower.wait().await;
            }
        }
    }

    async fn take(&self, event: &LogEvent, vault: &Vault) -> Result<(), DatabaseError> {
        let login_event = match &event.event {
            Ok(Event::Login(login_event)) => login_event,
            Ok(Event::Account(account_event)) => {
                if let Ok(account) = event.stream_id.parse() {
                    self.permit(account, account_event);
                }
                return Ok(());
            }
            Ok(Event::Invite(_) | Event::Audit(_) | Event::Service(_) | Event::History(_)) | Err(_) => {
                return Ok(());
            }
        };
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

    /// When the login of this event was confirmed, where it was, and where a page waits for it here.
    fn awaited_confirmation(&self, event: &LogEvent) -> Option<Timestamp> {
        let Ok(Event::Login(LoginEvent::AuthorizationConfirmed { at, .. })) = &event.event else {
            return None;
        };
        let logins = self.logins.read().unwrap_or_else(PoisonError::into_inner);
        let waits = logins.get(event.stream_id.as_str()).is_some_and(|login| login.receiver_count() > 0);
        waits.then_some(*at)
    }

    /// What an event of an account changes for its person's logins.
    fn permit(&self, account: AccountId, event: &AccountEvent) {
        let is_blocked = match event {
            AccountEvent::AccountBlocked { .. } => true,
            AccountEvent::AccountUnblocked { .. } => false,
            AccountEvent::AccountErased { .. } => return self.forget(account),
            _ => return,
        };
        let mut blocked = self.blocked.write().unwrap_or_else(PoisonError::into_inner);
        if is_blocked {
            blocked.insert(account);
        } else {
            blocked.remove(&account);
        }
        drop(blocked);
        let logins = self.logins.read().unwrap_or_else(PoisonError::into_inner);
        for sender in logins.values() {
            let login = sender.borrow().clone();
            if login.row.account_id == account {
                let changed = LiveLogin::new(login.row.clone(), login.telegram_id, login.token.clone());
                sender.send_replace(Arc::new(login.followed_by(changed.with_block(is_blocked))));
            }
        }
    }

    /// Drops the logins of a person who was erased. Requests that wait for one are woken, and find nothing.
    fn forget(&self, account: AccountId) {
        self.blocked.write().unwrap_or_else(PoisonError::into_inner).remove(&account);
        let mut logins = self.logins.write().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, sender| {
            let login = sender.borrow().clone();
            if login.row.account_id == account {
                sender.send_replace(Arc::new(login.forgotten()));
            }
            login.row.account_id != account
        });
    }

    fn is_blocked(&self, account: AccountId) -> bool {
        self.blocked.read().unwrap_or_else(PoisonError::into_inner).contains(&account)
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
        let is_blocked = self.is_blocked(row.account_id);
        let login = LiveLogin::new(row, telegram_id, token).with_block(is_blocked);
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

    /// Drops what ended a while before now.
    fn sweep(&self, now: Timestamp) {
        let is_old = |login: &LiveLogin| {
            login.row.ended_at.is_some_and(|ended_at| now.duration_since(ended_at) > KEEP_ENDED)
        };
        let logins = self.logins.read().unwrap_or_else(PoisonError::into_inner);
        let found = logins.values().any(|sender| is_old(&sender.borrow()));
        drop(logins);
        if found {
            let mut logins = self.logins.write().unwrap_or_else(PoisonError::into_inner);
            logins.retain(|_, sender| !is_old(&sender.borrow()));
        }
    }
}

#[cfg(test)]
mod tests;
