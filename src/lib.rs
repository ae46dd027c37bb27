//! The composition root of qr-login: settings, logging, and the parts put together. The only code that names the bot and
//! the API together. What it does is told in `README.md`, how it is made in `ARCHITECTURE.md`.

pub mod cli;
pub mod config;
pub mod memory;
pub mod open_files;
pub mod ops;
pub mod service;
pub mod telemetry;

pub use config::Config;
pub use service::Service;
