//! Sessions of this service that Telegram knows and nobody here holds. A failover that loses the tail of the log leaves them
//! behind: the person was told that the login succeeded, and its key is gone with the database. A linked session of the same
//! person finds them. Once a day, after a check has found it alive:
//!
//! 1. [`list`]: ask Telegram, with it, for all sessions of the account (`account.getAuthorizations`)
//! 2. [`tell`]: those that this application has made and that are older than an hour (`other_session`)
//! 3. of these, those that no login in the log explains (`accounted`)
//! 4. tell the person of each, once
//!
//! What is unclear is not told. Nothing of this changes what becomes of the check: a question that fails is asked again the next
//! day.
//!
//! It ends no session, although `account.resetAuthorization` could. The log that has lost a login may have lost as well that its
//! session was handed over: then another service works with it, for the person. Only they know that, so only they end it.
//!
//! Telegram's number for a session is kept as a keyed HMAC alone, and only until its person is erased. The log of the process
//! says how many there are, and nothing about them.

use std::sync::Arc;
use std::time::Duration;

use domain::AccountId;
use domain::policy::Notice;
use grammers_client::tl::{enums, functions};
use jiff::SignedDuration;
use messages::outbox::{NewNotice, Outbox};
use vault::{Borrowed, Linked};

use super::connection::{Answer, Connection};
use super::password::hex;
use super::session::LoginSession;
use super::workers::LoginWorkers;

mod accounted;
mod other_session;

use accounted::{LookupError, unaccounted};
use other_session::OtherSession;

/// How often Telegram is asked with one session.
const ASK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the message may wait: a backup that is restored later must not send it.
const TELL_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Step 1. The caller has borrowed the session; where it is borrowed on for this, `borrowed` says so. None: Telegram was asked
/// less than a day ago, or does not answer, or this is no moment to ask.
pub async fn list(
    workers: &LoginWorkers,
    borrowed: &mut Borrowed,
    session: &Arc<LoginSession>,
) -> Option<Vec<enums::Authorization>> {
    match workers.vault.borrow_to_list(borrowed, workers.clock.now(), ASK_EVERY).await {
        Ok(Some(longer)) => *borrowed = longer,
        Ok(None) => return None,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "Telegram is not asked for other sessions of the account");
            return None;
        }
    }
    match ask(workers, session).await {
        Ok(enums::account::Authorizations::Authorizations(answer)) => Some(answer.authorizations),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "Telegram does not say which other sessions the account has");
            None
        }
    }
}

async fn ask(workers: &LoginWorkers, session: &Arc<LoginSession>) -> Answer<enums::account::Authorizations> {
    let connection = Connection::open(&workers.telegram, session);
    let answer = connection.call(session.home(), &functions::account::GetAuthorizations {}).await;
    connection.close().await;
    answer
}

/// Steps 2 to 4, for all sessions of the person whose session `linked` is.
pub async fn tell(workers: &LoginWorkers, linked: &Linked, sessions: &[enums::Authorization]) {
    match tell_of_new(workers, linked, sessions).await {
        Ok(0) => {}
        Ok(told) => {
            tracing::warn!(
                sessions = told,
                "Telegram knows sessions of this service that nobody here holds: the person is told"
            );
            metrics::counter!("qrlogin_unowned_sessions_total").increment(told);
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "Sessions that nobody here holds were not looked for");
        }
    }
}

/// Returns of how many the person is told now.
async fn tell_of_new(
    workers: &LoginWorkers,
    linked: &Linked,
    sessions: &[enums::Authorization],
) -> Result<u64, LookupError> {
    // 2.
    let mut found = other_session::of_this_service(sessions, workers.telegram.api_id, workers.clock.now());
    if found.is_empty() {
        return Ok(0);
    }
    let account = linked.account_id;
    let before = workers.vault.told_unowned(account).await?;
    found.retain(|session| !before.iter().any(|mark| mark[..] == mark_of(workers, account, session)));
    // 3.
    let unowned = unaccounted(workers, linked, found).await?;
    // 4.
    let mut told = 0;
    for session in unowned {
        let mark = mark_of(workers, account, &session);
        // The key keeps a process that dies before the mark is stored from telling twice. The notice does not wait for the disk;
        // the mark does, and comes after it.
        let key = format!("unowned_session/{}", hex(&mark));
        let notice = Notice::UnownedSession {
            device: session.device,
            created_at: session.created_at,
            active_at: session.active_at,
        };
        let not_after = workers.clock.now().checked_add(TELL_WITHIN).ok();
        Outbox::new(&workers.db).notices(&[NewNotice { key, account, notice, not_after }]).await?;
        workers.vault.unowned_was_told(account, &mark).await?;
        told += 1;
    }
    Ok(told)
}

fn mark_of(workers: &LoginWorkers, account: AccountId, session: &OtherSession) -> [u8; 32] {
    workers.master.session_hmac(account, session.hash)
}
