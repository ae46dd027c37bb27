//! What Telegram shows beside the chat: what the bot does, the list of commands, in Russian, and in English for every other language, and longer
//! for admins; and the menu button, which opens the page of a live login.

use domain::Role;
use teloxide::RequestError;
use teloxide::payloads::{
    GetMyDescriptionSetters, GetMyShortDescriptionSetters, SetChatMenuButtonSetters, SetMyCommandsSetters,
    SetMyDescriptionSetters, SetMyShortDescriptionSetters,
};
use teloxide::prelude::Requester;
use teloxide::types::{BotCommand, BotCommandScope, ChatId, MenuButton, Recipient};
use texts::Language;
use texts::chat::Texts;
use tokio::time::sleep;

use super::call::call;
use super::context::BotContext;

/// Telegram's code of a language; none is every language without texts of its own.
const LANGUAGES: [(&str, Language); 2] = [("", Language::English), ("ru", Language::Russian)];
/// How often it is tried to set a menu button.
const MENU_TRIES: u32 = 3;

/// Sets the lists. Telegram keeps them: one that cannot be set now is set at the next start.
pub(super) async fn publish(ctx: &BotContext) {
    for (code, language) in LANGUAGES {
        if let Err(error) = describe(ctx, code, language.texts()).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the description was not set");
        }
    }
    set_commands(ctx, &BotCommandScope::AllPrivateChats, Role::User).await;
    for admin in &ctx.chat.admins {
        publish_for(ctx, *admin, Role::Admin).await;
    }
}

/// The list in one person's own chat: longer for an admin or an auditor. Telegram refuses that until they have written to the bot.
pub(super) async fn publish_for(ctx: &BotContext, telegram_id: i64, role: Role) {
    let chat_id = Recipient::Id(ChatId(telegram_id));
    set_commands(ctx, &BotCommandScope::Chat { chat_id }, role).await;
}

/// Sets what the menu button of a chat opens; None: the list of commands. A button that cannot be set does little harm: the page
/// of a login that is over says so.
pub(super) async fn set(ctx: &BotContext, chat: ChatId, menu: Option<MenuButton>) {
    let menu = menu.unwrap_or(MenuButton::Commands);
    for _ in 0..MENU_TRIES {
        match call(ctx.bot.set_chat_menu_button().chat_id(chat).menu_button(menu.clone())).await {
            Ok(_) => return ctx.api_health.answered(),
            Err(RequestError::RetryAfter(wait)) => sleep(wait.duration()).await,
            Err(error @ RequestError::Api(_)) => {
                let error = &error as &dyn std::error::Error;
                return tracing::debug!(error, "the menu button was not set");
            }
            Err(error) => sleep(ctx.api_health.failed(&error)).await,
        }
    }
}

/// Says what the bot does: in the empty chat and in its profile. Telegram limits how often that changes, so it is set only where
/// it is something else.
async fn describe(ctx: &BotContext, code: &str, texts: &Texts) -> Result<(), RequestError> {
    let bot = &ctx.bot;
    if call(bot.get_my_description().language_code(code)).await?.description != texts.description {
        call(bot.set_my_description().language_code(code).description(texts.description)).await?;
    }
    let short = call(bot.get_my_short_description().language_code(code)).await?.short_description;
    if short != texts.short_description {
        let request = bot.set_my_short_description().language_code(code);
        call(request.short_description(texts.short_description)).await?;
    }
    Ok(())
}

async fn set_commands(ctx: &BotContext, scope: &BotCommandScope, role: Role) {
    for (code, language) in LANGUAGES {
        let request = ctx.bot.set_my_commands(commands(language, role)).scope(scope.clone());
        let request = request.language_code(code);
        if let Err(error) = call(request).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the list of commands was not set");
        }
    }
}

fn commands(language: Language, role: Role) -> Vec<BotCommand> {
    let words = &language.texts().commands;
    let for_all = [
        ("login", words.login),
        ("subscription", words.subscription),
        ("me", words.me),
        ("cancel", words.cancel),
        ("logout", words.logout),
        ("forget", words.forget),
        ("help", words.help),
    ];
    let for_auditors = [("admin", words.admin)];
    let for_admins = [
        ("admin_invite", words.admin_invite),
        ("admin_users", words.admin_users),
        ("admin_user", words.admin_user),
        ("admin_grant", words.admin_grant),
        ("admin_stats", words.admin_stats),
        ("admin_block", words.admin_block),
        ("admin_unblock", words.admin_unblock),
        ("admin_role", words.admin_role),
        ("admin_rebuild", words.admin_rebuild),
        ("debug_status", words.debug_status),
        ("debug_reset", words.debug_reset),
        ("debug_test_phone", words.debug_test_phone),
    ];
    let for_auditors = for_auditors.into_iter().filter(|_| role != Role::User);
    let more = for_auditors.chain(for_admins.into_iter().filter(|_| role == Role::Admin));
    for_all.into_iter().chain(more).map(|(name, description)| BotCommand::new(name, description)).collect()
}
