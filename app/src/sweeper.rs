//! Expires logins past their deadline and subscriptions past their last day, ends blocks on their day, and reminds people before. The
//! views say which are next; the aggregates decide. It also deletes tries that no limit counts any more, and old updates and messages.

use std::convert::Infallible;
use std::time::Duration;

use domain::{AccountCommand, LoginCommand};
use jiff::{SignedDuration, Timestamp};

use crate::rebuilds;
use eventlog::Log;
use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::store::{Context, Store, StoreError};
use eventlog::wake::Topic;
use messages::inbox::Inbox;
use messages::outbox::Outbox;
use projections::projector::wait_for;
use projections::views::{login_status, subscriptions};
use tokio::time::timeout;
use vault::Vault;
use vault::limits::LoginLimits;

mod reminders;

/// Logins, subscriptions and blocks in one sweep; the others are swept when the views show that these have ended.
const PAGE: i64 = 200;
/// How often it sweeps without a signal.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How often reminders are looked for at least: a subscription that was granted meanwhile may end soon.
const REMIND_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How long it waits for the views before that.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How often old rows are deleted: a counted phone number stays for a minute, and not much longer.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// How long settled updates and messages are kept, without their content, to recognise a second one.
const KEEP_SETTLED: Duration = Duration::from_hours(30 * 24);
/// How long an order from the chat keeps its id: by then neither its update nor a press of its button comes again.
const KEEP_ORDERS: Duration = Duration::from_hours(30 * 24);
/// How long a rebuild that an admin ordered is kept, with its report.
const KEEP_RUNS: Duration = Duration::from_hours(90 * 24);
/// How long an update of a person without an account is kept, also where nobody handles it.
const KEEP_STRANGERS: Duration = Duration::from_hours(30 * 24);
/// How long a refused update is kept: it may hold data of a person.
const KEEP_REFUSED: Duration = Duration::from_hours(7 * 24);

/// Watches the deadlines.
#[derive(Debug)]
pub struct Sweeper {
    db: Database,
    store: Store,
    clock: Clock,
}

impl Sweeper {
    /// A sweeper of this database, by this clock.
    pub fn new(db: &Database, clock: &Clock) -> Self {
        Self { db: db.clone(), store: Store::new(db), clock: clock.clone() }
    }

    /// Sweeps at every deadline, for as long as it is polled.
    ///
    /// # Errors
    /// The database's.
    pub async fn run(&self) -> Result<Infallible, DatabaseError> {
        let mut projected = self.db.wake().subscribe(Topic::Projected);
        let (mut prune_at, mut remind_at) = (Timestamp::MIN, Timestamp::MIN);
        loop {
            let now = self.clock.now();
            if now >= prune_at {
                LoginLimits::new(&self.db).prune(now).await?;
                let inbox = Inbox::new(&self.db);
                inbox.prune(KEEP_SETTLED).await?;
                inbox.prune_strangers(KEEP_STRANGERS).await?;
                inbox.refused().prune(KEEP_REFUSED).await?;
                Outbox::new(&self.db).prune(KEEP_SETTLED).await?;
                let vault = Vault::new(&self.db);
                vault.prune_orders(KEEP_ORDERS).await?;
                vault.prune_admin_sessions(now).await?;
                vault.prune_api_requests().await?;
                rebuilds::run::prune(&self.db, KEEP_RUNS).await?;
                prune_at = now + PRUNE_EVERY;
            }
            // Also where the clock was ahead.
            if now >= remind_at || remind_at > now + REMIND_EVERY {
                remind_at = self.remind(now).await?;
            }
            let next = self.sweep().await?;
            tokio::select! {
                () = self.clock.sleep_until(next.map_or(remind_at, |next| next.min(remind_at))) => {}
                () = projected.wait(SWEEP_EVERY) => {}
            }
        }
    }

    /// Reminds people of what ends soon. Returns when to look again.
    async fn remind(&self, now: Timestamp) -> Result<Timestamp, DatabaseError> {
        // What the views do not show yet would be passed over: a later look begins where this one ends.
        let due = Log::new(&self.db).due().await?;
        let Ok(shown) = timeout(CATCH_UP, wait_for(&self.db, due)).await else { return Ok(now) };
        shown?;
        let next = reminders::queue_due(&self.db, now, reminders::BATCH).await?;
        let latest = now + REMIND_EVERY;
        Ok(next.map_or(latest, |next| next.min(latest)))
    }

    /// Expires what is due now. Returns the next deadline, if there is one.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "sweep", level = "error", skip_all)]
    pub async fn sweep(&self) -> Result<Option<Timestamp>, DatabaseError> {
        let now = self.clock.now();
        for login in login_status::expiring(&self.db, now, PAGE).await? {
            let context = Context::system().with_account(login.account_id).with_login(&login.login_id);
            let attempt = u32::try_from(login.attempt).unwrap_or(u32::MAX);
            let command = LoginCommand::Expire { attempt, at: now };
            settled(self.store.login(&login.login_id, command, context).await)?;
        }
        for subscription in subscriptions::ending(&self.db, now, PAGE).await? {
            let context = Context::system().with_account(subscription.account_id);
            let command = AccountCommand::ExpireSubscription { at: now };
            settled(self.store.account(subscription.account_id, command, context).await)?;
        }
        let vault = Vault::new(&self.db);
        for account in vault.due_block_ends(now, PAGE).await? {
            let context = Context::system().with_account(account);
            settled(self.store.account(account, AccountCommand::EndBlock { at: now }, context).await)?;
            vault.block_end_is_done(account).await?;
        }
        let login = login_status::next_to_expire(&self.db, now).await?;
        let subscription = subscriptions::next_to_end(&self.db, now).await?;
        Ok(login.into_iter().chain(subscription).min())
    }
}

/// A refusal means that another command came first; the next sweep will see it. A stream that cannot be read is parked, and
/// that was logged.
fn settled<E: std::error::Error + 'static>(outcome: Result<(), StoreError<E>>) -> Result<(), DatabaseError> {
    match outcome {
        Err(StoreError::Database(DatabaseError::Unreadable(_))) => Ok(()),
        Err(StoreError::Database(error)) => Err(error),
        Ok(()) | Err(StoreError::Refused(_) | StoreError::Fenced) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
