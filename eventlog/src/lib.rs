//! The log of events in PostgreSQL: the connection, the tables, appending, positions, reading and following.
//!
//! Read [`store`] for how an event gets in, [`sequencer`] for how it gets its position, [`log`] for how it is read.
//! What deliberately is not here: rules (`domain`), and what is derived from the log (`projections`).

mod appends;
pub mod clock;
pub mod database;
mod error;
pub mod integrity;
pub mod log;
pub mod outage;
pub mod pace;
mod pool;
pub mod sequencer;
pub mod store;
mod stream_locks;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wake;

pub use clock::{Clock, ManualClock};
pub use database::{Database, DatabaseError};
pub use log::{Filter, Follower, Log, LogEvent, Metadata, StoredEvent};
pub use outage::{Outage, Throttle};
pub use sequencer::{Sequencer, SequencerError};
pub use store::{Actor, Context, Fence, Store, StoreError};
pub use wake::{Topic, Wake, Waker};
