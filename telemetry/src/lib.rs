//! What an operator is told of a running process: its log, its metrics, and its traces.

pub mod catalogue;
mod log;
mod recorder;
pub mod traces;

use std::borrow::Cow;

pub use self::log::start_log;
pub use self::recorder::{Metrics, metrics};

/// A setting of the log or of traces that is bad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct BadSetting {
    /// The environment variable.
    pub setting: &'static str,
    /// What is wrong with it.
    pub problem: Cow<'static, str>,
}
