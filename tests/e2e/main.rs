//! Whole logins, end to end: the real service, a real PostgreSQL, a stand-in Telegram over real sockets, and for the page
//! a real browser.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod after;
mod browser;
mod caddy;
mod cli;
mod crashes;
mod deploy;
mod docs;
mod endings;
mod erasure;
mod expiry;
mod export;
mod first_start;
mod happy;
mod hostile;
mod invites;
mod left;
mod log;
mod numbers;
mod one_phone;
mod ops;
mod outages;
mod pages;
mod password;
mod port;
mod process;
mod settings;
mod structure;
mod webhook;
mod world;
