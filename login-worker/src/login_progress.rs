//! The logins of this process's workers, as the log has them. One follower reads the log for all of them. A worker watches its
//! own login, and so learns that it was cancelled, has expired, or has more time.
//!
//! What a worker has recorded may have no position yet. So the events themselves are read before a login is said to be
//! over, and when a login is taken over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cqrs_es::Aggregate;
use domain::{Event, Login, LoginEvent, LoginId, StreamKind};
use eventlog::{DatabaseError, Log, LogEvent, Outage};
use tokio::sync::watch;

/// A login up to one of its events, and the position of that event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LoginAt {
    position: i64,
    login: Login,
}

impl LoginAt {
    /// Applies an event of this login. False: it was applied before, or the login's start has yet to be read.
    fn apply(&mut self, position: i64, event: &LoginEvent) -> bool {
        let has_started = self.login.attempt() > 0 || matches!(event, LoginEvent::LoginStarted { .. });
        let is_new = has_started && self.position < position;
        if is_new {
            self.position = position;
            self.login.apply(event.clone());
        }
        is_new
    }
}

type Watched = watch::Sender<LoginAt>;

/// Reads the log for the logins that are watched. A cheap clone.
#[derive(Clone)]
pub struct LoginFollower {
    log: Log,
    logins: Arc<Mutex<HashMap<LoginId, Watched>>>,
}

/// A watch of one login. Dropping it ends the watch.
pub struct LoginWatch {
    login_id: LoginId,
    login: watch::Receiver<LoginAt>,
    follower: LoginFollower,
}

impl LoginFollower {
    /// A follower of no login yet.
    pub fn new(log: Log) -> Self {
        Self { log, logins: Arc::default() }
    }

    /// Keeps every watched login up to date, from a position before the first watch. Returns only where the log was set back: the
    /// events that the watches have seen may not exist any more.
    pub async fn follow(&self, after: i64, outage: &mut Outage) {
        let mut follower = self.log.follow(after);
        loop {
            match follower.next().await {
                Ok(events) => {
                    outage.over();
                    events.iter().for_each(|event| self.apply(event));
                }
                Err(error @ DatabaseError::SetBack) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Every login attempt is claimed anew"
                    );
                    return;
                }
                Err(error) => {
                    outage.failed(&error);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Watches a login from now on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn watch(&self, login_id: &LoginId) -> Result<LoginWatch, DatabaseError> {
        // The watch begins before the past is read: an event in between is read twice and applied once.
        let login = self.logins().entry(login_id.clone()).or_default().subscribe();
        let watch = LoginWatch { login_id: login_id.clone(), login, follower: self.clone() };
        for event in self.log.stream(StreamKind::Login, login_id.as_str()).await? {
            self.apply(&event);
        }
        Ok(watch)
    }

    fn apply(&self, event: &LogEvent) {
        let Ok(Event::Login(login_event)) = &event.event else { return };
        let Ok(login_id) = event.stream_id.parse::<LoginId>() else { return };
        if let Some(watched) = self.logins().get(&login_id) {
            watched.send_if_modified(|login| login.apply(event.position, login_event));
        }
    }

    fn logins(&self) -> MutexGuard<'_, HashMap<LoginId, Watched>> {
        self.logins.lock().expect("nothing panics while it holds the logins")
    }
}

impl LoginWatch {
    /// Returns the login once the log has the start of this attempt.
    pub async fn started(&mut self, attempt: u32) -> Login {
        self.wait_for(|login| login.attempt() >= attempt).await
    }

    /// The login as the log has it now.
    pub fn now(&self) -> Login {
        self.login.borrow().login.clone()
    }

    /// Returns once the attempt is over.
    pub async fn over(&mut self, attempt: u32) {
        self.wait_for(|login| login.is_over(attempt)).await;
    }

    async fn wait_for(&mut self, is_so: impl Fn(&Login) -> bool) -> Login {
        let found = self.login.wait_for(|at| is_so(&at.login)).await.ok().map(|at| at.login.clone());
        match found {
            Some(login) => login,
            // The follower keeps the sender for as long as this watch lives.
            None => std::future::pending().await,
        }
    }
}

/// Another watch of the same login.
impl Clone for LoginWatch {
    fn clone(&self) -> Self {
        Self { login_id: self.login_id.clone(), login: self.login.clone(), follower: self.follower.clone() }
    }
}

impl Drop for LoginWatch {
    fn drop(&mut self) {
        let mut logins = self.follower.logins();
        // The receiver of this watch still counts.
        if logins.get(&self.login_id).is_some_and(|watched| watched.receiver_count() <= 1) {
            logins.remove(&self.login_id);
        }
    }
}
