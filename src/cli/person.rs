//! The person whom a command is about, as its arguments name them.

use anyhow::Context as _;
use app::people::PersonId;
use domain::AccountId;
use eventlog::database::Database;
use vault::Vault;

/// Reads a Telegram id or an account id.
pub fn person_id(text: &str) -> anyhow::Result<PersonId> {
    PersonId::parse(text).with_context(|| format!("{text:?} is neither a Telegram id nor an account id"))
}

/// The account of the person with this id.
pub async fn find_person(db: &Database, text: &str) -> anyhow::Result<AccountId> {
    let account = person_id(text)?.account(&Vault::new(db)).await?;
    account.with_context(|| nobody(text))
}

/// What a person is told whose id belongs to nobody.
pub fn nobody(text: &str) -> String {
    format!("nobody is known as {text}")
}
