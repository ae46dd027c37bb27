//! The use cases, which the bot, the HTTP API and the terminal share, and what follows from an event.
//!
//! Read [`invites`] for a use case, [`reactor`] for what follows from an event, [`leader`] for who does it.
//! What deliberately is not here: rules (`domain`), Telegram (`bot`), HTTP (`api`).

pub mod erasure;
pub mod inbox;
pub mod invites;
pub mod leader;
pub mod outbox;
pub mod reactor;
pub mod sweeper;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use erasure::{Erasure, ErasureError, Ledger};
pub use inbox::{Inbox, Update};
pub use leader::Leader;
pub use outbox::{Message, Outbox, Sender, To};
pub use reactor::Reactor;
pub use sweeper::Sweeper;
