//! A person may end a linked session in Telegram (Settings > Devices), and Telegram does not report that. So each session is
//! checked now and then. One that is over is recorded as `AuthorizationRevoked`, and forgotten. One that lives shows sessions that
//! nobody here holds (`unowned`). One that was imported is asked first whose it is: another account's is dropped, and the person
//! told (`SessionRejected`).

use std::sync::Arc;
use std::time::Duration;

use domain::account::ImportCommand;
use domain::{AccountCommand, AccountError};
use eventlog::{Clock, Context, Outage, Store, StoreError};
use grammers_client::tl::functions;
use tracing::Instrument;
use vault::{Borrowed, Linked, Vault};

use super::connection::{CallError, Connection};
use super::imported;
use super::seal;
use super::session::LoginSession;
use super::session_files;
use super::telegram_app::TelegramApp;
use super::unowned;
use super::workers::LoginWorkers;

/// How many are checked at once: few, since nothing waits for it.
const BATCH_SIZE: i64 = 4;
/// How often the vault is asked for sessions that are due, at least.
const POLL_EVERY: Duration = Duration::from_secs(10);

/// Checks every linked session once in `interval`, for ever.
pub async fn run(workers: &LoginWorkers, interval: Duration) {
    let mut outage = Outage::new("Linked sessions cannot be read", "Linked sessions are read again");
    loop {
        match workers.vault.claim_linked(workers.clock.now(), interval, BATCH_SIZE).await {
            Ok(sessions) => {
                outage.over();
                futures::future::join_all(
                    sessions
                        .iter()
                        .map(|borrowed| check(workers, borrowed).instrument(span(&borrowed.linked))),
                )
                .await;
                if i64::try_from(sessions.len()) == Ok(BATCH_SIZE) {
                    continue;
                }
            }
            Err(error) => outage.failed(&error),
        }
        // The interval is by the shared clock. The other sleep only finds what was linked meanwhile.
        tokio::select! {
            () = workers.clock.sleep(interval) => {}
            () = tokio::time::sleep(interval.min(POLL_EVERY)) => {}
        }
    }
}

/// At the level of errors, so that the ids stand beside every line, whatever `RUST_LOG` says.
fn span(linked: &Linked) -> tracing::Span {
    tracing::error_span!("session_check", login.id = linked.login_id.short(), account.id = %linked.account_id)
}

async fn check(workers: &LoginWorkers, borrowed: &Borrowed) {
    let linked = &borrowed.linked;
    let network = &workers.telegram.network;
    let opened = seal::open(&workers.master, linked.account_id, &linked.login_id, network, &linked.sealed);
    let session = match opened {
        Ok(session) => Arc::new(session),
        Err(error) => {
            return tracing::error!(
                error = &error as &dyn std::error::Error,
                "A linked session cannot be checked"
            );
        }
    };
    let owner = match workers.vault.subject(linked.account_id).await {
        Ok(subject) => subject.map(|subject| subject.telegram_id),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "A linked session was not checked");
            return release(workers, borrowed).await;
        }
    };
    let was_known = session.user_id().is_some();
    let found = look(&workers.telegram, &session, owner).await;
    match found {
        Ok(Found::Over) => {}
        Ok(Found::OtherAccount) => return drop_other_account(workers, linked, owner).await,
        Ok(Found::Alive) => {
            if !was_known && session.user_id().is_some() {
                keep_owner(workers, borrowed, &session).await;
            }
            if let Err(error) = workers.vault.saw_alive(linked, workers.clock.now()).await {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "A session that lives is not noted as alive");
            }
            let mut borrowed = borrowed.clone();
            let sessions = unowned::list(workers, &mut borrowed, &session).await;
            release(workers, &borrowed).await;
            if let Some(sessions) = sessions {
                unowned::tell(workers, linked, &sessions).await;
            }
            return;
        }
        // Telegram may be unreachable: that says nothing about the session.
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "A linked session was not checked");
            return release(workers, borrowed).await;
        }
    }
    if let Err(error) = revoke(&workers.store, &workers.vault, &workers.clock, linked).await {
        return tracing::warn!(
            error = &error as &dyn std::error::Error,
            "A session that is over stays until the next check"
        );
    }
    let telegram_id = owner.or(session.user_id());
    session_files::update_ended(&workers.vault, &workers.sessions_dir, linked.account_id, telegram_id).await;
    tracing::info!("A linked session was ended in Telegram");
}

