//! `make bench`: each figure of the product beside its peer and beside the physical limit, measured in one run on one machine,
//! so that what counts is the ratio. All sections, or those that are named: `make bench BENCH=append`.
//!
//! A section sets up what it measures by itself, adds its figures to the [`Report`] and leaves nothing behind. The report is
//! printed, and written to `target/bench.json`.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};

mod append;
mod confirmation;
mod environment;
mod figure;
mod history;
mod logins;
mod machine;
mod many;
mod mirror;
mod page;
mod people;
mod polls;
mod process;
mod rebuild;
mod reminders;
mod status;
mod steps;
mod strangers;
mod takeover;
mod tree;
mod visible;
mod webhooks;

use dataset::Dataset;
use eventlog::Database;
use figure::Report;
use secrecy::SecretString;

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// The floor: what a commit and a confirmed write cost here.
    Machine,
    /// What `replay history` asks, at ten million events, beside reading as many events in their order.
    History,
    /// Searching, filtering and counting a million people, beside one person by an index.
    People,
    /// Rebuilding views, beside reading the log and throwing it away.
    Rebuild,
    /// From a takeover in another timeline to the first position, as the log grows.
    Takeover,
    /// The signed tree: how soon an event is signed, how fast it is verified and rebuilt, and what it costs.
    Tree,
    /// `replay mirror`: a log copied, beside appending the same bytes and beside reading the log; and what follows live.
    Mirror,
    /// Commands a second, beside those that do less.
    Append,
    /// From a command to its row in a view.
    Visible,
    /// `/qr-auth-status`, answered now.
    Status,
    /// `/qr-auth-status`, answered once there is news.
    Polls,
    /// From the phone to the page.
    Confirmation,
    /// A hundred thousand reminders due at once, and what others are answered meanwhile.
    Reminders,
    /// A backlog of messages to a webhook, drained.
    Webhooks,
    /// `/login`, while thousands of strangers hold connections.
    Strangers,
    /// Ten thousand logins by one process. Only where it is named.
    Many,
    /// Where the time from the phone to the page goes, by the service's own traces. Only where it is named.
    Steps,
    /// A steady load, and the memory of the process. Only where it is named.
    Steady,
}

/// What runs only where it is named.
const ON_DEMAND: [Section; 3] = [Section::Many, Section::Steps, Section::Steady];

#[derive(Debug, Parser)]
#[command(
    about = "Measures the product beside its peers and beside the physical limit",
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    /// What to measure; all sections where none is named.
    sections: Vec<Section>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: Box<Path>,
    /// Measure nothing, but fill the empty database that DATABASE_URL names with so many logins, five events each.
    #[arg(long, value_name = "LOGINS")]
    load: Option<u32>,
    /// The largest log that `rebuild`, `takeover` and `tree` go through; ten million events take some minutes, and 15 GB.
    #[arg(long, value_name = "EVENTS", default_value_t = 10_000_000)]
    largest: u32,
    /// How large a log `mirror` copies.
    #[arg(long, env = "MIRROR_EVENTS", value_name = "EVENTS", default_value_t = 100_000)]
    mirrored: u32,
    /// How many people log in for `many`.
    #[arg(long, value_name = "LOGINS", default_value_t = 10_000)]
    logins: usize,
    /// For how long people log in for `steady`.
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    minutes: usize,
    /// Rebuild views in the database that DATABASE_URL names, and tell how it went: how `rebuild` calls itself.
    #[arg(long, hide = true)]
    only_rebuild: Option<String>,
    #[command(subcommand)]
    peer: Option<status::peers::Peer>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(peer) = arguments.peer {
        return peer.serve().await;
    }
    if let Some(logins) = arguments.load {
        return load(logins).await;
    }
    if let Some(views) = arguments.only_rebuild {
        return rebuild::only(database_url()?, &views).await;
    }
    let chosen = match arguments.sections {
        none if none.is_empty() => {
            let all = Section::value_variants().iter().copied();
            all.filter(|section| !ON_DEMAND.contains(section)).collect()
        }
        some => some,
    };
    let mut report = Report::default();
    let sizes = Sizes {
        largest: arguments.largest,
        mirrored: arguments.mirrored,
        logins: arguments.logins,
        minutes: arguments.minutes,
    };
    let outcome = measure(&chosen, sizes, &mut report).await;
    // What was measured before a section failed is told all the same.
    print!("{report}");
    report.write(&arguments.json)?;
    outcome
}

/// What the arguments of the same names say.
#[derive(Clone, Copy)]
struct Sizes {
    largest: u32,
    mirrored: u32,
    logins: usize,
    minutes: usize,
}

async fn measure(sections: &[Section], sizes: Sizes, report: &mut Report) -> Result<()> {
    let Sizes { largest, mirrored, logins, minutes } = sizes;
    for section in sections {
        match section {
            Section::Machine => machine::measure(report).await?,
            Section::History => history::measure(report).await?,
            Section::People => people::measure(report).await?,
            Section::Rebuild => rebuild::measure(report, largest).await?,
            Section::Takeover => takeover::measure(report, largest).await?,
            Section::Tree => tree::measure(report, largest).await?,
            Section::Mirror => mirror::measure(report, mirrored).await?,
            Section::Append => append::measure(report).await?,
            Section::Visible => visible::measure(report).await?,
            Section::Webhooks => webhooks::measure(report).await?,
            Section::Status => status::measure(report).await?,
            Section::Polls => polls::measure(report).await?,
            Section::Confirmation => confirmation::measure(report).await?,
            Section::Reminders => reminders::measure(report).await?,
            Section::Strangers => strangers::measure(report).await?,
            Section::Many => many::measure(report, logins).await?,
            Section::Steps => steps::measure(report).await?,
            Section::Steady => many::steady(report, minutes).await?,
        }
    }
    Ok(())
}

/// For a person who wants to look at a large log by hand.
async fn load(logins: u32) -> Result<()> {
    let db = Database::connect(&database_url()?).await?;
    db.migrate().await?;
    let dataset = Dataset::load(&db, logins).await?;
    println!("{dataset:?}");
    Ok(())
}

fn database_url() -> Result<SecretString> {
    Ok(std::env::var("DATABASE_URL").context("DATABASE_URL names the database")?.into())
}
