//! The connections of one server: what each waits for, since when, and which one is closed to make room for another.
//!
//! Each has a slot with one number in it, its [`State`], so that a request costs a store or two and no lock. The smallest number
//! is the one to close first. Looking through all of them takes microseconds, and is done only where all are taken.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use metrics::counter;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::clients::Counted;
use super::limits::Limits;

/// Between two looks for a connection that can be closed, where a request is under way on each.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Between two warnings that all places are taken.
const WARN_AGAIN: Duration = Duration::from_secs(60);

/// What a connection waits for, in the order in which they are closed to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Its end: it is being closed to make room.
    Closed,
    /// The head of a request, the first or one of which something is here.
    Head,
    /// The next request.
    Idle,
    /// The body of a request.
    Body,
    /// Our answer: it is not closed.
    Answer,
    /// The slot has no connection.
    Free,
}

/// A [`Phase`] in the upper bits; below it its beginning, in microseconds of the server's life. Of two in the same phase, the
/// smaller one has waited longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State(u64);

/// On a cache line of its own: two processors write to slots side by side.
#[derive(Debug)]
#[repr(align(64))]
struct Slot {
    state: AtomicU64,
    waker: AtomicWaker,
}

/// The connections of one server.
#[derive(Debug)]
pub(super) struct Connections {
    begun_at: Instant,
    slots: Box<[Slot]>,
    free: Mutex<Vec<usize>>,
    freed: Notify,
    stopping: AtomicBool,
    warned_at: Mutex<Option<Instant>>,
}

/// The place of one connection, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    index: usize,
    /// Whether anything was received since the last answer.
    received: AtomicBool,
    /// The rest of a request's body was not wanted.
    body_left: AtomicBool,
    /// The connection counts for its client.
    _connection: Option<Counted>,
    /// The request that is under way counts for the client that a proxy asks for.
    request: Mutex<Option<Counted>>,
}

/// Tells the connections that the server is gone.
pub(super) struct StopWhenDropped(Arc<Connections>);

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let slot = || Slot { state: AtomicU64::new(State::new(Phase::Free, 0).0), waker: AtomicWaker::new() };
        Arc::new(Self {
            begun_at: Instant::now(),
            slots: std::iter::repeat_with(slot).take(most).collect(),
            free: Mutex::new((0..most).rev().collect()),
            freed: Notify::new(),
            stopping: AtomicBool::new(false),
            warned_at: Mutex::new(None),
        })
    }

    pub(super) fn stop_when_dropped(self: &Arc<Self>) -> StopWhenDropped {
        StopWhenDropped(Arc::clone(self))
    }

    /// Returns once no connection is left.
    pub(super) async fn all_ended(&self) {
        loop {
            let freed = self.freed.notified();
            if self.free.lock().unwrap_or_else(PoisonError::into_inner).len() == self.slots.len() {
                return;
            }
            freed.await;
        }
    }

    /// A place for one more connection, which counts for its client. Where all are taken, it waits until another one is closed or has ended.
    pub(super) async fn admit(self: &Arc<Self>, connection: Option<Counted>) -> Place {
        loop {
            let freed = self.freed.notified();
            let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            if let Some(index) = free {
                self.slots[index].set(self.since_now(Phase::Head));
                return Place {
                    connections: Arc::clone(self),
                    index,
                    received: AtomicBool::new(false),
                    body_left: AtomicBool::new(false),
                    _connection: connection,
                    request: Mutex::default(),
                };
            }
            self.warn();
            self.make_room();
            let _ = timeout(LOOK_AGAIN, freed).await;
        }
    }

    /// Closes the connection that waits longest for its client; none where one is being closed already.
    pub(super) fn make_room(&self) {
        loop {
            let first = self.slots.iter().map(|slot| (slot.state(), slot)).min_by_key(|(state, _)| *state);
            let Some((state, slot)) = first else { return };
            if matches!(state.phase(), Phase::Closed | Phase::Answer | Phase::Free) {
                return;
            }
            // Unless a request has just come.
            if slot.replace(state, State::new(Phase::Closed, 0)) {
                counter!("qrlogin_http_connections_closed_total").increment(1);
                slot.waker.wake();
                return;
            }
        }
    }

    fn warn(&self) {
        let mut warned_at = self.warned_at.lock().unwrap_or_else(PoisonError::into_inner);
        if warned_at.is_none_or(|at| at.elapsed() >= WARN_AGAIN) {
            *warned_at = Some(Instant::now());
            tracing::warn!(
                "all {} connections are taken: the ones that wait longest for their client are closed",
                self.slots.len()
            );
        }
    }

    fn since_now(&self, phase: Phase) -> State {
        State::new(phase, self.begun_at.elapsed().as_micros() as u64)
    }
}

