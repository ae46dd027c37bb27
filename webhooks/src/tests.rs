//! A log, webhooks and receivers on loopback, over a real database.

mod backlog;
mod deliveries;
mod endpoints;
mod erasure;
mod fan_out;
mod killed;
mod order;
pub(crate) mod receiver;
mod world;
