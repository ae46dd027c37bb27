//! `qr-login user list`: people, by what they are.

use std::io;

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::{AccountId, Role, Tier};
use eventlog::database::Database;
use projections::views::users::filtered::{UserFilter, UserSort, filtered};
use projections::views::users::{SubscriptionStatus, User};
use serde::Serialize;
use terminal::columns::{Table, TooNarrow, width_of_stdout};

use super::person::find_person;
use terminal::print_json;

pub const LIST_EXAMPLES: &str = "Examples:
  qr-login user list --tier premium --status active
  qr-login user list --query ilya --sort name
  qr-login user list --blocked yes
  qr-login user list --limit 200 --json | jq -r '.items[].telegram_id'
  qr-login user list --after 139883458      the next page: after the last person of the one before";

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Part of a name, @username from its beginning, a Telegram id or an account id.
    #[arg(long)]
    query: Option<String>,
    /// With this tier: free, trial, basic, premium or enterprise.
    #[arg(long)]
    tier: Option<Tier>,
    /// Whose subscription stands so.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// user, admin or auditor.
    #[arg(long)]
    role: Option<Role>,
    /// Whether they are blocked.
    #[arg(long, value_parser = PossibleValuesParser::new(["yes", "no"]).map(|word| word == "yes"))]
    blocked: Option<bool>,
    /// In which order: by registration, by the subscription's end, or by name; `-` reverses it. Without it the latest to register come
    /// first; people found by the beginning of a @username come by username.
    #[arg(
        long,
        allow_hyphen_values = true,
        value_parser = PossibleValuesParser::new(UserSort::ALL.map(|(name, _)| name)).try_map(|name| sort_named(&name))
    )]
    sort: Option<UserSort>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Those after this person: a Telegram id or an account id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// For a program: `{"items": […], "next": ID}`. Where `next` is not null, it is what `--after` takes.
    #[arg(long)]
    json: bool,
}

/// How a subscription stands.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    /// There never was one.
    None,
    /// It runs.
    Active,
    /// It is over.
    Expired,
}

/// A page for a program.
#[derive(Serialize)]
struct JsonPage<'a> {
    items: &'a [User],
    next: Option<AccountId>,
}

impl ListArguments {
    /// Prints one page.
    pub async fn print(self, db: &Database) -> anyhow::Result<()> {
        let filter = UserFilter {
            query: self.query,
            sort: self.sort,
            tier: self.tier,
            status: self.status.map(|status| match status {
                Status::None => SubscriptionStatus::None,
                Status::Active => SubscriptionStatus::Active,
                Status::Expired => SubscriptionStatus::Expired,
            }),
            role: self.role,
            blocked: self.blocked,
        };
        let after = match &self.after {
            None => None,
            Some(id) => Some(find_person(db, id).await.context("--after")?),
        };
        // One more says whether there are more.
        let limit = usize::try_from(self.limit)?;
        let mut people = filtered(db, &filter, after, self.limit + 1).await?;
        let has_more = people.len() > limit;
        people.truncate(limit);
        let next = people.last().map(|last| last.account_id).filter(|_| has_more);
        if self.json {
            return Ok(print_json(&JsonPage { items: &people, next })?);
        }
        print_table(&people)?;
        if let (Some(_), Some(last)) = (next, people.last()) {
            eprintln!("qr-login: there are more: add --after {}", last.telegram_id);
        }
        Ok(())
    }
}

fn sort_named(name: &str) -> Result<UserSort, &'static str> {
    UserSort::named(name).ok_or("no such order")
}

fn print_table(people: &[User]) -> io::Result<()> {
    let headers = ["TELEGRAM ID", "NAME", "ROLE", "TIER", "STATUS", "UNTIL", "LINKED", "BLOCKED"];
    let mut table = Table::new(headers, TooNarrow::Cut);
    for user in people {
        let username = user.username.as_ref().map(|username| format!("@{username}"));
        let name = [user.first_name.as_deref(), user.last_name.as_deref(), username.as_deref()];
        let until = user.subscription_expires_at.map(|at| at.strftime("%Y-%m-%d").to_string());
        table.push([
            user.telegram_id.to_string(),
            name.into_iter().flatten().collect::<Vec<_>>().join(" "),
            user.role.name().to_owned(),
            user.subscription_type.name().to_owned(),
            user.subscription_status.name().to_owned(),
            until.unwrap_or_else(|| "-".to_owned()),
            yes_or_no(user.is_authenticated),
            yes_or_no(user.is_blocked),
        ]);
    }
    table.write(width_of_stdout(), &mut io::stdout().lock())
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}
