//! Everything PostgreSQL: the log of events, what is derived from it, and the vault beside it. The only crate with SQL.
//!
//! Read [`store`] for how an event gets in, [`sequencer`] for how it gets its position, [`log`] for how it is read.
//! What deliberately is not here: rules (`domain`), HTTP, Telegram.

pub mod clock;
pub mod counts;
pub mod database;
pub mod erasure;
pub mod inbox;
pub mod installation;
pub mod lag;
pub mod leader;
pub mod lease;
pub mod limits;
pub mod log;
pub mod outbox;
pub mod presence;
pub mod projector;
pub mod reactor;
mod reading;
pub mod rebuild;
pub mod sequencer;
pub mod store;
#[cfg(test)]
mod story;
pub mod sweeper;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod vault;
pub mod verify;
pub mod views;
pub mod wake;

pub use clock::{Clock, ManualClock};
pub use database::{ClusterError, Database, DatabaseError, PrivateCluster};
pub use erasure::{Erasure, ErasureError, Ledger};
pub use inbox::{Inbox, Update};
pub use leader::Leader;
pub use lease::{Lease, Leases};
pub use limits::{LimitError, LoginLimits};
pub use log::{Filter, Follower, Log, LogEvent, Metadata};
pub use outbox::{Message, Outbox, Sender, To};
pub use presence::Presence;
pub use projector::{Projector, ProjectorError};
pub use reactor::Reactor;
pub use sequencer::{Sequencer, SequencerError};
pub use store::{Actor, Context, Fence, Store, StoreError};
pub use sweeper::Sweeper;
pub use vault::{MasterKey, Vault, VaultError};
pub use wake::{Topic, Wake, Waker};
