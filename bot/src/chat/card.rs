//! A login's card: the one message in the chat that shows how the login stands. It answers `/login`, is edited as the login
//! goes on, and has the button to the page for as long as there is something to press.
//!
//! A card is written from the login's events as they are then, whatever event led to it. So an edit that comes late shows the
//! newest state, and repeating one changes nothing. What a message has told already, the card only names.

use domain::login::{CancelReason, FailReason, Reason};
use domain::policy::Notice;
use domain::{AccountId, Event, InviteGrant, LoginEvent, LoginId, LoginState, LoginStatus, StreamKind};
use eventlog::{DatabaseError, Log};
use teloxide::types::{InlineKeyboardButton, InlineKeyboardMarkup, MenuButton, WebAppInfo};
use texts::chat::{BeganWith, Texts, Ways};
use url::Url;

use super::context::{BotContext, Chat};
use super::reply::{Body, card_key};

/// How a login stands, as far as its card shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CardState {
    pub account_id: AccountId,
    pub status: LoginStatus,
    attempt: u32,
    grant: Option<InviteGrant>,
    /// Why it was cancelled or failed.
    reason: Option<Reason>,
    /// The person cancelled it by a message in the chat.
    pub cancelled_in_chat: bool,
}

impl CardState {
    /// The newest state; None: the login has not begun, as far as the log knows.
    pub async fn load(ctx: &BotContext, login: &LoginId) -> Result<Option<Self>, DatabaseError> {
        let (mut state, mut grant, mut cancelled_in_chat) = (None, None, false);
        for event in Log::new(&ctx.chat.app.db).stream(StreamKind::Login, login.as_str()).await? {
            let Ok(Event::Login(decoded)) = &event.event else { continue };
            if let LoginEvent::LoginStarted { invite, .. } = decoded {
                grant = *invite;
            }
            let is_cancelled = matches!(decoded, LoginEvent::LoginCancelled { .. });
            cancelled_in_chat = is_cancelled && event.metadata.update_id.is_some();
            state = LoginState::after(state, decoded);
        }
        Ok(state.map(|state| Self {
            account_id: state.account_id,
            status: state.status,
            attempt: state.attempt,
            grant,
            reason: state.reason.filter(|_| !state.status.is_live()),
            cancelled_in_chat,
        }))
    }

    pub fn is_live(&self) -> bool {
        self.status.is_live()
    }

    /// Whether it ended because the same person began another one.
    pub fn is_superseded(&self) -> bool {
        self.reason == Some(Reason::Cancelled(CancelReason::NewerLogin))
    }

    /// Whether the page's button has to be offered anew.
    pub fn is_begun_anew(&self) -> bool {
        self.is_live() && self.attempt > 1
    }

    /// The card. `is_told`: a message in the chat says how the login ended.
    pub fn card(&self, chat: &Chat, texts: &Texts, login: &LoginId, is_told: bool) -> Body {
        let body = Body::text(self.text(chat, texts, is_told));
        if self.is_live() { with_page(body, chat, texts, login) } else { body }
    }

    fn text(&self, chat: &Chat, texts: &Texts, is_told: bool) -> String {
        let began_with = BeganWith::of(self.grant.is_some());
        let going_on = |how: &str| going_on(chat, texts, self.grant, how);
        match self.status {
            LoginStatus::Waiting => going_on(&(texts.card.waiting)(ways(chat))),
            LoginStatus::CodeRequired => going_on(texts.card.code),
            LoginStatus::PasswordRequired => going_on(texts.card.password),
            LoginStatus::Authorized if is_told => going_on(texts.card.done),
            LoginStatus::Authorized => (texts.authorized)(self.grant.map(|grant| grant.tier)),
            LoginStatus::Expired => (texts.login_expired)(began_with),
            LoginStatus::Cancelled if is_told => texts.card.cancelled.to_owned(),
            LoginStatus::Cancelled => {
                let reason = match self.reason {
                    Some(Reason::Cancelled(reason)) => reason,
                    _ => CancelReason::Person,
                };
                (texts.login_cancelled)(reason, began_with, chat.support_contact.as_deref())
            }
            LoginStatus::Rejected if is_told => texts.card.rejected.to_owned(),
            LoginStatus::Rejected => (texts.login_rejected)(Some(began_with)),
            LoginStatus::Failed => {
                let reason = match self.reason {
                    Some(Reason::Failed(reason)) => reason,
                    _ => FailReason::Internal,
                };
                (texts.login_failed)(reason, began_with)
            }
        }
    }
}

/// The card of a login that has just begun: the answer to `/login`.
pub(super) fn first(chat: &Chat, texts: &Texts, login: &LoginId, grant: Option<InviteGrant>) -> Body {
    let text = going_on(chat, texts, grant, &(texts.card.waiting)(ways(chat)));
    with_page(Body::text(text), chat, texts, login)
}

fn going_on(chat: &Chat, texts: &Texts, grant: Option<InviteGrant>, how: &str) -> String {
    let begun = match grant {
        Some(grant) => (texts.card.by_invite)(grant.tier, chat.app.tiers.limits(grant.tier)),
        None => texts.card.without_invite.to_owned(),
    };
    format!("{begun}\n\n{how}")
}

fn ways(chat: &Chat) -> Ways {
    if chat.one_phone_login { Ways::Four } else { Ways::Three }
}

/// The button to the page of a login, under the card and beside the chat's input field.
fn with_page(body: Body, chat: &Chat, texts: &Texts, login: &LoginId) -> Body {
    let Some(web_app) = page_of(chat, login) else { return body };
    let button = InlineKeyboardButton::web_app(texts.open_page, web_app);
    let menu = menu_button(chat, texts, login);
    Body { keyboard: Some(InlineKeyboardMarkup::new([[button]])), menu, ..body }
}

/// A menu button that opens the page of a login.
pub(super) fn menu_button(chat: &Chat, texts: &Texts, login: &LoginId) -> Option<MenuButton> {
    page_of(chat, login).map(|web_app| MenuButton::WebApp { text: texts.card.menu.to_owned(), web_app })
}

/// None where `AUTH_BASE_URL` is no URL, which the settings refuse.
fn page_of(chat: &Chat, login: &LoginId) -> Option<WebAppInfo> {
    let page = format!("{}/qr-auth?session_id={login}", chat.auth_base_url.trim_end_matches('/'));
    Url::parse(&page).ok().map(|url| WebAppInfo { url })
}

/// The message of a login's card, where it is in the chat.
pub(super) async fn message_of(ctx: &BotContext, login: &LoginId) -> Result<Option<i32>, DatabaseError> {
    let message = ctx.outbox.message_of(&card_key(login)).await?;
    Ok(message.and_then(|id| i32::try_from(id).ok()))
}

/// Whether a message tells what the card that was queued under this key shows: both follow from one event. A notice that was
/// written into the card is no message.
pub(super) async fn is_told(
    ctx: &BotContext,
    key: &str,
    state: &CardState,
    login: &LoginId,
    card: i32,
) -> Result<bool, DatabaseError> {
    let kind = match state.status {
        LoginStatus::Authorized => "authorized",
        LoginStatus::Cancelled => "cancelled",
        LoginStatus::Rejected => "rejected",
        _ => return Ok(false),
    };
    let changed = Notice::CardChanged { login_id: login.clone() };
    let Some(event) = key.strip_suffix(changed.kind()) else { return Ok(false) };
    let message = ctx.outbox.message_of(&format!("{event}{kind}")).await?;
    Ok(message.is_some_and(|message| message != i64::from(card)))
}
