//! Who wrote: registered on their first message, kept up to date on every other.

use std::time::Duration;

use domain::account::Subscription;
use domain::{Account, AccountCommand, AccountError, AccountId, Role};
use eventlog::{Context, StoreError, Topic};
use jiff::Timestamp;
use projections::views::users::Profile;
use teloxide::types::User;
use tokio::time::Instant;

use super::BotContext;
use super::dispatch::Failure;
use super::menu;
use super::texts::{Active, Language, Texts, day};

/// How often is looked whether somebody has been forgotten, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(10);

/// A person who wrote to the bot in private.
pub(super) struct Person {
    pub account_id: AccountId,
    pub telegram_id: i64,
    pub first_name: String,
    pub texts: &'static Texts,
    /// This is their first message.
    pub is_new: bool,
    pub account: Account,
}

impl Person {
    pub fn is_admin(&self) -> bool {
        self.account.role() == Role::Admin
    }

    /// The subscription that runs now, and how people read it.
    pub fn active(&self, ctx: &BotContext, now: Timestamp) -> Option<(Subscription, Active)> {
        let running = self.account.subscription_at(now)?;
        let until = running.expires_at.map(|end| day(end, &ctx.chat.display_timezone));
        Some((running, Active { tier: running.tier, until }))
    }
}

/// The language of whoever this is.
pub(super) fn texts_for(user: &User) -> &'static Texts {
    Language::of(user.language_code.as_deref()).texts()
}

/// Registers a person, or notes what changed about them; who is among `ADMIN_IDS` is an admin from then on.
pub(super) async fn register_or_update(
    ctx: &BotContext,
    update_id: i64,
    user: &User,
) -> Result<Person, Failure> {
    let chat = &ctx.chat;
    let telegram_id =
        i64::try_from(user.id.0).map_err(|_| Failure::Malformed("a Telegram id out of range"))?;
    let (account_id, is_new) = register(ctx, update_id, telegram_id, user).await?;
    let mut account = chat.store.load_account(account_id).await?;
    if !account.is_blocked() && carry_block_over(ctx, account_id, telegram_id).await? {
        account = chat.store.load_account(account_id).await?;
    }
    if chat.admins.contains(&telegram_id) && account.role() != Role::Admin {
        let promote = AccountCommand::ChangeRole { role: Role::Admin, at: chat.clock.now() };
        let context = Context::system().with_account(account_id).with_update(update_id);
        chat.store.account(account_id, promote, context).await?;
        account = chat.store.load_account(account_id).await?;
        menu::publish_for_admin(ctx, telegram_id).await;
    }
    let texts = texts_for(user);
    Ok(Person { account_id, telegram_id, first_name: user.first_name.clone(), texts, is_new, account })
}

/// The person's account, and whether this is their first message. Somebody who is being forgotten this very moment is
/// waited for, and met anew.
async fn register(
    ctx: &BotContext,
    update_id: i64,
    telegram_id: i64,
    user: &User,
) -> Result<(AccountId, bool), Failure> {
    let chat = &ctx.chat;
    let mut news = chat.db.wake().subscribe(Topic::Projected);
    let deadline = Instant::now() + FORGOTTEN_WITHIN;
    while Instant::now() < deadline {
        let known = chat.vault.subject_of(telegram_id).await?;
        let is_new = known.is_none();
        let subject = match known {
            Some(subject) => subject,
            None => chat.vault.subject_for(telegram_id).await?,
        };
        let account_id = subject.account_id;
        let profile = serde_json::to_string(&profile(user)).expect("a profile is plain data");
        let register = AccountCommand::Register {
            account_id,
            telegram_id: subject.seal(&telegram_id.to_string()),
            profile: subject.seal(&profile),
            at: chat.clock.now(),
        };
        let context = Context::by(account_id).with_update(update_id);
        match chat.store.account(account_id, register, context).await {
            Ok(()) => return Ok((account_id, is_new)),
            Err(StoreError::Refused(AccountError::Erased)) => news.wait(LOOK_EVERY).await,
            Err(other) => return Err(other.into()),
        }
    }
    Err(Failure::Command("the person is being forgotten".to_owned()))
}

/// A reset is no way around a block: what is kept_after_erasure of an erased person is true of the new account, from its first
/// message on. True where that has just come to bear.
async fn carry_block_over(
    ctx: &BotContext,
    account_id: AccountId,
    telegram_id: i64,
) -> Result<bool, Failure> {
    let chat = &ctx.chat;
    let person = chat.master.person_hmac(telegram_id);
    if !chat.vault.kept_after_erasure(&person).await?.blocked {
        return Ok(false);
    }
    let block = AccountCommand::Block { at: chat.clock.now() };
    chat.store.account(account_id, block, Context::system().with_account(account_id)).await?;
    chat.vault.block_was_carried_over(&person).await?;
    Ok(true)
}

fn profile(user: &User) -> Profile {
    Profile {
        first_name: Some(user.first_name.clone()),
        last_name: user.last_name.clone(),
        username: user.username.clone(),
        language_code: user.language_code.clone(),
    }
}
