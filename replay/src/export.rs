//! `replay export`: the whole log as JSON Lines, in its order. Sealed fields stay sealed without `--names`.

use std::io::Write;

use anyhow::Result;
use domain::{AccountEvent, AccountId, Event, Sealed};
use eventlog::{Database, Log, LogEvent};
use serde_json::Value;
use vault::Subject;
use vault::Vault;

use crate::history::jsonl;
use crate::progress;

const PAGE: i64 = 2_000;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Open what is sealed (Telegram ids, names) of everybody who is not erased.
    #[arg(long)]
    names: bool,
    /// Only what comes after this position: where an earlier export ended.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: i64,
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let (log, bar) = (Log::new(db), progress::events()?);
    // Later events are for the next export.
    let end = log.end().await?;
    let mut after = arguments.after;
    while after < end {
        let mut page = log.read(after, PAGE.min(end - after)).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        if arguments.names {
            open_names(db, &mut page).await?;
        }
        page.iter().try_for_each(|event| jsonl::write(event, out))?;
        progress::show(&bar, after, end);
    }
    bar.finish_and_clear();
    Ok(out.flush()?)
}

async fn open_names(db: &Database, page: &mut [LogEvent]) -> Result<()> {
    let accounts: Vec<AccountId> =
        page.iter().filter(|it| sealed(it).is_some()).filter_map(account).collect();
    if accounts.is_empty() {
        return Ok(());
    }
    let subjects = Vault::new(db).subjects(&accounts).await?;
    for event in page {
        let Some(subject) = account(event).and_then(|account| subjects.get(&account)) else { continue };
        for (field, text) in sealed(event).into_iter().flatten() {
            let opened = opened(subject, &text);
            if let Some(value) = event.payload.get_mut(&event.name).and_then(|it| it.get_mut(field)) {
                *value = opened;
            }
        }
    }
    Ok(())
}

/// The sealed fields of the event, with their content.
fn sealed(event: &LogEvent) -> Option<Vec<(&'static str, Sealed)>> {
    match event.event.as_ref().ok()? {
        Event::Account(AccountEvent::AccountRegistered { telegram_id, profile, .. }) => {
            Some(vec![("telegram_id", telegram_id.clone()), ("profile", profile.clone())])
        }
        Event::Account(AccountEvent::ProfileChanged { profile, .. }) => {
            Some(vec![("profile", profile.clone())])
        }
        _ => None,
    }
}

fn account(event: &LogEvent) -> Option<AccountId> {
    event.stream_id.parse().ok()
}

/// Sealed text is JSON: a number or a profile. If the key does not open it, it stays sealed.
fn opened(subject: &Subject, sealed: &Sealed) -> Value {
    let text = subject.open(sealed);
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| Value::String(sealed.0.clone()))
}
