//! Appends events: one statement, which is a transaction; and one for many commands where many come at once. What comes while
//! PostgreSQL takes in those before goes together, so that the more there is to do, the less each costs.
//!
//! Nobody is worse off for the company: a group that PostgreSQL refuses (one of its commands lost a race), or that would have
//! to wait for somebody else's open transaction, is taken append_one_by_one, and each goes alone. Events under a worker's lease always
//! go alone, because they may have to wait for that lease.

use std::sync::{Arc, Mutex, PoisonError};

use cqrs_es::persist::SerializedEvent;
use sqlx::error::DatabaseError;
use tokio::sync::oneshot;

use crate::pool::Pool;

/// Commands in a group.
const MOST: usize = 64;

/// The way into the log of one database. A cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct Appends(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    waiting: Mutex<Vec<Command>>,
    /// Held while a group, or the one that found nobody before it, is under way.
    lane: tokio::sync::Mutex<()>,
}

/// What one command led to, and who waits for its outcome.
#[derive(Debug)]
struct Command {
    events: Vec<SerializedEvent>,
    outcome: oneshot::Sender<Result<(), sqlx::Error>>,
}

impl Appends {
    pub(crate) fn new(pool: Pool) -> Self {
        Self(Arc::new(Shared { pool, waiting: Mutex::default(), lane: tokio::sync::Mutex::default() }))
    }

    /// Appends the events of one command, all or none.
    ///
    /// # Errors
    /// Whatever PostgreSQL says to these events.
    pub(crate) async fn append(&self, events: &[SerializedEvent]) -> Result<(), sqlx::Error> {
        if events.iter().any(|event| event.metadata.get("epoch").is_some()) {
            return insert(&self.0.pool, &events.iter().collect::<Vec<_>>(), LockWait::Unlimited).await;
        }
        let (outcome, known) = oneshot::channel();
        self.waiting().push(Command { events: events.to_vec(), outcome });
        if let Ok(_lane) = self.0.lane.try_lock() {
            self.append_group().await;
        } else {
            let appends = self.clone();
            tokio::spawn(async move {
                let _lane = appends.0.lane.lock().await;
                appends.append_group().await;
            });
        }
        known.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// For whoever holds the lane: appends what waits by now; often nothing, because another one took it along.
    async fn append_group(&self) {
        let mut group: Vec<Command> = {
            let mut waiting = self.waiting();
            let count = waiting.len().min(MOST);
            waiting.drain(..count).collect()
        };
        if group.is_empty() {
            return;
        }
        // Always in this order, so that two processes' groups do not wait for each other.
        group.sort_by(|one, other| stream_of(one).cmp(&stream_of(other)));
        let events: Vec<_> = group.iter().flat_map(|command| &command.events).collect();
        match insert(&self.0.pool, &events, LockWait::Short).await {
            Ok(()) => group.into_iter().for_each(|command| command.finish(Ok(()))),
            // Nothing was written.
            Err(sqlx::Error::Database(refused)) if group.len() > 1 || waited(&*refused) => {
                self.append_one_by_one(group)
            }
            Err(error) => match <[Command; 1]>::try_from(group) {
                Ok([command]) => command.finish(Err(error)),
                // The connection failed, and each of them lost it.
                Err(group) => {
                    let lost = || sqlx::Error::Io(std::io::Error::other(error.to_string()));
                    group.into_iter().for_each(|command| command.finish(Err(lost())));
                }
            },
        }
    }

    /// Each alone, and none behind another.
    fn append_one_by_one(&self, group: Vec<Command>) {
        for command in group {
            let pool = self.0.pool.clone();
            tokio::spawn(async move {
                let events: Vec<_> = command.events.iter().collect();
                let outcome = insert(&pool, &events, LockWait::Unlimited).await;
                command.finish(outcome);
            });
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Command>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Command {
    fn finish(self, outcome: Result<(), sqlx::Error>) {
        // Nobody waits any more where the runtime shuts down.
        let _ = self.outcome.send(outcome);
    }
}

/// How long to wait for somebody else's transaction.
#[derive(Clone, Copy)]
enum LockWait {
    Short,
    Unlimited,
}

async fn insert(pool: &Pool, events: &[&SerializedEvent], lock_wait: LockWait) -> Result<(), sqlx::Error> {
    fn column<'a, T>(events: &[&'a SerializedEvent], of: impl Fn(&'a SerializedEvent) -> T) -> Vec<T> {
        events.iter().map(|event| of(event)).collect()
    }
    let streams = column(events, |event| &*event.aggregate_type);
    let ids = column(events, |event| &*event.aggregate_id);
    let sequences = column(events, |event| event.sequence as i64);
    let names = column(events, |event| &*event.event_type);
    let versions = column(events, |event| &*event.event_version);
    let payloads = column(events, |event| event.payload.to_string());
    let envelopes = column(events, |event| event.metadata.to_string());
    let insert = match lock_wait {
        LockWait::Short => sqlx::query!(
            "with lock_wait as materialized (select set_config('lock_timeout', '20ms', true))
             insert into events
                 (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, cluster_no)
             select stream, id, sequence, name, version, payload::json, envelope::json,
                    (select last_value from cluster_no)
               from lock_wait,
                    unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
                    with ordinality as e (stream, id, sequence, name, version, payload, envelope, place)
              order by place",
            &streams as _,
            &ids as _,
            &sequences,
            &names as _,
            &versions as _,
            &payloads,
            &envelopes
        ),
        LockWait::Unlimited => sqlx::query!(
            "insert into events
                 (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, cluster_no)
             select stream, id, sequence, name, version, payload::json, envelope::json,
                    (select last_value from cluster_no)
               from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
                    with ordinality as e (stream, id, sequence, name, version, payload, envelope, place)
              order by place",
            &streams as _,
            &ids as _,
            &sequences,
            &names as _,
            &versions as _,
            &payloads,
            &envelopes
        ),
    };
    insert.execute(pool).await?;
    Ok(())
}

fn stream_of(command: &Command) -> Option<(&str, &str, usize)> {
    let event = command.events.first()?;
    Some((&event.aggregate_type, &event.aggregate_id, event.sequence))
}

/// lock_not_available: somebody else's transaction is open.
fn waited(error: &dyn DatabaseError) -> bool {
    error.code().as_deref() == Some("55P03")
}

#[cfg(test)]
mod tests;
