//! How a login stands, in the words of the HTTP contract.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a login stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginStatus {
    /// A QR code is on the screen, or will be in a moment.
    Waiting,
    /// Telegram has sent a login code (the one-phone way).
    CodeRequired,
    /// The account has a 2-step password.
    PasswordRequired,
    /// Linked.
    Authorized,
    /// The deadline passed.
    Expired,
    /// Ended by the person, by a newer login, or by a block.
    Cancelled,
    /// Another account confirmed; nothing was linked.
    Rejected,
    /// Something broke that waiting does not mend.
    Failed,
}

impl LoginStatus {
    /// Whether it may still become authorized.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Waiting | Self::CodeRequired | Self::PasswordRequired)
    }

    /// The stored and published spelling: `password_required`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::CodeRequired => "code_required",
            Self::PasswordRequired => "password_required",
            Self::Authorized => "authorized",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for LoginStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
