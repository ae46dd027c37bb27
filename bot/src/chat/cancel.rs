//! `/cancel`: ends the live login. That it has ended is told by the reactor's notice, as for every other end.
//!
//! 1. which logins are live
//! 2. nobody else has handled the update: else they may have begun afterwards
//! 3. end these, but for one that this very update has ended before a crash, and that was begun anew since

use domain::login::CancelReason;
use domain::{Event, LoginCommand, LoginEvent, LoginId, StreamKind};
use eventlog::{Context, DatabaseError, Log, LogEvent};
use projections::views::login_status;

use super::BotContext;
use super::dispatch::{Failure, Request};
use super::reply::Reply;

/// "Nothing to cancel" is said of what is known: this many times the views may be found behind.
const LOOKS: u32 = 10;

pub(super) async fn cancel(ctx: &BotContext, request: &Request) -> Result<Option<Reply>, Failure> {
    let chat = &ctx.chat;
    let mut live = Vec::new();
    for _ in 0..LOOKS {
        let caught_up = ctx.catch_up().await?;
        live = login_status::live_of(&chat.db, request.person.account_id).await?;
        if caught_up || !live.is_empty() {
            break;
        }
    }
    if !ctx.inbox.is_waiting(request.update_id).await? {
        return Ok(None);
    }
    for login in &live {
        if was_ended_by(ctx, &login.login_id, request.update_id).await? {
            continue;
        }
        let cancel = LoginCommand::Cancel {
            attempt: u32::try_from(login.attempt).unwrap_or_default(),
            reason: CancelReason::Person,
            at: chat.clock.now(),
        };
        let context =
            Context::by(request.person.account_id).with_login(&login.login_id).with_update(request.update_id);
        chat.store.login(&login.login_id, cancel, context).await?;
    }
    Ok(live.is_empty().then(|| Reply::text(request.person.texts.nothing_to_cancel)))
}

async fn was_ended_by(ctx: &BotContext, login_id: &LoginId, update_id: i64) -> Result<bool, DatabaseError> {
    let events = Log::new(&ctx.chat.db).stream(StreamKind::Login, login_id.as_str()).await?;
    let is_end =
        |event: &LogEvent| matches!(event.event, Ok(Event::Login(LoginEvent::LoginCancelled { .. })));
    Ok(events.iter().any(|event| event.metadata.update_id == Some(update_id) && is_end(event)))
}
