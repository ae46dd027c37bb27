//! The bot's chat: the Bot API side of the service.
//!
//! 1. The poller asks Telegram for updates and stores each in the inbox before it confirms it; or the HTTP server does,
//!    to which Telegram brings them by webhook.
//! 2. `dispatch` takes them from there in order, and `handler` finds the handler of each (`start`, `login`, `subscription`,
//!    `cancel`, `admin_invite` and so on).
//! 3. A handler calls a use case of [`app`] and puts its outcome into words. The answer goes into the outbox, under a key
//!    that makes a second delivery of the same update harmless.
//! 4. The sender sends what is in the outbox: answers, and the notices that the reactor wrote.
//!
//! One process does this at a time, by a lease. Every part may be dropped at any moment and started again elsewhere; what
//! the process before was sending belongs to the next holder of the lease. A process that cannot reach Telegram gives the lease
//! to another one.
//!
//! What deliberately is not here: MTProto (`login` has it), use cases (`app` has them), and any memory of a conversation: what
//! a button means is in its data.

use std::sync::Arc;
use std::time::Duration;

use app::UseCaseError;
use eventlog::{Database, Outage};
use futures::future::{join3, join4};
use messages::outbox::Sender;
use secrecy::ExposeSecret;
use teloxide::Bot;
use vault::installation;
use vault::lease::{Lease, Leases};
use vault::presence::Presence;
use vault::processes;

mod admin;
mod admin_invite;
mod admin_page;
mod admin_people;
mod alarm;
mod api_health;
mod budget;
mod button;
mod call;
mod cancel;
mod card;
mod checkpoints;
mod commands;
mod context;
mod dispatch;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handler;
mod login;
mod logout;
mod menu;
mod notice;
mod permissions;
mod person;
mod poller;
pub mod probe;
mod rebuild;
mod rebuild_progress;
mod reply;
mod request;
mod reset;
mod send;
mod start;
mod status;
mod subscription;
mod take_back;
mod test_phone;
#[cfg(test)]
mod tests;
mod typing;
mod undo;
mod webhook;

pub use api_health::{BotToken, WrongToken, username};
pub use context::{Chat, Webhook};

use api_health::ApiHealth;
use context::BotContext;

/// The lease under which one process speaks with the Bot API.
const LEASE: &str = "poller";
/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// How long the lease outlives its holder.
const LEASE_TTL: Duration = Duration::from_secs(6);
/// After so long without Telegram another process may speak: it may reach it. A call that hangs has taken 17 s by then.
const OUT_OF_REACH: Duration = Duration::from_secs(5);
/// Before this process tries to speak again.
const OTHERS_SPEAK: Duration = Duration::from_secs(15);

/// Runs the chat while this process holds the lease, until dropped. It waits out every failure, with one line in the log when
/// the failure begins and one when it is over.
pub async fn run(chat: Chat) {
    let mut outage =
        Outage::new("the bot's chat waits for the database", "the bot's chat has the database again");
    let name = || format!("chat/{}/{}", std::process::id(), uuid::Uuid::new_v4());
    let work = |holder| {
        let chat = chat.clone();
        async move {
            Leases::new(&chat.app.db, holder)
                .hold(LEASE, LEASE_TTL, |lease| speak(chat.clone(), lease))
                .await;
            tokio::time::sleep(OTHERS_SPEAK).await;
        }
    };
    Presence::keep(&chat.app.db, &mut outage, name, work).await;
}

/// Returns once another process had better speak.
async fn speak(chat: Chat, lease: Lease) {
    let bot = Bot::new(chat.token.expose_secret()).set_api_url(chat.api_url.clone());
    let (db, health) = (chat.app.db.clone(), ApiHealth::new(bot, chat.token_state.clone()));
    let username = tokio::select! {
        username = health.learn_username() => username,
        () = out_of_reach(&db, &health) => return,
    };
    let sender = Sender::new(&db, &lease);
    let ctx = Arc::new(BotContext::open(chat, username));
    let speaking = async {
        keep_username(&ctx).await;
        apply_admin_ids(&ctx.chat).await;
        menu::publish(&ctx).await;
        let receive = async {
            match &ctx.chat.webhook {
                Some(webhook) => webhook::run(&ctx, webhook).await,
                None => poller::run(&ctx).await,
            }
        };
        let tell = join3(alarm::run(&ctx), checkpoints::run(&ctx), rebuild_progress::run(&ctx));
        join4(receive, dispatch::run(&ctx), send::run(&ctx, &sender), tell).await;
    };
    tokio::select! {
        () = speaking => {}
        () = out_of_reach(&db, &ctx.api_health) => {}
    }
}

/// Returns once Telegram was out of reach for some time, and there is another process that may reach it.
async fn out_of_reach(db: &Database, health: &ApiHealth) {
    loop {
        health.unreachable_for(OUT_OF_REACH).await;
        // Where the database does not say so, nobody else can take over either.
        if processes::others_run(db).await.unwrap_or(false) {
            return tracing::warn!("this process cannot reach the Bot API, another one may speak");
        }
        tokio::time::sleep(OUT_OF_REACH).await;
    }
}

/// For the links that other processes make. Where it cannot be kept now, the next start keeps it.
async fn keep_username(ctx: &BotContext) {
    if let Err(error) = installation::keep_bot_username(&ctx.chat.app.db, &ctx.username).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "the bot's username was not kept");
    }
}

/// Makes ADMIN_IDS hold for everybody who is registered. What cannot be read now is settled with the person's next message.
async fn apply_admin_ids(chat: &Chat) {
    let mut outage =
        Outage::new("ADMIN_IDS cannot be applied yet, trying again", "ADMIN_IDS can be applied again");
    loop {
        let applied = chat.app.permissions().apply_settings(&chat.admins, chat.app.clock.now()).await;
        match applied {
            Ok(()) => return outage.over(),
            Err(UseCaseError::Database(error)) if error.is_transient() => {
                outage.failed(&error);
                tokio::time::sleep(DATABASE_PAUSE).await;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::error!(error, "ADMIN_IDS could not be applied to everybody");
            }
        }
    }
}
