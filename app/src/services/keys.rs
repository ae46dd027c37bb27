//! API keys: made, listed and revoked, by admins and from the command line.
//!
//! A key is recorded before it is kept, and refused before that is recorded. So where the process dies half-way, no key works that the
//! log does not know of, and none works that somebody wanted to be rid of; the same order again does the rest.

use std::collections::BTreeSet;

use domain::{ApiKeyId, Scope, ServiceCommand, ServiceError};
use eventlog::{Clock, Context, Database, DatabaseError, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use vault::api_keys::ApiKey;
use vault::{DerivedKeys, Vault};

use crate::error::UseCaseError;

/// The longest name of a key, in characters.
pub const LONGEST_NAME: usize = 64;
/// The longest life of a key that expires: ten years.
pub const MOST_DAYS: u32 = 3650;
/// How often an id is drawn, in case another key has it. An id has 32 random bits.
const DRAWS: u32 = 5;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// After so many days it is refused; None: never.
    pub expires_in_days: Option<u32>,
}

/// A key that was made. It is shown this once.
#[derive(Debug)]
pub struct MadeKey {
    /// What is kept of it.
    pub kept: ApiKey,
    /// `qrl_<key id>_<secret>`.
    pub key: SecretString,
}

/// Why no key was made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name is empty, too long, or has characters that cannot be seen.
    #[error("the name of a key has 1 to 64 visible characters")]
    BadName,
    /// It could do nothing.
    #[error("a key needs at least one scope")]
    NoScopes,
    /// It would expire at once, or later than the calendar is good for.
    #[error("a key lasts 1 to 3650 days")]
    BadDays,
    /// There is no such key.
    #[error("there is no such key")]
    Unknown,
    /// No free id was found.
    #[error("no free id was found")]
    NoId,
    /// The database failed.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
}

impl From<DatabaseError> for KeyError {
    fn from(error: DatabaseError) -> Self {
        Self::UseCase(error.into())
    }
}

/// The API keys of a database.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    store: Store,
    vault: Vault,
    clock: Clock,
}

impl ApiKeys {
    /// Over this database.
    pub fn new(db: &Database, clock: Clock) -> Self {
        Self { store: Store::new(db), vault: Vault::new(db), clock }
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn create(
        &self,
        keys: &DerivedKeys,
        new: NewKey,
        context: Context,
    ) -> Result<MadeKey, KeyError> {
        let name = new.name.trim().to_owned();
        if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(KeyError::BadName);
        }
        let scopes: BTreeSet<Scope> = new.scopes.into_iter().collect();
        if scopes.is_empty() {
            return Err(KeyError::NoScopes);
        }
        if new.expires_in_days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            return Err(KeyError::BadDays);
        }
        let (scopes, now) = (scopes.into_iter().collect::<Vec<_>>(), self.clock.now());
        // As the database keeps it.
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let expires_at =
            new.expires_in_days.map(|days| at + SignedDuration::from_hours(24 * i64::from(days)));
        for _ in 0..DRAWS {
            let presented = keys.new_api_key();
            let key_id = presented.key_id.clone();
            let create =
                ServiceCommand::CreateApiKey { name: name.clone(), scopes: scopes.clone(), expires_at, at };
            self.give(&key_id, create, context.clone()).await?;
            let kept = ApiKey {
                key_id,
                name: name.clone(),
                scopes: scopes.clone(),
                created_by: context.actor.to_string(),
                created_at: at,
                expires_at,
                last_used_at: None,
                revoked_at: None,
            };
            if self.vault.add_api_key(&presented, &kept).await? {
                tracing::info!(key.id = %kept.key_id, "API key made");
                return Ok(MadeKey { key: presented.whole(), kept });
            }
        }
        Err(KeyError::NoId)
    }

    /// All keys, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self) -> Result<Vec<ApiKey>, DatabaseError> {
        self.vault.api_keys().await
    }

    /// Revokes a key: every process refuses it from now on. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`KeyError::Unknown`]; the database failed.
    pub async fn revoke(&self, key_id: &ApiKeyId, context: Context) -> Result<(), KeyError> {
        let at = self.clock.now();
        if !self.vault.revoke_api_key(key_id, at).await? {
            return Err(KeyError::Unknown);
        }
        self.give(key_id, ServiceCommand::RevokeApiKey { at }, context).await?;
        tracing::info!(key.id = %key_id, "API key revoked");
        Ok(())
    }

    async fn give(
        &self,
        key_id: &ApiKeyId,
        command: ServiceCommand,
        context: Context,
    ) -> Result<(), KeyError> {
        match self.store.service(key_id.as_str(), command, context).await {
            Ok(()) => Ok(()),
            Err(StoreError::Refused(ServiceError::Unknown)) => Err(KeyError::Unknown),
            Err(other) => Err(KeyError::UseCase(other.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use eventlog::{Actor, Log, Sequencer, testing};

    use super::*;

    fn new() -> NewKey {
        NewKey { name: " billing ".to_owned(), scopes: vec![Scope::UsersRead], expires_in_days: Some(1) }
    }

    async fn told(db: &Database) -> Vec<(String, String, String)> {
        while Sequencer::take_over(db).await.unwrap().pass().await.unwrap() > 0 {}
        let events = Log::new(db).read(0, 1000).await.unwrap();
        events.into_iter().map(|event| (event.name, event.metadata.actor, event.stream_id)).collect()
    }

    #[tokio::test]
    async fn a_key_that_works_is_in_the_log_and_one_that_is_refused_gets_there() {
        let db = testing::database().await.db;
        let (keys, derived) = (ApiKeys::new(&db, Clock::system()), DerivedKeys::random());
        let context = Context::command("cli", "ilya".to_owned());
        let made = keys.create(&derived, new(), context.clone()).await.unwrap();
        let actor = Actor::Tool { name: "cli", run_by: Some("ilya".to_owned()) }.to_string();
        assert_eq!((&*made.kept.name, &made.kept.created_by), ("billing", &actor));
        let life = made.kept.expires_at.unwrap().duration_since(made.kept.created_at);
        assert_eq!(life, SignedDuration::from_hours(24));
        assert_eq!(keys.list().await.unwrap(), std::slice::from_ref(&made.kept));

        // A process that died after it had refused the key, and before it told so: the same order again tells.
        let vault = Vault::new(&db);
        vault.revoke_api_key(&made.kept.key_id, Clock::system().now()).await.unwrap();
        assert_eq!(told(&db).await.len(), 1);
        for _ in 0..2 {
            keys.revoke(&made.kept.key_id, context.clone()).await.unwrap();
        }
        let by_ilya = |name: &str| (name.to_owned(), actor.clone(), made.kept.key_id.to_string());
        assert_eq!(told(&db).await, [by_ilya("ApiKeyCreated"), by_ilya("ApiKeyRevoked")]);
    }

    #[tokio::test]
    async fn a_process_that_dies_as_it_makes_a_key_leaves_none_that_nobody_knows_of() {
        let db = testing::database().await.db;
        let (keys, derived) = (ApiKeys::new(&db, Clock::system()), DerivedKeys::random());
        for polls in 0.. {
            let dying = keys.create(&derived, new(), Context::tool("test"));
            let is_made = testing::dies_after(polls, dying).await.is_some();
            let (kept, told) = (keys.list().await.unwrap(), told(&db).await);
            for key in kept {
                assert!(
                    told.iter().any(|(_, _, id)| *id == key.key_id.to_string()),
                    "{key:?} is not in the log"
                );
            }
            if is_made {
                break;
            }
        }
    }
}
