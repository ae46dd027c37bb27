//! What a message of the outbox says, and whether one that may have arrived already is sent again.
//!
//! Twice would be worse than not at all, and a person who misses an answer asks again. Two kinds are sent again:
//!
//! - the card of a login that goes on, whose button is the only way into it. One card counts; another one loses its button as
//!   soon as its number is known;
//! - a warning, to the person or to the admins.
//!
//! A notice about a login is written into that login's card instead, where it cannot be shown twice (`notice::IfUnclear`).

use app::outbox::{Message, To};
use domain::policy::Notice;
use domain::{AccountId, LoginId};
use eventlog::DatabaseError;
use projections::views::users;
use teloxide::types::ChatId;
use texts::Language;

use crate::chat::context::BotContext;
use crate::chat::notice::{IfUnclear, if_unclear, people_in, render};
use crate::chat::reply::{Body, card_key, card_of};

/// A message in words, or the reason why there is none.
pub(super) enum Composed {
    Message(OutgoingMessage),
    GivenUp(&'static str),
}

/// A message as it goes out.
pub(super) struct OutgoingMessage {
    pub chat: ChatId,
    pub body: Body,
    /// May be sent twice rather than not at all.
    pub warning: bool,
    /// It only edits a message. Where that is gone, nothing is sent.
    pub edit_only: bool,
}

/// Puts a message into words, or says why it is not to be sent.
pub(super) async fn compose(ctx: &BotContext, message: &Message) -> Result<Composed, DatabaseError> {
    match message.to {
        To::Chat(chat) => {
            let Ok(body) = serde_json::from_value::<Body>(message.body.clone()) else {
                return Ok(Composed::GivenUp("not a message"));
            };
            let mut outgoing =
                OutgoingMessage { chat: ChatId(chat), warning: body.warning, body, edit_only: false };
            if message.unclear && !outgoing.warning {
                match card_of(&message.dedup_key) {
                    Some(login) if is_live(ctx, &login).await? => {}
                    Some(_) => return Ok(Composed::GivenUp("its login is over")),
                    None if outgoing.body.instead_of.is_some() => outgoing.edit_only = true,
                    None => return Ok(Composed::GivenUp("it may have been sent already")),
                }
            }
            Ok(Composed::Message(outgoing))
        }
        To::Account(account) => compose_notice(ctx, account, message).await,
    }
}

async fn compose_notice(
    ctx: &BotContext,
    account: AccountId,
    message: &Message,
) -> Result<Composed, DatabaseError> {
    let chat = &ctx.chat;
    let Ok(notice) = serde_json::from_value::<Notice>(message.body.clone()) else {
        return Ok(Composed::GivenUp("not a notice"));
    };
    let Some(subject) = chat.app.vault.subject(account).await? else {
        return Ok(Composed::GivenUp("nobody is there to be told"));
    };
    let language = users::by_account(&chat.app.db, account).await?.and_then(|user| user.language_code);
    let texts = Language::of(language.as_deref()).texts();
    let people = users::by_accounts(&chat.app.db, &people_in(&notice)).await?;
    let name = |account: AccountId| match people.get(&account) {
        Some(user) => format!("{} ({})", user.first_name.as_deref().unwrap_or_default(), user.telegram_id),
        None => account.to_string(),
    };
    let (support, zone) = (chat.support_contact.as_deref(), &chat.display_timezone);
    let text = render(&notice, texts, &chat.app.tiers, support, zone, &name);
    let mut outgoing = OutgoingMessage {
        chat: ChatId(subject.telegram_id),
        body: Body { text, keyboard: None, instead_of: None, warning: false },
        warning: if_unclear(&notice) == IfUnclear::Send,
        edit_only: false,
    };
    if message.unclear {
        match if_unclear(&notice) {
            IfUnclear::Send => {}
            IfUnclear::Drop => return Ok(Composed::GivenUp("it may have been sent already")),
            IfUnclear::EditCard(login) => {
                let card = ctx.outbox.message_of(&card_key(&login)).await?;
                let Some(card) = card.and_then(|id| i32::try_from(id).ok()) else {
                    return Ok(Composed::GivenUp("it may have been sent already"));
                };
                // The card's button is the way into a login that goes on.
                if is_live(ctx, &login).await? {
                    return Ok(Composed::GivenUp("the login was begun anew"));
                }
                outgoing.body.instead_of = Some(card);
                outgoing.edit_only = true;
            }
        }
    }
    Ok(Composed::Message(outgoing))
}

async fn is_live(ctx: &BotContext, login: &LoginId) -> Result<bool, DatabaseError> {
    let status = ctx.chat.app.store.load_login(login).await?.status();
    Ok(status.is_some_and(|status| status.is_live()))
}
