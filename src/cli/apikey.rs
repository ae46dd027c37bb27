//! `qr-login apikey …`: keys for other services, beside a running service or alone.

use std::io;

use app::services::keys::{ApiKeys, MOST_DAYS, NewKey};
use clap::Subcommand;
use domain::{ApiKeyId, Scope};
use eventlog::clock::Clock;
use eventlog::database::Database;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use terminal::columns::{Table, TooNarrow, width_of_stdout};
use vault::api_keys::{ApiKey, KeyRefusal};

use super::database::{derived_keys, reading, with_database};
use super::operator;
use crate::config::{DataConfig, DataSettings};
use terminal::print_json;

const CREATE_EXAMPLES: &str = "Scopes: users:read, subscriptions:write, invites:read, invites:write, events:read, events:names, webhooks:manage

Examples:
  qr-login apikey create --name billing --scope users:read,subscriptions:write
  qr-login apikey create --name warehouse --scope events:read --expires 90d";

#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make one; prints it. It is shown this once.
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What it may do; several with commas between.
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// When it stops working, in days: 90d. Default: never.
        #[arg(long, value_name = "DAYS", value_parser = days)]
        expires: Option<u32>,
    },
    /// All of them, the newest first.
    List {
        /// For a program: `{"items": […]}`.
        #[arg(long)]
        json: bool,
    },
    /// Refuse one from now on, in every process.
    Revoke {
        /// Its id: the 16 characters after qrl_.
        id: ApiKeyId,
    },
}

/// A key for a program.
#[derive(Serialize)]
struct JsonKey<'a> {
    key_id: &'a ApiKeyId,
    name: &'a str,
    scopes: &'a [Scope],
    created_by: &'a str,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

/// Keys for a program.
#[derive(Serialize)]
struct JsonKeys<'a> {
    items: Vec<JsonKey<'a>>,
}

impl ApiKeyCommand {
    pub async fn run(self, settings: &DataSettings) -> anyhow::Result<()> {
        match self {
            Self::List { json } => {
                let work = async |_: &DataConfig, db: &Database| list(db, json).await;
                reading(settings, work).await
            }
            Self::Create { name, scopes, expires } => {
                let new = NewKey { name, scopes, expires_in_days: expires };
                with_database(settings, async |data: &DataConfig, db: &Database| create(data, db, new).await)
                    .await
            }
            Self::Revoke { id } => {
                let work = async |_: &DataConfig, db: &Database| {
                    ApiKeys::new(db, Clock::system()).revoke(&id, operator::context()).await?;
                    println!("revoked {id}");
                    Ok(())
                };
                with_database(settings, work).await
            }
        }
    }
}

async fn create(data: &DataConfig, db: &Database, new: NewKey) -> anyhow::Result<()> {
    // The ids of keys come from the master key.
    let keys = derived_keys(data, db).await?;
    let made = ApiKeys::new(db, Clock::system()).create(&keys, new, operator::context()).await?;
    println!("{}", made.key.expose_secret());
    eprintln!("qr-login: keep it now: it is not shown again. Its id is {}", made.kept.key_id);
    Ok(())
}

async fn list(db: &Database, json: bool) -> anyhow::Result<()> {
    let keys = ApiKeys::new(db, Clock::system()).list().await?;
    if json {
        return Ok(print_json(&JsonKeys { items: keys.iter().map(JsonKey::from).collect() })?);
    }
    let now = Clock::system().now();
    let headers = ["KEY", "NAME", "STATE", "SCOPES", "MADE BY", "MADE", "EXPIRES", "LAST USED"];
    let mut table = Table::new(headers, TooNarrow::Block);
    for key in &keys {
        let state = match key.refusal(now) {
            None => "valid",
            Some(KeyRefusal::Revoked) => "revoked",
            Some(KeyRefusal::Expired | KeyRefusal::Unknown) => "expired",
        };
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
        let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
        table.push([
            key.key_id.to_string(),
            key.name.clone(),
            state.to_owned(),
            scopes.join(","),
            key.created_by.clone(),
            day(key.created_at),
            key.expires_at.map_or_else(|| "never".to_owned(), day),
            key.last_used_at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string()),
        ]);
    }
    table.write(width_of_stdout(), &mut io::stdout().lock())?;
    Ok(())
}

impl<'a> From<&'a ApiKey> for JsonKey<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            key_id: &key.key_id,
            name: &key.name,
            scopes: &key.scopes,
            created_by: &key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// `90d`.
fn days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (1..=MOST_DAYS).contains(days))
        .ok_or_else(|| format!("write days such as 90d, {MOST_DAYS}d at most"))
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn a_life_is_a_number_of_days() {
        assert_eq!([days("1d"), days("90d"), days("3650d")].map(Result::ok), [Some(1), Some(90), Some(3650)]);
        for bad in ["", "d", "90", "0d", "-1d", "3651d", "1w", "99999999999d"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
