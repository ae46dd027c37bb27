//! What cqrs-es needs of PostgreSQL: postgres-es reads the streams, [`Appends`] appends to them.
//!
//! postgres-es itself appends in a transaction, which is three round trips for an event, two of them to say that there is
//! one, and a transaction that stays open where the process freezes.

use cqrs_es::Aggregate;
use cqrs_es::persist::{
    PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot,
};
use postgres_es::PostgresEventRepository;
use serde_json::Value;

use crate::appends::Appends;
use crate::database::{Database, Pool};

/// The streams of one database. A cheap clone.
#[derive(Clone)]
pub(super) struct Repository {
    appends: Appends,
    pool: Pool,
}

impl Repository {
    pub(super) fn new(database: &Database) -> Self {
        Self { appends: database.appends().clone(), pool: database.pool().clone() }
    }

    /// postgres-es with the connections of now.
    fn streams(&self) -> PostgresEventRepository {
        PostgresEventRepository::new(self.pool.without_deadlines())
    }

    /// Its answer, within the deadline of a statement.
    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, PersistenceError>>,
    ) -> Result<T, PersistenceError> {
        let answer = self.pool.within(answer).await;
        answer.unwrap_or_else(|error| Err(PersistenceError::ConnectionError(Box::new(error))))
    }
}

impl PersistedEventRepository for Repository {
    async fn get_events<A: Aggregate>(&self, id: &str) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.within(self.streams().get_events::<A>(id)).await
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        id: &str,
        after: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.within(self.streams().get_last_events::<A>(id, after)).await
    }

    async fn get_snapshot<A: Aggregate>(
        &self,
        id: &str,
    ) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        self.within(self.streams().get_snapshot::<A>(id)).await
    }

    /// A conflict is a sequence number that the stream has already. postgres-es takes every unique violation for one, but
    /// one of another constraint would come back at the next try. There are no snapshots.
    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        _: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        self.appends.append(events).await.map_err(|error| match &error {
            sqlx::Error::Database(refused) if refused.constraint() == Some("events_pkey") => {
                PersistenceError::OptimisticLockError
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => PersistenceError::ConnectionError(Box::new(error)),
            _ => PersistenceError::UnknownError(Box::new(error)),
        })
    }

    async fn stream_events<A: Aggregate>(&self, id: &str) -> Result<ReplayStream, PersistenceError> {
        self.streams().stream_events::<A>(id).await
    }

    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        self.streams().stream_all_events::<A>().await
    }
}
