//! The files in `SESSIONS_DIR` are what the vault holds. Workers and the command that hands sessions over change both, at the
//! same time, and each of them may die in between. So no process writes what it remembers:
//!
//! - a process that has changed the vault writes what is there now, and reads the vault again before it goes on ([`update()`])
//! - a process that starts updates every file that is there ([`update_all()`]), and from then on those of sessions that end
//!   elsewhere ([`keep`])
//! - what cannot be written is due, and is tried until it is there ([`write_due`])
//!
//! How one file looks, and how it is written, is in [`mod@file`].

mod due;
pub mod file;
mod follow;
mod update;

pub use due::{DueFiles, write_due};
pub use follow::keep;
pub use update::{SessionFileError, update, update_all, update_ended, update_linked, write_new};

#[cfg(test)]
mod tests;
