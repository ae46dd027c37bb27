//! Invites of the Python system, as they would come over: which code promises what, what is left of its uses, and who has used it.

use std::collections::HashMap;

use domain::{Tier, Tiers};
use jiff::{SignedDuration, Timestamp};
use vault::normalise_code;

use crate::parent::value::{BadValue, quoted};
use crate::parent::{Content, INVITES, TextRow};
use crate::people::People;
use crate::report::{Kind, Report};

/// One without an end can be redeemed for as long as this service can say.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(36_500 * 24);

/// An invite, as it comes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its code, as codes are kept here.
    pub code: String,
    /// What it promises.
    pub tier: Tier,
    /// For how many days; 0 is unlimited.
    pub subscription_days: u32,
    /// How many may use it in all.
    pub max_uses: u32,
    /// How many have used it whom nobody can name.
    pub used_before: u32,
    /// Who has used it, by their Telegram id, and when.
    pub used_by: Option<(i64, Timestamp)>,
    /// From then on it cannot be redeemed.
    pub valid_until: Timestamp,
    /// Who made it, by their Telegram id.
    pub created_by: Option<i64>,
}

/// Reads the invites out of the rows.
pub fn invites(
    content: &Content,
    people: &People,
    tiers: &Tiers,
    now: Timestamp,
    report: &mut Report,
) -> Vec<Invite> {
    let mut by_age: Vec<&TextRow> = content.rows(INVITES, report).iter().collect();
    // Of two spellings of one code the older one counts; without a time, the first in the order of the table.
    by_age.sort_by_key(|row| row.instant("created_at").ok().flatten().unwrap_or(Timestamp::MAX));
    let mut spelled: HashMap<String, String> = HashMap::new();
    let mut found = Vec::new();
    for row in by_age {
        let name = name(row);
        let taken = invite(row, people, tiers, now, report).and_then(|invite| {
            match spelled.insert(invite.code.clone(), name.clone()) {
                None => Ok(invite),
                Some(older) => {
                    let why = format!("{older} is the same code: capitals and small letters are one here");
                    spelled.insert(invite.code, older);
                    Err(why)
                }
            }
        });
        match taken {
            Ok(invite) => found.push(invite),
            Err(why) => report.not_taken(Kind::Invites, INVITES.name, name, why),
        }
    }
    found
}

fn invite(
    row: &TextRow,
    people: &People,
    tiers: &Tiers,
    now: Timestamp,
    report: &mut Report,
) -> Result<Invite, String> {
    let bad = |bad: BadValue| bad.to_string();
    let code =
        row.text("code").and_then(normalise_code).ok_or("a code has 12 letters A-Z and digits here")?;
    let promised = row.text("default_subscription").unwrap_or("free");
    let tier: Tier = promised
        .parse()
        .map_err(|_| format!("default_subscription is {}, which is no tier here", quoted(promised)))?;
    let uses = |column, default: i64| -> Result<u32, String> {
        let number = row.number(column).map_err(bad)?.unwrap_or(default);
        u32::try_from(number)
            .ok()
            .filter(|uses| i32::try_from(*uses).is_ok())
            .ok_or_else(|| format!("{column} is out of range"))
    };
    let (max_uses, uses_count) = (uses("max_uses", 1)?, uses("uses_count", 0)?);
    if max_uses == 0 {
        return Err("max_uses is 0: nobody can use it".to_owned());
    }
    let days = row.number("default_trial_days").map_err(bad)?;
    let subscription_days = match days {
        None => tiers.terms(tier).days,
        Some(days) => u32::try_from(days)
            .ok()
            .filter(|days| *days <= 36_500)
            .ok_or("default_trial_days is out of range")?,
    };
    let valid_until = match row.instant("expires_at").map_err(bad)? {
        Some(valid_until) => valid_until,
        None => now.checked_add(VALID_FOR).map_err(|_| "expires_at is empty".to_owned())?,
    };
    let mut person = |column: &'static str| -> Option<i64> {
        let text = row.text(column)?;
        let named = text.parse().ok().and_then(|id| people.named(id));
        if named.is_none() {
            report.changed(
                INVITES.name,
                name(row),
                format!("{column} names nobody who is known: it is left out"),
            );
        }
        named
    };
    let (used_by, created_by) = (person("used_by"), person("created_by"));
    let used_at = row.instant("used_at").map_err(bad)?;
    let was_used = row.text("used_by").is_some() || used_at.is_some();
    // A use that was not counted is one all the same. More of them than there may be are all of them.
    let uses = uses_count.max(u32::from(was_used)).min(max_uses);
    let named = u32::from(used_by.is_some());
    Ok(Invite {
        code,
        tier,
        subscription_days,
        max_uses,
        used_before: uses - named,
        used_by: used_by.map(|telegram_id| (telegram_id, used_at.unwrap_or(now))),
        valid_until,
        created_by,
    })
}

/// How a row is named in the report.
fn name(row: &TextRow) -> String {
    row.text("code").unwrap_or("(empty)").chars().take(40).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests;
