//! People: registered by their first message, kept up to date by every other, found by an id.
//!
//! [`register_or_update`]:
//!
//! 1. Whose account is it? A new one, for a person who writes for the first time. A person who is being forgotten this very
//!    moment is waited for, and gets a new one.
//! 2. Record what Telegram says of them now.
//! 3. Were they blocked when an account of theirs was erased? Then the new one is blocked, too.
//! 4. Do the settings name them as an admin (ADMIN_IDS)? Then they are one; and no longer where the settings alone had made
//!    them one, and do not name them any more.

use std::time::Duration;

use domain::{Account, AccountCommand, AccountError, AccountId, Role};
use eventlog::{Context, DatabaseError, StoreError, Topic};
use projections::views::users::Profile;
use tokio::time::Instant;
use vault::Vault;

use crate::app::App;
use crate::error::UseCaseError;

pub mod permissions;
pub mod reset;

/// How often the service looks whether a person has been forgotten, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(10);

/// A person, as Telegram describes them with an update.
#[derive(Clone, Copy, Debug)]
pub struct TelegramUser<'a> {
    /// Their id at Telegram.
    pub telegram_id: i64,
    /// What they call themselves.
    pub profile: &'a Profile,
    /// The settings name them as an admin.
    pub is_first_admin: bool,
    /// The update of the bot.
    pub update_id: i64,
}

/// A person who is registered.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Their account.
    pub account_id: AccountId,
    /// The account as it stands now.
    pub account: Account,
    /// This is their first message.
    pub is_new: bool,
    /// This message made them an admin.
    pub became_admin: bool,
}

/// Why a person is not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// They are being forgotten, which takes longer than usual.
    #[error("the person is being forgotten")]
    BeingForgotten,
    /// A command was refused, or the database failed.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
}

/// Registers a person, or keeps what Telegram says of them up to date.
///
/// # Errors
/// [`RegisterError`].
pub async fn register_or_update(app: &App, user: TelegramUser<'_>) -> Result<Registered, RegisterError> {
    // 1. and 2.
    let (account_id, is_new) = register(app, user).await?;
    let mut account = load(app, account_id).await?;
    // 3.
    if !account.is_blocked() && carry_block_over(app, account_id, user.telegram_id).await? {
        account = load(app, account_id).await?;
    }
    // 4.
    let before = account.role();
    let is_due = match user.is_first_admin {
        true => before != Role::Admin,
        false => account.is_admin_by_settings(),
    };
    if is_due {
        let context = Context::system().with_update(user.update_id);
        app.permissions().name(account_id, user.is_first_admin, app.clock.now(), context).await?;
        account = load(app, account_id).await?;
    }
    let became_admin = before != Role::Admin && account.role() == Role::Admin;
    Ok(Registered { account_id, account, is_new, became_admin })
}

/// How a person is named by somebody who asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonId {
    /// By their id at Telegram.
    Telegram(i64),
    /// By their account.
    Account(AccountId),
}

impl PersonId {
    /// Reads a Telegram id, else an account id.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().map(Self::Telegram).or_else(|_| text.parse().map(Self::Account)).ok()
    }

    /// Their account; None: nobody is known by this id, or not any more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account(self, vault: &Vault) -> Result<Option<AccountId>, DatabaseError> {
        let subject = match self {
            Self::Telegram(telegram_id) => vault.subject_of(telegram_id).await?,
            Self::Account(account_id) => vault.subject(account_id).await?,
        };
        Ok(subject.map(|subject| subject.account_id))
    }
}

/// The person's account, and whether this is their first message.
async fn register(app: &App, user: TelegramUser<'_>) -> Result<(AccountId, bool), RegisterError> {
    let mut news = app.db.wake().subscribe(Topic::Projected);
    let deadline = Instant::now() + FORGOTTEN_WITHIN;
    while Instant::now() < deadline {
        let known = app.vault.subject_of(user.telegram_id).await.map_err(UseCaseError::from)?;
        let is_new = known.is_none();
        let subject = match known {
            Some(subject) => subject,
            None => app.vault.subject_for(user.telegram_id).await.map_err(UseCaseError::from)?,
        };
        let account_id = subject.account_id;
        let profile = serde_json::to_string(user.profile).expect("a profile is plain data");
        let register = AccountCommand::Register {
            account_id,
            telegram_id: subject.seal(&user.telegram_id.to_string()),
            profile: subject.seal(&profile),
            at: app.clock.now(),
        };
        let context = Context::by(account_id).with_update(user.update_id);
        match app.store.account(account_id, register, context).await {
            Ok(()) => return Ok((account_id, is_new)),
            Err(StoreError::Refused(AccountError::Erased)) => news.wait(LOOK_EVERY).await,
            Err(other) => return Err(UseCaseError::from(other).into()),
        }
    }
    Err(RegisterError::BeingForgotten)
}

/// A reset is no way around a block: one of an erased account is true of the new one, from its first message on. True where
/// that has just come to bear.
async fn carry_block_over(app: &App, account_id: AccountId, telegram_id: i64) -> Result<bool, UseCaseError> {
    let person = app.keys.person_hmac(telegram_id);
    if !app.vault.kept_after_erasure(&person).await?.blocked {
        return Ok(false);
    }
    let block = AccountCommand::Block { at: app.clock.now() };
    app.store.account(account_id, block, Context::system().with_account(account_id)).await?;
    app.vault.block_was_carried_over(&person).await?;
    Ok(true)
}

async fn load(app: &App, account_id: AccountId) -> Result<Account, UseCaseError> {
    Ok(app.store.load_account(account_id).await?)
}
