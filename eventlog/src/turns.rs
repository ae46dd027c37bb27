//! Commands to one stream, one at a time, in the order in which they came. What races for a stream inside a process cannot
//! be refused by the primary key then, which is left to decide between processes.
//!
//! A stream that nobody gives commands to takes no memory here, and a command that finds nobody before it waits for nothing.
//! Each hands on what it knows of the stream, so that the next one reads only what is newer.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// The turns of one database's streams. A cheap clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<Stream, Queue>>>);

/// Its type and its id.
type Stream = (&'static str, String);

/// Who waits while somebody has the turn.
type Queue = VecDeque<oneshot::Sender<Turn>>;

/// A place in the queue of a stream.
#[derive(Debug)]
pub(crate) enum Place {
    First(Turn),
    Behind(oneshot::Receiver<Turn>),
}

/// The right to change a stream. It passes on when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// None: it has passed on.
    of: Option<(Turns, Stream)>,
    /// What the one before has left.
    pub(crate) state: Option<Box<dyn Any + Send>>,
}

impl Turns {
    /// Queues up, at once: first come, first served.
    pub(crate) fn queue(&self, kind: &'static str, id: &str) -> Place {
        let stream = (kind, id.to_owned());
        let mut streams = self.streams();
        if let Some(queue) = streams.get_mut(&stream) {
            let (pass, passed) = oneshot::channel();
            queue.push_back(pass);
            return Place::Behind(passed);
        }
        streams.insert(stream.clone(), Queue::new());
        Place::First(Turn { of: Some((self.clone(), stream)), state: None })
    }

    /// The next command; without one the stream is forgotten.
    fn next(&self, stream: &Stream) -> Option<oneshot::Sender<Turn>> {
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

impl Place {
    pub(crate) async fn turn(self) -> Turn {
        match self {
            Self::First(turn) => turn,
            Self::Behind(passed) => passed.await.expect("a queue is forgotten only when it is empty"),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        while let Some((turns, stream)) = self.of.take() {
            let Some(next) = turns.next(&stream) else { return };
            let turn = Self { of: Some((turns, stream)), state: self.state.take() };
            // One who does not wait any more gives it back.
            if let Err(mut turn) = next.send(turn) {
                (self.of, self.state) = (turn.of.take(), turn.state.take());
            }
        }
    }
}
