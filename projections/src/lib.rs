//! The views that people read, folded from the log, event by event.
//!
//! Read [`views`] for what there is, and [`projector`] for how it is kept.
//! Not here: the log itself (`eventlog`), how a view is made anew (`rebuild`), and what follows from an event (`app`).

pub mod lag;
pub mod login_meter;
pub mod projector;
pub mod row_count;
pub mod statistics;
pub mod totals;
pub mod views;

pub use projector::{Projector, ProjectorError};
