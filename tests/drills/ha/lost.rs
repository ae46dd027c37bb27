//! What asynchronous replication has lost.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::cluster::{ANSWER_WITHIN, connect};

/// How long it may take until the sequencer gives positions on the new primary.
const BRANCHED_WITHIN: Duration = Duration::from_secs(60);

/// What is lost, over all rounds.
#[derive(Debug, Default)]
pub struct Lost {
    rounds: usize,
    /// Positions that each round lost.
    positions: Vec<i64>,
    /// How often another service was told where the log goes on without what it knows.
    services_told: usize,
    /// What people were told of that is not in the log any more.
    pub told: Vec<String>,
}

impl Lost {
    /// Whether any round lost something.
    pub fn is_any(&self) -> bool {
        self.positions.iter().any(|lost| *lost > 0)
    }

    /// After a failover: the log of before ended there.
    pub async fn add(&mut self, end: End, url: &str, taken_back: &[(i64, i64)]) -> Result<()> {
        let mut connection = PgConnection::connect(url).await?;
        let until = Instant::now() + BRANCHED_WITHIN;
        let began_after: i64 = loop {
            let latest = "select branch_id, began_after from log_branches order by number desc limit 1";
            let (branch, began_after): (Uuid, i64) =
                sqlx::query_as(latest).fetch_one(&mut connection).await?;
            if branch != end.branch {
                break began_after;
            }
            ensure!(Instant::now() < until, "no sequencer takes over");
            sleep(Duration::from_millis(50)).await;
        };
        let lost = (end.position - began_after).max(0);
        eprintln!("     {lost} positions are lost, of {}", end.position);
        self.rounds += 1;
        self.positions.push(lost);
        self.services_told += taken_back.len();
        Ok(())
    }
}

/// Where a log ends.
#[derive(Clone, Copy, Debug)]
pub struct End {
    position: i64,
    branch: Uuid,
}

impl End {
    /// On this server, asked directly.
    pub async fn of(address: &str) -> Result<Self> {
        let mut connection = connect(address).await?;
        let end = "select (select coalesce(max(position), 0) from log_index), branch_id \
                     from log_branches order by number desc limit 1";
        let end = sqlx::query_as(end).fetch_one(&mut connection);
        let (position, branch) = timeout(ANSWER_WITHIN, end).await??;
        Ok(Self { position, branch })
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (with, all) = (self.positions.iter().filter(|lost| **lost > 0).count(), self.rounds);
        let (sum, most) =
            (self.positions.iter().sum::<i64>(), self.positions.iter().max().copied().unwrap_or(0));
        write!(
            f,
            "asynchronous: {with} of {all} failovers lost the end of the log, {sum} positions, {most} at most; another service was told \
             {} times where the log goes on; {} cards and pages told people of a login that is lost",
            self.services_told,
            self.told.len()
        )
    }
}
