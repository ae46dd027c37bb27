//! `/admin_rebuild [VIEW]`: has a view built again from the log, after asking. What that does is told in `app::rebuilds`. The message
//! of the question then shows how far it is (`rebuild_progress`).

use app::rebuilds::{self, Cancelled, Ordered, RebuildOrder, Run, RunStatus, run};
use domain::RebuildId;
use eventlog::{Context, Log, Topic};
use projections::row_count::rows_of;
use projections::views;
use teloxide::types::InlineKeyboardButton;
use texts::chat::{RebuildLine, RebuildQuestion};
use uuid::Uuid;

use super::context::BotContext;
use super::failure::Failure;
use super::rebuild_progress::{self, state_of, stop_button};
use super::reply::Reply;
use super::request::Request;

/// What an admin pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This view is meant.
    Ask(String),
    /// It is to be rebuilt, or only looked at.
    Order {
        view: String,
        dry_run: bool,
    },
    /// A rebuild is to end.
    Stop(RebuildId),
    Decline,
}

impl Answer {
    /// Reads `rebuild:ask:users` and its likes.
    pub fn parse(data: &str) -> Option<Self> {
        let view = |view: &str| views::names().contains(&view).then(|| view.to_owned());
        match data.strip_prefix("rebuild:")?.split_once(':') {
            Some(("ask", of)) => Some(Self::Ask(view(of)?)),
            Some(("do", of)) => Some(Self::Order { view: view(of)?, dry_run: false }),
            Some(("look", of)) => Some(Self::Order { view: view(of)?, dry_run: true }),
            Some(("stop", id)) => Some(Self::Stop(RebuildId(Uuid::try_parse(id).ok()?))),
            Some(("not", _)) => Some(Self::Decline),
            _ => None,
        }
    }
}

/// `/admin_rebuild [VIEW]`.
pub(super) async fn begin(ctx: &BotContext, request: &Request, view: Option<&str>) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    match view {
        None => list(ctx, request).await,
        Some(view) if views::names().contains(&view) => ask(ctx, request, view).await,
        Some(view) => Ok(Reply::text((texts.rebuild.unknown)(view, &views::names()))),
    }
}

/// None: the message shows it by itself.
pub(super) async fn answered(
    ctx: &BotContext,
    request: &Request,
    answer: Answer,
) -> Result<Option<Reply>, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Some(Reply::text(texts.admins_only)));
    }
    let reply = match answer {
        Answer::Ask(view) => Some(ask(ctx, request, &view).await?),
        Answer::Decline => Some(Reply::text(texts.rebuild.declined)),
        Answer::Order { view, dry_run } => order(ctx, request, view, dry_run).await?,
        Answer::Stop(id) => stop(ctx, request, id).await?,
    };
    Ok(reply.map(|reply| reply.instead_of(request.pressed)))
}

/// Every view, with how it stands, and a button for each.
async fn list(ctx: &BotContext, request: &Request) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    let overview = rebuilds::overview(&ctx.chat.app).await?;
    let lines: Vec<_> = overview
        .views
        .iter()
        .map(|it| RebuildLine {
            view: it.view,
            rows: it.rows,
            behind: it.behind + overview.unplaced,
            parked: it.parked,
            is_rebuilt: it.rebuild.as_ref().is_some_and(|run| run.status.is_live()),
        })
        .collect();
    let button = |it: &RebuildLine<'_>| {
        InlineKeyboardButton::callback(it.view.to_owned(), format!("rebuild:ask:{}", it.view))
    };
    let buttons = lines.chunks(2).map(|two| two.iter().map(button).collect()).collect();
    Ok(Reply::text((texts.rebuild.list)(&lines)).with_buttons(buttons))
}

