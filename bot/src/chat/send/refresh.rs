//! Brings a login's card up to date. A sender that was frozen may edit a card after the next sender did. So a sender that
//! has edited a card looks whether it shows the newest state, and edits it again where it does not.

use std::time::Duration;

use eventlog::Outage;
use governor::DefaultDirectRateLimiter;
use projections::views::login_status;

use super::compose::{OutgoingCard, OutgoingMessage};
use super::deliver::{Outcome, deliver};
use crate::chat::card::{CardState, menu_button};
use crate::chat::context::BotContext;
use crate::chat::menu;

/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Edits the card until it shows how the login stands. Then the chat's menu button opens the login that is live.
pub(super) async fn refresh(
    ctx: &BotContext,
    pace: &DefaultDirectRateLimiter,
    outage: &mut Outage,
    mut card: OutgoingCard,
) -> Outcome {
    loop {
        let mut body = card.state.card(&ctx.chat, card.texts, &card.login, card.is_told);
        let menu = body.menu.take();
        body.instead_of = Some(card.message.0);
        let edit = OutgoingMessage {
            chat: card.chat,
            body,
            warning: false,
            edit_only: true,
            is_card: false,
            new_role: None,
        };
        let outcome = deliver(ctx, edit).await;
        if !matches!(outcome, Outcome::Sent(_) | Outcome::Never(_)) {
            return outcome;
        }
        let newest = outage.retry_until_ok(DATABASE_PAUSE, || CardState::load(ctx, &card.login)).await;
        if let (Some(newest), Outcome::Sent(_)) = (newest, &outcome)
            && newest != card.state
        {
            card = OutgoingCard { state: newest, is_told: false, ..card };
            pace.until_ready().await;
            continue;
        }
        if card.state.is_begun_anew() {
            menu::set(ctx, card.chat, menu).await;
        } else if !card.state.is_live() && !card.state.is_superseded() {
            let live = || login_status::live_of(&ctx.chat.app.db, card.state.account_id);
            let live = outage.retry_until_ok(DATABASE_PAUSE, live).await;
            let newest = live.iter().max_by_key(|login| login.started_position);
            let menu = newest.and_then(|login| menu_button(&ctx.chat, card.texts, &login.login_id));
            menu::set(ctx, card.chat, menu).await;
        }
        return outcome;
    }
}
