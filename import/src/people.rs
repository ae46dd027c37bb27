//! People of the Python system, as they would come over: what each row says, and what is wrong with it. Nothing here asks a
//! database.

use std::collections::{HashMap, HashSet};

use domain::account::{ImportedBlock, ImportedSubscription, Subscription};
use domain::{Role, Tier, Tiers};
use jiff::Timestamp;
use projections::views::users::Profile;

use crate::parent::value::{BadValue, quoted};
use crate::parent::{TextRow, USERS};
use crate::past::Past;
use crate::report::{Kind, Report};

/// Telegram's ids fit into this.
const LARGEST_TELEGRAM_ID: i64 = (1 << 52) - 1;

/// A person, as they come over.
#[derive(Clone, Debug)]
pub struct Person {
    /// `users.id` there.
    pub parent_id: i64,
    /// At Telegram.
    pub telegram_id: i64,
    /// What Telegram last said of them.
    pub profile: Profile,
    /// Since when they are known there.
    pub since: Option<Timestamp>,
    /// Who invited them, by their Telegram id.
    pub invited_by: Option<i64>,
    /// What they may do.
    pub role: Role,
    /// Whether they are blocked.
    pub block: Option<ImportedBlock>,
    /// What they have, or had last.
    pub subscription: Option<ImportedSubscription>,
    /// What happened to their subscriptions.
    pub history: Vec<Past>,
    /// Whether their session comes over.
    pub session: SessionWanted,
}

/// Whether a person's session comes over, as far as their row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionWanted {
    /// They are logged in there.
    Yes,
    /// The row does not say: it does if there is a file.
    IfThere,
    /// They are not logged in there.
    LoggedOut,
    /// They are not active there.
    Inactive,
}

/// The people, and by which Telegram id a person of there is known.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// In the order of the table, each once.
    pub people: Vec<Person>,
    /// By `users.id`. Two rows of one person lead to the same Telegram id.
    pub telegram_ids: HashMap<i64, i64>,
    /// All of these.
    known: HashSet<i64>,
}

impl People {
    /// The Telegram id of the person whom another table names. It is taken for `users.id`, and where there is none of this number,
    /// for a Telegram id.
    pub fn named(&self, reference: i64) -> Option<i64> {
        let by_id = self.telegram_ids.get(&reference).copied();
        by_id.or_else(|| self.known.get(&reference).copied())
    }
}

/// How a row is named in the report.
pub fn row_name(parent_id: Option<&str>, telegram_id: Option<&str>) -> String {
    match (parent_id, telegram_id) {
        (Some(id), Some(telegram_id)) => format!("id {id:.20} (Telegram {telegram_id:.20})"),
        (Some(id), None) => format!("id {id:.20}"),
        (None, _) => "without id".to_owned(),
    }
}

impl Person {
    /// How they are named in the report.
    pub fn name(&self) -> String {
        row_name(Some(&self.parent_id.to_string()), Some(&self.telegram_id.to_string()))
    }
}

/// Reads the people out of the rows.
pub fn people(rows: &[TextRow], tiers: &Tiers, now: Timestamp, report: &mut Report) -> People {
    let mut found = People::default();
    let mut first_of: HashMap<i64, i64> = HashMap::new();
    let mut taken = Vec::new();
    for row in rows {
        let (parent_id, telegram_id) = match ids(row) {
            Ok(ids) => ids,
            Err(why) => {
                let name = row_name(row.text("id"), row.text("telegram_id"));
                report.not_taken(Kind::People, USERS.name, name.escape_debug().to_string(), why);
                continue;
            }
        };
        // What names the second row of a person means that person, too.
        found.telegram_ids.insert(parent_id, telegram_id);
        found.known.insert(telegram_id);
        if let Some(first) = first_of.get(&telegram_id) {
            let name = row_name(row.text("id"), row.text("telegram_id"));
            let why = format!("the row with id {first} has the same Telegram id, and was taken");
            report.not_taken(Kind::People, USERS.name, name, why);
            continue;
        }
        first_of.insert(telegram_id, parent_id);
        taken.push((parent_id, telegram_id, row));
    }
    for (parent_id, telegram_id, row) in taken {
        let mut notes = Notes { report, name: row_name(row.text("id"), row.text("telegram_id")) };
        let person = person(parent_id, telegram_id, row, &found, tiers, now, &mut notes);
        found.people.push(person);
    }
    found
}

fn ids(row: &TextRow) -> Result<(i64, i64), String> {
    let parent_id = row.number("id").map_err(|bad| bad.to_string())?.ok_or("it has no id")?;
    let telegram_id = row.number("telegram_id").map_err(|bad| bad.to_string())?;
    let telegram_id = telegram_id.ok_or("telegram_id is empty: nobody knows who this is")?;
    if !(1..=LARGEST_TELEGRAM_ID).contains(&telegram_id) {
        return Err("telegram_id is none of a person: it has to be above 0 and below 2^52".to_owned());
    }
    Ok((parent_id, telegram_id))
}

/// What is to be said of one row.
struct Notes<'a> {
    report: &'a mut Report,
    name: String,
}

