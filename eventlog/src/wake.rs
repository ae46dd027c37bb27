//! Wake-up signals: within the process at once, to other processes by NOTIFY. They are only hints: a task that waits for a
//! signal also polls, so a lost signal costs a moment and nothing else. For this reason they also work behind a pooler
//! without LISTEN.
//!
//! NOTIFY takes a lock that all committing notifiers share; inside an append it cost two thirds of the throughput. So it
//! is sent apart, once for all signals of five milliseconds. While signals keep coming, it is sent every 25 ms at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::pool::Pool;

const CHANNEL: &str = "qr_login_wake";
const COLLECT_FOR: Duration = Duration::from_millis(5);
const REST_FOR: Duration = Duration::from_millis(20);
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// A connection without a notification for so long is pinged, and has as long to answer.
const CHECK_AFTER: Duration = Duration::from_secs(5);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Events were appended; the sequencer has work.
    Appended,
    /// Events got positions; followers have work.
    Positioned,
    /// Views moved on.
    Projected,
    /// An update came in.
    Inbox,
    /// A message is to be sent.
    Outbox,
    /// An attempt is free for a worker.
    Attempts,
    /// A person gave a worker something: a password, a code.
    UserInput,
    /// A key is to be logged out.
    Retired,
    /// A message for a webhook is to be sent.
    Webhooks,
}

/// Sends and receives signals. A cheap clone.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Shared>);

/// Waits for one topic.
#[derive(Debug)]
pub struct Waker(watch::Receiver<u64>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    /// In each notification, to tell our own from those of other processes.
    sender: String,
    topics: [Signal; Topic::ALL.len()],
    /// A task is sending notifications: it will also send those of new signals.
    is_sending: AtomicBool,
}

#[derive(Debug)]
struct Signal {
    count: watch::Sender<u64>,
    /// Other processes have not been notified yet.
    is_unsent: AtomicBool,
}

impl Topic {
    const ALL: [Self; 9] = [
        Self::Appended,
        Self::Positioned,
        Self::Projected,
        Self::Inbox,
        Self::Outbox,
        Self::Attempts,
        Self::UserInput,
        Self::Retired,
        Self::Webhooks,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::Positioned => "positioned",
            Self::Projected => "projected",
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Attempts => "attempts",
            Self::UserInput => "requests",
            Self::Retired => "retired",
            Self::Webhooks => "webhooks",
        }
    }
}

impl Wake {
    pub(crate) fn new(pool: Pool) -> Self {
        let topics =
            Topic::ALL.map(|_| Signal { count: watch::Sender::new(0), is_unsent: AtomicBool::new(false) });
        let sender = uuid::Uuid::new_v4().simple().to_string();
        Self(Arc::new(Shared { pool, sender, topics, is_sending: AtomicBool::new(false) }))
    }

    /// Signals it, in this process at once and to others soon. To be called after the commit.
    pub fn notify(&self, topic: Topic) {
        self.signal(topic);
        self.0.topics[topic as usize].is_unsent.store(true, Ordering::SeqCst);
        if self.0.is_sending.swap(true, Ordering::SeqCst) {
            return;
        }
        let wake = self.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { wake.send_to_others().await })),
            Err(_) => self.0.is_sending.store(false, Ordering::SeqCst),
        }
    }

    /// Notifies the other processes until no signal is unsent.
    async fn send_to_others(&self) {
        loop {
            tokio::time::sleep(COLLECT_FOR).await;
            let unsent = self.take_unsent();
            if unsent.is_empty() {
                self.0.is_sending.store(false, Ordering::SeqCst);
                // A signal that came in between started no task: this one was still there.
                let came = self.0.topics.iter().any(|topic| topic.is_unsent.load(Ordering::SeqCst));
                if !came || self.0.is_sending.swap(true, Ordering::SeqCst) {
                    return;
                }
                continue;
            }
            let sent = sqlx::query!(
                "select pg_notify($1, $2)",
                CHANNEL,
                format!("{} {}", unsent.join(","), self.0.sender)
            )
            .execute(&self.0.pool)
            .await;
            if let Err(error) = sent {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "other processes were not told and will look by themselves");
            }
            tokio::time::sleep(REST_FOR).await;
        }
    }

    fn take_unsent(&self) -> Vec<&'static str> {
        let topics = Topic::ALL.into_iter().zip(&self.0.topics);
        let unsent = topics.filter(|(_, signal)| signal.is_unsent.swap(false, Ordering::SeqCst));
        unsent.map(|(topic, _)| topic.name()).collect()
    }

    /// A waiter that misses no signal from now on.
    pub fn subscribe(&self, topic: Topic) -> Waker {
        Waker(self.0.topics[topic as usize].count.subscribe())
    }

    /// Receives the signals of other processes, for as long as it is polled.
    pub async fn listen(&self) {
        loop {
            if let Err(error) = self.listen_once().await {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "not hearing other processes for a moment");
            }
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }

    async fn listen_once(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.0.pool.without_deadlines()).await?;
        listener.listen(CHANNEL).await?;
        // What was signalled before this connection listened.
        Topic::ALL.into_iter().for_each(|topic| self.signal(topic));
        loop {
            let Ok(received) = timeout(CHECK_AFTER, listener.try_recv()).await else {
                let lives = sqlx::query!("select").execute(&mut listener);
                timeout(CHECK_AFTER, lives).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
                continue;
            };
            let Some(notification) = received? else { return Ok(()) };
            let Some((names, sender)) = notification.payload().split_once(' ') else { continue };
            if sender != self.0.sender {
                Topic::ALL
                    .into_iter()
                    .filter(|topic| names.split(',').any(|name| name == topic.name()))
                    .for_each(|topic| self.signal(topic));
            }
        }
    }

    fn signal(&self, topic: Topic) {
        self.0.topics[topic as usize].count.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Waker {
    /// Returns on a signal, also on one since the last wait, or after `max`.
    pub async fn wait(&mut self, max: Duration) {
        match timeout(max, self.0.changed()).await {
            Ok(Ok(())) | Err(_) => {}
            // The sender is gone, and with it the database: do not turn the caller's loop into a hot one.
            Ok(Err(_)) => tokio::time::sleep(max).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::testing;

    const HOUR: Duration = Duration::from_secs(3600);
    const LONG_ENOUGH: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_signal_between_two_waits_is_not_missed() {
        let db = testing::database().await.db;
        let mut waker = db.wake().subscribe(Topic::Inbox);
        db.wake().notify(Topic::Inbox);
        timeout(LONG_ENOUGH, waker.wait(HOUR)).await.expect("the signal is heard");
        db.wake().notify(Topic::Outbox);
        waker.wait(Duration::from_millis(1)).await;
        assert_eq!(*waker.0.borrow(), 1, "other topics are none of its business");
    }

    #[tokio::test]
    async fn a_signal_reaches_other_processes() {
        let test = testing::database().await;
        let other = Database::connect(&test.url).await.unwrap();
        let mut waker = other.wake().subscribe(Topic::Attempts);
        let listening = other.clone();
        tokio::spawn(async move { listening.wake().listen().await });
        // The first signal comes when it listens.
        timeout(LONG_ENOUGH, waker.wait(HOUR)).await.expect("it listens");
        for topic in [Topic::Attempts, Topic::Attempts, Topic::Outbox, Topic::Attempts] {
            test.db.wake().notify(topic);
            if topic == Topic::Attempts {
                timeout(LONG_ENOUGH, waker.wait(HOUR)).await.expect("each signal is heard");
            }
        }
    }
}
