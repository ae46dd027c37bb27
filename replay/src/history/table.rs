//! A table for people: names where the person's key still lives, codes masked while they can be redeemed.

use std::collections::HashMap;
use std::io::{self, Write};

use anyhow::Result;
use domain::InviteId;
use projections::views::invites;
use projections::{Clock, Database, LogEvent, Vault};
use serde_json::Value;

use super::jsonl::Line;
use crate::people::Names;

/// What the table has looked up so far.
#[derive(Debug, Default)]
pub struct Table {
    names: Names,
    codes: HashMap<InviteId, Option<String>>,
}

pub fn header(out: &mut impl Write) -> io::Result<()> {
    let [position, at, event, who] = ["POSITION", "AT (UTC)", "EVENT", "WHO"];
    writeln!(out, "{position:>8}  {at:<19}  {event:<22}  {who:<24}  DETAILS")
}

impl Table {
    pub async fn write(&mut self, db: &Database, page: &[LogEvent], out: &mut impl Write) -> Result<()> {
        self.names.look_up(db, page.iter().filter_map(|event| Line::from(event).account_id)).await?;
        for event in page {
            let line = Line::from(event);
            let who = line.account_id.map(|account| self.names.of(account)).unwrap_or_default();
            let at = line.at.strftime("%Y-%m-%d %H:%M:%S").to_string();
            let mut details = self.subject(db, event).await;
            if event.event.is_err() {
                details.push_str(" (cannot be decoded)");
            }
            for (field, value) in line.payload.as_object().into_iter().flatten() {
                if let Some(text) = told(field, value) {
                    details.push_str(&format!(" {field}={text}"));
                }
            }
            let actor = if line.actor == who { "" } else { line.actor };
            if !actor.is_empty() && Some(actor.to_owned()) != line.account_id.map(|id| id.to_string()) {
                details.push_str(&format!(" by {actor}"));
            }
            writeln!(out, "{:>8}  {at:<19}  {:<22}  {who:<24}  {details}", line.position, line.event)?;
        }
        Ok(())
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

    /// The invite's code, where this database role may read it.
    async fn code(&mut self, db: &Database, invite: InviteId) -> Option<String> {
        if let Some(known) = self.codes.get(&invite) {
            return known.clone();
        }
        let code = Vault::new(db).code_of(invite).await.ok().flatten().map(|(code, _)| code);
        let row = invites::by_id(db, invite).await.ok().flatten();
        let dead = row.is_some_and(|row| {
            row.revoked || row.valid_until <= Clock::system().now() || row.reserved + row.used >= row.max_uses
        });
        let shown = code.map(|code| if dead { code } else { masked(&code) });
        self.codes.insert(invite, shown.clone());
        shown
    }
}

/// Enough to recognise a code that one knows, too little to use it.
fn masked(code: &str) -> String {
    code.char_indices().map(|(at, letter)| if at < 3 { letter } else { '*' }).collect()
}

/// A field's value for the details; what stands in a column already, is sealed, or is long says nothing here.
fn told(field: &str, value: &Value) -> Option<String> {
    const ELSEWHERE: [&str; 9] = [
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
    if ELSEWHERE.contains(&field) {
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
