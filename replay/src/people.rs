//! Finds the person or invite that an ID on the command line means, and the names of people for a table.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use domain::{AccountId, InviteId};
use eventlog::Database;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use projections::views::users;
use vault::Vault;

/// The account with a Telegram id or an account id. Erased people have only the latter.
pub async fn account(db: &Database, id: &str) -> Result<AccountId> {
    if let Ok(account) = id.parse() {
        return Ok(account);
    }
    let telegram_id: i64 =
        id.parse().with_context(|| format!("{id:?} is neither a Telegram id nor an account id"))?;
    match Vault::new(db).subject_of(telegram_id).await? {
        Some(subject) => Ok(subject.account_id),
        None => bail!("nobody here has the Telegram id {telegram_id}; erased people go by their account id"),
    }
}

/// The actor as events name them: a person by their account id, everybody else by name.
pub async fn actor(db: &Database, actor: &str) -> Result<String> {
    match actor.parse::<i64>() {
        Ok(_) => Ok(account(db, actor).await?.to_string()),
        Err(_) => Ok(actor.to_owned()),
    }
}

/// The invite with an id or a code.
pub async fn invite(db: &Database, id: &str) -> Result<InviteId> {
    if let Ok(invite) = id.parse() {
        return Ok(invite);
    }
    let found =
        Vault::new(db).invite_of(id).await.context("invite codes cannot be read with this database role")?;
    found.context("no invite has this code")
}

/// `2026-11-22T10:00:00Z`, or a day, which begins at 00:00 UTC.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let day = text.parse::<Date>().map_err(|_| "use 2026-11-22T10:00:00Z or 2026-11-22".to_owned())?;
    day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
}

/// Names of people, read when they are needed.
#[derive(Debug, Default)]
pub struct Names(HashMap<AccountId, Option<String>>);

impl Names {
    /// Reads the names of those accounts that are not known yet.
    pub async fn look_up(&mut self, db: &Database, accounts: impl Iterator<Item = AccountId>) -> Result<()> {
        let missing: Vec<AccountId> = accounts.filter(|account| !self.0.contains_key(account)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let found = users::by_accounts(db, &missing).await?;
        self.0.extend(missing.into_iter().map(|account| {
            let named = found.get(&account).map(|user| match &user.first_name {
                Some(name) => format!("{name} ({})", user.telegram_id),
                None => user.telegram_id.to_string(),
            });
            (account, named)
        }));
        Ok(())
    }

    /// `Ilya (139883458)`; the account id of an erased person.
    pub fn of(&self, account: AccountId) -> String {
        self.0.get(&account).cloned().flatten().unwrap_or_else(|| account.to_string())
    }
}
