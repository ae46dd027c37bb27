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

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::User, Self::Admin, Self::Auditor]
            .into_iter()
            .find(|role| role.name().eq_ignore_ascii_case(text))
            .ok_or(UnknownRole)
    }
}

/// No role has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a role: user, admin or auditor")]
pub struct UnknownRole;

/// Who decides on a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleSource {
    /// The settings: `ADMIN_IDS` names the person, or does so no longer.
    #[default]
    Settings,
    /// An admin, or an operator at the terminal.
    Order,
}

impl RoleSource {
    /// Whether it is the settings. Events that do not say so are of a time when only the settings changed roles.
    pub fn is_settings(&self) -> bool {
        *self == Self::Settings
    }
}
