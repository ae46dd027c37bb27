//! What a message of the outbox says, and whether one that may have arrived already is sent again.
//!
//! Twice would be worse than not at all, and a person who misses an answer asks again. Two kinds are sent again:
//!
//! - the card of a login, which is the only way into it. One card counts; another one loses its button as soon as its number
//!   is known;
//! - a warning, to the person or to the admins.
//!
//! What the card of a login shows is not told by a message as well, but for what the person has to hear: that they are in, that
//! another account confirmed, and that the login ended to which they said `/cancel`.

use domain::policy::Notice;
use domain::{AccountId, LoginId, Role};
use eventlog::DatabaseError;
use messages::outbox::{Message, To};
use projections::views::subscriptions::{self, SubscriptionRow, SubscriptionState};
use projections::views::{login_status, users};
use teloxide::types::{ChatId, MessageId};
use texts::Language;
use texts::chat::Texts;

use crate::chat::card::{self, CardState};
use crate::chat::context::BotContext;
use crate::chat::notice::{is_warning, login_of, people_in, render};
use crate::chat::reply::{Body, card_of};

/// A message in words, or the reason why there is none.
pub(super) enum Composed {
    Call(Box<Call>),
    /// The card of the login says the same.
    InCard,
    GivenUp(&'static str),
}

impl Composed {
    fn call(call: Call) -> Self {
        Self::Call(Box::new(call))
    }
}

/// What Telegram is asked to do.
pub(super) enum Call {
    Message(OutgoingMessage),
    /// Bring the card of a login up to date.
    Card(OutgoingCard),
}

/// A message as it goes out.
pub(super) struct OutgoingMessage {
    pub chat: ChatId,
    pub body: Body,
    /// May be sent twice rather than not at all.
    pub warning: bool,
    /// It only edits a message. Where that is gone, nothing is sent.
    pub edit_only: bool,
    /// It is the first card of a login.
    pub is_card: bool,
    /// It tells a person of this new role of theirs: the list of commands changes with it.
    pub new_role: Option<Role>,
}

/// A card to bring up to date.
pub(super) struct OutgoingCard {
    pub chat: ChatId,
    pub message: MessageId,
    pub login: LoginId,
    pub texts: &'static Texts,
    /// How the login stood when this was composed.
    pub state: CardState,
    /// A message tells how it ended.
    pub is_told: bool,
}

/// Puts a message into words, or says why it is not to be sent.
pub(super) async fn compose(ctx: &BotContext, message: &Message) -> Result<Composed, DatabaseError> {
    match message.to {
        To::Chat(chat) => compose_answer(ctx, ChatId(chat), message).await,
        To::Account(account) => compose_notice(ctx, account, message).await,
    }
}

async fn compose_answer(
    ctx: &BotContext,
    chat: ChatId,
    message: &Message,
) -> Result<Composed, DatabaseError> {
    let Ok(body) = serde_json::from_value::<Body>(message.body.clone()) else {
        return Ok(Composed::GivenUp("not a message"));
    };
    let card_of = card_of(&message.dedup_key);
    let is_card = card_of.is_some();
    let (warning, edit_only) = (body.warning, body.edit_only);
    let mut outgoing = OutgoingMessage { chat, warning, body, edit_only, is_card, new_role: None };
    if let Some(login) = card_of {
        match CardState::load(ctx, &login).await? {
            Some(state) if !state.is_live() && !message.unclear => {
                return Ok(Composed::GivenUp("its login is over"));
            }
            // A copy of it may be in the chat, with the button. This one takes the button from it.
            Some(state) if !state.is_live() => {
                let texts = texts_of(ctx, state.account_id).await?;
                outgoing.body = state.card(&ctx.chat, texts, &login, false);
            }
            _ => {}
        }
    } else if message.unclear && !outgoing.warning {
        match outgoing.body.instead_of {
            Some(_) => outgoing.edit_only = true,
            None => return Ok(Composed::GivenUp("it may have been sent already")),
        }
    }
    Ok(Composed::call(Call::Message(outgoing)))
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
    if let Notice::SubscriptionEnds { expires_at, .. } = notice {
        let running = subscriptions::by_account(&chat.app.db, account).await?;
        let still =
            |it: SubscriptionRow| it.status == SubscriptionState::Active && it.expires_at == Some(expires_at);
        if !running.is_some_and(still) {
            return Ok(Composed::GivenUp("the subscription was renewed, or has ended"));
        }
    }
    let Some(subject) = chat.app.vault.subject(account).await? else {
        return Ok(Composed::GivenUp("nobody is there to be told"));
    };
    let chat_id = ChatId(subject.telegram_id);
    if let Notice::CardChanged { login_id } = notice {
        return compose_card(ctx, account, chat_id, login_id, &message.dedup_key).await;
    }
    let mut goes_on = false;
    if let Some(login) = login_of(&notice)
        && let Some(state) = CardState::load(ctx, login).await?
    {
        let live = login_status::live_of(&chat.app.db, account).await?;
        let is_overtaken = live.iter().any(|other| other.login_id != *login);
        goes_on = state.is_live() || is_overtaken;
        let news = News { account, chat: chat_id, login, state, is_overtaken };
        if let Some(elsewhere) = told_elsewhere(ctx, &notice, news).await? {
            return Ok(elsewhere);
        }
    }
    if message.unclear && !is_warning(&notice) {
        return Ok(Composed::GivenUp("it may have been sent already"));
    }
    let people = users::by_accounts(&chat.app.db, &people_in(&notice)).await?;
    let name = |account: AccountId| match people.get(&account) {
        Some(user) => format!("{} ({})", user.first_name.as_deref().unwrap_or_default(), user.telegram_id),
        None => account.to_string(),
    };
    let texts = texts_of(ctx, account).await?;
    let (support, zone) = (chat.support_contact.as_deref(), &chat.display_timezone);
    let text = render(&notice, texts, &chat.app.tiers, support, zone, goes_on, &name);
    Ok(Composed::call(Call::Message(OutgoingMessage {
        chat: chat_id,
        body: Body::text(text),
        warning: is_warning(&notice),
        edit_only: false,
        is_card: false,
        new_role: match notice {
            Notice::RoleChanged { account_id, role, .. } if account_id == account => Some(role),
            _ => None,
        },
    })))
}

/// News of a login.
struct News<'a> {
    account: AccountId,
    chat: ChatId,
    login: &'a LoginId,
    state: CardState,
    /// Another login of the same person goes on: what is told now would stand below its card, and seem to be about it.
    is_overtaken: bool,
}

