//! `/start` and `/help`: what this is, which access the service gets, how to end it, what to do next. In a group, the bot points
//! to the private chat.

use teloxide::types::{InlineKeyboardButton, User};
use texts::chat::About;
use url::Url;

use super::context::BotContext;
use super::person::texts_for;
use super::reply::Reply;
use super::request::Request;

pub(super) fn help(ctx: &BotContext, request: &Request) -> Reply {
    let about = About { device_name: &ctx.chat.device_name, first_name: &request.person.first_name };
    let mut text = (request.person.texts.help)(&about);
    if request.person.is_admin() {
        text.push_str(request.person.texts.admin_help);
    }
    Reply::text(text)
}

/// The answer in a group. It repeats nothing of the command, which may hold an invite code.
pub(super) fn private_only(ctx: &BotContext, user: &User) -> Reply {
    let texts = texts_for(user);
    let reply = Reply::text(texts.private_only);
    match Url::parse(&format!("https://t.me/{}", ctx.username)) {
        Ok(url) => reply.with_buttons(vec![vec![InlineKeyboardButton::url(texts.open_chat, url)]]),
        Err(_) => reply,
    }
}
