//! A view, and a row of it, as the command line names them.

use anyhow::{Result, bail};
use domain::AuditTarget;
use eventlog::Database;
use projections::views;
use terminal::suggest::unknown;

use crate::people;

/// The columns of the view of this name. Where there is no such view, the error says which was meant.
pub fn columns(view: &str) -> Result<&'static [&'static str]> {
    match views::columns_of(view) {
        Some(columns) => Ok(columns),
        None => bail!(unknown("view", view, &views::names())),
    }
}

/// The key of a row: of users and subscriptions it is a person, who may be given by Telegram id.
pub async fn key(db: &Database, view: &str, given: String) -> Result<String> {
    Ok(match view {
        "users" | "subscriptions" => people::account(db, &given).await?.to_string(),
        _ => given,
    })
}

/// Whose history a row tells; None: nobody's, or no such key.
pub fn target(view: &str, key: &str) -> Option<AuditTarget> {
    match view {
        "users" | "subscriptions" => key.parse().ok().map(AuditTarget::Account),
        "login_status" => key.parse().ok().map(AuditTarget::Login),
        "invites" => key.parse().ok().map(AuditTarget::Invite),
        _ => None,
    }
}
