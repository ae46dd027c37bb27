//! Appends events with one statement, which is a transaction. Commands that come while another statement is under way are
//! appended together by the next one: the more there is to do, the less each costs.
//!
//! A group does not delay or fail its commands. Where PostgreSQL refuses it (one of its commands lost a race), or where it
//! would have to wait for another open transaction, each of its commands is appended alone. Events under a worker's lease
//! are always appended alone, because they may have to wait for that lease.

use std::sync::{Arc, Mutex, PoisonError};

use cqrs_es::persist::SerializedEvent;
use sqlx::error::DatabaseError;
use tokio::sync::oneshot;

use crate::pool::Pool;

/// Commands in a group at most.
const GROUP_SIZE: usize = 64;

/// Appends events to the log of one database. A cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct Appends(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    waiting: Mutex<Vec<Append>>,
    /// Held while a group is under way.
    group_lock: tokio::sync::Mutex<()>,
}

/// The events of one command.
#[derive(Debug)]
struct Append {
    events: Vec<SerializedEvent>,
    outcome: oneshot::Sender<Result<(), sqlx::Error>>,
}

impl Appends {
    pub(crate) fn new(pool: Pool) -> Self {
        Self(Arc::new(Shared { pool, waiting: Mutex::default(), group_lock: tokio::sync::Mutex::default() }))
    }

    /// Appends the events of one command, all or none.
    ///
    /// # Errors
    /// PostgreSQL refuses these events, or the connection fails.
    pub(crate) async fn append(&self, events: &[SerializedEvent]) -> Result<(), sqlx::Error> {
        if events.iter().any(|event| event.metadata.get("epoch").is_some()) {
            return insert(&self.0.pool, &events.iter().collect::<Vec<_>>(), LockWait::Unlimited).await;
        }
        let (outcome, appended) = oneshot::channel();
        self.waiting().push(Append { events: events.to_vec(), outcome });
        if let Ok(_lock) = self.0.group_lock.try_lock() {
            self.append_group().await;
        } else {
            let appends = self.clone();
            tokio::spawn(async move {
                let _lock = appends.0.group_lock.lock().await;
                appends.append_group().await;
            });
        }
        appended.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Appends what waits by now, under the group lock. Often that is nothing, because the group before took it.
    async fn append_group(&self) {
        let mut group: Vec<Append> = {
            let mut waiting = self.waiting();
            let count = waiting.len().min(GROUP_SIZE);
            waiting.drain(..count).collect()
        };
        if group.is_empty() {
            return;
        }
        // Always in this order, so that the groups of two processes do not wait for each other.
        group.sort_by(|one, other| stream_of(one).cmp(&stream_of(other)));
        let events: Vec<_> = group.iter().flat_map(|append| &append.events).collect();
        match insert(&self.0.pool, &events, LockWait::Short).await {
            Ok(()) => group.into_iter().for_each(|append| append.finish(Ok(()))),
            // Nothing was written.
            Err(sqlx::Error::Database(refused)) if group.len() > 1 || is_lock_timeout(&*refused) => {
                self.append_one_by_one(group)
            }
            Err(error) => match <[Append; 1]>::try_from(group) {
                Ok([append]) => append.finish(Err(error)),
                // The connection failed for all of them.
                Err(group) => {
                    let error = Arc::new(error);
                    let lost = || sqlx::Error::Io(std::io::Error::other(Arc::clone(&error)));
                    group.into_iter().for_each(|append| append.finish(Err(lost())));
                }
            },
        }
    }

    /// Appends each alone, and all at the same time.
    fn append_one_by_one(&self, group: Vec<Append>) {
        for append in group {
            let pool = self.0.pool.clone();
            tokio::spawn(async move {
                let events: Vec<_> = append.events.iter().collect();
                let outcome = insert(&pool, &events, LockWait::Unlimited).await;
                append.finish(outcome);
            });
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Append>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Append {
    fn finish(self, outcome: Result<(), sqlx::Error>) {
        // The receiver is gone where the runtime shuts down.
        let _ = self.outcome.send(outcome);
    }
}

/// How long to wait for another open transaction.
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

fn stream_of(append: &Append) -> Option<(&str, &str, usize)> {
    let event = append.events.first()?;
    Some((&event.aggregate_type, &event.aggregate_id, event.sequence))
}

/// lock_not_available: another transaction is open.
fn is_lock_timeout(error: &dyn DatabaseError) -> bool {
    error.code().as_deref() == Some("55P03")
}

#[cfg(test)]
mod tests;
