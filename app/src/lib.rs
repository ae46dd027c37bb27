//! The use cases, which the bot, the HTTP API and the terminal share, and what follows from an event.
//!
//! A use case is a function over one [`App`]. It answers with what happened, as an enum in the domain's words; the bot, the
//! API and the terminal put that into their own words. A use case that is given the same order twice does nothing twice.
//!
//! Read [`logins::begin`] for a use case, [`reactor`] for what follows from an event, [`leader`] for the process that does it.
//! What deliberately is not here: rules (`domain`), Telegram (`bot`), HTTP (`api`), the queues of updates and messages
//! (`messages`), texts that people read.

mod app;
pub mod audit;
pub mod erasure;
mod error;
pub mod history;
pub mod invites;
pub mod leader;
pub mod ledger;
pub mod log_targets;
pub mod logins;
pub mod parked;
pub mod people;
pub mod reactor;
pub mod rebuilds;
pub mod services;
pub mod sessions;
pub mod subscriptions;
pub mod sweeper;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use app::App;
pub use erasure::{Erasure, ErasureError};
pub use error::UseCaseError;
pub use invites::Invites;
pub use leader::Leader;
pub use ledger::Ledger;
pub use reactor::Reactor;
pub use sweeper::Sweeper;