impl Place {
    fn slot(&self) -> &Slot {
        &self.connections.slots[self.index]
    }

    /// Something was received.
    pub(super) fn receives(&self) {
        self.received.store(true, Ordering::Relaxed);
    }

    /// The head of a request is here, and its body is still to come.
    pub(super) fn awaits_body(&self) -> State {
        let state = self.connections.since_now(Phase::Body);
        self.slot().set(state);
        state
    }

    /// The body that was awaited is here, or not wanted any more.
    pub(super) fn has_body(&self, awaited: State) {
        self.slot().replace(awaited, State::new(Phase::Answer, 0));
    }

    /// The rest of the body is not wanted: no other request can be read from this connection.
    pub(super) fn leaves_body(&self) {
        self.body_left.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::leaves_body`].
    pub(super) fn has_left_body(&self) -> bool {
        self.body_left.load(Ordering::Relaxed)
    }

    /// A request is here.
    pub(super) fn answers(&self) {
        self.slot().set(State::new(Phase::Answer, 0));
    }

    /// The request under way counts for a client, until it is answered.
    pub(super) fn counts(&self, request: Option<Counted>) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    /// The request is answered.
    pub(super) fn idles(&self) {
        self.counts(None);
        self.received.store(false, Ordering::Relaxed);
        self.slot().set(self.connections.since_now(Phase::Idle));
    }

    /// When the client is too late, unless something comes before; None: the server is to act.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let mut state = self.slot().state();
        if state.phase() == Phase::Idle && self.received.load(Ordering::Relaxed) {
            let head = self.connections.since_now(Phase::Head);
            if !self.slot().replace(state, head) {
                return None;
            }
            state = head;
        }
        let limit = match state.phase() {
            Phase::Head => limits.head,
            Phase::Idle => limits.idle,
            Phase::Body => limits.body,
            Phase::Answer | Phase::Closed | Phase::Free => return None,
        };
        Some(self.connections.begun_at + state.since() + limit)
    }

    /// Whether it has to make room.
    pub(super) fn is_closed(&self) -> bool {
        self.slot().state().phase() == Phase::Closed
    }

    /// Whether the server is gone.
    pub(super) fn is_stopping(&self) -> bool {
        self.connections.stopping.load(Ordering::Acquire)
    }

    /// Wakes the connection's task by this waker, when it has to make room or the server is gone.
    pub(super) fn wake_by(&self, waker: &Waker) {
        self.slot().waker.register(waker);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slot().waker.take();
        self.slot().set(State::new(Phase::Free, 0));
        self.connections.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.index);
        self.connections.freed.notify_waiters();
    }
}

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.slots.iter().for_each(|slot| slot.waker.wake());
    }
}

impl Slot {
    fn state(&self) -> State {
        State(self.state.load(Ordering::Acquire))
    }

    fn set(&self, state: State) {
        self.state.store(state.0, Ordering::Release);
    }

    fn replace(&self, seen: State, new: State) -> bool {
        self.state.compare_exchange(seen.0, new.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl State {
    const PHASE: u32 = 60;

    fn new(phase: Phase, since_micros: u64) -> Self {
        Self((phase as u64) << Self::PHASE | since_micros)
    }

    fn phase(self) -> Phase {
        match self.0 >> Self::PHASE {
            0 => Phase::Closed,
            1 => Phase::Head,
            2 => Phase::Idle,
            3 => Phase::Body,
            4 => Phase::Answer,
            _ => Phase::Free,
        }
    }

    fn since(self) -> Duration {
        Duration::from_micros(self.0 & ((1 << Self::PHASE) - 1))
    }
}
