//! The routes of HTTP: the login page and what it asks, a person's own side, the shell of the admins' app, the contract of the
//! API. What they stand on is in [`web`]; a request changes something through a use case of [`app`].

mod admin_page;
mod docs_page;
#[cfg(fuzzing)]
pub mod fuzzing;
mod log_tiles;
mod me;
mod openapi;
mod routes;
mod statics;
#[cfg(test)]
mod tests;

pub use routes::{route_names, serve};
