//! A stand-in Telegram on loopback sockets, for tests and for the sandbox: START HERE for what is in it.
//!
//! - [`accounts`]: the people; [`clock`]: the time that every expiry goes by
//! - [`mtproto`]: the data centres, with real key exchange, encryption, QR login, passwords and codes
//! - [`phone`] and [`camera`]: what a person holds in the hand

pub mod accounts;
pub mod camera;
pub mod clock;
pub mod mtproto;
pub mod phone;
