//! The stand-in's data centres, tried with the client that the service uses.

mod client;
mod qr;
