//! `/admin`: the button that opens the admins' app. What an auditor sees there is less.

use domain::Role;
use teloxide::types::{InlineKeyboardButton, WebAppInfo};
use url::Url;

use super::context::BotContext;
use super::reply::Reply;
use super::request::Request;

pub(super) fn open(ctx: &BotContext, request: &Request) -> Reply {
    let texts = request.person.texts;
    if request.person.account.role() == Role::User {
        return Reply::text(texts.admins_only);
    }
    let reply = Reply::text(texts.admin.page);
    match Url::parse(&format!("{}/admin", ctx.chat.auth_base_url)) {
        Ok(url) => {
            let button = InlineKeyboardButton::web_app(texts.admin.open_page, WebAppInfo { url });
            reply.with_buttons(vec![vec![button]])
        }
        Err(_) => reply,
    }
}
