//! What a person may do here.

use serde::{Deserialize, Serialize};

/// What a person may do here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Log in.
    #[default]
    User,
    /// Everything.
    Admin,
    /// Read the history.
    Auditor,
}

impl Role {
    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }
}
