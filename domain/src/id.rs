//! Newtypes for the ids that events are written with. None of them says who a person is.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A person, as events know them: a random id that only the vault links to a Telegram account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub Uuid);

/// An invite: a random id; its code lives in the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InviteId(pub Uuid);

/// A rebuild of a view that an admin ordered: a random id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RebuildId(pub Uuid);

/// An admin's order to fold parked rows again: a random id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplayId(pub Uuid);
/// A read of a history: who read what, and in which minute, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditId(pub Uuid);

/// A login, known outside as its `session_id`: base64url, 22 to 64 characters, 128 random bits or more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginId(String);

/// What is wrong with a login id: not 22 to 64 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a login id is 22 to 64 characters of base64url")]
pub struct BadLoginId;

impl LoginId {
    /// The id as the outside sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight characters: enough for a log line, too little to open a page with.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl FromStr for LoginId {
    type Err = BadLoginId;

    fn from_str(text: &str) -> Result<Self, BadLoginId> {
        let well_formed = (22..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(BadLoginId) }
    }
}

impl TryFrom<String> for LoginId {
    type Error = BadLoginId;

    fn try_from(text: String) -> Result<Self, BadLoginId> {
        text.parse()
    }
}

/// A table of logins is asked by the text of a request.
impl Borrow<str> for LoginId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<LoginId> for String {
    fn from(id: LoginId) -> Self {
        id.0
    }
}

/// The whole id. Logs take [`LoginId::short`].
impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! uuid_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

uuid_id!(AccountId);
uuid_id!(InviteId);
uuid_id!(RebuildId);
uuid_id!(ReplayId);
uuid_id!(AuditId);

/// Personal data, sealed with the person's own key: XChaCha20-Poly1305, base64url. Without that key nobody can
/// read any of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);
