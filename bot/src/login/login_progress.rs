//! How the logins of this process's workers stand in the log. One follower reads for all of them; a worker watches its
//! own login, and so learns that it was cancelled, has expired, or has more time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::login::LoginEvent;
use domain::{AccountId, Event, InviteGrant, LoginId, LoginStatus, StreamKind};
use eventlog::{DatabaseError, Log, LogEvent};
use jiff::Timestamp;
use tokio::sync::watch;

/// How a login stands after some event of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginProgress {
    /// Where that event stands in the log.
    pub position: i64,
    /// Whose login it is.
    pub account_id: AccountId,
    /// The latest attempt.
    pub attempt: u32,
    /// How that attempt stands.
    pub status: LoginStatus,
    /// When it ends by itself.
    pub deadline_at: Timestamp,
    /// Whether a login code was sent since the last QR code.
    pub by_code: bool,
    /// Whether a QR code took the place of a login code, and nobody has said yet that the latter is of no use.
    pub lost_code: bool,
    /// What it redeems.
    pub invite: Option<InviteGrant>,
}

impl LoginProgress {
    /// The standing after an event of the same login; None before its start.
    pub fn fold(before: Option<Self>, event: &LogEvent) -> Option<Self> {
        let Ok(Event::Login(login)) = &event.event else { return before };
        let position = event.position;
        if before.as_ref().is_some_and(|it| it.position >= position) {
            return before;
        }
        if let LoginEvent::LoginStarted { account_id, invite, attempt, deadline_at, .. } = login {
            let (account_id, invite, attempt) = (*account_id, *invite, *attempt);
            let (status, deadline_at) = (LoginStatus::Waiting, *deadline_at);
            let (by_code, lost_code) = (false, false);
            return Some(Self {
                position,
                account_id,
                attempt,
                status,
                deadline_at,
                by_code,
                lost_code,
                invite,
            });
        }
        before.map(|it| {
            let deadline_at = match login {
                LoginEvent::CodeSent { deadline_at, .. }
                | LoginEvent::PasswordRequested { deadline_at, .. } => *deadline_at,
                _ => it.deadline_at,
            };
            let (by_code, lost_code) = match login {
                LoginEvent::CodeSent { .. } => (true, false),
                LoginEvent::QrIssued { .. } => {
                    (false, it.lost_code || it.status == LoginStatus::CodeRequired)
                }
                LoginEvent::CodeRejected { .. } => (it.by_code, false),
                _ => (it.by_code, it.lost_code),
            };
            let status = login.status_after(it.status);
            Self { position, status, deadline_at, by_code, lost_code, ..it }
        })
    }

    /// Whether this attempt is over: it has ended, or a newer one runs.
    pub fn is_over(&self, attempt: u32) -> bool {
        self.attempt > attempt || (self.attempt == attempt && !self.status.is_live())
    }
}

type Watched = watch::Sender<Option<LoginProgress>>;

/// The logins that are watched. A cheap clone.
#[derive(Clone)]
pub struct LoginFollower {
    log: Log,
    logins: Arc<Mutex<HashMap<LoginId, Watched>>>,
}

/// A view of one login; dropping it ends the watch.
pub struct Watch {
    login_id: LoginId,
    standing: watch::Receiver<Option<LoginProgress>>,
    follower: LoginFollower,
}

impl LoginFollower {
    /// An empty board.
    pub fn new(log: Log) -> Self {
        Self { log, logins: Arc::default() }
    }

    /// Keeps every watched login up to date, from a position before the first watch; returns only where the log was set
    /// back, and what the watches hold may never have happened.
    pub async fn follow(&self, after: i64) {
        let mut follower = self.log.follow(after);
        let mut healthy = true;
        loop {
            match follower.next().await {
                Ok(events) => {
                    healthy = true;
                    events.iter().for_each(|event| self.tell(event));
                }
                Err(error @ DatabaseError::SetBack) => {
                    tracing::warn!(%error, "Every login attempt is claimed anew");
                    return;
                }
                Err(error) => {
                    if std::mem::take(&mut healthy) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "The login workers cannot follow the log"
                        );
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Watches a login from now on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn watch(&self, login_id: &LoginId) -> Result<Watch, DatabaseError> {
        // First the watch, then the past: what happens in between is seen twice and folded once.
        let standing = self.logins().entry(login_id.clone()).or_default().subscribe();
        let watch = Watch { login_id: login_id.clone(), standing, follower: self.clone() };
        for event in self.log.stream(StreamKind::Login, login_id.as_str()).await? {
            self.tell(&event);
        }
        Ok(watch)
    }

    fn tell(&self, event: &LogEvent) {
        if !matches!(event.event, Ok(Event::Login(_))) {
            return;
        }
        let Ok(login_id) = event.stream_id.parse::<LoginId>() else { return };
        if let Some(watched) = self.logins().get(&login_id) {
            watched.send_if_modified(|standing| {
                let after = LoginProgress::fold(standing.clone(), event);
                let changed = after != *standing;
                *standing = after;
                changed
            });
        }
    }

    fn logins(&self) -> MutexGuard<'_, HashMap<LoginId, Watched>> {
        self.logins.lock().expect("nothing panics while it holds the board")
    }
}

impl Watch {
    /// The standing once the log knows of this attempt.
    pub async fn started(&mut self, attempt: u32) -> LoginProgress {
        self.wait_for(|standing| standing.attempt >= attempt).await
    }

    /// The standing now; None while the log does not know the login.
    pub fn now(&self) -> Option<LoginProgress> {
        self.standing.borrow().clone()
    }

    /// Returns once the attempt is over.
    pub async fn over(&mut self, attempt: u32) -> LoginProgress {
        self.wait_for(|standing| standing.is_over(attempt)).await
    }

    async fn wait_for(&mut self, is_so: impl Fn(&LoginProgress) -> bool) -> LoginProgress {
        let found = self.standing.wait_for(|standing| standing.as_ref().is_some_and(&is_so)).await;
        let found = found.ok().and_then(|standing| standing.clone());
        match found {
            Some(standing) => standing,
            // The board holds the other half for as long as this watch lives.
            None => std::future::pending().await,
        }
    }
}

/// Another watch of the same login.
impl Clone for Watch {
    fn clone(&self) -> Self {
        Self {
            login_id: self.login_id.clone(),
            standing: self.standing.clone(),
            follower: self.follower.clone(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut logins = self.follower.logins();
        // This one's own receiver still counts.
        if logins.get(&self.login_id).is_some_and(|watched| watched.receiver_count() <= 1) {
            logins.remove(&self.login_id);
        }
    }
}
