//! The HTTP API and the Mini App. A request sees [`live_logins`], which follow the log in memory; it changes something through
//! a use case of [`app`].
//!
//! [`access`] decides who may see what; [`problem`] turns errors into answers.

pub mod access;
mod admin;
mod admin_page;
mod embedded;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod init_data;
mod live_events;
mod live_login;
pub mod live_logins;
mod me;
mod page;
pub mod problem;
mod route;
mod routes;
pub mod server;
mod state;
mod statics;
mod status;

pub use init_data::Verifier;
pub use live_events::LiveEvents;
pub use live_logins::LiveLogins;
pub use routes::{route_names, serve};
pub use server::Limits;
pub use state::{ApiState, OnePhoneLogin, PageSettings};
