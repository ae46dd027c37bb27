//! `/start`: what this is, in short. `/help`: the same in chapters, each a button that edits the message. In a group, the bot
//! points to the private chat.

use teloxide::types::{InlineKeyboardButton, User};
use texts::chat::{About, Chapter};
use url::Url;

use super::context::BotContext;
use super::person::texts_for;
use super::reply::Reply;
use super::request::Request;

/// Before the chapter in the data of a button.
const HELP: &str = "help:";

pub(super) fn start(ctx: &BotContext, request: &Request) -> Reply {
    Reply::text((request.person.texts.help.start)(&about(ctx, request)))
}

/// A chapter of the help, with buttons to the others.
pub(super) fn help(ctx: &BotContext, request: &Request, chapter: Chapter) -> Reply {
    let (help, is_admin) = (request.person.texts.help, request.person.is_admin());
    if chapter == Chapter::Admins && !is_admin {
        return Reply::text(request.person.texts.admins_only).instead_of(request.pressed);
    }
    let others = Chapter::ALL.into_iter().filter(|it| *it != chapter && (*it != Chapter::Admins || is_admin));
    let (back, others): (Vec<_>, Vec<_>) = others.partition(|it| *it == Chapter::Overview);
    let button = |it: &Chapter| {
        vec![InlineKeyboardButton::callback((help.title)(*it), format!("{HELP}{}", it.name()))]
    };
    // The way back stands below the others.
    let rows = others.iter().chain(&back).map(button).collect();
    Reply::text((help.chapter)(chapter, &about(ctx, request))).with_buttons(rows).instead_of(request.pressed)
}

/// Reads the chapter in the data of a button.
pub(super) fn parse(data: &str) -> Option<Chapter> {
    Chapter::named(data.strip_prefix(HELP)?)
}

fn about<'a>(ctx: &'a BotContext, request: &'a Request) -> About<'a> {
    About { device_name: &ctx.chat.device_name, first_name: &request.person.first_name }
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
