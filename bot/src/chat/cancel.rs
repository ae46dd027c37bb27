//! `/cancel`: ends the live login. The reactor's notice says that it has ended, as for every other end.

use app::logins::cancel::{CancelledAll, cancel_all};

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;

pub(super) async fn cancel(ctx: &BotContext, request: &Request) -> Result<Option<Reply>, Failure> {
    match cancel_all(&ctx.chat.app, request.person.account_id, request.update_id).await? {
        CancelledAll::NothingLive => Ok(Some(Reply::text(request.person.texts.nothing_to_cancel))),
        CancelledAll::Cancelled | CancelledAll::HandledElsewhere => Ok(None),
    }
}
