//! End-to-end tests of whole logins: the real service, a real PostgreSQL, a stand-in Telegram over real sockets, and a real browser
//! for the pages.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod admin_acts;
mod admin_client;
mod admin_contract;
mod admin_events;
mod admin_invites;
mod admin_refused;
mod admin_statistics;
mod admin_users;
mod after_login;
mod api_alone;
mod browser;
mod caddy;
mod check;
mod circles;
mod cli;
mod configure;
mod crashes;
mod debug_test_phone;
mod deploy;
mod docs;
mod embed;
mod endings;
mod erasure;
mod events;
mod expiry;
mod export;
mod first_start;
mod happy_path;
mod invites;
mod key_rotation;
mod leftovers;
mod log;
mod me;
mod one_phone;
mod ops;
mod outages;
mod pages;
mod password;
mod password_proof;
mod port;
mod process;
mod python;
mod rebuilds;
mod refused;
mod settings;
mod signed_log;
mod strangers;
mod structure;
mod unreadable_updates;
mod wait;
mod webhook;
mod world;
