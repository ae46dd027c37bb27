//! Logins: [`begin`], [`retry`] and [`cancel`]. The bot and the page give these orders; workers do the rest.

pub mod begin;
pub mod cancel;
pub mod retry;
mod steps;
#[cfg(test)]
mod tests;
