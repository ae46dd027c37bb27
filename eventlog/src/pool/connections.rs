//! The raw connections of a pool, and the server to which new ones lead.
//!
//! They come in generations. A statement that got no answer in time gives its whole generation up: the next statement
//! makes a connection of the next one. Where the URL names several servers, the one that `target_session_attrs` asks for
//! is searched in the background.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::time::{Instant, interval_at, sleep, timeout, timeout_at};

use super::servers::Servers;
use super::sockets;
use crate::error::{DatabaseError, no_answer};

/// A connection that was idle for longer is pinged before it is used. One that answered a moment ago is not: a ping costs a
/// round trip.
const TRUSTED_FOR: Duration = Duration::from_millis(100);
/// After this long, a connection that cannot be made is given up for one that has become free.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long one that was idle may take to answer a ping.
pub(super) const PING_WITHIN: Duration = Duration::from_secs(1);
/// How long making a connection outside of the pool may take.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// After so long without a connection outside of the pool, another one is begun beside it.
const ANOTHER_AFTER: Duration = Duration::from_secs(1);
/// An idle connection is closed after this, and the server has room for another.
const IDLE_FOR: Duration = Duration::from_secs(60);
/// Between two searches among several servers, none of which was the wanted one.
const SEARCH_AGAIN: Duration = Duration::from_millis(250);
/// How long closing waits for connections that are in use.
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

/// The connections of one pool. A cheap clone.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: PoolSettings,
    servers: Servers,
    current: RwLock<Generation>,
    is_searching: AtomicBool,
    /// Tasks that wait for a connection.
    waiting: AtomicUsize,
}

/// A task that waits for a connection, for as long as this lives.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

/// The connections that are used now. Those of a generation before are given up.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) pool: PgPool,
}

impl Connections {
    /// Connections to `server`, which is one of these.
    pub(super) fn new(servers: Servers, server: PgConnectOptions, settings: PoolSettings) -> Self {
        Self(Arc::new_cyclic(|shared| {
            let pool = new_pool(shared.clone(), 0, (&servers, settings), server);
            let current = RwLock::new(Generation { number: 0, pool });
            Shared {
                settings,
                servers,
                current,
                is_searching: AtomicBool::new(false),
                waiting: AtomicUsize::new(0),
            }
        }))
    }

    pub(super) fn current(&self) -> Generation {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts one that waits for a connection.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.0.waiting)
    }

    /// How many wait for a connection.
    pub(super) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// How many connections there may be.
    pub(super) fn most(&self) -> u32 {
        self.0.settings.size
    }

    pub(super) fn answer_within(&self) -> Duration {
        self.0.settings.answer_within
    }

    /// Sets what the kernel does about a silent peer, for a connection that was made outside of the pool.
    pub(super) fn watch_sockets(&self) {
        sockets::watch(&self.0.servers.ports());
    }

    /// Gives up the connections of a generation: the server does not answer, or takes no more writes.
    pub(super) fn give_up(&self, number: u64) {
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.number != number || current.pool.is_closed() {
            return;
        }
        tracing::warn!("the database does not answer as it should: its connections are made anew");
        metrics::counter!("qrlogin_database_pools_given_up_total").increment(1);
        let server = PgConnectOptions::clone(&current.pool.connect_options());
        current.number += 1;
        let newer =
            new_pool(Arc::downgrade(&self.0), current.number, (&self.0.servers, self.0.settings), server);
        let older = std::mem::replace(&mut current.pool, newer);
        drop(current);
        tokio::spawn(async move { older.close().await });
        self.search_server();
    }

    /// A connection outside of the pool. Among several servers the wanted one is looked for anew: the one that the pool uses may be
    /// silent by now, while another has taken its place.
    ///
    /// A balancer holds a connection that was begun before a failover for some seconds, and so does a server that is frozen. One
    /// that is begun later leads to the new primary at once. So there is another one each second.
    pub(super) async fn connect(&self) -> Result<PgConnection, DatabaseError> {
        let until = Instant::now() + CONNECTED_WITHIN;
        let mut another = interval_at(Instant::now() + ANOTHER_AFTER, ANOTHER_AFTER);
        let mut tries = FuturesUnordered::from_iter([self.connect_once(until)]);
        loop {
            tokio::select! {
                Some(tried) = tries.next() => match tried {
                    // The others may still succeed.
                    Err(_) if !tries.is_empty() => {}
                    connected => return connected.inspect_err(|_| self.search_server()),
                },
                _ = another.tick() => tries.push(self.connect_once(until)),
            }
        }
    }

    async fn connect_once(&self, until: Instant) -> Result<PgConnection, DatabaseError> {
        let pool = self.current().pool;
        let connect = async {
            if self.0.servers.is_one() {
                return Ok(pool.connect_options().connect().await?);
            }
            let (server, connection) = self.0.servers.find().await?;
            pool.set_connect_options(server);
            Ok(connection)
        };
        timeout_at(until, connect).await.unwrap_or_else(|_| Err(no_answer("connecting").into()))
    }

    /// Where there are several servers: searches until the wanted one is found, and leads new connections there.
    pub(super) fn search_server(&self) {
        if self.0.servers.is_one() || self.0.is_searching.swap(true, Ordering::SeqCst) {
            return;
        }
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            while let Some(connections) = shared.upgrade().map(Self) {
                let found = connections.0.servers.find().await;
                let pool = connections.current().pool;
                if let Ok((server, _)) = &found {
                    pool.set_connect_options(server.clone());
                }
                if found.is_ok() || pool.is_closed() {
                    return connections.0.is_searching.store(false, Ordering::SeqCst);
                }
                drop((connections, pool));
                sleep(SEARCH_AGAIN).await;
            }
        });
    }

    /// Closes every connection, and waits for those on their way back into the pool: a server that stops before would cut
    /// them off in the middle of a message. `PgPool::close` alone does not wait for them: for each idle connection that it
    /// closes it counts one free permit too many.
    pub(super) async fn close(&self) {
        let deadline = Instant::now() + CLOSED_WITHIN;
        let pool = self.current().pool;
        loop {
            let _ = timeout(CLOSED_WITHIN, pool.close()).await;
            if pool.size() == 0 || Instant::now() > deadline {
                return;
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn new_pool(
    shared: Weak<Shared>,
    generation: u64,
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
            let shared = shared.clone();
            Box::pin(async move {
                if was.idle_for > TRUSTED_FOR {
                    let Ok(answer) = timeout(PING_WITHIN, connection.ping()).await else {
                        shared.upgrade().inspect(|it| Connections(it.clone()).give_up(generation));
                        return Err(no_answer("ping"));
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
