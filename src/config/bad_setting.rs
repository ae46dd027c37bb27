//! What a person is told of a setting that is wrong.

/// A setting that is missing or bad: its name, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct BadSetting {
    /// The environment variable.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl BadSetting {
    /// For this setting.
    pub fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}
