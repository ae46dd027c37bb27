//! A table for people: with names while the person's key exists, and codes masked, unless the database's owner asks for them. Times
//! are told to the second.

use std::collections::HashMap;
use std::io::{self, Write};

use anstyle::Style;
use anyhow::Result;
use app::history::EventLine;
use domain::InviteId;
use eventlog::{Database, LogEvent};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value;
use terminal::columns::width_of_stdout;
use terminal::harmless;
use vault::Vault;

use super::columns::{Cells, Columns};
use super::fold::rows;
use crate::paint::Paint;
use crate::people::Names;

/// The style of the table, and the names and codes that it has read so far.
#[derive(Debug)]
pub struct Table {
    paint: Paint,
    columns: Columns,
    /// The day of the row before.
    day: Option<Date>,
    /// The reader's time zone: `TZ`, or else that of the machine.
    zone: TimeZone,
    names: Names,
    codes: HashMap<InviteId, Option<String>>,
    /// Whether codes are shown in full.
    in_full: bool,
}

impl Table {
    /// With invite codes in full, or masked, for a log that ends at this position.
    pub fn new(in_full: bool, end: i64) -> Self {
        let (paint, zone) = (Paint::for_stdout(), TimeZone::system());
        let columns = Columns::of(width_of_stdout(), end);
        Self { paint, columns, day: None, zone, names: Names::default(), codes: HashMap::new(), in_full }
    }

    pub fn header(&self, out: &mut impl Write) -> io::Result<()> {
        let at = match self.columns.has_day_lines() {
            true => "AT".to_owned(),
            false => format!("AT ({})", self.zone_name()),
        };
        let position = if self.columns.is_cut() { "POS" } else { "POSITION" };
        let cells = Cells { position, at: &at, event: "EVENT", who: "WHO", details: "DETAILS" };
        let faint = self.paint.faint();
        writeln!(out, "{faint}{}{faint:#}", self.columns.row(&cells).concat())
    }

    fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("local")
    }

    /// Where a row has only its time: a line for each new day.
    fn day_line(&mut self, at: &Zoned, out: &mut impl Write) -> io::Result<()> {
        if !self.columns.has_day_lines() || self.day == Some(at.date()) {
            return Ok(());
        }
        self.day = Some(at.date());
        let faint = self.paint.faint();
        writeln!(out, "{faint}{} ({}){faint:#}", at.date(), self.zone_name())
    }

    pub async fn write(&mut self, db: &Database, page: &[LogEvent], out: &mut impl Write) -> Result<()> {
        self.names.look_up(db, page.iter().filter_map(|event| EventLine::from(event).account_id)).await?;
        for row in rows(page) {
            let (event, line) = (row.event, EventLine::from(row.event));
            let who = line.account_id.map(|account| self.names.of(account)).unwrap_or_default();
            let at = line.at.to_zoned(self.zone.clone());
            self.day_line(&at, out)?;
            let mut details = self.subject(db, event).await;
            if event.event.is_err() {
                details.push_str(" (cannot be decoded)");
            }
            for (field, value) in EventLine::from(row.newest).payload.as_object().into_iter().flatten() {
                if let Some(text) = detail(field, value, &at) {
                    details.push_str(&format!(" {field}={text}"));
                }
            }
            let actor = if line.actor == who { "" } else { line.actor };
            if !actor.is_empty() && Some(actor.to_owned()) != line.account_id.map(|id| id.to_string()) {
                details.push_str(&format!(" by {actor}"));
            }
            let times = if row.times > 1 { format!(" ×{}", row.times) } else { String::new() };
            let shape = if self.columns.has_day_lines() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
            let [left, event_cell, who, details] = self.columns.row(&Cells {
                position: &line.position.to_string(),
                at: &at.strftime(shape).to_string(),
                event: &format!("{}{times}", harmless(line.event)),
                who: &harmless(&who),
                details: &harmless(details.trim_start()),
            });
            let (style, faint) = (self.style(event), self.paint.faint());
            writeln!(
                out,
                "{faint}{left}{faint:#}{style}{event_cell}{style:#}{who}{faint}{details}{faint:#}"
            )?;
        }
        Ok(())
    }

    fn style(&self, event: &LogEvent) -> Style {
        match event.name.as_str() {
            _ if event.event.is_err() => self.paint.bad(),
            "AuthorizationConfirmed" | "SubscriptionActivated" => self.paint.good(),
            "AuthorizationRejected"
            | "PasswordRejected"
            | "CodeRejected"
            | "LoginFailed"
            | "AccountBlocked" => self.paint.bad(),
            "LoginExpired"
            | "LoginCancelled"
            | "InviteReleased"
            | "InviteRevoked"
            | "SubscriptionExpired"
            | "SubscriptionRevoked"
            | "LoggedOut"
            | "AuthorizationRevoked"
            | "SessionExported"
            | "AccountErased" => self.paint.odd(),
            _ => Style::new(),
        }
    }

    /// Which login or invite the event is about.
    async fn subject(&mut self, db: &Database, event: &LogEvent) -> String {
        let login = event.metadata.login_id.as_ref().map(|login| format!("login {}…", login.short()));
        match (event.stream.as_str(), event.stream_id.parse()) {
            ("invite", Ok(invite)) => {
                let code = self.code(db, invite).await.unwrap_or_else(|| invite.to_string());
                [Some(format!("invite {code}")), login].into_iter().flatten().collect::<Vec<_>>().join(" ")
            }
            _ => login.unwrap_or_default(),
        }
    }

    /// The invite's code, where this database role may read it. Whether it can be redeemed is not asked: a use that a login has
    /// reserved today comes back when that login ends.
    async fn code(&mut self, db: &Database, invite: InviteId) -> Option<String> {
        if let Some(known) = self.codes.get(&invite) {
            return known.clone();
        }
        let code = Vault::new(db).code_of(invite).await.ok().flatten().map(|(code, _)| code);
        let shown = code.map(|code| if self.in_full { code } else { masked(&code) });
        self.codes.insert(invite, shown.clone());
        shown
    }
}

