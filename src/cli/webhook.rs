//! `qr-login webhook …`: webhooks of other services, beside a running service or alone.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use domain::service::DisabledReason;
use eventlog::clock::Clock;
use eventlog::database::Database;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use terminal::columns::{Table, TooNarrow, to_the_second, width_of_stdout};
use terminal::harmless;
use uuid::Uuid;
use webhooks::{Change, Delivery, DeliveryState, Ids, Made, MessageType, NewWebhook, Webhook, Webhooks};

use super::database::{derived_keys, reading, settle, with_database};
use super::operator;
use crate::config::{DataConfig, DataSettings};
use crate::service;
use terminal::print_json;

/// Between two looks whether an order has taken effect.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many webhooks there may be, and more.
const ALL: i64 = 1_000;

const CREATE_EXAMPLES: &str = "Types: login.authorized, login.ended, subscription.started, subscription.changed, subscription.expired,
subscription.revoked, session.revoked, session.logged_out, session.exported, user.blocked, user.unblocked, user.erased

Example:
  qr-login webhook create --url https://billing.example.org/hooks/qr-login --type subscription.started,subscription.expired";

#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Make one; prints its id and its secret, which is shown this once.
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// Where its messages go: https, a public host.
        #[arg(long)]
        url: String,
        /// Which it gets; several with commas between. Default: all.
        #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
        types: Vec<MessageType>,
    },
    /// All of them.
    List(Format),
    /// One.
    Show {
        /// Its id.
        id: Uuid,
        #[command(flatten)]
        format: Format,
    },
    /// Change its address or its types; switch it on or off.
    Change {
        /// Its id.
        id: Uuid,
        /// Where its messages go.
        #[arg(long)]
        url: Option<String>,
        /// Which it gets; several with commas between.
        #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', conflicts_with = "all_types")]
        types: Vec<MessageType>,
        /// It gets every type.
        #[arg(long)]
        all_types: bool,
        /// Whether messages are sent: yes or no.
        #[arg(long, value_name = "YES|NO")]
        enabled: Option<YesNo>,
    },
    /// Give it another secret; prints it. The one before signs beside it for a day.
    Rotate {
        /// Its id.
        id: Uuid,
    },
    /// Forget it, with its messages.
    Delete {
        /// Its id.
        id: Uuid,
    },
    /// Send it a message of the type webhook.test; prints its id. It goes out while a service runs.
    Test {
        /// Its id.
        id: Uuid,
    },
    /// Its messages, the newest first.
    Deliveries {
        /// Its id.
        id: Uuid,
        /// Those that stand so.
        #[arg(long)]
        state: Option<State>,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        #[command(flatten)]
        format: Format,
    },
    /// Send messages once more that were given up.
    Replay {
        /// Its id.
        id: Uuid,
        /// The message: msg_…
        #[arg(required_unless_present = "all")]
        delivery: Option<String>,
        /// All that are parked.
        #[arg(long, conflicts_with = "delivery")]
        all: bool,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Format {
    /// For a program.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum State {
    Waiting,
    Delivered,
    Parked,
}

/// All of them, or those that were asked for, for a program.
#[derive(Serialize)]
struct Items<T> {
    items: Vec<T>,
}

impl WebhookCommand {
    pub async fn run(self, settings: &DataSettings) -> anyhow::Result<()> {
        match self {
            Self::List(_) | Self::Show { .. } | Self::Deliveries { .. } => {
                reading(settings, async |data: &DataConfig, db: &Database| {
                    self.show(&webhooks(data, db).await?).await
                })
                .await
            }
            _ => {
                with_database(settings, async |data: &DataConfig, db: &Database| {
                    let webhooks = webhooks(data, db).await?;
                    taking_effect(data, db, self.order(&webhooks)).await?
                })
                .await
            }
        }
    }

    async fn show(self, webhooks: &Webhooks) -> anyhow::Result<()> {
        match self {
            Self::List(Format { json: true }) => {
                let all = webhooks.list(None, ALL, None).await?;
                print_json(&Items { items: all })?;
            }
            Self::List(Format { json: false }) => print_list(&webhooks.list(None, ALL, None).await?)?,
            Self::Show { id, format } => {
                let webhook = webhooks.show(id, None).await?;
                match format.json {
                    true => print_json(&webhook)?,
                    false => print_one(&webhook),
                }
            }
            Self::Deliveries { id, state, limit, format } => {
                let found =
                    webhooks.deliveries(id, None, state.map(DeliveryState::from), limit, None).await?;
                match format.json {
                    true => print_json(&Items { items: found })?,
                    false => print_deliveries(&found)?,
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn order(self, webhooks: &Webhooks) -> anyhow::Result<()> {
        let context = operator::context();
        match self {
            Self::Create { url, types } => {
                let made = webhooks.create(NewWebhook { url, types }, Ids::random(), context).await?;
                print_made(&made);
            }
            Self::Change { id, url, types, all_types, enabled } => {
                let types = (all_types || !types.is_empty()).then_some(types);
                let enabled = enabled.map(|enabled| enabled == YesNo::Yes);
                let change = Change { url, types, enabled, rotate_secret: false };
                print_one(&webhooks.change(id, None, change, Uuid::new_v4(), context).await?.webhook);
            }
            Self::Rotate { id } => {
                let change = Change { rotate_secret: true, ..Change::default() };
                print_made(&webhooks.change(id, None, change, Uuid::new_v4(), context).await?);
            }
            Self::Delete { id } => {
                webhooks.delete(id, None, context).await?;
                println!("deleted {id}");
            }
            Self::Test { id } => println!("{}", webhooks.test(id, None).await?),
            Self::Replay { id, delivery: Some(delivery), .. } => {
                webhooks.replay(id, None, &delivery).await?;
                println!("queued {}", harmless(&delivery));
            }
            Self::Replay { id, delivery: None, .. } => {
                println!("queued {}", webhooks.replay_all(id, None).await?);
            }
            Self::List(_) | Self::Show { .. } | Self::Deliveries { .. } => {}
        }
        Ok(())
    }
}

async fn webhooks(data: &DataConfig, db: &Database) -> anyhow::Result<Webhooks> {
    // Secrets are sealed with keys that come from the master key.
    let keys = derived_keys(data, db).await?;
    Ok(Webhooks::new(db, keys, Clock::system()).await?)
}

/// Carries out an order that waits until it has taken effect. Where no service runs, this makes it so.
async fn taking_effect<T>(
    data: &DataConfig,
    db: &Database,
    order: impl Future<Output = T>,
) -> anyhow::Result<T> {
    let is_done = Cell::new(false);
    let order = async {
        let done = order.await;
        is_done.set(true);
        done
    };
    // Never dropped half-way: it would keep the lease for a while.
    let keeping_up = async {
        while !is_done.get() {
            settle(data, db).await?;
            webhooks::catch_up(db, service::holder()).await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    let (done, kept_up) = tokio::join!(order, keeping_up);
    kept_up?;
    Ok(done)
}

fn print_made(Made { webhook, secret }: &Made) {
    println!("id      {}", webhook.webhook_id);
    if let Some(secret) = secret {
        println!("secret  {}", secret.expose_secret());
        eprintln!("qr-login: keep the secret now: it is not shown again");
    }
}

fn print_one(webhook: &Webhook) {
    let day = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), to_the_second);
    println!("id              {}", webhook.webhook_id);
    println!("url             {}", harmless(&webhook.url));
    println!("types           {}", types(webhook));
    println!("state           {}", state(webhook));
    println!("made by         {}", harmless(&webhook.created_by));
    println!("made            {}", to_the_second(webhook.created_at));
    println!("two secrets     until {}", day(webhook.secret_rotates_until));
    println!("waiting         {}", webhook.waiting);
    println!("parked          {}", webhook.parked);
    println!("last delivered  {}", day(webhook.last_delivered_at));
}

fn print_list(all: &[Webhook]) -> io::Result<()> {
    let mut table =
        Table::new(["ID", "STATE", "WAITING", "PARKED", "LAST DELIVERED", "TYPES", "URL"], TooNarrow::Block);
    for webhook in all {
        table.push([
            webhook.webhook_id.to_string(),
            state(webhook).to_owned(),
            webhook.waiting.to_string(),
            webhook.parked.to_string(),
            webhook.last_delivered_at.map_or_else(|| "-".to_owned(), to_the_second),
            types(webhook),
            webhook.url.clone(),
        ]);
    }
    table.write(width_of_stdout(), &mut io::stdout().lock())
}

fn print_deliveries(found: &[Delivery]) -> io::Result<()> {
    let mut table = Table::new(
        ["MESSAGE", "TYPE", "POSITION", "STATE", "TRIES", "NEXT TRY", "LAST ANSWER"],
        TooNarrow::Block,
    );
    for delivery in found {
        let status = delivery.last_status.map(|status| status.to_string());
        let answer = [status, delivery.last_error.clone()].into_iter().flatten().collect::<Vec<_>>();
        table.push([
            delivery.delivery_id.clone(),
            delivery.kind.clone(),
            delivery.position.map_or_else(|| "-".to_owned(), |position| position.to_string()),
            delivery.state.name().to_owned(),
            delivery.attempts.to_string(),
            delivery.next_attempt_at.map_or_else(|| "-".to_owned(), to_the_second),
            answer.join(" "),
        ]);
    }
    table.write(width_of_stdout(), &mut io::stdout().lock())
}

fn types(webhook: &Webhook) -> String {
    if webhook.types.is_empty() { "all".to_owned() } else { webhook.types.join(",") }
}

fn state(webhook: &Webhook) -> &'static str {
    match webhook.disabled_reason {
        None => "on",
        Some(DisabledReason::Order) => "off",
        Some(DisabledReason::Gone) => "off (410)",
    }
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Delivered => Self::Delivered,
            State::Parked => Self::Parked,
        }
    }
}
