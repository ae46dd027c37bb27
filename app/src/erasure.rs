//! Forgetting a person, in an order that a crash at any point only delays:
//!
//! 1. their live logins are cancelled, the linked session is taken out of the vault, to be logged out at Telegram
//! 2. `AccountErased`; every view drops the person when it comes to it
//! 3. all views, and the reactor, are past it
//! 4. what outlives them is kept_after_erasure: a block, used invites ([`KeptAfterErasure`])
//! 5. their account id goes into the [`Ledger`], outside of the database, fsynced
//! 6. their key and the link to their Telegram id go: what is sealed in the log opens for nobody any more
//!
//! Whoever orders it does 1 and 2 ([`Erasure::order`]); the rest follows from the event ([`run`]), in every process that
//! projects, at every start from the beginning: a database that was restored from a backup revives nobody.

use std::sync::Arc;
use std::time::Duration;

use domain::login::CancelReason;
use domain::{AccountCommand, AccountError, AccountId, LoginCommand};

use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Filter, Log};
use eventlog::store::{Context, Store, StoreError};
use eventlog::wake::Topic;
use projections::projector;
use projections::views::{invites, login_status};
use vault::{KeptAfterErasure, MasterKey, RetireReason, Vault};

mod ledger;
#[cfg(test)]
mod tests;

pub use ledger::Ledger;

/// Erased accounts looked at together.
const PAGE: i64 = 100;
/// How long the views have before a login that they do not show yet is left to the reactor.
const CATCH_UP: Duration = Duration::from_secs(2);
/// Looks without a signal, and after a failure.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Forgets people.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// Where they are.
    pub db: Database,
    /// Records it.
    pub store: Store,
    /// Where their key is.
    pub vault: Vault,
    /// Makes the fingerprint of a Telegram id.
    pub master: Arc<MasterKey>,
    /// The time.
    pub clock: Clock,
}

/// Why a person was not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The account's answer.
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
    /// Steps 1 and 2. Repeating it changes nothing.
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
                // Over already.
                Ok(()) | Err(StoreError::Refused(_)) => {}
                Err(StoreError::Database(error)) => return Err(error.into()),
                // The reactor does it, because of the event.
                Err(StoreError::Fenced) => {}
            }
        }
        if let Some(linked) = self.vault.linked(account).await? {
            let log_out = AccountCommand::LogOut { login_id: linked.login_id.clone(), at };
            match self.store.account(account, log_out, context.clone().with_login(&linked.login_id)).await {
                // Just now; who was quicker is seen at the session itself.
                Ok(()) | Err(StoreError::Refused(AccountError::HandedOver)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.vault.retire_all_linked(account, RetireReason::LoggedOut).await?;
        self.store.account(account, AccountCommand::Erase { at }, context).await?;
        Ok(())
    }

    /// Steps 3 to 6, of an account whose `AccountErased` stands at this position.
    async fn finish(
        &self,
        account: AccountId,
        position: i64,
        ledger: &mut Ledger,
    ) -> Result<(), ErasureError> {
        let subject = self.vault.subject(account).await?;
        if subject.is_none() && ledger.holds(account) {
            return Ok(());
        }
        projector::wait_for(&self.db, position).await?;
        self.wait_for_reactor(position).await?;
        if let Some(subject) = &subject {
            // A login that was confirmed while it was ordered.
            self.vault.retire_all_linked(account, RetireReason::LoggedOut).await?;
            let blocked = self.store.load_account(account).await?.is_blocked();
            let used_invites = invites::used_by(&self.db, account).await?;
            let person = self.master.person_hmac(subject.telegram_id);
            self.vault.remember(&person, &KeptAfterErasure { blocked, used_invites }).await?;
        }
        ledger.add(account).map_err(ErasureError::Ledger)?;
        self.vault.erase_subject(account).await?;
        if subject.is_some() {
            tracing::info!(account.id = %account, "A person was forgotten");
        }
        Ok(())
    }

    async fn wait_for_reactor(&self, position: i64) -> Result<(), DatabaseError> {
        let mut news = self.db.wake().subscribe(Topic::Projected);
        while projector::position_of(&self.db, "reactor").await? < position {
            news.wait(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Erases anew whom a restored backup has brought back.
    async fn apply_ledger(&self, ledger: &Ledger) -> Result<(), ErasureError> {
        for account in ledger.accounts() {
            let stands = self.store.load_account(account).await?;
            if stands.is_registered() && !stands.is_erased() {
                tracing::warn!(account.id = %account, "A person who was erased had come back with a backup");
                self.order(account, Context::system()).await?;
            }
        }
        Ok(())
    }
}

/// Finishes every erasure, old and new, for as long as it is polled. Any number of processes may.
pub async fn run(erasure: Erasure, mut ledger: Ledger) {
    let mut news = erasure.db.wake().subscribe(Topic::Positioned);
    let (mut applied, mut position, mut healthy) = (false, 0, true);
    loop {
        let outcome = async {
            if !applied {
                erasure.apply_ledger(&ledger).await?;
                applied = true;
            }
            let filter = Filter { name: Some("AccountErased".to_owned()), ..Filter::default() };
            let events = Log::new(&erasure.db).history(&filter, position, PAGE).await?;
            for event in &events {
                if let Ok(account) = event.stream_id.parse() {
                    erasure.finish(account, event.position, &mut ledger).await?;
                }
                position = event.position;
            }
            Ok::<_, ErasureError>(events.len())
        };
        match outcome.await {
            Ok(found) => {
                healthy = true;
                if found == 0 {
                    news.wait(LOOK_EVERY).await;
                }
            }
            Err(error) => {
                if std::mem::take(&mut healthy) {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(
                        error,
                        "A person who is to be forgotten is not forgotten yet, trying again"
                    );
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}
