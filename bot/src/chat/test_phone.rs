//! `/debug_test_phone +7…`: is this number on Telegram? The bot says first what it will do, and does it when the button is pressed.
//! A code that is asked for here counts like the codes of logins: while Telegram asks to wait with those, none is sent.

use std::time::Duration;

use jiff::Timestamp;
use login_worker::number::{Verdict, Way};
use teloxide::types::InlineKeyboardButton;
use texts::chat::minutes_left;
use vault::limits::LimitError;

use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;
use super::typing;

/// How long to wait with a number that too many codes were sent to. Telegram does not say it.
const NUMBER_RESTS: Duration = Duration::from_hours(24);

/// What a button under the question means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ask(Way, String),
    Keep,
}

impl Answer {
    /// `phone:own:+7…`, `phone:code:+7…`, `phone:stop`.
    pub fn parse(data: &str) -> Option<Self> {
        let rest = data.strip_prefix("phone:")?;
        match rest.split_once(':') {
            Some(("own", phone)) => number(phone).map(|phone| Self::Ask(Way::OwnSession, phone)),
            Some(("code", phone)) => number(phone).map(|phone| Self::Ask(Way::Code, phone)),
            _ => (rest == "stop").then_some(Self::Keep),
        }
    }
}

/// A number in international form, as `+` and digits; None: the text is no number.
fn number(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '\u{a0}')).collect();
    let digits = kept.strip_prefix('+')?;
    let good = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then_some(kept)
}

pub(super) async fn ask_first(
    ctx: &BotContext,
    request: &Request,
    arguments: &str,
) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let Some(phone) = number(arguments) else { return Ok(Reply::text(texts.admin.phone_usage)) };
    let (question, way) = match ctx.numbers().way(request.person.account_id).await? {
        Way::OwnSession => (texts.admin.phone_by_session, "own"),
        Way::Code => (texts.admin.phone_by_code, "code"),
    };
    Ok(Reply::text(question).with_buttons(vec![
        vec![InlineKeyboardButton::callback(texts.admin.phone_ask, format!("phone:{way}:{phone}"))],
        vec![InlineKeyboardButton::callback(texts.stop, "phone:stop")],
    ]))
}

pub(super) async fn answered(ctx: &BotContext, request: &Request, answer: Answer) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let say = |text: String| Reply::text(text).instead_of(request.pressed);
    let Answer::Ask(way, phone) = answer else { return Ok(say(texts.account.kept.to_owned())) };
    let now = ctx.chat.app.clock.now();
    // The same press makes the same id, so that its second delivery does not ask twice.
    let order = ctx.chat.app.vault.order(request.chat_id, &request.origin("phone")).await?;
    let login_id = ctx.chat.app.keys.login_id(&order);
    let (account, limits) = (request.person.account_id, ctx.chat.app.limits());
    if way == Way::Code {
        match limits.codes_flow(account, now).await {
            Ok(()) => {}
            Err(LimitError::RetryAt(at)) => {
                return Ok(say((texts.admin.phone_flood)(minutes_left(now, at).unsigned_abs())));
            }
            Err(LimitError::Database(error)) => return Err(error.into()),
        }
    }
    match limits.try_code(&ctx.chat.app.keys, &login_id, request.person.telegram_id, &phone, now).await {
        Ok(()) => {}
        Err(LimitError::RetryAt(at)) => return Ok(say((texts.too_many_tries)(minutes_left(now, at)))),
        Err(LimitError::Database(error)) => return Err(error.into()),
    }
    let numbers = ctx.numbers();
    let verdict = typing::meanwhile(ctx, request.chat_id, numbers.ask(account, &phone, way)).await?;
    match (way, verdict) {
        (Way::Code, Verdict::FloodLimited(wait)) => {
            let now = ctx.chat.app.clock.now();
            limits.codes_flooded(account, now.checked_add(wait).unwrap_or(Timestamp::MAX), now).await?;
        }
        (Way::Code, Verdict::OnTelegram | Verdict::TakesCodes) => limits.code_went_out().await?,
        _ => {}
    }
    Ok(say(match verdict {
        Verdict::OnTelegram => texts.admin.phone_found.to_owned(),
        Verdict::NotFound => texts.admin.phone_not_found.to_owned(),
        Verdict::TakesCodes => texts.admin.phone_takes_codes.to_owned(),
        Verdict::Invalid => texts.admin.phone_invalid.to_owned(),
        Verdict::Banned => texts.admin.phone_banned.to_owned(),
        Verdict::FloodLimited(wait) => (texts.admin.phone_flood)(wait.as_secs().div_ceil(60)),
        Verdict::NumberFlooded => (texts.admin.phone_flood)(NUMBER_RESTS.as_secs() / 60),
        Verdict::Unreachable => texts.admin.phone_unreachable.to_owned(),
        Verdict::NoSession => texts.admin.phone_no_session.to_owned(),
        Verdict::Refused => texts.admin.phone_refused.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_write_it() {
        assert_eq!(number("+7 (999) 000-00-01"), Some("+79990000001".to_owned()));
        for bad in ["", "79990000001", "+7", "+7999000000x", "+1234567890123456"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_buttons_are_read_back() {
        let phone = || "+79990000001".to_owned();
        assert_eq!(Answer::parse("phone:own:+79990000001"), Some(Answer::Ask(Way::OwnSession, phone())));
        assert_eq!(Answer::parse("phone:code:+79990000001"), Some(Answer::Ask(Way::Code, phone())));
        assert_eq!(Answer::parse("phone:stop"), Some(Answer::Keep));
        assert_eq!(Answer::parse("phone:own:x"), None);
        assert_eq!(Answer::parse("keep"), None);
    }
}
