//! The leader: it gives positions, projects, reacts, and sweeps. Any process may run this; the one with the lease leads.
//!
//! ```text
//!   append ─Appended─▶ sequencer ─Positioned─▶ projector ─Projected─▶ reactor ─▶ commands, attempts, messages
//!                                                              └────▶ sweeper ─▶ commands
//! ```
//! Each part waits for the one before it: for a signal in this process, or else by polling. Two leaders at the same moment do
//! no harm: each part fences the one from which it took over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use domain::{Tier, Tiers};
use futures::future::BoxFuture;
use sqlx::types::Json;
use tokio::time::Instant;

use crate::reactor::Reactor;
use crate::rebuilds;
use crate::sweeper::Sweeper;
use eventlog::Outage;
use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Log;
use eventlog::pace::Pace;
use eventlog::sequencer::{Sequencer, SequencerError};
use eventlog::wake::Topic;
use projections::lag::lag;
use projections::projector::{Projector, ProjectorError, projected};
use vault::lease::Leases;

/// How long the others wait after a leader has died.
const LEASE_TTL: Duration = Duration::from_secs(5);
/// How often a leader's views are looked at by a program that waits for them.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long to wait after a failure, at first and at most. An outage is over when there was no failure for the longer time.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What a leader needs.
#[derive(Clone, Debug)]
pub struct Leader {
    /// The database of the log and the views.
    pub db: Database,
    /// The clock by which logins and subscriptions expire.
    pub clock: Clock,
    /// The limits of each tier.
    pub tiers: Arc<Tiers>,
    /// The name of this process as holder of the lease.
    pub holder: String,
}

/// Why a leader stopped.
#[derive(Debug, thiserror::Error)]
pub enum LeadError {
    /// The sequencer failed.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The projector or the reactor failed.
    #[error(transparent)]
    Projector(#[from] ProjectorError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Leads whenever the lease is ours, for as long as it is polled.
pub fn run(leader: Leader) -> BoxFuture<'static, ()> {
    Box::pin(hold_and_lead(leader))
}

async fn hold_and_lead(leader: Leader) {
    let leases = Leases::new(&leader.db, leader.holder.clone());
    leases
        .hold("leader", LEASE_TTL, |_| async {
            let mut outage = Outage::new(
                "the projections stopped; they begin again where they were",
                "the projections go on",
            );
            let mut back_off = BACK_OFF.0;
            loop {
                let since = Instant::now();
                let Err(error) = Box::pin(lead(&leader, &mut outage)).await;
                if since.elapsed() > BACK_OFF.1 {
                    back_off = BACK_OFF.0;
                }
                outage.failed(&error);
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF.1);
            }
        })
        .await
}

/// Waits until the views show everything that was appended before, for programs that end soon. If no process leads, it
/// leads for a moment, without reacting to anything. Returns false if that took longer than `patience`.
///
/// # Errors
/// [`LeadError`].
pub fn settle(leader: &Leader, patience: Duration) -> BoxFuture<'_, Result<bool, LeadError>> {
    Box::pin(settled(leader, patience))
}

async fn settled(leader: &Leader, patience: Duration) -> Result<bool, LeadError> {
    let (db, log) = (&leader.db, Log::new(&leader.db));
    let leases = Leases::new(db, leader.holder.clone());
    let deadline = Instant::now() + patience;
    loop {
        if lag(db).await?.unplaced == 0 && projected(db).await? >= log.end().await? {
            return Ok(true);
        }
        if let Some(lease) = leases.acquire("leader", LEASE_TTL).await? {
            let caught_up = catch_up(leader).await;
            leases.release(lease).await?;
            caught_up?;
        } else if Instant::now() > deadline {
            return Ok(false);
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn catch_up(leader: &Leader) -> Result<(), LeadError> {
    let sequencer = Sequencer::take_over(&leader.db).await?;
    while sequencer.pass().await? > 0 {}
    let projector = Projector::take_over(&leader.db).await?;
    keep_free_limits(&leader.db, &leader.tiers).await?;
    projector.catch_up().await?;
    Ok(())
}

async fn lead(leader: &Leader, outage: &mut Outage) -> Result<Infallible, LeadError> {
    let db = &leader.db;
    let sequencer = Sequencer::take_over(db).await?;
    let projector = Projector::take_over(db).await?;
    let reactor = Reactor::take_over(db, &leader.clock, &leader.tiers).await?;
    let sweeper = Sweeper::new(db, &leader.clock);
    keep_free_limits(db, &leader.tiers).await?;
    tracing::info!(epoch = sequencer.epoch(), "leading the projections");
    let (never, ..) = tokio::try_join!(
        sequence(db, &sequencer),
        project(db, &projector),
        react(db, &reactor),
        async { Ok(sweeper.run().await?) },
        async { Ok(rebuild::maintenance::run(db).await) },
        async { Ok(rebuilds::runner::run(db, &leader.clock).await) },
        async {
            tokio::time::sleep(BACK_OFF.1).await;
            outage.over();
            std::future::pending::<Result<(), LeadError>>().await
        },
    )?;
    Ok(never)
}

async fn sequence(db: &Database, sequencer: &Sequencer) -> Result<Infallible, LeadError> {
    let mut appended = db.wake().subscribe(Topic::Appended);
    let mut pace = Pace::default();
    loop {
        let began = Instant::now();
        let events = usize::try_from(sequencer.pass().await?).expect("not negative");
        pace.wait(&mut appended, began, events).await;
    }
}

async fn project(db: &Database, projector: &Projector) -> Result<Infallible, LeadError> {
    let mut positioned = db.wake().subscribe(Topic::Positioned);
    let mut pace = Pace::default();
    loop {
        let began = Instant::now();
        let events = projector.catch_up().await?;
        pace.wait(&mut positioned, began, events).await;
    }
}

async fn react(db: &Database, reactor: &Reactor) -> Result<Infallible, LeadError> {
    let mut projected = db.wake().subscribe(Topic::Projected);
    let mut pace = Pace::default();
    loop {
        let began = Instant::now();
        let events = reactor.catch_up().await?;
        pace.wait(&mut projected, began, events).await;
    }
}

/// Stores the limits of people without a subscription, with their SHA-256. They are in no event; the view `users` reads them
/// from here, and `replay verify` compares them with the SHA-256.
async fn keep_free_limits(db: &Database, tiers: &Tiers) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update free_limits set limits = $1, written_sha256 = sha256(convert_to($1::jsonb::text, 'UTF8')) \
          where limits is distinct from $1 or written_sha256 <> sha256(convert_to($1::jsonb::text, 'UTF8'))",
        Json(tiers.limits(Tier::Free)) as _,
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

#[cfg(test)]
mod failover;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod pooler;
#[cfg(test)]
mod tests;
