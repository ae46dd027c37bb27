//! The one process that leads: gives positions, projects, reacts, and sweeps. Any process may run this; the lease says
//! which one does.
//!
//! ```text
//!   append ─Appended─▶ sequencer ─Positioned─▶ projector ─Projected─▶ reactor ─▶ commands, attempts, messages
//!                                                              └────▶ sweeper ─▶ commands
//! ```
//! Each waits for the one before it: in this process by a signal, else by looking. Two leaders for a moment do no harm:
//! each part fences the one that was there before it took over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use domain::{Tier, Tiers};
use sqlx::types::Json;
use tokio::time::Instant;

use crate::reactor::Reactor;
use crate::sweeper::Sweeper;
use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::Log;
use eventlog::sequencer::{Sequencer, SequencerError};
use eventlog::wake::{Topic, Waker};
use projections::lag::lag;
use projections::projector::{Projector, ProjectorError, projected};
use projections::rebuild;
use vault::lease::Leases;

/// How long a dead leader holds the others back.
const LEASE_TTL: Duration = Duration::from_secs(5);
/// A part that has worked rests four times as long, between these bounds: what comes meanwhile goes into one batch, and the
/// machine is left to those who append. The first news after a rest is taken up at once.
const REST: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(25));
const RESTS_FOR: u32 = 4;
/// How often each part looks without a signal, while there is something to do and else.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long to wait after a failure, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What leading takes.
#[derive(Clone, Debug)]
pub struct Leader {
    /// Where.
    pub db: Database,
    /// By which clock logins and subscriptions expire.
    pub clock: Clock,
    /// What a subscription gives.
    pub tiers: Arc<Tiers>,
    /// Who holds the lease: the name that this process announced itself by.
    pub holder: String,
}

/// Why leading broke off.
#[derive(Debug, thiserror::Error)]
pub enum LeadError {
    /// While giving positions.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// While folding, or reacting.
    #[error(transparent)]
    Projector(#[from] ProjectorError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Leads whenever the lease is ours, for as long as it is polled.
pub async fn run(leader: Leader) {
    let leases = Leases::new(&leader.db, leader.holder.clone());
    leases
        .hold("leader", LEASE_TTL, |_| async {
            let mut back_off = BACK_OFF.0;
            loop {
                let since = Instant::now();
                let Err(error) = lead(&leader).await;
                if since.elapsed() > BACK_OFF.1 {
                    back_off = BACK_OFF.0;
                }
                tracing::error!(%error, "The projections stopped; they begin again where they were");
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF.1);
            }
        })
        .await
}

/// Waits until the views show everything that was appended before: by whoever leads, and where nobody does, by leading
/// for a moment, without reacting to anything. For programs that end soon. Whether it came to that within `patience`.
///
/// # Errors
/// [`LeadError`].
pub async fn settle(leader: &Leader, patience: Duration) -> Result<bool, LeadError> {
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
            tokio::time::sleep(LOOK.0).await;
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

async fn lead(leader: &Leader) -> Result<Infallible, LeadError> {
    let db = &leader.db;
    let sequencer = Sequencer::take_over(db).await?;
    let projector = Projector::take_over(db).await?;
    let reactor = Reactor::take_over(db, &leader.clock, &leader.tiers).await?;
    let sweeper = Sweeper::new(db, &leader.clock);
    keep_free_limits(db, &leader.tiers).await?;
    tracing::info!(epoch = sequencer.epoch(), "Leading the projections");
    let (never, ..) = tokio::try_join!(
        sequence(db, &sequencer),
        project(db, &projector),
        react(db, &reactor),
        async { Ok(sweeper.run().await?) },
        async { Ok(rebuild::maintenance::run(db).await) },
    )?;
    Ok(never)
}

async fn sequence(db: &Database, sequencer: &Sequencer) -> Result<Infallible, LeadError> {
    let mut appended = db.wake().subscribe(Topic::Appended);
    loop {
        let began = Instant::now();
        let busy = sequencer.pass().await? > 0;
        rest(&mut appended, began, busy).await;
    }
}

async fn project(db: &Database, projector: &Projector) -> Result<Infallible, LeadError> {
    let mut positioned = db.wake().subscribe(Topic::Positioned);
    loop {
        let began = Instant::now();
        let busy = projector.catch_up().await? > 0;
        rest(&mut positioned, began, busy).await;
    }
}

async fn react(db: &Database, reactor: &Reactor) -> Result<Infallible, LeadError> {
    let mut projected = db.wake().subscribe(Topic::Projected);
    loop {
        let began = Instant::now();
        let busy = reactor.catch_up().await? > 0;
        rest(&mut projected, began, busy).await;
    }
}

/// Until there is news; a look now and then alone is enough.
async fn rest(waker: &mut Waker, began: Instant, busy: bool) {
    if busy {
        tokio::time::sleep((began.elapsed() * RESTS_FOR).clamp(REST.0, REST.1)).await;
    }
    waker.wait(if busy { LOOK.0 } else { LOOK.1 }).await;
}

/// What people without a subscription have is no event's matter: the table `users` takes it from here.
async fn keep_free_limits(db: &Database, tiers: &Tiers) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update free_limits set limits = $1 where limits is distinct from $1",
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
