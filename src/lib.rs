//! The composition root of qr-login: settings, logging, and the parts put together. No other crate knows both the bot and the
//! API. `README.md` says what qr-login does, `ARCHITECTURE.md` how it is made.

pub mod check;
pub mod cli;
pub mod config;
pub mod database;
mod log_witness;
pub mod memory;
pub mod open_files;
pub mod ops;
pub mod readiness;
pub mod service;
mod signed_log;
pub mod systemd;
mod warnings;

pub use config::Config;
pub use service::Service;
