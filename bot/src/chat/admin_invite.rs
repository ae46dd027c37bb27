//! `/admin_invite`: an invite by buttons, tier → days → uses, or by words after the command. The data of the buttons holds what
//! has been chosen so far. Each step edits the message; the last one shows the code.

use app::invites::{self, MOST_USES, Order as InviteOrder};
use app::subscriptions::MOST_DAYS;
use domain::{InviteId, Tier};
use eventlog::Context;
use teloxide::types::{CopyTextButton, InlineKeyboardButton};
use texts::chat::{Fault, MadeInvite, day};

use super::admin::read_tier;
use super::context::BotContext;
use super::failure::Failure;
use super::reply::Reply;
use super::request::Request;
use super::undo::{Order, Undo};

/// Tiers that are offered. A free subscription would be none.
const TIERS: [Tier; 4] = [Tier::Trial, Tier::Basic, Tier::Premium, Tier::Enterprise];
/// Days that are offered beside the tier's own; 0 is unlimited.
const DAYS: [u32; 5] = [7, 30, 90, 365, 0];
const USES: [u32; 6] = [1, 2, 5, 10, 50, 100];

/// What a button means: everything that has been chosen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Tier(Tier),
    Days(Tier, u32),
    Uses(Tier, u32, u32),
    Stop,
}

impl Step {
    /// Reads `invite:premium:30:1`, or a beginning of it.
    pub fn parse(data: &str) -> Option<Self> {
        let mut parts = data.split(':');
        if parts.next() != Some("invite") {
            return None;
        }
        let tier = match parts.next()? {
            "stop" => return parts.next().is_none().then_some(Self::Stop),
            tier => tier.parse().ok()?,
        };
        let numbers: Vec<u32> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
        match numbers[..] {
            [] => Some(Self::Tier(tier)),
            [days] => Some(Self::Days(tier, days)),
            [days, uses] => Some(Self::Uses(tier, days, uses)),
            _ => None,
        }
    }

    pub(super) fn data(self) -> String {
        match self {
            Self::Tier(tier) => format!("invite:{tier}"),
            Self::Days(tier, days) => format!("invite:{tier}:{days}"),
            Self::Uses(tier, days, uses) => format!("invite:{tier}:{days}:{uses}"),
            Self::Stop => "invite:stop".to_owned(),
        }
    }
}

/// `/admin_invite [TIER [DAYS [USES]]]`: what is not said is asked by buttons.
pub(super) async fn begin(ctx: &BotContext, request: &Request, words: &[String]) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    match read(words) {
        Ok(Some(step)) => go_on(ctx, request, step).await,
        Ok(None) => {
            let tiers = TIERS.map(|tier| (tier.title().to_owned(), Step::Tier(tier)));
            Ok(Reply::text(texts.invite_tier).with_buttons(rows(request, &tiers, 2)))
        }
        Err(fault) => {
            Ok(Reply::text(format!("{}\n\n{}", (texts.admin.fault)(&fault), texts.admin.invite_usage)))
        }
    }
}

/// What has been chosen by the words after the command.
fn read(words: &[String]) -> Result<Option<Step>, Fault<'_>> {
    let days = |word: &str| word.parse::<u32>().ok().filter(|days| *days <= MOST_DAYS);
    Ok(Some(match words {
        [] => return Ok(None),
        [tier] => Step::Tier(read_tier(tier)?),
        [tier, term] => Step::Days(read_tier(tier)?, days(term).ok_or(Fault::NotDays(term))?),
        [tier, term, uses] => {
            let (tier, days) = (read_tier(tier)?, days(term).ok_or(Fault::NotDays(term))?);
            let count = uses.parse::<u32>().ok().filter(|uses| (1..=MOST_USES).contains(uses));
            Step::Uses(tier, days, count.ok_or(Fault::NotUses(uses))?)
        }
        [_, _, _, more, ..] => return Err(Fault::TooMany(more)),
    }))
}

