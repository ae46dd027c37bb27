//! The views against a real log: a person, an invite and a login, projected, rebuilt, verified and looked at as of a moment.

mod projector;
mod rebuild;
mod verify;
