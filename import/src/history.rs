//! What happened to subscriptions in the Python system, given to the people whom it happened to.

use std::collections::{HashMap, HashSet};

use domain::Tier;
use domain::account::PastChangeKind;

use crate::parent::value::quoted;
use crate::parent::{Content, HISTORY, TextRow};
use crate::past::Past;
use crate::people::{People, Person};
use crate::report::{Kind, Report};

/// Gives each row to its person.
pub fn give_to(people: &mut People, content: &Content, report: &mut Report) {
    let mut found: HashMap<i64, Vec<Past>> = HashMap::new();
    let mut seen = HashSet::new();
    for row in content.rows(HISTORY, report) {
        match past(row, people, report) {
            Ok((telegram_id, past)) => {
                if seen.insert((telegram_id, past.clone())) {
                    found.entry(telegram_id).or_default().push(past);
                } else {
                    report.not_taken(
                        Kind::History,
                        HISTORY.name,
                        name(row),
                        "another row says the same, and was taken",
                    );
                }
            }
            Err(why) => report.not_taken(Kind::History, HISTORY.name, name(row), why),
        }
    }
    for Person { telegram_id, history, .. } in &mut people.people {
        *history = found.remove(telegram_id).unwrap_or_default();
        history.sort_by_key(|past| past.changed_at);
    }
}

fn past(row: &TextRow, people: &People, report: &mut Report) -> Result<(i64, Past), String> {
    let user = row.number("user_id").map_err(|bad| bad.to_string())?.ok_or("user_id is empty")?;
    let telegram_id = people.telegram_ids.get(&user).ok_or("no row of users has this user_id")?;
    let action = row.text("action").ok_or("action is empty")?;
    let change = PastChangeKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(action));
    let change = change.ok_or_else(|| format!("action is {}, which is unknown", quoted(action)))?;
    let changed_at =
        row.instant("changed_at").map_err(|bad| bad.to_string())?.ok_or("changed_at is empty")?;
    let tier = |column: &'static str| -> Result<Option<Tier>, String> {
        let Some(text) = row.text(column) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{column} is {}, which is no tier here", quoted(text)))
    };
    let (from_tier, to_tier) = (tier("old_type")?, tier("new_type")?);
    let changed_by = row.text("changed_by").map(|text| text.parse().ok().and_then(|id| people.named(id)));
    if changed_by == Some(None) {
        report.changed(HISTORY.name, name(row), "changed_by names nobody who is known: it is left out");
    }
    let notes = row.text("notes").map(str::to_owned);
    Ok((
        *telegram_id,
        Past { changed_at, change, from_tier, to_tier, changed_by: changed_by.flatten(), notes },
    ))
}

/// How a row is named in the report. It need not have an id.
fn name(row: &TextRow) -> String {
    let part = |column| row.text(column).unwrap_or("?").chars().take(30).collect::<String>();
    let name = format!("user_id {}, {}, {}", part("user_id"), part("action"), part("changed_at"));
    name.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
