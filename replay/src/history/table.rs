//! A table for people: with names while the person's key exists, and codes masked, unless the database's owner asks for them.

use std::collections::HashMap;
use std::io::{self, Write};

use anstyle::Style;
use anyhow::Result;
use app::terminal::harmless;
use domain::InviteId;
use eventlog::{Database, LogEvent};
use jiff::tz::TimeZone;
use serde_json::Value;
use vault::Vault;

use super::jsonl::JsonLine;
use crate::paint::Paint;
use crate::people::Names;

/// The style of the table, and the names and codes that it has read so far.
#[derive(Debug)]
pub struct Table {
    paint: Paint,
    /// The reader's time zone: `TZ`, or else that of the machine.
    zone: TimeZone,
    names: Names,
    codes: HashMap<InviteId, Option<String>>,
    /// Whether codes are shown in full.
    in_full: bool,
}

impl Table {
    /// With invite codes in full, or masked.
    pub fn new(in_full: bool) -> Self {
        let (paint, zone) = (Paint::for_stdout(), TimeZone::system());
        Self { paint, zone, names: Names::default(), codes: HashMap::new(), in_full }
    }

    pub fn header(&self, out: &mut impl Write) -> io::Result<()> {
        let at = format!("AT ({})", self.zone.iana_name().unwrap_or("local"));
        let [position, event, who] = ["POSITION", "EVENT", "WHO"];
        let faint = self.paint.faint();
        writeln!(out, "{faint}{position:>8}  {at:<19}  {event:<22}  {who:<24}  DETAILS{faint:#}")
    }

    pub async fn write(&mut self, db: &Database, page: &[LogEvent], out: &mut impl Write) -> Result<()> {
        self.names.look_up(db, page.iter().filter_map(|event| JsonLine::from(event).account_id)).await?;
        for event in page {
            let line = JsonLine::from(event);
            let who = line.account_id.map(|account| self.names.of(account)).unwrap_or_default();
            let at = line.at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
            let mut details = self.subject(db, event).await;
            if event.event.is_err() {
                details.push_str(" (cannot be decoded)");
            }
            for (field, value) in line.payload.as_object().into_iter().flatten() {
                if let Some(text) = detail(field, value) {
                    details.push_str(&format!(" {field}={text}"));
                }
            }
            let actor = if line.actor == who { "" } else { line.actor };
            if !actor.is_empty() && Some(actor.to_owned()) != line.account_id.map(|id| id.to_string()) {
                details.push_str(&format!(" by {actor}"));
            }
            let (style, faint, position, name) =
                (self.style(event), self.paint.faint(), line.position, harmless(line.event));
            let (at, who, details) = (at.to_string(), harmless(&who), harmless(&details));
            writeln!(
                out,
                "{faint}{position:>8}  {at:<19}{faint:#}  {style}{name:<22}{style:#}  {who:<24}  {faint}{details}{faint:#}"
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
fn detail(field: &str, value: &Value) -> Option<String> {
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
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_masked_code_keeps_three_letters() {
        assert_eq!(masked("3HBP4Z3ECICZ"), "3HB*********");
    }
}
