//! Erases a person. A crash between two steps only delays the rest:
//!
//! 1. Cancel the live logins. Take the linked session out of the vault, so that it is logged out at Telegram.
//! 2. Append `AccountErased`. Each view deletes the person's rows when it handles the event.
//! 3. Wait until all views and the reactor have handled it.
//! 4. Remember a block and the used invites ([`KeptAfterErasure`]), which stay after the erasure.
//! 5. Write the account id into the [`Ledger`], a file outside of the database, and fsync it.
//! 6. Forget what was not delivered to webhooks about them.
//! 7. Delete the person's key and the link to the Telegram id: from then on nobody can open the sealed data in the log.
//!
//! [`Erasure::order`] does steps 1 and 2. [`run`] does the others, for each `AccountErased`. It runs in every process that
//! projects, and begins at the start of the log each time: so people stay erased when a backup is restored.
//!
//! The person's key stays in the WAL and in old backups until those are deleted.

use std::sync::Arc;
use std::time::Duration;

use domain::login::CancelReason;
use domain::{AccountCommand, AccountError, AccountId, LoginCommand};
use tracing::Instrument;

use crate::ledger::Ledger;
use eventlog::Outage;
use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Filter, Log};
use eventlog::store::{Context, Store, StoreError};
use eventlog::wake::Topic;
use projections::projector;
use projections::views::{invites, login_status};
use vault::{DerivedKeys, KeptAfterErasure, RetireReason, Vault};

#[cfg(test)]
mod tests;

/// Erased accounts in one read.
const PAGE: i64 = 100;
/// How long step 1 waits for the views. The reactor cancels a login that they do not show by then.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How often it looks without a signal, and after a failure.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Erases people.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// The database of the log and the views.
    pub db: Database,
    /// Takes the commands.
    pub store: Store,
    /// Holds the keys of people.
    pub vault: Vault,
    /// Makes the fingerprint of a Telegram id.
    pub keys: Arc<DerivedKeys>,
    /// The time in events.
    pub clock: Clock,
}

