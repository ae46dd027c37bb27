//! What every part of the chat works with: [`Chat`], as the service starts it, and [`BotContext`], while this process speaks with
//! the Bot API.

use std::sync::Arc;

use app::App;
use eventlog::DatabaseError;
use jiff::tz::TimeZone;
use messages::inbox::Inbox;
use messages::outbox::Outbox;
use secrecy::{ExposeSecret, SecretString};
use teloxide::Bot;
use url::Url;
use vault::MasterKey;

use super::api_health::{ApiHealth, BotToken};
use super::budget::Budgets;
use super::reply::Reply;
use login_worker::TelegramApp;
use login_worker::number::NumberCheck;

/// What the chat needs.
#[derive(Clone)]
pub struct Chat {
    /// What the use cases work with.
    pub app: App,
    /// Opens the linked session that asks Telegram about a number.
    pub master: Arc<MasterKey>,
    /// The bot's token.
    pub token: SecretString,
    /// Whether Telegram accepts that token; the chat keeps it up to date.
    pub token_state: BotToken,
    /// Telegram's Bot API, or a stand-in.
    pub api_url: Url,
    /// Where Telegram brings updates; None: they are asked for, by long polling.
    pub webhook: Option<Webhook>,
    /// Where the Mini App is: an origin, without a slash at its end.
    pub auth_base_url: String,
    /// Telegram ids of the first admins.
    pub admins: Vec<i64>,
    /// Whether admins get the last checkpoint of each day.
    pub checkpoints: bool,
    /// The contact that a blocked person may write to.
    pub support_contact: Option<String>,
    /// The zone of the dates that people read.
    pub display_timezone: TimeZone,
    /// Whether the page offers to log in by code on the same phone.
    pub one_phone_login: bool,
    /// The name of the linked session in Telegram's list of devices.
    pub device_name: String,
    /// Which Telegram, and as which application: an admin may ask it about a phone number.
    pub telegram: TelegramApp,
}

/// Where Telegram brings updates.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Of the HTTP server, as seen from outside.
    pub url: Url,
    /// What Telegram sends along, so that nobody else can.
    pub secret: SecretString,
}

/// The chat, while this process speaks with the Bot API.
pub(super) struct BotContext {
    pub chat: Chat,
    pub bot: Bot,
    /// The bot's username, without the @.
    pub username: String,
    pub api_health: ApiHealth,
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub budgets: Budgets,
}

impl BotContext {
    pub fn open(chat: Chat, username: String) -> Self {
        let bot = Bot::new(chat.token.expose_secret()).set_api_url(chat.api_url.clone());
        Self {
            inbox: Inbox::new(&chat.app.db),
            outbox: Outbox::new(&chat.app.db),
            budgets: Budgets::default(),
            api_health: ApiHealth::new(bot.clone(), chat.token_state.clone()),
            chat,
            bot,
            username,
        }
    }

    /// Asks Telegram about numbers.
    pub fn numbers(&self) -> NumberCheck {
        let Chat { app, master, telegram, .. } = &self.chat;
        NumberCheck { vault: app.vault.clone(), master: master.clone(), telegram: telegram.clone() }
    }

    /// Queues an answer for a chat. A key that was used before changes nothing.
    pub async fn queue(&self, update_id: i64, chat_id: i64, reply: Reply) -> Result<(), DatabaseError> {
        let key = reply.key.unwrap_or_else(|| format!("update/{update_id}/1"));
        let body = serde_json::to_value(&reply.body).expect("a message is plain data");
        match reply.to_stranger {
            true => self.outbox.reply_to_stranger(&key, chat_id, &body, reply.not_after).await,
            false => self.outbox.reply(&key, chat_id, &body, reply.not_after).await,
        }
    }
}
