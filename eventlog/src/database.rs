//! The database: a pool of connections, the migrations, and the signals between the processes that share it.
//!
//! Processes may be connected through pgbouncer in transaction mode, from 1.21 on, which knows prepared statements. So a
//! lock is held by a transaction that stays open and holds no snapshot: for migrations, for a process's presence, and for
//! a rebuild's claim.

mod handle;
mod inspection;
mod migrations;
mod roles;
mod standby;
#[cfg(test)]
mod tests;

pub use crate::error::{DatabaseError, is_fenced, is_transient};
pub use crate::pool::{Connection, Pool, PoolSettings, Transaction};
pub use handle::Database;
pub use inspection::{Durability, Missing, Standbys};
pub use migrations::{Pending, Tables};
pub use roles::{AUDITOR_ROLE, Role};
pub use standby::{Extent, Lag, Standing};
