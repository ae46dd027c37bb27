//! The stand-in's data centres, tried with the client that the service uses.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so

mod camera;
mod client;
mod code;
mod faults;
mod network;
mod qr;
mod sessions;
