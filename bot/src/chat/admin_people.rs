//! `/admin_users [QUERY]`: people by pages, the latest first; all of them, or those whom a query finds.
//!
//! A page begins after a person, not at a number: at a million people every page is as fast as the first. The query is in the button,
//! where it fits into the 64 bytes that Telegram takes.

use domain::AccountId;
use projections::totals::totals;
use projections::views::users::filtered::{UserFilter, UserSort, filtered};
use projections::views::users::{SubscriptionStatus, User};
use teloxide::types::InlineKeyboardButton;
use texts::chat::PeoplePage;
use uuid::Uuid;

use super::context::BotContext;
use super::failure::Failure;
use super::person::full_name;
use super::reply::Reply;
use super::request::Request;

/// How many people are listed: a message holds 4096 characters.
const LISTED: usize = 20;
/// Before the place in the data of a button.
const PEOPLE: &str = "people:";
/// Bytes in the data of a button.
const LONGEST_DATA: usize = 64;
/// A name longer than this is cut in a list.
const NAME_LENGTH: usize = 40;

/// Where a page of the list begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// After whom, and on which side; None: at the latest.
    from: Option<(Side, AccountId)>,
    query: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Older,
    Newer,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
        }
    }
}

impl Place {
    /// From the data of a button. Buttons of a version before had a number of a page.
    pub fn parse(data: &str) -> Option<Self> {
        let rest = data.strip_prefix(PEOPLE)?;
        if rest.parse::<u32>().is_ok() {
            return Some(Self::default());
        }
        let (side, rest) = rest.split_once(':')?;
        let (account, query) = rest.split_once(':')?;
        let side = [Side::Older, Side::Newer].into_iter().find(|known| known.name() == side)?;
        let account = AccountId(Uuid::try_parse(account).ok()?);
        Some(Self { from: Some((side, account)), query: (!query.is_empty()).then(|| query.to_owned()) })
    }

    /// None: the query is too long for a button.
    fn data(side: Side, from: AccountId, query: Option<&str>) -> Option<String> {
        let data = format!("{PEOPLE}{}:{}:{}", side.name(), from.0.simple(), query.unwrap_or_default());
        (data.len() <= LONGEST_DATA).then_some(data)
    }
}

/// The first page.
pub(super) async fn first(
    ctx: &BotContext,
    request: &Request,
    query: Option<String>,
) -> Result<Reply, Failure> {
    show(ctx, request, Place { from: None, query }).await
}

pub(super) async fn show(ctx: &BotContext, request: &Request, place: Place) -> Result<Reply, Failure> {
    let texts = request.person.texts;
    if !request.person.is_admin() {
        return Ok(Reply::text(texts.admins_only));
    }
    let app = &ctx.chat.app;
    app.catch_up().await?;
    let (people, has_newer, has_older) = page(ctx, &place).await?;
    let query = place.query.as_deref();
    let button = |label: &str, side, person: Option<&User>| {
        let data = Place::data(side, person?.account_id, query)?;
        Some(InlineKeyboardButton::callback(label, data))
    };
    let newer = has_newer.then(|| button(texts.admin.newer, Side::Newer, people.first())).flatten();
    let older = has_older.then(|| button(texts.admin.older, Side::Older, people.last())).flatten();
    let total = match query {
        None => Some(totals(&app.db, app.clock.now()).await?.people),
        Some(_) => None,
    };
    let text = (texts.admin.people)(&PeoplePage {
        total,
        query: place.query.clone(),
        lines: people.iter().map(line).collect(),
        cut: has_older && older.is_none(),
    });
    let reply = Reply::text(text).instead_of(request.pressed);
    let buttons: Vec<_> = newer.into_iter().chain(older).collect();
    Ok(if buttons.is_empty() { reply } else { reply.with_buttons(vec![buttons]) })
}

/// The people of a page, and whether there are newer and older ones.
async fn page(ctx: &BotContext, place: &Place) -> Result<(Vec<User>, bool, bool), Failure> {
    let db = &ctx.chat.app.db;
    let filter = |sort| UserFilter { query: place.query.clone(), sort: Some(sort), ..UserFilter::default() };
    // One more says whether there are more.
    let limit = LISTED as i64 + 1;
    match place.from {
        Some((Side::Newer, account)) => {
            let mut people = filtered(db, &filter(UserSort::Oldest), Some(account), limit).await?;
            if people.len() > LISTED {
                people.truncate(LISTED);
                people.reverse();
                return Ok((people, true, true));
            }
        }
        Some((Side::Older, account)) => {
            let mut people = filtered(db, &filter(UserSort::Newest), Some(account), limit).await?;
            let has_older = people.len() > LISTED;
            people.truncate(LISTED);
            // Nobody: the person whom the button named was erased, or all who came after.
            if !people.is_empty() {
                return Ok((people, true, has_older));
            }
        }
        None => {}
    }
    let mut people = filtered(db, &filter(UserSort::Newest), None, limit).await?;
    let has_older = people.len() > LISTED;
    people.truncate(LISTED);
    Ok((people, false, has_older))
}

fn line(user: &User) -> String {
    let name: String = full_name(user).chars().take(NAME_LENGTH).collect();
    let username = user.username.as_ref().map(|name| format!(" @{name}")).unwrap_or_default();
    let tier = match user.subscription_status {
        SubscriptionStatus::Active => user.subscription_type.name(),
        SubscriptionStatus::None | SubscriptionStatus::Expired => "–",
    };
    let linked = if user.is_authenticated { " 🔗" } else { "" };
    let blocked = if user.is_blocked { " ⛔" } else { "" };
    format!("{} {name}{username}: {tier}{linked}{blocked}", user.telegram_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_remembers_the_place_and_the_query() {
        let account = AccountId(Uuid::from_u128(7));
        for query in [None, Some("иван:7"), Some("@ilya")] {
            let data = Place::data(Side::Newer, account, query).unwrap();
            let place = Place { from: Some((Side::Newer, account)), query: query.map(str::to_owned) };
            assert_eq!(Place::parse(&data), Some(place));
        }
        assert_eq!(Place::data(Side::Older, account, Some("очень длинное имя")), None);
        assert_eq!(Place::parse("people:3"), Some(Place::default()));
        assert_eq!(
            ["people:x", "people:up:7:", "people:older:7:", "keep"].map(Place::parse),
            [const { None }; 4]
        );
    }
}
