//! The views over a real log: projected, rebuilt, verified, and shown as of a position.

mod projector;
mod rebuild;
mod verify;
