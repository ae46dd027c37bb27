//! One lock for each stream: commands to one stream run one after the other, in the order in which they came. Inside a
//! process no command then loses a race against the primary key, which decides between processes.
//!
//! A stream without commands takes no memory here, and a command without another before it does not wait. Each command
//! leaves the state of the stream to the next one, which reads only what is newer.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// The locks of one database's streams. A cheap clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamLocks(Arc<Mutex<HashMap<Stream, Queue>>>);

/// Its type and its id.
type Stream = (&'static str, String);

/// The requests that wait while a stream is locked.
type Queue = VecDeque<oneshot::Sender<StreamLock>>;

/// A request for a lock. Its place in the queue is the one of the call of [`StreamLocks::request`].
#[derive(Debug)]
pub(crate) enum LockRequest {
    Granted(StreamLock),
    Waiting(oneshot::Receiver<StreamLock>),
}

/// The right to change a stream. When it is dropped, it passes to the next request.
#[derive(Debug)]
pub(crate) struct StreamLock {
    /// None: it has passed to the next one.
    of: Option<(StreamLocks, Stream)>,
    /// The state of the stream, which the holder before has left.
    pub(crate) state: Option<Box<dyn Any + Send>>,
}

impl StreamLocks {
    /// Puts a request into the queue, at once: first come, first served.
    pub(crate) fn request(&self, kind: &'static str, id: &str) -> LockRequest {
        let stream = (kind, id.to_owned());
        let mut streams = self.streams();
        if let Some(queue) = streams.get_mut(&stream) {
            let (grant, granted) = oneshot::channel();
            queue.push_back(grant);
            return LockRequest::Waiting(granted);
        }
        streams.insert(stream.clone(), Queue::new());
        LockRequest::Granted(StreamLock { of: Some((self.clone(), stream)), state: None })
    }

    /// The next request. Where there is none, the stream is not locked any more.
    fn next(&self, stream: &Stream) -> Option<oneshot::Sender<StreamLock>> {
        let mut streams = self.streams();
        let next = streams.get_mut(stream).and_then(VecDeque::pop_front);
        if next.is_none() {
            streams.remove(stream);
        }
        next
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<Stream, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LockRequest {
    /// Waits for the lock.
    pub(crate) async fn acquired(self) -> StreamLock {
        match self {
            Self::Granted(lock) => lock,
            Self::Waiting(granted) => granted.await.expect("a queue is removed only when it is empty"),
        }
    }
}

impl Drop for StreamLock {
    fn drop(&mut self) {
        while let Some((locks, stream)) = self.of.take() {
            let Some(next) = locks.next(&stream) else { return };
            let lock = Self { of: Some((locks, stream)), state: self.state.take() };
            // A request that was dropped gives the lock back.
            if let Err(mut lock) = next.send(lock) {
                (self.of, self.state) = (lock.of.take(), lock.state.take());
            }
        }
    }
}
