//! `/login CODE`, the beginning of every login, and its button's page.
//!
//! 1. Which login: its id comes from the update, so that a second delivery means the same one.
//! 2. Not too many tries.
//! 3. Which invite, and whether this person may have it.
//! 4. Would it replace a running subscription of another tier? Then ask before anything is reserved.
//! 5. Reserve one use for the login.
//! 6. Start the login; the reactor would do so too, if this process died right here.
//! 7. Answer, once a login.
//!
//! `/login` alone starts a login without an invite (steps 1, 2, 6 and 7) for whom a subscription runs.

use domain::login::LOGIN_TTL;
use domain::{InviteCommand, InviteError, InviteGrant, LoginCommand, LoginId, LoginStatus};
use eventlog::{Context, StoreError};
use teloxide::types::{InlineKeyboardButton, WebAppInfo};
use url::Url;
use vault::limits::LimitError;
use vault::normalise_code;

use super::BotContext;
use super::dispatch::{Failure, Request};
use super::reply::{Reply, card_key};
use super::texts::{Later, LoginCard, Replacement, Ways, minutes_left, time_of_day};

/// Every login begins with its first attempt; the page may retry it.
const FIRST_ATTEMPT: u32 = 1;
/// Before the code in the data of the button that agrees.
const REPLACE: &str = "replace:";
/// The data of the button that declines.
const KEEP: &str = "keep";

/// Whether the person knows that a running subscription will be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    Unasked,
    Given,
}

/// What a person pressed under the question of step 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Replace(String),
    Keep,
}

impl Answer {
    pub fn parse(data: &str) -> Option<Self> {
        match data.strip_prefix(REPLACE) {
            Some(code) => Some(Self::Replace(code.to_owned())),
            None => (data == KEEP).then_some(Self::Keep),
        }
    }
}

pub(super) async fn answered(
    ctx: &BotContext,
    request: &Request,
    answer: Answer,
) -> Result<Option<Reply>, Failure> {
    match answer {
        Answer::Keep => Ok(Some(Reply::text(request.person.texts.kept).instead_of(request.pressed))),
        Answer::Replace(code) => by_code(ctx, request, &code, Consent::Given).await,
    }
}

pub(super) async fn by_code(
    ctx: &BotContext,
    request: &Request,
    code: &str,
    consent: Consent,
) -> Result<Option<Reply>, Failure> {
    let (chat, person, texts) = (&ctx.chat, &request.person, request.person.texts);
    let now = chat.clock.now();
    let say = |text: String| Ok(Some(Reply::text(text).instead_of(request.pressed)));

    // 1.
    let login_id = login_id(ctx, request);
    let standing = chat.store.load_login(&login_id).await?.status();
    if let Some(reply) = already(request, standing) {
        return Ok(reply);
    }

    // 2.
    if standing.is_none()
        && let Some(refusal) = too_many(ctx, request, &login_id).await?
    {
        return Ok(Some(refusal));
    }

    // 3.
    let Some(invite_id) = (match normalise_code(code) {
        Some(code) => chat.vault.invite_of(&code).await?,
        None => None,
    }) else {
        return say(texts.unknown_code.to_owned());
    };
    let invite = chat.store.load_invite(invite_id).await?;
    let Some(grant) = invite.grant() else { return say(texts.unknown_code.to_owned()) };
    let redeem = InviteCommand::Redeem {
        account_id: person.account_id,
        login_id: login_id.clone(),
        attempt: FIRST_ATTEMPT,
        at: now,
    };
    let active = person.active(ctx, now);
    let refused = |error: InviteError| {
        let active = active.as_ref().map(|(_, active)| active);
        texts.refusal(error, active).ok_or_else(|| Failure::Command(error.to_string()))
    };
    if standing.is_none() {
        if let Err(error) = invite.decide(redeem.clone()) {
            return say(refused(error)?);
        }
        // Also by an account of theirs that was erased.
        let fingerprint = chat.master.person_hmac(person.telegram_id);
        if chat.vault.kept_after_erasure(&fingerprint).await?.used_invites.contains(&invite_id) {
            return say(refused(InviteError::AlreadyUsedByYou)?);
        }

        // 4.
        if let Some((_, running)) = active.clone().filter(|(it, _)| it.tier != grant.tier)
            && consent == Consent::Unasked
        {
            let question = Replacement { running, tier: grant.tier };
            return Ok(Some(Reply::text((texts.replace_question)(&question)).with_buttons(vec![
                vec![InlineKeyboardButton::callback((texts.replace)(grant.tier), format!("{REPLACE}{code}"))],
                vec![InlineKeyboardButton::callback(texts.keep, KEEP)],
            ])));
        }

        // 5.
        match chat.store.invite(invite_id, redeem, context(request, &login_id)).await {
            Ok(()) => {}
            Err(StoreError::Refused(error)) => return say(refused(error)?),
            Err(other) => return Err(other.into()),
        }

        // 6.
        start(ctx, request, &login_id, Some(grant)).await?;
    }

    // 7.
    let card = LoginCard { tier: grant.tier, limits: chat.tiers.limits(grant.tier), ways: ways(ctx) };
    Ok(Some(card_reply(ctx, request, &login_id, (texts.invite_accepted)(&card))?))
}

