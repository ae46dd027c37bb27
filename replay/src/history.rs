//! `replay history`: events by position, filtered, as a table, as JSON Lines or as CSV.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;
use domain::{AuditTarget, Event, LoginId};
use eventlog::{Database, DatabaseError, Filter, Log, LogEvent, Topic};
use jiff::Timestamp;
use terminal::harmless;
use terminal::suggest::unknown;
use vault::Vault;

use crate::{audit, people};

mod columns;
mod csv;
mod fold;
pub mod jsonl;
mod table;

const PAGE: i64 = 500;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
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
    /// Without the events of this name; may be given several times.
    #[arg(long, value_name = "NAME")]
    not_event: Vec<String>,
    /// By this actor: a Telegram id, an account id, `system`, or a tool such as `tool:cli` or `tool:cli:ilya`.
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Recorded at this time or later: 2026-11-22T10:00:00Z or 2026-11-22.
    #[arg(long, value_name = "T", value_parser = people::instant)]
    since: Option<Timestamp>,
    /// Recorded before this time.
    #[arg(long, value_name = "T", value_parser = people::instant)]
    until: Option<Timestamp>,
    /// Only the last N of these events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..), conflicts_with = "limit")]
    last: Option<i64>,
    /// At most N events, from where the output begins.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// The newest first.
    #[arg(long, conflicts_with = "follow")]
    reverse: bool,
    /// The table is for people: it fits the terminal, and tells the QR codes of a login in one line. The other two are complete.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Go on with what happens from now on.
    #[arg(long, conflicts_with = "limit")]
    follow: bool,
    /// Show invite codes in full, in the table. Only the database's owner may; the others see the first three letters.
    #[arg(long)]
    codes: bool,
    /// Instead of the events, how the database finds the first of them.
    #[arg(long, conflicts_with = "follow")]
    explain: bool,
}

const EXAMPLES: &str = "Examples:
  replay history --last 20
  replay history --user 139883458 --not-event QrIssued
  replay history --invite 3HBP4Z3ECICZ --since 2026-11-22
  replay history --actor tool:cli --reverse --limit 10
  replay history --format jsonl --follow | jq .event";

/// How events, or rows of a view, are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// A JSON object on each line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let log = Log::new(db);
    let filter = filter(db, &log, &arguments).await?;
    if arguments.explain {
        let plan = log.explain(&filter, 0, PAGE).await?;
        return plan.iter().try_for_each(|line| Ok(writeln!(out, "{}", harmless(line))?));
    }
    if arguments.codes {
        allow_codes(db, arguments.format).await?;
    }
    let login = filter.login.clone().map(AuditTarget::Login);
    let named = [filter.account.map(AuditTarget::Account), login, filter.invite.map(AuditTarget::Invite)];
    audit::note(db, named.into_iter().flatten()).await;
    let mut events = Output {
        db,
        format: arguments.format,
        table: table::Table::new(arguments.codes, log.end().await?),
        out,
    };
    events.begin()?;
    match arguments.reverse {
        true => backwards(&log, &filter, arguments.limit.or(arguments.last), &mut events).await,
        false => forwards(&log, &filter, &arguments, &mut events).await,
    }
}

/// Where the events go.
struct Output<'a, W> {
    db: &'a Database,
    format: Format,
    table: table::Table,
    out: &'a mut W,
}

impl<W: Write> Output<'_, W> {
    fn begin(&mut self) -> Result<()> {
        match self.format {
            Format::Table => self.table.header(self.out)?,
            Format::Csv => csv::header(self.out)?,
            Format::Jsonl => {}
        }
        Ok(())
    }

    async fn write(&mut self, page: &[LogEvent]) -> Result<()> {
        match self.format {
            Format::Table => self.table.write(self.db, page, self.out).await?,
            Format::Jsonl => page.iter().try_for_each(|event| jsonl::write(event, self.out))?,
            Format::Csv => page.iter().try_for_each(|event| csv::write(event, self.out))?,
        }
        Ok(self.out.flush()?)
    }
}

async fn forwards<W: Write>(
    log: &Log,
    filter: &Filter,
    arguments: &Arguments,
    events: &mut Output<'_, W>,
) -> Result<()> {
    let mut positioned = events.db.wake().subscribe(Topic::Positioned);
    let mut left = arguments.limit.or(arguments.last.filter(|_| !arguments.follow)).unwrap_or(i64::MAX);
    let mut after = match arguments.last {
        Some(number) => log.nth_last(filter, number).await?.map_or(0, |position| position - 1),
        None => 0,
    };
    let (cluster, _) = log.cluster().await?;
    while left > 0 {
        // Read before the page: if the page is not full, it holds everything up to this end.
        let (now, end) = log.cluster().await?;
        if end < after || (cluster.is_some() && now != cluster) {
            bail!("{}: begin again, what was told last may never have happened", DatabaseError::SetBack);
        }
        let size = PAGE.min(left);
        let page = log.history(filter, after, size).await?;
        events.write(&page).await?;
        let (found, last) = (page.len() as i64, page.last().map_or(after, |event| event.position));
        left -= found;
        if found == size {
            after = last;
        } else if arguments.follow {
            after = last.max(end).max(after);
            positioned.wait(Duration::from_millis(500)).await;
        } else {
            return Ok(());
        }
    }
    Ok(())
}

async fn backwards<W: Write>(
    log: &Log,
    filter: &Filter,
    limit: Option<i64>,
    events: &mut Output<'_, W>,
) -> Result<()> {
    let (mut before, mut left) = (i64::MAX, limit.unwrap_or(i64::MAX));
    while left > 0 {
        let size = PAGE.min(left);
        let page = log.before(filter, before, size).await?;
        events.write(&page).await?;
        let found = page.len() as i64;
        left -= found;
        match page.last() {
            Some(last) if found == size => before = last.position,
            _ => return Ok(()),
        }
    }
    Ok(())
}

async fn filter(db: &Database, log: &Log, arguments: &Arguments) -> Result<Filter> {
    for name in arguments.event.iter().chain(&arguments.not_event) {
        let known: Vec<&str> = Event::names().collect();
        // A newer version of the service may know more.
        if !known.contains(&&**name) && !log.holds(name).await? {
            bail!(unknown("event", name, &known));
        }
    }
    Ok(Filter {
        account: match &arguments.user {
            Some(id) => Some(people::account(db, id).await?),
            None => None,
        },
        login: arguments.session.clone(),
        invite: match &arguments.invite {
            Some(id) => Some(people::invite(db, id).await?),
            None => None,
        },
        name: arguments.event.clone(),
        not_names: arguments.not_event.clone(),
        actor: match &arguments.actor {
            Some(actor) => Some(people::actor(db, actor).await?),
            None => None,
        },
        since: arguments.since,
        until: arguments.until,
    })
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
