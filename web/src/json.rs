//! What the APIs share in what they read and write: bodies and queries, lists, names, people, refusals.

pub mod input;
pub mod list;
pub mod names;
pub mod refusals;
pub mod user;
