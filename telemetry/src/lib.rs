//! What an operator is told of a running process: its log, and its metrics.

pub mod catalogue;
mod log;
mod recorder;

pub use self::log::{BadLogSetting, start_log};
pub use self::recorder::{Metrics, metrics};
