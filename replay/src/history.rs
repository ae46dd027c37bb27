//! `replay history`: events by position, filtered, as a table, as JSON Lines or as CSV.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use app::terminal::harmless;
use clap::ValueEnum;
use domain::LoginId;
use eventlog::{Database, DatabaseError, Filter, Log, Topic};
use jiff::Timestamp;
use vault::Vault;

use crate::people;

mod csv;
pub mod jsonl;
mod table;

const PAGE: i64 = 500;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// About this person: a Telegram id or an account id.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Of this login. (An id may begin with a hyphen.)
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    session: Option<LoginId>,
    /// Of this invite and the logins by it.
    #[arg(long, value_name = "ID|CODE")]
    invite: Option<String>,
    /// With this name, such as `QrIssued`.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Recorded at this time or later: 2026-11-22T10:00:00Z or 2026-11-22.
    #[arg(long, value_name = "T", value_parser = people::instant)]
    since: Option<Timestamp>,
    /// Recorded before this time.
    #[arg(long, value_name = "T", value_parser = people::instant)]
    until: Option<Timestamp>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Go on with what happens from now on.
    #[arg(long)]
    follow: bool,
    /// Show invite codes in full, in the table. Only the database's owner may; the others see the first three letters.
    #[arg(long)]
    codes: bool,
    /// Instead of the events, how the database finds the first of them.
    #[arg(long, conflicts_with = "follow")]
    explain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Jsonl,
    Csv,
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let filter = Filter {
        account: match &arguments.user {
            Some(id) => Some(people::account(db, id).await?),
            None => None,
        },
        login: arguments.session,
        invite: match &arguments.invite {
            Some(id) => Some(people::invite(db, id).await?),
            None => None,
        },
        name: arguments.event,
        since: arguments.since,
        until: arguments.until,
    };
    let log = Log::new(db);
    if arguments.explain {
        let plan = log.explain(&filter, 0, PAGE).await?;
        return plan.iter().try_for_each(|line| Ok(writeln!(out, "{}", harmless(line))?));
    }
    if arguments.codes {
        allow_codes(db, arguments.format).await?;
    }
    let mut table = table::Table::new(arguments.codes);
    match arguments.format {
        Format::Table => table.header(out)?,
        Format::Csv => csv::header(out)?,
        Format::Jsonl => {}
    }
    let mut positioned = db.wake().subscribe(Topic::Positioned);
    let mut after = 0;
    let (cluster, _) = log.cluster().await?;
    loop {
        // Read before the page: if the page is not full, it holds everything up to this end.
        let (now, end) = log.cluster().await?;
        if end < after || (cluster.is_some() && now != cluster) {
            bail!("{}: begin again, what was told last may never have happened", DatabaseError::SetBack);
        }
        let page = log.history(&filter, after, PAGE).await?;
        match arguments.format {
            Format::Table => table.write(db, &page, out).await?,
            Format::Jsonl => page.iter().try_for_each(|event| jsonl::write(event, out))?,
            Format::Csv => page.iter().try_for_each(|event| csv::write(event, out))?,
        }
        out.flush()?;
        let last = page.last().map_or(after, |event| event.position);
        if page.len() as i64 == PAGE {
            after = last;
        } else if arguments.follow {
            after = last.max(end).max(after);
            positioned.wait(Duration::from_millis(500)).await;
        } else {
            return Ok(());
        }
    }
}

/// Refuses `--codes` to everybody but the database's owner, and where no code would be shown.
async fn allow_codes(db: &Database, format: Format) -> Result<()> {
    if format != Format::Table {
        bail!("--codes is for the table: the events themselves hold no code");
    }
    match Vault::new(db).other_owner_of_codes().await? {
        None => Ok(()),
        Some(owner) => bail!("--codes takes {owner}, who owns the database; without it codes are masked"),
    }
}
