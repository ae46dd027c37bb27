//! `replay explain VIEW KEY`: the events that make a row, each with what it changed; and whether the live row is what they make.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use domain::InviteId;
use eventlog::Database;
use rebuild::explain::{Change, LiveRow, explain};
use serde_json::Value;
use terminal::columns::to_the_second;
use terminal::harmless;

use crate::paint::Paint;
use crate::{audit, view};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// `users`, `login_status`, `invites` or `subscriptions`.
    view: String,
    /// Which row: of `users` and `subscriptions` a Telegram id or an account id. (A login's id may begin with a hyphen.)
    #[arg(allow_hyphen_values = true)]
    key: String,
}

/// Exit code 1 where the live row is another one.
pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<ExitCode> {
    let Arguments { view, key } = arguments;
    view::columns(&view)?;
    let key = match view.as_str() {
        "invites" => {
            let invite: InviteId = key
                .parse()
                .map_err(|_| anyhow!("{key:?} is no invite's id: `replay history --invite CODE` tells it"))?;
            invite.to_string()
        }
        _ => view::key(db, &view, key).await?,
    };
    audit::note(db, view::target(&view, &key)).await;
    let explanation = explain(db, &view, &key).await?.context("there is no such view")?;
    let paint = Paint::for_stdout();
    for step in &explanation.steps {
        let event = &step.event;
        let at = to_the_second(event.recorded_at);
        writeln!(out, "{:>6}  {at}  {}", event.position, harmless(&event.name))?;
        for change in &step.changes {
            tell_change(change, out)?;
        }
        if let Some(why) = &step.failed {
            let bad = paint.bad();
            writeln!(out, "        {bad}parked here: {}{bad:#}", harmless(why))?;
        } else if step.changes.is_empty() {
            writeln!(out, "        changes nothing")?;
        }
    }
    let (good, bad) = (paint.good(), paint.bad());
    let events = explanation.steps.len();
    let next = |position: i64| explanation.steps.iter().map(|it| it.event.position).find(|it| *it > position);
    match explanation.live {
        LiveRow::Same if events == 0 => writeln!(out, "no event makes a row {:?} of {view}", harmless(&key))?,
        LiveRow::Same => writeln!(out, "{good}the live row is what these {events} events make{good:#}")?,
        LiveRow::AsOf(position) => writeln!(
            out,
            "{bad}the live row parts from the log at position {}: that event and those after it are not in it{bad:#}",
            next(position).unwrap_or(position)
        )?,
        LiveRow::NotOfTheLog => {
            writeln!(
                out,
                "{bad}no part of the log makes the live row: something else has changed it{bad:#}"
            )?;
        }
    }
    Ok(if explanation.live == LiveRow::Same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell_change(change: &Change, out: &mut impl Write) -> Result<()> {
    let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "–".to_owned(), Value::to_string);
    let (before, after) = (text(&change.before), text(&change.after));
    let column = harmless(&change.column);
    match change.before {
        None | Some(Value::Null) => writeln!(out, "        {column} = {}", harmless(&after))?,
        Some(_) => writeln!(out, "        {column}: {} → {}", harmless(&before), harmless(&after))?,
    }
    Ok(())
}
