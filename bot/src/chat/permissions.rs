//! `/admin_block ID`, `/admin_unblock ID`, `/admin_role ID ROLE`. What they do is told in `app::people::permissions`.

use app::people::permissions::{Ordered, PermissionOrder};
use domain::AccountId;
use eventlog::Context;
use texts::chat::Fault;

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;
use super::status::find;
use super::undo::{Order, Undo};
use super::{admin, menu};

pub(super) async fn block(ctx: &BotContext, request: &Request, id: Option<&str>) -> Result<Reply, Failure> {
    let usage = request.person.texts.admin.block_usage;
    carry_out(ctx, request, id.map(|id| (id, PermissionOrder::Block)), usage).await
}

pub(super) async fn unblock(ctx: &BotContext, request: &Request, id: Option<&str>) -> Result<Reply, Failure> {
    let usage = request.person.texts.admin.unblock_usage;
    carry_out(ctx, request, id.map(|id| (id, PermissionOrder::Unblock)), usage).await
}

pub(super) async fn role(
    ctx: &BotContext,
    request: &Request,
    arguments: &[String],
) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    let usage = texts.admin.role_usage;
    let order = match arguments {
        [id, role, rest @ ..] => match (role.to_ascii_lowercase().parse(), rest) {
            (Err(_), _) => Err(Fault::NoRole(role)),
            (Ok(_), [more, ..]) => Err(Fault::TooMany(more)),
            (Ok(role), []) => Ok(Some((id.as_str(), PermissionOrder::Role(role)))),
        },
        _ => Ok(None),
    };
    match order {
        Err(fault) if request.person.is_admin() => {
            Ok(Reply::text(format!("{}\n\n{usage}", (texts.admin.fault)(&fault))))
        }
        order => carry_out(ctx, request, order.unwrap_or_default(), usage).await,
    }
}

async fn carry_out(
    ctx: &BotContext,
    request: &Request,
    order: Option<(&str, PermissionOrder)>,
    usage: &str,
) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let Some((id, order)) = order else { return Ok(Reply::text(usage)) };
    let Some(account) = find(ctx, id).await? else {
        return Ok(Reply::text((texts.account.nobody)(id)));
    };
    let before = ctx.chat.app.store.load_account(account).await?;
    let who = admin::name_of(ctx, account, id).await?;
    let done = match give(ctx, request, account, &who, order).await? {
        Given::Done(done) => done,
        Given::Refused(why) => return Ok(Reply::text(why)),
    };
    let back = match order {
        PermissionOrder::Block if !before.is_blocked() => Some(PermissionOrder::Unblock),
        PermissionOrder::Unblock if before.is_blocked() => Some(PermissionOrder::Block),
        PermissionOrder::Role(role) if role != before.role() => Some(PermissionOrder::Role(before.role())),
        _ => None,
    };
    let reply = Reply::text(done);
    Ok(match back {
        Some(order) => {
            let undo = Undo::new(Order::Permission { account, order }, ctx.chat.app.clock.now());
            reply.with_buttons(undo.buttons(texts))
        }
        None => reply,
    })
}

/// What became of an order, in words.
pub(super) enum Given {
    /// What holds now.
    Done(String),
    /// Why it was not carried out.
    Refused(String),
}

/// Carries an order out.
pub(super) async fn give(
    ctx: &BotContext,
    request: &Request,
    account: AccountId,
    who: &str,
    order: PermissionOrder,
) -> Result<Given, Failure> {
    let texts = request.person.texts;
    let context = Context::by(request.person.account_id).with_update(request.update_id);
    let (app, named) = (&ctx.chat.app, &ctx.chat.admins);
    let ordered = app.permissions().order(account, order, named, app.clock.now(), context).await?;
    Ok(match ordered {
        Ordered::Nobody => Given::Refused((texts.account.nobody)(who)),
        Ordered::LastAdmin => Given::Refused(texts.admin.last_admin.to_owned()),
        Ordered::NamedInSettings => Given::Refused(texts.admin.named_in_settings.to_owned()),
        Ordered::Done => Given::Done(match order {
            PermissionOrder::Block => (texts.admin.blocked)(who),
            PermissionOrder::Unblock => (texts.admin.unblocked)(who),
            PermissionOrder::Role(role) => {
                if let Some(subject) = app.vault.subject(account).await? {
                    menu::publish_for(ctx, subject.telegram_id, role).await;
                }
                (texts.admin.role_given)(who, role)
            }
        }),
    })
}
