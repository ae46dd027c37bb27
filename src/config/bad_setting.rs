//! What a person is told of settings that are wrong: a line for each.

use std::fmt;

use eventlog::DatabaseError;

use terminal::error_chain;

/// A setting that is missing or bad: its name, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}")]
pub struct BadSetting {
    /// The environment variable.
    pub setting: &'static str,
    /// What is wrong, and what would be right, with the variable's name.
    line: String,
}

/// Every setting that is missing or bad, in the order in which a person would set them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSettings(pub Vec<BadSetting>);

/// Collects what is wrong while settings are read.
#[derive(Debug, Default)]
pub(super) struct Collected(Vec<BadSetting>);

impl BadSetting {
    /// For this setting.
    pub fn new(setting: &'static str, problem: impl fmt::Display) -> Self {
        Self { setting, line: format!("{setting}: {problem}") }
    }

    /// For the URL of a database. Its text may hold a password and stays out of the message.
    pub fn database(setting: &'static str, error: &DatabaseError) -> Self {
        let problem = error_chain(error);
        let line = match error {
            DatabaseError::Url => format!("{setting} is {problem}"),
            // It is about a setting of its own, and names it.
            DatabaseError::PasswordFile(..) => problem,
            _ => format!("{setting}: {problem}"),
        };
        Self { setting, line }
    }
}

/// A line each.
impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for BadSettings {}

impl From<BadSetting> for BadSettings {
    fn from(bad: BadSetting) -> Self {
        Self(vec![bad])
    }
}

impl Collected {
    /// The value, or None and a line more.
    pub fn take<T, E: Into<BadSettings>>(&mut self, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(bad) => {
                for bad in bad.into().0 {
                    if !self.0.contains(&bad) {
                        self.0.push(bad);
                    }
                }
                None
            }
        }
    }

    /// The whole, where every part of it is right.
    pub fn finish<T>(self, whole: Option<T>) -> Result<T, BadSettings> {
        match whole {
            Some(whole) if self.0.is_empty() => Ok(whole),
            _ => Err(BadSettings(self.0)),
        }
    }
}
