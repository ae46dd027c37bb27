//! An admin takes an order back, by the button under its confirmation (`undo`).

use app::subscriptions::{self, TakeBack, TakenBack};
use eventlog::Context;
use texts::chat::{Granted, day, days_left};

use super::context::BotContext;
use super::failure::Failure;
use super::permissions::Given;
use super::reply::Reply;
use super::request::Request;
use super::undo::{Order, Undo};
use super::{admin, permissions};

/// What became of a press.
pub(super) enum Answered {
    Reply(Box<Reply>),
    TooLate,
}

pub(super) async fn answered(ctx: &BotContext, request: &Request, undo: Undo) -> Result<Answered, Failure> {
    let (texts, app) = (request.person.texts, &ctx.chat.app);
    if !request.person.is_admin() {
        return Ok(Answered::Reply(Reply::text(texts.admins_only).into()));
    }
    if undo.is_late(app.clock.now()) {
        return Ok(Answered::TooLate);
    }
    let context = Context::by(request.person.account_id).with_update(request.update_id);
    let done = match undo.order {
        Order::Permission { account, order } => {
            let who = admin::name_of(ctx, account, &account.to_string()).await?;
            permissions::give(ctx, request, account, &who, order).await?
        }
        Order::Grant { account_id, update_id } => {
            let order = TakeBack {
                ordered_by: request.person.account_id,
                account_id,
                granted_by_update: update_id,
                update_id: request.update_id,
            };
            let who = admin::name_of(ctx, account_id, &account_id.to_string()).await?;
            match subscriptions::take_back(app, order).await? {
                TakenBack::RunsAgain(running) => {
                    let (zone, now) = (&ctx.chat.display_timezone, app.clock.now());
                    let left = |end| u32::try_from(days_left(now, end)).unwrap_or(u32::MAX);
                    let until = running.expires_at.map(|end| (day(end, zone), left(end)));
                    Given::Done((texts.admin.granted)(&Granted { who: &who, tier: running.tier, until }))
                }
                TakenBack::Ended => Given::Done((texts.admin.no_subscription)(&who)),
                TakenBack::ChangedSince => return Ok(Answered::TooLate),
            }
        }
        Order::Invite(invite) => {
            let code = app.vault.code_of(invite).await?.map(|(code, _)| code).unwrap_or_default();
            app.invites().revoke_by_id(invite, context).await.map_err(Failure::of_order)?;
            Given::Done((texts.admin.invite_revoked)(&code))
        }
    };
    let text = match done {
        Given::Done(what) => (texts.admin.undone)(&what),
        Given::Refused(why) => why,
    };
    Ok(Answered::Reply(Reply::text(text).instead_of(request.pressed).into()))
}
