//! The views that people read: folded from the log, event by event; rebuilt, verified, and read as of any position.
//!
//! Read [`views`] for what there is, [`projector`] for how it is kept, [`rebuild`] for how it is made anew.
//! Not here: the log itself (`eventlog`), and what follows from an event (`app`).

mod difference;
pub mod explain;
pub mod lag;
mod one_row;
pub mod projector;
mod reading;
pub mod rebuild;
pub mod row_count;
pub mod statistics;
#[cfg(feature = "testing")]
pub mod testing;
pub mod totals;
pub mod verify;
pub mod views;

pub use difference::{Difference, Parting, RowEvent};
pub use projector::{Projector, ProjectorError};
