//! `/start` and `/help`: what this is, which access the service gets, how to end it, what to do next. In a group, the
//! way to the private chat.

use teloxide::types::{InlineKeyboardButton, User};
use url::Url;

use super::Desk;
use super::dispatch::Ask;
use super::person::texts_for;
use super::reply::Reply;
use super::texts::About;

pub(super) fn help(desk: &Desk, ask: &Ask) -> Reply {
    let about = About { device_name: &desk.chat.device_name, first_name: &ask.person.first_name };
    let mut text = (ask.person.texts.help)(&about);
    if ask.person.is_admin() {
        text.push_str(ask.person.texts.admin_help);
    }
    Reply::text(text)
}

/// In a group. Whatever the command held, an invite code first of all, is not repeated there.
pub(super) fn private_only(desk: &Desk, user: &User) -> Reply {
    let texts = texts_for(user);
    let reply = Reply::text(texts.private_only);
    match Url::parse(&format!("https://t.me/{}", desk.username)) {
        Ok(url) => reply.with_buttons(vec![vec![InlineKeyboardButton::url(texts.open_chat, url)]]),
        Err(_) => reply,
    }
}