/// Masks a code: a person who knows it recognises it, but nobody can use it.
fn masked(code: &str) -> String {
    code.char_indices().map(|(at, letter)| if at < 3 { letter } else { '*' }).collect()
}

/// The value of a field for the details. None for fields that are in a column, sealed, or long.
fn detail(field: &str, value: &Value, at: &Zoned) -> Option<String> {
    const NOT_SHOWN: [&str; 9] = [
        "at",
        "account_id",
        "login_id",
        "invite_id",
        "grant",
        "invite",
        "profile",
        "telegram_id",
        "token_sha256",
    ];
    if NOT_SHOWN.contains(&field) {
        return None;
    }
    match value {
        Value::Null | Value::Object(_) | Value::Array(_) => None,
        Value::String(text) => Some(match text.parse::<Timestamp>() {
            Ok(time) => time_beside(at, time),
            Err(_) => text.clone(),
        }),
        other => Some(other.to_string()),
    }
}

/// A time in a row of another one, to the second: without its date where that is the same.
fn time_beside(other: &Zoned, time: Timestamp) -> String {
    let time = time.to_zoned(other.time_zone().clone());
    let shape = if time.date() == other.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    time.strftime(shape).to_string()
}

#[cfg(test)]
mod tests {
    use super::{masked, time_beside};

    #[test]
    fn a_time_is_told_to_the_second_and_with_its_date_only_where_that_is_another_one() {
        let at: jiff::Zoned = "2026-11-22T23:59:00+09:00[Asia/Tokyo]".parse().unwrap();
        let time = |text: &str| time_beside(&at, text.parse().unwrap());
        assert_eq!(time("2026-11-22T14:59:30.123456789Z"), "23:59:30");
        assert_eq!(time("2026-11-22T15:00:00Z"), "2026-11-23 00:00:00");
    }

    #[test]
    fn a_masked_code_keeps_three_letters() {
        assert_eq!(masked("3HBP4Z3ECICZ"), "3HB*********");
    }
}
