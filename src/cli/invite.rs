//! `qr-login invite …`: beside a running service, or alone.

use anyhow::Context as _;
use app::invites::{self, Invites, Listed, Order};
use clap::Subcommand;
use domain::Tier;
use eventlog::clock::Clock;
use eventlog::database::Database;
use projections::views::invites::InviteRow;
use serde::Serialize;
use terminal::harmless;

use super::database::{reading, with_database};
use super::operator;
use crate::config::{DataConfig, DataSettings, secret};
use terminal::print_json;

#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make one; prints its code and its t.me link.
    Create {
        /// free, trial, basic, premium or enterprise.
        #[arg(long)]
        tier: Tier,
        /// This code instead of a random one: 12 characters A-Z and 0-9.
        #[arg(long)]
        code: Option<String>,
        /// How many people may use it.
        #[arg(long, default_value_t = 1)]
        max_uses: u32,
        /// For how many days it can be redeemed.
        #[arg(long, default_value_t = invites::VALID_DAYS)]
        valid_days: u32,
        /// How long the subscription lasts; 0 is unlimited. Default: the tier's.
        #[arg(long)]
        subscription_days: Option<u32>,
        /// For the admins; nobody else sees it.
        #[arg(long)]
        note: Option<String>,
    },
    /// The newest ones.
    List {
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// For a program: `{"items": […]}`.
        #[arg(long)]
        json: bool,
    },
    /// One, by its code or its id.
    Show {
        /// Its code or its id.
        code: String,
        /// For a program.
        #[arg(long)]
        json: bool,
    },
    /// Let nobody redeem it any more, by its code or its id.
    Revoke {
        /// Its code or its id.
        code: String,
    },
}

/// An invite for a program.
#[derive(Serialize)]
struct JsonInvite<'a> {
    #[serde(flatten)]
    invite: &'a InviteRow,
    code: Option<&'a str>,
    note: Option<&'a str>,
}

/// Invites for a program.
#[derive(Serialize)]
struct JsonInvites<'a> {
    items: Vec<JsonInvite<'a>>,
}

impl InviteCommand {
    pub async fn run(self, settings: &DataSettings, bot_api_url: &str) -> anyhow::Result<()> {
        let reads = matches!(self, Self::List { .. } | Self::Show { .. });
        let work = async |data: &DataConfig, db: &Database| {
            let invites = Invites::new(db, Clock::system(), data.tiers.clone());
            self.carry_out(&invites, bot_api_url).await
        };
        match reads {
            true => reading(settings, work).await,
            false => with_database(settings, work).await,
        }
    }

    async fn carry_out(self, invites: &Invites, bot_api_url: &str) -> anyhow::Result<()> {
        match self {
            Self::Create { tier, code, max_uses, valid_days, subscription_days, note } => {
                let order = Order { code, max_uses, valid_days, subscription_days, note, ..Order::new(tier) };
                let made = invites.create(order, operator::context()).await?;
                println!("{}", made.code);
                match username(bot_api_url).await {
                    Ok(username) => println!("{}", harmless(&invites::link(&username, &made.code))),
                    Err(error) => eprintln!("qr-login: no t.me link: {}", harmless(&format!("{error:#}"))),
                }
            }
            Self::List { limit, json: true } => {
                let listed = invites.list(limit, 0).await?;
                print_json(&JsonInvites { items: listed.iter().map(JsonInvite::from).collect() })?;
            }
            Self::List { limit, json: false } => {
                println!("{:<13} {:<11} {:>9}  {:<20} NOTE", "CODE", "TIER", "USES", "VALID UNTIL");
                for listed in invites.list(limit, 0).await? {
                    println!("{}", line(&listed));
                }
            }
            Self::Show { code, json: true } => print_json(&JsonInvite::from(&invites.show(&code).await?))?,
            Self::Show { code, json: false } => show(&invites.show(&code).await?),
            Self::Revoke { code } => {
                let id = invites.revoke(&code, operator::context()).await?;
                println!("revoked {id}");
            }
        }
        Ok(())
    }
}

impl<'a> From<&'a Listed> for JsonInvite<'a> {
    fn from(Listed { invite, code, note, .. }: &'a Listed) -> Self {
        Self { invite, code: code.as_deref(), note: note.as_deref() }
    }
}

fn show(listed: &Listed) {
    let Listed { invite, code, note, .. } = listed;
    println!("id                 {}", invite.invite_id);
    println!("code               {}", harmless(code.as_deref().unwrap_or("(gone)")));
    println!("tier               {}", invite.tier);
    println!("uses               {} used, {} reserved, of {}", invite.used, invite.reserved, invite.max_uses);
    println!("valid until        {}", invite.valid_until);
    match invite.subscription_days {
        0 => println!("subscription days  unlimited"),
        days => println!("subscription days  {days}"),
    }
    println!("revoked            {}", if invite.revoked { "yes" } else { "no" });
    println!("note               {}", harmless(note.as_deref().unwrap_or("-")));
}

fn line(listed: &Listed) -> String {
    let Listed { invite, code, note, .. } = listed;
    let uses = format!("{}/{}", invite.used + invite.reserved, invite.max_uses);
    let code = harmless(code.as_deref().unwrap_or("(gone)"));
    let until = invite.valid_until.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let revoked = if invite.revoked { "(revoked) " } else { "" };
    let tier = invite.tier.name();
    format!(
        "{code:<13} {tier:<11} {uses:>9}  {until:<20} {revoked}{}",
        harmless(note.as_deref().unwrap_or(""))
    )
}

async fn username(bot_api_url: &str) -> anyhow::Result<String> {
    let token = secret("BOT_TOKEN")?.context("BOT_TOKEN is not set, so the bot's name is unknown")?;
    Ok(bot::chat::username(&token, &crate::config::bot_api_url(bot_api_url, false)?).await?)
}
