//! The write side: a command becomes events at the end of one stream, or a reason why not. cqrs-es decides, postgres-es
//! reads, `appends` appends, and this adds what they leave to their user:
//!
//! 1. Each command runs in a task of its own, so that a caller who is dropped (a closed connection, a lost lease) cannot
//!    cut it in half.
//! 2. Two writers of one stream: the primary key lets one through, the other reads again and decides again.
//! 3. A worker whose lease has passed on is refused by a trigger (QR001) and must not try again: what it knows is old.
//! 4. After the commit the sequencer is woken.
//!
//! No view hangs on the write side, and no snapshot: postgres-es has both, and loses updates with the one and applies
//! events twice with the other.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_es::persist::{EventUpcaster, PersistedEventStore, SerializedEvent};
use cqrs_es::{Aggregate, AggregateError, CqrsFramework, EventStore};
use domain::upcast::upcast;
use domain::{
    Account, AccountCommand, AccountError, AccountId, Invite, InviteCommand, InviteError, InviteId, Login,
    LoginCommand, LoginError, LoginId,
};

use crate::database::{Database, DatabaseError};
use crate::wake::Topic;

mod appends;
mod context;
mod repository;
#[cfg(test)]
mod tests;

pub(crate) use appends::Appends;
pub use context::{Actor, Context, Fence};
use repository::Repository;

/// How often a command is decided anew because its stream has changed meanwhile.
const TRIES: u32 = 8;

/// Runs commands. A cheap clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    invites: Framework<Invite>,
    logins: Framework<Login>,
    accounts: Framework<Account>,
}

type Events<A> = PersistedEventStore<Repository, A>;
type Framework<A> = Arc<CqrsFramework<A, Events<A>>>;

/// Why a command led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError<E: std::error::Error + 'static> {
    /// The domain said no.
    #[error(transparent)]
    Refused(E),
    /// Others wrote to the same stream again and again.
    #[error("the stream kept changing")]
    Conflict,
    /// Another worker holds the attempt now.
    #[error("the lease has passed to another worker")]
    Fenced,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Store {
    /// Over this database.
    pub fn new(database: &Database) -> Self {
        Self {
            invites: framework(database),
            logins: framework(database),
            accounts: framework(database),
            database: database.clone(),
        }
    }

    /// Gives an order to an invite.
    ///
    /// # Errors
    /// [`StoreError`]: the invite refuses, or the database does.
    pub async fn invite(
        &self,
        id: InviteId,
        command: InviteCommand,
        context: Context,
    ) -> Result<(), StoreError<InviteError>> {
        self.run(&self.invites, id.to_string(), command, context).await
    }

    /// Gives an order to a login. Its events say which login they belong to, whatever the context says.
    ///
    /// # Errors
    /// [`StoreError`]: the login refuses, the lease has passed on, or the database refuses.
    pub async fn login(
        &self,
        id: &LoginId,
        command: LoginCommand,
        context: Context,
    ) -> Result<(), StoreError<LoginError>> {
        self.run(&self.logins, id.to_string(), command, context.with_login(id)).await
    }

    /// Gives an order to an account. Its events say which account they are about, whatever the context says.
    ///
    /// # Errors
    /// [`StoreError`]: the account refuses, or the database does.
    pub async fn account(
        &self,
        id: AccountId,
        command: AccountCommand,
        context: Context,
    ) -> Result<(), StoreError<AccountError>> {
        self.run(&self.accounts, id.to_string(), command, context.with_account(id)).await
    }

    /// The invite as its events tell; a fresh one if there are none.
    ///
    /// # Errors
    /// The database failed, or holds an event that this program cannot read.
    pub async fn load_invite(&self, id: InviteId) -> Result<Invite, DatabaseError> {
        self.load(&id.to_string()).await
    }

    /// The login as its events tell; a fresh one if there are none.
    ///
    /// # Errors
    /// As with [`Self::load_invite`].
    pub async fn load_login(&self, id: &LoginId) -> Result<Login, DatabaseError> {
        self.load(id.as_str()).await
    }

    /// The account as its events tell; a fresh one if there are none.
    ///
    /// # Errors
    /// As with [`Self::load_invite`].
    pub async fn load_account(&self, id: AccountId) -> Result<Account, DatabaseError> {
        self.load(&id.to_string()).await
    }

    async fn load<A: Aggregate>(&self, id: &str) -> Result<A, DatabaseError> {
        let loaded = events::<A>(&self.database).load_aggregate(id).await;
        loaded.map(|context| context.aggregate).map_err(|error| broken::<A>(error, id))
    }

    async fn run<A>(
        &self,
        framework: &Framework<A>,
        id: String,
        command: A::Command,
        context: Context,
    ) -> Result<(), StoreError<A::Error>>
    where
        A: Aggregate + 'static,
        A::Command: Clone + Send + 'static,
        A::Error: Send + 'static,
    {
        let framework = Arc::clone(framework);
        let wake = self.database.wake().clone();
        let task = tokio::spawn(async move {
            let done = decide_and_append(&framework, &id, command, context.metadata()).await;
            if done.is_ok() {
                wake.notify(Topic::Appended);
            }
            done
        });
        match task.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(DatabaseError::from(sqlx::Error::WorkerCrashed).into()),
            },
        }
    }
}

