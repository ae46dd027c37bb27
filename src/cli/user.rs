//! `qr-login user …`: what the tables say of a person.

use app::terminal::harmless;
use clap::Subcommand;
use eventlog::database::Database;
use projections::views::users::SubscriptionStatus;
use projections::views::{login_status, users};

use super::database::with_database;
use crate::config::{DataConfig, DataSettings};

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// One person, by Telegram id.
    Show { telegram_id: i64 },
}

impl UserCommand {
    pub async fn run(self, settings: &DataSettings) -> anyhow::Result<()> {
        with_database(settings, async |_: &DataConfig, db: &Database| match self {
            Self::Show { telegram_id } => show(db, telegram_id).await,
        })
        .await
    }
}

async fn show(db: &Database, telegram_id: i64) -> anyhow::Result<()> {
    let Some(user) = users::by_telegram_id(db, telegram_id).await? else {
        anyhow::bail!("nobody with Telegram id {telegram_id} has written to the bot");
    };
    let name =
        [user.first_name.as_deref(), user.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    println!("telegram id    {}", user.telegram_id);
    println!("account id     {}", user.account_id);
    println!("name           {}", harmless(&name.join(" ")));
    println!("username       {}", harmless(user.username.as_deref().unwrap_or("-")));
    println!("role           {}", user.role.name());
    println!("authenticated  {}", if user.is_authenticated { "yes" } else { "no" });
    println!("blocked        {}", if user.is_blocked { "yes" } else { "no" });
    println!("subscription   {} ({})", user.subscription_type, subscription_words(user.subscription_status));
    match user.subscription_expires_at {
        Some(end) => println!("until          {end}"),
        None => println!("until          -"),
    }
    for login in login_status::live_of(db, user.account_id).await? {
        println!("live login     {}…: {}, until {}", login.login_id.short(), login.status, login.deadline_at);
    }
    Ok(())
}

fn subscription_words(status: SubscriptionStatus) -> &'static str {
    match status {
        SubscriptionStatus::None => "none",
        SubscriptionStatus::Active => "active",
        SubscriptionStatus::Expired => "expired",
    }
}
