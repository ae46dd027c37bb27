//! CHECKPOINTS_TO_CHAT: once a day every admin gets the last signed checkpoint of the log, so that it is where nobody who runs the service
//! can change it. A day on which nothing was signed has none.
//!
//! The key in the outbox is made of the day and the admin: there is one message a day, however many processes look or die.

use std::future::pending;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use tokio::time::sleep;
use transparency::{StoredTree, TreeError};

use super::alarm::admins;
use super::context::BotContext;
use super::reply::Reply;

/// How often it looks whether a day is over.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks for as long as it is polled, where the settings say so.
pub(super) async fn run(ctx: &BotContext) {
    if !ctx.chat.checkpoints {
        return pending().await;
    }
    let mut told = Told::default();
    loop {
        if let Err(error) = look(ctx, &mut told).await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "the last checkpoint could not be asked for; it is looked at again");
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What this process has told last.
#[derive(Default)]
pub(super) struct Told {
    day: Option<Date>,
    note: String,
}

/// Queues the last checkpoint, where this day has none yet, and something was signed since the day before began.
pub(super) async fn look(ctx: &BotContext, told: &mut Told) -> Result<(), TreeError> {
    let app = &ctx.chat.app;
    let now = app.clock.now().to_zoned(ctx.chat.display_timezone.clone());
    let today = now.date();
    if told.day == Some(today) {
        return Ok(());
    }
    let state = StoredTree::new(&app.db).state().await?;
    // What is not signed now may be again in a minute.
    let (Some(note), Some(signed_at), None) = (state.served, state.signed_at, state.fault) else {
        return Ok(());
    };
    let signed_on = signed_at.to_zoned(ctx.chat.display_timezone.clone()).date();
    let is_new = told.note != note && today.yesterday().is_ok_and(|yesterday| signed_on >= yesterday);
    if is_new {
        let not_after = now.checked_add(1.day()).ok().map(|at| at.timestamp());
        for (admin, language) in admins(ctx).await? {
            let body = Reply::text((language.texts().admin.checkpoint)(&note)).body;
            let body = serde_json::to_value(&body).expect("a message is plain data");
            ctx.outbox.reply(&format!("checkpoint/{today}/{admin}"), admin, &body, not_after).await?;
        }
    }
    *told = Told { day: Some(today), note };
    Ok(())
}
