//! `replay as-of T|POSITION VIEW`: a view as it was, with one JSON object for each row.

use std::io::Write;

use anyhow::{Context, Result};
use app::terminal::write_json;
use eventlog::{Database, Filter, Log};
use jiff::Timestamp;
use projections::verify;

use crate::people;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A position, or a time: everything up to the last event that was recorded by then.
    #[arg(value_name = "T|POSITION", value_parser = moment)]
    moment: Moment,
    /// `users`, `login_status`, `invites` or `subscriptions`.
    view: String,
    /// Only this row. (A login's id may begin with a hyphen.)
    #[arg(long, allow_hyphen_values = true)]
    key: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    Position(i64),
    Time(Timestamp),
}

fn moment(text: &str) -> Result<Moment, String> {
    match text.parse() {
        Ok(position) => Ok(Moment::Position(position)),
        Err(_) => people::instant(text).map(Moment::Time),
    }
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let position = match arguments.moment {
        Moment::Position(position) => position,
        Moment::Time(at) => position_at(db, at).await?,
    };
    let key = match arguments.key {
        Some(key) if arguments.view == "users" || arguments.view == "subscriptions" => {
            Some(people::account(db, &key).await?.to_string())
        }
        key => key,
    };
    let rows = verify::as_of(db, position, &arguments.view, key.as_deref())
        .await?
        .with_context(|| format!("there is no view {:?}", arguments.view))?;
    for row in rows {
        write_json(&row, out)?;
        writeln!(out)?;
    }
    Ok(())
}

/// The position before the first event that was recorded after this moment.
async fn position_at(db: &Database, at: Timestamp) -> Result<i64> {
    let log = Log::new(db);
    let after = at.checked_add(jiff::SignedDuration::from_micros(1))?;
    let filter = Filter { since: Some(after), ..Filter::default() };
    Ok(match log.history(&filter, 0, 1).await?.first() {
        Some(event) => event.position - 1,
        None => log.end().await?,
    })
}
