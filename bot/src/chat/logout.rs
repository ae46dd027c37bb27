//! `/logout`: ends the linked session. Its key is logged out at Telegram until Telegram confirms it, and its file goes
//! (`login::retire`).

use app::sessions::log_out::{self, LoggedOut};

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;

pub(super) async fn log_out(ctx: &BotContext, request: &Request) -> Result<Option<Reply>, Failure> {
    let texts = request.person.texts.account;
    let text =
        match log_out::log_out(&ctx.chat.app, request.person.account_id, Some(request.update_id)).await? {
            LoggedOut::LoggedOut(_) => texts.logged_out,
            LoggedOut::NotLinked => texts.not_linked,
            LoggedOut::HandedOver => texts.session_is_elsewhere,
            LoggedOut::HandledElsewhere => return Ok(None),
        };
    Ok(Some(Reply::text(text)))
}
