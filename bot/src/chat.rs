//! The bot's chat: the Bot API side of the service.
//!
//! 1. The poller asks Telegram for updates and stores each in the inbox before it confirms it; or the HTTP server does,
//!    to which Telegram brings them by webhook.
//! 2. The dispatcher takes them from there in order and hands each to its handler (`start`, `login`,
//!    `subscription`, `cancel`, `admin_invite`).
//! 3. A handler gives commands to the store and puts its answer into the outbox, under a key that makes a second
//!    delivery of the same update harmless.
//! 4. The sender sends what is in the outbox: answers, and the notices that the reactor wrote.
//!
//! One process does this at a time, by a lease. Every part may be dropped at any moment and started again elsewhere; what
//! the one before was sending belongs to the next holder of the lease.
//! What deliberately is not here: MTProto (`login` has it), and any memory of a conversation: what a button means is
//! in its data.

use std::sync::Arc;
use std::time::Duration;

use app::inbox::Inbox;
use app::outbox::{Outbox, Sender};
use domain::Tiers;
use eventlog::{Clock, Database, DatabaseError, Log, Outage, Store};
use futures::future::join4;
use jiff::tz::TimeZone;
use projections::projector::wait_for;
use secrecy::{ExposeSecret, SecretString};
use teloxide::Bot;
use tokio::time::timeout;
use url::Url;
use vault::lease::{Lease, Leases};
use vault::limits::LoginLimits;
use vault::presence::Presence;
use vault::{MasterKey, Vault};

mod admin;
mod admin_invite;
mod alarm;
mod api_health;
mod cancel;
mod commands;
mod dispatch;
mod login;
mod logout;
mod menu;
mod notice;
mod person;
mod poller;
mod reply;
mod reset;
mod send;
mod start;
mod status;
mod subscription;
mod test_phone;
#[cfg(test)]
mod tests;
mod texts;
mod webhook;

pub use api_health::{BotToken, WrongToken, username};
pub use webhook::Webhook;

use api_health::ApiHealth;

use crate::login::TelegramApp;
use crate::login::number::NumberCheck;

/// The lease under which one process speaks with the Bot API.
const LEASE: &str = "poller";
/// How long the lease outlives its holder.
const LEASE_TTL: Duration = Duration::from_secs(6);
/// How long an answer waits for the views.
const CATCH_UP: Duration = Duration::from_secs(2);

/// What the chat needs.
#[derive(Clone)]
pub struct Chat {
    /// The database.
    pub db: Database,
    /// The write side.
    pub store: Store,
    /// Who people are, and invite codes.
    pub vault: Vault,
    /// Makes a login's id from the update that asks for it.
    pub master: Arc<MasterKey>,
    /// The time.
    pub clock: Clock,
    /// What each tier gives.
    pub tiers: Arc<Tiers>,
    /// The bot's token.
    pub token: SecretString,
    /// Learns whether Telegram takes that token.
    pub token_state: BotToken,
    /// Telegram's Bot API, or a stand-in.
    pub api_url: Url,
    /// Where Telegram brings updates; None: they are asked for, by long polling.
    pub webhook: Option<Webhook>,
    /// Where the Mini App is: an origin, without a slash at its end.
    pub auth_base_url: String,
    /// Telegram ids of the first admins.
    pub admins: Vec<i64>,
    /// Whom a blocked person may write to.
    pub support_contact: Option<String>,
    /// In which people read dates.
    pub display_timezone: TimeZone,
    /// Whether the page offers to log in by code on the same phone.
    pub one_phone_login: bool,
    /// How the linked session is called in Telegram's list of devices.
    pub device_name: String,
    /// Which Telegram, and as whom: for the one question that an admin may put to it.
    pub telegram: TelegramApp,
}

/// What every part of the chat has at hand.
struct BotContext {
    chat: Chat,
    bot: Bot,
    /// The bot's username, without the @.
    username: String,
    api_health: ApiHealth,
    inbox: Inbox,
    outbox: Outbox,
    limits: LoginLimits,
}

impl BotContext {
    fn open(chat: Chat, username: String) -> Self {
        let bot = Bot::new(chat.token.expose_secret()).set_api_url(chat.api_url.clone());
        Self {
            inbox: Inbox::new(&chat.db),
            outbox: Outbox::new(&chat.db),
            limits: LoginLimits::new(&chat.db),
            api_health: ApiHealth::new(bot.clone(), chat.token_state.clone()),
            chat,
            bot,
            username,
        }
    }

    /// Asks Telegram about numbers.
    fn numbers(&self) -> NumberCheck {
        let Chat { vault, master, telegram, .. } = &self.chat;
        NumberCheck { vault: vault.clone(), master: master.clone(), telegram: telegram.clone() }
    }

    /// Waits until the views show what was recorded before now, so that a person reads what they have just done. False:
    /// they are behind all the same.
    async fn catch_up(&self) -> Result<bool, DatabaseError> {
        let due = Log::new(&self.chat.db).due().await?;
        let caught_up = timeout(CATCH_UP, wait_for(&self.chat.db, due)).await.is_ok();
        if !caught_up {
            tracing::warn!("the views are behind, an answer may be too");
        }
        Ok(caught_up)
    }
}

/// Runs the chat for as long as it is polled, whenever the lease is this process's. Never returns by itself: whatever
/// fails is waited out, with one line in the log when it begins and one when it is over.
pub async fn run(chat: Chat) {
    let mut outage =
        Outage::new("the bot's chat waits for the database", "the bot's chat has the database again");
    let name = || format!("chat/{}/{}", std::process::id(), uuid::Uuid::new_v4());
    let work = |holder| {
        let chat = chat.clone();
        async move {
            Leases::new(&chat.db, holder).hold(LEASE, LEASE_TTL, |lease| speak(chat.clone(), lease)).await;
        }
    };
    Presence::keep(&chat.db, &mut outage, name, work).await;
}

async fn speak(chat: Chat, lease: Lease) {
    let bot = Bot::new(chat.token.expose_secret()).set_api_url(chat.api_url.clone());
    let username = ApiHealth::new(bot, chat.token_state.clone()).introduce().await;
    let sender = Sender::new(&chat.db, &lease);
    let ctx = Arc::new(BotContext::open(chat, username));
    menu::publish(&ctx).await;
    let receive = async {
        match &ctx.chat.webhook {
            Some(webhook) => webhook::run(&ctx, webhook).await,
            None => poller::run(&ctx).await,
        }
    };
    join4(receive, dispatch::run(&ctx), send::run(&ctx, &sender), alarm::run(&ctx)).await;
}
