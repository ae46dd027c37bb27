//! What an operator is told of a running process: its log, its metrics, and its traces.

pub mod catalogue;
mod log;
mod recorder;
pub mod traces;

pub use self::log::{BadLogSetting, start_log};
pub use self::recorder::{Metrics, metrics};