/// Why a person was not erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The account refused it.
    #[error(transparent)]
    Account(#[from] StoreError<AccountError>),
    /// The database failed: order it again.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The ledger cannot be written, so the key stays.
    #[error("the ledger of erased accounts cannot be written")]
    Ledger(#[source] std::io::Error),
}

impl Erasure {
    /// Does steps 1 and 2. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`ErasureError`]: nobody has this account, or the database failed.
    pub async fn order(&self, account: AccountId, context: Context) -> Result<(), ErasureError> {
        let at = self.clock.now();
        let context = context.with_account(account);
        let end = Log::new(&self.db).end().await?;
        if let Ok(outcome) = tokio::time::timeout(CATCH_UP, projector::wait_for(&self.db, end)).await {
            outcome?;
        }
        for live in login_status::live_of(&self.db, account).await? {
            let attempt = u32::try_from(live.attempt).unwrap_or(u32::MAX);
            let cancel = LoginCommand::Cancel { attempt, reason: CancelReason::Erased, at };
            match self.store.login(&live.login_id, cancel, context.clone()).await {
                // It has ended already.
                Ok(()) | Err(StoreError::Refused(_)) => {}
                Err(StoreError::Database(error)) => return Err(error.into()),
                // The reactor cancels it, because of the event.
                Err(StoreError::Fenced) => {}
            }
        }
        if let Some(linked) = self.vault.linked(account).await? {
            let log_out = AccountCommand::LogOut { login_id: linked.login_id.clone(), at };
            match self.store.account(account, log_out, context.clone().with_login(&linked.login_id)).await {
                // The session was handed over a moment ago; the session itself shows it.
                Ok(()) | Err(StoreError::Refused(AccountError::HandedOver)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.vault.retire_all_linked(account, RetireReason::LoggedOut).await?;
        self.store.account(account, AccountCommand::Erase { at }, context).await?;
        Ok(())
    }

    async fn is_finished(
        &self,
        account: AccountId,
        ledger: &Ledger<AccountId>,
    ) -> Result<bool, DatabaseError> {
        Ok(ledger.holds(&account) && self.vault.subject(account).await?.is_none())
    }

    /// Does steps 3 to 7, for an account whose `AccountErased` is at this position.
    #[tracing::instrument(name = "erase", level = "error", skip_all, fields(account.id = %account, position))]
    async fn finish(
        &self,
        account: AccountId,
        position: i64,
        ledger: &mut Ledger<AccountId>,
    ) -> Result<(), ErasureError> {
        let subject = self.vault.subject(account).await?;
        projector::wait_for(&self.db, position).await?;
        self.wait_for_reactor(position).await?;
        if let Some(subject) = &subject {
            // A login may have been confirmed between steps 1 and 2.
            self.vault.retire_all_linked(account, RetireReason::LoggedOut).await?;
            let blocked = self.store.load_account(account).await?.is_blocked();
            let used_invites = invites::used_by(&self.db, account).await?;
            let person = self.keys.person_hmac(subject.telegram_id);
            self.vault.remember(&person, &KeptAfterErasure { blocked, used_invites }).await?;
        }
        ledger.add([account]).map_err(ErasureError::Ledger)?;
        webhooks::erasure::drop_undelivered(&self.db, account).await?;
        self.vault.erase_subject(account).await?;
        if subject.is_some() {
            tracing::info!("a person was erased");
        }
        Ok(())
    }

    async fn wait_for_reactor(&self, position: i64) -> Result<(), DatabaseError> {
        let mut waker = self.db.wake().subscribe(Topic::Projected);
        while projector::position_of(&self.db, "reactor").await? < position {
            waker.wait(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Erases the people of the ledger again that a restored backup has brought back.
    async fn apply_ledger(&self, ledger: &Ledger<AccountId>) -> Result<(), ErasureError> {
        for account in ledger.entries() {
            let state = self.store.load_account(account).await?;
            if state.is_registered() && !state.is_erased() {
                let span = tracing::error_span!("erase", account.id = %account);
                span.in_scope(|| {
                    tracing::warn!("an erased person had come back with a backup and is erased again");
                });
                self.order(account, Context::system()).instrument(span).await?;
            }
        }
        Ok(())
    }
}

/// Finishes every erasure, for as long as it is polled. Any number of processes may run it.
pub async fn run(erasure: Erasure, mut ledger: Ledger<AccountId>) {
    let mut waker = erasure.db.wake().subscribe(Topic::Positioned);
    let (mut applied, mut position) = (false, 0);
    let mut looking = Outage::new("erasures wait for the database", "erasures have the database again");
    let mut erasing =
        Outage::new("a person could not be erased yet; it is tried again", "people can be erased again");
    loop {
        let mut due = false;
        let outcome = async {
            if !applied {
                erasure.apply_ledger(&ledger).await?;
                applied = true;
            }
            let filter = Filter { name: Some("AccountErased".to_owned()), ..Filter::default() };
            let events = Log::new(&erasure.db).history(&filter, position, PAGE).await?;
            for event in &events {
                if let Ok(account) = event.stream_id.parse()
                    && !erasure.is_finished(account, &ledger).await?
                {
                    let finished = erasure.finish(account, event.position, &mut ledger).await;
                    finished.inspect_err(|_| due = true)?;
                }
                position = event.position;
            }
            Ok::<_, ErasureError>(events.len())
        };
        match outcome.await {
            Ok(found) => {
                looking.over();
                erasing.over();
                if found == 0 {
                    waker.wait(POLL_EVERY).await;
                }
            }
            Err(error) => {
                // Nobody has to be worried about a person where nobody is to be erased.
                match due {
                    true => erasing.failed(&error),
                    false => looking.failed(&error),
                }
                tokio::time::sleep(POLL_EVERY).await;
            }
        }
    }
}