/// What news of a login is instead of a message of its own; None: it is one.
async fn told_elsewhere(
    ctx: &BotContext,
    notice: &Notice,
    news: News<'_>,
) -> Result<Option<Composed>, DatabaseError> {
    let News { account, chat, login, state, is_overtaken } = news;
    match notice {
        // The news is older than what the card and the page show.
        Notice::Expired { .. } | Notice::Cancelled { .. } | Notice::Failed { .. } if state.is_live() => {
            Ok(Some(Composed::GivenUp("the login was begun anew")))
        }
        // What the person said in the chat is answered there.
        Notice::Cancelled { .. } if state.cancelled_in_chat && !is_overtaken => Ok(None),
        Notice::Expired { .. } | Notice::Cancelled { .. } | Notice::Failed { .. } => {
            match card::message_of(ctx, login).await? {
                Some(message) => {
                    let (login, texts, message) =
                        (login.clone(), texts_of(ctx, account).await?, MessageId(message));
                    let card = OutgoingCard { chat, message, login, texts, state, is_told: false };
                    Ok(Some(Composed::call(Call::Card(card))))
                }
                // The card of the newer login says enough.
                None => Ok(state.is_superseded().then_some(Composed::InCard)),
            }
        }
        Notice::Authorized { .. } if is_overtaken => {
            Ok(card::message_of(ctx, login).await?.map(|_| Composed::InCard))
        }
        _ => Ok(None),
    }
}

async fn compose_card(
    ctx: &BotContext,
    account: AccountId,
    chat: ChatId,
    login: LoginId,
    key: &str,
) -> Result<Composed, DatabaseError> {
    let Some(state) = CardState::load(ctx, &login).await? else {
        return Ok(Composed::GivenUp("the login has not begun"));
    };
    let Some(message) = card::message_of(ctx, &login).await? else {
        return Ok(Composed::GivenUp("the login has no card"));
    };
    let texts = texts_of(ctx, account).await?;
    let is_told = card::is_told(ctx, key, &state, &login, message).await?;
    let card = OutgoingCard { chat, message: MessageId(message), login, texts, state, is_told };
    Ok(Composed::call(Call::Card(card)))
}

async fn texts_of(ctx: &BotContext, account: AccountId) -> Result<&'static Texts, DatabaseError> {
    let language = users::by_account(&ctx.chat.app.db, account).await?.and_then(|user| user.language_code);
    Ok(Language::of(language.as_deref()).texts())
}
