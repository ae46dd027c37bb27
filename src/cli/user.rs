//! `qr-login user …`: what the tables say of a person, blocks and roles.

use app::people::permissions::{Ordered, PermissionOrder, Permissions};
use clap::Subcommand;
use domain::Role;
use eventlog::clock::Clock;
use eventlog::database::Database;
use projections::views::{login_status, users};
use terminal::harmless;

use super::database::{reading, with_database};
use super::operator;
use super::person::{find_person, nobody};
use super::user_list::{LIST_EXAMPLES, ListArguments};
use crate::config::{self, DataConfig, Settings};
use terminal::print_json;

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Who is known here, the latest to write to the bot first.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        list: ListArguments,
    },
    /// One person, by Telegram id.
    Show {
        /// A Telegram id.
        telegram_id: i64,
        /// For a program.
        #[arg(long)]
        json: bool,
    },
    /// Refuse a person everywhere, at once.
    Block {
        /// A Telegram id or an account id.
        id: String,
    },
    /// Let a person in again.
    Unblock {
        /// A Telegram id or an account id.
        id: String,
    },
    /// Make a person an admin, an auditor, or a user again.
    Role {
        /// A Telegram id or an account id.
        id: String,
        /// user, admin or auditor.
        role: Role,
    },
}

impl UserCommand {
    pub async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let named = config::admin_ids(&settings.admin_ids)?;
        let (id, order) = match self {
            Self::Show { telegram_id, json } => {
                let work = async |_: &DataConfig, db: &Database| show(db, telegram_id, json).await;
                return reading(&settings.data, work).await;
            }
            Self::List { list } => {
                let work = async |_: &DataConfig, db: &Database| list.print(db).await;
                return reading(&settings.data, work).await;
            }
            Self::Block { id } => (id, PermissionOrder::Block),
            Self::Unblock { id } => (id, PermissionOrder::Unblock),
            Self::Role { id, role } => (id, PermissionOrder::Role(role)),
        };
        with_database(&settings.data, async |_: &DataConfig, db: &Database| {
            permit(db, &id, order, &named).await
        })
        .await
    }
}

async fn permit(db: &Database, id: &str, order: PermissionOrder, named: &[i64]) -> anyhow::Result<()> {
    let account = find_person(db, id).await?;
    let now = Clock::system().now();
    match Permissions::new(db).order(account, order, named, now, operator::context()).await? {
        Ordered::Done => {}
        Ordered::Nobody => anyhow::bail!(nobody(id)),
        Ordered::LastAdmin => anyhow::bail!("this is the last admin: make another one first"),
        Ordered::NamedInSettings => anyhow::bail!("ADMIN_IDS names this admin: remove them there first"),
    }
    match order {
        PermissionOrder::Block => println!("{id} is blocked"),
        PermissionOrder::Unblock => println!("{id} is not blocked any more"),
        PermissionOrder::Role(role) => println!("{id} has the role {}", role.name()),
    }
    Ok(())
}

async fn show(db: &Database, telegram_id: i64, json: bool) -> anyhow::Result<()> {
    let Some(user) = users::by_telegram_id(db, telegram_id).await? else {
        anyhow::bail!("nobody with Telegram id {telegram_id} has written to the bot");
    };
    if json {
        return Ok(print_json(&user)?);
    }
    let name =
        [user.first_name.as_deref(), user.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    println!("telegram id    {}", user.telegram_id);
    println!("account id     {}", user.account_id);
    println!("name           {}", harmless(&name.join(" ")));
    println!("username       {}", harmless(user.username.as_deref().unwrap_or("-")));
    println!("role           {}", user.role.name());
    println!("authenticated  {}", if user.is_authenticated { "yes" } else { "no" });
    println!("blocked        {}", if user.is_blocked { "yes" } else { "no" });
    println!("subscription   {} ({})", user.subscription_type, user.subscription_status.name());
    match user.subscription_expires_at {
        Some(end) => println!("until          {end}"),
        None => println!("until          -"),
    }
    for login in login_status::live_of(db, user.account_id).await? {
        println!("live login     {}…: {}, until {}", login.login_id.short(), login.status, login.deadline_at);
    }
    Ok(())
}