async fn decide_and_append<A>(
    framework: &CqrsFramework<A, Events<A>>,
    id: &str,
    command: A::Command,
    metadata: HashMap<String, String>,
) -> Result<(), StoreError<A::Error>>
where
    A: Aggregate,
    A::Command: Clone,
    A::Error: 'static,
{
    for tried in 1..=TRIES {
        match framework.execute_with_metadata(id, command.clone(), metadata.clone()).await {
            Ok(()) => return Ok(()),
            Err(AggregateError::UserError(reason)) => return Err(StoreError::Refused(reason)),
            Err(AggregateError::AggregateConflict) => tokio::time::sleep(pause_after(tried)).await,
            Err(other) => {
                return Err(match broken::<A>(other, id) {
                    DatabaseError::Sql(error) if crate::database::is_fenced(&error) => StoreError::Fenced,
                    error => StoreError::Database(error),
                });
            }
        }
    }
    Err(StoreError::Conflict)
}

/// Up to 2, 4, 8, … 256 ms: writers that collided must not do so again in step.
fn pause_after(tried: u32) -> Duration {
    let chance = getrandom::u32().unwrap_or(u32::MAX);
    Duration::from_micros(u64::from(chance) % (1000 << tried))
}

fn broken<A: Aggregate>(error: AggregateError<A::Error>, id: &str) -> DatabaseError {
    use AggregateError::{
        AggregateConflict, DatabaseConnectionError, DeserializationError, UnexpectedError, UserError,
    };
    let source = match error {
        DatabaseConnectionError(source) | UnexpectedError(source) => source,
        // serde names the values that it stumbles over: not into a message.
        DeserializationError(_) | UserError(_) | AggregateConflict => {
            return DatabaseError::Unreadable(format!("{}/{id}", A::TYPE));
        }
    };
    match source.downcast::<sqlx::Error>() {
        Ok(error) => DatabaseError::Sql(*error),
        Err(_) => DatabaseError::Unreadable(format!("{}/{id}", A::TYPE)),
    }
}

fn framework<A: Aggregate<Services = ()>>(database: &Database) -> Framework<A> {
    Arc::new(CqrsFramework::new(events(database), Vec::new(), ()))
}

fn events<A: Aggregate>(database: &Database) -> Events<A> {
    let store = PersistedEventStore::new_event_store(Repository::new(database));
    store.with_upcasters(vec![Box::new(Upcaster)])
}

/// Older versions of events, as the domain reads them.
struct Upcaster;

impl EventUpcaster for Upcaster {
    fn can_upcast(&self, _: &str, _: &str) -> bool {
        true
    }

    fn upcast(&self, event: SerializedEvent) -> SerializedEvent {
        let (event_version, payload) = upcast(&event.event_type, &event.event_version, event.payload);
        SerializedEvent { event_version, payload, ..event }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
