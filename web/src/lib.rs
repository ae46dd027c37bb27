//! What every route of HTTP stands on: the server and its limits, who asks, what is live, the answers.
//!
//! Read [`state`] for what a request can reach, [`access`] for who may see what, [`problem`] for errors as answers, and [`json`]
//! for the shapes that several APIs share. The routes themselves are in `api`, `admin-api` and `service-api`.

pub mod access;
pub mod api_keys;
pub mod embedded;
pub mod feed;
pub mod init_data;
pub mod json;
pub mod live_events;
pub mod live_login;
pub mod live_logins;
pub mod measured;
pub mod page;
pub mod problem;
pub mod route;
pub mod server;
pub mod standby;
pub mod state;
pub mod status;
pub mod stopping;

pub use init_data::Verifier;
pub use live_events::LiveEvents;
pub use live_logins::LiveLogins;
pub use server::Limits;
pub use standby::Standby;
pub use state::{ApiState, OnePhoneLogin, PageSettings};
pub use stopping::Stopping;
