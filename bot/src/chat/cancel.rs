//! `/cancel`: ends the live login. That it has ended is told by the reactor's notice, as for every other end.
//!
//! 1. which logins are live
//! 2. nobody else has handled the update: else they may have begun afterwards
//! 3. end these

use domain::LoginCommand;
use domain::login::CancelReason;
use projections::Context;
use projections::views::login_status;

use super::Desk;
use super::dispatch::{Ask, Failure};
use super::reply::Reply;

/// "Nothing to cancel" is said of what is known: this many times the views may be found behind.
const LOOKS: u32 = 10;

pub(super) async fn cancel(desk: &Desk, ask: &Ask) -> Result<Option<Reply>, Failure> {
    let chat = &desk.chat;
    let mut live = Vec::new();
    for _ in 0..LOOKS {
        let caught_up = desk.catch_up().await?;
        live = login_status::live_of(&chat.db, ask.person.account_id).await?;
        if caught_up || !live.is_empty() {
            break;
        }
    }
    if !desk.inbox.is_waiting(ask.update_id).await? {
        return Ok(None);
    }
    for login in &live {
        let cancel = LoginCommand::Cancel {
            attempt: u32::try_from(login.attempt).unwrap_or_default(),
            reason: CancelReason::Person,
            at: chat.clock.now(),
        };
        let context =
            Context::by(ask.person.account_id).with_login(&login.login_id).with_update(ask.update_id);
        chat.store.login(&login.login_id, cancel, context).await?;
    }
    Ok(live.is_empty().then(|| Reply::text(ask.person.texts.nothing_to_cancel)))
}
