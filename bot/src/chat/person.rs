//! A person who wrote to the bot, as the handlers see them.

use app::people::{self, TelegramUser};
use domain::account::Subscription;
use domain::{Account, AccountId, Role};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use projections::views::users::{Profile, User as KnownUser};
use teloxide::types::User;
use texts::Language;
use texts::chat::{Active, Texts, day};

use super::context::BotContext;
use super::failure::Failure;
use super::menu;

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

    /// The subscription that runs now, as people read it.
    pub fn active(&self, now: Timestamp, zone: &TimeZone) -> Option<Active> {
        self.account.subscription_at(now).map(|running| active(&running, zone))
    }
}

/// Registers a person, or keeps up to date what is known of them. A new admin gets the longer list of commands.
pub(super) async fn register_or_update(
    ctx: &BotContext,
    update_id: i64,
    user: &User,
) -> Result<Person, Failure> {
    let telegram_id =
        i64::try_from(user.id.0).map_err(|_| Failure::Malformed("a Telegram id out of range"))?;
    let profile = Profile {
        first_name: Some(user.first_name.clone()),
        last_name: user.last_name.clone(),
        username: user.username.clone(),
        language_code: user.language_code.clone(),
    };
    let is_first_admin = ctx.chat.admins.contains(&telegram_id);
    let sender = TelegramUser { telegram_id, profile: &profile, is_first_admin, update_id };
    let registered = people::register_or_update(&ctx.chat.app, sender).await?;
    if registered.became_admin {
        menu::publish_for(ctx, telegram_id, Role::Admin).await;
    }
    Ok(Person {
        account_id: registered.account_id,
        telegram_id,
        first_name: user.first_name.clone(),
        texts: texts_for(user),
        is_new: registered.is_new,
        account: registered.account,
    })
}

/// A person as an admin reads them: `Ilya Petrov (@ilya · 139883458)`.
pub(super) fn who(user: &KnownUser) -> String {
    let username = user.username.as_ref().map(|name| format!("@{name} · ")).unwrap_or_default();
    format!("{} ({username}{})", full_name(user), user.telegram_id)
}

/// First and last name.
pub(super) fn full_name(user: &KnownUser) -> String {
    let name = [&user.first_name, &user.last_name].into_iter().flatten().cloned().collect::<Vec<_>>();
    name.join(" ")
}

/// A running subscription, as people read it.
pub(super) fn active(running: &Subscription, zone: &TimeZone) -> Active {
    Active { tier: running.tier, until: running.expires_at.map(|end| day(end, zone)) }
}

/// The texts in the language of the sender's client.
pub(super) fn texts_for(user: &User) -> &'static Texts {
    Language::of(user.language_code.as_deref()).texts()
}
