//! `/admin_block ID`, `/admin_unblock ID`, `/admin_role ID ROLE`. What they do is told in `app::people::permissions`.

use app::people::permissions::{Ordered, PermissionOrder};
use domain::Role;
use eventlog::Context;

use super::context::BotContext;
use super::failure::Failure;
use super::menu;
use super::reply::Reply;
use super::request::Request;
use super::status::find;

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
    let order = match arguments {
        [id, role] => role.parse().ok().map(|role| (id.as_str(), PermissionOrder::Role(role))),
        _ => None,
    };
    carry_out(ctx, request, order, request.person.texts.admin.role_usage).await
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
    let Some(account) = find(ctx, id).await? else { return Ok(Reply::text(texts.account.nobody)) };
    let context = Context::by(request.person.account_id).with_update(request.update_id);
    let (app, named) = (&ctx.chat.app, &ctx.chat.admins);
    let ordered = app.permissions().order(account, order, named, app.clock.now(), context).await?;
    Ok(Reply::text(match ordered {
        Ordered::Nobody => texts.account.nobody.to_owned(),
        Ordered::LastAdmin => texts.admin.last_admin.to_owned(),
        Ordered::NamedInSettings => texts.admin.named_in_settings.to_owned(),
        Ordered::Done => match order {
            PermissionOrder::Block => (texts.admin.blocked)(id),
            PermissionOrder::Unblock => (texts.admin.unblocked)(id),
            PermissionOrder::Role(role) => {
                if let Some(subject) = app.vault.subject(account).await? {
                    menu::publish_for(ctx, subject.telegram_id, role == Role::Admin).await;
                }
                (texts.admin.role_given)(id, role)
            }
        },
    }))
}