pub(super) async fn go_on(ctx: &BotContext, request: &Request, step: Step) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let reply = match step {
        Step::Stop => Reply::text(texts.invite_stopped),
        Step::Tier(tier) => {
            let own = ctx.chat.app.tiers.terms(tier).days;
            let others = DAYS.into_iter().filter(|days| *days != own);
            let choices: Vec<_> = std::iter::once(own)
                .chain(others)
                .map(|days| ((texts.days)(days), Step::Days(tier, days)))
                .collect();
            Reply::text((texts.invite_days)(tier)).with_buttons(rows(request, &choices, 3))
        }
        Step::Days(tier, days) => {
            let choices = USES.map(|uses| ((texts.uses)(uses), Step::Uses(tier, days, uses)));
            Reply::text((texts.invite_uses)(tier, days)).with_buttons(rows(request, &choices, 3))
        }
        Step::Uses(tier, days, uses) => make(ctx, request, tier, days, uses).await?,
    };
    Ok(reply.instead_of(request.pressed))
}

async fn make(
    ctx: &BotContext,
    request: &Request,
    tier: Tier,
    days: u32,
    uses: u32,
) -> Result<Reply, Failure> {
    let (chat, texts) = (&ctx.chat, request.person.texts);
    let order = InviteOrder {
        invite_id: Some(invite_id(ctx, request, tier, days, uses).await?),
        subscription_days: Some(days),
        max_uses: uses,
        created_by: Some(request.person.account_id),
        ..InviteOrder::new(tier)
    };
    let context = Context::by(request.person.account_id).with_update(request.update_id);
    let made = chat.app.invites().create(order, context).await.map_err(Failure::of_order)?;
    let link = invites::link(&ctx.username, &made.code);
    let text = (texts.invite_made)(&MadeInvite {
        code: &made.code,
        link: &link,
        tier,
        days,
        uses,
        valid_until: day(made.valid_until, &chat.display_timezone),
    });
    let copy = InlineKeyboardButton::copy_text_button(texts.copy_code, CopyTextButton { text: made.code });
    let mut buttons = vec![vec![copy]];
    buttons.extend(Undo::new(Order::Invite(made.invite_id), chat.app.clock.now()).buttons(texts));
    Ok(Reply::text(text).with_buttons(buttons))
}

/// The same button of the same message always means the same invite, however often it is pressed or delivered.
async fn invite_id(
    ctx: &BotContext,
    request: &Request,
    tier: Tier,
    days: u32,
    uses: u32,
) -> Result<InviteId, Failure> {
    let choice = format!("invite/{tier}/{days}/{uses}");
    let order = ctx.chat.app.vault.order(request.chat_id, &request.origin(&choice)).await?;
    Ok(invites::id_of(&order))
}

fn rows(request: &Request, choices: &[(String, Step)], width: usize) -> Vec<Vec<InlineKeyboardButton>> {
    let button = |(label, step): &(String, Step)| InlineKeyboardButton::callback(label.clone(), step.data());
    let mut rows: Vec<Vec<_>> = choices.chunks(width).map(|row| row.iter().map(button).collect()).collect();
    rows.push(vec![InlineKeyboardButton::callback(request.person.texts.stop, Step::Stop.data())]);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_button_holds_is_read_back() {
        for step in [
            Step::Tier(Tier::Premium),
            Step::Days(Tier::Trial, 0),
            Step::Uses(Tier::Enterprise, 365, 100),
            Step::Stop,
        ] {
            assert_eq!(Step::parse(&step.data()), Some(step));
            assert!(step.data().len() <= 64, "Telegram takes 64 bytes of data");
        }
    }

    #[test]
    fn words_after_the_command_choose_and_what_is_wrong_with_them_is_named() {
        let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        for (text, step) in [
            ("", None),
            ("premium", Some(Step::Tier(Tier::Premium))),
            ("Premium 0", Some(Step::Days(Tier::Premium, 0))),
            ("premium 30 5", Some(Step::Uses(Tier::Premium, 30, 5))),
        ] {
            assert_eq!(read(&words(text)), Ok(step), "{text}");
        }
        for (text, fault) in [
            ("gold", Fault::NoTier("gold")),
            ("gold 30 5", Fault::NoTier("gold")),
            ("premium many", Fault::NotDays("many")),
            ("premium 99999999999", Fault::NotDays("99999999999")),
            ("premium 30 0", Fault::NotUses("0")),
            ("premium 30 5 now", Fault::TooMany("now")),
        ] {
            assert_eq!(read(&words(text)), Err(fault), "{text}");
        }
    }

    #[test]
    fn data_that_is_no_step_is_refused() {
        for data in
            ["invite", "invite:gold", "invite:premium:x", "invite:premium:1:2:3", "keep", "invite:stop:1"]
        {
            assert_eq!(Step::parse(data), None, "{data}");
        }
    }
}
