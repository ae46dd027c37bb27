//! Who read whose history: an `AuditRead` for each reader, what they read, and minute. The person sees it under `/me`.
//!
//! 1. Is it somebody's? A history that does not exist is nobody's. One's own is no audit read.
//! 2. Name the read by its reader, what is read, and the minute: its stream. So the second one of a minute changes nothing, also in
//!    another process or after a restart, and no lock is held.
//! 3. Record it. A failure is told in our own log, and the read goes on: an audit that stops the auditor would be no help.
//!
//! Callers run it beside the read itself, which it therefore does not slow down.

use std::time::Duration;

use domain::{AccountId, AuditCommand, AuditId, AuditTarget, Role};
use eventlog::{Context, Database, DatabaseError, Topic};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::error::UseCaseError;

/// How long a read waits for its note. The note itself goes on after that.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// Notes that a person read a history.
#[tracing::instrument(name = "note_read", level = "error", skip_all)]
pub async fn note_read(app: &App, reader: AccountId, role: Role, target: AuditTarget) {
    let app = app.clone();
    // A task of its own: it goes on where the reader does not wait for it.
    let note = async move {
        if let Err(error) = record(&app, reader, role, target).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "a read of a history could not be recorded");
        }
    };
    if timeout(NOTED_WITHIN, tokio::spawn(note.in_current_span())).await.is_err() {
        tracing::error!("a read of a history is not recorded yet: the database is slow");
    }
}

async fn record(app: &App, reader: AccountId, role: Role, target: AuditTarget) -> Result<(), UseCaseError> {
    // 1.
    let context = match &target {
        AuditTarget::Account(account) => {
            if *account == reader || !app.store.load_account(*account).await?.is_registered() {
                return Ok(());
            }
            Context::by(reader).with_account(*account)
        }
        AuditTarget::Login(login) => match app.store.load_login(login).await?.account_id() {
            Some(account) if account != reader => Context::by(reader).with_account(account).with_login(login),
            _ => return Ok(()),
        },
        AuditTarget::Invite(invite) => match app.store.load_invite(*invite).await?.grant() {
            Some(_) => Context { account_id: None, ..Context::by(reader) },
            None => return Ok(()),
        },
        AuditTarget::Log => Context { account_id: None, ..Context::by(reader) },
    };
    // 2.
    let at = app.clock.now();
    let id = read_id(reader, &target, at.as_second().div_euclid(60));
    // 3.
    app.store.audit(id, AuditCommand::NoteRead { target, role: Some(role), at }, context).await?;
    Ok(())
}

fn read_id(reader: AccountId, target: &AuditTarget, minute: i64) -> AuditId {
    let target = serde_json::to_string(target).expect("a target is plain data");
    let hash: [u8; 32] = Sha256::digest(format!("{reader}|{target}|{minute}")).into();
    let (id, _) = hash.split_at(16);
    AuditId(Uuid::from_slice(id).expect("sixteen bytes"))
}

/// Notes that `replay` read a history, for the role that is connected: also one that adds no other event. The database's clock
/// counts the minutes.
///
/// # Errors
/// The database is a standby, or older than this program.
pub async fn note_read_by_replay(db: &Database, target: &AuditTarget) -> Result<(), DatabaseError> {
    let (account, login, invite) = match target {
        AuditTarget::Account(account) => (Some(account.0), None, None),
        AuditTarget::Login(login) => (None, Some(login.as_str()), None),
        AuditTarget::Invite(invite) => (None, None, Some(invite.0)),
        AuditTarget::Log => return Ok(()),
    };
    sqlx::query_scalar!("select note_replay_read($1, $2, $3)", account, login, invite)
        .fetch_one(db.pool())
        .await?;
    db.wake().notify(Topic::Appended);
    Ok(())
}

#[cfg(test)]
mod tests;
