//! Who gives a command and why: it becomes the envelope of the events.

use std::collections::HashMap;
use std::fmt;

use domain::{AccountId, ApiKeyId, LoginId, Sealed};

/// Who gives a command, and in what connection; stored with each event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Who.
    pub actor: Actor,
    /// Whom it is about.
    pub account_id: Option<AccountId>,
    /// In which login.
    pub login_id: Option<LoginId>,
    /// Because of which event: `stream/id/sequence`.
    pub causation_id: Option<String>,
    /// Because of which update of the bot.
    pub update_id: Option<i64>,
    /// Why, in the words of the person who ordered it, sealed with the key of the person whom it is about.
    pub reason: Option<Sealed>,
    /// The lease under which a worker acts.
    pub fence: Option<Fence>,
}

/// Who gives a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person.
    Account(AccountId),
    /// The service itself.
    System,
    /// Another service, by its API key.
    ApiKey(ApiKeyId),
    /// An operator's tool.
    Tool {
        /// Its name.
        name: &'static str,
        /// The system user who ran it, where it is a command.
        run_by: Option<String>,
    },
    /// What is taken over from another system, by the system user who ran that command.
    Import {
        /// Their name.
        run_by: String,
    },
}

/// The lease of a worker on an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Which login.
    pub login_id: LoginId,
    /// Which attempt of it.
    pub attempt: u32,
    /// Which holder.
    pub epoch: i64,
}

impl Context {
    /// The service itself.
    pub fn system() -> Self {
        Self::from_actor(Actor::System)
    }

    /// A person, about themselves.
    pub fn by(account: AccountId) -> Self {
        Self { account_id: Some(account), ..Self::from_actor(Actor::Account(account)) }
    }

    /// Another service, by its API key.
    pub fn api_key(key: ApiKeyId) -> Self {
        Self::from_actor(Actor::ApiKey(key))
    }

    /// An operator's tool.
    pub fn tool(name: &'static str) -> Self {
        Self::from_actor(Actor::Tool { name, run_by: None })
    }

    /// An operator's command, run by this user of the system.
    pub fn command(name: &'static str, run_by: String) -> Self {
        Self::from_actor(Actor::Tool { name, run_by: Some(run_by) })
    }

    /// What is taken over from another system, by a command that this user of the system runs.
    pub fn import(run_by: String) -> Self {
        Self::from_actor(Actor::Import { run_by })
    }

    fn from_actor(actor: Actor) -> Self {
        Self {
            actor,
            account_id: None,
            login_id: None,
            causation_id: None,
            update_id: None,
            reason: None,
            fence: None,
        }
    }

    /// About this person.
    #[must_use]
    pub fn with_account(self, account: AccountId) -> Self {
        Self { account_id: Some(account), ..self }
    }

    /// In this login.
    #[must_use]
    pub fn with_login(self, login: &LoginId) -> Self {
        Self { login_id: Some(login.clone()), ..self }
    }

    /// Because of this event.
    #[must_use]
    pub fn with_cause(self, causation_id: impl Into<String>) -> Self {
        Self { causation_id: Some(causation_id.into()), ..self }
    }

    /// Because of this update of the bot.
    #[must_use]
    pub fn with_update(self, update_id: i64) -> Self {
        Self { update_id: Some(update_id), ..self }
    }

    /// For this reason.
    #[must_use]
    pub fn with_reason(self, reason: Option<Sealed>) -> Self {
        Self { reason, ..self }
    }

    /// Only while this lease holds.
    #[must_use]
    pub fn with_fence(self, fence: &Fence) -> Self {
        Self { fence: Some(fence.clone()), login_id: Some(fence.login_id.clone()), ..self }
    }

    /// As stored: strings all, absent rather than empty.
    ///
    /// `{"actor": "system", "account_id": "<uuid>", "correlation_id": "<login id>", "causation_id":
    /// "<stream>/<id>/<sequence>", "update_id": "17", "reason": "<sealed>", "epoch": "3", "attempt": "1"}`; an actor is `system`,
    /// an account id, `key:<key id>`, `tool:<name>`, `tool:<name>:<system user>`, or `import`, which comes with `run_by`, the system
    /// user.
    pub(super) fn metadata(&self) -> HashMap<String, String> {
        let run_by = match &self.actor {
            Actor::Import { run_by } => Some(run_by.clone()),
            Actor::Account(_) | Actor::System | Actor::ApiKey(_) | Actor::Tool { .. } => None,
        };
        [
            ("actor", Some(self.actor.to_string())),
            ("run_by", run_by),
            ("account_id", self.account_id.map(|id| id.to_string())),
            ("correlation_id", self.login_id.as_ref().map(ToString::to_string)),
            ("causation_id", self.causation_id.clone()),
            ("update_id", self.update_id.map(|id| id.to_string())),
            ("reason", self.reason.as_ref().map(|reason| reason.0.clone())),
            ("epoch", self.fence.as_ref().map(|fence| fence.epoch.to_string())),
            ("attempt", self.fence.as_ref().map(|fence| fence.attempt.to_string())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }
}

/// As stored.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::System => f.write_str("system"),
            Self::ApiKey(key) => write!(f, "key:{key}"),
            Self::Import { .. } => f.write_str("import"),
            Self::Tool { name, run_by: None } => write!(f, "tool:{name}"),
            Self::Tool { name, run_by: Some(user) } => write!(f, "tool:{name}:{user}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{AccountId, Sealed};
    use serde_json::Value;

    use super::{Context, Fence};

    /// Other services read the metadata by this document.
    #[test]
    fn the_metadata_is_as_the_documentation_says() {
        let document = include_str!("../../../docs/events.md");
        let block = document.split("## Metadata").nth(1).and_then(|text| text.split("```json").nth(1));
        let block = block.and_then(|text| text.split("```").next()).expect("an example under Metadata");
        let documented: Value = serde_json::from_str(block).expect("JSON");

        let account: AccountId = "00000000-0000-0000-0000-00000000000a".parse().unwrap();
        let login_id = "login-00000000000000000000000001".parse().unwrap();
        let context = Context::by(account)
            .with_cause("login/login-00000000000000000000000001/7")
            .with_update(17)
            .with_reason(Some(Sealed("c2VhbGVk".to_owned())))
            .with_fence(&Fence { login_id, attempt: 1, epoch: 3 });
        assert_eq!(serde_json::to_value(context.metadata()).unwrap(), documented);
    }
}