impl Notes<'_> {
    fn changed(&mut self, what: impl std::fmt::Display) {
        self.report.changed(USERS.name, self.name.clone(), what);
    }

    /// A bad value counts as none, and is told.
    fn or_none<T>(&mut self, value: Result<Option<T>, BadValue>, instead: &str) -> Option<T> {
        value.unwrap_or_else(|bad| {
            self.changed(format!("{bad}: {instead}"));
            None
        })
    }
}

fn person(
    parent_id: i64,
    telegram_id: i64,
    row: &TextRow,
    people: &People,
    tiers: &Tiers,
    now: Timestamp,
    notes: &mut Notes<'_>,
) -> Person {
    let text = |column| row.text(column).map(str::to_owned);
    let username = row.text("username").map(|name| name.trim_start_matches('@').to_owned());
    let since = notes.or_none(row.instant("created_at"), "they are known since now");
    // A day in the future is no day since when somebody is known.
    let since = since.filter(|since| *since <= now);
    Person {
        parent_id,
        telegram_id,
        profile: Profile {
            first_name: text("first_name"),
            last_name: text("last_name"),
            username: username.filter(|name| !name.is_empty()),
            language_code: None,
        },
        since,
        invited_by: invited_by(telegram_id, row, people, notes),
        role: role(row, notes),
        block: block(row, now, notes),
        subscription: subscription(row, since, tiers, now, notes),
        history: Vec::new(),
        session: session(row, notes),
    }
}

fn invited_by(telegram_id: i64, row: &TextRow, people: &People, notes: &mut Notes<'_>) -> Option<i64> {
    let inviter = notes.or_none(row.number("invited_by"), "nobody is named as the inviter")?;
    // `invited_by` leads to users.id and nowhere else.
    match people.telegram_ids.get(&inviter) {
        Some(inviter) if *inviter == telegram_id => {
            notes.changed("invited_by leads to themselves: nobody is named as the inviter");
            None
        }
        Some(inviter) => Some(*inviter),
        None => {
            notes.changed(format!(
                "invited_by is {inviter}, and nobody has this id: nobody is named as the inviter"
            ));
            None
        }
    }
}

fn role(row: &TextRow, notes: &mut Notes<'_>) -> Role {
    let Some(text) = row.text("role") else { return Role::User };
    text.parse().unwrap_or_else(|_| {
        notes.changed(format!("role is {}, which is unknown here: they are a user", quoted(text)));
        Role::User
    })
}

fn block(row: &TextRow, now: Timestamp, notes: &mut Notes<'_>) -> Option<ImportedBlock> {
    let is_blocked = row.truth("is_blocked").unwrap_or_else(|bad| {
        notes.changed(format!("{bad}: they are blocked"));
        Some(true)
    });
    if is_blocked != Some(true) {
        return None;
    }
    let until = notes.or_none(row.instant("block_expires"), "the block has no end");
    match until {
        Some(until) if until <= now => {
            notes.changed(format!("the block ended on {}: they are not blocked", day(until)));
            None
        }
        until => Some(ImportedBlock { until }),
    }
}

fn subscription(
    row: &TextRow,
    since: Option<Timestamp>,
    tiers: &Tiers,
    now: Timestamp,
    notes: &mut Notes<'_>,
) -> Option<ImportedSubscription> {
    let text = row.text("subscription_type")?;
    let none = |notes: &mut Notes<'_>, why: String| {
        notes.report.not_taken(Kind::Subscriptions, USERS.name, notes.name.clone(), why);
        None
    };
    let Ok(tier) = text.parse::<Tier>() else {
        let why = format!(
            "subscription_type is {}, which is no tier here: they have no subscription",
            quoted(text)
        );
        return none(notes, why);
    };
    if tier == Tier::Free {
        return None;
    }
    let expires_at = match row.instant("subscription_expires") {
        Ok(expires_at) => expires_at,
        Err(bad) => return none(notes, format!("{bad}: they have no subscription")),
    };
    let begun =
        notes.or_none(row.instant("subscription_started_at"), "the subscription begins with the account");
    let started_at = begun.or(since).unwrap_or(now);
    let mut limits = tiers.limits(tier);
    match row.number("max_channels").map(|channels| channels.map(i32::try_from)) {
        Ok(None) => {}
        Ok(Some(Ok(channels))) if channels >= 0 => limits.max_channels = channels,
        Ok(Some(_)) => notes.changed("max_channels is out of range: they have that of their tier"),
        Err(bad) => notes.changed(format!("{bad}: they have that of their tier")),
    }
    let is_over = expires_at.is_some_and(|end| end <= now);
    Some(ImportedSubscription {
        subscription: Subscription { tier, started_at, expires_at, limits },
        is_over,
    })
}

fn session(row: &TextRow, notes: &mut Notes<'_>) -> SessionWanted {
    let is_active = notes.or_none(row.truth("is_active"), "they count as active");
    let is_authenticated =
        notes.or_none(row.truth("is_authenticated"), "their session comes if there is a file");
    match (is_active, is_authenticated) {
        (Some(false), _) => SessionWanted::Inactive,
        (_, Some(false)) => SessionWanted::LoggedOut,
        (_, Some(true)) => SessionWanted::Yes,
        (_, None) => SessionWanted::IfThere,
    }
}

/// A day, as a report names it.
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
