//! Connections to PostgreSQL, each statement of which has a deadline.
//!
//! A server that falls silent (power loss behind a virtual address, a frozen machine) sends neither an answer nor an error, and a
//! connection to it stays open for a quarter of an hour. So a statement waits for its answer only so long. One that waited
//! in vain gives up every connection of the pool: the next statement makes a new one, wherever the address leads by then.
//!
//! A connection goes back into the pool only after its statement was answered. One that was given up in between, by its deadline
//! or because its future was dropped, is closed: nobody knows in which state it is (sqlx#4393 is one of the ways).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Describe, Either, Error, Execute, Executor, PgPool, Postgres};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Connection, Home, silent};
use super::servers::Servers;
use super::sockets;

/// Whether a connection still lives is asked of one that was idle for longer than this, not of one that spoke just now: it
/// costs a round trip. The one who takes it in the very moment of an outage is told like those in the middle of a query.
const TRUSTED_FOR: Duration = Duration::from_millis(100);
/// How long a connection is waited for: one that is free, or a new one.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(10);
/// After this long, a connection that cannot be made is given up for one that has become free.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// An idle connection gives its place on the server back.
const IDLE_FOR: Duration = Duration::from_secs(60);
/// Between two looks at several servers, none of which was the wanted one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Connections that are not back by then belong to somebody who will not give them back.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// How the pool is used.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Connections at most.
    pub size: u32,
    /// How long a statement may take to answer.
    pub answer_within: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { size: 16, answer_within: Duration::from_secs(10) }
    }
}

/// A pool of connections. A cheap clone. It executes statements like sqlx's own, each within its deadline.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: PoolSettings,
    servers: Servers,
    current: RwLock<Current>,
    looking: AtomicBool,
}

/// The connections that count. Those of a number before are given up.
#[derive(Clone, Debug)]
struct Current {
    connections: PgPool,
    number: u64,
}

impl Pool {
    /// Of connections to `server`, which is one of these.
    pub(super) fn new(servers: Servers, server: PgConnectOptions, settings: PoolSettings) -> Self {
        Self(Arc::new_cyclic(|shared| {
            let connections = connections(shared.clone(), 0, (&servers, settings), server);
            let current = RwLock::new(Current { connections, number: 0 });
            Shared { settings, servers, current, looking: AtomicBool::new(false) }
        }))
    }

    /// A connection, for more than one statement.
    ///
    /// # Errors
    /// None is free, and none can be made, within ten seconds.
    pub async fn acquire(&self) -> Result<Connection, Error> {
        let until = Instant::now() + ACQUIRE_WITHIN;
        loop {
            let Current { connections, number } = self.current();
            match connections.acquire().await {
                Ok(connection) => {
                    let home = Home { pool: self.clone(), number };
                    return Ok(Connection::pooled(connection, home, self.0.settings.answer_within));
                }
                // Given up meanwhile for newer ones.
                Err(Error::PoolClosed) if self.current().number != number => {}
                Err(error) => {
                    self.look_for_server();
                    if !matches!(error, Error::PoolTimedOut) || Instant::now() > until {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The connections without deadlines, for a library that takes them so.
    pub fn without_deadlines(&self) -> PgPool {
        self.current().connections
    }

    /// How a connection outside of the pool is made.
    pub(super) fn server(&self) -> Arc<PgConnectOptions> {
        self.without_deadlines().connect_options()
    }

    /// For a connection that was made outside of the pool.
    pub(super) fn watch_sockets(&self) {
        sockets::watch(&self.0.servers.ports());
    }

    /// Waits for a library that uses [`Self::without_deadlines`], as long as for a statement.
    ///
    /// # Errors
    /// [`Error::Io`]: no answer came. Its connection is given up with the others.
    pub(crate) async fn within<T>(&self, answer: impl Future<Output = T>) -> Result<T, Error> {
        let number = self.current().number;
        timeout(self.0.settings.answer_within, answer).await.map_err(|_| {
            self.give_up(number);
            silent("the events of a stream")
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

    /// Ends every connection, those on their way back included: a server that stops before they are there would cut them off
    /// in the middle of a word. `PgPool::close` alone does not wait for them: for each idle connection that it closes it
    /// counts one free permit too many.
    pub async fn close(&self) {
        let deadline = Instant::now() + CLOSED_WITHIN;
        let connections = self.without_deadlines();
        loop {
            let _ = timeout(CLOSED_WITHIN, connections.close()).await;
            if connections.size() == 0 || Instant::now() > deadline {
                return;
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Gives all connections of this number up: the server does not answer, or takes no writes any more.
    pub(super) fn give_up(&self, number: u64) {
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.number != number || current.connections.is_closed() {
            return;
        }
        tracing::warn!("the database does not answer as it should: its connections are made anew");
        metrics::counter!("database_connections_given_up_total").increment(1);
        let server = PgConnectOptions::clone(&current.connections.connect_options());
        current.number += 1;
        let newer =
            connections(Arc::downgrade(&self.0), current.number, (&self.0.servers, self.0.settings), server);
        let older = std::mem::replace(&mut current.connections, newer);
        drop(current);
        tokio::spawn(async move { older.close().await });
        self.look_for_server();
    }

    /// Where there are several servers: looks until the wanted one is found, and leads new connections there.
    pub(super) fn look_for_server(&self) {
        if self.0.servers.is_one() || self.0.looking.swap(true, Ordering::SeqCst) {
            return;
        }
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            while let Some(pool) = shared.upgrade().map(Self) {
                let found = pool.0.servers.find().await;
                let connections = pool.without_deadlines();
                if let Ok((server, _)) = &found {
                    connections.set_connect_options(server.clone());
                }
                if found.is_ok() || connections.is_closed() {
                    return pool.0.looking.store(false, Ordering::SeqCst);
                }
                drop((pool, connections));
                sleep(LOOK_AGAIN).await;
            }
        });
    }

    fn current(&self) -> Current {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn connections(
    pool: Weak<Shared>,
    number: u64,
    (servers, settings): (&Servers, PoolSettings),
    server: PgConnectOptions,
) -> PgPool {
    let ports = servers.ports();
    PgPoolOptions::new()
        .max_connections(settings.size)
        .acquire_timeout(CONNECT_WITHIN)
        .idle_timeout(IDLE_FOR)
        .test_before_acquire(false)
        .before_acquire(move |connection, was| {
            let pool = pool.clone();
            Box::pin(async move {
                if was.idle_for > TRUSTED_FOR {
                    let Ok(answer) = timeout(CONNECT_WITHIN / 2, connection.ping()).await else {
                        pool.upgrade().inspect(|shared| Pool(shared.clone()).give_up(number));
                        return Err(silent("ping"));
                    };
                    answer?;
                }
                Ok(true)
            })
        })
        .after_connect(move |_, _| {
            sockets::watch(&ports);
            Box::pin(async { Ok(()) })
        })
        .connect_lazy_with(server)
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
