//! `replay export`: the whole log as JSON Lines, in its order. A line is an event's canonical line, which the tree is made of
//! ([`StoredEvent::line`]). With `--names` it is what the history tells of the event, opened: nobody can prove that line.

use std::io::Write;

use anyhow::Result;
use app::history::{open_sealed, sealed_for};
use domain::AccountId;
use eventlog::{Database, Log, LogEvent, StoredEvent};
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
        let limit = PAGE.min(end - after);
        let last = match arguments.names {
            true => write_opened(db, log.read(after, limit).await?, out).await?,
            false => write_stored(&log.stored(after, limit).await?, out)?,
        };
        let Some(last) = last else { break };
        after = last;
        progress::show(&bar, after, end);
    }
    bar.finish_and_clear();
    Ok(out.flush()?)
}

/// Returns the last position.
fn write_stored(page: &[StoredEvent], out: &mut impl Write) -> Result<Option<i64>> {
    page.iter().try_for_each(|event| writeln!(out, "{}", event.line()))?;
    Ok(page.last().map(|event| event.position))
}

/// Returns the last position.
async fn write_opened(db: &Database, mut page: Vec<LogEvent>, out: &mut impl Write) -> Result<Option<i64>> {
    open_names(db, &mut page).await?;
    page.iter().try_for_each(|event| jsonl::write(event, out))?;
    Ok(page.last().map(|event| event.position))
}

async fn open_names(db: &Database, page: &mut [LogEvent]) -> Result<()> {
    let accounts: Vec<AccountId> = page.iter().filter_map(sealed_for).collect();
    if accounts.is_empty() {
        return Ok(());
    }
    let subjects = Vault::new(db).subjects(&accounts).await?;
    for event in page {
        if let Some(subject) = sealed_for(event).and_then(|account| subjects.get(&account)) {
            open_sealed(event, subject);
        }
    }
    Ok(())
}