/// Says what will happen, and asks. Where a rebuild of the view is live, shows that.
async fn ask(ctx: &BotContext, request: &Request, view: &str) -> Result<Reply, Failure> {
    let (texts, db) = (request.person.texts, &ctx.chat.app.db);
    if let Some(live) = run::live_of(db, view).await? {
        return Ok(shown(request, &live));
    }
    let question = RebuildQuestion {
        view,
        rows: rows_of(db, view).await?.unwrap_or(0),
        events: Log::new(db).end().await?,
        events_per_second: run::last_speed(db, view).await?.map(|speed| speed.round() as i64),
    };
    let button = |label: &str, what: &str| {
        vec![InlineKeyboardButton::callback(label, format!("rebuild:{what}:{view}"))]
    };
    Ok(Reply::text((texts.rebuild.question)(&question)).with_buttons(vec![
        button(texts.rebuild.rebuild, "do"),
        button(texts.rebuild.only_look, "look"),
        button(texts.rebuild.decline, "not"),
    ]))
}

async fn order(
    ctx: &BotContext,
    request: &Request,
    view: String,
    dry_run: bool,
) -> Result<Option<Reply>, Failure> {
    let (texts, app) = (request.person.texts, &ctx.chat.app);
    let asked_by = request.person.account_id;
    // The same button of the same message is the same order, however often it is pressed or delivered.
    let seed =
        app.vault.order(request.chat_id, &request.origin(&format!("rebuild/{view}/{dry_run}"))).await?;
    let bytes = *seed.first_chunk().expect("18 bytes are more than 16");
    let rebuild_id = RebuildId(uuid::Builder::from_random_bytes(bytes).into_uuid());
    let order = RebuildOrder { rebuild_id, asked_by, view: view.clone(), dry_run };
    let context = Context::by(asked_by).with_update(request.update_id);
    let run = match rebuilds::order(app, order, context).await? {
        Ordered::Run(run) => run,
        Ordered::Busy(other) => return Ok(Some(shown(request, &other))),
        Ordered::NoView => return Ok(Some(Reply::text((texts.rebuild.unknown)(&view, &views::names())))),
        Ordered::NotAllowed => return Ok(Some(Reply::text(texts.admins_only))),
    };
    let Some(message) = request.pressed else { return Ok(Some(shown(request, &run))) };
    // First, so that nothing that is newer is shown before it.
    rebuild_progress::show(ctx, request.chat_id, texts, &run, message).await?;
    run::show_in(&app.db, rebuild_id, message).await?;
    app.db.wake().notify(Topic::Projected);
    Ok(None)
}

async fn stop(ctx: &BotContext, request: &Request, id: RebuildId) -> Result<Option<Reply>, Failure> {
    let (texts, by) = (request.person.texts, request.person.account_id);
    let context = Context::by(by).with_update(request.update_id);
    match rebuilds::cancel(&ctx.chat.app, id, by, context).await? {
        Cancelled::Run(run)
            if run.status == RunStatus::Running
                || (run.asked_by == by && run.chat_message == request.pressed) =>
        {
            Ok(None)
        }
        Cancelled::Run(run) => Ok(Some(shown(request, &run))),
        Cancelled::Unknown => Ok(Some(Reply::text(texts.question_is_over))),
        Cancelled::NotAllowed => Ok(Some(Reply::text(texts.admins_only))),
    }
}

/// A run as it is now, in a message that does not follow it.
fn shown(request: &Request, run: &Run) -> Reply {
    let texts = request.person.texts;
    let reply = Reply::text(state_of(texts, run));
    if run.status.is_live() { reply.with_buttons(stop_button(texts, run)) } else { reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buttons_are_read_back_and_fit() {
        let id = RebuildId(Uuid::from_u128(u128::MAX));
        let view = || "login_status".to_owned();
        for (data, answer) in [
            ("rebuild:ask:login_status".to_owned(), Answer::Ask(view())),
            ("rebuild:do:login_status".to_owned(), Answer::Order { view: view(), dry_run: false }),
            ("rebuild:look:login_status".to_owned(), Answer::Order { view: view(), dry_run: true }),
            ("rebuild:not:login_status".to_owned(), Answer::Decline),
            (format!("rebuild:stop:{}", id.0.simple()), Answer::Stop(id)),
        ] {
            assert!(data.len() <= 64, "Telegram takes 64 bytes of data");
            assert_eq!(Answer::parse(&data), Some(answer));
        }
        for data in ["rebuild", "rebuild:do:nonsense", "rebuild:stop:x", "rebuild:all:users", "keep"] {
            assert_eq!(Answer::parse(data), None, "{data}");
        }
    }
}
