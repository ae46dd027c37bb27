//! A stand-in Telegram on loopback sockets, for tests and for the sandbox. Start here:
//!
//! - [`Telegram`]: all of it at once, which is what most tests want
//! - [`accounts`]: the people; [`clock`]: the time that every expiry goes by
//! - [`bot_api`]: the Bot API server, and a person's side of the chat with the bot
//! - [`mtproto`]: the data centres, with real key exchange, encryption, QR login, passwords and codes
//! - [`service`]: the real service as a child process; [`sandbox`]: the page on which one person plays all people
//! - [`mini_app`], [`admin_app`]: the login page and the admin's without a browser; [`svg`]: its QR code as the screen shows it
//! - [`phone`] and [`camera`]: the phone of a person
//! - [`traces`]: a collector of traces

pub mod accounts;
pub mod admin_app;
pub mod bot_api;
pub mod caddy;
pub mod camera;
pub mod clock;
pub mod mini_app;
pub mod mtproto;
pub mod phone;
pub mod sandbox;
pub mod service;
pub mod svg;
mod telegram;
pub mod traces;

pub use telegram::{Options, Telegram};
