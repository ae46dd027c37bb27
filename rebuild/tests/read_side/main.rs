//! The views over a real log: projected, rebuilt, verified, and shown as of a position.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod difference;
mod explain;
mod projector;
mod rebuild;
mod search;
mod statistics;
mod verify;
