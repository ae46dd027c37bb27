//! The list of commands that Telegram shows: Russian, and English for every other language. Admins get a longer one.

use teloxide::payloads::SetMyCommandsSetters;
use teloxide::prelude::Requester;
use teloxide::types::{BotCommand, BotCommandScope, ChatId, Recipient};
use texts::Language;

use super::context::BotContext;

/// Sets the lists. Telegram keeps them: one that cannot be set now is set at the next start.
pub(super) async fn publish(ctx: &BotContext) {
    set(ctx, &BotCommandScope::AllPrivateChats, false).await;
    for admin in &ctx.chat.admins {
        publish_for(ctx, *admin, true).await;
    }
}

/// The list in one person's own chat: the longer one for an admin. Telegram refuses that until they have written to the bot.
pub(super) async fn publish_for(ctx: &BotContext, telegram_id: i64, is_admin: bool) {
    let chat_id = Recipient::Id(ChatId(telegram_id));
    set(ctx, &BotCommandScope::Chat { chat_id }, is_admin).await;
}

async fn set(ctx: &BotContext, scope: &BotCommandScope, admin: bool) {
    for (language_code, language) in [("", Language::English), ("ru", Language::Russian)] {
        let request = ctx.bot.set_my_commands(commands(language, admin)).scope(scope.clone());
        let request = match language_code {
            "" => request,
            code => request.language_code(code),
        };
        if let Err(error) = request.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the list of commands was not set");
        }
    }
}

fn commands(language: Language, admin: bool) -> Vec<BotCommand> {
    let words = &language.texts().commands;
    let for_all = [
        ("login", words.login),
        ("subscription", words.subscription),
        ("cancel", words.cancel),
        ("logout", words.logout),
        ("debug_status", words.debug_status),
        ("debug_reset", words.debug_reset),
        ("help", words.help),
    ];
    let for_admins = [
        ("admin_invite", words.admin_invite),
        ("admin_users", words.admin_users),
        ("admin_user", words.admin_user),
        ("admin_grant", words.admin_grant),
        ("admin_stats", words.admin_stats),
        ("admin_block", words.admin_block),
        ("admin_unblock", words.admin_unblock),
        ("admin_role", words.admin_role),
        ("debug_test_phone", words.debug_test_phone),
    ];
    let more = for_admins.into_iter().filter(|_| admin);
    for_all.into_iter().chain(more).map(|(name, description)| BotCommand::new(name, description)).collect()
}
