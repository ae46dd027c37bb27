//! Wake-up signals.

use std::time::Duration;

/// What there may be news of.
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
    Requests,
}

/// Sends and receives signals.
#[derive(Clone, Debug)]
pub struct Wake {}

/// Waits for one topic.
#[derive(Debug)]
pub struct Waker {}

impl Wake {
    /// Says that there is news.
    pub fn notify(&self, _topic: Topic) {
        todo!()
    }

    /// A waiter.
    pub fn subscribe(&self, _topic: Topic) -> Waker {
        todo!()
    }

    /// Hears other processes, for as long as it is polled.
    pub async fn listen(&self) {
        todo!()
    }
}

impl Waker {
    /// Returns on a signal, or after `max`.
    pub async fn wait(&mut self, _max: Duration) {
        todo!()
    }
}
