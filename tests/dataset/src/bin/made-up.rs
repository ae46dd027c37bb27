//! `made-up`: a new private PostgreSQL under `DATA_DIR`, with made-up people and a month of their logins. The sandbox calls it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use dataset::Dataset;
use eventlog::{Clock, Database};
use private_postgres::PrivateCluster;

/// Fills a new private PostgreSQL with made-up people and a month of history
#[derive(Parser)]
struct Args {
    /// The data directory of a sandbox that is stopped
    #[arg(long, env = "DATA_DIR")]
    data_dir: PathBuf,
    /// How many people
    #[arg(long, default_value_t = 10_000)]
    people: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let cluster = PrivateCluster::start(&args.data_dir).await?;
    let db = Database::connect(&cluster.url()).await?;
    db.migrate().await?;
    let dataset = Dataset::load_month(&db, args.people, Clock::system().now()).await?;
    db.close().await;
    cluster.stop().await?;
    println!("{} people, {} events", dataset.logins, dataset.events);
    Ok(())
}
