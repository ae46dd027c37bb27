//! Connections to PostgreSQL, each statement of which has a deadline.
//!
//! A server that falls silent (power loss behind a virtual address, a frozen machine) sends neither an answer nor an error, and a
//! connection to it stays open for a quarter of an hour. So a statement waits for its answer only for a limited time. One that
//! waited in vain gives up every connection of the pool: the next statement makes a new one, to the server that has the
//! address by then.
//!
//! A connection goes back into the pool only after its statement was answered. One whose statement was given up, by its deadline
//! or because its future was dropped, is closed: its state is not known (sqlx#4393 is one of the ways).

use std::time::Duration;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{DatabaseError, no_answer};

mod connection;
mod connections;
mod servers;
mod sockets;

pub use connection::{Connection, Transaction};
pub use connections::PoolSettings;
pub(crate) use servers::{Servers, Standing};

use connection::Origin;
use connections::{Connections, Generation, PING_WITHIN};

/// How long a caller waits for a connection: one that is free, or a new one.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks for a connection that has become free.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A pool of connections. A cheap clone. It executes statements like sqlx's own, each within its deadline.
#[derive(Clone, Debug)]
pub struct Pool(Connections);

impl Pool {
    /// Connections to `server`, which is one of these.
    pub(crate) fn new(servers: Servers, server: PgConnectOptions, settings: PoolSettings) -> Self {
        Self(Connections::new(servers, server, settings))
    }

    /// A connection, for more than one statement. Boxed, so that it is compiled once, and not in each crate that calls it.
    ///
    /// # Errors
    /// None is free, and none can be made, within ten seconds.
    pub fn acquire(&self) -> BoxFuture<'_, Result<Connection, Error>> {
        Box::pin(self.acquire_in_time())
    }

    async fn acquire_in_time(&self) -> Result<Connection, Error> {
        let _waiting = self.0.wait();
        let until = Instant::now() + ACQUIRE_WITHIN;
        loop {
            let Generation { number, pool } = self.0.current();
            let origin = Origin { connections: self.0.clone(), generation: number };
            let acquired = tokio::select! {
                biased;
                acquired = pool.acquire() => acquired,
                free = becomes_free(&pool) => {
                    let mut connection = Connection::pooled(free, origin);
                    match timeout(PING_WITHIN, connection.ping()).await {
                        Ok(Ok(())) => return Ok(connection),
                        Ok(Err(_)) => {}
                        Err(_) => self.0.give_up(number),
                    }
                    continue;
                }
            };
            match acquired {
                Ok(connection) => return Ok(Connection::pooled(connection, origin)),
                // This generation has been given up meanwhile.
                Err(Error::PoolClosed) if self.0.current().number != number => {}
                Err(error) => {
                    self.0.search_server();
                    if !matches!(error, Error::PoolTimedOut) || Instant::now() > until {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The connections without deadlines, for a library that takes them so.
    pub fn without_deadlines(&self) -> PgPool {
        self.0.current().pool
    }

    /// A connection outside of the pool.
    ///
    /// # Errors
    /// The server refused, or is not there within ten seconds.
    pub(crate) async fn connect(&self) -> Result<PgConnection, DatabaseError> {
        self.0.connect().await
    }

    /// Sets what the kernel does about a silent peer, for a connection that was made outside of the pool.
    pub(crate) fn watch_sockets(&self) {
        self.0.watch_sockets();
    }

    /// Waits for a library that uses [`Self::without_deadlines`], as long as for a statement.
    ///
    /// # Errors
    /// [`Error::Io`]: no answer came. Its connection is given up with the others.
    pub(crate) async fn within<T>(&self, answer: impl Future<Output = T>) -> Result<T, Error> {
        let generation = self.0.current().number;
        timeout(self.0.answer_within(), answer).await.map_err(|_| {
            self.0.give_up(generation);
            no_answer("the events of a stream")
        })
    }

    /// Connections, free ones included.
    pub fn size(&self) -> u32 {
        self.without_deadlines().size()
    }

    /// Free connections.
    pub fn num_idle(&self) -> usize {
        self.without_deadlines().num_idle()
    }

    /// Connections at most.
    pub fn max_size(&self) -> u32 {
        self.0.most()
    }

    /// Tasks that wait for a connection now.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Closes every connection, also those on their way back into the pool.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

/// A connection that has become free. sqlx, once it tries to make a new one, tries for two seconds, though others are given
/// back meanwhile: a server without room for more would keep a few people waiting for seconds beside connections that are idle.
async fn becomes_free(pool: &PgPool) -> PoolConnection<Postgres> {
    loop {
        sleep(LOOK_AGAIN).await;
        if let Some(connection) = pool.try_acquire() {
            return connection;
        }
    }
}

/// One statement on a connection of its own. All rows are read before the first one is handed out.
impl<'p> Executor<'p> for &'p Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(
            stream::once(async move {
                let mut connection = self.acquire().await?;
                let steps: Vec<_> = connection.fetch_many(query).try_collect().await?;
                Ok::<_, Error>(stream::iter(steps.into_iter().map(Ok)))
            })
            .try_flatten(),
        )
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move { self.acquire().await?.fetch_optional(query).await })
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire().await?.describe(sql).await })
    }
}