/// What Telegram says of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It knows it.
    Alive,
    /// It does not know it any more.
    Over,
    /// It is another account's than it was imported for.
    OtherAccount,
}

/// Whether Telegram still knows this session, and whether it is this person's. No one else may use it meanwhile. None: there is no
/// such person any more, and whose it is does not matter.
///
/// # Errors
/// [`CallError`]: Telegram gave no answer.
pub async fn look(
    app: &TelegramApp,
    session: &Arc<LoginSession>,
    owner: Option<i64>,
) -> Result<Found, CallError> {
    let connection = Connection::open(app, session);
    let found = ask(&connection, session, owner).await;
    connection.close().await;
    match found {
        Err(CallError::Unregistered | CallError::KeyLost(_)) => Ok(Found::Over),
        found => found,
    }
}

async fn ask(
    connection: &Connection,
    session: &LoginSession,
    owner: Option<i64>,
) -> Result<Found, CallError> {
    if let Some(owner) = owner
        && !imported::is_of(connection, session, owner).await?
    {
        return Ok(Found::OtherAccount);
    }
    connection.call(session.home(), &functions::updates::GetState {}).await?;
    Ok(Found::Alive)
}

/// Telegram has said whose an imported session is. From now on the session says so, and has its file.
async fn keep_owner(workers: &LoginWorkers, borrowed: &Borrowed, session: &LoginSession) {
    let Linked { account_id, login_id, .. } = borrowed.linked.clone();
    let sealed = seal::seal(&workers.master, account_id, &login_id, session);
    let Some(key_id) = vault::key_id_of(&sealed) else { return };
    let new = Linked { account_id, login_id, sealed, key_id };
    if let Err(error) = workers.vault.seal_anew(borrowed, &new).await {
        let error = &error as &dyn std::error::Error;
        return tracing::debug!(error, "Whose an imported session is was not kept: Telegram is asked again");
    }
    session_files::update_ended(&workers.vault, &workers.sessions_dir, account_id, session.user_id()).await;
}

async fn drop_other_account(workers: &LoginWorkers, linked: &Linked, owner: Option<i64>) {
    if let Err(error) = reject(&workers.store, &workers.vault, &workers.clock, linked).await {
        return tracing::warn!(
            error = &error as &dyn std::error::Error,
            "An imported session of another account stays until the next check"
        );
    }
    session_files::update_ended(&workers.vault, &workers.sessions_dir, linked.account_id, owner).await;
    tracing::warn!("An imported session was another account's, and was dropped");
}

/// Records that an imported session is another account's, and forgets it. The event comes first: repeated, it changes nothing.
///
/// # Errors
/// The account refuses, or the database failed.
pub async fn reject(
    store: &Store,
    vault: &Vault,
    clock: &Clock,
    linked: &Linked,
) -> Result<(), StoreError<AccountError>> {
    let (account, login_id) = (linked.account_id, linked.login_id.clone());
    let context = Context::system().with_account(account).with_login(&login_id);
    let command = ImportCommand::RejectSession { login_id, at: clock.now() };
    store.account(account, AccountCommand::Import(command), context).await?;
    Ok(vault.unlink(account, &linked.login_id).await?)
}

async fn release(workers: &LoginWorkers, borrowed: &Borrowed) {
    if let Err(error) = workers.vault.release_linked(borrowed).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "A session that was checked is free only a little later"
        );
    }
}

/// Records that a session was ended in Telegram, and forgets it. The event comes first: repeated, it changes nothing.
pub async fn revoke(
    store: &Store,
    vault: &Vault,
    clock: &Clock,
    linked: &Linked,
) -> Result<(), StoreError<AccountError>> {
    let (account, login_id) = (linked.account_id, linked.login_id.clone());
    let context = Context::system().with_account(account).with_login(&login_id);
    let command = AccountCommand::RevokeAuthorization { login_id, at: clock.now() };
    store.account(account, command, context).await?;
    Ok(vault.unlink(account, &linked.login_id).await?)
}