pub(super) async fn without_code(ctx: &BotContext, request: &Request) -> Result<Option<Reply>, Failure> {
    let texts = request.person.texts;
    if request.person.account.subscription_at(ctx.chat.clock.now()).is_none() {
        return Ok(Some(Reply::text(texts.login_usage)));
    }
    let login_id = login_id(ctx, request);
    let standing = ctx.chat.store.load_login(&login_id).await?.status();
    if let Some(reply) = already(request, standing) {
        return Ok(reply);
    }
    if standing.is_none() {
        if let Some(refusal) = too_many(ctx, request, &login_id).await? {
            return Ok(Some(refusal));
        }
        start(ctx, request, &login_id, None).await?;
    }
    Ok(Some(card_reply(ctx, request, &login_id, (texts.login_again)(ways(ctx)))?))
}

/// The login that this update means. A question's button means one login however often it is pressed: that of the
/// question; message ids are made negative to keep apart from the numbers of updates.
fn login_id(ctx: &BotContext, request: &Request) -> LoginId {
    let origin = request.pressed.map_or(request.update_id, |message| -i64::from(message));
    ctx.chat.master.login_id(origin, request.chat_id)
}

/// A login that has ended before its answer could be given: its end was told, a card would only mislead.
fn already(request: &Request, standing: Option<LoginStatus>) -> Option<Option<Reply>> {
    let ended = standing.is_some_and(|status| !status.is_live());
    ended.then(|| {
        request
            .pressed
            .map(|_| Reply::text(request.person.texts.question_is_over).instead_of(request.pressed))
    })
}

async fn too_many(ctx: &BotContext, request: &Request, login_id: &LoginId) -> Result<Option<Reply>, Failure> {
    let now = ctx.chat.clock.now();
    let person = ctx.chat.master.person_hmac(request.person.telegram_id);
    match ctx.limits.try_login(&person, login_id, FIRST_ATTEMPT, now).await {
        Ok(()) => Ok(None),
        Err(LimitError::RetryAt(at)) => {
            let later =
                Later { at: time_of_day(at, &ctx.chat.display_timezone), minutes: minutes_left(now, at) };
            Ok(Some(Reply::text((request.person.texts.too_many_tries)(&later))))
        }
        Err(LimitError::Database(error)) => Err(error.into()),
    }
}

async fn start(
    ctx: &BotContext,
    request: &Request,
    login_id: &LoginId,
    invite: Option<InviteGrant>,
) -> Result<(), Failure> {
    let start = LoginCommand::Start {
        account_id: request.person.account_id,
        invite,
        attempt: FIRST_ATTEMPT,
        at: ctx.chat.clock.now(),
    };
    ctx.chat.store.login(login_id, start, context(request, login_id)).await?;
    Ok(())
}

fn context(request: &Request, login_id: &LoginId) -> Context {
    Context::by(request.person.account_id).with_login(login_id).with_update(request.update_id)
}

fn ways(ctx: &BotContext) -> Ways {
    if ctx.chat.one_phone_login { Ways::Four } else { Ways::Three }
}

fn card_reply(
    ctx: &BotContext,
    request: &Request,
    login_id: &LoginId,
    text: String,
) -> Result<Reply, Failure> {
    let page = format!("{}/qr-auth?session_id={login_id}", ctx.chat.auth_base_url.trim_end_matches('/'));
    let url = Url::parse(&page).map_err(|_| Failure::Malformed("AUTH_BASE_URL is no URL"))?;
    let button = InlineKeyboardButton::web_app(request.person.texts.open_page, WebAppInfo { url });
    let deadline = ctx.chat.clock.now().checked_add(LOGIN_TTL).ok();
    let reply = Reply::text(text)
        .with_buttons(vec![vec![button]])
        .instead_of(request.pressed)
        .with_key(card_key(login_id));
    Ok(deadline.into_iter().fold(reply, Reply::not_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buttons_of_the_question_are_read_back() {
        assert_eq!(Answer::parse("replace:3HBP4Z3ECICZ"), Some(Answer::Replace("3HBP4Z3ECICZ".to_owned())));
        assert_eq!(Answer::parse("keep"), Some(Answer::Keep));
        assert_eq!(Answer::parse("keep:it"), None);
        assert_eq!(Answer::parse("invite:premium"), None);
    }
}
