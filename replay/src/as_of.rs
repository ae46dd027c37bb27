//! `replay as-of T|POSITION VIEW`: a view as it was, as a table, as JSON Lines or as CSV.

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, bail};
use eventlog::{Database, Filter, Log};
use jiff::Timestamp;
use rebuild::verify;
use serde_json::Value;
use terminal::columns::{Table, TooNarrow, to_the_second, width_of_stdout};
use terminal::{csv_field, write_json};

use crate::history::Format;
use crate::tree::{self, TREE};
use crate::{audit, people, view};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A position, or a time: everything up to the last event that was recorded by then.
    #[arg(value_name = "T|POSITION", value_parser = moment)]
    moment: Moment,
    /// `users`, `login_status`, `invites` or `subscriptions`; or `tree`, the signed tree, to compare its root with that of a checkpoint.
    view: String,
    /// Only this row. (A login's id may begin with a hyphen.)
    #[arg(long, allow_hyphen_values = true)]
    key: Option<String>,
    /// On a terminal a table, otherwise JSON Lines.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

const EXAMPLES: &str = "Examples:
  replay as-of 4711 users --key 139883458
  replay as-of 2026-11-22T10:00:00Z login_status
  replay as-of 2026-11-22 subscriptions --format csv
  replay as-of 4711 tree";

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
    let is_tree = arguments.view == TREE;
    let columns = if is_tree { tree::COLUMNS } else { view::columns(&arguments.view)? };
    let position = match arguments.moment {
        Moment::Position(position) => {
            let end = Log::new(db).end().await?;
            if position > end {
                bail!("there is no position {position}: the log ends at {end}");
            }
            position
        }
        Moment::Time(at) => position_at(db, at).await?,
    };
    let key = match arguments.key {
        Some(_) if is_tree => bail!("--key: the tree has one row"),
        Some(key) => Some(view::key(db, &arguments.view, key).await?),
        None => None,
    };
    if let Some(key) = &key {
        audit::note(db, view::target(&arguments.view, key)).await;
    }
    let rows = match is_tree {
        true => vec![tree::as_of(db, position).await?],
        false => verify::as_of(db, position, &arguments.view, key.as_deref()).await?.unwrap_or_default(),
    };
    match arguments.format.unwrap_or_else(default_format) {
        Format::Table => {
            let mut table = Table::new(columns.iter().copied(), TooNarrow::Block);
            rows.iter().for_each(|row| table.push(columns.iter().map(|column| cell(&row[column]))));
            table.write(width_of_stdout(), out)?;
        }
        Format::Jsonl => {
            for row in rows {
                write_json(&row, out)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            write!(out, "{}\r\n", columns.join(","))?;
            for row in rows {
                let fields: Vec<_> = columns.iter().map(|column| csv_field(&text(&row[column]))).collect();
                write!(out, "{}\r\n", fields.join(","))?;
            }
        }
    }
    Ok(())
}

/// Programs that read a pipe get what they always got.
fn default_format() -> Format {
    if io::stdout().is_terminal() { Format::Table } else { Format::Jsonl }
}

/// A value for people: times to the second.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.parse().map_or_else(|_| text.clone(), to_the_second),
        other => text(other),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
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
